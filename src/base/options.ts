/*
 * Options as tables: one row per option gives its default, its type for the compiler, its check
 * at run time and the sentence for a wrong value.
 *
 * Only own enumerable keys of the user's object are read. A key that is not in the table is an
 * error, because an ignored misspelling is worse than a refused one.
 */

export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

/** The values an option takes. */
export interface OptionType<T> {
  /** Completes the sentence "expected …". */
  readonly expected: string
  /** The value as given in code; undefined when it is not acceptable. */
  parse(value: unknown): T | undefined
  /**
   * The value of text (a stored topic setting, a command line). Blanks around numbers, flags and
   * words do not matter.
   */
  parseText(text: string): T | undefined
}

export interface Option<T> {
  readonly type: OptionType<T>
  readonly fallback: T
}

export type OptionTable = Readonly<Record<string, Option<unknown>>>

export type OptionValues<T extends OptionTable> = {
  readonly [K in keyof T]: T[K] extends Option<infer V> ? V : never
}

export function option<T>(type: OptionType<T>, fallback: T): Option<T> {
  return { type, fallback }
}

/** An option that may stay unset. */
export function optional<T>(type: OptionType<T>): Option<T | undefined> {
  return { type, fallback: undefined }
}

/** The largest int32: the maximum in many of Kafka's options and requests. */
export const INT_MAX = 2 ** 31 - 1

// ── types ────────────────────────────────────────────────────────────────────────────────

/** A safe integer in [min, max]. */
export function integer(min: number, max: number = Number.MAX_SAFE_INTEGER): OptionType<number> {
  const parse = (value: unknown): number | undefined =>
    Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max
      ? (value as number)
      : undefined
  return {
    expected: rangeSentence(min, max),
    parse,
    parseText: text =>
      /^\s*-?\d{1,19}\s*$/.test(text) && BigInt(text) <= LONG_MAX
        ? parse(clampToSafe(Number(text)))
        : undefined,
  }
}

function rangeSentence(min: number, max: number): string {
  if (max === Number.MAX_SAFE_INTEGER) return `a whole number of at least ${min}`
  return `a whole number from ${min} to ${max}`
}

/** The largest number of Kafka's settings. */
const LONG_MAX = 2n ** 63n - 1n

/** Kafka writes "forever" as 2^63 − 1; here the largest safe integer means the same. */
function clampToSafe(value: number): number {
  return Math.min(value, Number.MAX_SAFE_INTEGER)
}

const DECIMAL = /^\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*$/i

/** A finite number in [min, max]. */
export function ratio(min: number, max: number): OptionType<number> {
  const parse = (value: unknown): number | undefined =>
    typeof value === 'number' && value >= min && value <= max ? value : undefined
  return {
    expected: `a number from ${min} to ${max}`,
    parse,
    parseText: text => (DECIMAL.test(text) ? parse(Number(text)) : undefined),
  }
}

const FLAGS = new Map([
  ['true', true],
  ['false', false],
])

export const flag: OptionType<boolean> = {
  expected: 'true or false',
  parse: value => (typeof value === 'boolean' ? value : undefined),
  parseText: text => FLAGS.get(text.trim().toLowerCase()),
}

export const text: OptionType<string> = {
  expected: 'a non-empty string',
  parse: value => (typeof value === 'string' && value !== '' ? value : undefined),
  parseText: value => (value === '' ? undefined : value),
}

/** One of a few words (or numbers). */
export function oneOf<const T extends string | number>(...words: readonly T[]): OptionType<T> {
  return {
    expected: `one of ${words.map(word => JSON.stringify(word)).join(', ')}`,
    parse: value => words.find(word => word === value),
    parseText: value => words.find(word => String(word) === value.trim()),
  }
}

/** A value that only code can give: checked by `accepts`, never written as text. */
export function instance<T>(expected: string, accepts: (value: unknown) => boolean): OptionType<T> {
  return {
    expected,
    parse: value => (accepts(value) ? (value as T) : undefined),
    parseText: () => undefined,
  }
}

export function hasMethods(...names: readonly string[]): (value: unknown) => boolean {
  return value =>
    typeof value === 'object' &&
    value !== null &&
    names.every(name => typeof (value as Record<string, unknown>)[name] === 'function')
}

// ── reading ──────────────────────────────────────────────────────────────────────────────

/**
 * Reads `input` by `table`, fills in defaults and freezes the result. `what` begins the error's
 * sentence: "producer option lingerMs: expected …".
 */
export function readOptions<T extends OptionTable>(
  table: T,
  input: unknown,
  what: string,
): OptionValues<T> {
  const given = ownEntries(input ?? {}, what)
  const values = Object.create(null) as Record<string, unknown>
  for (const [key, row] of Object.entries(table)) values[key] = row.fallback
  for (const [key, value] of given) {
    const row = Object.hasOwn(table, key) ? table[key] : undefined
    if (row === undefined) throw new ConfigError(unknownKey(what, key, Object.keys(table)))
    if (value === undefined) continue
    const parsed = row.type.parse(value)
    if (parsed === undefined) {
      throw new ConfigError(`${what} ${key}: expected ${row.type.expected}, got ${show(value)}`)
    }
    values[key] = parsed
  }
  return Object.freeze(values) as OptionValues<T>
}

/** Own enumerable entries of a plain object; anything else is refused. */
export function ownEntries(input: unknown, what: string): [string, unknown][] {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) {
    throw new ConfigError(`${what}s: expected an object, got ${show(input)}`)
  }
  return Object.entries(input)
}

export function unknownKey(what: string, key: string, known: readonly string[]): string {
  const near = nearest(key, known)
  const hint = near === undefined ? `known are ${known.join(', ')}` : `did you mean ${near}?`
  return `${what} ${show(key)} does not exist: ${hint}`
}

/** A short text of any value for an error's sentence; long values are cut. */
export function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 60))
  if (typeof value === 'function') return 'a function'
  if (typeof value === 'bigint') return `${value}n`
  if (typeof value !== 'object' || value === null) return String(value)
  return Array.isArray(value) ? 'an array' : `an object (${typeNameOf(value)})`
}

/** The value may be parsed JSON: its constructor and the name of that may be anything. */
function typeNameOf({ constructor: type }: { readonly constructor?: unknown }): string {
  const name = typeof type === 'function' ? type.name : undefined
  return typeof name === 'string' ? name : 'no type'
}

/** The known word that is the fewest edits away, if it is near enough to suggest. */
function nearest(word: string, known: readonly string[]): string | undefined {
  let best: string | undefined
  let bestDistance = Math.min(3, Math.ceil(word.length / 3)) + 1
  for (const candidate of known) {
    // Words come over wires too: one of a megabyte must cost nothing.
    if (Math.abs(word.length - candidate.length) >= bestDistance) continue
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase())
    if (distance < bestDistance) {
      best = candidate
      bestDistance = distance
    }
  }
  return best
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const change = a[i - 1] === b[j - 1] ? 0 : 1
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + change))
    }
    row = next
  }
  return row[b.length]!
}
