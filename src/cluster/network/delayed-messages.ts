/* A line of delayed messages between two nodes: they arrive in the order of their sends. */

import { Alarm } from '../../base/alarm.js'
import type { Clock } from '../../base/clock.js'

interface Message {
  /** When it arrives, unless an earlier message takes longer. */
  readonly dueMs: number
  readonly arrive: () => void
}

/** Delivers messages in the order in which they were sent, whatever their delays. */
export class DelayedMessages {
  readonly #clock: Clock
  readonly #onEmpty: () => void
  readonly #messages: Message[] = []
  /** Set for the first message. */
  readonly #alarm: Alarm

  constructor(clock: Clock, onEmpty: () => void) {
    this.#clock = clock
    this.#onEmpty = onEmpty
    this.#alarm = new Alarm(clock, () => this.#deliver())
  }

  /** Calls `arrive` when the message is due; the returned function removes it from the line. */
  pass(delayMs: number, arrive: () => void): () => void {
    const message = { dueMs: this.#clock.monotonicMs() + delayMs, arrive }
    this.#messages.push(message)
    if (this.#messages.length === 1) this.#awaitFirst()
    return () => {
      const place = this.#messages.indexOf(message)
      if (place < 0) return // it is being delivered
      this.#messages.splice(place, 1)
      if (place > 0) return
      this.#awaitFirst()
    }
  }

  #awaitFirst(): void {
    const first = this.#messages[0]
    this.#alarm.set(first === undefined ? Infinity : first.dueMs - this.#clock.monotonicMs())
    if (first === undefined) this.#onEmpty()
  }

  #deliver(): void {
    const now = this.#clock.monotonicMs()
    // The first one counts as due: a timer may be early by a fraction of a millisecond.
    const later = this.#messages.findIndex(({ dueMs }, index) => index > 0 && dueMs > now)
    const count = later < 0 ? this.#messages.length : later
    const arrived = this.#messages.splice(0, count)
    this.#awaitFirst()
    for (const { arrive } of arrived) arrive()
  }
}
