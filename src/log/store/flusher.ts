/*
 * Group commit: one sync serves every append made before it began.
 *
 * While a sync runs, appends collect; the next sync covers them all. A log has one sync at a time,
 * and none after a sync has failed: what it left on the medium is unknown.
 */

import type { Offset } from '../../model/units.js'

/** The log to make durable: a LogState. */
export interface FlushTarget {
  readonly logEndOffset: Offset
  readonly durableEndOffset: Offset
  readonly appendedBytes: number
  /** Syncs everything written so far, in the order it was written. */
  syncNow(): Promise<void>
  /** A sync has succeeded: everything below the offset, and that many bytes, are durable. */
  becameDurable(durableEndOffset: Offset, durableBytes: number): void
  /** A sync has failed: nothing may be synced any more. Returns the error for waiting calls. */
  onSyncFailed(error: unknown): Error
}

export class Flusher {
  readonly #target: FlushTarget
  #running: Promise<void> | undefined
  #failure: Error | undefined

  constructor(target: FlushTarget) {
    this.#target = target
  }

  /** Starts making everything appended so far durable. Failures go to the target. */
  request(): void {
    // A run without work would end before it is assigned, and count as running forever.
    if (this.#hasWork) this.#running ??= this.#run()
  }

  /** Resolves when everything appended before the call is durable. Rejects if that failed. */
  async flush(): Promise<void> {
    const target = this.#target
    const wanted = target.logEndOffset
    // Records truncated meanwhile need no sync: waiting for them would never end.
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
