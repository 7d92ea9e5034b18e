/**
 * Disks that refuse: without room, beyond the largest file, without descriptors, read-only. Sends
 * are refused with codes and go on when the cause is gone; what was acknowledged is kept.
 */

import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs'
import { Books } from './books.mjs'
import { after, endChildren, has, inFolder, promised, run, start } from './children.mjs'
import { prepare, reopened } from './kills.mjs'

const isAck = line => line.startsWith('a ')
/** A busy machine lets sends run out of time as well: only a refusal with its cause counts. */
const refusalBy = cause => line => line.startsWith('f ') && line.includes(cause)
const WAIT = { withinMs: 120_000 } // far above what a loaded machine costs
/** A send is given up after this long. */
const deliveryTimeoutMs = 600

const limited = limit => ['bash', '-c', `ulimit ${limit}; exec "$@"`, '--']

export const canMount = () =>
  inFolder(async folder => {
    if (!(await has('mount', '-t', 'tmpfs', '-o', 'size=1m', 'partlog-storm', folder))) return false
    return has('umount', folder)
  })

/** Runs `body` in a file system of its own, of this size. */
async function inTmpfs(size, body) {
  return inFolder(async folder => {
    const mounted = `${folder}/mounted`
    mkdirSync(mounted)
    await must('mount', '-t', 'tmpfs', '-o', `size=${size}`, 'partlog-storm', mounted)
    try {
      return await body(mounted)
    } finally {
      await endChildren()
      await must('umount', mounted)
    }
  })
}

async function must(command, ...words) {
  const { code, errors } = await run(command, words)
  if (code !== 0) throw new Error(`${command} ${words.join(' ')}: ${errors}`)
}

/** A full disk, several times, once with a death while it is full. */
export function fullDiskRound({ random, times }) {
  return inTmpfs('8m', async folder => {
    const dir = `${folder}/data`
    await prepare(dir)
    const books = new Books()
    const counts = { filled: 0, kills: 0 }
    for (let run = 1; run <= times; run++) {
      const child = start('writer.mjs', { dir, run, deliveryTimeoutMs, faults: false })
      await expectLine(child, isAck, 'acknowledges nothing')
      await after(random.int(300))
      fill(`${folder}/filler`)
      counts.filled++
      await expectLine(child, refusalBy('ENOSPC'), 'refuses nothing on a full disk')
      if (random.int(2) === 0) {
        await child.kill()
        counts.kills++
        books.hear(child)
        rmSync(`${folder}/filler`)
        await reopened(dir, books)
        continue
      }
      rmSync(`${folder}/filler`)
      await expectLine(child, isAck, 'does not go on when there is room', child.lines.length)
      await endedChild(child, books)
      counts.kills++
      await reopened(dir, books)
    }
    return told(counts, books)
  })
}

function fill(path) {
  const descriptor = openSync(path, 'w')
  for (let bytes = 65_536; bytes >= 1; ) {
    try {
      writeSync(descriptor, Buffer.alloc(bytes))
    } catch {
      bytes = Math.floor(bytes / 2)
    }
  }
  closeSync(descriptor)
}

/** No file may be larger than 96 KiB, and segments would be: EFBIG. */
export function fileSizeRound({ times }) {
  return inFolder(async folder => {
    const dir = `${folder}/data`
    await prepare(dir, { segmentBytes: 10_000_000 })
    const books = new Books()
    const counts = { kills: 0 }
    for (let run = 1; run <= times; run++) {
      const options = { dir, run, deliveryTimeoutMs, admin: false, faults: false }
      const child = start('writer.mjs', options, { before: limited(`-f ${run * 96}`) })
      await expectLine(child, refusalBy('EFBIG'), 'refuses nothing beyond the largest file')
      await expectLine(child, isAck, 'does not go on in smaller files', child.lines.length)
      await endedChild(child, books)
      counts.kills++
    }
    const child = start('writer.mjs', { dir, run: times + 1 })
    await expectLine(child, line => /^a log /.test(line), 'does not go on without the limit')
    await endedChild(child, books)
    await reopened(dir, books)
    return told({ kills: counts.kills + 1 }, books)
  })
}

/**
 * Few descriptors, of which the application takes all that are left, now and then. A broker goes on
 * with those that it has, so there may be no refusals at all.
 */
export function descriptorRound({ times }) {
  return inFolder(async folder => {
    const dir = `${folder}/data`
    await prepare(dir)
    const books = new Books()
    const counts = { kills: 0 }
    for (let run = 1; run <= times; run++) {
      const options = { dir, run, deliveryTimeoutMs, hogs: true, faults: false }
      const child = start('writer.mjs', options, { before: limited(`-n ${50 + run * 6}`) })
      for (let turn = 0, at = 0; turn < 2; turn++) {
        at = await expectLine(child, line => /^hogs [1-9]/.test(line), 'took no descriptors', at)
        at = await expectLine(child, line => line === 'hogs 0', 'gave none back', at)
        at = await expectLine(child, isAck, 'does not go on with descriptors', at)
      }
      await endedChild(child, books)
      counts.kills++
      await reopened(dir, books)
    }
    return told(counts, books)
  })
}

/**
 * The folder becomes read-only under the process: a read-only view is laid over it, so whatever it
 * opens or makes from then on is refused (EROFS). Files that it has open cannot be taken from it:
 * the kernel makes no file system read-only in which a file is open for writing.
 */
export function readOnlyRound({ times }) {
  return inTmpfs('64m', async folder => {
    const dir = `${folder}/data`
    await prepare(dir)
    // Made elsewhere and then laid over it: nothing is opened for writing while it becomes one.
    const view = `${folder}-view`
    mkdirSync(view)
    await must('mount', '--bind', folder, view)
    await must('mount', '-o', 'remount,bind,ro', view)
    const books = new Books()
    const counts = { kills: 0 }
    for (let run = 1; run <= times; run++) {
      const child = start('writer.mjs', { dir, run, deliveryTimeoutMs, faults: false })
      await expectLine(child, isAck, 'acknowledges nothing')
      await must('mount', '--bind', view, folder)
      try {
        await expectLine(child, refusalBy('EROFS'), 'refuses nothing in a read-only folder')
        const second = start('writer.mjs', { dir, run, deliveryTimeoutMs, faults: false })
        await second.ended
        promised(/LOCKED|EROFS/.test(second.errors), `a second process: ${second.errors}`)
      } finally {
        await must('umount', folder)
      }
      await expectLine(child, isAck, 'does not go on in a writable folder', child.lines.length)
      await endedChild(child, books)
      counts.kills++
      await reopened(dir, books)
    }
    await must('umount', view)
    return told(counts, books)
  })
}

async function expectLine(child, fits, sentence, from = 0) {
  const at = await child.said(fits, { ...WAIT, from })
  const last = child.lines.slice(-3).join(' | ')
  promised(at >= 0, `a process ${sentence}; it last said ${last} ${child.errors}`)
  return at + 1
}

async function endedChild(child, books) {
  if (child.hasEnded) throw new Error(`a child ended by itself: ${child.code} ${child.errors}`)
  await child.kill()
  books.hear(child)
}

function told(counts, { acks, refusals }) {
  const sum = [...refusals.values()].reduce((total, each) => total + each, 0)
  return { ...counts, acks, refusals: sum }
}
