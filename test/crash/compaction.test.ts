/**
 * Every crash during compaction. Afterwards the log holds records as they were written, among them
 * the newest of each key, no deleted key, and the last sequence of each producer; it can be
 * compacted again, and accepts more records.
 */

import { describe, expect, it, vi } from 'vitest'
import { silentLogger } from '../../src/base/logger.js'
import { seededRandom } from '../../src/base/random.js'
import { VirtualClock } from '../../src/base/virtual-clock.js'
import { MemoryDisk } from '../../src/disk/memory-disk.js'
import { cleanerOf } from '../../src/log/compaction/log-cleaner.js'
import { logConfig } from '../../src/log/format/log-config.js'
import { inspectPartition } from '../../src/log/inspection/verify-log.js'
import { LogManager } from '../../src/log/log-manager.js'
import type { Log } from '../../src/log/store/log.js'
import { parseTopicConfig } from '../../src/model/topic-settings.js'
import { afterPowerCut, DAMAGES, hasChance, type Damage } from '../../src/testing/simulation/power-cut.js'
import {
  batchOfPairs,
  COMPACT,
  HIGHEST,
  putBatch,
  recordsIn,
  T,
} from '../log/compaction/compacted.js'
import { TOPIC_ID } from '../log/helpers.js'
import { CheckedDisks, copyOf, cutPower, momentsOf, settle } from './harness.js'

// Thousands of disks are opened: on a busy machine that takes its time.
vi.setConfig({ testTimeout: 600_000 }) // far above what a loaded machine costs

const THROWS = 2
const TOMBSTONE_MS = 1000

class Keeper {
  /** Records by offset, as they were written. */
  readonly written: string[] = []
  durable = 0
  readonly #sequences = new Map<number, number>()

  private constructor(
    readonly manager: LogManager,
    readonly log: Log,
    readonly clock: VirtualClock,
  ) {}

  static async open(disk: MemoryDisk): Promise<Keeper> {
    const clock = new VirtualClock()
    const manager = await LogManager.open({
      disk,
      root: 'broker-1',
      clusterId: 'cluster',
      nodeId: 1,
      clock,
      random: seededRandom(1),
      logger: silentLogger,
      onCorruption: 'offline',
    })
    const own = { 'file.delete.delay.ms': 50, 'delete.retention.ms': TOMBSTONE_MS }
    const config = logConfig(parseTopicConfig({ ...COMPACT, ...own }))
    const known = { topic: 'orders', partition: 0, topicId: TOPIC_ID }
    const log = await manager.load({ ...known, settings: { current: config } })
    return new Keeper(manager, log, clock)
  }

  /** Batches of records, 'k=v' or 'k', each batch by the producer of its number. */
  put(...batches: string[]): void {
    for (const [index, text] of batches.entries()) {
      const pairs = text.split(' ')
      const producerId = 70 + (index % 3)
      const baseSequence = this.#sequences.get(producerId) ?? 0
      this.#sequences.set(producerId, baseSequence + pairs.length)
      const options = { producerId, producerEpoch: 0, baseSequence }
      putBatch(this.log, batchOfPairs(pairs, options, T + this.log.logEndOffset * 10))
      this.written.push(...pairs)
    }
  }

  async settle(): Promise<void> {
    await this.log.flush()
    this.durable = this.log.logEndOffset
    await this.manager.checkpointAll()
  }

  async clean(): Promise<void> {
    await cleanerOf(this.log).clean(HIGHEST)
  }
}

function folded(pairs: readonly string[]): Map<string, string> {
  const newest = new Map<string, string>()
  for (const pair of pairs) {
    const [key = '', value] = pair.split('=')
    if (value === undefined) newest.delete(key)
    else newest.set(key, value)
  }
  return newest
}

async function check(disk: MemoryDisk, before: Keeper): Promise<void> {
  const keeper = await Keeper.open(disk)
  const { log } = keeper
  expect(log.logStartOffset).toBe(0)
  expect(log.logEndOffset).toBeGreaterThanOrEqual(before.durable)
  const written = before.written.slice(0, log.logEndOffset)
  await checkRecords(log, written)
  checkProducers(log, before)
  // It is cleaned again, from the beginning or from where it was, and the tombstones go.
  await keeper.clean()
  await keeper.clock.advance(TOMBSTONE_MS)
  for (const more of [`more=${'m'.repeat(300)}`, 'more=2']) {
    putBatch(log, batchOfPairs([more], {}, T + log.logEndOffset * 10))
    written.push(more)
  }
  await keeper.settle()
  await keeper.clean()
  await checkRecords(log, written)
  await keeper.manager.close()
  expect(log.offlineReason).toBeUndefined()
  const { problems } = await inspectPartition(disk, 'broker-1/orders-0')
  expect(problems).toEqual([])
}

/** Each as it was written, in order; and they say the same as all that were written. */
async function checkRecords(log: Log, written: readonly string[]): Promise<void> {
  const records = await recordsIn(log)
  const pairs = records.map(({ key, value }) => (value === null ? `${key}` : `${key}=${value}`))
  expect(pairs).toEqual(records.map(({ offset }) => written[offset]))
  const offsets = records.map(({ offset }) => offset)
  expect(offsets).toEqual([...new Set(offsets)].sort((a, b) => a - b))
  expect(folded(pairs)).toEqual(folded(written))
  for (const { timestamp, offset } of records) {
    // Records of one batch are a millisecond apart, from ten times its base offset on.
    expect(timestamp - T).toBeGreaterThan(10 * (offset - 2))
    expect(timestamp - T).toBeLessThanOrEqual(10 * offset)
  }
}

/** The last batch of each producer that is certainly there is known to have been written. */
function checkProducers(log: Log, { durable, written }: Keeper): void {
  if (durable < written.length) return
  expect(log.producers.count).toBe(Math.min(3, durable))
}

interface Scenario {
  readonly prepare: (keeper: Keeper) => Promise<void>
  readonly act: (keeper: Keeper) => Promise<void>
}

/** The state of the disk after each crash of `act`, and what was known then. */
async function* crashesOf({ prepare, act }: Scenario) {
  for (let at = 0; ; at++) {
    const disk = new MemoryDisk({ recordsHistory: true })
    const keeper = await Keeper.open(disk)
    await prepare(keeper)
    const power = cutPower(disk, at)
    await Promise.race([act(keeper).catch(() => undefined), power.isOut])
    await settle()
    if (power.operation === undefined) return
    yield { at, operation: power.operation, disk, keeper }
  }
}

async function run(scenario: Scenario): Promise<string[]> {
  const operations: string[] = []
  const known: Known = { checked: new CheckedDisks(), opened: new CheckedDisks() }
  for await (const { at, operation, disk, keeper } of crashesOf(scenario)) {
    operations.push(operation)
    for (const damage of DAMAGES) {
      for (let seed = 1; seed <= (hasChance(damage) ? THROWS : 1); seed++) {
        const where = `crash at operation ${at} (${operation}), ${damage}, seed ${seed}`
        const left = afterPowerCut(disk.history, damage, seededRandom(seed))
        const history = [...left.history]
        await checked(left, { keeper, where, known })
        if (seed > 1 || damage === 'synced' || !hasTraces(history)) continue
        await crashOpening(history, { keeper, damage, where, known })
      }
    }
    // The process is killed, the machine lives on: all that was written is there.
    const where = `kill at operation ${at} (${operation})`
    await checked(copyOf(disk.history), { keeper, where, known })
  }
  return operations
}

/** Disks of one scenario that were checked, and that were opened with a crash at each operation. */
interface Known {
  readonly checked: CheckedDisks
  readonly opened: CheckedDisks
}

interface Case {
  readonly keeper: Keeper
  readonly where: string
  readonly known: Known
}

/** Has opening anything to do that an appending log does not ask for? */
function hasTraces(left: MemoryDisk['history']): boolean {
  return copyOf(left)
    .list('broker-1/orders-0')
    .some(({ name }) => /\.(cleaned|swap|deleted)$/.test(name))
}

async function crashOpening(
  left: MemoryDisk['history'],
  { damage, ...first }: Case & { readonly damage: Damage },
): Promise<void> {
  const disk = copyOf(left)
  if (!first.known.opened.isNew(disk, { damage, promised: promisedBy(first.keeper) })) return
  const moments = await momentsOf(disk, async opened => {
    const { manager } = await Keeper.open(opened)
    return () => manager.close()
  })
  for (const [at, { operation, history }] of moments.entries()) {
    const where = `${first.where}; then at operation ${at} (${operation}) of opening`
    await checked(afterPowerCut(history, damage, seededRandom(at)), { ...first, where })
  }
}

const promisedBy = ({ written, durable }: Keeper): unknown => ({ written, durable })

async function checked(disk: MemoryDisk, { keeper, where, known }: Case): Promise<void> {
  if (!known.checked.isNew(disk, promisedBy(keeper))) return
  try {
    await check(disk, keeper)
  } catch (error) {
    throw new Error(`${where}: ${(error as Error).message}`, { cause: error })
  }
}

const FILLER = `filler=${'f'.repeat(60)}`

describe('crashes', () => {
  it('no crash of a first compaction, which merges segments, breaks a promise', async () => {
    const operations = await run({
      prepare: async keeper => {
        keeper.put('a=1 b=1 c=1', 'a=2', 'b=2 d=1', FILLER, 'c', 'e=1 a=3', FILLER, 'd')
        keeper.put('f=1', FILLER, 'a=4', FILLER, 'g=1', FILLER, 'h=1')
        await keeper.settle()
      },
      act: keeper => keeper.clean(),
    })
    expect(operations).toContain('rename broker-1/orders-0/00000000000000000000.log.swap')
  })

  it('no crash of a compaction that removes tombstones breaks a promise', async () => {
    const operations = await run({
      prepare: async keeper => {
        keeper.put('a=1 b=1', 'c=1', FILLER, 'a', 'b=2', FILLER, 'd=1', FILLER, 'e=1')
        await keeper.settle()
        await keeper.clean()
        await keeper.clock.advance(TOMBSTONE_MS)
        keeper.put('c', 'f=1 g=1', FILLER, 'd=2', FILLER, 'b=3')
        await keeper.settle()
      },
      act: async keeper => {
        keeper.put('late=1')
        await keeper.log.flush()
        keeper.durable = keeper.log.logEndOffset
        await keeper.clean()
        await keeper.clock.advance(60)
        keeper.put('late=2', FILLER)
        await keeper.log.flush()
        keeper.durable = keeper.log.logEndOffset
      },
    })
    expect(operations).toContain('remove broker-1/orders-0/00000000000000000000.log.deleted')
  })
})
