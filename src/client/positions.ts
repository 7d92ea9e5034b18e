/**
 * Finds out where to read: at what the group has committed, else where `autoOffsetReset` says. Also
 * after an offset has turned out to be outside of the log.
 */

import { PartlogError, toPartlogError } from '../model/errors.js'
import { partitionKey, type TopicPartition } from '../model/names.js'
import type { Channel } from '../protocol/channel.js'
import { EARLIEST_TIMESTAMP, LATEST_TIMESTAMP } from '../protocol/messages/offsets.js'
import type { ConsumerSettings } from './config.js'
import type { GroupClient } from './group-client.js'
import type { MetadataCache } from './metadata-cache.js'
import type { PartitionState } from './partition-state.js'
import { listOffsets, type ListedOffset } from './requests.js'
import { withRetries, type RetryOptions } from './retry.js'

export interface PositionsOptions {
  readonly channel: Channel
  readonly metadata: MetadataCache
  readonly settings: ConsumerSettings
  readonly group: GroupClient | undefined
  readonly retry: RetryOptions
}

export class Positions {
  readonly #options: PositionsOptions

  constructor(options: PositionsOptions) {
    this.#options = options
  }

  /** Gives every state without a position one, or the error that there is none to be had. */
  async locate(states: readonly PartitionState[]): Promise<void> {
    const lost = states.filter(state => state.position === undefined)
    if (lost.length === 0) return
    const versions = new Map(lost.map(state => [state, state.version]))
    const committed = (await this.#options.group?.committed(lost)) ?? []
    const places = new Map(committed.map(each => [keyOf(each), each.offset]))
    for (const state of lost) {
      const offset = places.get(keyOf(state))
      if (offset === undefined || state.version !== versions.get(state)) continue
      state.moveTo(offset)
      state.committed = offset
    }
    await this.reset(
      lost.filter(state => state.position === undefined && state.version === versions.get(state)),
    )
  }

  /**
   * Moves states to where `autoOffsetReset` says. One whose partition cannot be read gets the
   * error, and does not keep the others from being read.
   */
  async reset(states: readonly PartitionState[]): Promise<void> {
    if (states.length === 0) return
    const { autoOffsetReset } = this.#options.settings
    if (autoOffsetReset === 'none') {
      for (const state of states) state.error = noOffset(state)
      return
    }
    const timestamp = autoOffsetReset === 'earliest' ? EARLIEST_TIMESTAMP : LATEST_TIMESTAMP
    try {
      await this.moveTo(states, timestamp)
    } catch (error) {
      if (toPartlogError(error).retriable) throw error
      await Promise.all(states.map(state => this.#orError(state, this.moveTo([state], timestamp))))
    }
  }

  /** Moves states to the offset of a (special) timestamp, unless they were moved meanwhile. */
  async moveTo(states: readonly PartitionState[], timestamp: number): Promise<void> {
    const versions = states.map(state => state.version)
    const found = await this.list(
      states.map(({ topic, partition }) => ({ topic, partition })),
      timestamp,
    )
    states.forEach((state, index) => {
      if (state.version === versions[index]) state.moveTo((found[index] as ListedOffset).offset)
    })
  }

  /** The offsets of one timestamp in several partitions, in their order. */
  async list(partitions: readonly TopicPartition[], timestamp: number): Promise<ListedOffset[]> {
    const { channel, metadata, retry } = this.#options
    const queries = partitions.map(({ topic, partition }) => ({ topic, partition, timestamp }))
    return await withRetries(() => listOffsets(channel, metadata, queries), retry)
  }

  /** The first offsets that are not older than each partition's own timestamp. */
  async listTimes(
    queries: readonly (TopicPartition & { readonly timestamp: number })[],
  ): Promise<ListedOffset[]> {
    const { channel, metadata, retry } = this.#options
    return await withRetries(() => listOffsets(channel, metadata, queries), retry)
  }

  /** A position is outside of its log: starts over as `autoOffsetReset` says. */
  async recover(state: PartitionState, error: PartlogError): Promise<void> {
    if (this.#options.settings.autoOffsetReset === 'none') {
      state.error = error
      return
    }
    state.forgetPosition()
    await this.#orError(state, this.reset([state]))
  }

  /** Looks for a position again; there was none to be had before. */
  async find(state: PartitionState): Promise<void> {
    await this.#orError(state, this.locate([state]))
  }

  async #orError(state: PartitionState, attempt: Promise<void>): Promise<void> {
    try {
      await attempt
    } catch (failure) {
      state.error = toPartlogError(failure)
    }
  }
}

function keyOf({ topic, partition }: TopicPartition): string {
  return partitionKey(topic, partition)
}

function noOffset({ topic, partition }: PartitionState): PartlogError {
  return new PartlogError(
    'NO_OFFSET_FOR_PARTITION',
    `nothing is committed for ${topic}-${partition} and autoOffsetReset is 'none': seek first`,
  )
}
