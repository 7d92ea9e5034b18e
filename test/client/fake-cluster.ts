/**
 * A cluster for client tests, made of nothing but answers: topics with a leader per partition,
 * batches taken as they come, each once if its producer numbers them. A test can hold answers back,
 * spoil them, or lose them.
 */

import { ProducerState } from '../../src/log/format/producer-state.js'
import { assignOffset, Batch } from '../../src/model/batch/batch.js'
import { RecordCursor } from '../../src/model/batch/record-cursor.js'
import { errorId, PartlogError, type ErrorCode } from '../../src/model/errors.js'
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

/**
 * What happens to the next Produce request: refused, not delivered, appended although an error is
 * answered (or thrown), or never answered.
 */
export type Fate =
  | Refusal
  | { readonly throws: ErrorCode; readonly isAppended?: boolean }
  | { readonly appendedBut: ErrorCode }
  | 'lost'

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
  /** What becomes of the next requests for a producer id: an error, or no answer. */
  readonly idFates: (ErrorCode | 'lost')[] = []
  idRequests = 0
  /** The epoch of ids that are given: a test may begin near the last one. */
  firstEpoch = 0
  /** Answers wait for `release` while this is true. */
  isHolding = false
  logAppendTimeMs = -1
  readonly #held: Answer[] = []
  readonly #logs = new Map<string, FakeLog>()

  constructor(topics: Readonly<Record<string, number[]>> = { orders: [1] }) {
    for (const [topic, leaders] of Object.entries(topics)) this.leaders.set(topic, leaders)
  }

  send<A extends ApiName>(nodeId: number, api: A, request: Request<A>): Promise<Response<A>> {
    if (api === 'InitProducerId') return this.#producerId() as Promise<Response<A>>
    const answer = api === 'Metadata' ? this.#metadata(request) : this.#produce(nodeId, request)
    return answer as Promise<Response<A>>
  }

  async #producerId(): Promise<Response<'InitProducerId'>> {
    this.idRequests++
    const fate = this.idFates.shift()
    if (fate === 'lost') return await new Promise(() => undefined)
    const errorCode = fate === undefined ? 0 : errorId(fate)
    return { errorCode, producerId: 1_000 + this.idRequests, producerEpoch: this.firstEpoch }
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
    const batches = this.#logs.get(`${topic}-${partition}`)?.batches ?? []
    return batches.flatMap(batch => batch.values)
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
    const produced = new Promise((resolve, reject) => {
      const answer = (): void => {
        if (fate !== undefined && 'throws' in fate) {
          if (fate.isAppended) for (const batch of batches) this.#append(batch)
          reject(new PartlogError(fate.throws, 'no line', { outcomeUnknown: true }))
        } else {
          resolve({ responses: topicData.map(({ name }) => this.#answerFor(name, batches, fate)) })
        }
      }
      if (this.isHolding) this.#held.push(answer)
      else answer()
    })
    return acks === 0 ? Promise.resolve({ responses: [] }) : produced
  }

  #answerFor(
    name: string,
    batches: readonly Arrived[],
    fate: Refusal | { readonly appendedBut: ErrorCode } | undefined,
  ): { name: string; partitionResponses: PartitionProduceResponse[] } {
    const ofTopic = batches.filter(({ topic }) => topic === name)
    const partitionResponses = ofTopic.map(batch => {
      if (fate === undefined || 'error' in fate) return this.#answerForBatch(batch, fate)
      return { ...this.#answerForBatch(batch, undefined), errorCode: errorId(fate.appendedBut) }
    })
    return { name, partitionResponses }
  }

  #answerForBatch(batch: Arrived, fate: Refusal | undefined): PartitionProduceResponse {
    const { partition } = batch
    const isSpoilt = fate !== undefined && (fate.partition ?? partition) === partition
    if (isSpoilt) return { index: partition, errorCode: errorId(fate.error), baseOffset: -1 }
    try {
      const baseOffset = this.#append(batch)
      return { index: partition, errorCode: 0, baseOffset, logAppendTimeMs: this.logAppendTimeMs }
    } catch (error) {
      const { code } = error as PartlogError
      return { index: partition, errorCode: errorId(code), baseOffset: -1 }
    }
  }

  /** Where the batch stands; throws when its sequence is not the next one. */
  #append(batch: Arrived): number {
    const key = `${batch.topic}-${batch.partition}`
    const { batches, producers, end } = this.#logs.get(key) ?? emptyLog()
    const header = new Batch(batch.bytes, 0)
    const written = producers.check(header)
    if (written !== undefined) return written.firstOffset
    assignOffset(header, end, 0)
    producers.update(header, 0)
    const log = { batches: [...batches, batch], producers, end: end + batch.values.length }
    this.#logs.set(key, log)
    return end
  }
}

interface FakeLog {
  readonly batches: readonly Arrived[]
  readonly producers: ProducerState
  readonly end: number
}

function emptyLog(): FakeLog {
  return { batches: [], producers: new ProducerState(), end: 0 }
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
