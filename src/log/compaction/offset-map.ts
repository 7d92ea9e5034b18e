/*
 * The newest offset of each key during a cleaning. 24 bytes per key of any length: a hash of 128
 * bits and the offset. Two keys with the same hash would count as one; under a random secret that
 * does not happen, neither by chance nor on purpose.
 *
 * Memory is bounded: a full map takes no new key. It grows by pages of 24 KiB; a full page is split
 * in two (extendible hashing), so no step takes long and a small log needs little.
 *
 *   hash word 0   its lowest bits choose the page
 *   hash word 1   the slot in the page where the search begins
 */

import { assert } from '../../base/assert.js'
import { halfSipHash, type HashKey } from '../../base/half-siphash.js'
import type { Random } from '../../base/random.js'
import { NONE, type Offset } from '../../model/units.js'

/**
 * The memory of one cleaning's map: about 900,000 keys. If it is full, the next cleaning continues
 * where this one has stopped.
 */
export const OFFSET_MAP_BYTES_MAX = 32 * 1024 * 1024

const PAGE_SLOTS = 1024
const SLOT_BYTES = 24
/** Look-ups in fuller pages would take long. */
const PAGE_ENTRIES_MAX = 820
/** The most bits by which pages differ; with real hashes it is half of that. */
const DEPTH_MAX = 24

/** The bytes of a key in a buffer. */
export interface KeyRange {
  readonly start: number
  readonly end: number
}

interface Page {
  /** How many low bits of word 0 are the same in all of its hashes. */
  readonly depth: number
  readonly hashes: Int32Array
  /** −1 for a free slot. */
  readonly offsets: Float64Array
  count: number
}

export class OffsetMap {
  readonly #pagesMax: number
  readonly #keys: readonly [HashKey, HashKey]
  readonly #hash = new Int32Array(4)
  /** By the lowest bits of word 0; several entries may be the same page. */
  #directory: Page[] = [newPage(0)]
  #depth = 0
  #pages = 1
  #count = 0

  constructor(random: Random, maxBytes = OFFSET_MAP_BYTES_MAX) {
    this.#pagesMax = Math.max(1, Math.floor(maxBytes / (PAGE_SLOTS * SLOT_BYTES)))
    const secret = new DataView(Uint8Array.from(random.bytes(16)).buffer)
    const [a, b, c, d] = [0, 4, 8, 12].map(at => secret.getInt32(at)) as [
      number,
      number,
      number,
      number,
    ]
    this.#keys = [
      [a, b],
      [c, d],
    ]
  }

  /** Keys in the map. */
  get count(): number {
    return this.#count
  }

  /** Bytes of all slots, used and free. */
  get bytes(): number {
    return this.#pages * PAGE_SLOTS * SLOT_BYTES
  }

  /** Sets the offset of a key; returns false and changes nothing if there is no room. */
  put(bytes: Uint8Array, key: KeyRange, offset: Offset): boolean {
    assert(offset >= 0, 'an offset is not negative', { offset })
    this.#hashOf(bytes, key)
    for (;;) {
      const page = this.#page(this.#hash[0] as number)
      const slot = slotOf(page, this.#hash, 0)
      const isNew = page.offsets[slot] === NONE
      if (isNew && page.count === PAGE_ENTRIES_MAX) {
        if (!this.#split(page)) return false
        continue
      }
      if (isNew) this.#count++
      fill(page, slot, { hashes: this.#hash, at: 0, offset })
      return true
    }
  }

  /** The offset that was last set for a key; −1 if there is none. */
  get(bytes: Uint8Array, key: KeyRange): Offset {
    this.#hashOf(bytes, key)
    const page = this.#page(this.#hash[0] as number)
    return page.offsets[slotOf(page, this.#hash, 0)] as Offset
  }

  #hashOf(bytes: Uint8Array, key: KeyRange): void {
    halfSipHash(this.#keys[0], bytes, key, { words: this.#hash, at: 0 })
    halfSipHash(this.#keys[1], bytes, key, { words: this.#hash, at: 2 })
  }

  #page(word: number): Page {
    return this.#directory[word & ((1 << this.#depth) - 1)] as Page
  }

  /** Splits a page in two; returns false if there is no room for another page. */
  #split(page: Page): boolean {
    if (this.#pages === this.#pagesMax || page.depth === DEPTH_MAX) return false
    if (page.depth === this.#depth) {
      this.#directory = [...this.#directory, ...this.#directory]
      this.#depth++
    }
    const bit = 1 << page.depth
    const halves = [newPage(page.depth + 1), newPage(page.depth + 1)] as const
    const halfOf = (word: number): Page => halves[(word & bit) === 0 ? 0 : 1]
    for (let slot = 0; slot < PAGE_SLOTS; slot++) {
      const offset = page.offsets[slot] as Offset
      if (offset === NONE) continue
      const half = halfOf(page.hashes[4 * slot] as number)
      const entry = { hashes: page.hashes, at: 4 * slot, offset }
      fill(half, slotOf(half, page.hashes, 4 * slot), entry)
    }
    const first = this.#directory.indexOf(page)
    for (let index = first; index < this.#directory.length; index += bit) {
      this.#directory[index] = halfOf(index)
    }
    this.#pages++
    return true
  }
}

function newPage(depth: number): Page {
  const hashes = new Int32Array(4 * PAGE_SLOTS)
  return { depth, hashes, offsets: new Float64Array(PAGE_SLOTS).fill(NONE), count: 0 }
}

/** The slot of the hash at `hashes[at]`, or the free slot where it would go. */
function slotOf(page: Page, hashes: Int32Array, at: number): number {
  let slot = (hashes[at + 1] as number) & (PAGE_SLOTS - 1)
  while (page.offsets[slot] !== NONE && !isSame(page.hashes, 4 * slot, hashes, at)) {
    slot = (slot + 1) & (PAGE_SLOTS - 1)
  }
  return slot
}

function isSame(a: Int32Array, aAt: number, b: Int32Array, bAt: number): boolean {
  if (a[aAt] !== b[bAt] || a[aAt + 1] !== b[bAt + 1]) return false
  return a[aAt + 2] === b[bAt + 2] && a[aAt + 3] === b[bAt + 3]
}

interface Entry {
  readonly hashes: Int32Array
  readonly at: number
  readonly offset: Offset
}

function fill(page: Page, slot: number, { hashes, at, offset }: Entry): void {
  if (page.offsets[slot] === NONE) page.count++
  for (let word = 0; word < 4; word++) page.hashes[4 * slot + word] = hashes[at + word] as number
  page.offsets[slot] = offset
}
