/* The pace of a replay: records come as far apart as their times, faster, or with shorter gaps. */

import type { Clock } from '../../base/clock.js'

export interface PaceOptions {
  /** How much faster than the times; undefined: without pauses. */
  readonly factor?: number | undefined
  /** The longest pause, in milliseconds of the replay. Default: none. */
  readonly maxGapMs?: number | undefined
}

/** Says how long the next record waits. */
export class Pace {
  readonly #clock: Clock
  readonly #factor: number | undefined
  readonly #maxGapMs: number
  /** When the record that was due last was due, by the clock, and its time. */
  #dueMs = 0
  #last: number | undefined

  constructor(clock: Clock, { factor, maxGapMs = Infinity }: PaceOptions) {
    this.#clock = clock
    this.#factor = factor
    this.#maxGapMs = maxGapMs
  }

  /** Are there pauses? */
  get isPaced(): boolean {
    return this.#factor !== undefined
  }

  /** The milliseconds until a record of this time is due; ask for each record once. */
  next(timestamp: number): number {
    if (this.#factor === undefined || timestamp < 0) return 0
    if (this.#last === undefined) this.#dueMs = this.#clock.monotonicMs()
    // A record that is older than the one before it is due with that one.
    const gap = Math.max(0, timestamp - (this.#last ?? timestamp)) / this.#factor
    this.#last = Math.max(timestamp, this.#last ?? timestamp)
    this.#dueMs += Math.min(gap, this.#maxGapMs)
    return this.restMs
  }

  /** The milliseconds until the record that was asked for last is due. */
  get restMs(): number {
    return this.#factor === undefined ? 0 : Math.max(0, this.#dueMs - this.#clock.monotonicMs())
  }
}
