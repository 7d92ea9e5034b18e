/**
 * Finds the text of a field in a line of JSON. A number that was parsed is not what stands in the
 * line any more: 9007199254740993 is none, and 1.10 is 1.1.
 *
 * The line has been parsed before, so it is known to be JSON: here only strings, brackets and
 * blanks are told apart. It is read byte by byte (as Latin-1), so what is not UTF-8 inside of a
 * string stays what it is.
 */

import { isUtf8 } from 'node:buffer'

/**
 * The bytes of the value that stands under a name in the object of a line; undefined when there is
 * none, or the line is no object. Of several the last one, as JSON.parse has it.
 */
export function fieldToken(line: Buffer, name: string): Buffer | undefined {
  const text = line.toString('latin1')
  const wanted = Buffer.from(name).toString('latin1')
  let at = behindBlanks(text, 0)
  if (text[at] !== '{') return undefined
  let found: Buffer | undefined
  at = behindBlanks(text, at + 1)
  while (text[at] === '"') {
    const nameEnd = stringEnd(text, at)
    const isIt = isName(line, text, { from: at, to: nameEnd }, { name, wanted })
    const from = behindBlanks(text, behindBlanks(text, nameEnd) + 1)
    const to = valueEnd(text, from)
    if (isIt) found = line.subarray(from, to)
    at = behindBlanks(text, to)
    if (text[at] !== ',') break
    at = behindBlanks(text, at + 1)
  }
  return found
}

interface Span {
  readonly from: number
  readonly to: number
}

function isName(
  line: Buffer,
  text: string,
  { from, to }: Span,
  { name, wanted }: { readonly name: string; readonly wanted: string },
): boolean {
  const inner = text.slice(from + 1, to - 1)
  if (!inner.includes('\\')) return inner === wanted
  return JSON.parse(line.toString('utf8', from, to)) === name
}

/** The text of a token of a string. Throws when it has none that UTF-8 can hold. */
export function stringOf(token: Buffer): string {
  if (!isUtf8(token)) throw new Error('it is not UTF-8')
  const text = JSON.parse(token.toString('utf8')) as string
  if (hasLoneSurrogate(text)) throw new Error('it has half a character (a lone surrogate)')
  return text
}

/** UTF-8 has no bytes for such a text: two that differ would be stored as one. */
export function hasLoneSurrogate(text: string): boolean {
  return /\p{Surrogate}/u.test(text)
}

/** The bytes of an object or a list without the blanks between its tokens. */
export function compacted(token: Buffer): Buffer {
  const text = token.toString('latin1')
  const parts: string[] = []
  for (let at = 0; at < text.length;) {
    const end = text[at] === '"' ? stringEnd(text, at) : at + 1
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

/** Behind the quote that ends the string that begins at `from`. */
function stringEnd(text: string, from: number): number {
  let at = from + 1
  while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1
  return at + 1
}

function valueEnd(text: string, from: number): number {
  const first = text[from]
  if (first === '"') return stringEnd(text, from)
  if (first === '{' || first === '[') return bracketEnd(text, from)
  let at = from
  while (at < text.length && !isBlank(text, at) && !',]}'.includes(text[at] as string)) at++
  return at
}

function bracketEnd(text: string, from: number): number {
  let depth = 0
  for (let at = from; at < text.length;) {
    const character = text[at] as string
    if (character === '"') {
      at = stringEnd(text, at)
      continue
    }
    if (character === '{' || character === '[') depth++
    if (character === '}' || character === ']') depth--
    at++
    if (depth === 0) return at
  }
  return text.length
}
