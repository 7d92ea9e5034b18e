/**
 * Commits for a consumer: when the application asks, and by itself every autoCommitIntervalMs with
 * what the application is done with. Commits go out one after the other, so an older one never
 * overwrites a newer one.
 */

import { Alarm } from '../../base/alarm.js'
import type { Clock } from '../../base/clock.js'
import type { Logger } from '../../base/logger.js'
import { SerialQueue } from '../../base/tasks.js'
import { PartlogError, toPartlogError } from '../../model/errors.js'
import type { GroupClient } from '../group/group-client.js'
import type { GroupOffset } from '../line/offset-commit.js'
import type { ConsumerSettings } from './consumer-config.js'
import type { PartitionState } from './partition-state.js'

export interface CommitterOptions {
  readonly group: GroupClient
  readonly clock: Clock
  readonly logger: Logger
  readonly settings: ConsumerSettings
  readonly states: () => Iterable<PartitionState>
  /** Something that was read is not there any more. */
  readonly onGone: () => void
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
  readonly #alarm: Alarm
  #isAutoCommitting = false

  constructor(options: CommitterOptions) {
    this.#options = options
    const { clock, settings } = options
    this.#alarm = new Alarm(clock, () => this.#onTime(), 'background')
    if (settings.enableAutoCommit) this.#alarm.set(settings.autoCommitIntervalMs)
  }

  /**
   * Commits these offsets, after all commits that were asked for before. Throws
   * UNKNOWN_TOPIC_OR_PARTITION when one of them is for a partition that is not there; the others
   * are committed then.
   */
  async commit(offsets: readonly GroupOffset[]): Promise<void> {
    const [gone] = await this.#commit(offsets)
    if (gone === undefined) return
    const { topic, partition } = gone
    const sentence = `partition ${topic}-${partition} does not exist: nothing is committed for it`
    throw new PartlogError('UNKNOWN_TOPIC_OR_PARTITION', `${sentence}, the others are`)
  }

  /** The same, for what this consumer has read: what is gone cannot be read again. */
  async commitRead(offsets: readonly GroupOffset[]): Promise<void> {
    const gone = await this.#commit(offsets)
    if (gone.length === 0) return
    const names = gone.map(({ topic, partition }) => `${topic}-${partition}`)
    const sentence = `${names.join(', ')}: nothing is committed for partitions that are gone`
    this.#options.logger.warn(sentence)
    for (const state of this.#options.states()) {
      if (gone.some(each => isOf(each, state))) state.markDeliveredProcessed()
    }
  }

  async #commit(offsets: readonly GroupOffset[]): Promise<GroupOffset[]> {
    const { group, states, onGone } = this.#options
    const { stay } = group
    return await this.#queue.run(async () => {
      const before = [...states()].map(state => ({ state, ...noted(state) }))
      const gone = await group.commit(offsets, stay)
      for (const { state, processed, version } of before) {
        const done = offsets.findLast(each => isOf(each, state))
        if (done === undefined) continue
        state.processedAtCommit = processed
        if (gone.includes(done)) continue
        state.committed = done.offset
        if (state.version === version) state.mayCommitBack = false
      }
      if (gone.length > 0) onGone()
      return gone
    })
  }

  /**
   * Commits what the application is done with and what is not committed yet. What was committed
   * stays: a commit goes back only where the position was moved back, by a seek or because the log
   * was cut or is another one.
   */
  async commitProcessed(): Promise<void> {
    const offsets: GroupOffset[] = []
    for (const state of this.#options.states()) {
      const { processed, committed, processedAtCommit, mayCommitBack } = state
      if (processed === undefined) continue
      if (processed === committed || processed === processedAtCommit) continue
      if (processed < (committed ?? 0) && !mayCommitBack) continue
      offsets.push(state.offsetToCommit(processed))
    }
    if (offsets.length > 0) await this.commitRead(offsets)
  }

  /** The last commit, if commits are automatic; a failure means that records are read again. */
  async close(): Promise<void> {
    this.#alarm.cancel()
    if (this.#options.settings.enableAutoCommit) await this.tryCommitProcessed()
    await this.#queue.idle()
  }

  #onTime(): void {
    this.#alarm.set(this.#options.settings.autoCommitIntervalMs)
    if (!this.#isAutoCommitting) void this.tryCommitProcessed()
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

function isOf({ topic, partition }: GroupOffset, state: PartitionState): boolean {
  return topic === state.topic && partition === state.partition
}

function noted({ processed, version }: PartitionState) {
  return { processed, version }
}
