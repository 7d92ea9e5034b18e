/*
 * The gate between an application that reads and the group that moves its partitions. Partitions
 * are revoked only while no record is in hand: a delivered record counts as in hand until the
 * application asks for more or stops reading. While the gate is held, a call for more waits.
 */

import { assert } from '../../base/assert.js'
import type { Clock } from '../../base/clock.js'
import { abortable, Deferred } from '../../base/tasks.js'

export class ReadingGate {
  /** Called when the application asks for more; not for every single record. */
  onAsked: (() => void) | undefined
  /** The same, for the cluster. */
  onProgress: (() => void) | undefined
  /** Called when a rebalance begins to wait for the record in hand. */
  onWanted: (() => void) | undefined
  /** Counts the records and batches that the application has processed. */
  asks = 0
  readonly #clock: Clock
  #isInHand = false
  #isWaiting = false
  #handedOutAtMs = 0
  #asksAtHandOut = -1
  #entering: Deferred<void> | undefined
  #held: Deferred<void> | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** The application must call `pass` before it gets more. */
  get isWanted(): boolean {
    return this.#entering !== undefined || this.#held !== undefined
  }

  /** The application waits for records. */
  get isWaiting(): boolean {
    return this.#isWaiting
  }

  /** The application asks for more: nothing is in hand. Returns a promise if the gate is held. */
  pass(): Promise<void> | undefined {
    this.asks++
    this.#isWaiting = true
    this.#putDown()
    this.onAsked?.()
    this.onProgress?.()
    return this.#held?.promise
  }

  /** When the application last asked, or a later time if that is not known exactly. */
  get askedAtMs(): number {
    const isExact = !this.#isWaiting && this.asks === this.#asksAtHandOut
    return isExact ? this.#handedOutAtMs : this.#clock.monotonicMs()
  }

  /** Records were delivered to the application. */
  handOut(): void {
    this.#handedOutAtMs = this.#clock.monotonicMs()
    this.#asksAtHandOut = this.asks
    this.#isInHand = true
    this.#isWaiting = false
  }

  /** The application has stopped reading. */
  leave(): void {
    this.#isWaiting = false
    this.#putDown()
  }

  #putDown(): void {
    this.#isInHand = false
    const entering = this.#entering
    if (entering === undefined) return
    this.#entering = undefined
    this.#held = new Deferred<void>()
    entering.resolve()
  }

  /**
   * Holds the gate once no record is in hand, or at once when `hurry` aborts. Resolves with the
   * function that releases it. One holder at a time.
   */
  async hold(hurry: AbortSignal): Promise<() => void> {
    assert(!this.isWanted, 'the gate is held once')
    if (this.#isInHand && !hurry.aborted) {
      this.#entering = new Deferred<void>()
      this.onWanted?.()
      await abortable(this.#entering.promise, hurry).catch(() => undefined)
      this.#entering = undefined
    }
    const held = (this.#held ??= new Deferred<void>())
    return () => {
      this.#held = undefined
      held.resolve()
    }
  }
}
