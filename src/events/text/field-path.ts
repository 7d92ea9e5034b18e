/*
 * Names a value inside an event: `id`, `payload.after.id`, `$.items[0].id`, `a\.b` or `["a.b"]` for
 * a name with a dot. `$` alone is the whole event.
 *
 * If a path leads to nothing, a field of the event with exactly this text as its name counts, as in
 * {"log.level":"info"}.
 */

import { PartlogError } from '../../model/errors.js'
import { elementToken, FieldName, fieldTokens } from './json-token.js'

/** A field of an object, or an element of a list. */
export type PathStep = FieldName | number

const STEPS_MAX = 64
const PATH_CHARACTERS_MAX = 4096

const BRACKET = /^\[(?:(\d{1,9})|"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)')\]/

/** The steps of a path. Throws INVALID_ARGUMENT if the text is not a path. */
function pathSteps(text: string): readonly PathStep[] {
  if (text.length > PATH_CHARACTERS_MAX) throw notPath(text.slice(0, 60), 'it is too long')
  const steps: PathStep[] = []
  let rest = text === '$' || /^\$[.[]/.test(text) ? text.slice(1) : text
  if (rest === text && !text.startsWith('[')) rest = `.${text}`
  while (rest !== '') {
    if (steps.length === STEPS_MAX) throw notPath(text, `it has more than ${STEPS_MAX} steps`)
    const bracket = BRACKET.exec(rest)
    if (bracket !== null) {
      const [whole, index, double, single] = bracket
      steps.push(index === undefined ? new FieldName(unescaped(double ?? single ?? '')) : +index)
      rest = rest.slice(whole.length)
      continue
    }
    const name = /^\.((?:[^.[\\]|\\.)+)/.exec(rest)
    if (name === null) throw notPath(text, `at ${JSON.stringify(rest.slice(0, 20))}`)
    steps.push(new FieldName(unescaped(name[1] as string)))
    rest = rest.slice(name[0].length)
  }
  return steps
}

function unescaped(text: string): string {
  return text.replace(/\\(.)/g, '$1')
}

function notPath(text: string, why: string): PartlogError {
  return new PartlogError(
    'INVALID_ARGUMENT',
    `expected a field like id, payload.after.id or $.items[0].id, got ${JSON.stringify(text)} ` +
      `(${why}; a dot in a name is written as \\.)`,
  )
}

interface Wanted {
  /** The first step, if it is a name: found together with those of the other paths. */
  readonly first: number | undefined
  readonly steps: readonly PathStep[]
  /** The whole text as a name, for events without the path. */
  readonly literal: number | undefined
}

/** Finds the values of several paths in one event of valid JSON. */
export class JsonPaths {
  readonly #names: FieldName[] = []
  readonly #wanted: readonly Wanted[]
  /** Every path is the name of a field: the names are found in one pass. */
  readonly isFlat: boolean

  /** Throws INVALID_ARGUMENT if one of the texts is not a path. */
  constructor(paths: readonly string[]) {
    this.#wanted = paths.map(path => this.#want(path))
    this.isFlat = this.#wanted.every(each => each.first !== undefined && each.steps.length === 0)
  }

  /** The names of a flat set of paths, in their order. */
  get names(): readonly FieldName[] {
    return this.#wanted.map(({ first }) => this.#names[first as number] as FieldName)
  }

  #want(path: string): Wanted {
    const [first, ...steps] = pathSteps(path)
    if (!(first instanceof FieldName)) {
      const all = first === undefined ? [] : [first, ...steps]
      return { first: undefined, steps: all, literal: undefined }
    }
    const literal = steps.length === 0 ? undefined : this.#nameIndex(new FieldName(path))
    return { first: this.#nameIndex(first), steps, literal }
  }

  #nameIndex(name: FieldName): number {
    const known = this.#names.findIndex(each => each.name === name.name)
    return known >= 0 ? known : this.#names.push(name) - 1
  }

  /** The bytes of the values, in the order of the paths; undefined where there is none. */
  tokens(event: Buffer): (Buffer | undefined)[] {
    const found = this.#names.length === 0 ? [] : fieldTokens(event, this.#names)
    return this.#wanted.map(({ first, steps, literal }) => {
      const start = first === undefined ? event : found[first]
      const token = start === undefined ? undefined : tokenAt(start, steps)
      return token ?? (literal === undefined ? undefined : found[literal])
    })
  }
}

function tokenAt(start: Buffer, steps: readonly PathStep[]): Buffer | undefined {
  let token: Buffer | undefined = start
  for (const step of steps) {
    if (token === undefined) return undefined
    token = typeof step === 'number' ? elementToken(token, step) : fieldTokens(token, [step])[0]
  }
  return token
}
