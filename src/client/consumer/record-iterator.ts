/*
 * `for await` over a consumer, written by hand: a step costs one promise and no generator.
 *
 * A record counts as processed when the next one is asked for. Leaving the loop, by `break` or by a
 * throw, leaves the record in hand unprocessed: the next read delivers it again, unless it was
 * committed meanwhile. Concurrent calls of `next` are served in order.
 */

import type { Turns } from '../../base/turns.js'
import type { ReadingGate } from '../group/reading-gate.js'
import type { ConsumerRecord } from './consumer-record.js'
import type { Taken } from './fetcher.js'

export interface RecordSource {
  /** While it is wanted, the loop must pass the gate before it gets the next record. */
  readonly gate: Pick<ReadingGate, 'asks' | 'isWanted'>
  readonly turns: Turns
  /** The next records, or undefined when the consumer is closed or the signal aborts. */
  nextTaken(signal: AbortSignal): Promise<Taken | undefined>
  /** The consumer is closed: no more records are delivered. */
  readonly isStopped: boolean
  /** The loop is over. */
  onDone(): void
}

type Step = IteratorResult<ConsumerRecord<unknown, unknown>, undefined>
/** Records between two looks at the clock. */
const STEPS_PER_LOOK = 32
const DONE: Step = { value: undefined, done: true }

export class RecordIterator implements AsyncIterableIterator<ConsumerRecord<unknown, unknown>> {
  readonly #source: RecordSource
  readonly #leaving = new AbortController()
  #taken: Taken | undefined
  /** Index of the next record of `#taken`. */
  #index = 0
  /** The last pending step; later steps wait for it. */
  #waiting: Promise<Step> | undefined
  #isDone = false

  constructor(source: RecordSource) {
    this.#source = source
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<Step> {
    const mayStep = this.#waiting === undefined && !this.#isTurnDue
    const value = mayStep ? this.#nextOfTaken() : undefined
    return value === undefined ? this.#nextInTurn() : Promise.resolve({ value, done: false })
  }

  /** Looks at the time only once in a while. */
  get #isTurnDue(): boolean {
    return this.#index % STEPS_PER_LOOK === 0 && this.#source.turns.isDue
  }

  return(): Promise<Step> {
    this.#leaveRecordInHand()
    this.#finish()
    return Promise.resolve(DONE)
  }

  #nextInTurn(): Promise<Step> {
    const next = (): Promise<Step> => this.#nextSlowly()
    const step = this.#waiting === undefined ? next() : this.#waiting.then(next, next)
    this.#waiting = step
    const clear = (): void => {
      if (this.#waiting === step) this.#waiting = undefined
    }
    step.then(clear, clear)
    return step
  }

  async #nextSlowly(): Promise<Step> {
    if (this.#isTurnDue) await this.#source.turns.take()
    if (this.#isDone) return DONE
    let value = this.#nextOfTaken()
    if (value === undefined) {
      this.#rewindToUndelivered()
      await this.#take()
      value = this.#nextOfTaken()
    }
    if (value !== undefined) return { value, done: false }
    this.#finish()
    return DONE
  }

  async #take(): Promise<void> {
    try {
      this.#taken = await this.#source.nextTaken(this.#leaving.signal)
    } catch (error) {
      this.#finish()
      throw error
    }
    this.#index = 0
    if (this.#isDone) this.#rewindToUndelivered() // the loop was left meanwhile
  }

  /** The next taken record, if it is still valid; the record before it counts as processed. */
  #nextOfTaken(): ConsumerRecord<unknown, unknown> | undefined {
    const taken = this.#taken
    if (taken === undefined || taken.state.version !== taken.version) return undefined
    const { state, records } = taken
    const { gate, isStopped } = this.#source
    state.processed = state.delivered
    gate.asks++
    if (state.isPaused || isStopped || gate.isWanted) return undefined
    const value = records[this.#index]
    if (value === undefined) return undefined
    this.#index++
    state.delivered = value.offset + 1
    return value
  }

  /** Rewinds to the taken records that were not delivered, if they are still valid. */
  #rewindToUndelivered(): void {
    const taken = this.#taken
    this.#taken = undefined
    if (taken === undefined || taken.state.version !== taken.version) return
    const next = taken.records[this.#index]
    if (next !== undefined) taken.state.rewindTo(next.offset)
  }

  /** Marks the record in hand for another delivery: it was not processed. */
  #leaveRecordInHand(): void {
    const taken = this.#taken
    const inHand = taken?.records[this.#index - 1]
    if (taken !== undefined && taken.state.version === taken.version) {
      taken.state.leftAt = inHand?.offset
    }
    this.#rewindToUndelivered()
  }

  #finish(): void {
    if (this.#isDone) return
    this.#isDone = true
    this.#leaving.abort()
    this.#source.onDone()
  }
}
