/*
 * What happened in a run: one aligned line per change of state, with the world's time. Two runs of
 * one seed tell the same story, which its hash shows.
 */

import { HASH_START, hashOf } from './streams.js'

const WHO_WIDTH = 14
const HASH_DIGITS = 8

export class Story {
  readonly #lines: string[] = []
  readonly #nowMs: () => number
  #hash = HASH_START

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs
  }

  /** `who` is a broker, a process, a partition; `what` has no line breaks. */
  tell(who: string, what: string): void {
    const seconds = (this.#nowMs() / 1_000).toFixed(3).padStart(8)
    this.#add(`${seconds}  ${who.padEnd(WHO_WIDTH)} ${what}`)
  }

  get lines(): readonly string[] {
    return this.#lines
  }

  /** Equal for two runs in which the same things happened at the same times. */
  get hash(): string {
    return (this.#hash >>> 0).toString(16).padStart(HASH_DIGITS, '0')
  }

  #add(line: string): void {
    this.#lines.push(line)
    this.#hash = hashOf(line, this.#hash)
  }
}
