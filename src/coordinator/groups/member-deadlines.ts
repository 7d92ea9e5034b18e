/**
 * How long a group waits for a word from each member, and for those it sent away with a member id
 * to come back with it (KIP-394). A heartbeat only moves the moment at which a session ends; the
 * timer looks at it when it is due.
 */

import { assert } from '../../base/assert.js'
import type { Clock, Timer } from '../../base/clock.js'
import { PartlogError } from '../../model/errors.js'
import type { Member } from './member.js'

/** Kafka has no bound: a client that asks again and again fills the coordinator's memory there. */
const EXPECTED_MAX = 10_000

export interface MemberDeadlinesOptions {
  readonly clock: Clock
  /** The session of a member has ended. */
  readonly onSilent: (member: Member) => void
  /** One that was expected has not come. */
  readonly onAbsent: () => void
}

export class MemberDeadlines {
  readonly #options: MemberDeadlinesOptions
  /** By member id: how long those who were sent away are expected. */
  readonly #expected = new Map<string, Timer>()

  constructor(options: MemberDeadlinesOptions) {
    this.#options = options
  }

  // ── sessions ───────────────────────────────────────────────────────────────────────────

  /** The member was heard of: it has so long from now on. */
  prolong(member: Member, timeoutMs = member.sessionTimeoutMs): void {
    const atMs = this.#options.clock.monotonicMs() + timeoutMs
    const isLater = member.expiry !== undefined && atMs >= member.expiresAtMs
    member.expiresAtMs = atMs
    if (!isLater) this.#arm(member)
  }

  /** It has so long at most, unless it is heard of. */
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
    const { clock, onSilent } = this.#options
    this.end(member)
    const onTime = (): void => {
      if (clock.monotonicMs() < member.expiresAtMs) return this.#arm(member)
      member.expiry = undefined
      onSilent(member)
    }
    const delayMs = Math.max(member.expiresAtMs - clock.monotonicMs(), 0)
    member.expiry = clock.after(delayMs, onTime, 'background')
  }

  // ── those who are expected ─────────────────────────────────────────────────────────────

  get expectedCount(): number {
    return this.#expected.size
  }

  isExpected(memberId: string): boolean {
    return this.#expected.has(memberId)
  }

  /** Waits for a new member so long. Throws when too many are waited for. */
  expect(memberId: string, timeoutMs: number): void {
    const { clock, onAbsent } = this.#options
    assert(!this.isExpected(memberId), 'an id is given once', { memberId })
    if (this.expectedCount >= EXPECTED_MAX) {
      const sentence = `${EXPECTED_MAX} new members are waited for already`
      throw new PartlogError('GROUP_MAX_SIZE_REACHED', sentence)
    }
    const onTime = (): void => {
      this.#expected.delete(memberId)
      onAbsent()
    }
    this.#expected.set(memberId, clock.after(timeoutMs, onTime, 'background'))
  }

  /** It is here, or will not come. False: it was not expected. */
  expectNoMore(memberId: string): boolean {
    this.#expected.get(memberId)?.cancel()
    return this.#expected.delete(memberId)
  }

  expectNone(): void {
    for (const timer of this.#expected.values()) timer.cancel()
    this.#expected.clear()
  }
}
