/* A progress bar, with rate and time left, shown only if standard error is a terminal. */

import type { Clock } from '../../base/clock.js'
import { mayColor, type Output } from './output.js'
import { grouped } from './table.js'

const WIDTH = 24
const INTERVAL_MS = 100
/** Before that a rate says little. */
const RATE_AFTER_MS = 1_000

export class Progress {
  readonly #output: Output
  readonly #clock: Clock
  readonly #label: string
  readonly #startedMs: number
  #shownAtMs = -Infinity
  #isShown = false

  constructor(output: Output, clock: Clock, label: string) {
    this.#output = output
    this.#clock = clock
    this.#label = label
    this.#startedMs = clock.monotonicMs()
  }

  /**
   * Shows the progress; without a `total` there is no bar and no time left. `count`: what is
   * counted each second, if that is not what is done.
   */
  show(done: number, total: number | undefined, text: string, count = done): void {
    if (!this.#output.isWatched) return
    const now = this.#clock.monotonicMs()
    if (now - this.#shownAtMs < INTERVAL_MS) return
    this.#shownAtMs = now
    this.#isShown = true
    const bar = total === undefined || total === 0 ? '' : `${barOf(done / total)} `
    const rate = this.#rateText(count, total === undefined ? undefined : done / total)
    this.#output.stderr.write(`\r\u001b[K${this.#label} ${bar}${text}${rate}`)
  }

  #rateText(count: number, share: number | undefined): string {
    const ms = this.#clock.monotonicMs() - this.#startedMs
    if (ms < RATE_AFTER_MS) return ''
    const rate = `, ${grouped((count / ms) * 1_000)}/s`
    if (share === undefined || !(share > 0)) return rate
    return `${rate}, ${leftText((ms / share) * (1 - Math.min(1, share)))} left`
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

/** 42 s, 3:07 min, 2:05 h */
function leftText(ms: number): string {
  const seconds = Math.ceil(ms / 1_000)
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.floor(seconds / 60)
  const two = (value: number): string => String(value).padStart(2, '0')
  if (minutes < 60) return `${minutes}:${two(seconds % 60)} min`
  return `${Math.floor(minutes / 60)}:${two(minutes % 60)} h`
}
