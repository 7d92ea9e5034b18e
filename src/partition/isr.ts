/**
 * The in-sync replicas of a partition, as its leader sees them. Pure: time is handed in.
 *
 *   committed   what the controller knows
 *   pending     what the leader has asked the controller for; at most one wish at a time
 *   maximal     members of either: the high watermark waits for all of them, so whichever of the
 *               two becomes true, nothing visible is missing on a member
 *
 * A follower says how far it is by what it asks for: fetching from X, it has everything below.
 */

import type { Offset } from '../model/units.js'

interface Follower {
  /** Where its last fetch began; −1 when it has not fetched since this leadership began. */
  end: Offset
  /** Where its log begins, as it says; −1 when it has not said in this leadership. */
  start: Offset
  /** When it last had everything the leader had; NEVER as well. */
  caughtUpMs: number
  /** When it last fetched, and what the leader had then. */
  fetchedMs: number
  leaderEndThen: Offset
}

const NEVER = -Infinity

export interface IsrView {
  readonly isr: readonly number[]
  readonly replicas: readonly number[]
  readonly partitionEpoch: number
}

export interface IsrRules {
  /** replica.lag.time.max.ms */
  readonly lagMaxMs: number
  /** Does the controller count on the broker? Others cannot join. */
  readonly isAlive: (brokerId: number) => boolean
}

export class InSyncReplicas {
  readonly #leaderId: number
  readonly #followers = new Map<number, Follower>()
  #committed: IsrView
  #pending: readonly number[] | undefined

  /** At the begin of a leadership; members of the ISR are given the benefit of the doubt. */
  constructor(leaderId: number, view: IsrView, nowMs: number) {
    this.#leaderId = leaderId
    this.#committed = view
    this.#noteReplicas(nowMs)
  }

  get committed(): IsrView {
    return this.#committed
  }

  /** The ISR that is asked for, while the controller has not answered. */
  get pending(): readonly number[] | undefined {
    return this.#pending
  }

  /** How many the high watermark waits for, the leader included. */
  get maximalSize(): number {
    return new Set([...this.#committed.isr, ...(this.#pending ?? [])]).size
  }

  /** Nobody has to be waited for. */
  get isAlone(): boolean {
    return this.#followers.size === 0
  }

  has(brokerId: number): boolean {
    return this.#followers.has(brokerId)
  }

  /** The controller has decided. Older news than what is known is ignored. */
  update(view: IsrView, nowMs: number): void {
    if (view.partitionEpoch <= this.#committed.partitionEpoch) return
    for (const [id, follower] of this.#followers) {
      // Whoever is put out is waited for again when it has shown that it is still there.
      if (this.#committed.isr.includes(id) && !view.isr.includes(id)) follower.caughtUpMs = NEVER
    }
    this.#committed = view
    this.#pending = undefined
    this.#noteReplicas(nowMs)
  }

  /** A wish is on its way to the controller. */
  propose(isr: readonly number[]): void {
    this.#pending = isr
  }

  /** The controller has refused, or could not be reached. */
  giveUpProposal(): void {
    this.#pending = undefined
  }

  /** A follower fetches from `offset`, while the leader's log ends at `leaderEnd`. */
  fetched(brokerId: number, offset: Offset, leaderEnd: Offset, nowMs: number): void {
    const follower = this.#followers.get(brokerId)
    if (follower === undefined) return
    if (offset >= leaderEnd) follower.caughtUpMs = nowMs
    else if (offset >= follower.leaderEndThen) {
      follower.caughtUpMs = Math.max(follower.caughtUpMs, follower.fetchedMs)
    }
    follower.end = offset
    follower.fetchedMs = nowMs
    follower.leaderEndThen = leaderEnd
  }

  /** Where a follower's log begins. True when that is news. */
  began(brokerId: number, start: Offset): boolean {
    const follower = this.#followers.get(brokerId)
    if (follower === undefined || start < 0 || follower.start === start) return false
    follower.start = start
    return true
  }

  /**
   * No replica on a live broker has records below, in the ISR or not: any of them may lead some day
   * (Kafka's low watermark). −1 while one of them has not said where it begins.
   */
  lowWatermark(leaderStart: Offset, { isAlive }: Pick<IsrRules, 'isAlive'>): Offset {
    let lowest = leaderStart
    for (const [id, { start }] of this.#followers) {
      if (isAlive(id)) lowest = Math.min(lowest, start)
    }
    return lowest
  }

  /** Those on live brokers that are not known to have deleted everything below `offset`. */
  keeping(offset: Offset, { isAlive }: Pick<IsrRules, 'isAlive'>): number[] {
    const ids = [...this.#followers.keys()]
    return ids.filter(id => isAlive(id) && (this.#followers.get(id)?.start ?? offset) < offset)
  }

  /**
   * Everything below is on all who count: the maximal ISR, and those alive who have been caught up
   * lately, so that nobody who is about to join finds itself behind.
   */
  committedEnd(leaderEnd: Offset, nowMs: number, { lagMaxMs, isAlive }: IsrRules): Offset {
    let end = leaderEnd
    for (const [id, follower] of this.#followers) {
      const isLately = nowMs - follower.caughtUpMs <= lagMaxMs
      const mayJoinSoon = isLately && isAlive(id)
      if (this.#isMaximal(id) || mayJoinSoon) end = Math.min(end, follower.end)
    }
    return end
  }

  /** Members that have been behind for too long. */
  laggards(leaderEnd: Offset, nowMs: number, lagMaxMs: number): number[] {
    return this.#committed.isr.filter(id => {
      const follower = this.#followers.get(id)
      if (follower === undefined || follower.end === leaderEnd) return false
      return nowMs - follower.caughtUpMs > lagMaxMs
    })
  }

  /** Members of the ISR that are not known to have everything below `offset`. */
  missing(offset: Offset): number[] {
    return this.#committed.isr.filter(id => (this.#followers.get(id)?.end ?? offset) < offset)
  }

  /**
   * May it join? It has what is visible, and what this leadership began with: else it could be
   * elected and lack records that consumers have seen.
   */
  mayJoin(brokerId: number, highWatermark: Offset, epochStart: Offset): boolean {
    const follower = this.#followers.get(brokerId)
    if (follower === undefined || this.#isMaximal(brokerId)) return false
    return follower.end >= highWatermark && follower.end >= epochStart
  }

  #isMaximal(brokerId: number): boolean {
    return this.#committed.isr.includes(brokerId) || (this.#pending?.includes(brokerId) ?? false)
  }

  #noteReplicas(nowMs: number): void {
    const { replicas, isr } = this.#committed
    for (const id of this.#followers.keys()) {
      if (!replicas.includes(id)) this.#followers.delete(id)
    }
    for (const id of replicas) {
      if (id === this.#leaderId || this.#followers.has(id)) continue
      const caughtUpMs = isr.includes(id) ? nowMs : NEVER
      const unknown = { end: -1, start: -1, fetchedMs: NEVER, leaderEndThen: 0 }
      this.#followers.set(id, { ...unknown, caughtUpMs })
    }
  }
}
