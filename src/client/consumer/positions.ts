/*
 * Finds the position of each partition: the committed offset of the group, otherwise as
 * `autoOffsetReset` says. Also finds a new one when a position turns out to be outside of the log,
 * or the log to differ from what was read:
 *
 *   the leader's log diverges below the position,    an unclean election has truncated it:
 *   or has none of the epochs that were read         LOG_TRUNCATION
 *   the topic has another id                         it was recreated
 *   the position is below the log start              retention deleted the records first
 *
 * Lost records are always reported: with 'none' as an error, otherwise as a warning.
 *
 * How far the application has got (what counts as processed, and is committed) is kept in
 * partition-state.ts; consumer-api.ts says when a record counts.
 */

import type { Logger } from '../../base/logger.js'
import { PartlogError, toPartlogError } from '../../model/errors.js'
import { partitionName, type TopicPartition } from '../../model/names.js'
import type { Channel } from '../../protocol/channel.js'
import { LATEST_TIMESTAMP } from '../../protocol/messages/offsets.js'
import type { GroupClient } from '../group/group-client.js'
import type { EpochEnd } from '../line/epoch-trail.js'
import type { MetadataCache } from '../line/metadata-cache.js'
import { endOfEpoch, listOffsets, retryWhileExists, type ListedOffset } from '../line/requests.js'
import { withRetries, type RetryOptions } from '../line/retry.js'
import { isolationOf, type ConsumerSettings } from './consumer-config.js'
import type { PartitionState } from './partition-state.js'
import { resetTimestamp } from './reset-policy.js'

export interface PositionsOptions {
  readonly channel: Channel
  readonly metadata: MetadataCache
  readonly settings: ConsumerSettings
  readonly group: GroupClient | undefined
  readonly retry: RetryOptions
  readonly logger: Logger
}

export class Positions {
  readonly #options: PositionsOptions

  constructor(options: PositionsOptions) {
    this.#options = options
  }

  /** Finds a position for every state that has none, or sets the error that there is none. */
  async locate(states: readonly PartitionState[]): Promise<void> {
    const lost = states.filter(state => state.position === undefined)
    if (lost.length === 0) return
    const versions = new Map(lost.map(state => [state, state.version]))
    const committed = (await this.#options.group?.committed(lost)) ?? []
    const places = new Map(committed.map(each => [partitionName(each), each]))
    for (const state of lost) {
      const place = places.get(partitionName(state))
      if (place === undefined || state.version !== versions.get(state)) continue
      state.beginAt(place.offset, place.leaderEpoch)
    }
    await this.reset(
      lost.filter(state => state.position === undefined && state.version === versions.get(state)),
    )
  }

  /**
   * Moves states as `autoOffsetReset` says. When a partition cannot be read, only its own state
   * gets the error.
   */
  async reset(states: readonly PartitionState[]): Promise<void> {
    if (states.length === 0) return
    const { settings, retry } = this.#options
    const timestamp = resetTimestamp(settings.autoOffsetReset, retry.clock.now())
    if (timestamp === undefined) {
      for (const state of states) state.fail(noOffset(state))
      return
    }
    const versions = states.map(state => state.version)
    try {
      await this.moveTo(states, timestamp)
    } catch (error) {
      const { retriable, code } = toPartlogError(error)
      if (retriable && code !== UNKNOWN_TOPIC) throw error
      const each = (state: PartitionState): Promise<void> => this.moveTo([state], timestamp)
      const left = states.filter((state, index) => state.version === versions[index])
      await Promise.all(left.map(state => this.#orError(state, () => each(state))))
    }
  }

  /** Moves states to the offset of a (special) timestamp, unless they were moved meanwhile. */
  async moveTo(states: readonly PartitionState[], timestamp: number): Promise<void> {
    const versions = states.map(state => state.version)
    const places = states.map(({ topic, partition }) => ({ topic, partition }))
    const found = await this.#listOrEnd(places, timestamp)
    states.forEach((state, index) => {
      if (state.version !== versions[index]) return
      const { offset, leaderEpoch } = found[index] as ListedOffset
      state.moveTo(offset, leaderEpoch)
    })
  }

  /** When all records are older, the end. The end is fetched first, so that no record is missed. */
  async #listOrEnd(places: readonly TopicPartition[], timestamp: number): Promise<ListedOffset[]> {
    if (timestamp < 0) return await this.list(places, timestamp)
    const ends = await this.list(places, LATEST_TIMESTAMP)
    const found = await this.list(places, timestamp)
    return found.map((each, index) => (each.offset < 0 ? (ends[index] as ListedOffset) : each))
  }

  /** The offsets of one timestamp in several partitions, in their order. */
  async list(partitions: readonly TopicPartition[], timestamp: number): Promise<ListedOffset[]> {
    const { channel, metadata, retry, settings } = this.#options
    const isolation = isolationOf(settings)
    const queries = partitions.map(({ topic, partition }) => ({ topic, partition, timestamp }))
    const attempt = (): Promise<ListedOffset[]> =>
      listOffsets(channel, metadata, queries, isolation)
    return await retryWhileExists(metadata, queries, attempt, retry)
  }

  /** The first offsets that are not older than each partition's own timestamp. */
  async listTimes(
    queries: readonly (TopicPartition & { readonly timestamp: number })[],
  ): Promise<ListedOffset[]> {
    const { channel, metadata, retry, settings } = this.#options
    const isolation = isolationOf(settings)
    const attempt = (): Promise<ListedOffset[]> =>
      listOffsets(channel, metadata, queries, isolation)
    return await retryWhileExists(metadata, queries, attempt, retry)
  }

  // ── positions that turn out to be wrong ────────────────────────────────────────────────

  /** The leader's log diverges from what was read; they agree at most up to `end`. */
  diverged(state: PartitionState, end: EpochEnd): void {
    const { position } = state
    const offset = state.divergesBefore(end)
    if (offset === undefined) return
    const error = truncated(state, position as number, offset)
    if (this.#isStrict) {
      state.fail(error)
      return
    }
    this.#options.logger.warn(`${error.sentence}; reading continues there`)
    state.cutBackTo(offset, end.epoch)
  }

  /** A position is outside of its log: the log was truncated, or its beginning was deleted. */
  async recover(state: PartitionState, error: PartlogError): Promise<void> {
    if (state.state !== 'ready') return // another error comes first; a later fetch finds this again
    const { version, position } = state
    const epoch = position === undefined ? -1 : state.epochs.before(position)
    if (epoch < 0) return await this.#startOver(state, error)
    state.question()
    const end = await this.#endOf(state, epoch)
    if (state.version !== version || position === undefined) return
    if (end === 'not told') return await this.#startOver(state, error)
    if (end === undefined) return await this.#startOver(state, truncated(state, position))
    if (state.epochs.divergesAt(end) < position) return this.diverged(state, end)
    // The log agrees with what was read: its beginning was deleted.
    await this.#startOver(state, error)
  }

  /** The end of an epoch in the leader's log; undefined when the leader has no such epoch. */
  async #endOf(
    { topic, partition }: PartitionState,
    epoch: number,
  ): Promise<EpochEnd | undefined | 'not told'> {
    const { channel, metadata, retry } = this.#options
    const place = { topic, partition, epoch }
    try {
      return await withRetries(() => endOfEpoch(channel, metadata, place), retry)
    } catch (error) {
      this.#options.logger.debug(`cannot fetch the epochs of ${topic}-${partition}`, { error })
      return 'not told'
    }
  }

  /** The topic was recreated: all its records are new. */
  async readRecreated(state: PartitionState): Promise<void> {
    const { topic } = state
    const sentence = `topic ${topic} was deleted and recreated: reading starts over`
    this.#options.logger.warn(sentence)
    state.forgetAll()
    await this.find(state)
  }

  async #startOver(state: PartitionState, error: PartlogError): Promise<void> {
    if (this.#isStrict) {
      state.fail(error)
      return
    }
    const { autoOffsetReset } = this.#options.settings
    this.#options.logger.warn(`${error.sentence}; reading continues at '${autoOffsetReset}'`)
    state.forgetPosition()
    await this.#orError(state, () => this.reset([state]))
  }

  get #isStrict(): boolean {
    return this.#options.settings.autoOffsetReset === 'none'
  }

  /** Tries again to find a position. */
  async find(state: PartitionState): Promise<void> {
    await this.#orError(state, () => this.locate([state]))
  }

  /** Sets the error of a failed attempt, unless the state was moved meanwhile. */
  async #orError(state: PartitionState, attempt: () => Promise<void>): Promise<void> {
    const { version } = state
    try {
      await attempt()
    } catch (failure) {
      if (state.version !== version) return
      const error = toPartlogError(failure)
      // A deleted topic is no error: the group will rebalance without it.
      if (error.code === UNKNOWN_TOPIC) state.lose()
      else state.fail(error)
    }
  }
}

const UNKNOWN_TOPIC = 'UNKNOWN_TOPIC_OR_PARTITION'

function noOffset({ topic, partition }: PartitionState): PartlogError {
  return new PartlogError(
    'NO_OFFSET_FOR_PARTITION',
    `nothing is committed for ${topic}-${partition} and autoOffsetReset is 'none': seek first`,
  )
}

/** Kafka's LogTruncationException. `offset`: the first that is known to differ, if any. */
function truncated(state: PartitionState, position: number, offset?: number): PartlogError {
  const { topic, partition } = state
  const what = `${topic}-${partition} was truncated below position ${position}`
  const sentence =
    offset === undefined
      ? `${what}: the leader does not know the epoch of the last record read`
      : `${what}: records from offset ${offset} on differ from those read, or are not written yet`
  const place = offset === undefined ? {} : { record: { topic, partition, offset } }
  return new PartlogError('LOG_TRUNCATION', sentence, place)
}
