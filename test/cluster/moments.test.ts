/**
 * When does a write arrive, when is it replicated, when is it visible? One record on its way to
 * three brokers, moment by moment. Wires and disks take their time, on a virtual clock:
 *
 *      0 ms  the leader (broker 1) writes; its disk needs 10 ms to make that durable
 *    100 ms  broker 2 is answered, its disk needs 20 ms; then it asks for more
 *    250 ms  broker 3 is answered, its disk needs 20 ms; then it asks for more
 *
 * The columns of brokers say `log end / high watermark`.
 */

import { expect, it, onTestFinished } from 'vitest'
import { seededRandom } from '../../src/base/random.js'
import { VirtualClock } from '../../src/base/virtual-clock.js'
import type { Acks } from '../../src/client/producer/producer-config.js'
import { Cluster } from '../../src/cluster/cluster.js'
import type { DiskFile } from '../../src/disk/disk.js'
import { MemoryDisk } from '../../src/disk/memory-disk.js'
import type { Durability } from '../../src/partition/roles.js'

const ACKS: readonly Acks[] = [0, 1, 'all']
const WIRE_MS = { 2: 100, 3: 250 } as const

/** A disk whose records become durable after a while. */
class SlowDisk extends MemoryDisk {
  syncMs: Readonly<Record<number, number>> = {}

  constructor(readonly clock: VirtualClock) {
    super()
  }

  override open(path: string): DiskFile {
    return this.#slow(super.open(path))
  }

  override create(path: string): DiskFile {
    return this.#slow(super.create(path))
  }

  #slow(file: DiskFile): DiskFile {
    const sync = file.sync.bind(file)
    file.sync = async () => {
      const broker = /^broker-(\d)\/orders-0\/.*\.log$/.exec(file.path)?.[1]
      const ms = this.syncMs[Number(broker)] ?? 0
      if (ms > 0) await new Promise<void>(done => this.clock.after(ms, done))
      await sync()
    }
    return file
  }
}

interface World {
  readonly cluster: Cluster
  readonly clock: VirtualClock
  readonly disk: SlowDisk
  /** What a consumer that waits at the end of the topic has been given. */
  readonly seen: string[]
}

async function settle(clock: VirtualClock): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await clock.advance(0)
}

/** Three brokers with a record that all of them have and know to be committed. */
async function world(durability: Durability): Promise<World> {
  const clock = new VirtualClock()
  const disk = new SlowDisk(clock)
  const random = seededRandom(1)
  const cluster = await Cluster.onDisk(disk, { brokers: 3, clock, random, durability })
  onTestFinished(() => {
    disk.syncMs = {}
    cluster.network.heal()
    return cluster.close()
  })
  await cluster.admin.createTopic({ topic: 'orders', assignment: [[1, 2, 3]] })
  const seen: string[] = []
  const consumer = cluster.consumer({ autoOffsetReset: 'earliest', valueDeserializer: 'string' })
  await consumer.assign([{ topic: 'orders', partition: 0 }])
  const eachRecord = ({ value }: { value: string | null }): void => void seen.push(value ?? '')
  void consumer.run({ eachRecord })
  await cluster.producer().send({ topic: 'orders', messages: [{ value: 'a' }] })
  await settle(clock)
  return { cluster, clock, disk, seen }
}

function slowDown({ cluster, disk }: World, leaderSyncMs: number): void {
  disk.syncMs = { 1: leaderSyncMs, 2: 20, 3: 20 }
  for (const [from, ms] of Object.entries(WIRE_MS)) {
    cluster.network.delay(ms, { from: Number(from), to: 1, api: 'fetch', answers: true })
  }
}

/** Sends b; returns what the producer knows, whenever it is asked. */
async function sendB({ cluster, clock }: World, acks: Acks): Promise<() => string> {
  const producer = cluster.producer({ acks })
  let known = 'waits'
  producer.send({ topic: 'orders', messages: [{ value: 'b' }] }).then(
    ([place]) => (known = `offset ${place?.offset}`),
    (error: unknown) => (known = String(error)),
  )
  await settle(clock)
  return () => known
}

/** Log end and high watermark of each broker, then what the consumer has seen. */
function state({ cluster, seen }: World): string[] {
  const copies = cluster.describe().topics[0]?.partitions[0]?.copies ?? []
  const ends = copies.map(copy => `${copy.logEndOffset} / ${copy.highWatermark}`)
  return [...ends, seen.join(' ')]
}

interface Watched {
  readonly durability: Durability
  /** Of the leader's disk. */
  readonly syncMs?: number
  readonly moments: readonly number[]
}

/** The moments of a write: the same for all acks, but for what the producer knows. */
async function watch({ durability, syncMs = 10, moments }: Watched): Promise<string[]> {
  const rows: string[][] = []
  for (const acks of ACKS) {
    const all = await world(durability)
    slowDown(all, syncMs)
    const startedMs = all.clock.monotonicMs()
    const before = state(all)
    const known = await sendB(all, acks)
    for (const [index, atMs] of [-1, ...moments].entries()) {
      if (atMs >= 0) await all.clock.advance(startedMs + atMs - all.clock.monotonicMs())
      await settle(all.clock)
      const now = atMs < 0 ? before : state(all)
      const row = (rows[index] ??= [atMs < 0 ? 'before' : `${atMs} ms`, ...now])
      expect(row.slice(1, 1 + now.length), `acks ${acks}, ${row[0]}`).toEqual(now)
      row.push(atMs < 0 ? '' : known())
    }
  }
  return rows.map(row => row.join(' │ '))
}

const table = (text: string): string[] => {
  const [, ...rows] = text.trim().split('\n')
  return rows.map(row =>
    row
      .split('│')
      .map(cell => cell.trim())
      .join(' │ '),
  )
}

it("with durability 'power', a replica counts when it is durable", async () => {
  const moments = [0, 10, 100, 250, 270, 370, 520]
  expect(await watch({ durability: 'power', moments })).toEqual(
    table(`
   at     │ leader │ 2     │ 3     │ consumer │ acks 0    │ acks 1   │ acks all
   before │ 1 / 1  │ 1 / 1 │ 1 / 1 │ a        │           │          │
   0 ms   │ 2 / 1  │ 1 / 1 │ 1 / 1 │ a        │ offset -1 │ waits    │ waits
   10 ms  │ 2 / 1  │ 1 / 1 │ 1 / 1 │ a        │ offset -1 │ offset 1 │ waits
   100 ms │ 2 / 1  │ 2 / 1 │ 1 / 1 │ a        │ offset -1 │ offset 1 │ waits
   250 ms │ 2 / 1  │ 2 / 1 │ 2 / 1 │ a        │ offset -1 │ offset 1 │ waits
   270 ms │ 2 / 2  │ 2 / 1 │ 2 / 1 │ a b      │ offset -1 │ offset 1 │ offset 1
   370 ms │ 2 / 2  │ 2 / 2 │ 2 / 1 │ a b      │ offset -1 │ offset 1 │ offset 1
   520 ms │ 2 / 2  │ 2 / 2 │ 2 / 2 │ a b      │ offset -1 │ offset 1 │ offset 1
  `),
  )
})

it("with durability 'power', the leader's disk may be the last", async () => {
  expect(
    await watch({ durability: 'power', syncMs: 300, moments: [0, 270, 299, 300, 399, 400, 550] }),
  ).toEqual(
    table(`
   at     │ leader │ 2     │ 3     │ consumer │ acks 0    │ acks 1   │ acks all
   before │ 1 / 1  │ 1 / 1 │ 1 / 1 │ a        │           │          │
   0 ms   │ 2 / 1  │ 1 / 1 │ 1 / 1 │ a        │ offset -1 │ waits    │ waits
   270 ms │ 2 / 1  │ 2 / 1 │ 2 / 1 │ a        │ offset -1 │ waits    │ waits
   299 ms │ 2 / 1  │ 2 / 1 │ 2 / 1 │ a        │ offset -1 │ waits    │ waits
   300 ms │ 2 / 2  │ 2 / 1 │ 2 / 1 │ a b      │ offset -1 │ offset 1 │ offset 1
   399 ms │ 2 / 2  │ 2 / 1 │ 2 / 1 │ a b      │ offset -1 │ offset 1 │ offset 1
   400 ms │ 2 / 2  │ 2 / 2 │ 2 / 1 │ a b      │ offset -1 │ offset 1 │ offset 1
   550 ms │ 2 / 2  │ 2 / 2 │ 2 / 2 │ a b      │ offset -1 │ offset 1 │ offset 1
  `),
  )
})

it("with durability 'process', a replica counts when it has written", async () => {
  const moments = [0, 100, 250, 350, 500]
  expect(await watch({ durability: 'process', moments })).toEqual(
    table(`
   at     │ leader │ 2     │ 3     │ consumer │ acks 0    │ acks 1   │ acks all
   before │ 1 / 1  │ 1 / 1 │ 1 / 1 │ a        │           │          │
   0 ms   │ 2 / 1  │ 1 / 1 │ 1 / 1 │ a        │ offset -1 │ offset 1 │ waits
   100 ms │ 2 / 1  │ 2 / 1 │ 1 / 1 │ a        │ offset -1 │ offset 1 │ waits
   250 ms │ 2 / 2  │ 2 / 1 │ 2 / 1 │ a b      │ offset -1 │ offset 1 │ offset 1
   350 ms │ 2 / 2  │ 2 / 2 │ 2 / 1 │ a b      │ offset -1 │ offset 1 │ offset 1
   500 ms │ 2 / 2  │ 2 / 2 │ 2 / 2 │ a b      │ offset -1 │ offset 1 │ offset 1
  `),
  )
})
