/*
 * Counts the committed bytes of a replicated log, so that a fetch that waits for a number of bytes
 * need not read the log to learn whether it has them.
 */

import { assert } from '../base/assert.js'
import type { Offset } from '../model/units.js'

export class CommittedBytes {
  /** Appends that are not committed yet: their end offsets and sizes. */
  #marks: { readonly end: Offset; readonly bytes: number }[] = []
  #bytes = 0

  get bytes(): number {
    return this.#bytes
  }

  /** `bytes` were appended, the log now ends at `end`. */
  appended(end: Offset, bytes: number): void {
    const last = this.#marks.at(-1)?.end ?? 0
    if (end < last) assert(false, 'a leader appends in order', { last, end })
    this.#marks.push({ end, bytes })
  }

  /** The high watermark is `end` now. */
  advance(end: Offset): void {
    let passed = 0
    for (const mark of this.#marks) {
      if (mark.end > end) break
      this.#bytes += mark.bytes
      passed++
    }
    if (passed > 0) this.#marks.splice(0, passed)
  }

  /** Forgets appends that are not committed: the leadership is over. */
  forget(): void {
    this.#marks = []
  }
}
