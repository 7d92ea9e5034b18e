/** A cluster whose brokers answer requests of transactional producers, under a virtual clock. */

import { onTestFinished, vi } from 'vitest'
import { seededRandom } from '../../../src/base/random.js'
import { VirtualClock } from '../../../src/base/virtual-clock.js'
import { Broker } from '../../../src/broker/broker.js'
import type { ClusterOptions } from '../../../src/cluster/cluster-options.js'
import { Cluster } from '../../../src/cluster/cluster.js'
import { errorOf } from '../../../src/model/errors.js'
import { batchesOf } from '../../../src/model/batch/batch.js'
import { BatchBuilder } from '../../../src/model/batch/batch-builder.js'
import { RecordCursor } from '../../../src/model/batch/record-cursor.js'
import type { ApiName, Request, Response } from '../../../src/protocol/api.js'
import { valueText } from '../../model/batch/records.js'

export interface Place {
  readonly topic: string
  readonly partition: number
}

export async function transactionWorld(options: ClusterOptions = {}) {
  const clock = new VirtualClock()
  const brokers = new Map<number, Broker>()
  const open = vi.spyOn(Broker, 'open')
  const cluster = await Cluster.memory({ clock, random: seededRandom(3), ...options })
  onTestFinished(async () => {
    open.mockRestore()
    await cluster.close()
  })
  const collect = async (): Promise<void> => {
    for (const { value } of open.mock.results) {
      const broker = await (value as Promise<Broker>)
      brokers.set(broker.nodeId, broker)
    }
  }
  await collect()
  /** Lets time pass until it is done. */
  const passing = async <T>(done: T | Promise<T>, stepMs = 20): Promise<T> => {
    let isOver = false
    const noted = Promise.resolve(done).finally(() => (isOver = true))
    noted.catch(() => undefined)
    while (!isOver) await clock.advance(stepMs)
    return await noted
  }
  const ask = <A extends ApiName>(node: number, api: A, request: Request<A>): Promise<Response<A>> =>
    passing((brokers.get(node) as Broker).handle(api, request))
  await passing(cluster.admin.createTopic({ topic: 'orders', partitions: 2 }))
  const leaderOf = ({ topic, partition }: Place): number =>
    cluster.describe().topics.find(each => each.topic === topic)?.partitions[partition]?.leader ?? -1
  const coordinatorOf = async (key: string, keyType = 1): Promise<number> => {
    const live = cluster.describe().brokers.find(({ isRunning }) => isRunning)?.id ?? 1
    const request = { keyType, coordinatorKeys: [key] }
    const { coordinators } = await ask(live, 'FindCoordinator', request)
    return coordinators[0]?.nodeId ?? -1
  }
  return { cluster, clock, brokers, collect, passing, ask, leaderOf, coordinatorOf }
}

export type TransactionWorld = Awaited<ReturnType<typeof transactionWorld>>

/**
 * A producer that says every word itself, as transaction.version 1 or 2 has it. Each answer is the
 * name of an error, or NONE.
 */
export class RawProducer {
  producerId = -1
  producerEpoch = -1
  readonly #sequences = new Map<string, number>()

  constructor(
    readonly world: TransactionWorld,
    readonly transactionalId = 'shop',
    readonly clientVersion = 1,
  ) {}

  get #addsToTransaction(): boolean {
    return this.clientVersion >= 2
  }

  get #name() {
    const { transactionalId, producerId, producerEpoch } = this
    return { transactionalId, producerId, producerEpoch }
  }

  async #coordinator(): Promise<number> {
    return await this.world.coordinatorOf(this.transactionalId)
  }

  async init(timeoutMs = 60_000): Promise<string> {
    const { transactionalId } = this
    const request = { transactionalId, transactionTimeoutMs: timeoutMs }
    const answer = await this.world.ask(await this.#coordinator(), 'InitProducerId', request)
    if (answer.errorCode === 0) {
      this.producerId = answer.producerId
      this.producerEpoch = answer.producerEpoch
      this.#sequences.clear()
    }
    return errorOf(answer.errorCode)
  }

  /** Asks until the transaction before is over. */
  async ready(): Promise<this> {
    for (let tries = 0; tries < 50; tries++) {
      const code = await this.init()
      if (code === 'NONE') return this
      if (code !== 'CONCURRENT_TRANSACTIONS') throw new Error(code)
    }
    throw new Error('the transaction does not end')
  }

  async add(...places: Place[]): Promise<string> {
    const topics = places.map(({ topic, partition }) => ({ name: topic, partitions: [partition] }))
    const { clientVersion } = this
    const request = { transactions: [{ ...this.#name, topics }], clientVersion }
    const answer = await this.world.ask(await this.#coordinator(), 'AddPartitionsToTxn', request)
    const results = answer.resultsByTransaction[0]!.topicResults
    return errorOf(results[0]!.resultsByPartition[0]!.partitionErrorCode)
  }

  async produce(place: Place, value: string, isTransactional = true): Promise<string> {
    const key = `${place.topic}-${place.partition}`
    const baseSequence = this.#sequences.get(key) ?? 0
    const builder = new BatchBuilder(Buffer.alloc(500))
    builder.tryAppend(this.world.clock.now(), null, value, [])
    const { producerId, producerEpoch, transactionalId } = this
    const header = { producerId, producerEpoch, baseSequence, isTransactional }
    const records = Buffer.from(builder.build(header))
    const answer = await this.world.ask(this.world.leaderOf(place), 'Produce', {
      transactionalId: isTransactional ? transactionalId : null,
      acks: -1,
      timeoutMs: 5_000,
      addsToTransaction: this.#addsToTransaction,
      topicData: [{ name: place.topic, partitionData: [{ index: place.partition, records }] }],
    })
    const code = errorOf(answer.responses[0]!.partitionResponses[0]!.errorCode)
    if (code === 'NONE') this.#sequences.set(key, baseSequence + 1)
    return code
  }

  /** Adds the partition, unless the broker does, and writes to it. */
  async write(place: Place, value: string): Promise<string> {
    if (this.#addsToTransaction) return await this.produce(place, value)
    const code = await this.add(place)
    return code === 'NONE' ? await this.produce(place, value) : code
  }

  async end(committed: boolean): Promise<string> {
    const { clientVersion } = this
    const request = { ...this.#name, committed, clientVersion }
    const answer = await this.world.ask(await this.#coordinator(), 'EndTxn', request)
    if (answer.errorCode === 0 && clientVersion >= 2) this.#goOnAs(answer)
    return errorOf(answer.errorCode)
  }

  #goOnAs({ producerId = -1, producerEpoch = -1 }: Response<'EndTxn'>): void {
    this.producerId = producerId
    this.producerEpoch = producerEpoch
    this.#sequences.clear()
  }

  async commitOffset(groupId: string, place: Place, offset: number): Promise<string> {
    if (this.#addsToTransaction) return await this.commitOffsetOnly(groupId, place, offset)
    const added = { ...this.#name, groupId }
    const { errorCode } = await this.world.ask(await this.#coordinator(), 'AddOffsetsToTxn', added)
    if (errorCode !== 0) return errorOf(errorCode)
    return await this.commitOffsetOnly(groupId, place, offset)
  }

  async commitOffsetOnly(groupId: string, { topic, partition }: Place, offset: number) {
    const coordinator = await this.world.coordinatorOf(groupId, 0)
    const one = { partitionIndex: partition, committedOffset: offset, committedMetadata: '' }
    const topics = [{ name: topic, partitions: [one] }]
    const addsToTransaction = this.#addsToTransaction
    const request = { ...this.#name, groupId, topics, addsToTransaction }
    const answer = await this.world.ask(coordinator, 'TxnOffsetCommit', request)
    return errorOf(answer.topics[0]!.partitions[0]!.errorCode)
  }
}

/** What a consumer reads: the values, and the aborted transactions that it is told of. */
export async function fetched(world: TransactionWorld, place: Place, isolationLevel = 1) {
  const wanted = { partition: place.partition, fetchOffset: 0, partitionMaxBytes: 1e6 }
  const answer = await world.ask(world.leaderOf(place), 'Fetch', {
    maxWaitMs: 0,
    minBytes: 0,
    maxBytes: 1e6,
    isolationLevel,
    topics: [{ topic: place.topic, partitions: [wanted] }],
  })
  const partition = answer.responses[0]!.partitions[0]!
  const values: string[] = []
  for (const batch of batchesOf(Buffer.from(partition.records ?? []))) {
    if (batch.isControl) continue
    for (const cursor = new RecordCursor(batch); cursor.next();) values.push(valueText(cursor) ?? '')
  }
  const aborted = partition.abortedTransactions?.map(({ firstOffset }) => firstOffset)
  return { values, aborted, stable: partition.lastStableOffset }
}

/** The committed offset of a group, or the name of the error. */
export async function committedOffset(
  world: TransactionWorld,
  groupId: string,
  { topic, partition }: Place,
  requireStable = true,
): Promise<number | string> {
  const coordinator = await world.coordinatorOf(groupId, 0)
  const groups = [{ groupId, topics: [{ name: topic, partitionIndexes: [partition] }] }]
  const answer = await world.ask(coordinator, 'OffsetFetch', { groups, requireStable })
  const { errorCode, committedOffset: offset } = answer.groups[0]!.topics[0]!.partitions[0]!
  return errorCode === 0 ? offset : errorOf(errorCode)
}
