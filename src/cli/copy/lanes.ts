/**
 * Records on their way from the partitions of one topic into another topic, maybe far away. Each
 * source partition is a lane: its records are sent in their order, and it is known how far they
 * are acknowledged.
 *
 *   write → lanes fill up → a round: one send per lane → acknowledged → the next round
 *
 * Where the keys decide, records of one key may come from several lanes. Then a round is one send
 * of all lanes, in the order in which the records were written.
 *
 * While a round is under way the next one is filled, so two of them are in memory at most. A lane
 * has one send under way, and after a failure no further round is sent: what is missing is in the
 * send that failed. As one batch it is there or not. But a target that takes smaller batches only
 * makes the producer split it; then pieces behind one that failed may be there (the failure says
 * outcomeUnknown), and come twice when the lane goes on from `next`.
 */

import type { Message, RecordMetadata } from '../../client/producer/messages.js'
import type { Producer, ProducerOptions } from '../../client/producer/producer-api.js'
import { recordSizeMax } from '../../model/batch-builder.js'
import { BATCH_HEADER_BYTES } from '../../model/batch.js'
import { PartlogError } from '../../model/errors.js'
import type { Header } from '../../model/record.js'
import { NONE } from '../../model/units.js'

/** A record of a folder, or of a consumer. */
export interface SourceRecord {
  readonly partition: number
  readonly offset: number
  readonly timestamp: number
  /** Where `timestamp` cannot say it. */
  readonly exactTimestamp?: bigint
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: readonly Header[]
}

/** Offsets, the end not among them. */
export interface OffsetRange {
  readonly from: number
  readonly until: number
}

/** How far the records of one source partition have got. */
export interface LaneReport {
  readonly partition: number
  /** Those that are acknowledged. */
  readonly records: number
  /** Their offsets at the source. */
  readonly source: OffsetRange | undefined
  /** Their offsets in the target; undefined also when they went to several partitions. */
  readonly target: OffsetRange | undefined
  /** The first record that is not acknowledged, as far as one was seen. */
  readonly next: number | undefined
}

/** What one batch takes: with Kafka's default max.message.bytes it is never split. */
const LANE_BYTES_MAX = 1_000_000
const ROUND_BYTES_MAX = 4 * 1024 * 1024
/** For small records: objects cost more than their bytes. */
const ROUND_RECORDS_MAX = 20_000

/** A record that is larger than a round goes alone. Kafka takes requests up to 100 MiB. */
export const RECORD_BYTES_MAX = 64 * 1024 * 1024

/** For a producer that sends rounds: each lane one batch, all of a leader in one request. */
export const ROUND_PRODUCER: ProducerOptions = {
  batchSize: LANE_BYTES_MAX + BATCH_HEADER_BYTES,
  maxRequestSize: RECORD_BYTES_MAX + BATCH_HEADER_BYTES,
  bufferMemory: RECORD_BYTES_MAX + BATCH_HEADER_BYTES,
}

interface Lane {
  readonly partition: number
  /** What goes with the next round; elsewhere, in their order, where the keys decide. */
  messages: Message[]
  /** So many records go with the next round. */
  waiting: number
  bytes: number
  /** Offsets of the first and the last of `messages`. */
  first: number
  last: number
  records: number
  source: OffsetRange | undefined
  target: OffsetRange | undefined
}

export interface LanesOptions {
  readonly producer: Pick<Producer, 'send'>
  readonly topic: string
  /** Do records keep their partition? Else their keys decide, and the keyless take turns. */
  readonly keepPartitions: boolean
}

export class Lanes {
  readonly #options: LanesOptions
  readonly #lanes = new Map<number, Lane>()
  #bytes = 0
  #records = 0
  /** Of all lanes, where the keys decide. */
  #sequence: Message[] = []
  #underWay: Promise<void> = Promise.resolve()
  /** First offsets of what was sent and is not acknowledged. */
  readonly #unsettled = new Map<number, number>()

  constructor(options: LanesOptions) {
    this.#options = options
  }

  /**
   * Takes a record; waits while there is no room for it. Rejects with what a round failed with, and
   * with MESSAGE_TOO_LARGE or INVALID_TIMESTAMP.
   */
  async write(record: SourceRecord): Promise<void> {
    const { offset, timestamp, key, value } = record
    const headers = record.headers.map(header => [header.key, header.value] as const)
    const bytes = recordSizeMax(key, value, headers)
    if (bytes > RECORD_BYTES_MAX) throw tooLarge(record, bytes)
    if (!isTime(timestamp)) throw noTime(record)
    if (this.#isFull(record, bytes)) await this.flush()
    const lane = this.#laneOf(record.partition)
    const { keepPartitions } = this.#options
    const place = keepPartitions ? { partition: record.partition } : {}
    const messages = keepPartitions ? lane.messages : this.#sequence
    messages.push({ key, value, headers, timestamp, ...place })
    if (lane.waiting === 0) lane.first = offset
    lane.waiting++
    lane.last = offset
    lane.bytes += bytes
    this.#bytes += bytes
    this.#records++
  }

  #isFull({ partition }: SourceRecord, bytes: number): boolean {
    if (this.#records >= ROUND_RECORDS_MAX || this.#bytes + bytes > ROUND_BYTES_MAX) return true
    const lane = this.#options.keepPartitions ? this.#lanes.get(partition) : undefined
    return lane !== undefined && lane.bytes > 0 && lane.bytes + bytes > LANE_BYTES_MAX
  }

  /** Sends off what was collected, when the round before it is acknowledged. */
  async flush(): Promise<void> {
    await this.#underWay
    this.#bytes = 0
    this.#records = 0
    this.#underWay = this.#sendRound()
    this.#underWay.catch(() => undefined) // told when it is waited for
  }

  /** Resolves when everything that was written is acknowledged. */
  async settle(): Promise<void> {
    await this.flush()
    await this.#underWay
  }

  /** How far each lane is, by partition. */
  get reports(): LaneReport[] {
    return [...this.#lanes.values()]
      .sort((a, b) => a.partition - b.partition)
      .map(({ partition, records, source, target, waiting: count, first }) => {
        const waiting = count > 0 ? first : source?.until
        const next = this.#unsettled.get(partition) ?? waiting
        return { partition, records, source, target, next }
      })
  }

  async #sendRound(): Promise<void> {
    const filled = [...this.#lanes.values()].filter(({ waiting }) => waiting > 0)
    if (!this.#options.keepPartitions) return await this.#sendSequence(filled)
    const outcomes = await Promise.allSettled(filled.map(lane => this.#sendLane(lane)))
    const failed = outcomes.find(({ status }) => status === 'rejected')
    if (failed !== undefined) throw (failed as PromiseRejectedResult).reason
  }

  async #sendLane(lane: Lane): Promise<void> {
    const { messages } = lane
    const acknowledged = this.#begin(lane)
    const places = await this.#options.producer.send({ topic: this.#options.topic, messages })
    acknowledged()
    lane.target = grown(lane.target, places)
  }

  async #sendSequence(filled: readonly Lane[]): Promise<void> {
    const messages = this.#sequence
    if (messages.length === 0) return
    this.#sequence = []
    const acknowledged = filled.map(lane => this.#begin(lane))
    await this.#options.producer.send({ topic: this.#options.topic, messages })
    for (const note of acknowledged) note()
  }

  /** A lane's part of a round is on its way; gives what is to be noted when it is acknowledged. */
  #begin(lane: Lane): () => void {
    const { partition, first, last, waiting: records } = lane
    lane.messages = []
    lane.waiting = 0
    lane.bytes = 0
    this.#unsettled.set(partition, first)
    return () => {
      this.#unsettled.delete(partition)
      lane.records += records
      lane.source = { from: lane.source?.from ?? first, until: last + 1 }
    }
  }

  #laneOf(partition: number): Lane {
    let lane = this.#lanes.get(partition)
    if (lane === undefined) {
      const empty = { messages: [], waiting: 0, bytes: 0, first: -1, last: -1, records: 0 }
      lane = { partition, ...empty, source: undefined, target: undefined }
      this.#lanes.set(partition, lane)
    }
    return lane
  }
}

function tooLarge({ partition, offset }: SourceRecord, bytes: number): PartlogError {
  return new PartlogError(
    'MESSAGE_TOO_LARGE',
    `partition ${partition}: the record at offset ${offset} takes up to ${bytes} bytes, more ` +
      `than the ${RECORD_BYTES_MAX} that can be copied`,
  )
}

function isTime(timestamp: number): boolean {
  return Number.isSafeInteger(timestamp) && timestamp >= NONE
}

function noTime({ partition, offset, timestamp, exactTimestamp }: SourceRecord): PartlogError {
  const time = exactTimestamp ?? timestamp
  return new PartlogError(
    'INVALID_TIMESTAMP',
    `partition ${partition}: the record at offset ${offset} is of ${time}, which is no time in ` +
      'milliseconds: it cannot be copied (an export to a file can have it)',
  )
}

function grown(range: OffsetRange | undefined, places: readonly RecordMetadata[]): OffsetRange {
  const from = range?.from ?? (places[0] as RecordMetadata).offset
  return { from, until: (places.at(-1) as RecordMetadata).offset + 1 }
}
