/*
 * How much of a follower's log is as durable as the cluster promises. Only that much may count for
 * its leader, so a follower fetches more, and reports a new log start, when what it has is settled.
 * In 'process' mode everything is, as soon as it is written.
 */

import type { Log } from '../log/store/log.js'
import type { Offset } from '../model/units.js'
import type { Durability } from './roles.js'

export class Settled {
  readonly #log: Log
  readonly #durability: Durability
  #logStart: Offset

  constructor(log: Log, durability: Durability) {
    this.#log = log
    this.#durability = durability
    this.#logStart = log.logStartOffset
  }

  /** True if records are settled as soon as they are appended. */
  get isAtOnce(): boolean {
    return this.#durability === 'process'
  }

  /** The log start that the follower reports: no restart brings back records below it. */
  get logStart(): Offset {
    return this.#logStart
  }

  /** True if everything appended is settled; if not, requests a flush. */
  get isAll(): boolean {
    const log = this.#log
    if (this.isAtOnce || log.durableEndOffset >= log.logEndOffset) return true
    log.requestFlush()
    return false
  }

  /** Settles what was appended. Rejects with KAFKA_STORAGE_ERROR while the disk is full. */
  async settle(): Promise<void> {
    if (!this.isAtOnce) await this.#log.flushUnlessStalled()
  }

  /** Settles the log start. */
  async settleLogStart(): Promise<void> {
    const { logStartOffset } = this.#log
    if (logStartOffset <= this.#logStart) return
    if (!this.isAtOnce) await this.#log.saveLogStart()
    this.#logStart = Math.max(this.#logStart, logStartOffset)
  }

  /** The log was truncated, or begins anew: its start may have gone back. */
  truncated(): void {
    this.#logStart = Math.min(this.#logStart, this.#log.logStartOffset)
  }
}
