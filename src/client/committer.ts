/**
 * Commits for a consumer: when the application asks, and by itself every autoCommitIntervalMs with
 * what the application is done with. Commits go out one after the other, so an older one never
 * overwrites a newer one.
 */

import type { Clock, Timer } from '../base/clock.js'
import type { Logger } from '../base/logger.js'
import { SerialQueue } from '../base/tasks.js'
import type { ConsumerSettings } from './config.js'
import type { GroupClient, GroupOffset } from './group-client.js'
import type { PartitionState } from './partition-state.js'

export interface CommitterOptions {
  readonly group: GroupClient
  readonly clock: Clock
  readonly logger: Logger
  readonly settings: ConsumerSettings
  readonly states: () => Iterable<PartitionState>
}

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
      await this.commitProcessed()
    } catch (error) {
      const sentence = 'offsets could not be committed; records since the last commit come again'
      this.#options.logger.warn(sentence, { error })
    } finally {
      this.#isAutoCommitting = false
    }
  }
}
