/**
 * Which leaderships wrote what a reader has read of one partition. With it the reader tells a
 * leader what it has, and finds out where their logs part when the leader has something else
 * (KIP-320): after an unclean election, or in a topic that was made anew.
 *
 *   seen    3 3 3 3 5 5 5            entries   { epoch 3, from 0 } { epoch 5, from 4 }
 *   offset  0 1 2 3 4 5 6  position 7, last epoch 5
 *
 * Invariant: entries ascend in both. Only the newest are kept; what lies before them is unknown.
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

/** More leaderships than a reader goes back over. */
const STRETCHES_MAX = 32

export const UNKNOWN_EPOCH = -1

export class EpochTrail {
  #stretches: Stretch[] = []

  /** The reader begins here; the record before is of this epoch, if that is known. */
  begin(position: number, epoch: number): void {
    this.#stretches = epoch < 0 ? [] : [{ epoch, from: position, behind: position }]
  }

  /** A batch of this epoch has come, with records from `offset` on. */
  note(epoch: number, offset: number): void {
    const last = this.#stretches.at(-1)
    if (last?.epoch === epoch) return
    // Not as brokers write it: what was known is not comparable.
    if (epoch < (last?.epoch ?? 0)) this.#stretches = []
    if (epoch < 0) return
    this.#stretches.push({ epoch, from: offset, behind: offset + 1 })
    if (this.#stretches.length > STRETCHES_MAX) this.#stretches.shift()
  }

  /** The epoch of the last record before a position; −1 when nobody knows. */
  before(position: number): number {
    return this.#stretches.findLast(({ behind }) => behind <= position)?.epoch ?? UNKNOWN_EPOCH
  }

  /**
   * The first offset known to be another record in the leader's log, given where the newest epoch
   * ends there that is not newer than the one it was asked about.
   */
  partsAt({ epoch, endOffset }: EpochEnd): number {
    const newer = this.#stretches.find(each => each.epoch > epoch)
    return newer === undefined ? endOffset : Math.min(endOffset, newer.from)
  }

  /**
   * What was seen from `offset` on counts no more. What was seen before is what the leader is asked
   * about next: logs may have parted earlier still. If nothing was, its `epoch` is believed.
   */
  cutAt(offset: number, epoch: number): void {
    this.#stretches = this.#stretches.filter(each => each.from < offset)
    if (this.#stretches.length === 0) this.begin(offset, epoch)
  }
}
