/**
 * Commits for a consumer: when the application asks, and by itself every autoCommitIntervalMs with
 * what the application is done with. Commits go out one after the other, so an older one never
 * overwrites a newer one.
 */

import type { Clock, Timer } from '../base/clock.js'
import type { Logger } from '../base/logger.js'
import { SerialQueue } from '../base/tasks.js'
import { toPartlogError } from '../model/errors.js'
import type { ConsumerSettings } from './config.js'
import type { GroupClient } from './group-client.js'
import type { GroupOffset } from './offset-commit.js'
import type { PartitionState } from './partition-state.js'

export interface CommitterOptions {
  readonly group: GroupClient
  readonly clock: Clock
  readonly logger: Logger
  readonly settings: ConsumerSettings
  readonly states: () => Iterable<PartitionState>
  /** Aborts when the consumer is being closed. */
  readonly closing: AbortSignal
}

/**
 * How often the last commit of a consumer is tried: calls are not repeated when it closes, but a
 * coordinator that has just died has a successor at once.
 */
const TRIES_AT_CLOSE = 3

export class Committer {
  readonly #options: CommitterOptions
  readonly #queue = new SerialQueue()
  #timer: Timer | undefined
  #isAutoCommitting = false

  constructor(options: CommitterOptions) {
    this.#options = options
    if (options.settings.enableAutoCommit) this.#schedule()
  }

  /** Commits these offsets, after all commits that were asked for before. */
  async commit(offsets: readonly GroupOffset[]): Promise<void> {
    const { stay } = this.#options.group
    await this.#queue.run(async () => {
      const states = [...this.#options.states()].map(state => [state, state.processed] as const)
      await this.#options.group.commit(offsets, stay)
      for (const [state, processed] of states) {
        const done = offsets.findLast(
          ({ topic, partition }) => topic === state.topic && partition === state.partition,
        )
        if (done === undefined) continue
        state.committed = done.offset
        state.processedAtCommit = processed
      }
    })
  }

  /** Commits what the application is done with and what is not committed yet. */
  async commitProcessed(): Promise<void> {
    const offsets: GroupOffset[] = []
    for (const state of this.#options.states()) {
      const { topic, partition, processed, committed, processedAtCommit } = state
      if (processed === undefined) continue
      if (processed === committed || processed === processedAtCommit) continue
      offsets.push({ topic, partition, offset: processed, metadata: '', leaderEpoch: -1 })
    }
    if (offsets.length > 0) await this.commit(offsets)
  }

  /** The last commit, if commits are automatic; a failure means that records are read again. */
  async close(): Promise<void> {
    this.#timer?.cancel()
    if (this.#options.settings.enableAutoCommit) await this.tryCommitProcessed()
    await this.#queue.idle()
  }

  #schedule(): void {
    const { clock, settings } = this.#options
    const onTime = (): void => {
      this.#schedule()
      if (!this.#isAutoCommitting) void this.tryCommitProcessed()
    }
    this.#timer = clock.after(settings.autoCommitIntervalMs, onTime, 'background')
  }

  /** As commitProcessed; a failure is reported only, the records come again. */
  async tryCommitProcessed(): Promise<void> {
    this.#isAutoCommitting = true
    try {
      await this.#commitStubbornly()
    } catch (error) {
      const sentence = 'offsets could not be committed; records since the last commit come again'
      this.#options.logger.warn(sentence, { error })
    } finally {
      this.#isAutoCommitting = false
    }
  }

  async #commitStubbornly(): Promise<void> {
    for (let tries = 1; ; tries++) {
      try {
        return await this.commitProcessed()
      } catch (error) {
        const isLast = !this.#options.closing.aborted || tries >= TRIES_AT_CLOSE
        if (isLast || !toPartlogError(error).retriable) throw error
      }
    }
  }
}
