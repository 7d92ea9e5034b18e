/*
 * How long a coordinator waits for members with the consumer protocol: for the next heartbeat of
 * each, and for the partitions that one has to give back. A heartbeat only moves the end of the
 * session; its timer checks it when it is due.
 */

import type { Clock, Timer } from '../../base/clock.js'

export interface MemberTimersOptions {
  readonly clock: Clock
  /** The session of the member has ended. */
  readonly onSilent: (memberId: string) => void
  /** The member has not given back its partitions in time. */
  readonly onSlow: (memberId: string) => void
}

interface Wait {
  endsAtMs: number
  session: Timer
  /** It has to give back partitions. */
  revocation?: { readonly epoch: number; readonly timer: Timer } | undefined
}

/** The timers of one group. */
export class MemberTimers {
  readonly #options: MemberTimersOptions
  readonly #waits = new Map<string, Wait>()

  constructor(options: MemberTimersOptions) {
    this.#options = options
  }

  /** Waits for the member's next heartbeat, `timeoutMs` from `agoMs` ago; never shortens. */
  prolong(memberId: string, timeoutMs: number, agoMs = 0): void {
    const endsAtMs = this.#nowMs + timeoutMs - agoMs
    const wait = this.#waits.get(memberId)
    if (wait === undefined) {
      this.#waits.set(memberId, { endsAtMs, session: this.#arm(memberId, endsAtMs) })
    } else if (endsAtMs > wait.endsAtMs) wait.endsAtMs = endsAtMs
  }

  /** Waits until the member has given back partitions, in this epoch. */
  waitForRevocation(memberId: string, epoch: number, timeoutMs: number): void {
    const wait = this.#waits.get(memberId)
    if (wait === undefined || wait.revocation?.epoch === epoch) return
    wait.revocation?.timer.cancel()
    const timer = this.#options.clock.after(
      Math.max(timeoutMs, 0),
      () => {
        if (wait.revocation?.timer === timer) this.#options.onSlow(memberId)
      },
      'background',
    )
    wait.revocation = { epoch, timer }
  }

  /** The member has given back what it had to. */
  endRevocation(memberId: string): void {
    const wait = this.#waits.get(memberId)
    wait?.revocation?.timer.cancel()
    if (wait !== undefined) wait.revocation = undefined
  }

  end(memberId: string): void {
    this.#waits.get(memberId)?.session.cancel()
    this.endRevocation(memberId)
    this.#waits.delete(memberId)
  }

  endAll(): void {
    for (const memberId of [...this.#waits.keys()]) this.end(memberId)
  }

  get #nowMs(): number {
    return this.#options.clock.monotonicMs()
  }

  #arm(memberId: string, endsAtMs: number): Timer {
    const onTime = (): void => {
      const wait = this.#waits.get(memberId)
      if (wait === undefined) return
      if (this.#nowMs < wait.endsAtMs) wait.session = this.#arm(memberId, wait.endsAtMs)
      else {
        this.end(memberId)
        this.#options.onSilent(memberId)
      }
    }
    return this.#options.clock.after(Math.max(endsAtMs - this.#nowMs, 0), onTime, 'background')
  }
}
