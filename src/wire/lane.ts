/**
 * Connections to one broker that serve the same kind of requests. A broker answers a connection's
 * requests one after the other, so what may wait at the broker has lanes of its own: a long poll
 * must not hold up a commit, nor a JoinGroup the member that wants to leave.
 */

import type { ApiName } from '../protocol/api.js'
import type { Agreement } from './agreement.js'

export type LaneName = 'plain' | 'fetch' | 'join'

/** The most connections of each. Fetches for partitions that are idle wait beside each other. */
export const LANES: Readonly<Record<LaneName, number>> = { plain: 1, fetch: 4, join: 1 }

export function laneOf(api: ApiName): LaneName {
  if (api === 'Fetch') return 'fetch'
  return api === 'JoinGroup' || api === 'SyncGroup' ? 'join' : 'plain'
}

/** A connection that can be used. */
export interface Opened {
  readonly agreement: Agreement
  /** From then on it takes no more requests. */
  readonly expiresAtMs: number
}

export interface LaneOptions {
  readonly limit: number
  readonly open: () => Promise<Opened>
  /** May it take one more request? */
  readonly isUsable: (opened: Opened) => boolean
}

export class Lane {
  readonly #options: LaneOptions
  #ready: Opened[] = []
  readonly #opening = new Set<Promise<Opened>>()
  #closedBecause: string | undefined
  #hasLostWord = false

  constructor(options: LaneOptions) {
    this.#options = options
  }

  get isOpen(): boolean {
    return this.#ready.some(this.#options.isUsable)
  }

  /** Requests that wait for their answers, or for a connection. */
  get waitingCount(): number {
    const opening = this.#opening.size
    return this.#ready.reduce((sum, { agreement: { connection } }) => {
      return sum + connection.waitingCount
    }, opening)
  }

  /** The connection for the next request: an idle one, a new one, or the one with least to do. */
  async pick(): Promise<Opened> {
    this.#sweep()
    const best = this.#ready.filter(this.#options.isUsable).toSorted(byWaiting)[0]
    if (best?.agreement.connection.waitingCount === 0) return best
    if (this.#ready.length + this.#opening.size < this.#options.limit) return await this.#open()
    return best ?? (await (this.#opening.values().next().value ?? this.#open()))
  }

  /**
   * Has a connection ended that had taken something which is never answered? The broker may have
   * refused it, and has no other way to say so. Asked once.
   */
  takeLostWord(): boolean {
    this.#sweep()
    const hadLost = this.#hasLostWord
    this.#hasLostWord = false
    return hadLost
  }

  /** Also what is being opened now, once it is there. */
  close(why: string): void {
    this.#closedBecause = why
    for (const { agreement } of this.#ready.splice(0)) agreement.connection.close(why)
  }

  async #open(): Promise<Opened> {
    const opening = this.#options.open()
    this.#opening.add(opening)
    try {
      const opened = await opening
      if (this.#closedBecause === undefined) this.#ready.push(opened)
      else opened.agreement.connection.close(this.#closedBecause)
      return opened
    } finally {
      this.#opening.delete(opening)
    }
  }

  /** Forgets what is broken, and closes what is too old when nothing waits on it any more. */
  #sweep(): void {
    const { isUsable } = this.#options
    this.#ready = this.#ready.filter(opened => {
      const { connection } = opened.agreement
      if (connection.hasLostWord) this.#hasLostWord = true
      if (!connection.isOpen) return false
      if (isUsable(opened) || connection.waitingCount > 0) return true
      connection.close('it is too old')
      return false
    })
  }
}

function byWaiting(a: Opened, b: Opened): number {
  return a.agreement.connection.waitingCount - b.agreement.connection.waitingCount
}
