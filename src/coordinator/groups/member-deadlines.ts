/*
 * How long a group waits for a heartbeat of each member, and for pending members: new clients that
 * got a member id and have to join again with it (KIP-394). A heartbeat only moves the end of the
 * session; the timer checks it when it is due.
 */

import { assert } from '../../base/assert.js'
import type { Clock, Timer } from '../../base/clock.js'
import { PartlogError } from '../../model/errors.js'
import type { Member } from './member.js'

/** Kafka has no bound: a client that keeps joining without an id fills its coordinator's memory. */
const PENDING_MAX = 10_000

export interface MemberDeadlinesOptions {
  readonly clock: Clock
  /** The session of a member has ended. */
  readonly onSessionTimeout: (member: Member) => void
  /** A pending member has not joined in time. */
  readonly onPendingTimeout: () => void
}

export class MemberDeadlines {
  readonly #options: MemberDeadlinesOptions
  /** The timers of pending members, by member id. */
  readonly #pending = new Map<string, Timer>()

  constructor(options: MemberDeadlinesOptions) {
    this.#options = options
  }

  // ── sessions ───────────────────────────────────────────────────────────────────────────

  /** Extends the member's session to `timeoutMs` from now. */
  prolong(member: Member, timeoutMs = member.sessionTimeoutMs): void {
    const atMs = this.#options.clock.monotonicMs() + timeoutMs
    const isLater = member.expiry !== undefined && atMs >= member.expiresAtMs
    member.expiresAtMs = atMs
    if (!isLater) this.#arm(member)
  }

  /** Extends the session by a heartbeat that was sent `agoMs` ago; never shortens it. */
  prolongLate(member: Member, agoMs: number): void {
    const timeoutMs = member.sessionTimeoutMs - agoMs
    const atMs = this.#options.clock.monotonicMs() + timeoutMs
    if (atMs > member.expiresAtMs) this.prolong(member, timeoutMs)
  }

  /** Shortens the member's session to at most `timeoutMs` from now. */
  shorten(member: Member, timeoutMs: number): void {
    const atMs = this.#options.clock.monotonicMs() + timeoutMs
    if (atMs >= member.expiresAtMs) return
    member.expiresAtMs = atMs
    this.#arm(member)
  }

  end(member: Member): void {
    member.expiry?.cancel()
    member.expiry = undefined
  }

  #arm(member: Member): void {
    const { clock, onSessionTimeout } = this.#options
    this.end(member)
    const onTime = (): void => {
      if (clock.monotonicMs() < member.expiresAtMs) return this.#arm(member)
      member.expiry = undefined
      onSessionTimeout(member)
    }
    const delayMs = Math.max(member.expiresAtMs - clock.monotonicMs(), 0)
    member.expiry = clock.after(delayMs, onTime, 'background')
  }

  // ── pending members ────────────────────────────────────────────────────────────────────

  get pendingCount(): number {
    return this.#pending.size
  }

  isPending(memberId: string): boolean {
    return this.#pending.has(memberId)
  }

  /** Waits `timeoutMs` for a new member to join with its id. Throws when too many are pending. */
  addPending(memberId: string, timeoutMs: number): void {
    const { clock, onPendingTimeout } = this.#options
    assert(!this.isPending(memberId), 'an id is given once', { memberId })
    if (this.pendingCount >= PENDING_MAX) {
      const sentence = `${PENDING_MAX} new members already wait to join with their member id`
      throw new PartlogError('GROUP_MAX_SIZE_REACHED', sentence)
    }
    const onTime = (): void => {
      this.#pending.delete(memberId)
      onPendingTimeout()
    }
    this.#pending.set(memberId, clock.after(timeoutMs, onTime, 'background'))
  }

  /** Stops waiting for a pending member. Returns false if it was not pending. */
  removePending(memberId: string): boolean {
    this.#pending.get(memberId)?.cancel()
    return this.#pending.delete(memberId)
  }

  removeAllPending(): void {
    for (const timer of this.#pending.values()) timer.cancel()
    this.#pending.clear()
  }
}
