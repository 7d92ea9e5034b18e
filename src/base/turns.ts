/* Turns of the event loop in between: for work that has no reason to wait but may be long. */

import type { Clock } from './clock.js'

/** How long such work may go on before timers and I/O of the application get a turn. */
const TURN_MAX_MS = 5

export class Turns {
  readonly #clock: Clock
  #turnedAtMs = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** The work has gone on for long enough. */
  get isDue(): boolean {
    return this.#clock.monotonicMs() - this.#turnedAtMs > TURN_MAX_MS
  }

  /**
   * Waits for something else than a turn. If others have run meanwhile, the work begins anew: what
   * wakes it need not wait for another turn.
   */
  async whileWaiting<T>(waiting: Promise<T>): Promise<T> {
    let haveOthersRun = false
    void this.#clock.turn().then(() => (haveOthersRun = true))
    const result = await waiting
    if (haveOthersRun) this.#turnedAtMs = this.#clock.monotonicMs()
    return result
  }

  /** Lets others run, whether a turn is due or not. */
  async take(): Promise<void> {
    await this.#clock.turn()
    this.#turnedAtMs = this.#clock.monotonicMs()
  }
}
