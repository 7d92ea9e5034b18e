/**
 * Group commit: one sync serves everybody who appended before it began.
 *
 * While a sync is under way, appends gather; the next sync takes them all. There is one sync of a
 * log at a time, and after one has failed there is none: what it left on the medium is unknown.
 */

import type { Offset } from '../../model/units.js'

/** The log that is made durable, as it is at the moment: a LogState. */
export interface FlushTarget {
  readonly logEndOffset: Offset
  readonly durableEndOffset: Offset
  readonly appendedBytes: number
  /** Syncs what is there now, in the order it was written. */
  syncNow(): Promise<void>
  /** A sync has ended well: everything below, and so many appended bytes, are durable. */
  becameDurable(durableEndOffset: Offset, durableBytes: number): void
  /** A sync has failed: nothing may be synced any more. Gives the error for those who wait. */
  onSyncFailed(error: unknown): Error
}

export class Flusher {
  readonly #target: FlushTarget
  #running: Promise<void> | undefined
  #failure: Error | undefined

  constructor(target: FlushTarget) {
    this.#target = target
  }

  /** Sees to it that everything appended so far becomes durable soon. Failures go to the target. */
  request(): void {
    // A run without work would end before it is noted, and stand there for ever as under way.
    if (this.#hasWork) this.#running ??= this.#run()
  }

  /** Resolves when everything appended before the call is durable. Rejects when that failed. */
  async flush(): Promise<void> {
    const target = this.#target
    const wanted = target.logEndOffset
    // What was cut off meanwhile needs no sync: waiting for it would never end.
    while (target.durableEndOffset < Math.min(wanted, target.logEndOffset)) {
      if (this.#failure !== undefined) throw this.#failure
      this.request()
      await this.#running
    }
  }

  get isRunning(): boolean {
    return this.#running !== undefined
  }

  /** Resolves when no sync is under way. */
  async idle(): Promise<void> {
    await this.#running
  }

  get #hasWork(): boolean {
    const { durableEndOffset, logEndOffset } = this.#target
    return this.#failure === undefined && durableEndOffset < logEndOffset
  }

  async #run(): Promise<void> {
    try {
      while (this.#hasWork) {
        const { logEndOffset: end, appendedBytes } = this.#target
        await this.#target.syncNow()
        this.#target.becameDurable(end, appendedBytes)
      }
    } catch (error) {
      this.#failure = this.#target.onSyncFailed(error)
    } finally {
      this.#running = undefined
    }
  }
}
