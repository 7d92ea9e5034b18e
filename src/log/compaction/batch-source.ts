/*
 * The batches of a closed segment in order, a small window of the file at a time. Each is checked
 * before it is returned, also against its neighbours: copied batches get a new checksum, which must
 * not make damage look sound.
 */

import { Batch, frameAt, SHORT, whyBroken, whyInvalid } from '../../model/batch/batch.js'
import type { Offset, Position } from '../../model/units.js'
import { DamagedBytesError } from '../format/log-errors.js'
import type { Segment } from '../store/segment.js'
import type { Pace } from './pace.js'

const WINDOW_BYTES = 128 * 1024

export class BatchSource {
  readonly #segment: Segment
  readonly #endOffset: Offset
  readonly #pace: Pace
  readonly #size: number
  #window: Buffer = Buffer.alloc(0)
  #windowAt: Position = 0
  #at = 0
  #nextOffset: Offset

  /** Batches lie in `[segment.baseOffset, endOffset)`. */
  constructor(segment: Segment, endOffset: Offset, pace: Pace) {
    this.#segment = segment
    this.#endOffset = endOffset
    this.#pace = pace
    this.#size = segment.size
    this.#nextOffset = segment.baseOffset
  }

  /** The next batch; undefined at the end. A view of bytes that do not change. */
  async next(): Promise<Batch | undefined> {
    if (this.#pace.isDue) await this.#pace.turn()
    const position = this.#windowAt + this.#at
    if (position >= this.#size) return await this.#end(position)
    let size = frameAt(this.#window, this.#at, this.#window.length)
    while (size === SHORT || this.#at + size > this.#window.length) {
      await this.#refill(position, size)
      size = frameAt(this.#window, 0, this.#window.length)
    }
    if (size < 0) throw this.#damaged(position, whyBroken(this.#window, this.#at))
    const batch = new Batch(this.#window, this.#at)
    this.#check(batch, position)
    this.#at += size
    this.#nextOffset = batch.nextOffset
    return batch
  }

  /** Offsets that the indexes have beyond the last batch were lost, not compacted. */
  async #end(position: Position): Promise<undefined> {
    const lost = await this.#segment.lostOffset(this.#nextOffset, this.#endOffset)
    if (lost === undefined) return
    throw this.#damaged(position, `the file ends, its indexes have offset ${lost}`)
  }

  /** Reads a window at `position`, or a batch of `size` bytes if that is larger. */
  async #refill(position: Position, size: number): Promise<void> {
    const left = this.#size - position
    if (size > left || this.#window.length - this.#at >= left) {
      throw this.#damaged(position, `the file ends ${left} bytes into a batch`)
    }
    const wanted = Math.min(left, Math.max(WINDOW_BYTES, size))
    this.#window = await this.#segment.file.read(position, wanted)
    this.#windowAt = position
    this.#at = 0
    if (this.#window.length < wanted) {
      throw this.#damaged(position, `the file has become shorter than ${this.#size} bytes`)
    }
    if (this.#pace.isOver) await this.#pace.turn()
    else this.#pace.check()
  }

  #check(batch: Batch, position: Position): void {
    const { verifiedStart, verifiedEnd } = this.#segment
    const isKnown = position >= verifiedStart && position + batch.size <= verifiedEnd
    const reason = (isKnown ? undefined : whyInvalid(batch)) ?? this.#whyNotNext(batch)
    if (reason !== undefined) throw this.#damaged(position, reason)
  }

  #whyNotNext({ baseOffset, nextOffset }: Batch): string | undefined {
    if (baseOffset < this.#nextOffset)
      return `offset ${baseOffset} comes after ${this.#nextOffset - 1}`
    if (nextOffset <= this.#endOffset) return undefined
    return `offset ${nextOffset - 1} is in the range of the next segment`
  }

  #damaged(position: Position, reason: string): DamagedBytesError {
    return new DamagedBytesError(this.#segment.file.path, position, reason)
  }
}
