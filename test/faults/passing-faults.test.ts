/**
 * Faults of the disk that pass: no room, no quota, no descriptor. Wherever one begins, what it
 * refuses is told by its name, and when it is over everything goes on: no log stays offline, nothing
 * that was acknowledged is missing, the folder opens again. PASSING_FAULTS_STEP=1 tries every
 * operation, which takes many minutes.
 */

import { expect, it } from 'vitest'
import { seededRandom } from '../../src/base/random.js'
import { VirtualClock } from '../../src/base/virtual-clock.js'
import { Cluster } from '../../src/cluster/cluster.js'
import { DiskError } from '../../src/disk/disk.js'
import { MemoryDisk, type DiskOperation } from '../../src/disk/memory-disk.js'
import { isPartlogError } from '../../src/model/errors.js'

type Fault = (operation: DiskOperation) => undefined

const refusing =
  (code: string, kinds: readonly DiskOperation['kind'][], as?: string): Fault =>
  ({ kind, path }) => {
    if (kinds.includes(kind)) throw new DiskError(code, as ?? kind, path)
    return undefined
  }

/** What a file that cannot be opened says, whatever it was to be opened for. */
const OPENING = ['create', 'sync', 'syncDirectory'] as const

const FAULTS: Readonly<Record<string, Fault>> = {
  ENOSPC: refusing('ENOSPC', ['append', 'create', 'makeDirectory']),
  EDQUOT: refusing('EDQUOT', ['append', 'create', 'makeDirectory']),
  EMFILE: refusing('EMFILE', OPENING, 'open'),
}

/** Long enough for retention, compaction and checkpoints to try while the fault lasts. */
const FAULT_MS = 130_000

interface World {
  readonly cluster: Cluster
  readonly clock: VirtualClock
  readonly passing: <T>(done: Promise<T>, stepMs?: number) => Promise<T>
}

async function opened(disk: MemoryDisk, brokers: number): Promise<World> {
  const clock = new VirtualClock()
  const passing = async <T>(done: Promise<T>, stepMs = 500): Promise<T> => {
    let isOver = false
    const noted = done.finally(() => (isOver = true))
    noted.catch(() => undefined)
    while (!isOver) await clock.advance(stepMs)
    return noted
  }
  const opening = Cluster.onDisk(disk, { brokers, clock, random: seededRandom(3) })
  return { cluster: await passing(opening), clock, passing }
}

const CONFIG = {
  'internal.segment.bytes': 400,
  'index.interval.bytes': 100,
  'retention.bytes': 100_000,
}

/** Everything an application does, each step told apart by what came of it. */
async function life(world: World, acknowledged: string[], told: unknown[]): Promise<void> {
  const { cluster, clock, passing } = world
  const attempt = async (call: () => Promise<unknown>): Promise<boolean> => {
    try {
      await passing(call())
      return true
    } catch (error) {
      // A broker that the disk keeps from starting is just not there for others.
      if (!isPartlogError(error) || cluster.broker(1).isRunning) told.push(error)
      return false
    }
  }
  await attempt(() => cluster.admin.createTopic({ topic: 'orders', config: CONFIG }))
  const producer = cluster.producer({ deliveryTimeoutMs: 4_000, requestTimeoutMs: 2_000 })
  const consumer = cluster.consumer({ groupId: 'g', requestTimeoutMs: 2_000 })
  const offset = { topic: 'orders', partition: 0, offset: 1 }
  for (let i = 0; i < 8; i++) {
    const value = `${i}`.padEnd(90)
    const send = { topic: 'orders', messages: [{ value }] }
    if (await attempt(() => producer.send(send))) acknowledged.push(value)
    if (i === 2) await attempt(() => consumer.commit({ offsets: [offset] }))
    if (i === 3) await attempt(() => cluster.broker(1).kill())
    if (i === 3) await attempt(() => cluster.broker(1).start())
    if (i === 5) await attempt(() => cluster.admin.createTopic({ topic: 'later' }))
    if (i === 6) await clock.advance(61_000)
  }
  await passing(producer.close())
  await passing(consumer.close())
}

async function valuesIn({ cluster, passing }: World): Promise<(string | null)[]> {
  const consumer = cluster.consumer({ autoOffsetReset: 'earliest', valueDeserializer: 'string' })
  await passing(consumer.assign([{ topic: 'orders', partition: 0 }]))
  const values: (string | null)[] = []
  for (;;) {
    const records = await passing(consumer.poll({ timeoutMs: 1_000 }))
    if (records.length === 0) break
    values.push(...records.map(({ value }) => value))
  }
  await passing(consumer.close())
  return values
}

function offlineIn({ cluster }: World): string[] {
  return cluster.describe().topics.flatMap(({ topic, partitions }) =>
    partitions.flatMap(({ partition, leader, copies, isr, replicas }) => [
      ...(leader < 0 ? [`${topic}-${partition} has no leader`] : []),
      ...(isr.length < replicas.length ? [`${topic}-${partition} has an ISR of ${isr.join()}`] : []),
      ...copies
        .filter(({ state }) => state === 'offline')
        .map(({ broker }) => `${topic}-${partition} is offline on ${broker}`),
    ]),
  )
}

/** The fault begins at operation number `at` and lasts for a while. False: there are not as many. */
async function run(fault: Fault, code: string, brokers: number, at: number): Promise<boolean> {
  const disk = new MemoryDisk()
  const world = await opened(disk, brokers)
  const { cluster, clock, passing } = world
  let operations = 0
  let isOver = false
  let refused = 0
  disk.beforeOperation = operation => {
    if (isOver || operations++ < at) return undefined
    if (refused === 0) clock.after(FAULT_MS, () => (isOver = true))
    try {
      return fault(operation)
    } catch (error) {
      refused++
      throw error
    }
  }
  const acknowledged: string[] = []
  const told: unknown[] = []
  await life(world, acknowledged, told)
  if (operations <= at) {
    await passing(cluster.close())
    return false
  }
  const place = `${code}, ${brokers} brokers, from operation ${at} on`
  for (const error of told) {
    expect(isPartlogError(error), `${place}: ${error as Error}`).toBe(true)
    // One broker does not know what another one waits for, only that it waits for it.
    const others = brokers === 1 ? '' : '|in-sync replicas [123, ]+ do not|does not lead'
    expect(reasonsOf(error), place).toMatch(new RegExp(`${code}${others}`))
  }
  await clock.advance(FAULT_MS)
  isOver = true
  await clock.advance(5_000)
  await passing(cluster.broker(1).start())
  await clock.advance(60_000)
  const send = { topic: 'orders', messages: [{ value: 'last' }] }
  const [last] = await passing(cluster.producer().send(send))
  expect(last?.offset, place).toBeGreaterThanOrEqual(acknowledged.length)
  const committed = { topic: 'orders', partition: 0, offset: 2 }
  const consumer = cluster.consumer({ groupId: 'g' })
  await passing(consumer.commit({ offsets: [committed] }))
  expect(offlineIn(world), place).toEqual([])
  const values = await valuesIn(world)
  expect(values.filter(value => acknowledged.includes(value ?? '')), place).toEqual(acknowledged)
  await passing(cluster.close())
  const again = await opened(disk, brokers)
  expect(again.cluster.recovery, place).toMatchObject({ wasClosedCleanly: true, offline: [] })
  expect(await valuesIn(again), place).toEqual(values)
  await again.passing(again.cluster.close())
  return true
}

/** All sentences on the way to the first cause. */
function reasonsOf(error: unknown): string {
  const sentences: string[] = []
  for (let each = error; each instanceof Error; each = each.cause) sentences.push(each.message)
  return sentences.join(' ← ')
}

for (const [code, fault] of Object.entries(FAULTS)) {
  for (const brokers of [1, 3]) {
    it(`${code} passes wherever it begins, with ${brokers} brokers`, async () => {
      const step = Number(process.env['PASSING_FAULTS_STEP'] ?? (brokers === 1 ? 23 : 97))
      for (let at = 0; await run(fault, code, brokers, at);) at += step
    }, 600_000)
  }
}
