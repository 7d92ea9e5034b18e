/*
 * The ways to read: `poll`, `for await` and `run`, one at a time. Each defines when a record counts
 * as processed (consumer-api.ts has the rules).
 */

import type { Clock } from '../../base/clock.js'
import type { Turns } from '../../base/turns.js'
import { nextChange } from '../../base/watchers.js'
import { PartlogError } from '../../model/errors.js'
import type { ReadingGate } from '../group/reading-gate.js'
import type { PollOptions } from './consumer-options.js'
import type { Fetcher, Taken } from './fetcher.js'
import type { PartitionState } from './partition-state.js'
import type { AnyRecord, Handlers, RecordHandling } from './record-handling.js'
import { RecordIterator } from './record-iterator.js'

const POLL_TIMEOUT_MS = 1_000

export interface RecordReaderOptions {
  readonly fetcher: Fetcher
  readonly clock: Clock
  readonly turns: Turns
  readonly maxPollRecords: number
  readonly states: () => Iterable<PartitionState>
  readonly gate: ReadingGate
  readonly handling: (handlers: Handlers) => RecordHandling
}

export class RecordReader {
  readonly #options: RecordReaderOptions
  /** The reader under way, for the error message. */
  #current: string | undefined
  /** An error found after records that must be delivered first, or while nothing was reading. */
  #pendingError: unknown

  constructor(options: RecordReaderOptions) {
    this.#options = options
  }

  async poll({ timeoutMs = POLL_TIMEOUT_MS, signal }: PollOptions): Promise<AnyRecord[]> {
    const { clock, states, gate } = this.#options
    this.#begin('poll')
    try {
      for (const state of states()) state.markDeliveredProcessed()
      const records = await this.#waitForPoll(clock.monotonicMs() + timeoutMs, signal)
      if (records.length > 0) gate.handOut()
      else gate.leave()
      return records
    } catch (error) {
      gate.leave()
      await clock.turn() // a loop of failing polls must not block the thread
      throw error
    } finally {
      this.#current = undefined
    }
  }

  async #waitForPoll(deadline: number, signal: AbortSignal | undefined): Promise<AnyRecord[]> {
    const { clock, fetcher, turns } = this.#options
    for (;;) {
      if (turns.isDue) await turns.take()
      await this.#throughGate()
      const records = this.#takeForPoll()
      if (records.length > 0 || fetcher.isStopped) return records
      const leftMs = deadline - clock.monotonicMs()
      if (leftMs <= 0) return records
      await this.#arrival(leftMs, signal)
    }
  }

  iterate(): RecordIterator {
    this.#begin('a for await loop')
    const { fetcher, gate, turns } = this.#options
    return new RecordIterator({
      gate,
      turns,
      get isStopped() {
        return fetcher.isStopped
      },
      nextTaken: signal => this.#nextTaken(signal),
      onDone: () => this.#end(),
    })
  }

  async run(handlers: Handlers): Promise<void> {
    this.#begin('run')
    const handling = this.#options.handling(handlers)
    try {
      for (;;) {
        const taken = await this.#nextReadable(handlers, handling)
        if (taken === undefined) return
        await handling.handle(taken)
      }
    } finally {
      this.#end()
    }
  }

  /** The next records; records that cannot be deserialized go to the dead letter topic. */
  async #nextReadable({ signal }: Handlers, handling: RecordHandling): Promise<Taken | undefined> {
    for (;;) {
      try {
        return await this.#nextTaken(signal)
      } catch (error) {
        if (!(await handling.toDeadLetters(error))) throw error
      }
    }
  }

  /** Records of one partition, or undefined when the consumer is closed or the signal aborts. */
  async #nextTaken(signal?: AbortSignal): Promise<Taken | undefined> {
    const { fetcher, maxPollRecords, gate, turns } = this.#options
    for (;;) {
      if (turns.isDue) await turns.take()
      await this.#throughGate()
      if (fetcher.isStopped || signal?.aborted) return undefined
      this.#throwPending()
      const taken = fetcher.take(maxPollRecords)
      if (taken !== undefined) {
        gate.handOut()
        return taken
      }
      await this.#arrival(undefined, signal).catch((error: unknown) => {
        if (!signal?.aborted) throw error
      })
    }
  }

  #takeForPoll(): AnyRecord[] {
    const { fetcher, maxPollRecords } = this.#options
    const records: AnyRecord[] = []
    this.#throwPending()
    try {
      while (records.length < maxPollRecords) {
        const taken = fetcher.take(maxPollRecords - records.length)
        if (taken === undefined) break
        for (const record of taken.records) records.push(record) // may be very many
        taken.state.delivered = (taken.records.at(-1) as AnyRecord).offset + 1
      }
    } catch (error) {
      if (records.length === 0) throw error
      this.#pendingError = error
    }
    return records
  }

  /** If no reader is under way, the records of the last poll count as processed. */
  markPolledProcessed(): void {
    if (this.#current !== undefined) return
    for (const state of this.#options.states()) {
      if (state.leftAt === undefined) state.markDeliveredProcessed()
    }
    this.#options.gate.leave()
  }

  /**
   * A commit succeeded: if it covers all delivered records, those of the last poll are no longer in
   * hand. In a loop the application still works on its record.
   */
  committed(): void {
    if (this.#current !== undefined) return
    for (const { delivered = 0, processed = 0, committed = 0, leftAt } of this.#options.states()) {
      if (leftAt !== undefined || delivered > Math.max(processed, committed)) return
    }
    this.markPolledProcessed()
  }

  /** Sets an error that the next read throws. */
  fail(error: unknown): void {
    this.#pendingError ??= error
    this.#options.fetcher.arrivals.notify()
  }

  /** A position was moved: an error found at the old one is void. */
  forgetPending(): void {
    this.#pendingError = undefined
  }

  #throwPending(): void {
    const error = this.#pendingError
    this.#pendingError = undefined
    if (error !== undefined) throw error
  }

  /** Resolves when there may be records, or the time is over; rejects when the signal aborts. */
  async #arrival(timeoutMs: number | undefined, signal: AbortSignal | undefined): Promise<void> {
    const { fetcher, clock, turns } = this.#options
    fetcher.wake()
    const arrival = nextChange(fetcher.arrivals, { clock, timeoutMs, signal })
    const end = await turns.whileWaiting(arrival)
    if (end === 'aborted') throw signal?.reason
  }

  /** The gate may be held again before this reader has passed. */
  async #throughGate(): Promise<void> {
    const { gate } = this.#options
    for (let held = gate.pass(); held !== undefined; held = gate.pass()) await held
  }

  #end(): void {
    this.#current = undefined
    this.#options.gate.leave()
  }

  #begin(reader: string): void {
    if (this.#current !== undefined) {
      const sentence = `${reader} is not possible while ${this.#current} is reading`
      throw new PartlogError('INVALID_REQUEST', sentence)
    }
    this.#current = reader
    for (const state of this.#options.states()) state.redeliverRecordLeft()
  }
}
