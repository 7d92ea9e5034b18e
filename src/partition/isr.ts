/*
 * The in-sync replicas of a partition, as its leader sees them: when the ISR shrinks and when it
 * grows. Pure: the caller (partition.ts) passes the time.
 *
 *   committed   the ISR that the controller knows
 *   pending     the ISR that the leader has proposed to the controller; at most one at a time
 *   maximal     members of either: the high watermark waits for all of them, so no member lacks
 *               a committed record, whether the controller accepts the proposal or not
 *
 * A fetch tells how far a follower is: if it fetches from X, it has everything below X.
 */

import { assert } from '../base/assert.js'
import { NONE, type Offset } from '../model/units.js'

interface Follower {
  /** The offset of its last fetch; −1 if it has not fetched in this leadership. */
  end: Offset
  /** Its log start offset, as it reported; −1 if it has not reported one in this leadership. */
  start: Offset
  /** When it last had everything the leader had; may be NEVER. */
  caughtUpMs: number
  /** When it last fetched, and the leader's log end offset then. */
  fetchedMs: number
  leaderEndThen: Offset
  /** The last news that it got. */
  toldWatermark: Offset
  toldStart: Offset
}

const NEVER = -Infinity
const NOT_TOLD = { toldWatermark: NONE, toldStart: NONE }

export interface IsrView {
  readonly isr: readonly number[]
  readonly replicas: readonly number[]
  readonly partitionEpoch: number
}

export interface IsrRules {
  /** replica.lag.time.max.ms */
  readonly lagMaxMs: number
  /** True if the broker is not fenced; a fenced broker cannot join. */
  readonly isAlive: (brokerId: number) => boolean
}

export class InSyncReplicas {
  readonly #leaderId: number
  readonly #followers = new Map<number, Follower>()
  #committed: IsrView
  #pending: readonly number[] | undefined

  /** At the start of a leadership, members of the ISR count as caught up. */
  constructor(leaderId: number, view: IsrView, nowMs: number) {
    this.#leaderId = leaderId
    this.#committed = view
    this.#noteReplicas(nowMs)
  }

  get committed(): IsrView {
    return this.#committed
  }

  /** The proposed ISR, until the controller answers. */
  get pending(): readonly number[] | undefined {
    return this.#pending
  }

  /** The number of replicas that the high watermark waits for, the leader included. */
  get maximalSize(): number {
    return new Set([...this.#committed.isr, ...(this.#pending ?? [])]).size
  }

  /** True if the partition has no other replica. */
  get isAlone(): boolean {
    return this.#followers.size === 0
  }

  has(brokerId: number): boolean {
    return this.#followers.has(brokerId)
  }

  /** Takes over the controller's decision; ignores an older one than is known. */
  update(view: IsrView, nowMs: number): void {
    if (view.partitionEpoch <= this.#committed.partitionEpoch) return
    for (const [id, follower] of this.#followers) {
      // The high watermark waits for a removed member again once it has caught up.
      if (this.#committed.isr.includes(id) && !view.isr.includes(id)) follower.caughtUpMs = NEVER
    }
    this.#committed = view
    this.#pending = undefined
    this.#noteReplicas(nowMs)
  }

  /** A proposal is on its way to the controller. */
  propose(isr: readonly number[]): void {
    assert(this.#pending === undefined, 'one proposal at a time')
    assert(isr.includes(this.#leaderId), 'a leader is in its own ISR', { leader: this.#leaderId })
    this.#pending = isr
  }

  /** The controller has refused the proposal, or could not be reached. */
  giveUpProposal(): void {
    this.#pending = undefined
  }

  /**
   * A follower fetches from `offset`, while the leader's log ends at `leaderEnd`. True if it has
   * fetched from farther on before: it has lost records, or a late request was overtaken.
   */
  noteFetch(brokerId: number, offset: Offset, leaderEnd: Offset, nowMs: number): boolean {
    const follower = this.#followers.get(brokerId)
    if (follower === undefined) return false
    const isBack = offset < follower.end
    if (offset >= leaderEnd) follower.caughtUpMs = nowMs
    else if (offset >= follower.leaderEndThen) {
      follower.caughtUpMs = Math.max(follower.caughtUpMs, follower.fetchedMs)
    }
    follower.end = offset
    follower.fetchedMs = nowMs
    follower.leaderEndThen = leaderEnd
    return isBack
  }

  /** True if a follower is in the ISR, and its last fetch was from `offset`. */
  countsOn(brokerId: number, offset: Offset): boolean {
    const isIn = this.#committed.isr.includes(brokerId)
    return isIn && this.#followers.get(brokerId)?.end === offset
  }

  /** A follower was told how far the log is committed, and where it starts. */
  noteTold(brokerId: number, highWatermark: Offset, logStart: Offset): void {
    const follower = this.#followers.get(brokerId)
    if (follower === undefined) return
    follower.toldWatermark = highWatermark
    follower.toldStart = logStart
  }

  knows(brokerId: number, highWatermark: Offset, logStart: Offset): boolean {
    const follower = this.#followers.get(brokerId)
    return follower?.toldWatermark === highWatermark && follower.toldStart === logStart
  }

  /**
   * Records were appended at `leaderEnd`: until now, the followers that end there were caught up.
   * They need not have fetched lately, because a leader holds the fetches while it has no news.
   */
  noteAppend(leaderEnd: Offset, nowMs: number): void {
    for (const follower of this.#followers.values()) {
      if (follower.end === leaderEnd) follower.caughtUpMs = nowMs
    }
  }

  /** Notes a follower's log start offset. True if it has changed. */
  noteLogStart(brokerId: number, start: Offset): boolean {
    const follower = this.#followers.get(brokerId)
    if (follower === undefined || start < 0 || follower.start === start) return false
    follower.start = start
    return true
  }

  /**
   * Kafka's low watermark: the least log start offset of all replicas on live brokers, in the ISR
   * or not, because any of them may lead later. −1 while one of them has not reported its own.
   */
  lowWatermark(leaderStart: Offset, { isAlive }: Pick<IsrRules, 'isAlive'>): Offset {
    let lowest = leaderStart
    for (const [id, { start }] of this.#followers) {
      if (isAlive(id)) lowest = Math.min(lowest, start)
    }
    return lowest
  }

  /** Replicas on live brokers that may still have records below `offset`. */
  keeping(offset: Offset, { isAlive }: Pick<IsrRules, 'isAlive'>): number[] {
    const ids = [...this.#followers.keys()]
    return ids.filter(id => isAlive(id) && (this.#followers.get(id)?.start ?? offset) < offset)
  }

  /**
   * The end of what can be committed: the least log end of the maximal ISR and of live replicas
   * that were caught up within `lagMaxMs`, so that a replica that is about to join is not behind.
   */
  committedEnd(leaderEnd: Offset, nowMs: number, { lagMaxMs, isAlive }: IsrRules): Offset {
    let end = leaderEnd
    for (const [id, follower] of this.#followers) {
      const wasCaughtUp = nowMs - follower.caughtUpMs <= lagMaxMs
      const mayJoinSoon = wasCaughtUp && isAlive(id)
      if (this.#isMaximal(id) || mayJoinSoon) end = Math.min(end, follower.end)
    }
    return end
  }

  /** Members that have not been caught up for `lagMaxMs`. */
  laggards(leaderEnd: Offset, nowMs: number, lagMaxMs: number): number[] {
    return this.#committed.isr.filter(id => {
      const follower = this.#followers.get(id)
      if (follower === undefined || follower.end === leaderEnd) return false
      return nowMs - follower.caughtUpMs > lagMaxMs
    })
  }

  /** Members of the ISR that may lack records below `offset`. */
  missing(offset: Offset): number[] {
    return this.#committed.isr.filter(id => (this.#followers.get(id)?.end ?? offset) < offset)
  }

  /**
   * True if a replica outside the ISR has everything below the high watermark and below the start
   * of this leadership. With less, it could be elected and lack records that consumers have read.
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
      const unknown = { end: -1, start: -1, fetchedMs: NEVER, leaderEndThen: 0, ...NOT_TOLD }
      this.#followers.set(id, { ...unknown, caughtUpMs })
    }
  }
}
