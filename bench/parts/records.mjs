/** The records every measurement writes and expects back: values of 100 bytes, as text. */

const KINDS = 1_000
const VALUE_BYTES = 100
/** More than a record takes on a disk, here or as a line. */
export const RECORD_BYTES_MAX = 200

/** Text as one piece: a string glued together would be flattened at somebody's expense. */
const flat = text => Buffer.from(text, 'latin1').toString('latin1')

const VALUES = Array.from({ length: KINDS }, (_, kind) =>
  flat(`${pad(kind, 6)} created `.padEnd(VALUE_BYTES, 'abcdefghijklmnopqrstuvwxyz ')),
)

function pad(number, width) {
  return `${number}`.padStart(width, '0')
}

/** The record at this place, as the object a user would make. */
export function recordAt(index) {
  return { value: VALUES[index % KINDS] }
}

/** Records `[start, start + count)`. */
export function recordsFrom(start, count) {
  const records = new Array(count)
  for (let index = 0; index < count; index++) records[index] = recordAt(start + index)
  return records
}

/** Compares one record in so many: often enough to notice, too seldom to be measured. */
const CHECK_EVERY = 997

/** Counts what is read and notices what is missing, out of order or changed. */
export class Reading {
  count = 0

  /** Takes the next record; its value is text or bytes. */
  take(value) {
    const index = this.count++
    if (index % CHECK_EVERY !== 0) return
    if (textOf(value) !== recordAt(index).value) {
      throw new Error(`record ${index} is not what was written`)
    }
  }

  /** Throws unless exactly so many were read. */
  finish(count) {
    if (this.count !== count) throw new Error(`${this.count} records read, ${count} written`)
  }
}

function textOf(content) {
  return typeof content === 'string' ? content : Buffer.from(content).toString()
}

/** Numbers in [0, max), the same in every run (mulberry32). */
export function seeded(seed) {
  let state = seed
  return max => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % max
  }
}
