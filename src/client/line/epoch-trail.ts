/*
 * The leader epochs of the records that a consumer has read of one partition. The consumer sends
 * its last epoch to the leader, and finds the offset at which the leader's log diverges from the
 * records it has read (KIP-320): after an unclean election, or in a topic that was recreated.
 *
 *   seen    3 3 3 3 5 5 5            entries   { epoch 3, from 0 } { epoch 5, from 4 }
 *   offset  0 1 2 3 4 5 6  position 7, last epoch 5
 *
 * Invariant: both fields ascend. Only the newest entries are kept; earlier epochs are unknown.
 */

interface Stretch {
  readonly epoch: number
  /** The first offset at which this epoch is known to have written. */
  readonly from: number
  /** The first position whose last record is of this epoch. */
  readonly behind: number
}

/** Where an epoch ends in a leader's log. */
export interface EpochEnd {
  readonly epoch: number
  readonly endOffset: number
}

/** More epochs than a consumer ever has to go back over. */
const STRETCHES_MAX = 32

export const UNKNOWN_EPOCH = -1

export class EpochTrail {
  #stretches: Stretch[] = []

  /** The consumer begins at `position`; `epoch` is that of the record before it, −1 if unknown. */
  begin(position: number, epoch: number): void {
    this.#stretches = epoch < 0 ? [] : [{ epoch, from: position, behind: position }]
  }

  /** Notes a fetched batch of this epoch with records from `offset` on. */
  note(epoch: number, offset: number): void {
    const last = this.#stretches.at(-1)
    if (last?.epoch === epoch) return
    // Brokers never write a lower epoch after a higher one: the known epochs are void.
    if (epoch < (last?.epoch ?? 0)) this.#stretches = []
    if (epoch < 0) return
    this.#stretches.push({ epoch, from: offset, behind: offset + 1 })
    if (this.#stretches.length > STRETCHES_MAX) this.#stretches.shift()
  }

  /** The epoch of the last record before a position; −1 when unknown. */
  before(position: number): number {
    return this.#stretches.findLast(({ behind }) => behind <= position)?.epoch ?? UNKNOWN_EPOCH
  }

  /**
   * The first offset at which the leader's log is known to hold a different record. `epoch` is the
   * leader's newest epoch that is not newer than the one it was asked about, `endOffset` its end.
   */
  divergesAt({ epoch, endOffset }: EpochEnd): number {
    const newer = this.#stretches.find(each => each.epoch > epoch)
    return newer === undefined ? endOffset : Math.min(endOffset, newer.from)
  }

  /**
   * Forgets the epochs from `offset` on. The leader is asked about the remaining ones next: the
   * logs may have diverged even earlier. If none remain, the trail begins with `epoch`.
   */
  cutAt(offset: number, epoch: number): void {
    this.#stretches = this.#stretches.filter(each => each.from < offset)
    if (this.#stretches.length === 0) this.begin(offset, epoch)
  }
}
