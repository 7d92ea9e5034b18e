/*
 * Copies records from the partitions of one topic to another topic, which may be remote. Each
 * source partition is a lane: its records are sent in order, and the lane knows how far they are
 * acknowledged.
 *
 *   write → lanes fill up → a round: one send per lane → acknowledged → the next round
 *
 * If keys choose the partition, records of one key may come from several lanes. Then a round is one
 * send of all lanes, in the order in which the records were written.
 *
 * While a round is in flight the next one is filled, so at most two are in memory. A lane has one
 * send in flight, and after a failure no further round is sent: only records of the failed send can
 * be missing. Sent as one batch, either all of them are written or none. But if the target accepts
 * only smaller batches, the producer splits the send; pieces after the failed one may be written
 * (the error says outcomeUnknown), and are written twice when the lane continues from `next`.
 */

import type { Message, RecordMetadata } from '../../client/producer/messages.js'
import type { Producer, ProducerOptions } from '../../client/producer/producer-api.js'
import { recordSizeMax } from '../../model/batch/record-writer.js'
import { BATCH_HEADER_BYTES } from '../../model/batch/batch.js'
import type { Header } from '../../model/batch/record.js'
import { PartlogError } from '../../model/errors.js'
import { NONE } from '../../model/units.js'

/** A record that was read from a folder or by a consumer. */
export interface SourceRecord {
  readonly partition: number
  readonly offset: number
  readonly timestamp: number
  /** The exact timestamp, if a number cannot represent it. */
  readonly exactTimestamp?: bigint
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: readonly Header[]
}

/** Offsets: `from` inclusive, `until` exclusive. */
export interface OffsetRange {
  readonly from: number
  readonly until: number
}

/** How far the records of one source partition are copied. */
export interface LaneReport {
  readonly partition: number
  /** How many records are acknowledged. */
  readonly records: number
  /** Their offsets at the source. */
  readonly source: OffsetRange | undefined
  /** Their offsets in the target; undefined also when they went to several partitions. */
  readonly target: OffsetRange | undefined
  /** The offset of the first record that is not acknowledged; undefined before the first record. */
  readonly next: number | undefined
}

/** The size of one batch: fits Kafka's default max.message.bytes, so it is not split. */
const LANE_BYTES_MAX = 1_000_000
const ROUND_BYTES_MAX = 4 * 1024 * 1024
/** Limits rounds of small records, where objects take more memory than bytes. */
const ROUND_RECORDS_MAX = 20_000

/** A record that is larger than a round is sent alone. Kafka accepts requests up to 100 MiB. */
export const RECORD_BYTES_MAX = 64 * 1024 * 1024

/** Options of a producer that sends rounds: one batch per lane, one request per leader. */
export const ROUND_PRODUCER: ProducerOptions = {
  batchSize: LANE_BYTES_MAX + BATCH_HEADER_BYTES,
  maxRequestSize: RECORD_BYTES_MAX + BATCH_HEADER_BYTES,
  bufferMemory: RECORD_BYTES_MAX + BATCH_HEADER_BYTES,
}

interface Lane {
  readonly partition: number
  /** The messages of the next round; not used if keys choose the partition. */
  messages: Message[]
  /** Their offsets at the source, if there are marks in this partition. */
  offsets: number[]
  /** The offset in the target of each mark that was passed. */
  readonly marked: Map<number, number>
  /** How many records of this lane the next round will send. */
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
  /** Keep the partition of each record? If not, its key chooses; records without a key rotate. */
  readonly keepPartitions: boolean
  /** Source offsets, by partition, whose offsets in the target are wanted (`targetOf`). */
  readonly marks?: ReadonlyMap<number, ReadonlySet<number>>
}

export class Lanes {
  readonly #options: LanesOptions
  readonly #lanes = new Map<number, Lane>()
  #bytes = 0
  #records = 0
  /** The messages of all lanes for the next round, if keys choose the partition. */
  #sequence: Message[] = []
  #inFlight: Promise<void> = Promise.resolve()
  /** By partition: the first offset that was sent and is not acknowledged. */
  readonly #unsettled = new Map<number, number>()

  constructor(options: LanesOptions) {
    this.#options = options
  }

  /**
   * Adds a record to the next round; waits while there is no room for it. Rejects with the error of
   * an earlier round, or with MESSAGE_TOO_LARGE or INVALID_TIMESTAMP.
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
    if (this.#options.marks?.has(record.partition) === true) lane.offsets.push(offset)
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

  /** Waits until the round in flight is acknowledged, then sends the next one. */
  async flush(): Promise<void> {
    await this.#inFlight
    this.#bytes = 0
    this.#records = 0
    this.#inFlight = this.#sendRound()
    this.#inFlight.catch(() => undefined) // the next flush or settle rejects with it
  }

  /** Resolves when all written records are acknowledged. */
  async settle(): Promise<void> {
    await this.flush()
    await this.#inFlight
  }

  /** The lanes in the order of their partitions. */
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
    const { messages, offsets } = lane
    lane.offsets = []
    const acknowledged = this.#begin(lane)
    const places = await this.#options.producer.send({ topic: this.#options.topic, messages })
    acknowledged()
    lane.target = grown(lane.target, places)
    this.#note(lane, offsets, places)
  }

  /** A mark stands for the first record that is not below it. */
  #note(lane: Lane, offsets: readonly number[], places: readonly RecordMetadata[]): void {
    for (const mark of this.#options.marks?.get(lane.partition) ?? []) {
      if (lane.marked.has(mark)) continue
      const at = offsets.findIndex(offset => offset >= mark)
      if (at >= 0) lane.marked.set(mark, (places[at] as RecordMetadata).offset)
    }
  }

  /**
   * The offset in the target for one in the source: that of the first record copied that is not
   * below it, or the end of the copy. Undefined if nothing of the partition was copied.
   */
  targetOf(partition: number, offset: number): number | undefined {
    const lane = this.#lanes.get(partition)
    return lane?.marked.get(offset) ?? lane?.target?.until
  }

  async #sendSequence(filled: readonly Lane[]): Promise<void> {
    const messages = this.#sequence
    if (messages.length === 0) return
    this.#sequence = []
    const acknowledged = filled.map(lane => this.#begin(lane))
    await this.#options.producer.send({ topic: this.#options.topic, messages })
    for (const note of acknowledged) note()
  }

  /** Takes a lane's records for a round; returns a function to call when they are acknowledged. */
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
      const empty = { messages: [], offsets: [], waiting: 0, bytes: 0, first: -1, last: -1 }
      const none = { records: 0, source: undefined, target: undefined }
      lane = { partition, ...empty, marked: new Map(), ...none }
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
    `partition ${partition}: the record at offset ${offset} has timestamp ${time}, which is not ` +
      'a valid time in milliseconds: it cannot be copied to a topic, only exported to a file',
  )
}

function grown(range: OffsetRange | undefined, places: readonly RecordMetadata[]): OffsetRange {
  const from = range?.from ?? (places[0] as RecordMetadata).offset
  return { from, until: (places.at(-1) as RecordMetadata).offset + 1 }
}
