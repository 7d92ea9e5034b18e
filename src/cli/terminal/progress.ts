/* A progress bar, shown only if standard error is a terminal. */

import type { Clock } from '../../base/clock.js'
import { mayColor, type Output } from './output.js'

const WIDTH = 24
const INTERVAL_MS = 100

export class Progress {
  readonly #output: Output
  readonly #clock: Clock
  readonly #label: string
  #shownAtMs = -Infinity
  #isShown = false

  constructor(output: Output, clock: Clock, label: string) {
    this.#output = output
    this.#clock = clock
    this.#label = label
  }

  /** Shows the progress; without a `total` there is no bar, only the text. */
  show(done: number, total: number | undefined, text: string): void {
    if (!this.#output.isWatched) return
    const now = this.#clock.monotonicMs()
    if (now - this.#shownAtMs < INTERVAL_MS) return
    this.#shownAtMs = now
    this.#isShown = true
    const bar = total === undefined || total === 0 ? '' : `${barOf(done / total)} `
    this.#output.stderr.write(`\r\u001b[K${this.#label} ${bar}${text}`)
  }

  /** Removes the bar. */
  end(): void {
    if (this.#isShown) this.#output.stderr.write('\r\u001b[K')
  }
}

function barOf(share: number): string {
  const full = Math.min(WIDTH, Math.round(share * WIDTH))
  const bar = '█'.repeat(full) + '░'.repeat(WIDTH - full)
  return mayColor() ? `\u001b[32m${bar}\u001b[0m` : bar
}
