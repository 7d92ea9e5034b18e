/* One call of `send`: its messages, their results so far, and the promise it returned. */

import { Deferred } from '../../base/tasks.js'
import { NO_PAIRS, recordSizeMax, sizeBound } from '../../model/batch/record-writer.js'
import type { BytesIn, HeaderIn } from '../../model/batch/record.js'
import { toPartlogError, withUnknownOutcome } from '../../model/errors.js'
import { NONE, type Offset, type Timestamp } from '../../model/units.js'
import { type BatchOwner, type Run, type SendHeaders } from './accumulator.js'
import { checkMessage, headerPairs, type Message, type RecordMetadata } from './messages.js'

/** The most bytes of a record that can be sent, and the error for a larger one. */
export interface RecordLimit {
  readonly bytes: number
  error(index: number, bytes: number): Error
}


export class SendCall implements BatchOwner {
  appendedCount = 0
  bytesMax = 0
  partitions: readonly number[] | undefined
  /** The partitions are chosen: once, also if the call then has to wait for memory. */
  isPlaced = false
  /** The largest partition that a message names; −1 if none does. */
  highestPartition = NONE
  /** It has waited for the topic's metadata, which is therefore not older than the call. */
  hasAskedForTopic = false
  readonly #deferred = new Deferred<RecordMetadata[]>()
  readonly #onReleased: (bytes: number) => void
  #messages: readonly Message[]
  #headers: (readonly HeaderIn[])[] | undefined
  /** The timestamps of messages that have one of their own. */
  #times: Timestamp[] | undefined
  /** The timestamp of all other messages; undefined before the first is appended. */
  #sentAt: Timestamp | undefined
  /** In the order of the messages; made when their offsets are known. */
  #receipts: RecordMetadata[] | undefined
  #heldBytes = 0
  #openBatches = 0
  #error: Error | undefined
  #isAppended = false
  /** At least one batch of it was written, so a failure leaves the outcome unknown. */
  #isPartlyWritten = false

  constructor(
    readonly topic: string,
    messages: readonly Message[],
    /** Called when it is settled and releases the bytes it held; not if it never held any. */
    onReleased: (bytes: number) => void,
  ) {
    this.#messages = messages
    this.#onReleased = onReleased
  }

  /** Checks every message, in one pass. Throws and changes nothing if one cannot be sent. */
  check(limit: RecordLimit): void {
    const messages = this.#messages
    for (let index = 0; index < messages.length; index++) {
      const message: unknown = messages[index]
      checkMessage(message, index)
      const { key = null, value, headers, timestamp, partition } = message
      let pairs = NO_PAIRS
      if (headers !== undefined) {
        pairs = headerPairs(headers, index)
        if (pairs.length > 0) (this.#headers ??= [])[index] = pairs
      }
      if (timestamp !== undefined) (this.#times ??= [])[index] = Number(timestamp)
      if (partition !== undefined && partition > this.highestPartition) {
        this.highestPartition = partition
      }
      const atMost = sizeBound(key, value, pairs)
      this.bytesMax += atMost
      if (atMost <= limit.bytes) continue
      const bytes = recordSizeMax(key, value, pairs)
      if (bytes > limit.bytes) throw limit.error(index, bytes)
    }
  }

  get messages(): readonly Message[] {
    return this.#messages
  }
  get headers(): SendHeaders {
    return this.#headers
  }
  get promise(): Promise<RecordMetadata[]> {
    return this.#deferred.promise
  }

  get times(): readonly (Timestamp | undefined)[] | undefined {
    return this.#times
  }
  get sentAt(): Timestamp {
    return this.#sentAt as Timestamp
  }
  /** Sets the time of its messages without a timestamp; the first call counts. */
  begin(now: Timestamp): void {
    this.#sentAt ??= now
  }

  /** Bytes held for this call because it had to wait; 0 if it did not. */
  get heldBytes(): number {
    return this.#heldBytes
  }

  /** The call has to wait: from now on the application may change its bytes. */
  hold(): void {
    if (this.#heldBytes > 0) return
    this.#heldBytes = 1 // a call without any bytes counts as waiting, too
    this.#headers = this.#headers?.map(pairs => pairs.map(([key, value]) => [key, copied(value)]))
    this.#messages = this.#messages.map(({ key = null, value, partition }, index) => {
      this.#heldBytes += recordSizeMax(key, value, this.#headers?.[index] ?? NO_PAIRS)
      const timestamp = this.#times?.[index]
      return { key: copied(key), value: copied(value), timestamp, partition }
    })
  }

  /** Every message is in a batch. */
  allAppended(): void {
    this.#isAppended = true
    this.#settleIfDone()
  }

  /** No more messages of this call go into batches. */
  fail(error: Error): void {
    this.#error ??= error
    this.allAppended()
  }

  batchAdded(): void {
    this.#openBatches++
  }

  written(run: Run, partition: number, first: Offset, appendTime: Timestamp): Offset {
    const { order, from, to } = run
    const { topic, partitions, times, sentAt } = this
    const receipts = (this.#receipts ??= new Array<RecordMetadata>(this.#messages.length))
    let offset = first
    for (let place = from; place < to; place++) {
      const index = order === undefined ? place : (order[place] as number)
      if (partitions !== undefined && partitions[index] !== partition) continue
      const timestamp = appendTime >= 0 ? appendTime : (times?.[index] ?? sentAt)
      receipts[index] = receiptOf(topic, partition, offset, timestamp)
      if (first >= 0) offset++
    }
    return offset
  }

  batchDone(error: Error | undefined, isWritten: boolean): void {
    this.#openBatches--
    this.#isPartlyWritten ||= isWritten
    this.#error ??= error
    this.#settleIfDone()
  }

  #settleIfDone(): void {
    if (!this.#isAppended || this.#openBatches > 0) return
    if (this.#heldBytes > 0) this.#onReleased(this.#heldBytes)
    if (this.#error === undefined) return this.#deferred.resolve(this.#receipts ?? [])
    const error = toPartlogError(this.#error)
    this.#deferred.reject(this.#isPartlyWritten ? withUnknownOutcome(error) : error)
  }
}

export function receiptOf(
  topic: string,
  partition: number,
  offset: Offset,
  timestamp: Timestamp,
): RecordMetadata {
  return { topic, partition, offset, timestamp }
}

// V8 allocates a number of its own for a field that has held nothing but fractions and large
// numbers. After this call it does not: all receipts of a send share one timestamp (32 bytes less
// for each receipt).
const unset = undefined as unknown as number
receiptOf('', 0, unset, unset)

function copied(content: BytesIn): BytesIn {
  return content instanceof Uint8Array ? Uint8Array.from(content) : content
}
