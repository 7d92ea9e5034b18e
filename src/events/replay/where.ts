/*
 * A small language to choose records, without eval:
 *
 *   payload.total > 100 and not (status = 'done' or key startsWith 'test-')
 *   timestamp >= '2016-01-31' and headers.kind != null
 *
 *   expression   and, or, not (also &&, ||, !), parentheses
 *   comparison   = != < <= > >= contains startsWith endsWith; a field alone: is it there, and
 *                neither null nor false?
 *   operand      key, value, offset, partition, timestamp, topic, headers.NAME, a path into the
 *                JSON of the value (total, payload.items[0].id, value.key), 'text', 12.5, true,
 *                null
 *
 * A field that is not there is equal to null. A number and a text that is one are compared as
 * numbers, and integers exactly. `timestamp` takes times in ISO 8601.
 */

import type { Header } from '../../model/batch/record.js'
import { PartlogError } from '../../model/errors.js'
import { JsonPaths } from '../text/field-path.js'
import { QUOTE } from '../text/byte-names.js'
import { NUMBER, timeFromIso, UTC } from '../text/time-text.js'

/** What an expression looks at. */
export interface ChosenRecord {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly timestamp: number
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: readonly Header[]
}

type Value = string | number | bigint | boolean | null
type Read = (record: ChosenRecord) => Value
type Test = (record: ChosenRecord) => boolean

const CHARACTERS_MAX = 4096
const DEPTH_MAX = 64

const NAME = String.raw`[\p{L}_$@](?:[\p{L}\p{N}_$@-]|\\.)*`
const STEP = String.raw`\.(?:[\p{L}\p{N}_$@-]|\\.)+|\[\d+\]|\["(?:[^"\\]|\\.)*"\]`
const TOKEN = new RegExp(
  [
    String.raw`\s*(?:(&&|\|\||[<>!=]=|[<>=!()])`,
    String.raw`'((?:[^'\\]|\\.)*)'`,
    String.raw`(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![\w.])`,
    `(${NAME}(?:${STEP})*)`,
    String.raw`"((?:[^"\\]|\\.)*)")`,
  ].join('|'),
  'uy',
)

interface Token {
  readonly kind: 'sign' | 'text' | 'number' | 'name' | 'end'
  readonly text: string
  readonly at: number
}

/** Compiles an expression. Throws INVALID_ARGUMENT with the place of a mistake. */
export function parseWhere(text: string): Test {
  if (text.length > CHARACTERS_MAX) throw wrong(text.slice(0, 40), 0, 'it is too long')
  return new Parser(text).parse()
}

function wrong(text: string, at: number, what: string): PartlogError {
  const place = `at character ${at + 1} of ${JSON.stringify(text)}`
  const sentence = `expected an expression like total > 100: ${what} ${place}`
  return new PartlogError('INVALID_ARGUMENT', sentence)
}

function tokensOf(text: string): Token[] {
  const tokens: Token[] = []
  TOKEN.lastIndex = 0
  for (let at = 0; text.slice(at).trim() !== ''; at = TOKEN.lastIndex) {
    TOKEN.lastIndex = at
    const match = TOKEN.exec(text)
    if (match === null) throw wrong(text, at, 'this is no word of it')
    const begin = TOKEN.lastIndex - match[0].trimStart().length
    tokens.push({ ...tokenOf(match), at: begin })
  }
  tokens.push({ kind: 'end', text: 'the end', at: text.length })
  return tokens
}

function tokenOf([, sign, single, number, name, double]: RegExpExecArray): Omit<Token, 'at'> {
  if (sign !== undefined) return { kind: 'sign', text: sign }
  if (number !== undefined) return { kind: 'number', text: number }
  if (name !== undefined) return { kind: 'name', text: name }
  return { kind: 'text', text: (single ?? double ?? '').replace(/\\(.)/gs, '$1') }
}

const SIGNS: Readonly<Record<string, string>> = { '&&': 'and', '||': 'or', '!': 'not', '==': '=' }

interface Operand {
  readonly read: Read
  readonly token: Token
}

class Parser {
  readonly #text: string
  readonly #tokens: readonly Token[]
  #at = 0
  #depth = 0

  constructor(text: string) {
    this.#text = text
    this.#tokens = tokensOf(text)
  }

  parse(): Test {
    const test = this.#either()
    if (this.#next.kind !== 'end') throw this.#wrong('and, or, or the end')
    return test
  }

  get #next(): Token {
    return this.#tokens[this.#at] as Token
  }

  /** Takes the next token if it is this word or sign. */
  #takes(word: string): boolean {
    const { kind, text } = this.#next
    const said = kind === 'sign' ? (SIGNS[text] ?? text) : text.toLowerCase()
    const isIt = (kind === 'sign' || kind === 'name') && said === word.toLowerCase()
    if (isIt) this.#at++
    return isIt
  }

  #wrong(expected: string): PartlogError {
    return wrong(this.#text, this.#next.at, `expected ${expected}, got ${this.#next.text}`)
  }

  #either(): Test {
    const tests = [this.#all()]
    while (this.#takes('or')) tests.push(this.#all())
    return tests.length === 1 ? (tests[0] as Test) : record => tests.some(test => test(record))
  }

  #all(): Test {
    const tests = [this.#not()]
    while (this.#takes('and')) tests.push(this.#not())
    return tests.length === 1 ? (tests[0] as Test) : record => tests.every(test => test(record))
  }

  #not(): Test {
    if (++this.#depth > DEPTH_MAX) throw this.#wrong(`at most ${DEPTH_MAX} of not and (`)
    try {
      if (this.#takes('not')) {
        const test = this.#not()
        return record => !test(record)
      }
      if (!this.#takes('(')) return this.#comparison()
      const test = this.#either()
      if (!this.#takes(')')) throw this.#wrong(')')
      return test
    } finally {
      this.#depth--
    }
  }

  #comparison(): Test {
    const left = this.#operand()
    const name = Object.keys(COMPARISONS).find(each => this.#takes(each))
    if (name === undefined) return isTrue(left.read)
    const right = this.#operand()
    const compare = COMPARISONS[name] as Compare
    const [a, b] = [this.#asTime(left, right), this.#asTime(right, left)]
    return record => compare(a(record), b(record))
  }

  #operand(): Operand {
    const token = this.#next
    const { kind, text } = token
    if (kind === 'end' || kind === 'sign') throw this.#wrong('a field, a text or a number')
    this.#at++
    if (kind === 'text') return { read: () => text, token }
    if (kind === 'number') {
      const number = numberOf(text)
      return { read: () => number, token }
    }
    return { read: Object.hasOwn(NAMED, text) ? (NAMED[text] as Read) : pathOf(text), token }
  }

  /** A text beside `timestamp` is a time. */
  #asTime({ read, token }: Operand, other: Operand): Read {
    if (token.kind !== 'text' || other.token.text !== 'timestamp') return read
    try {
      const ms = timeFromIso(token.text, UTC)
      return () => ms
    } catch (error) {
      throw wrong(this.#text, token.at, (error as Error).message)
    }
  }
}

function isTrue(read: Read): Test {
  return record => {
    const value = read(record)
    return value !== null && value !== false
  }
}

const NAMED: Readonly<Record<string, Read>> = {
  true: () => true,
  false: () => false,
  null: () => null,
  topic: ({ topic }) => topic,
  partition: ({ partition }) => partition,
  offset: ({ offset }) => offset,
  timestamp: ({ timestamp }) => (timestamp < 0 ? null : timestamp),
  key: ({ key }) => textOf(key),
  value: ({ value }) => textOf(value),
}

function textOf(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : asBuffer(bytes).toString('utf8')
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function pathOf(text: string): Read {
  const header = /^headers(?:\.(.+)|\["(.+)"\])$/s.exec(text)
  if (header !== null) {
    const name = (header[1] ?? header[2] ?? '').replace(/\\(.)/g, '$1')
    return ({ headers }) => textOf(headers.findLast(each => each.key === name)?.value ?? null)
  }
  const paths = new JsonPaths([text.replace(/^value(?=[.[])\.?/, '')])
  return ({ value }) => {
    if (value === null) return null
    const json = asBuffer(value)
    try {
      JSON.parse(json.toString('utf8'))
      const [token] = paths.tokens(json)
      return token === undefined ? null : valueOf(token)
    } catch {
      return null // the value is no JSON
    }
  }
}

function valueOf(token: Buffer): Value {
  const text = token.toString('utf8')
  if (token[0] === QUOTE) return JSON.parse(text) as string
  if (text === 'true' || text === 'false') return text === 'true'
  if (text === 'null') return null
  return /^[{[]/.test(text) ? text : numberOf(text)
}

/** An integer beyond 2^53 keeps its digits. */
function numberOf(text: string): number | bigint {
  const number = Number(text)
  return Number.isSafeInteger(number) || !/^-?\d{1,400}$/.test(text) ? number : BigInt(text)
}

// ── comparisons ──────────────────────────────────────────────────────────────────────────

type Compare = (a: Value, b: Value) => boolean

/** Two values of one kind, if they can be compared. */
function alike(a: Value, b: Value): readonly [Value, Value] {
  const isNumber = (value: Value): boolean => typeof value === 'number' || typeof value === 'bigint'
  if (isNumber(a) && typeof b === 'string' && NUMBER.test(b)) return [a, numberOf(b)]
  if (isNumber(b) && typeof a === 'string' && NUMBER.test(a)) return [numberOf(a), b]
  return [a, b]
}

function isOrdered(a: Value, b: Value): boolean {
  if (a === null || b === null) return false
  const isText = typeof a === 'string'
  return isText === (typeof b === 'string') && typeof a !== 'boolean' && typeof b !== 'boolean'
}

const ordered =
  (is: (a: string | number | bigint, b: string | number | bigint) => boolean): Compare =>
  (left, right) => {
    const [a, b] = alike(left, right)
    return isOrdered(a, b) && is(a as string, b as string)
  }

const ofTexts =
  (is: (a: string, b: string) => boolean): Compare =>
  (a, b) =>
    a !== null && b !== null && is(String(a), String(b))

function isEqual(left: Value, right: Value): boolean {
  const [a, b] = alike(left, right)
  if (typeof a === 'bigint' || typeof b === 'bigint') return isOrdered(a, b) && a == b
  return a === b
}

/** Longer signs first: `<=` is not `<`. */
const COMPARISONS: Readonly<Record<string, Compare>> = {
  '=': isEqual,
  '!=': (a, b) => !isEqual(a, b),
  '<=': ordered((a, b) => a <= b),
  '>=': ordered((a, b) => a >= b),
  '<': ordered((a, b) => a < b),
  '>': ordered((a, b) => a > b),
  contains: ofTexts((a, b) => a.includes(b)),
  startsWith: ofTexts((a, b) => a.startsWith(b)),
  endsWith: ofTexts((a, b) => a.endsWith(b)),
}
