/*
 * Connections to one broker for one kind of requests. A broker answers the requests of a connection
 * in order, so requests that may wait at the broker have their own lanes: a long poll must not
 * delay a commit, and a JoinGroup must not delay a LeaveGroup.
 */

import type { ApiName } from '../protocol/api.js'
import type { Agreement } from './agreement.js'

export type LaneName = 'plain' | 'fetch' | 'join'

/** How many connections each lane may have. Fetches of idle partitions wait in parallel. */
export const LANES: Readonly<Record<LaneName, number>> = { plain: 1, fetch: 4, join: 1 }

export function laneOf(api: ApiName): LaneName {
  if (api === 'Fetch') return 'fetch'
  return api === 'JoinGroup' || api === 'SyncGroup' ? 'join' : 'plain'
}

/** An open connection. */
export interface Opened {
  readonly agreement: Agreement
  /** After this time it takes no more requests. */
  readonly expiresAtMs: number
}

export interface LaneOptions {
  readonly limit: number
  readonly open: () => Promise<Opened>
  /** True if the connection may take one more request. */
  readonly isUsable: (opened: Opened) => boolean
}

export class Lane {
  readonly #options: LaneOptions
  #ready: Opened[] = []
  readonly #opening = new Set<Promise<Opened>>()
  #closedBecause: string | undefined
  #hasLostUnanswered = false

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

  /** The connection for the next request: an idle one, a new one, or the least busy one. */
  async pick(): Promise<Opened> {
    this.#sweep()
    const best = this.#ready.filter(this.#options.isUsable).toSorted(byWaiting)[0]
    if (best?.agreement.connection.waitingCount === 0) return best
    if (this.#ready.length + this.#opening.size < this.#options.limit) return await this.#open()
    return best ?? (await (this.#opening.values().next().value ?? this.#open()))
  }

  /**
   * True if a connection has ended after a request without an answer. The broker may have refused
   * that request: closing the connection is its only way to show it. Returns true once.
   */
  takeLostUnanswered(): boolean {
    this.#sweep()
    const hadLost = this.#hasLostUnanswered
    this.#hasLostUnanswered = false
    return hadLost
  }

  /** Closes all connections, also those that are still being opened. */
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

  /** Removes broken connections, and closes old ones that no request waits on. */
  #sweep(): void {
    const { isUsable } = this.#options
    this.#ready = this.#ready.filter(opened => {
      const { connection } = opened.agreement
      if (connection.hasLostUnanswered) this.#hasLostUnanswered = true
      if (!connection.isOpen) return false
      if (isUsable(opened) || connection.waitingCount > 0) return true
      connection.close('it was idle for too long, or its session ends')
      return false
    })
  }
}

function byWaiting(a: Opened, b: Opened): number {
  return a.agreement.connection.waitingCount - b.agreement.connection.waitingCount
}
