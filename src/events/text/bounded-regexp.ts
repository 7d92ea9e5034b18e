/*
 * Regular expressions of users on lines of others: some expressions take years for some lines. Here
 * a line gets a bounded time, and the expression is interrupted when that is over.
 *
 * Only a script of node:vm can be interrupted, and to start one costs as much as matching many
 * lines. So lines come many at a time, and the clock runs for all of them: if it runs out, the line
 * that was under way is tried again alone.
 */

import { PartlogError } from '../../model/errors.js'

/** The most time that an expression may take for a line. */
const MATCH_LIMIT_MS = 1_000

/** A line is tried twice: the process may have stood still meanwhile. */
const TRIES = 2

/** Takes the place of a match that took too long. */
export const TOO_SLOW = Symbol('too slow')

export type Match = RegExpExecArray | null | typeof TOO_SLOW

interface ScriptModule {
  readonly Script: new (source: string) => {
    runInContext(context: object, options: { readonly timeout: number }): unknown
  }
  readonly createContext: (globals: object) => object
}

const vm = () => process.getBuiltinModule('node:vm') as unknown as ScriptModule

const FLAGS = 'dimsuv'

/** An expression as the user writes it: `…`, or `/…/i` with flags. Throws INVALID_ARGUMENT. */
export function parseRegExp(text: string): RegExp {
  const slashes = /^\/(.+)\/([a-z]*)$/s.exec(text)
  const [source, flags] = slashes === null ? [text, ''] : [slashes[1] as string, slashes[2]]
  try {
    if ([...(flags ?? '')].some(flag => !FLAGS.includes(flag))) {
      throw new Error(`flags: expected some of ${FLAGS}`)
    }
    return new RegExp(source, flags)
  } catch (error) {
    const why = (error as Error).message
    throw new PartlogError('INVALID_ARGUMENT', `expected a regular expression: ${why}`)
  }
}

export class BoundedRegExp {
  readonly #expression: RegExp
  readonly #limitMs: number
  #lines: readonly string[] = []
  #matches: Match[] = []
  /** Started when the first lines come. */
  #run: (() => void) | undefined

  constructor(expression: RegExp, limitMs = MATCH_LIMIT_MS) {
    this.#expression = new RegExp(expression.source, expression.flags.replace(/[gy]/g, ''))
    this.#limitMs = limitMs
  }

  /** The names of the groups, in their order. */
  get groups(): readonly string[] {
    const { source } = this.#expression
    return [...source.matchAll(/(?<!\\)\(\?<([\p{ID_Start}$_][\p{ID_Continue}$]*)>/gu)].map(
      each => each[1] as string,
    )
  }

  /** The match of each line, null where there is none, TOO_SLOW where it took too long. */
  matchAll(lines: readonly string[]): readonly Match[] {
    this.#lines = lines
    this.#matches = []
    this.#run ??= this.#script()
    let stuck = 0
    while (this.#matches.length < lines.length) {
      const before = this.#matches.length
      try {
        this.#run()
      } catch (error) {
        if (!isTimeout(error)) throw error
        stuck = this.#matches.length === before ? stuck + 1 : 0
        if (stuck < TRIES) continue
        this.#matches.push(TOO_SLOW)
        stuck = 0
      }
    }
    return this.#matches
  }

  #script(): () => void {
    const { Script, createContext } = vm()
    const work = (): void => {
      for (let index = this.#matches.length; index < this.#lines.length; index++) {
        this.#matches.push(this.#expression.exec(this.#lines[index] as string))
      }
    }
    const context = createContext({ work })
    const script = new Script('work()')
    return () => void script.runInContext(context, { timeout: this.#limitMs })
  }
}

function isTimeout(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ERR_SCRIPT_EXECUTION_TIMEOUT'
}
