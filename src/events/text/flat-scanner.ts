/*
 * What flat-json.ts does, in WebAssembly: a line takes a third of the time. Lines that lie one
 * after another in memory are copied together, and each is then looked at there.
 *
 *   memory: classes of bytes │ the names │ where the values begin, and end │ the lines, a line feed
 *
 * The line feed behind the last line ends every loop: it belongs to no text and to no number.
 */

import {
  add,
  again,
  byteAt,
  call,
  get,
  give,
  instantiate,
  isAbove,
  isAtLeast,
  isEqual,
  isLess,
  isOther,
  loop,
  multiply,
  number,
  or,
  putWord,
  set,
  sub,
  when,
  wordAt,
  type Code,
  type WasmFunction,
} from '../../base/wasm.js'
import {
  BACKSLASH,
  CARRIAGE_RETURN,
  CLOSING_BRACE,
  COLON,
  COMMA,
  LINE_FEED,
  MINUS,
  OPENING_BRACE,
  QUOTE,
  SPACE,
  TAB,
  ZERO,
} from './byte-names.js'
import type { FieldName } from './json-token.js'

const NAMES_MAX = 16
const CLASSES_AT = 0
/** Of each name: where its bytes are, and how many. */
const NAMES_AT = 256
const FROM_AT = NAMES_AT + NAMES_MAX * 8
const TO_AT = FROM_AT + NAMES_MAX * 4
const NAME_BYTES_AT = TO_AT + NAMES_MAX * 4
const LINES_AT = 64 * 1024
const LINES_BYTES_MAX = 1024 * 1024
const PAGES = (LINES_AT + LINES_BYTES_MAX) / (64 * 1024) + 1

interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer }
  readonly find: (at: number, end: number, count: number) => number
}

/** Where the values of fields begin, and end, in a line; −1: the line does not have it. */
interface Places {
  readonly from: Int32Array
  readonly to: Int32Array
}

/** Finds the values of some fields in flat lines of JSON. */
export class FlatScanner {
  readonly #find: Exports['find']
  readonly #count: number
  readonly #from: Int32Array
  readonly #to: Int32Array
  readonly #bytes: Uint8Array
  /** What to subtract from a place in their buffer. */
  #shift = 0

  private constructor({ memory, find }: Exports, names: readonly Buffer[]) {
    this.#find = find
    this.#count = names.length
    this.#bytes = new Uint8Array(memory.buffer)
    this.#from = new Int32Array(memory.buffer, FROM_AT, NAMES_MAX)
    this.#to = new Int32Array(memory.buffer, TO_AT, NAMES_MAX)
    const table = new Int32Array(memory.buffer, NAMES_AT, NAMES_MAX * 2)
    let at = NAME_BYTES_AT
    names.forEach((name, index) => {
      table.set([at, name.length], index * 2)
      this.#bytes.set(name, at)
      at += name.length
    })
    for (let byte = 0; byte < 256; byte++) {
      const endsText = byte < SPACE || byte === QUOTE || byte === BACKSLASH
      this.#bytes[CLASSES_AT + byte] = endsText ? 1 : 0
    }
  }

  /** Undefined where WebAssembly is not available, or for names that take too much room. */
  static create(names: readonly FieldName[]): FlatScanner | undefined {
    const bytes = names.map(each => Buffer.from(each.bytes, 'latin1'))
    const room = LINES_AT - NAME_BYTES_AT
    const isTooMuch = bytes.reduce((sum, each) => sum + each.length, 0) > room
    if (names.length > NAMES_MAX || isTooMuch) return undefined
    try {
      return new FlatScanner(instantiate(FUNCTIONS, PAGES) as Exports, bytes)
    } catch {
      return undefined // flat-json.ts does the same, slower
    }
  }

  /** Copies lines. False if they do not lie in one buffer, or take too much room. */
  load(lines: readonly Buffer[]): boolean {
    const [first, last] = [lines[0], lines.at(-1)]
    if (first === undefined || last === undefined || first.buffer !== last.buffer) return false
    const { byteOffset: start } = first
    const size = last.byteOffset + last.length - start
    if (size < 0 || size >= LINES_BYTES_MAX) return false
    this.#bytes.set(new Uint8Array(first.buffer, start, size), LINES_AT)
    this.#bytes[LINES_AT + size] = LINE_FEED
    this.#shift = start - LINES_AT
    return true
  }

  /**
   * Notes where the values of a loaded line begin and end, as `FlatFields.find` does. False: the
   * line is not flat, or no JSON; then nothing is known of its fields.
   */
  find(line: Buffer, found: Places): boolean {
    const at = line.byteOffset - this.#shift
    if (this.#find(at, at + line.length, this.#count) === 0) return false
    for (let field = 0; field < this.#count; field++) {
      const from = this.#from[field] as number
      found.from[field] = from < 0 ? -1 : from - at
      found.to[field] = (this.#to[field] as number) - at
    }
    return true
  }
}

// ── the functions ────────────────────────────────────────────────────────────────────────

const [BLANKS, TEXT_END, DIGITS_END, SCALAR_END, FIELD_AT] = [0, 1, 2, 3, 4]
const one = (local: number): Code => set(local, add(get(local), number(1)))
const is = (byte: Code, ...values: readonly number[]): Code =>
  values.map(value => isEqual(byte, number(value))).reduce((a, b) => or(a, b))
const word = (text: string): Code => number(Buffer.from(text, 'latin1').readInt32LE())
const NOTHING = give(number(-1))

/** (at, end) → behind the blanks, at most at the end. */
const blanks: WasmFunction = {
  name: 'blanks',
  params: 2,
  hasResult: true,
  locals: 1,
  body: [
    ...loop(
      when(isAtLeast(get(0), get(1)), give(get(0))),
      set(2, byteAt(get(0))),
      when(isAbove(get(2), number(SPACE)), give(get(0))),
      when(is(get(2), SPACE, LINE_FEED, CARRIAGE_RETURN, TAB), [...one(0), ...again(1)]),
    ),
    ...get(0),
  ],
}

/** (at) → behind the closing quote; −1: not a text, or one with escapes or control characters. */
const textEnd: WasmFunction = {
  name: 'textEnd',
  params: 1,
  hasResult: true,
  locals: 0,
  body: [
    ...when(isOther(byteAt(get(0)), number(QUOTE)), NOTHING),
    ...loop(
      one(0),
      when(isEqual(byteAt(byteAt(get(0)), CLASSES_AT), number(0)), again(1)),
    ),
    ...when(isEqual(byteAt(get(0)), number(QUOTE)), give(add(get(0), number(1)))),
    ...number(-1),
  ],
}

/** (at) → behind the digits. */
const digitsEnd: WasmFunction = {
  name: 'digitsEnd',
  params: 1,
  hasResult: true,
  locals: 0,
  body: [
    ...loop(
      when(isAbove(sub(byteAt(get(0)), number(ZERO)), number(9)), give(get(0))),
      one(0),
      again(),
    ),
    ...number(-1),
  ],
}

/** (at) → behind a number or a word; −1: it is neither. */
const scalarEnd: WasmFunction = {
  name: 'scalarEnd',
  params: 1,
  hasResult: true,
  locals: 2,
  body: [
    ...when(isEqual(wordAt(get(0)), word('true')), give(add(get(0), number(4)))),
    ...when(isEqual(wordAt(get(0)), word('null')), give(add(get(0), number(4)))),
    ...when(
      isEqual(wordAt(get(0)), word('fals')),
      when(isEqual(byteAt(get(0), 4), number(0x65)), give(add(get(0), number(5)))),
    ),
    ...when(isEqual(byteAt(get(0)), number(MINUS)), one(0)),
    ...set(1, get(0)),
    ...set(0, call(DIGITS_END, get(0))),
    ...when(isEqual(get(0), get(1)), NOTHING),
    ...when(
      isEqual(byteAt(get(1)), number(ZERO)),
      when(isOther(get(0), add(get(1), number(1))), NOTHING),
    ),
    ...when(isEqual(byteAt(get(0)), number(0x2e)), [
      ...set(1, call(DIGITS_END, add(get(0), number(1)))),
      ...when(isEqual(get(1), add(get(0), number(1))), NOTHING),
      ...set(0, get(1)),
    ]),
    ...when(isOther(or(byteAt(get(0)), number(0x20)), number(0x65)), give(get(0))),
    ...set(1, add(get(0), number(1))),
    ...when(is(byteAt(get(1)), 0x2b, MINUS), one(1)),
    ...set(2, call(DIGITS_END, get(1))),
    ...when(isEqual(get(1), get(2)), NOTHING),
    ...get(2),
  ],
}

/** (from, to, count) → which of the names this is; −1: none. */
const fieldAt: WasmFunction = {
  name: 'fieldAt',
  params: 3,
  hasResult: true,
  locals: 3, // the name, its bytes, a place in them
  body: [
    ...loop(
      when(isAtLeast(get(3), get(2)), NOTHING),
      when(
        isEqual(wordAt(multiply(get(3), number(8)), NAMES_AT + 4), sub(get(1), get(0))),
        [
          ...set(4, wordAt(multiply(get(3), number(8)), NAMES_AT)),
          ...set(5, get(0)),
          ...loop(
            when(isAtLeast(get(5), get(1)), give(get(3))),
            when(isEqual(byteAt(get(5)), byteAt(add(get(4), sub(get(5), get(0))))), [
              ...one(5),
              ...again(1),
            ]),
          ),
        ],
      ),
      one(3),
      again(),
    ),
    ...number(-1),
  ],
}

const isWhole = give(
  isEqual(call(BLANKS, add(get(0), number(1)), get(1)), get(1)),
)
const NO = give(number(0))
const toNext = (from: Code): Code => set(0, call(BLANKS, from, get(1)))

/** (at, end, count) → 1: the line is flat, and the values of its fields are noted; 0: it is not. */
const find: WasmFunction = {
  name: 'find',
  params: 3,
  hasResult: true,
  locals: 2, // a field, the end of a text or a value
  body: [
    ...loop(
      when(isLess(get(3), get(2)), [
        ...putWord(multiply(get(3), number(4)), number(-1), FROM_AT),
        ...one(3),
        ...again(1),
      ]),
    ),
    ...toNext(get(0)),
    ...when(isOther(byteAt(get(0)), number(OPENING_BRACE)), NO),
    ...toNext(add(get(0), number(1))),
    ...when(isEqual(byteAt(get(0)), number(CLOSING_BRACE)), isWhole),
    ...loop(
      set(4, call(TEXT_END, get(0))),
      when(isLess(get(4), number(0)), NO),
      set(3, call(FIELD_AT, add(get(0), number(1)), sub(get(4), number(1)), get(2))),
      toNext(get(4)),
      when(isOther(byteAt(get(0)), number(COLON)), NO),
      toNext(add(get(0), number(1))),
      when(
        isEqual(byteAt(get(0)), number(QUOTE)),
        set(4, call(TEXT_END, get(0))),
        set(4, call(SCALAR_END, get(0))),
      ),
      when(isLess(get(4), number(0)), NO),
      when(isAtLeast(get(3), number(0)), [
        ...putWord(multiply(get(3), number(4)), get(0), FROM_AT),
        ...putWord(multiply(get(3), number(4)), get(4), TO_AT),
      ]),
      toNext(get(4)),
      when(isEqual(byteAt(get(0)), number(CLOSING_BRACE)), isWhole),
      when(isOther(byteAt(get(0)), number(COMMA)), NO),
      toNext(add(get(0), number(1))),
      again(),
    ),
    ...number(0),
  ],
}

const FUNCTIONS = [blanks, textEnd, digitsEnd, scalarEnd, fieldAt, find]
