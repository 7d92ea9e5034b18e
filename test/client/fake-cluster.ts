/**
 * A cluster for client tests, made of nothing but answers: topics with a leader per partition,
 * batches taken as they come. A test can hold answers back, spoil them, or lose them.
 */

import { Batch } from '../../src/model/batch.js'
import { errorId, PartlogError, type ErrorCode } from '../../src/model/errors.js'
import { RecordCursor } from '../../src/model/record-cursor.js'
import type { ApiName, Request, Response } from '../../src/protocol/api.js'
import type { Channel } from '../../src/protocol/channel.js'
import type { PartitionProduceResponse } from '../../src/protocol/messages/produce.js'

/** A batch as it arrived. */
export interface Arrived {
  readonly topic: string
  readonly partition: number
  readonly values: (string | null)[]
  readonly bytes: Buffer
}

/** A Produce request as it arrived at a node. */
export interface Arrival {
  readonly nodeId: number
  readonly acks: number
  readonly batches: Arrived[]
}

/** The broker refuses the batch of one partition, or all of them. */
interface Refusal {
  readonly error: ErrorCode
  readonly partition?: number
}

/** What happens to the next Produce request: refused, not delivered, or never answered. */
export type Fate = Refusal | { readonly throws: ErrorCode } | 'lost'

type Answer = () => void

export class FakeCluster implements Channel {
  /** Leaders by topic; −1 for none. Unknown topics do not exist. */
  readonly leaders = new Map<string, number[]>()
  readonly arrivals: Arrival[] = []
  /** What happens to Produce requests, in their order; then all goes well. */
  readonly fates: Fate[] = []
  /** Errors of the next Metadata requests. */
  readonly metadataFates: ErrorCode[] = []
  metadataRequests = 0
  /** Answers wait for `release` while this is true. */
  isHolding = false
  logAppendTimeMs = -1
  readonly #held: Answer[] = []
  readonly #logs = new Map<string, Arrived[]>()
  readonly #ends = new Map<string, number>()

  constructor(topics: Readonly<Record<string, number[]>> = { orders: [1] }) {
    for (const [topic, leaders] of Object.entries(topics)) this.leaders.set(topic, leaders)
  }

  send<A extends ApiName>(nodeId: number, api: A, request: Request<A>): Promise<Response<A>> {
    const answer = api === 'Metadata' ? this.#metadata(request) : this.#produce(nodeId, request)
    return answer as Promise<Response<A>>
  }

  /** Gives the answers that were held back. */
  release(): void {
    for (const answer of this.#held.splice(0)) answer()
  }

  get heldAnswers(): number {
    return this.#held.length
  }

  /** The values in a partition's log. */
  valuesIn(topic: string, partition = 0): (string | null)[] {
    return (this.#logs.get(`${topic}-${partition}`) ?? []).flatMap(batch => batch.values)
  }

  async #metadata(given: unknown): Promise<unknown> {
    const request = given as Request<'Metadata'>
    this.metadataRequests++
    const fate = this.metadataFates.shift()
    if (fate !== undefined) throw new PartlogError(fate, 'no metadata today')
    const topics = (request.topics ?? []).map(({ name }) => {
      const leaders = this.leaders.get(name ?? '')
      const errorCode = leaders === undefined ? errorId('UNKNOWN_TOPIC_OR_PARTITION') : 0
      const partitions = (leaders ?? []).map((leaderId, partitionIndex) => ({
        errorCode: 0,
        partitionIndex,
        leaderId,
        leaderEpoch: 0,
        replicaNodes: [1],
        isrNodes: [1],
      }))
      return { name, errorCode, topicId: '', isInternal: false, partitions }
    })
    return { brokers: [], topics }
  }

  #produce(nodeId: number, given: unknown): Promise<unknown> {
    const { acks, topicData } = given as Request<'Produce'>
    const batches = topicData.flatMap(({ name: topic, partitionData }) =>
      partitionData.map(({ index, records }) => arrived(topic, index, records as Uint8Array)),
    )
    this.arrivals.push({ nodeId, acks, batches })
    const fate = this.fates.shift()
    if (fate === 'lost') return new Promise(() => undefined)
    return new Promise((resolve, reject) => {
      const answer = (): void => {
        if (fate !== undefined && 'throws' in fate) reject(new PartlogError(fate.throws, 'no line'))
        else
          resolve({ responses: topicData.map(({ name }) => this.#answerFor(name, batches, fate)) })
      }
      if (this.isHolding) this.#held.push(answer)
      else answer()
    })
  }

  #answerFor(
    name: string,
    batches: readonly Arrived[],
    fate: Refusal | undefined,
  ): { name: string; partitionResponses: PartitionProduceResponse[] } {
    const ofTopic = batches.filter(({ topic }) => topic === name)
    return { name, partitionResponses: ofTopic.map(batch => this.#answerForBatch(batch, fate)) }
  }

  #answerForBatch(batch: Arrived, fate: Refusal | undefined): PartitionProduceResponse {
    const { partition } = batch
    const isSpoilt = fate !== undefined && (fate.partition ?? partition) === partition
    return {
      index: partition,
      errorCode: isSpoilt ? errorId(fate.error) : 0,
      baseOffset: isSpoilt ? -1 : this.#append(batch),
      logAppendTimeMs: this.logAppendTimeMs,
    }
  }

  #append(batch: Arrived): number {
    const key = `${batch.topic}-${batch.partition}`
    const log = this.#logs.get(key) ?? []
    const end = this.#ends.get(key) ?? 0
    this.#logs.set(key, [...log, batch])
    this.#ends.set(key, end + batch.values.length)
    return end
  }
}

/** Copies what arrived: the producer uses its buffers again. */
function arrived(topic: string, partition: number, records: Uint8Array): Arrived {
  const bytes = Buffer.from(records)
  const cursor = new RecordCursor(new Batch(bytes, 0))
  const values: (string | null)[] = []
  while (cursor.next()) values.push(textOf(cursor.value))
  return { topic, partition, values, bytes }
}

function textOf(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : Buffer.from(bytes).toString()
}
