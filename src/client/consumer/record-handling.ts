/*
 * How `run` processes records: it calls the handler, retries after a pause when the handler throws,
 * and writes records that still fail to the dead letter topic.
 *
 * A record or batch counts as processed when its handler has resolved, or when it is in the dead
 * letter topic. Before that it is delivered again, here or to another member of the group. The
 * other ways of reading have other rules: consumer-api.ts has all of them.
 */

import { backoffMs } from '../../base/backoff.js'
import { sleep, type Clock } from '../../base/clock.js'
import type { Random } from '../../base/random.js'
import { whenAborted } from '../../base/tasks.js'
import type { Turns } from '../../base/turns.js'
import { isPartlogError, type PartlogError, type RecordPlace } from '../../model/errors.js'
import type { ReadingGate } from '../group/reading-gate.js'
import type { ConsumerSettings } from './consumer-config.js'
import type { RunOptions } from './consumer-options.js'
import type { ConsumerRecord } from './consumer-record.js'
import type { DeadLetters } from './dead-letters.js'
import type { Fetcher, Taken } from './fetcher.js'
import type { PartitionState } from './partition-state.js'

export type AnyRecord = ConsumerRecord<unknown, unknown>
export type Handlers = RunOptions<unknown, unknown>

export interface RecordHandlingOptions {
  readonly clock: Clock
  readonly turns: Turns
  readonly random: Random
  readonly settings: ConsumerSettings
  readonly fetcher: Fetcher
  readonly gate: ReadingGate
  readonly deadLetters: DeadLetters
  /** Aborts when the consumer is closed. */
  readonly closing: AbortSignal
  readonly states: () => Iterable<PartitionState>
}

type EachRecord = NonNullable<Handlers['eachRecord']>

/** Records between two looks at the clock. */
const RECORDS_PER_LOOK = 32

/** A handler has failed, also in its last attempt. */
interface Failure {
  readonly error: unknown
  readonly attempts: number
}

/** How the calls of a handler ended; 'left': this consumer no longer processes the records. */
type Outcome = 'done' | 'left' | Failure

export class RecordHandling {
  readonly #options: RecordHandlingOptions
  readonly #handlers: Handlers

  constructor(options: RecordHandlingOptions, handlers: Handlers) {
    this.#options = options
    this.#handlers = handlers
  }

  async handle(taken: Taken): Promise<void> {
    const { eachBatch, eachRecord } = this.#handlers
    if (eachBatch !== undefined) await this.#processBatch(taken, eachBatch)
    else if (eachRecord !== undefined) await this.#processEach(taken, eachRecord)
  }

  /** Writes a record that cannot be deserialized. False: the error is not for dead letters. */
  async toDeadLetters(error: unknown): Promise<boolean> {
    const { deadLetterTopic: topic } = this.#handlers
    if (topic === undefined || !isPartlogError(error, 'SERIALIZATION_FAILED')) return false
    const { record } = error as PartlogError
    const state = record === undefined ? undefined : this.#stateOf(record)
    if (record === undefined || state === undefined) return false
    const { version } = state
    await this.#options.deadLetters.write(topic, record, { error, attempts: 0 })
    if (state.version === version) state.moveTo(record.offset + 1)
    this.#options.fetcher.wake()
    return true
  }

  #stateOf({ topic, partition }: RecordPlace): PartitionState | undefined {
    for (const state of this.#options.states()) {
      if (state.topic === topic && state.partition === partition) return state
    }
    return undefined
  }

  async #processBatch(taken: Taken, eachBatch: NonNullable<Handlers['eachBatch']>): Promise<void> {
    const { state, version, records } = taken
    const { topic, partition, highWatermark } = state
    state.delivered = (records.at(-1) as AnyRecord).offset + 1
    const outcome = await this.#call(taken, () =>
      eachBatch({ topic, partition, highWatermark, records }),
    )
    if (state.version !== version) {
      if (isFailure(outcome)) throw outcome.error
      return
    }
    if (outcome === 'done') return state.markDeliveredProcessed()
    rewindToFailed(state, (records[0] as AnyRecord).offset)
    if (isFailure(outcome)) throw outcome.error
  }

  async #processEach(taken: Taken, eachRecord: EachRecord): Promise<void> {
    const { state, version, records } = taken
    const { gate, fetcher, turns } = this.#options
    let handled = 0
    for (const record of records) {
      if (++handled % RECORDS_PER_LOOK === 0 && turns.isDue) await turns.take()
      if (state.version !== version) return // moved by the handler
      const mustPause = state.isPaused || gate.isWanted || fetcher.isStopped
      if (mustPause || this.#handlers.signal?.aborted) return state.rewindTo(record.offset)
      state.delivered = record.offset + 1
      const begun = begin(eachRecord, record)
      // A handler that has nothing to wait for costs no promise.
      const isDone = begun === undefined || (await this.#processRecord(taken, record, begun))
      if (state.version === version) {
        if (!isDone) return rewindToFailed(state, record.offset)
        state.markDeliveredProcessed()
      }
      gate.asks++
    }
  }

  /** False: the record was left and is delivered again. Throws when it failed for good. */
  async #processRecord(
    taken: Taken,
    record: AnyRecord,
    begun: Promise<void>,
  ): Promise<boolean> {
    const { state, version } = taken
    const again = (): Promise<void> | void => this.#handlers.eachRecord?.(record)
    const outcome = await this.#call(taken, again, begun)
    if (!isFailure(outcome)) return outcome === 'done'
    const { deadLetterTopic: topic } = this.#handlers
    try {
      if (topic === undefined) throw outcome.error
      if (state.version !== version) return false // another member reads it again
      await this.#options.deadLetters.write(topic, record, outcome)
      return true
    } catch (error) {
      if (state.version === version) rewindToFailed(state, record.offset)
      throw error
    }
  }

  /** Calls a handler until it resolves or fails for the last time. `begun`: the first call. */
  async #call(
    { state, version }: Taken,
    handler: () => Promise<void> | void,
    begun?: Promise<void>,
  ): Promise<Outcome> {
    const { retries = 0 } = this.#handlers
    for (let attempts = 1; ; attempts++) {
      try {
        await (attempts === 1 && begun !== undefined ? begun : handler())
        return 'done'
      } catch (error) {
        if (attempts > retries || this.#isOver) return { error, attempts }
        await this.#pause(attempts)
      }
      // Between two attempts the partition may go to another member, which reads its records again.
      if (state.version !== version || this.#isOver || this.#options.gate.isWanted) return 'left'
    }
  }

  get #isOver(): boolean {
    return this.#options.fetcher.isStopped || this.#handlers.signal?.aborted === true
  }

  /** Waits for the backoff, or until the run ends or the group revokes partitions. */
  async #pause(failures: number): Promise<void> {
    const { clock, random, settings, gate, closing } = this.#options
    const { signal = closing } = this.#handlers
    const over = new AbortController()
    const stop = (): void => over.abort()
    const forgets = [closing, signal].map(each => whenAborted(each, stop))
    gate.onWanted = stop
    if (gate.isWanted || this.#isOver) stop()
    await sleep(clock, backoffMs(settings, failures, random), over.signal).catch(() => undefined)
    gate.onWanted = undefined
    for (const forget of forgets) forget()
  }
}

/** Calls the handler. Undefined if it is done; a promise if it is not, or has thrown. */
function begin(eachRecord: EachRecord, record: AnyRecord): Promise<void> | undefined {
  try {
    const begun: unknown = eachRecord(record)
    return isThenable(begun) ? Promise.resolve(begun as Promise<void>) : undefined
  } catch (error) {
    return Promise.reject(error as Error)
  }
}

function isThenable(value: unknown): boolean {
  const mayBe = (typeof value === 'object' && value !== null) || typeof value === 'function'
  return mayBe && typeof (value as { then?: unknown }).then === 'function'
}

function isFailure(outcome: Outcome): outcome is Failure {
  return typeof outcome === 'object'
}

/** A handler has failed: its records are delivered again from this offset on. */
function rewindToFailed(state: PartitionState, offset: number): void {
  state.delivered = offset
  state.rewindTo(offset)
}
