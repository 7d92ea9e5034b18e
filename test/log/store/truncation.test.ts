/** A log that is cut back to where it agrees with its leader. */

import { describe, expect, it } from 'vitest'
import { Deferred } from '../../../src/base/tasks.js'
import { DiskError, type DiskFile } from '../../../src/disk/disk.js'
import type { Log } from '../../../src/log/store/log.js'
import {
  append,
  appendMany,
  copied,
  batchOf,
  create,
  createEmpty,
  expected,
  history,
  logBytesOf,
  open,
  readAll,
  world,
  type World,
} from '../helpers.js'

const SMALL = { 'internal.segment.bytes': 500, 'index.interval.bytes': 150, 'retention.ms': -1 }
const T = Date.UTC(2026, 0, 1)
const FIRST = 'orders-0/00000000000000000000.log'
/** The last segment of `threes`. */
const LAST = 'orders-0/00000000000000000045.log'
const EPOCHS = 'orders-0/leader-epoch-checkpoint'

/** A log of 60 records, three to a batch, each batch 10 ms later than the one before. */
async function threes(w: World): Promise<Log> {
  const log = await createEmpty(w)
  for (let n = 0; n < 20; n++) {
    const bytes = batchOf([`v${3 * n}`, `v${3 * n + 1}`, `v${3 * n + 2}`], T + 10 * n)
    log.appendAsFollower(copied(bytes, 3 * n, n < 10 ? 0 : 1))
  }
  return log
}

const epochsOf = (log: Log): string =>
  log.epochs.entries.map(({ epoch, startOffset }) => `${epoch}:${startOffset}`).join(' ')

const marksOf = (log: Log): number[] => [log.logStartOffset, log.logEndOffset]

const textOf = async (w: World, path: string): Promise<string> =>
  (await w.disk.open(path).read(0, 1000)).toString()

describe('cutting a log', () => {
  it('truncating removes each batch that reaches the offset, and appends continue', async () => {
    for (let offset = 0; offset <= 60; offset++) {
      const w = world(SMALL)
      const log = await threes(w)
      if (offset % 2 === 0) await log.checkpoint()
      await log.truncateTo(offset)
      const end = 3 * Math.floor(offset / 3)
      expect(marksOf(log)).toEqual([0, end])
      expect(await readAll(log)).toEqual(expected(end))
      expect(log.recoveryPoint).toBeLessThanOrEqual(end)
      expect(log.durableEndOffset).toBeLessThanOrEqual(end)
      log.appendAsFollower(history(end, 9, 5, 'w'))
      const all = [...expected(end), ...expected(end + 9, end, 'w')]
      expect(await readAll(log)).toEqual(all)
      await log.flush()
      await log.abandon()
      const again = await open(w, { recoveryPoint: log.recoveryPoint })
      expect(again.findings).toEqual([])
      expect(await readAll(again.log)).toEqual(all)
      expect(epochsOf(again.log)).toBe(epochsOf(log))
    }
  })

  it('a truncated log is the same as one that never had more', async () => {
    for (const end of [0, 3, 27, 30, 33, 57]) {
      const log = await threes(world(SMALL))
      await log.truncateTo(end)
      const other = await createEmpty(world(SMALL))
      const stored = end === 0 ? Buffer.alloc(0) : await logBytesOf(log)
      other.appendAsFollower(stored)
      for (const each of [log, other]) each.appendAsFollower(history(end, 30, 4, 'w'))
      expect(await logBytesOf(log)).toEqual(await logBytesOf(other))
      expect(epochsOf(log)).toBe(epochsOf(other))
      await log.close()
      await other.close()
    }
  })

  it('truncating updates times and indexes', async () => {
    const log = await threes(world({ ...SMALL, 'index.interval.bytes': 0 }))
    expect(await log.findNewest()).toEqual({ offset: 57, timestamp: T + 190 })
    await log.truncateTo(32)
    expect(await log.findNewest()).toEqual({ offset: 27, timestamp: T + 90 })
    expect(await log.findTimestamp(T + 91)).toBeUndefined()
    log.appendAsFollower(copied(batchOf(['late'], T + 95), 30, 2))
    log.appendAsFollower(copied(batchOf(['later'], T + 150), 31, 2))
    for (let time = 0; time <= 150; time++) {
      const offset = time <= 90 ? 3 * Math.ceil(time / 10) : time <= 95 ? 30 : 31
      expect((await log.findTimestamp(T + time))?.offset, `time ${time}`).toBe(offset)
    }
    for (let from = 0; from < 32; from++) expect(await readAll(log, from)).toHaveLength(32 - from)
  })

  it('truncating to a closed segment makes it the active one, also after opening', async () => {
    const w = world(SMALL)
    await (await threes(w)).close()
    const { log } = await open(w, { wasClosedCleanly: true, recoveryPoint: 60 })
    await log.truncateTo(20)
    for (let base = 18; base < 60; base += 6) log.appendAsFollower(history(base, 6, 7, 'w'))
    expect(await readAll(log)).toEqual([...expected(18), ...expected(60, 18, 'w')])
    expect(await log.findTimestamp(T + 41)).toEqual({ offset: 15, timestamp: T + 50 })
    await log.close()
    const again = await open(w, { wasClosedCleanly: true, recoveryPoint: 60 })
    expect(again.findings).toEqual([])
    expect(await readAll(again.log, 30)).toEqual(expected(60, 30, 'w'))
  })

  it('truncating at or above the end does nothing', async () => {
    const w = world(SMALL)
    const log = await threes(w)
    await log.checkpoint()
    const before = w.disk.history.length
    await log.truncateTo(60)
    await log.truncateTo(1000)
    expect(w.disk.history).toHaveLength(before)
    expect(marksOf(log)).toEqual([0, 60])
    expect(log.durableEndOffset).toBe(60)
  })

  it('truncating at the end drops an epoch that has written nothing', async () => {
    const w = world(SMALL)
    const log = await threes(w)
    await log.assignEpoch(9)
    expect(epochsOf(log)).toBe('0:0 1:30 9:60')
    await log.truncateTo(60)
    expect(epochsOf(log)).toBe('0:0 1:30')
    expect(await textOf(w, EPOCHS)).toBe('0\n2\n0 0\n1 30\n')
  })

  it.each([
    [31, '0:0'],
    [33, '0:0 1:30'],
    [12, '0:0'],
    [2, ''],
  ])('truncating at %i leaves the epochs %s, also in the file', async (offset, left) => {
    const w = world(SMALL)
    const log = await threes(w)
    await log.truncateTo(offset)
    expect(epochsOf(log)).toBe(left)
    await log.abandon()
    const { log: again } = await open(w)
    expect(epochsOf(again)).toBe(left)
    const lines = left === '' ? [] : left.split(' ').map(entry => entry.replace(':', ' '))
    expect(await textOf(w, EPOCHS)).toBe(['0', lines.length, ...lines, ''].join('\n'))
  })

  it('truncating in a gap of a compacted log ends the log there', async () => {
    const w = world({ ...SMALL, 'cleanup.policy': 'compact' })
    const log = await createEmpty(w)
    log.appendAsFollower(Buffer.concat([history(0, 7, 0), history(50, 9, 0), history(90, 1, 0)]))
    await log.truncateTo(80)
    expect(marksOf(log)).toEqual([0, 80])
    // Here a segment ends, and the next one begins behind the gap.
    await log.truncateTo(20)
    expect(marksOf(log)).toEqual([0, 20])
    log.appendAsFollower(history(20, 1, 1))
    expect(await readAll(log)).toEqual([...expected(7), '20:v20'])
  })
})

describe('a log of which nothing is left', () => {
  it.each([0, 5, 12, 21, 60, 61, 1000])('an empty log can begin at %i', async offset => {
    const w = world(SMALL)
    const log = await threes(w)
    await log.truncateFullyAndStartAt(offset)
    expect(marksOf(log)).toEqual([offset, offset])
    expect([log.durableEndOffset, log.recoveryPoint]).toEqual([offset, offset])
    expect([log.sizeBytes, log.segmentCount, epochsOf(log)]).toEqual([0, 1, ''])
    expect(await textOf(w, EPOCHS)).toBe('0\n0\n')
    await log.flush()
    log.appendAsFollower(history(offset, 12, 3))
    expect(await readAll(log)).toEqual(expected(offset + 12, offset))
    await log.flush()
    await log.abandon()
    const again = await open(w, { recoveryPoint: offset })
    expect(again.findings).toEqual([])
    expect(await readAll(again.log)).toEqual(expected(offset + 12, offset))
    expect(epochsOf(again.log)).toBe(`3:${offset}`)
  })

  it('truncating below the log start empties the log', async () => {
    const log = await threes(world(SMALL))
    log.deleteRecordsBefore(30)
    await log.truncateTo(12)
    expect(marksOf(log)).toEqual([12, 12])
  })

  it('truncating the batch of the log start empties the log', async () => {
    const log = await threes(world(SMALL))
    log.deleteRecordsBefore(31)
    await log.truncateTo(32)
    expect(marksOf(log)).toEqual([31, 31])
  })

  it('a log start may be where a batch ends', async () => {
    const log = await threes(world(SMALL))
    log.deleteRecordsBefore(30)
    await log.truncateTo(30)
    expect(marksOf(log)).toEqual([30, 30])
    log.appendAsFollower(history(30, 2, 3))
    expect(await readAll(log)).toEqual(expected(32, 30))
  })
})

describe('while a log is cut', () => {
  it('reads that began before a truncation finish, later ones are refused', async () => {
    const log = await threes(world(SMALL))
    const bounds = { upTo: 60, maxBytes: 9999, minOneBatch: true }
    const before = await log.read(30, bounds)
    const reading = log.read(30, bounds)
    const finding = log.findTimestamp(T + 150)
    const cutting = log.truncateTo(20)
    const refused = { code: 'NOT_LEADER_OR_FOLLOWER', retriable: true }
    await expect(log.read(30, bounds)).rejects.toMatchObject(refused)
    await expect(log.findTimestamp(T)).rejects.toMatchObject(refused)
    await expect(log.findNewest()).rejects.toMatchObject(refused)
    expect(() => append(log, ['x'])).toThrow('is being truncated')
    expect(() => log.appendAsFollower(history(60, 1, 1))).toThrow('is being truncated')
    expect(() => log.deleteRecordsBefore(1)).toThrow('is being truncated')
    expect(await reading).toEqual(before)
    expect((await finding)?.offset).toBe(45)
    await cutting
    await expect(log.read(30, bounds)).rejects.toMatchObject({ code: 'OFFSET_OUT_OF_RANGE' })
    expect(await readAll(log)).toEqual(expected(18))
  })

  it.each([
    ['read', SMALL, LAST],
    ['sync', {}, FIRST],
  ] as const)('a truncation waits for a slow %s', async (kind, settings, path) => {
    const w = world(settings)
    const gate = gated(w.disk, kind, path)
    const log = await threes({ ...w, disk: gate.disk })
    gate.isShut = true
    const busy =
      kind === 'read'
        ? log.read(57, { upTo: 60, maxBytes: 999, minOneBatch: true })
        : log.flush().then(() => Buffer.alloc(1))
    const cutting = log.truncateTo(20)
    for (let turn = 0; turn < 50; turn++) await new Promise(resolve => setImmediate(resolve))
    expect(log.logEndOffset).toBe(60)
    gate.open()
    expect((await busy).length).toBeGreaterThan(0)
    await cutting
    expect(marksOf(log)).toEqual([0, 18])
    log.appendAsFollower(history(18, 9, 2))
    expect(await readAll(log)).toEqual(expected(27))
  })

  it('a flush before a truncation resolves, and later appends are synced', async () => {
    const w = world(SMALL)
    const log = await threes(w)
    await log.flush()
    log.appendAsFollower(history(60, 3, 1))
    await Promise.all([log.flush(), log.truncateTo(30), log.flush()])
    expect(log.durableEndOffset).toBe(30)
    log.appendAsFollower(history(30, 1, 2))
    const before = w.disk.history.length
    await log.flush()
    expect(log.durableEndOffset).toBe(31)
    const steps = w.disk.history.slice(before).map(({ kind, path }) => `${kind} ${path}`)
    expect(steps.at(-1)).toBe('sync orders-0/00000000000000000030.log')
  })

  it('readers continue at the new positions after a truncation', async () => {
    const log = await createEmpty(world())
    log.appendAsFollower(history(0, 9, 0))
    const bounds = { upTo: 9, maxBytes: 70, minOneBatch: true }
    for (let next = 0; next < 5; next++) await log.read(next, bounds)
    await log.truncateTo(2)
    log.appendAsFollower(copied(batchOf(['longer than the one before']), 2, 1))
    log.appendAsFollower(history(3, 6, 1, 'w'))
    expect(await readAll(log, 5)).toEqual(expected(9, 5, 'w'))
  })

  it('a new leadership waits until the truncation is over', async () => {
    const log = await threes(world(SMALL))
    const cutting = log.truncateTo(20)
    await log.assignEpoch(4)
    await cutting
    expect(epochsOf(log)).toBe('0:0 4:18')
  })

  it('closing waits until the truncation is over', async () => {
    const w = world(SMALL)
    const log = await threes(w)
    await log.checkpoint()
    const cutting = log.truncateTo(20)
    await Promise.resolve()
    await Promise.resolve()
    const isClean = await log.close()
    await cutting
    expect(isClean).toBe(true)
    const again = await open(w, { wasClosedCleanly: true, recoveryPoint: log.recoveryPoint })
    expect(await readAll(again.log)).toEqual(expected(18))
  })
})

describe('the order of a cut', () => {
  it('a truncation copies, checkpoints, cuts, syncs, then writes indexes and epochs', async () => {
    const w = world({ 'internal.segment.bytes': 500, 'index.interval.bytes': 0 })
    const log = await createEmpty(w)
    log.appendAsFollower(history(0, 24, 0))
    await log.checkpoint()
    expect(log.recoveryPoint).toBe(24)
    w.saveCheckpoints = async () => {
      w.disk.makeDirectory(`saved-${log.recoveryPoint}-${log.logEndOffset}`)
    }
    const before = w.disk.history.length
    await log.truncateTo(9)
    const steps = w.disk.history
      .slice(before)
      .map(({ kind, path }) => `${kind} ${path.replace('orders-0/0000000000000000', '')}`)
    const kept = (file: string): string[] =>
      ['create', 'append', 'sync'].map(kind => `${kind} ${file}.kept`)
    expect(steps).toEqual([
      ...['0007.log.140', '0014.log.0', '0021.log.0'].flatMap(kept),
      'syncDirectory orders-0',
      'makeDirectory saved-9-24',
      'rename 0021.log',
      'rename 0021.index',
      'rename 0021.timeindex',
      'rename 0021.snapshot',
      'rename 0014.log',
      'rename 0014.index',
      'rename 0014.timeindex',
      'rename 0014.snapshot',
      'truncate 0007.log',
      'sync 0007.log',
      'syncDirectory orders-0',
      'truncate 0007.index',
      'truncate 0007.timeindex',
      'sync 0007.timeindex',
      'sync 0007.index',
      `create ${EPOCHS}.tmp`,
      `append ${EPOCHS}.tmp`,
      `sync ${EPOCHS}.tmp`,
      `rename ${EPOCHS}.tmp`,
      'syncDirectory orders-0',
      'remove 0024.snapshot',
      'syncDirectory orders-0',
    ])
  })

  it('a full truncation ends with another checkpoint', async () => {
    const w = world(SMALL)
    const log = await threes(w)
    log.deleteRecordsBefore(50)
    await log.checkpoint()
    const saved: unknown[] = []
    w.saveCheckpoints = async () => {
      saved.push([log.recoveryPoint, log.logStartOffset, w.disk.exists(FIRST)])
    }
    await log.truncateFullyAndStartAt(7)
    expect(saved).toEqual([
      [0, 50, true],
      [7, 7, false],
    ])
  })

  it('a truncation cuts nothing if the checkpoint cannot be written', async () => {
    const w = world(SMALL)
    const log = await threes(w)
    w.saveCheckpoints = async () => {
      throw new DiskError('ENOSPC', 'append', 'recovery-point-offset-checkpoint')
    }
    await expect(log.truncateTo(20)).rejects.toMatchObject({ code: 'KAFKA_STORAGE_ERROR' })
    expect(await readAll(log)).toEqual(expected(60))
    w.saveCheckpoints = async () => undefined
    await log.truncateTo(20)
    expect(await readAll(log)).toEqual(expected(18))
  })

  it.each(['truncate', 'rename', 'sync', 'syncDirectory'])(
    'a %s that fails during a truncation takes the log offline',
    async kind => {
      const w = world(SMALL)
      const log = await threes(w)
      await log.flush()
      w.disk.beforeOperation = operation => {
        if (operation.kind === kind && !operation.path.endsWith('.kept')) throw new DiskError('EIO', kind, operation.path)
        return undefined
      }
      await expect(log.truncateTo(20)).rejects.toMatchObject({ code: 'LOG_OFFLINE' })
      w.disk.beforeOperation = undefined
      expect(() => log.appendAsFollower(history(18, 1, 1))).toThrow('offline')
      await log.abandon()
      const { log: again } = await open(w)
      expect(again.logEndOffset).toBeGreaterThanOrEqual(18)
      expect(await readAll(again)).toEqual(expected(again.logEndOffset))
    },
  )

  it('a position where no batch begins is damage, not a place to cut', async () => {
    const w = world()
    const log = await createEmpty(w)
    appendMany(log, 5)
    await log.abandon()
    const { log: again } = await open(w, { recoveryPoint: 5 })
    const file = w.disk.open('orders-0/00000000000000000000.log')
    const bytes = await file.read(0, file.size)
    file.truncate(0)
    bytes[140 + 16] = 9
    file.append(bytes)
    await expect(again.truncateTo(4)).rejects.toMatchObject({ code: 'CORRUPT_LOG' })
    expect(again.offlineReason?.code).toBe('CORRUPT_LOG')
  })
})

describe('the numbers of a log that was cut', () => {
  it('the byte counts of a truncated log are right', async () => {
    const log = await create(world())
    appendMany(log, 10)
    await log.flush()
    const ten = log.durableBytes
    appendMany(log, 5)
    const fifteen = log.appendedBytes
    await log.truncateTo(12)
    expect([log.durableEndOffset, log.durableBytes]).toEqual([10, ten])
    expect(log.appendedBytes).toBe(fifteen - 3 * (ten / 10))
    await log.truncateTo(5)
    expect([log.durableEndOffset, log.durableBytes]).toEqual([5, ten / 2])
    expect(log.appendedBytes).toBe(ten / 2)
    log.requestFlush()
    await log.flush()
  })
})

/** The same disk, on which reads or syncs of one file wait while the gate is shut. */
function gated(disk: World['disk'], kind: 'read' | 'sync', path: string) {
  const opening = new Deferred<void>()
  const gate = { disk, isShut: false, open: () => opening.resolve() }
  const hold = (file: DiskFile): DiskFile => {
    const [read, sync] = [file.read.bind(file), file.sync.bind(file)]
    const wait = async (what: string): Promise<void> => {
      if (what === kind && gate.isShut && file.path === path) await opening.promise
    }
    file.read = (position, length) => wait('read').then(() => read(position, length))
    file.sync = () => wait('sync').then(sync)
    return file
  }
  gate.disk = new Proxy(disk, {
    get(target, name) {
      if (name === 'open') return (name: string) => hold(target.open(name))
      if (name === 'create') return (name: string) => hold(target.create(name))
      const value = Reflect.get(target, name) as unknown
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
  return gate
}
