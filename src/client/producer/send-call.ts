/* One call of `send`: its messages, their results so far, and the promise it returned. */

import { Deferred } from '../../base/tasks.js'
import { recordSizeMax } from '../../model/batch/batch-builder.js'
import type { BytesIn, HeaderIn } from '../../model/batch/record.js'
import { toPartlogError, withUnknownOutcome } from '../../model/errors.js'
import type { BatchOwner, Receipt } from './accumulator.js'
import type { Message, RecordMetadata } from './messages.js'

/** Headers as pairs, of each message that has any. */
export type SendHeaders = readonly (readonly HeaderIn[])[] | undefined

export class SendCall implements BatchOwner {
  /** In the order of the messages. */
  readonly receipts: Receipt[] = []
  /** The partition of each message; all are chosen before the first message is appended. */
  partitions: readonly number[] | undefined
  /** It has waited for the topic's metadata, which is therefore not older than the call. */
  hasAskedForTopic = false
  readonly #deferred = new Deferred<RecordMetadata[]>()
  readonly #onReleased: (bytes: number) => void
  #messages: readonly Message[]
  #headers: SendHeaders
  #heldBytes = 0
  #openBatches = 0
  #error: Error | undefined
  #isAppended = false
  /** At least one batch of it was written, so a failure leaves the outcome unknown. */
  #isPartlyWritten = false

  constructor(
    readonly topic: string,
    messages: readonly Message[],
    headers: SendHeaders,
    /** Called when it is settled and releases the bytes it held; not if it never held any. */
    onReleased: (bytes: number) => void,
  ) {
    this.#messages = messages
    this.#headers = headers
    this.#onReleased = onReleased
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
  /** How many messages are in batches. */
  get appendedCount(): number {
    return this.receipts.length
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
    this.#messages = this.#messages.map(({ key = null, value, timestamp, partition }, index) => {
      this.#heldBytes += recordSizeMax(key, value, this.#headers?.[index] ?? [])
      const time = timestamp === undefined ? undefined : Number(timestamp)
      return { key: copied(key), value: copied(value), timestamp: time, partition }
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

  batchDone(error: Error | undefined, isWritten: boolean): void {
    this.#openBatches--
    this.#isPartlyWritten ||= isWritten
    this.#error ??= error
    this.#settleIfDone()
  }

  #settleIfDone(): void {
    if (!this.#isAppended || this.#openBatches > 0) return
    if (this.#heldBytes > 0) this.#onReleased(this.#heldBytes)
    if (this.#error === undefined) return this.#deferred.resolve(this.receipts)
    const error = toPartlogError(this.#error)
    this.#deferred.reject(this.#isPartlyWritten ? withUnknownOutcome(error) : error)
  }
}

function copied(content: BytesIn): BytesIn {
  return content instanceof Uint8Array ? Uint8Array.from(content) : content
}
