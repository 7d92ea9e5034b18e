/*
 * Expressions that match names: of topics, of transactional ids. Kafka's are RE2: they match whole
 * names, have no look-around and no back references. JavaScript reads what is left alike, but it
 * may take long for it: expressions are short, and one that repeats a repetition is refused.
 */

import { PartlogError } from './errors.js'

const PATTERN_CHARS_MAX = 256

/** What RE2 does not have: look-around, back references. */
const NOT_RE2 = /\(\?(?:=|!|<=|<!)|\\[1-9]|\\k</

/**
 * A group that ends in a repetition and is repeated, as in `(a+)+` or `(a*b*){2,}`: a backtracking
 * engine may take exponential time for it.
 */
const NESTED_REPETITION = /[*+}]\??\)(?:[*+]|\{\d+,)/

/** An expression for whole names; `what` it is. Throws INVALID_REGULAR_EXPRESSION. */
export function namePattern(text: string, what: string): RegExp {
  const refusal = (why: string): PartlogError => {
    const shown = text.slice(0, PATTERN_CHARS_MAX)
    const sentence = `${what} "${shown}" is not a valid regular expression: ${why}`
    return new PartlogError('INVALID_REGULAR_EXPRESSION', sentence)
  }
  if (text.length > PATTERN_CHARS_MAX) throw refusal(`it has ${text.length} characters`)
  if (NOT_RE2.test(text)) throw refusal('RE2 has no look-around and no back references')
  if (NESTED_REPETITION.test(text)) throw refusal('it repeats a repetition')
  try {
    // RE2 writes a named group as (?P<name>…).
    return new RegExp(`^(?:${text.replaceAll('(?P<', '(?<')})$`, 'u')
  } catch (error) {
    throw refusal((error as Error).message)
  }
}
