/** A file of leader epochs that says something else than the batches. */

import { describe, expect, it } from 'vitest'
import type { OpenedLog } from '../../../src/log/recovery/open-log.js'
import { createEmpty, expected, history, open, readAll, world, type World } from '../helpers.js'

const SMALL = { 'internal.segment.bytes': 500, 'retention.ms': -1 }
const EPOCHS = 'orders-0/leader-epoch-checkpoint'

/** Offsets 0 to 39: 10 of epoch 1, 10 of epoch 3, 20 of epoch 4. */
async function closed(w: World): Promise<void> {
  const log = await createEmpty(w)
  log.appendAsFollower(history(0, 10, 1))
  log.appendAsFollower(history(10, 10, 3))
  log.appendAsFollower(history(20, 20, 4))
  await log.close()
}

const TRUE = '1:0 3:10 4:20'

async function write(w: World, path: string, text: string): Promise<void> {
  await w.disk.remove(path)
  const file = w.disk.create(path)
  file.append(Buffer.from(text))
  file.close()
}

const fileOf = (epochs: string): string => {
  const lines = epochs.split(' ').filter(word => word !== '')
  return `0\n${lines.length}\n${lines.map(line => `${line.replace(':', ' ')}\n`).join('')}`
}

const epochsOf = ({ log }: OpenedLog): string =>
  log.epochs.entries.map(({ epoch, startOffset }) => `${epoch}:${startOffset}`).join(' ')

const kinds = ({ findings }: OpenedLog): string[] => findings.map(({ kind }) => kind)

describe('epochs that no batch has', () => {
  it.each([
    ['a later one at the end', '1:0 3:10 7:20'],
    ['a later one for everything', '7:0'],
    ['one in the middle', '1:0 2:10 4:20'],
    ['the first', '0:0 3:10 4:20'],
    ['begins too early', '1:0 3:9 4:20'],
    ['begins too late', '1:0 3:11 4:20'],
    ['the last begins too early', '1:0 3:10 4:19'],
    ['the last begins too late', '1:0 3:10 4:30'],
    ['the last is missing', '1:0 3:10'],
    ['one in the middle is missing', '1:0 4:20'],
    ['the first is missing', '3:10 4:20'],
    ['of an older copy', '1:0'],
    ['there are none', ''],
    ['of another partition', '0:0 1:5 2:6 4:39'],
  ])('wrong epochs are rebuilt from the batches, with a finding: %s', async (_, epochs) => {
    for (const wasClosedCleanly of [true, false]) {
      const w = world(SMALL)
      await closed(w)
      await write(w, EPOCHS, fileOf(epochs))
      const opened = await open(w, { recoveryPoint: 40, wasClosedCleanly })
      expect(kinds(opened)).toEqual(['epochs-rebuilt'])
      expect(opened.findings[0]?.file).toBe(EPOCHS)
      expect(epochsOf(opened)).toBe(TRUE)
      expect(await readAll(opened.log)).toEqual(expected(40))
      await opened.log.close()
      const again = await open(w, { recoveryPoint: 40, wasClosedCleanly })
      expect([kinds(again), epochsOf(again)]).toEqual([[], TRUE])
    }
  })

  it.each([
    ['no numbers', '0\n1\nx y\n'],
    ['do not ascend', fileOf('4:0 3:10 1:20')],
    ['zeros', '\0'.repeat(17)],
    ['cut', '0\n3\n1 0\n3 1'],
  ])('unreadable epochs are rebuilt from the batches: %s', async (_, text) => {
    const w = world(SMALL)
    await closed(w)
    await write(w, EPOCHS, text)
    const opened = await open(w, { recoveryPoint: 40, wasClosedCleanly: true })
    expect([kinds(opened), epochsOf(opened)]).toEqual([['epochs-rebuilt'], TRUE])
  })

  it('epochs without a file are rebuilt from the batches', async () => {
    const w = world(SMALL)
    await closed(w)
    await w.disk.remove(EPOCHS)
    const opened = await open(w, { recoveryPoint: 40, wasClosedCleanly: true })
    expect([kinds(opened), epochsOf(opened)]).toEqual([['epochs-rebuilt'], TRUE])
  })

  it('the epoch of a leadership without records is dropped without a finding', async () => {
    const w = world(SMALL)
    await closed(w)
    for (const claimed of ['5:40', '9:40', '9:47']) {
      await write(w, EPOCHS, fileOf(`${TRUE} ${claimed}`))
      const opened = await open(w, { recoveryPoint: 40, wasClosedCleanly: true })
      expect([kinds(opened), epochsOf(opened)]).toEqual([[], TRUE])
      await opened.log.close()
    }
  })

  it('epochs of deleted records are dropped without a finding', async () => {
    const w = world(SMALL)
    await closed(w)
    for (const [start, left] of [
      [5, '1:5 3:10 4:20'],
      [10, '3:10 4:20'],
      [14, '3:14 4:20'],
      [40, ''],
    ] as const) {
      const opened = await open(w, {
        recoveryPoint: 40,
        wasClosedCleanly: true,
        logStartOffset: start,
      })
      expect(kinds(opened)).toEqual([])
      expect(epochsOf(opened)).toBe(start === 40 ? '4:40' : left)
      await opened.log.close()
    }
  })
})

describe('epochs of batches that cannot be', () => {
  /** Changes a bit of the epoch of the batch at this offset. */
  async function rotten(w: World, offset: number, bit: number): Promise<string> {
    const name = w.disk
      .list('orders-0')
      .map(entry => entry.name)
      .filter(each => each.endsWith('.log') && Number.parseInt(each) <= offset)
      .at(-1)
    const path = `orders-0/${name}`
    const file = w.disk.open(path)
    const bytes = await file.read(0, file.size)
    file.close()
    let at = 0
    while (Number(bytes.readBigInt64BE(at)) !== offset) at += 12 + bytes.readInt32BE(at + 8)
    bytes[at + 12 + Math.floor(bit / 8)]! ^= 1 << bit % 8
    await w.disk.remove(path)
    const damaged = w.disk.create(path)
    damaged.append(bytes)
    damaged.close()
    return `${path} at position ${at}`
  }

  it.each([0, 9, 10, 19, 20, 39])('a wrong epoch at %d takes the log offline', async offset => {
    for (const bit of [0, 7, 8, 30]) {
      const w = world(SMALL)
      await closed(w)
      await rotten(w, offset, bit)
      const opening = open(w, { recoveryPoint: 40, wasClosedCleanly: true, leaderEpochMax: 4 })
      await expect(opening).rejects.toMatchObject({ code: 'CORRUPT_LOG' })
      const options = { recoveryPoint: 40, wasClosedCleanly: true, leaderEpochMax: 4 } as const
      const given = await open(w, { ...options, onCorruption: 'truncate' })
      expect(kinds(given)).toContain('corruption-cut')
      expect(await readAll(given.log)).toEqual(expected(given.log.logEndOffset))
      expect(given.log.logEndOffset).toBeLessThanOrEqual(offset + 1)
    }
  })
})
