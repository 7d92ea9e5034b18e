/** The records every measurement writes and expects back: values of 100 bytes, keys of 10. */

const KINDS = 1_000
const KEYS = 10_000
export const VALUE_BYTES = 100
const KEY_BYTES = 10
/** More than a record takes on a disk, here or as a line. */
export const RECORD_BYTES_MAX = 200

/** Text in one piece: a string that is put together is flattened when it is first used. */
const flat = text => Buffer.from(text, 'latin1').toString('latin1')
const pad = (number, width) => `${number}`.padStart(width, '0')

const TEXTS = Array.from({ length: KINDS }, (_, kind) =>
  flat(`${pad(kind, 6)} created `.padEnd(VALUE_BYTES, 'abcdefghijklmnopqrstuvwxyz ')),
)
const BYTES = TEXTS.map(text => Buffer.from(text, 'latin1'))
const KEY_TEXTS = Array.from({ length: KEYS }, (_, kind) => flat(`k${pad(kind, KEY_BYTES - 1)}`))

/** The value of a record, as text or bytes. */
export const textAt = index => TEXTS[index % KINDS]
export const bytesAt = index => BYTES[index % KINDS]

/** The record at an index, as the object a user would make. */
const MESSAGES = {
  bytes: index => ({ value: bytesAt(index) }),
  strings: index => ({ value: textAt(index) }),
  keyed: index => ({ key: KEY_TEXTS[(index * 7919) % KEYS], value: textAt(index) }),
}
export const recordAt = MESSAGES.strings

/** `count` values from `start` on, made by `at`. */
export function listOf(start, count, at) {
  const list = new Array(count)
  for (let n = 0; n < count; n++) list[n] = at(start + n)
  return list
}

/** Records `[start, start + count)` as messages of a kind: 'bytes', 'strings', 'keyed'. */
export function recordsFrom(start, count, kind = 'strings') {
  return listOf(start, count, MESSAGES[kind])
}

/** Bytes where the values of different kinds differ. */
const [HUNDREDS, TENS, ONES] = [3, 4, 5]

/** Counts what is read, and hashes it in order: a value that is another one changes the hash. */
export class Reading {
  count = 0
  #hash = 0

  /** Takes the next value, as bytes. */
  takeBytes(value) {
    this.count++
    this.#add(value[HUNDREDS], value[TENS], value[ONES], value.length)
  }

  /** Takes the next value, as text. */
  takeText(value) {
    this.count++
    const at = place => value.charCodeAt(place)
    this.#add(at(HUNDREDS), at(TENS), at(ONES), value.length)
  }

  #add(hundreds, tens, ones, length) {
    const mixed = (hundreds << 16) ^ (tens << 8) ^ ones ^ (length << 24)
    this.#hash = (Math.imul(this.#hash, 31) + mixed) | 0
  }

  /** Throws unless these were the first `count` records. */
  finish(count) {
    const expected = new Reading()
    for (let index = 0; index < count; index++) expected.takeBytes(bytesAt(index))
    if (this.count !== count) throw new Error(`${this.count} records read, ${count} written`)
    if (this.#hash !== expected.#hash) throw new Error('the records are not those written')
  }
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
