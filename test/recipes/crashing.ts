/**
 * An application that reads as a member of a group and is killed at a chosen moment, without leaving
 * the group; another member takes over when its session expires, and reads the rest.
 */

import { expect } from 'vitest'
import { seededRandom } from '../../src/base/random.js'
import { Deferred } from '../../src/base/tasks.js'
import { VirtualClock } from '../../src/base/virtual-clock.js'
import type { Consumer } from '../../src/client/consumer/consumer-api.js'
import type { ConsumerOptions } from '../../src/client/consumer/consumer-options.js'
import type { ConsumerRecord } from '../../src/client/consumer/consumer-record.js'
import { Cluster } from '../../src/cluster/cluster.js'
import type { FaultApi } from '../../src/cluster/faults/faults.js'
import { intercept } from '../client/world.js'

export type TextRecord = ConsumerRecord<Uint8Array, string>
export type Reader = Consumer<Uint8Array, string>
/** Reads with a consumer and does its work with each record. */
export type Application = (consumer: Reader, work: Work) => Promise<unknown>
export type Work = (record: TextRecord) => Promise<void>
export type Moment = 'before work' | 'after work' | 'before commit' | 'after commit'

export interface CrashOptions {
  readonly app: Application
  readonly options?: ConsumerOptions<'bytes', 'string'>
  /** How many moments it lives through; at the next one it dies. */
  readonly lives: number
  readonly partitions?: number
  /** Of each partition. */
  readonly records?: number
  readonly workMs?: number
}

export interface CrashResult {
  /** The moment of its death; undefined when it outlived its work. */
  readonly diedAt: Moment | undefined
  /** How often the work was done with each record, by its value. */
  readonly done: ReadonlyMap<string, number>
}

/** Less than a poll takes that finds nothing. */
const READING_MAX_MS = 900
const SESSION_MS = 6_000
const SAYS: readonly FaultApi[] = [
  'heartbeat',
  'offsetCommit',
  'joinGroup',
  'syncGroup',
  'leaveGroup',
]

const member = { groupId: 'g', autoOffsetReset: 'earliest', valueDeserializer: 'string' } as const

class CrashingRun {
  readonly done = new Map<string, number>()
  /** Of each partition: where the work is done up to. */
  readonly doneUpTo: number[] = []
  diedAt: Moment | undefined
  #moments = 0
  readonly #lives: number
  readonly #end = new Deferred<void>()

  constructor(lives: number) {
    this.#lives = lives
    this.#end.promise.catch(() => undefined)
  }

  /** Never resolves after the moment of the crash. */
  async reach(moment: Moment): Promise<void> {
    if (this.#moments++ === this.#lives) this.diedAt = moment
    if (this.diedAt !== undefined) await this.#end.promise
  }

  note({ value, partition, offset }: TextRecord): void {
    this.done.set(value ?? '', (this.done.get(value ?? '') ?? 0) + 1)
    this.doneUpTo[partition] = offset + 1
  }

  /** Rejects what still waits for the crashed application. */
  end(): void {
    this.#end.reject(new Error('died'))
  }
}

/** What becomes of the records when an application dies there. */
export async function crashed(crash: CrashOptions): Promise<CrashResult> {
  const clock = new VirtualClock()
  const cluster = await Cluster.memory({ clock, random: seededRandom(3) })
  const run = new CrashingRun(crash.lives)
  try {
    await fill(cluster, crash)
    await liveAndDie(cluster, clock, { crash, run })
    await takeOver(cluster, clock, run)
    return { diedAt: run.diedAt, done: run.done }
  } finally {
    run.end()
    cluster.faults.clear()
    await cluster.close()
  }
}

async function fill(
  cluster: Cluster,
  { partitions = 1, records = 10 }: CrashOptions,
): Promise<void> {
  await cluster.admin.createTopic({ topic: 'orders', partitions })
  const messages = Array.from({ length: partitions * records }, (_, index) => ({
    partition: index % partitions,
    value: String(index),
  }))
  await cluster.producer().send({ topic: 'orders', messages })
}

interface Life {
  readonly crash: CrashOptions
  readonly run: CrashingRun
}

/** Ends at its death, or when it has nothing left to do. */
async function liveAndDie(
  cluster: Cluster,
  clock: VirtualClock,
  { crash, run }: Life,
): Promise<void> {
  const { app, options, workMs = 0 } = crash
  const clientId = 'first'
  const consumer = cluster.consumer({
    ...member,
    clientId,
    sessionTimeoutMs: SESSION_MS,
    ...options,
  })
  await consumer.subscribe(['orders'])
  const { memberId } = consumer.groupMetadata()
  const stop = intercept(async (api, request, next) => {
    const { memberId: from } = request as { readonly memberId?: string }
    const isCommit = api === 'OffsetCommit' && from === memberId
    if (isCommit) await run.reach('before commit')
    const answer = await next()
    if (isCommit) await run.reach('after commit')
    return answer
  })
  const work: Work = async record => {
    await run.reach('before work')
    if (workMs > 0) await new Promise<void>(resolve => clock.after(workMs, resolve))
    run.note(record)
    await run.reach('after work')
  }
  app(consumer, work).catch(() => undefined)
  for (let ms = 0; ms < READING_MAX_MS && run.diedAt === undefined; ms++) {
    await clock.advance(1)
    await expectNothingAhead(cluster, run, crash)
  }
  for (const api of SAYS) cluster.faults.on(api, { client: clientId }).drop().always()
  stop()
}

/** Unless it commits before it works, on purpose. */
async function expectNothingAhead(
  cluster: Cluster,
  { doneUpTo, diedAt }: CrashingRun,
  { options, lives }: CrashOptions,
): Promise<void> {
  if (options?.enableAutoCommit === false) return
  for (const { partition, offset } of await cluster.admin.listGroupOffsets('g')) {
    const where = `partition ${partition}, life ${lives}, ${diedAt ?? 'alive'}`
    expect(offset, where).toBeLessThanOrEqual(doneUpTo[partition] ?? 0)
  }
}

async function takeOver(cluster: Cluster, clock: VirtualClock, run: CrashingRun): Promise<void> {
  const second = cluster.consumer(member)
  const joined = second.subscribe(['orders'])
  await clock.advance(2 * SESSION_MS)
  await joined
  for (let idle = 0; idle < 3;) {
    const polled = second.poll({ timeoutMs: 100 })
    await clock.advance(100)
    const records = await polled
    records.forEach(record => run.note(record))
    idle = records.length === 0 ? idle + 1 : 0
  }
}
