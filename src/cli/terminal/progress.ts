/** A bar on a terminal's standard error; nothing anywhere else. */

import type { Clock } from '../../base/clock.js'
import { mayColor, type Output } from './output.js'

const WIDTH = 24
const EVERY_MS = 100

export class Progress {
  readonly #output: Output
  readonly #clock: Clock
  readonly #what: string
  #shownAtMs = -Infinity
  #isShown = false

  constructor(output: Output, clock: Clock, what: string) {
    this.#output = output
    this.#clock = clock
    this.#what = what
  }

  /** Shows how far things are; `total` undefined when nobody knows. */
  show(done: number, total: number | undefined, text: string): void {
    if (!this.#output.isWatched) return
    const now = this.#clock.monotonicMs()
    if (now - this.#shownAtMs < EVERY_MS) return
    this.#shownAtMs = now
    this.#isShown = true
    const bar = total === undefined || total === 0 ? '' : `${barOf(done / total)} `
    this.#output.stderr.write(`\r\u001b[K${this.#what} ${bar}${text}`)
  }

  /** Takes the bar away. */
  end(): void {
    if (this.#isShown) this.#output.stderr.write('\r\u001b[K')
  }
}

function barOf(share: number): string {
  const full = Math.min(WIDTH, Math.round(share * WIDTH))
  const bar = '█'.repeat(full) + '░'.repeat(WIDTH - full)
  return mayColor() ? `\u001b[32m${bar}\u001b[0m` : bar
}
