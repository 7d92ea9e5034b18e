/*
 * Where each leadership of a partition began: epoch → offset of its first record. With it a
 * follower finds the offset where its log diverges from the leader's.
 *
 * Invariant: epochs and start offsets both ascend strictly.
 */

import { assert } from '../../base/assert.js'
import { NONE, type LeaderEpoch, type Offset } from '../../model/units.js'
import type { EpochStart } from './checkpoints.js'

/** Where an epoch ends in one log; −1 and −1 if the log does not know. */
export interface EpochEnd {
  readonly epoch: LeaderEpoch
  /** Exclusive: the offset after the last record of the epoch. */
  readonly endOffset: Offset
}

const UNKNOWN_END: EpochEnd = { epoch: NONE, endOffset: NONE }

export class LeaderEpochs {
  #entries: EpochStart[]

  /** The entries must ascend: the caller rebuilds other ones from the log. */
  constructor(entries: readonly EpochStart[] = []) {
    assert(isAscending(entries), 'leader epochs ascend')
    this.#entries = [...entries]
  }

  get entries(): readonly EpochStart[] {
    return this.#entries
  }

  get latest(): EpochStart | undefined {
    return this.#entries.at(-1)
  }

  /** −1 if there is none. */
  get latestEpoch(): LeaderEpoch {
    return this.latest?.epoch ?? NONE
  }

  /**
   * Notes that `epoch` begins at `startOffset`; returns true if that was new. Drops older epochs
   * that begin there or later: they have no records.
   */
  assign(epoch: LeaderEpoch, startOffset: Offset): boolean {
    const { latest } = this
    if (latest !== undefined && latest.epoch === epoch && latest.startOffset <= startOffset) {
      return false
    }
    this.#entries = this.#entries.filter(
      entry => entry.epoch < epoch && entry.startOffset < startOffset,
    )
    this.#entries.push({ epoch, startOffset })
    return true
  }

  /** The epoch of the record at `offset`, or of the next record if the log ends there. */
  epochAt(offset: Offset): LeaderEpoch | undefined {
    return this.#entries.findLast(entry => entry.startOffset <= offset)?.epoch
  }

  /**
   * Where `requested`, or else the nearest older known epoch, ends in this log; two logs agree up
   * to the smaller of their answers. Kafka's rules (LeaderEpochFileCache.endOffsetFor).
   */
  endOffsetFor(requested: LeaderEpoch, logEndOffset: Offset): EpochEnd {
    if (requested === NONE) return UNKNOWN_END
    if (requested === this.latestEpoch) return { epoch: requested, endOffset: logEndOffset }
    const next = this.#entries.find(entry => entry.epoch > requested)
    if (next === undefined) return UNKNOWN_END // newer than every known epoch
    const known = this.#entries.findLast(entry => entry.epoch <= requested)
    return { epoch: known?.epoch ?? requested, endOffset: next.startOffset }
  }

  /** Drops epochs that begin at or after `endOffset`; returns true if there were any. */
  truncateFromEnd(endOffset: Offset): boolean {
    const before = this.#entries.length
    this.#entries = this.#entries.filter(entry => entry.startOffset < endOffset)
    return this.#entries.length !== before
  }

  /** Drops epochs that end before `startOffset`; the epoch in force there then begins there. */
  truncateFromStart(startOffset: Offset): boolean {
    const inForce = this.#entries.findLast(entry => entry.startOffset <= startOffset)
    if (inForce === undefined) return false
    if (inForce === this.#entries[0] && inForce.startOffset === startOffset) return false
    const later = this.#entries.filter(entry => entry.startOffset > startOffset)
    this.#entries = [{ epoch: inForce.epoch, startOffset }, ...later]
    return true
  }
}

export function isAscending(entries: readonly EpochStart[]): boolean {
  return entries.every((entry, index) => {
    const before = entries[index - 1]
    if (before === undefined) return true
    return before.epoch < entry.epoch && before.startOffset < entry.startOffset
  })
}
