/** What a consumer asks of its arguments, before anything changes. */

import { show } from '../base/config.js'
import { PartlogError } from '../model/errors.js'
import {
  checkOffset,
  checkPartition,
  checkTopicName,
  partitionKey,
  type TopicPartition,
} from '../model/names.js'
import type { OffsetToCommit, RunOptions } from './consumer-options.js'
import type { GroupOffset } from './group-client.js'

export function partitionsOf(topic: {
  readonly name: string
  readonly partitions: readonly { readonly partition: number }[]
}): TopicPartition[] {
  return topic.partitions.map(({ partition }) => ({ topic: topic.name, partition }))
}

export function checkPartitions(
  partitions: unknown,
): asserts partitions is readonly TopicPartition[] {
  if (!Array.isArray(partitions)) {
    const got = show(partitions)
    throw new PartlogError('INVALID_ARGUMENT', `partitions: expected an array, got ${got}`)
  }
  for (const each of partitions as readonly Partial<TopicPartition>[]) {
    checkTopicName(each?.topic)
    checkPartition(each?.partition)
  }
}

export function checkedTime(timestamp: unknown): number {
  const ms = timestamp instanceof Date ? timestamp.getTime() : timestamp
  if (Number.isSafeInteger(ms) && (ms as number) >= 0) return ms as number
  const got = show(timestamp)
  throw new PartlogError('INVALID_TIMESTAMP', `expected milliseconds since 1970, got ${got}`)
}

export function groupOffset({
  topic,
  partition,
  offset,
  metadata = '',
}: OffsetToCommit): GroupOffset {
  checkTopicName(topic)
  checkPartition(partition)
  checkOffset(offset)
  if (typeof metadata !== 'string') {
    throw new PartlogError('INVALID_ARGUMENT', `metadata: expected text, got ${show(metadata)}`)
  }
  return { topic, partition, offset, metadata, leaderEpoch: -1 }
}

/** The offsets to commit when these records are done: behind the last one of each partition. */
export function offsetsAfter(
  records: Iterable<TopicPartition & { readonly offset: number }>,
  metadata: string,
): GroupOffset[] {
  const furthest = new Map<string, GroupOffset>()
  for (const { topic, partition, offset } of records) {
    checkOffset(offset)
    const after = groupOffset({ topic, partition, offset: offset + 1, metadata })
    const key = partitionKey(topic, partition)
    if ((furthest.get(key)?.offset ?? 0) < after.offset) furthest.set(key, after)
  }
  return [...furthest.values()]
}

export function checkRun<K, V>(options: RunOptions<K, V>): RunOptions<K, V> {
  const { eachRecord, eachBatch } = options ?? {}
  const handlers = [eachRecord, eachBatch].filter(handler => typeof handler === 'function')
  if (handlers.length === 1) return options
  throw new PartlogError('INVALID_ARGUMENT', 'run: expected either eachRecord or eachBatch')
}

export function needsGroup(what: string): PartlogError {
  return new PartlogError('INVALID_GROUP_ID', `${what} needs a groupId`)
}

export function noPartition({ topic, partition }: TopicPartition): PartlogError {
  return new PartlogError(
    'UNKNOWN_TOPIC_OR_PARTITION',
    `partition ${partitionKey(topic, partition)} does not exist`,
  )
}
