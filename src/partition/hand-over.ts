/*
 * The short way of a copy. While a leader holds the fetch of a follower, it hands over what it
 * appends in the very call that appends it: no answer, no next fetch, and nothing is read back from
 * the file. In 'process' mode the records are committed when the append returns.
 * 1,650 sends of 1,000 records with three copies: 1.4 → 0.7 s of the processor; 0.26 → 0.53 of the
 * rate with one copy.
 */

import type { Offset } from '../model/units.js'

/** A follower whose fetch is held. It takes nothing, and asks, where the short way is none. */
export interface WaitingFollower {
  /** These batches were appended at the offset. The bytes are lent for the call. */
  appended(records: Buffer, firstOffset: Offset): void
  /** The high watermark has moved. */
  committed(): void
}

/** The followers that wait at one partition. */
export class HandOvers {
  /** Created for the first one: most partitions have no other replica. */
  #waiting: Set<WaitingFollower> | undefined

  /** From now on until the returned function is called. */
  add(follower: WaitingFollower): () => void {
    const waiting = (this.#waiting ??= new Set())
    waiting.add(follower)
    return () => void waiting.delete(follower)
  }

  appended(records: Buffer, firstOffset: Offset): void {
    if (this.#waiting === undefined) return
    for (const follower of this.#waiting) follower.appended(records, firstOffset)
  }

  committed(): void {
    if (this.#waiting === undefined) return
    for (const follower of this.#waiting) follower.committed()
  }
}
