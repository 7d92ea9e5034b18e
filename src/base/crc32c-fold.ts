/*
 * Makes a long message short without changing its CRC-32C.
 *
 * The polynomial P divides 1 + x^(8·a) + x^(8·b) + x^(8·c) for some distances a < b < c: a byte can
 * be removed if it is XORed into the bytes a, b and c places after it. (A search over all triples
 * below 6,000 found these; their smallest distance is the second largest found. The idea is from
 * the "Chorba" paper, K. Russell 2024.) With bytes removed from front to back, each becomes
 *
 *   byte[i] = message[i] ^ byte[i − a] ^ byte[i − b] ^ byte[i − c]
 *
 * and only the last c bytes are left for the CRC. Sixteen bytes at a time in WebAssembly, this
 * takes a fifth of the time of the tables.
 */

/** How many places after its own a byte is XORed in. */
const DISTANCES = [1278, 1565, 5424] as const
const [A, B, C] = DISTANCES

/** The message follows this many zero bytes, which add nothing. */
const MESSAGE_AT = C
const STEP_BYTES = 16
const PAGE_BYTES = 65_536

/** The longest message folded at once. */
export const FOLD_BYTES_MAX = 1024 * 1024
/** Below this size the tables are as fast. */
export const FOLD_BYTES_MIN = 12 * 1024

/** What is left of a folded message: `bytes[start, end)`. */
export interface Folded {
  readonly bytes: Uint8Array
  readonly start: number
  readonly end: number
}

type Gather = (from: number, to: number) => void

/** The few parts of WebAssembly used here: its types come with the browser's, not with Node's. */
interface WebAssemblyApi {
  readonly Module: new (bytes: Uint8Array) => object
  readonly Instance: new (module: object) => { readonly exports: unknown }
}

interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer }
  /** byte[i] ^= the bytes at all three distances, from and to counted from the message's start. */
  readonly abc: Gather
  /** The same with the two larger distances, and with the largest. */
  readonly bc: Gather
  readonly c: Gather
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
      const { Module, Instance } = (globalThis as unknown as { WebAssembly: WebAssemblyApi })
        .WebAssembly
      return new Crc32cFolder(new Instance(new Module(moduleBytes())).exports as Exports)
    } catch {
      return undefined // the tables do the same, slower
    }
  }

  /**
   * Folds `message[start, end)`, of FOLD_BYTES_MIN to FOLD_BYTES_MAX bytes, continuing from `crc`.
   */
  fold(message: Uint8Array, start: number, end: number, crc: number): Folded {
    const length = end - start
    const bytes = this.#bytes
    bytes.set(message.subarray(start, end), MESSAGE_AT)
    this.#words[MESSAGE_AT / 4]! ^= crc
    // Bytes before the cut are removed; the bytes after it take them in and stay.
    const cut = (length - C) & ~(STEP_BYTES - 1)
    this.#gather(0, cut + A, 0)
    this.#gather(cut + A, cut + B, 1)
    this.#gather(cut + B, cut + C, 2)
    return { bytes, start: MESSAGE_AT + cut, end: MESSAGE_AT + length }
  }

  /** Adds in the bytes at DISTANCES[first] and beyond. */
  #gather(from: number, to: number, first: 0 | 1 | 2): void {
    const { abc, bc, c } = this.#exports
    const whole = from + ((to - from) & ~(STEP_BYTES - 1))
    if (whole > from) [abc, bc, c][first]?.(from, whole)
    const bytes = this.#bytes
    for (let at = MESSAGE_AT + whole; at < MESSAGE_AT + to; at++) {
      for (let k: number = first; k < 3; k++) bytes[at]! ^= bytes[at - DISTANCES[k]!]!
    }
  }
}

// ── the module ───────────────────────────────────────────────────────────────────────────
//
//   (memory (export "memory") PAGES)
//   (func (export "abc") (param $i i32) (param $end i32)
//     (loop
//       (v128.store offset=M (local.get $i)
//         (v128.xor (v128.xor (v128.xor (v128.load offset=M (local.get $i))
//           (v128.load offset=M-A …)) (v128.load offset=M-B …)) (v128.load offset=M-C …)))
//       (br_if 0 (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 16)))
//         (local.get $end)))))

const I32 = 0x7f
const LOCAL_GET = 0x20
const LOCAL_TEE = 0x22
const V128_LOAD = [0xfd, 0x00, 0] // … alignment 2^0: the distances are no multiples of anything
const V128_STORE = [0xfd, 0x0b, 0]
const V128_XOR = [0xfd, 0x51]

function moduleBytes(): Uint8Array {
  const pages = Math.ceil((MESSAGE_AT + FOLD_BYTES_MAX + STEP_BYTES) / PAGE_BYTES)
  const functionType = [0x60, 2, I32, I32, 0]
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [functionType]),
    ...section(3, [[0], [0], [0]]),
    ...section(5, [[0, ...leb(pages)]]),
    ...section(7, [
      [...name('memory'), 2, 0],
      [...name('abc'), 0, 0],
      [...name('bc'), 0, 1],
      [...name('c'), 0, 2],
    ]),
    ...section(10, [gatherBody([A, B, C]), gatherBody([B, C]), gatherBody([C])]),
  ])
}

function gatherBody(distances: readonly number[]): number[] {
  const load = (distance: number): number[] => [
    ...[LOCAL_GET, 0, ...V128_LOAD, ...leb(MESSAGE_AT - distance)],
  ]
  const body = [
    0, // no locals
    ...[0x03, 0x40], // loop
    ...[LOCAL_GET, 0, ...load(0)],
    ...distances.flatMap(distance => [...load(distance), ...V128_XOR]),
    ...[...V128_STORE, ...leb(MESSAGE_AT)],
    ...[LOCAL_GET, 0, 0x41, STEP_BYTES, 0x6a, LOCAL_TEE, 0], // i += 16
    ...[LOCAL_GET, 1, 0x49, 0x0d, 0], // i < end: again
    ...[0x0b, 0x0b],
  ]
  return [...leb(body.length), ...body]
}

function section(id: number, items: readonly (readonly number[])[]): number[] {
  const content = [...leb(items.length), ...items.flat()]
  return [id, ...leb(content.length), ...content]
}

function name(text: string): number[] {
  return [...leb(text.length), ...Buffer.from(text, 'latin1')]
}

/** Unsigned LEB128. */
function leb(value: number): number[] {
  const bytes: number[] = []
  let rest = value
  for (; rest >= 0x80; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80)
  return [...bytes, rest]
}
