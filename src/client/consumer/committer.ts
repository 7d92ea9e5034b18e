/*
 * Commits offsets of a consumer: when the application asks, and automatically every
 * autoCommitIntervalMs for processed records (record-reader.ts says which those are). Commits are
 * sequential, so an older one never overwrites a newer one.
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
  /** Called when a partition that was read does not exist any more. */
  readonly onGone: () => void
  /** Aborts when the consumer is being closed. */
  readonly closing: AbortSignal
}

/**
 * How often the last commit of a consumer is tried. A closing consumer does not retry with pauses,
 * but a coordinator that has just died has a successor at once.
 */
const TRIES_AT_CLOSE = 3

export class Committer {
  readonly #options: CommitterOptions
  readonly #queue = new SerialQueue()
  readonly #alarm: Alarm
  readonly #startedAtMs: number
  #isAutoCommitting = false

  constructor(options: CommitterOptions) {
    this.#options = options
    const { clock } = options
    this.#alarm = new Alarm(clock, () => this.#onTime(), 'background')
    this.#startedAtMs = clock.monotonicMs()
  }

  /**
   * Records were taken or a position was moved: looks at the next of the moments that are
   * autoCommitIntervalMs apart, and from then on until there is nothing to commit or in hand. So
   * an idle consumer has no timer for it (one of three in a virtual hour).
   */
  rouse(): void {
    const { settings, clock, closing } = this.#options
    if (!settings.enableAutoCommit || this.#alarm.isSet || closing.aborted) return
    const passedMs = clock.monotonicMs() - this.#startedAtMs
    const { autoCommitIntervalMs: intervalMs } = settings
    this.#alarm.set(intervalMs - (passedMs % intervalMs))
  }

  /**
   * Commits these offsets, after all earlier commits. Throws UNKNOWN_TOPIC_OR_PARTITION when one of
   * them is for a partition that does not exist; the others are committed then.
   */
  async commit(offsets: readonly GroupOffset[]): Promise<void> {
    const [gone] = await this.#commit(offsets)
    if (gone === undefined) return
    const { topic, partition } = gone
    const sentence =
      `partition ${topic}-${partition} does not exist: its offset was not committed, ` +
      'the offsets of the other partitions were'
    throw new PartlogError('UNKNOWN_TOPIC_OR_PARTITION', sentence)
  }

  /** The same for records that this consumer has read; deleted partitions are only logged. */
  async commitRead(offsets: readonly GroupOffset[]): Promise<void> {
    this.#forget(await this.#commit(offsets))
  }

  #forget(gone: readonly GroupOffset[]): void {
    if (gone.length === 0) return
    const names = gone.map(({ topic, partition }) => `${topic}-${partition}`)
    const sentence = `${names.join(', ')}: no offset is committed for a deleted partition`
    this.#options.logger.warn(sentence)
    for (const state of this.#options.states()) {
      if (gone.some(each => isOf(each, state))) state.markDeliveredProcessed()
    }
  }

  async #commit(offsets: readonly GroupOffset[]): Promise<GroupOffset[]> {
    // Now: when its turn comes, more may have been processed than these offsets say.
    const send = this.#prepared(offsets)
    return await this.#queue.run(send)
  }

  /** The commit of these offsets by the member as it is now; resolves with those that are gone. */
  #prepared(offsets: readonly GroupOffset[]): () => Promise<GroupOffset[]> {
    const { group, states, onGone } = this.#options
    const { stay } = group
    const before = [...states()].map(state => ({ state, ...noted(state) }))
    return async () => {
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
    }
  }

  /**
   * Commits the processed records that are not committed yet. A commit goes back only if the
   * position was moved back: by a seek, or because the log was truncated or the topic recreated.
   */
  async commitProcessed(): Promise<void> {
    if (this.#uncommitted().length === 0) return
    // Looked at again when its turn comes: the commit before it may have gone further.
    const gone = await this.#queue.run(async () => {
      const offsets = this.#uncommitted()
      return offsets.length === 0 ? [] : await this.#prepared(offsets)()
    })
    this.#forget(gone)
  }

  #uncommitted(): GroupOffset[] {
    const offsets: GroupOffset[] = []
    for (const state of this.#options.states()) {
      const { processed } = state
      if (processed !== undefined && isDue(state)) offsets.push(state.offsetToCommit(processed))
    }
    return offsets
  }

  #isAny(is: (state: PartitionState) => boolean): boolean {
    for (const state of this.#options.states()) if (is(state)) return true
    return false
  }

  /** The last commit, if commits are automatic; a failure means that records are read again. */
  async close(): Promise<void> {
    this.#alarm.cancel()
    if (this.#options.settings.enableAutoCommit) await this.tryCommitProcessed()
    await this.#queue.idle()
  }

  #onTime(): void {
    const isAnyDue = this.#isAny(isDue)
    const isAtRest = !isAnyDue && !this.#isAutoCommitting && !this.#isAny(isInHand)
    if (!isAtRest) this.rouse()
    if (isAnyDue && !this.#isAutoCommitting) void this.tryCommitProcessed()
  }

  /** As commitProcessed, but only logs a failure: the records are delivered again. */
  async tryCommitProcessed(): Promise<void> {
    this.#isAutoCommitting = true
    try {
      await this.#commitStubbornly()
    } catch (error) {
      const sentence =
        'offsets could not be committed; records since the last commit may be delivered again'
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

/** A record was processed, or the position moved back, and no commit has said so. */
function isDue(state: PartitionState): boolean {
  const { processed, committed, processedAtCommit, mayCommitBack } = state
  if (processed === undefined) return false
  if (processed === committed || processed === processedAtCommit) return false
  return processed >= (committed ?? 0) || mayCommitBack
}

/** Records were taken that are not processed yet. */
function isInHand({ position, processed }: PartitionState): boolean {
  return position !== undefined && position !== processed
}

function isOf({ topic, partition }: GroupOffset, state: PartitionState): boolean {
  return topic === state.topic && partition === state.partition
}

function noted({ processed, version }: PartitionState) {
  return { processed, version }
}
