/**
 * How long members have not been heard of. A heartbeat only moves the moment at which a session
 * ends; the timer looks at it when it is due.
 */

import type { Clock } from '../../base/clock.js'
import type { Member } from './member.js'

export class MemberSessions {
  readonly #clock: Clock
  readonly #onEnd: (member: Member) => void

  constructor(clock: Clock, onEnd: (member: Member) => void) {
    this.#clock = clock
    this.#onEnd = onEnd
  }

  /** The member was heard of: it has so long from now on. */
  prolong(member: Member, timeoutMs = member.sessionTimeoutMs): void {
    const atMs = this.#clock.monotonicMs() + timeoutMs
    const isLater = member.expiry !== undefined && atMs >= member.expiresAtMs
    member.expiresAtMs = atMs
    if (!isLater) this.#arm(member)
  }

  /** It has so long at most, unless it is heard of. */
  shorten(member: Member, timeoutMs: number): void {
    const atMs = this.#clock.monotonicMs() + timeoutMs
    if (atMs >= member.expiresAtMs) return
    member.expiresAtMs = atMs
    this.#arm(member)
  }

  end(member: Member): void {
    member.expiry?.cancel()
    member.expiry = undefined
  }

  #arm(member: Member): void {
    this.end(member)
    const onTime = (): void => {
      if (this.#clock.monotonicMs() < member.expiresAtMs) return this.#arm(member)
      member.expiry = undefined
      this.#onEnd(member)
    }
    const delayMs = Math.max(member.expiresAtMs - this.#clock.monotonicMs(), 0)
    member.expiry = this.#clock.after(delayMs, onTime, 'background')
  }
}
