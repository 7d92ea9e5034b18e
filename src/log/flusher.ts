/**
 * Group commit: one sync serves everybody who appended before it began.
 *
 * While a sync is under way, appends gather; the next sync takes them all. There is one sync of a
 * log at a time, and after one has failed there is none: what it left on the medium is unknown.
 *
 * Invariant: durableEndOffset ≤ the log's end; it only goes back when the log is cut.
 */

import type { Offset } from '../model/units.js'

export interface FlushTarget {
  /** The offset the next record would get. */
  readonly logEndOffset: Offset
  /** Bytes appended since the log was opened, less those cut off. */
  readonly appendedBytes: number
  /** Syncs what is there now, in the order it was written. */
  syncNow(): Promise<void>
  /** A sync has ended well: everything below is durable. */
  onDurable(durableEndOffset: Offset): void
  /** A sync has failed: nothing may be synced any more. Gives the error for those who wait. */
  onSyncFailed(error: unknown): Error
}

export class Flusher {
  readonly #target: FlushTarget
  #durableEnd: Offset
  #durableBytes = 0
  #running: Promise<void> | undefined
  #failure: Error | undefined

  constructor(target: FlushTarget, durableEnd: Offset) {
    this.#target = target
    this.#durableEnd = durableEnd
  }

  get durableEndOffset(): Offset {
    return this.#durableEnd
  }

  /** How many of the bytes appended since the log was opened are durable. */
  get durableBytes(): number {
    return this.#durableBytes
  }

  /** Sees to it that everything appended so far becomes durable soon. Failures go to the target. */
  request(): void {
    // A run without work would end before it is noted, and stand there for ever as under way.
    if (this.#hasWork) this.#running ??= this.#run()
  }

  /** Resolves when everything appended before the call is durable. Rejects when that failed. */
  async flush(): Promise<void> {
    const wanted = this.#target.logEndOffset
    // What was cut off meanwhile needs no sync: waiting for it would never end.
    while (this.#durableEnd < Math.min(wanted, this.#target.logEndOffset)) {
      if (this.#failure !== undefined) throw this.#failure
      this.request()
      await this.#running
    }
  }

  /** The log was cut while no sync was under way; what is left is durable up to `end`. */
  cutTo(end: Offset): void {
    this.#durableEnd = end
    this.#durableBytes = Math.min(this.#durableBytes, this.#target.appendedBytes)
  }

  get isRunning(): boolean {
    return this.#running !== undefined
  }

  /** Resolves when no sync is under way. */
  async idle(): Promise<void> {
    await this.#running
  }

  get #hasWork(): boolean {
    return this.#failure === undefined && this.#durableEnd < this.#target.logEndOffset
  }

  async #run(): Promise<void> {
    try {
      while (this.#hasWork) {
        const { logEndOffset: end, appendedBytes } = this.#target
        await this.#target.syncNow()
        this.#durableEnd = end
        this.#durableBytes = appendedBytes
        this.#target.onDurable(end)
      }
    } catch (error) {
      this.#failure = this.#target.onSyncFailed(error)
    } finally {
      this.#running = undefined
    }
  }
}
