/**
 * How many bytes of a log are committed, where that is not simply all: who waits for so many bytes
 * need not read to find out.
 */

import type { Offset } from '../model/units.js'

export class CommittedBytes {
  /** How much came in up to which end, until that is committed. */
  #marks: { readonly end: Offset; readonly bytes: number }[] = []
  #bytes = 0

  get bytes(): number {
    return this.#bytes
  }

  /** The log has grown by so many bytes, and ends at `end`. */
  grown(end: Offset, bytes: number): void {
    this.#marks.push({ end, bytes })
  }

  /** Everything below `end` is committed. */
  advance(end: Offset): void {
    let passed = 0
    for (const mark of this.#marks) {
      if (mark.end > end) break
      this.#bytes += mark.bytes
      passed++
    }
    if (passed > 0) this.#marks.splice(0, passed)
  }

  /** A leadership is over. */
  forget(): void {
    this.#marks = []
  }
}
