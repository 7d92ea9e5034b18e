/**
 * `for await` over a consumer, written by hand: a step costs one promise and no generator.
 *
 * A record counts as processed when the next one is asked for. Leaving the loop, by `break` or by a
 * throw, leaves the record in hand unprocessed and gives back those behind it.
 */

import type { ConsumerRecord } from './consumer-record.js'
import type { Taken } from './fetcher.js'

export interface RecordSource {
  /** The next records, or undefined when there will be none any more. */
  nextTaken(): Promise<Taken | undefined>
  /** The loop is over. */
  onDone(): void
}

type Step = IteratorResult<ConsumerRecord<unknown, unknown>, undefined>

export class RecordIterator implements AsyncIterableIterator<ConsumerRecord<unknown, unknown>> {
  readonly #source: RecordSource
  #taken: Taken | undefined
  #index = 0
  #isDone = false

  constructor(source: RecordSource) {
    this.#source = source
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<Step> {
    const taken = this.#taken
    if (taken === undefined || this.#isDone) return this.#nextSlowly()
    const { state, records } = taken
    if (state.version !== taken.version) return this.#nextSlowly()
    state.processed = state.delivered
    if (this.#index === records.length || state.isPaused) return this.#nextSlowly()
    const value = records[this.#index++] as ConsumerRecord<unknown, unknown>
    state.delivered = value.offset + 1
    return Promise.resolve({ value, done: false })
  }

  return(): Promise<Step> {
    this.#giveBack()
    this.#finish()
    return Promise.resolve({ value: undefined, done: true })
  }

  async #nextSlowly(): Promise<Step> {
    this.#giveBack()
    if (this.#isDone) return { value: undefined, done: true }
    try {
      this.#taken = await this.#source.nextTaken()
    } catch (error) {
      this.#finish()
      throw error
    }
    this.#index = 0
    if (this.#taken !== undefined) return await this.next()
    this.#finish()
    return { value: undefined, done: true }
  }

  /** Records that were taken and not handed out come again later, if they still count. */
  #giveBack(): void {
    const taken = this.#taken
    this.#taken = undefined
    if (taken === undefined || taken.state.version !== taken.version) return
    const next = taken.records[this.#index]
    if (next !== undefined) taken.state.rewindTo(next.offset)
  }

  #finish(): void {
    if (this.#isDone) return
    this.#isDone = true
    this.#source.onDone()
  }
}
