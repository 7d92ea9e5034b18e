/*
 * The partitions that a coordinator told a member to read, by the ids of their topics, and what the
 * member says that it owns. The consumer knows topics by name.
 */

import { partitionName, type TopicPartition } from '../../model/names.js'
import type { MetadataCache } from '../line/metadata-cache.js'

export interface PartitionsById {
  readonly topicId: string
  readonly partitions: readonly number[]
}

export class ToldPartitions {
  readonly #metadata: MetadataCache
  #told: readonly PartitionsById[] = []
  /** By topic id; names of topics that were told of. */
  readonly #names = new Map<string, string>()

  constructor(metadata: MetadataCache) {
    this.#metadata = metadata
  }

  clear(): void {
    this.#told = []
  }

  hear(told: readonly PartitionsById[]): void {
    this.#told = told
  }

  /** What it was told last, by name; undefined if metadata does not know a topic yet. */
  async named(subscribed: readonly string[]): Promise<TopicPartition[] | undefined> {
    if (!this.#isAllKnown) await this.#learn(subscribed)
    return this.#isAllKnown ? this.#listed(this.#told) : undefined
  }

  get #isAllKnown(): boolean {
    return this.#told.every(each => this.#isKnown(each))
  }

  /** Also that it has these partitions: the coordinator may hear of new ones first. */
  #isKnown({ topicId, partitions }: PartitionsById): boolean {
    const name = this.#names.get(topicId)
    const known = name === undefined ? undefined : this.#metadata.known(name)
    return known !== undefined && Math.max(-1, ...partitions) < known.partitions.length
  }

  async #learn(subscribed: readonly string[]): Promise<void> {
    // A topic that was deleted keeps none from the others.
    await Promise.allSettled(
      subscribed.map(async name => {
        const { topicId } = await this.#metadata.refresh(name)
        this.#names.set(topicId, name)
      }),
    )
  }

  #listed(told: readonly PartitionsById[]): TopicPartition[] {
    return told.flatMap(({ topicId, partitions }) => {
      const topic = this.#names.get(topicId)
      return topic === undefined ? [] : partitions.map(partition => ({ topic, partition }))
    })
  }

  difference(owned: readonly TopicPartition[], wanted: readonly TopicPartition[]) {
    return { added: without(wanted, owned), gone: without(owned, wanted) }
  }

  /** True if it owns exactly what it was told last. */
  isSettled(owned: readonly TopicPartition[]): boolean {
    const { added, gone } = this.difference(owned, this.#listed(this.#told))
    return this.#isAllKnown && added.length === 0 && gone.length === 0
  }

  /** What the member says that it owns: what it reads, and what it was told to read. */
  owned(reading: readonly TopicPartition[]): PartitionsById[] {
    const told = new Set(this.#listed(this.#told).map(partitionName))
    const ids = new Map([...this.#names].map(([topicId, name]) => [name, topicId]))
    const more = new Map<string, number[]>()
    for (const place of reading) {
      const topicId = ids.get(place.topic)
      if (topicId === undefined || told.has(partitionName(place))) continue
      more.set(topicId, [...(more.get(topicId) ?? []), place.partition])
    }
    const extra = [...more].map(([topicId, partitions]) => ({ topicId, partitions }))
    return joined([...this.#told, ...extra])
  }
}

/** One entry per topic. */
function joined(lists: readonly PartitionsById[]): PartitionsById[] {
  const byId = new Map<string, number[]>()
  for (const { topicId, partitions } of lists) {
    byId.set(topicId, [...(byId.get(topicId) ?? []), ...partitions])
  }
  return [...byId].map(([topicId, partitions]) => ({ topicId, partitions }))
}

/** Those of `all` that are not among `others`. */
export function without(
  all: readonly TopicPartition[],
  others: readonly TopicPartition[],
): TopicPartition[] {
  const names = new Set(others.map(partitionName))
  return all.filter(each => !names.has(partitionName(each)))
}
