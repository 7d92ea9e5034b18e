/*
 * Finds the text of a field in a line of JSON. Parsing would change some numbers: 9007199254740993
 * becomes 9007199254740992, and 1.10 becomes 1.1.
 *
 * The line was parsed before, so it is valid JSON, and it is enough to recognize strings, brackets
 * and blanks here. It is read byte by byte (as Latin-1), so bytes of a string that are not UTF-8
 * stay the same.
 */

import {
  QUOTE,
  COMMA,
  OPENING_BRACKET,
  BACKSLASH,
  CLOSING_BRACKET,
  OPENING_BRACE,
  CLOSING_BRACE,
} from './byte-names.js'
import { isUtf8 } from 'node:buffer'


/** The name of a field to find. */
export class FieldName {
  /** Its UTF-8 bytes, each as one character. */
  readonly bytes: string

  constructor(readonly name: string) {
    this.bytes = Buffer.from(name).toString('latin1')
  }
}

/**
 * The bytes of the values of some fields, in the order of `names`; undefined for a field that the
 * line does not have, and for all if the line is not an object. If a field stands there several
 * times, the last value counts, as with JSON.parse.
 */
export function fieldTokens(
  line: Buffer,
  names: readonly (FieldName | undefined)[],
): (Buffer | undefined)[] {
  const text = line.toString('latin1')
  const found = new Array<Buffer | undefined>(names.length)
  let at = behindBlanks(text, 0)
  if (text.charCodeAt(at) !== OPENING_BRACE) return found
  at = behindBlanks(text, at + 1)
  while (text.charCodeAt(at) === QUOTE) {
    const nameEnd = stringEnd(text, at)
    const inner = text.slice(at + 1, nameEnd - 1)
    const escaped = inner.includes('\\') ? nameOf(line.subarray(at, nameEnd)) : undefined
    const from = behindBlanks(text, behindBlanks(text, nameEnd) + 1)
    const to = valueEnd(text, from)
    for (let index = 0; index < names.length; index++) {
      const isIt =
        escaped === undefined ? names[index]?.bytes === inner : names[index]?.name === escaped
      if (isIt) found[index] = line.subarray(from, to)
    }
    at = behindBlanks(text, to)
    if (text.charCodeAt(at) !== COMMA) break
    at = behindBlanks(text, at + 1)
  }
  return found
}

/** The bytes of an element of a list, counted from 0; undefined if there is none. */
export function elementToken(list: Buffer, index: number): Buffer | undefined {
  const text = list.toString('latin1')
  let at = behindBlanks(text, 0)
  if (text.charCodeAt(at) !== OPENING_BRACKET) return undefined
  at = behindBlanks(text, at + 1)
  if (text.charCodeAt(at) === CLOSING_BRACKET) return undefined
  for (let skipped = 0; ; skipped++) {
    const to = valueEnd(text, at)
    if (skipped === index) return list.subarray(at, to)
    const end = behindBlanks(text, to)
    if (text.charCodeAt(end) !== COMMA) return undefined
    at = behindBlanks(text, end + 1)
  }
}

function nameOf(token: Buffer): string {
  return JSON.parse(token.toString('utf8')) as string
}

/** The text of a string token. Throws if UTF-8 cannot represent it. */
export function stringOf(token: Buffer): string {
  if (!isUtf8(token)) throw new Error('it is not UTF-8')
  const text = JSON.parse(token.toString('utf8')) as string
  if (hasLoneSurrogate(text)) throw new Error('it has a lone surrogate, half a character')
  return text
}

/** UTF-8 cannot represent a lone surrogate: different texts would be stored as the same bytes. */
export function hasLoneSurrogate(text: string): boolean {
  return /\p{Surrogate}/u.test(text)
}

/** The bytes of an object or a list without the blanks between its tokens. */
export function compacted(token: Buffer): Buffer {
  const text = token.toString('latin1')
  const parts: string[] = []
  for (let at = 0; at < text.length;) {
    const end = text.charCodeAt(at) === QUOTE ? stringEnd(text, at) : at + 1
    if (!isBlank(text, at)) parts.push(text.slice(at, end))
    at = end
  }
  return Buffer.from(parts.join(''), 'latin1')
}

function isBlank(text: string, at: number): boolean {
  const code = text.charCodeAt(at)
  return code === 0x20 || code === 0x09 || code === 0x0a || code === 0x0d
}

function behindBlanks(text: string, from: number): number {
  let at = from
  while (isBlank(text, at)) at++
  return at
}

/** The position after the closing quote of the string that begins at `from`. */
function stringEnd(text: string, from: number): number {
  let at = text.indexOf('"', from + 1)
  while (isEscaped(text, at)) at = text.indexOf('"', at + 1)
  return at + 1
}

function isEscaped(text: string, at: number): boolean {
  let first = at
  while (text.charCodeAt(first - 1) === BACKSLASH) first--
  return (at - first) % 2 === 1
}

function valueEnd(text: string, from: number): number {
  const first = text.charCodeAt(from)
  if (first === QUOTE) return stringEnd(text, from)
  if (first === OPENING_BRACE || first === OPENING_BRACKET) return bracketEnd(text, from)
  let at = from
  while (at < text.length && !isBlank(text, at) && !isEnd(text.charCodeAt(at))) at++
  return at
}

function isEnd(code: number): boolean {
  return code === COMMA || code === CLOSING_BRACE || code === CLOSING_BRACKET
}

function bracketEnd(text: string, from: number): number {
  let depth = 0
  for (let at = from; at < text.length;) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) {
      at = stringEnd(text, at)
      continue
    }
    if (code === OPENING_BRACE || code === OPENING_BRACKET) depth++
    if (code === CLOSING_BRACE || code === CLOSING_BRACKET) depth--
    at++
    if (depth === 0) return at
  }
  return text.length
}
