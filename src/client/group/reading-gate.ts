/**
 * The gate between an application that reads and the group that moves its partitions. Partitions
 * are given back only while no record is in hand: a record that was handed out counts as in hand
 * until the application asks for more, or stops reading. While the gate is held, who asks waits.
 */

import { assert } from '../../base/assert.js'
import type { Clock } from '../../base/clock.js'
import { abortable, Deferred } from '../../base/tasks.js'

export class ReadingGate {
  /** Told when the application asks for more; not for every single record. */
  onAsked: (() => void) | undefined
  /** The same, for those outside. */
  onProgress: (() => void) | undefined
  /** Told when somebody wants the record in hand to be put down. */
  onWanted: (() => void) | undefined
  /** Grows with every record or batch the application is done with. */
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

  /** The application has to come through `pass` before it gets more. */
  get isWanted(): boolean {
    return this.#entering !== undefined || this.#held !== undefined
  }

  /** The application waits for records. */
  get isWaiting(): boolean {
    return this.#isWaiting
  }

  /** The application asks for more: nothing is in hand. To be waited for while the gate is held. */
  pass(): Promise<void> | undefined {
    this.asks++
    this.#isWaiting = true
    this.#putDown()
    this.onAsked?.()
    this.onProgress?.()
    return this.#held?.promise
  }

  /** When it asked last, as exactly as that is known: never too early. */
  get askedAtMs(): number {
    const isExact = !this.#isWaiting && this.asks === this.#asksAtHandOut
    return isExact ? this.#handedOutAtMs : this.#clock.monotonicMs()
  }

  /** The application has got something. */
  handOut(): void {
    this.#handedOutAtMs = this.#clock.monotonicMs()
    this.#asksAtHandOut = this.asks
    this.#isInHand = true
    this.#isWaiting = false
  }

  /** The application reads no more. */
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
   * Holds the gate, at the latest when the record in hand is put down; at once when `hurry` aborts.
   * Resolves with what lets go of it. One at a time.
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
