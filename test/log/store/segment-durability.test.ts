/** Zeros ahead of records: when they are written and cut off, and every crash with them. */

import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../src/base/random.js'
import { DiskError } from '../../../src/disk/disk.js'
import { MemoryDisk } from '../../../src/disk/memory-disk.js'
import { createLog, openLog } from '../../../src/log/recovery/open-log.js'
import { ZEROS_AHEAD } from '../../../src/log/store/segment-durability.js'
import type { Log } from '../../../src/log/store/log.js'
import { cutPower, settle } from '../../crash/harness.js'
import { afterPowerCut, DAMAGES } from '../../../src/testing/simulation/power-cut.js'
import { append, contextOf, readAll, TOPIC_ID, world, type World } from '../helpers.js'

const FOLDER = 'orders-0'
const EARLY = { afterSyncs: 2, smallSyncBytes: 1000, stepBytes: 700 }

function fileOf(base: number): string {
  return `${FOLDER}/${String(base).padStart(20, '0')}.log`
}

/** What another process sees: records and zeros. */
async function seen(w: World, base = 0): Promise<{ bytes: number; zeros: number }> {
  const file = w.disk.open(fileOf(base))
  const content = await file.read(0, file.size)
  let zeros = 0
  while (zeros < content.length && content.at(-1 - zeros) === 0) zeros++
  return { bytes: content.length, zeros }
}

async function made(w: World, zerosAhead = EARLY): Promise<Log> {
  const log = createLog({ ...contextOf(w), zerosAhead }, TOPIC_ID)
  await log.assignEpoch(0)
  await w.disk.syncDirectory('')
  return log
}

async function sendMany(log: Log, count: number, from = 0): Promise<void> {
  for (let index = from; index < from + count; index++) {
    append(log, [`value ${index}`])
    await log.flush()
  }
}

it('what is appended during a sync is synced by the next one', async () => {
  const w = world()
  const log = await made(w)
  append(log, ['first'])
  w.disk.beforeOperation = ({ kind, path }) => {
    if (kind !== 'sync' || path !== fileOf(0)) return undefined
    w.disk.beforeOperation = () => undefined
    append(log, ['second'])
    return undefined
  }
  await log.flush()
  await log.flush()
  const syncs = w.disk.history.filter(({ kind, path }) => kind === 'sync' && path === fileOf(0))
  expect([log.durableEndOffset, syncs.length]).toEqual([2, 2])
  await log.close()
})

describe('zeros ahead of records', () => {
  it('zeros ahead of records are written after many small syncs, and never more than the segment holds', async () => {
    const w = world()
    const log = await made(w)
    await sendMany(log, 1)
    expect((await seen(w)).bytes).toBe(log.sizeBytes)
    await sendMany(log, 1, 1)
    expect((await seen(w)).bytes).toBe(2 * log.sizeBytes)
    await sendMany(log, 100, 2)
    const { bytes } = await seen(w)
    expect(bytes).toBeGreaterThan(log.sizeBytes)
    expect(bytes).toBeLessThanOrEqual(log.sizeBytes + EARLY.stepBytes)
    expect(await readAll(log)).toHaveLength(102)
    await log.close()
  })

  it('zeros ahead of records are not written while syncs are large', async () => {
    const w = world()
    const log = await made(w)
    for (let round = 0; round < 5; round++) {
      for (let index = 0; index < 20; index++) append(log, [`value ${index}`])
      await log.flush()
      await sendMany(log, 1)
      expect((await seen(w)).bytes).toBe(log.sizeBytes)
    }
    await log.close()
  })

  it('zeros ahead of records are never written to a log that is not asked to', async () => {
    const w = world()
    const log = createLog(contextOf(w), TOPIC_ID)
    await sendMany(log, ZEROS_AHEAD.afterSyncs * 3)
    expect((await seen(w)).bytes).toBe(log.sizeBytes)
    await log.close()
  })

  it('zeros ahead of records are cut off when the segment is closed, before its recovery point moves', async () => {
    const w = world({ 'internal.segment.bytes': 600 })
    const log = await made(w)
    await sendMany(log, 20)
    await settle()
    const { segments } = log.state
    expect(segments.all.length).toBeGreaterThan(2)
    for (const closed of segments.all.slice(0, -1)) {
      expect((await seen(w, closed.baseOffset)).bytes).toBe(closed.size)
    }
    const kinds = w.disk.history
      .filter(operation => 'path' in operation && operation.path === fileOf(0))
      .map(({ kind }) => kind)
    expect(kinds.slice(kinds.indexOf('truncate'))).toContain('sync')
    await log.close()
  })

  it('zeros ahead of records are cut off when the log is closed', async () => {
    const w = world()
    const log = await made(w)
    await sendMany(log, 5)
    await log.checkpoint()
    expect((await seen(w)).bytes).toBeGreaterThan(log.sizeBytes)
    expect(await log.close()).toBe(true)
    expect((await seen(w)).bytes).toBe(log.sizeBytes)
  })

  it('zeros ahead of records are cut off when nothing was appended from one checkpoint to the next', async () => {
    const w = world()
    const log = await made(w)
    await sendMany(log, 5)
    await log.checkpoint()
    expect((await seen(w)).bytes).toBeGreaterThan(log.sizeBytes)
    await log.checkpoint()
    expect((await seen(w)).bytes).toBe(log.sizeBytes)
    await sendMany(log, 5, 5)
    expect(await readAll(log)).toHaveLength(10)
    await log.close()
  })

  it('cost no record when the disk refuses them or an append', async () => {
    const w = world()
    const log = await made(w)
    await sendMany(log, 1)
    const full = new DiskError('ENOSPC', 'append', fileOf(0))
    w.disk.beforeOperation = operation => {
      if (operation.kind === 'append' && operation.bytes.every(byte => byte === 0)) throw full
      return undefined
    }
    await sendMany(log, 5, 1)
    expect((await seen(w)).bytes).toBe(log.sizeBytes)
    w.disk.beforeOperation = undefined
    await sendMany(log, 5, 6)
    expect((await seen(w)).bytes).toBeGreaterThan(log.sizeBytes)
    // An append that is cut short leaves bytes among the zeros: they go before the next one.
    w.disk.beforeOperation = operation =>
      operation.kind === 'append' ? { writtenBytes: 30, code: 'ENOSPC' } : undefined
    expect(() => append(log, ['refused'])).toThrow('ENOSPC')
    w.disk.beforeOperation = undefined
    await sendMany(log, 5, 11)
    expect(await readAll(log)).toEqual(Array.from({ length: 16 }, (_, n) => `${n}:value ${n}`))
    await log.close()
  })
})

describe('a crash with zeros ahead', () => {
  /** Sends until the power goes; returns what was promised. */
  async function untilCut(w: World, at: number) {
    const promised = { records: 0, recoveryPoint: 0 }
    const log = await made(w)
    const power = cutPower(w.disk, at)
    const work = async (): Promise<void> => {
      for (let index = 0; index < 16; index++) {
        append(log, [`value ${index}`])
        await log.flush()
        promised.records++
        if (index % 5 !== 4) continue
        await log.checkpoint()
        promised.recoveryPoint = log.recoveryPoint
      }
    }
    await Promise.race([work().catch(() => undefined), power.isOut])
    await settle()
    return power.operation === undefined ? undefined : promised
  }

  it('a crash with zeros ahead keeps every durable record, at every operation and with every damage', async () => {
    let cuts = 0
    let withZeros = 0
    for (let at = 0; ; at++, cuts++) {
      const w = world({ 'internal.segment.bytes': 600 })
      const promised = await untilCut(w, at)
      if (promised === undefined) break
      for (const damage of DAMAGES) {
        for (const seed of [1, 2, 3]) {
          const disk = afterPowerCut(w.disk.history, damage, seededRandom(seed))
          const where = `operation ${at}, ${damage}, seed ${seed}`
          withZeros += (await checkLeft({ ...w, disk }, promised, where)) ? 1 : 0
        }
      }
    }
    expect(cuts).toBeGreaterThan(60)
    expect(withZeros).toBeGreaterThan(60)
  })

  /** True if the crash has left zeros. */
  async function checkLeft(
    w: World,
    { records, recoveryPoint }: { readonly records: number; readonly recoveryPoint: number },
    where: string,
  ): Promise<boolean> {
    const before = w.disk.exists(fileOf(0)) ? (await seen(w)).zeros > 17 : false
    const { log } = await openLog(contextOf(w), {
      recoveryPoint,
      logStartOffset: undefined,
      isSealed: { recoveryPoints: true, logStarts: true },
      wasClosedCleanly: false,
      isReplicated: false,
      onCorruption: 'offline',
    }).catch((error: unknown) => {
      throw new Error(`${where}: ${(error as Error).message}`)
    })
    const found = await readAll(log)
    expect(found.length, where).toBeGreaterThanOrEqual(records)
    expect(found, where).toEqual(found.map((_, n) => `${n}:value ${n}`))
    for (const { baseOffset, size } of log.state.segments.all) {
      expect((await seen(w, baseOffset)).bytes, where).toBe(size)
    }
    append(log, ['more'])
    await log.flush()
    expect((await readAll(log)).at(-1), where).toBe(`${found.length}:more`)
    await log.close()
    return before
  }
})

it('a disk in memory without a history writes no zeros', () => {
  const file = new MemoryDisk().create('a')
  file.writeZerosAhead(1000)
  expect(file.zerosAhead).toBe(0)
})
