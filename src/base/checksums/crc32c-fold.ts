/*
 * Makes a message short without changing its CRC-32C.
 *
 * The polynomial P divides 1 + x^(8·a) + x^(8·b) + … for some distances a < b < …: a byte can be
 * removed if it is XORed into the bytes that many places after it. With bytes removed from front to
 * back, each becomes
 *
 *   byte[i] = message[i] ^ byte[i − a] ^ byte[i − b] ^ …
 *
 * and only the last bytes, as many as the largest distance, are left for the CRC. Sixteen bytes at
 * a time in WebAssembly, this takes a fifth of the time of the tables. (The idea is from the
 * "Chorba" paper, K. Russell 2024.)
 *
 * Three distances are the fewest there are (their number is odd: P has the factor 1 + x), but then
 * the largest is 5,424. So a long message is folded by three, and what is left of it by five, of
 * which the largest is 290: 12,000 bytes 6.4 → 1.1 µs, 110,000 bytes 9.5 → 7.4 µs. Five at once
 * would take half as long again for a long message.
 *
 *   long message ── three ──▶ 5,424 to 5,439 bytes ── five ──▶ 290 to 305 bytes ──▶ tables
 *   message ─────────────────────────────────────────┘
 */

import { instantiate, leb, type Code, type WasmFunction } from '../wasm.js'

/**
 * One way to fold. `at`: where in the memory the message lies, after as many zero bytes, which add
 * nothing, as the largest distance. `restAt`: where what is left of it is put.
 */
interface Stage {
  readonly distances: readonly number[]
  readonly at: number
  readonly restAt: number
}

/** The result; zeros for the short stage; its message; zeros for the long stage; its message. */
const REST_AT = 0
const SHORT_AT = 1024
const LONG_AT = 32 * 1024

/** A search over all triples below 6,000: the smallest distance is the second largest found. */
const LONG: Stage = { distances: [1278, 1565, 5424], at: LONG_AT, restAt: SHORT_AT }
/** And over all sets of five below 300: a step must not wait for the one before it. */
const SHORT: Stage = { distances: [154, 177, 183, 258, 290], at: SHORT_AT, restAt: REST_AT }

const STEP_BYTES = 16
const PAGE_BYTES = 65_536

/** The longest message folded at once. */
export const FOLD_BYTES_MAX = 1024 * 1024
/** Below this size the tables are as fast. */
export const FOLD_BYTES_MIN = 768
/** From this size on, a message is long. */
const LONG_BYTES_MIN = 12 * 1024

/** What is left of a folded message: `bytes[start, end)`. */
export interface Folded {
  readonly bytes: Uint8Array
  readonly start: number
  readonly end: number
}

/**
 * byte[restAt + i] ^= the bytes at all distances before byte[at + from], for i from `i` to `end`,
 * and `from` along with it. With the message's own place as `restAt` that folds it.
 */
type Gather = (from: number, i: number, end: number) => void

interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer }
  readonly long: Gather
  readonly longRest: Gather
  readonly short: Gather
  readonly shortRest: Gather
}

export class Crc32cFolder {
  readonly #exports: Exports
  readonly #bytes: Uint8Array
  readonly #words: Int32Array

  private constructor(exports: Exports) {
    this.#exports = exports
    this.#bytes = new Uint8Array(exports.memory.buffer)
    this.#words = new Int32Array(exports.memory.buffer)
  }

  /** Undefined where WebAssembly or its vectors are not available. */
  static create(): Crc32cFolder | undefined {
    try {
      return new Crc32cFolder(instantiate(FUNCTIONS, PAGES) as Exports)
    } catch {
      return undefined // the tables do the same, slower
    }
  }

  /**
   * Folds `message[start, end)`, of FOLD_BYTES_MIN to FOLD_BYTES_MAX bytes, continuing from `crc`.
   */
  fold(message: Uint8Array, start: number, end: number, crc: number): Folded {
    const { long, longRest, short, shortRest } = this.#exports
    const isLong = end - start >= LONG_BYTES_MIN
    const at = isLong ? LONG_AT : SHORT_AT
    let length = end - start
    this.#bytes.set(message.subarray(start, end), at)
    this.#words[at / 4]! ^= crc
    if (isLong) length = this.#foldBy(LONG, length, long, longRest)
    length = this.#foldBy(SHORT, length, short, shortRest)
    return { bytes: this.#bytes, start: REST_AT, end: REST_AT + length }
  }

  /** Folds the message of a stage. Returns the length of what is left. */
  #foldBy({ distances, at, restAt }: Stage, length: number, fold: Gather, rest: Gather): number {
    const bytes = this.#bytes
    const largest = distances.at(-1) as number
    // Bytes before the cut are removed. The bytes after it stay, and take in only those before it:
    // zeros stand in for them while they do.
    const cut = (length - largest) & -STEP_BYTES
    const reach = (largest + STEP_BYTES - 1) & -STEP_BYTES
    fold(0, 0, cut)
    bytes.copyWithin(restAt, at + cut, at + length)
    bytes.fill(0, at + cut, at + cut + reach)
    rest(cut, 0, reach)
    return length - cut
  }
}

// ── the module ───────────────────────────────────────────────────────────────────────────
//
//   (memory (export "memory") PAGES)
//   (func (export "long") (param $from i32) (param $i i32) (param $end i32)
//     (loop
//       (v128.store offset=REST (local.get $i)
//         (v128.xor (v128.xor … (v128.load offset=REST (local.get $i))
//           (v128.load offset=AT-A (local.get $from))) (v128.load offset=AT-B …)) …))
//       (local.set $from (i32.add (local.get $from) (i32.const 16)))
//       (br_if 0 (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 16)))
//         (local.get $end)))))

const [FROM, I, END] = [0, 1, 2]
const LOCAL_GET = 0x20
const LOCAL_SET = 0x21
const LOCAL_TEE = 0x22
const V128_LOAD = [0xfd, 0x00, 0] // … alignment 2^0: the distances are no multiples of anything
const V128_STORE = [0xfd, 0x0b, 0]
const V128_XOR = [0xfd, 0x51]

function gatherBody({ distances, at }: Stage, into: number): Code {
  const load = (local: number, place: number): number[] => [
    ...[LOCAL_GET, local, ...V128_LOAD, ...leb(place)],
  ]
  const plusStep = (local: number): number[] => [LOCAL_GET, local, 0x41, STEP_BYTES, 0x6a]
  return [
    ...[0x03, 0x40], // loop
    ...[LOCAL_GET, I, ...load(I, into)],
    ...distances.flatMap(distance => [...load(FROM, at - distance), ...V128_XOR]),
    ...[...V128_STORE, ...leb(into)],
    ...[...plusStep(FROM), LOCAL_SET, FROM],
    ...[...plusStep(I), LOCAL_TEE, I],
    ...[LOCAL_GET, END, 0x49, 0x0d, 0], // i < end: again
    0x0b,
  ]
}

const gather = (name: string, stage: Stage, into: number): WasmFunction => ({
  name,
  params: 3,
  hasResult: false,
  locals: 0,
  body: gatherBody(stage, into),
})

const FUNCTIONS = [
  gather('long', LONG, LONG.at),
  gather('longRest', LONG, LONG.restAt),
  gather('short', SHORT, SHORT.at),
  gather('shortRest', SHORT, SHORT.restAt),
]
const PAGES = Math.ceil((LONG_AT + FOLD_BYTES_MAX + STEP_BYTES) / PAGE_BYTES)
