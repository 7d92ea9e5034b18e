/*
 * The topics that were deleted since the metadata log began: every id, so that a broker which was
 * down knows whose folders it may delete, and the names of the last ones, for the coordinators that
 * forget their offsets. A test run or a job makes and deletes topics without end: an id takes 16
 * bytes, and names are kept up to a bound.
 */

import { UUID_BYTES, uuidToBytes } from '../../base/uuid.js'

/** A coordinator looks at every change of the cluster: it is never this many deletions behind. */
const NAMES_MAX = 1_000

export class RemovedTopics {
  /** The ids one after the other; it doubles when it is full. */
  #ids = Buffer.alloc(UUID_BYTES * 4)
  #count = 0
  /** The names of the last topics. */
  #names: string[] = []

  /** The number of topics removed so far. */
  get count(): number {
    return this.#count
  }

  add(topicId: string, name: string): void {
    const bytes = uuidToBytes(topicId)
    if (bytes === undefined) return
    const end = this.#count * UUID_BYTES
    if (end === this.#ids.length) this.#ids = Buffer.concat([this.#ids], end * 2)
    this.#ids.set(bytes, end)
    this.#count++
    this.#names.push(name)
    if (this.#names.length > 2 * NAMES_MAX) this.#names = this.#names.slice(-NAMES_MAX)
  }

  has(topicId: string): boolean {
    const bytes = uuidToBytes(topicId)
    if (bytes === undefined) return false
    const ids = this.#ids.subarray(0, this.#count * UUID_BYTES)
    // An id may also appear across two others: only a match at a whole one counts.
    for (let at = ids.indexOf(bytes); at >= 0; at = ids.indexOf(bytes, at + 1)) {
      if (at % UUID_BYTES === 0) return true
    }
    return false
  }

  /** The names of the topics removed since `count` were; at least the last 1,000 of them. */
  since(count: number): ReadonlySet<string> {
    const names = Math.min(this.#count - count, this.#names.length)
    return new Set(names <= 0 ? [] : this.#names.slice(-names))
  }

  copy(): RemovedTopics {
    const copy = new RemovedTopics()
    copy.#ids = Buffer.from(this.#ids)
    copy.#count = this.#count
    copy.#names = [...this.#names]
    return copy
  }
}
