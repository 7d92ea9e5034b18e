/**
 * Every crash of a follower's log: it appends records, truncates, and appends records of another
 * history. Records that were flushed and not truncated exist afterwards, in the order of one
 * history, and the epochs, in memory and in the file, match the batches.
 */

import { describe, expect, it, vi } from 'vitest'
import { silentLogger } from '../../src/base/logger.js'
import { seededRandom } from '../../src/base/random.js'
import { VirtualClock } from '../../src/base/virtual-clock.js'
import { MemoryDisk } from '../../src/disk/memory-disk.js'
import { parseEpochs } from '../../src/log/format/checkpoints.js'
import { logConfig } from '../../src/log/format/log-config.js'
import { LogManager } from '../../src/log/log-manager.js'
import type { Log } from '../../src/log/store/log.js'
import { batchesOf } from '../../src/model/batch/batch.js'
import { RecordCursor } from '../../src/model/batch/record-cursor.js'
import { parseTopicConfig } from '../../src/model/topic-settings.js'
import { afterPowerCut, DAMAGES, hasChance, type Damage } from '../../src/testing/simulation/power-cut.js'
import { valueText } from '../model/batch/records.js'
import { batchOf, copied, logBytesOf, TOPIC_ID } from '../log/helpers.js'
import { CheckedDisks, copyOf, cutPower, momentsOf, settle } from './harness.js'

// Thousands of disks are opened: on a busy machine that takes its time.
vi.setConfig({ testTimeout: 600_000 }) // far above what a loaded machine costs

const T = Date.UTC(2026, 0, 1)
const EPOCHS = 'broker-1/orders-0/leader-epoch-checkpoint'
const THROWS = 3

/** What the log may hold: `durable` records of `history` at least, from `start` on. */
interface Promised {
  /** Values by offset, in the order they were written. */
  history: string[]
  /** The first offset; while the log begins anew, also where it began before. */
  starts: number[]
  durable: number
}

class Follower {
  readonly promised: Promised = { history: [], starts: [0], durable: 0 }

  private constructor(
    readonly manager: LogManager,
    readonly log: Log,
  ) {}

  static async open(disk: MemoryDisk): Promise<Follower> {
    const settings = { 'internal.segment.bytes': 400, 'index.interval.bytes': 100 }
    const manager = await LogManager.open({
      disk,
      root: 'broker-1',
      clusterId: 'cluster',
      nodeId: 1,
      clock: new VirtualClock(),
      random: seededRandom(1),
      logger: silentLogger,
      onCorruption: 'offline',
    })
    const config = logConfig(parseTopicConfig({ ...settings, 'file.delete.delay.ms': 0 }))
    const known = { topic: 'orders', partition: 0, topicId: TOPIC_ID }
    const log = await manager.load({ ...known, settings: { current: config } })
    return new Follower(manager, log)
  }

  /** Batches of one record or two, each later than the one before. */
  take(count: number, epoch: number): void {
    const { history } = this.promised
    for (let left = count; left > 0;) {
      const base = this.log.logEndOffset
      const values = Array.from({ length: Math.min(left, 1 + (base % 2)) }, (_, n) =>
        `${base + n}:e${epoch}`.padEnd(8 + ((base * 7) % 20), '.'),
      )
      values.forEach((value, n) => (history[base + n] = value))
      this.log.appendAsFollower(copied(batchOf(values, T + 10 * base + epoch), base, epoch))
      left -= values.length
    }
  }

  async flush(): Promise<void> {
    await this.log.flush()
    this.promised.durable = this.log.logEndOffset
  }

  /** A batch that goes on across `offset` goes as a whole. */
  async cut(offset: number): Promise<void> {
    const { promised } = this
    promised.durable = Math.min(promised.durable, offset - 1)
    await this.log.truncateTo(offset)
    promised.history.length = this.log.logEndOffset
    promised.durable = Math.min(promised.durable, this.log.logEndOffset)
  }

  async beginAt(offset: number): Promise<void> {
    const { promised } = this
    promised.durable = 0
    promised.starts.push(offset)
    await this.log.truncateFullyAndStartAt(offset)
    promised.history.length = 0
    promised.starts = [offset]
    promised.durable = offset
  }
}

interface StoredRecord {
  readonly offset: number
  readonly value: string
  readonly time: number
}

async function recordsOf(log: Log): Promise<StoredRecord[]> {
  const records: StoredRecord[] = []
  for (const batch of batchesOf(await logBytesOf(log))) {
    const cursor = new RecordCursor(batch)
    while (cursor.next()) {
      const { offset, timestamp: time } = cursor
      records.push({ offset, value: valueText(cursor) ?? '', time })
    }
  }
  return records
}

async function check(disk: MemoryDisk, promised: Promised): Promise<void> {
  const follower = await Follower.open(disk)
  const { log } = follower
  const records = await recordsOf(log)
  const [first] = promised.starts
  // While it begins anew it may be empty at any place it has been asked to be.
  if (promised.starts.length === 1) expect(log.logStartOffset).toBe(first)
  for (const { offset, value } of records) expect(value).toBe(promised.history[offset])
  expect(log.logEndOffset).toBe(log.logStartOffset + records.length)
  expect(log.logEndOffset).toBeGreaterThanOrEqual(promised.durable)
  for (const { offset, time } of records) {
    const found = await log.findTimestamp(time)
    expect(records.find(record => record.offset === found?.offset)?.time).toBe(time)
    expect(found?.offset).toBeLessThanOrEqual(offset)
  }
  await checkEpochs(disk, log)
  // It goes on.
  const base = log.logEndOffset
  log.appendAsFollower(copied(batchOf(['more'], T + 10_000), base, 9))
  await log.flush()
  expect((await recordsOf(log)).at(-1)).toMatchObject({ offset: base, value: 'more' })
  await follower.manager.close()
  expect(log.offlineReason).toBeUndefined()
}

/** An epoch that has written nothing may stand at the end. */
async function checkEpochs(disk: MemoryDisk, log: Log): Promise<void> {
  const bytes = await logBytesOf(log)
  const starts = new Map<number, number>()
  for (const { leaderEpoch, baseOffset } of batchesOf(bytes)) {
    if (!starts.has(leaderEpoch)) starts.set(leaderEpoch, baseOffset)
  }
  const wanted = [...starts].map(([epoch, startOffset]) => ({ epoch, startOffset }))
  const written = log.epochs.entries.filter(({ startOffset }) => startOffset < log.logEndOffset)
  expect(written).toEqual(wanted)
  const file = await disk.open(EPOCHS).read(0, 1000)
  expect(parseEpochs(file.toString())).toEqual(log.epochs.entries)
}

interface Scenario {
  readonly prepare: (follower: Follower) => Promise<void>
  readonly act: (follower: Follower) => Promise<void>
}

/** The state of the disk after each crash of `act`, and what was promised then. */
async function* crashesOf({ prepare, act }: Scenario) {
  for (let at = 0; ; at++) {
    const disk = new MemoryDisk({ recordsHistory: true })
    const follower = await Follower.open(disk)
    await prepare(follower)
    const power = cutPower(disk, at)
    await Promise.race([act(follower).catch(() => undefined), power.isOut])
    await settle()
    if (power.operation === undefined) return
    yield { at, operation: power.operation, disk, promised: follower.promised }
  }
}

async function run(scenario: Scenario): Promise<void> {
  let opened = 0
  const known: Known = { checked: new CheckedDisks(), opened: new CheckedDisks() }
  for await (const { at, operation, disk, promised } of crashesOf(scenario)) {
    for (const damage of DAMAGES) {
      for (let seed = 1; seed <= (hasChance(damage) ? THROWS : 1); seed++) {
        const where = `crash at operation ${at} (${operation}), ${damage}, seed ${seed}`
        const left = afterPowerCut(disk.history, damage, seededRandom(seed))
        const history = [...left.history]
        await checked(left, { promised, where, known })
        if (seed === 1) opened += await crashOpening(history, { promised, where, known, damage })
        opened++
      }
    }
    // The process is killed, the machine lives on: all that was written is there.
    const where = `kill at operation ${at} (${operation})`
    await checked(copyOf(disk.history), { promised, where, known })
  }
  expect(opened).toBeGreaterThan(100)
}

/** Disks of one scenario that were checked, and that were opened with a crash at each operation. */
interface Known {
  readonly checked: CheckedDisks
  readonly opened: CheckedDisks
}

interface Case {
  readonly promised: Promised
  readonly where: string
  readonly known: Known
}

async function crashOpening(
  left: MemoryDisk['history'],
  { damage, ...first }: Case & { readonly damage: Damage },
): Promise<number> {
  const disk = copyOf(left)
  if (!first.known.opened.isNew(disk, { damage, promised: first.promised })) return 0
  const moments = await momentsOf(disk, async opened => {
    const { manager } = await Follower.open(opened)
    return () => manager.close()
  })
  for (const [at, { operation, history }] of moments.entries()) {
    const where = `${first.where}; then at operation ${at} (${operation}) of opening`
    await checked(afterPowerCut(history, damage, seededRandom(at)), { ...first, where })
  }
  return moments.length
}

async function checked(disk: MemoryDisk, { promised, where, known }: Case): Promise<void> {
  if (!known.checked.isNew(disk, promised)) return
  try {
    await check(disk, promised)
  } catch (error) {
    throw new Error(`${where}: ${(error as Error).message}`, { cause: error })
  }
}

describe('crashes of a follower', () => {
  it('no crash of a follower that truncates and fetches another history breaks a promise', async () => {
    await run({
      prepare: async follower => {
        follower.take(9, 0)
        await follower.manager.checkpointAll()
        follower.promised.durable = 9
      },
      act: async follower => {
        follower.take(5, 1)
        await follower.flush()
        follower.take(2, 1)
        await follower.cut(6)
        follower.take(4, 2)
        await follower.flush()
        follower.take(3, 4)
        await follower.manager.checkpointAll()
        await follower.cut(8)
        follower.take(3, 5)
        await follower.flush()
      },
    })
  })

  it('no crash of a follower that restarts its log above or below its end breaks a promise', async () => {
    await run({
      prepare: async follower => {
        follower.take(11, 0)
        await follower.manager.checkpointAll()
        follower.log.deleteRecordsBefore(3)
        await follower.manager.writeCheckpoints()
        follower.promised.starts = [3]
        follower.promised.durable = 11
      },
      act: async follower => {
        await follower.beginAt(40)
        follower.take(3, 1)
        await follower.flush()
        await follower.beginAt(7)
        follower.take(4, 2)
        await follower.flush()
      },
    })
  })
})
