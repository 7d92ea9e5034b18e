/* Steps through the entries of an index file, to check them along with the batches. */

import type { Position } from '../../model/units.js'

/** The entries of an index in order, without the zeros at its end. */
export class IndexWalk {
  readonly count: number
  readonly hasZeroTail: boolean
  #next = 0

  constructor(
    readonly bytes: Buffer,
    readonly entryBytes: number,
  ) {
    let end = bytes.length
    while (end > 0 && bytes[end - 1] === 0) end--
    const whole = Math.floor(bytes.length / entryBytes)
    const used = Math.ceil(end / entryBytes)
    // A single entry of zeros may be valid; more of them are a tail that was never written.
    this.hasZeroTail = whole - used > 1
    this.count = this.hasZeroTail ? used : whole
  }

  get position(): Position {
    return this.#next * this.entryBytes
  }

  peek(): Buffer | undefined {
    if (this.#next >= this.count) return undefined
    return this.bytes.subarray(this.position, this.position + this.entryBytes)
  }

  /** The entry before the current one. */
  get last(): Buffer | undefined {
    if (this.#next === 0) return undefined
    return this.bytes.subarray(this.position - this.entryBytes, this.position)
  }

  step(): void {
    this.#next++
  }

  skipWhile(test: (entry: Buffer) => boolean): void {
    for (let entry = this.peek(); entry !== undefined && test(entry); entry = this.peek()) {
      this.step()
    }
  }
}
