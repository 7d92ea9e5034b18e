/* The partitions assigned to a consumer, each with its state. */

import { toPartlogError } from '../../model/errors.js'
import { partitionKey, partitionName, type TopicPartition } from '../../model/names.js'
import type { Fetcher } from './fetcher.js'
import { PartitionState } from './partition-state.js'
import type { Positions } from './positions.js'

export class AssignedPartitions {
  readonly #states = new Map<string, PartitionState>()

  get states(): IterableIterator<PartitionState> {
    return this.#states.values()
  }
  get size(): number {
    return this.#states.size
  }

  list(): TopicPartition[] {
    return [...this.states].map(({ topic, partition }) => ({ topic, partition }))
  }

  find({ topic, partition }: TopicPartition): PartitionState | undefined {
    return this.#states.get(partitionKey(topic, partition))
  }

  /** Replaces all partitions; one that stays keeps its position. Throws if one has no position. */
  async replace(
    partitions: readonly TopicPartition[],
    positions: Positions,
    fetcher: Fetcher,
  ): Promise<void> {
    const kept = new Set(partitions.map(partitionName))
    this.#forget([...this.#states.keys()].filter(key => !kept.has(key)))
    this.#make(partitions)
    await positions.locate([...this.states])
    fetcher.assign([...this.states])
  }

  /** Adds partitions. An error in finding a position is thrown at the next read. */
  async add(
    partitions: readonly TopicPartition[],
    positions: Positions,
    fetcher: Fetcher,
  ): Promise<void> {
    const added = this.#make(partitions)
    try {
      await positions.locate(added)
    } catch (failure) {
      const error = toPartlogError(failure)
      for (const state of added) if (state.state === 'searching') state.fail(error)
    }
    fetcher.assign([...this.states])
  }

  /** Removes partitions. */
  drop(partitions: readonly TopicPartition[], fetcher: Fetcher): void {
    this.#forget(partitions.map(partitionName))
    fetcher.assign([...this.states])
  }

  #make(partitions: readonly TopicPartition[]): PartitionState[] {
    return partitions.map(({ topic, partition }) => {
      const key = partitionKey(topic, partition)
      const state = this.#states.get(key) ?? new PartitionState(topic, partition)
      this.#states.set(key, state)
      return state
    })
  }

  #forget(keys: readonly string[]): void {
    for (const key of keys) {
      this.#states.get(key)?.forgetPosition() // records taken of it are void
      this.#states.delete(key)
    }
  }
}
