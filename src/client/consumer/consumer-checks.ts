/* Checks of a consumer's arguments. */

import { PartlogError } from '../../model/errors.js'
import {
  checkOffset,
  checkTopicName,
  partitionKey,
  type TopicPartition,
} from '../../model/names.js'
import {
  checkFields,
  checkList,
  checkSignal,
  checkTopicPartition,
  invalidArgument,
} from '../line/client-arguments.js'
import { groupOffset, type GroupOffset } from '../line/offset-commit.js'
import type {
  CommitRequest,
  ConsumerOptions,
  PollOptions,
  RunOptions,
  SubscribeOptions,
} from './consumer-options.js'

/** The offsets to commit for processed records: the one after the last of each partition. */
export function offsetsAfter(
  records: Iterable<TopicPartition & { readonly offset: number; readonly leaderEpoch?: number }>,
  metadata: string,
): GroupOffset[] {
  const furthest = new Map<string, GroupOffset>()
  for (const record of records) {
    checkTopicPartition(record)
    checkOffset(record.offset)
    const { topic, partition, offset, leaderEpoch = -1 } = record
    const after = groupOffset({ topic, partition, offset: offset + 1, metadata, leaderEpoch })
    const key = partitionKey(topic, partition)
    if ((furthest.get(key)?.offset ?? 0) < after.offset) furthest.set(key, after)
  }
  return [...furthest.values()]
}

/** Allows `records` or `offsets`, and `metadata`. */
export function checkCommit(request: CommitRequest): void {
  checkFields(request, 'commit', ['records', 'offsets', 'metadata'])
  const { records, offsets } = request
  if (records !== undefined) checkList(records, 'records')
  if (offsets !== undefined) checkList(offsets, 'offsets')
  if (records === undefined || offsets === undefined) return
  throw new PartlogError('INVALID_ARGUMENT', 'commit: expected records or offsets, not both')
}

/** The options that the coordinator decides in a group with the consumer protocol (as in Kafka). */
const NOT_WITH_CONSUMER = [
  'sessionTimeoutMs',
  'heartbeatIntervalMs',
  'partitionAssignmentStrategy',
] as const

/** Throws INVALID_CONFIG for options that the group's protocol does not have. */
export function checkGroupProtocol(options: ConsumerOptions<never, never>): void {
  const { groupProtocol = 'classic', groupRemoteAssignor } = options
  const refused: readonly string[] =
    groupProtocol === 'consumer'
      ? NOT_WITH_CONSUMER.filter(name => options[name] !== undefined)
      : groupRemoteAssignor === undefined
        ? []
        : ['groupRemoteAssignor']
  if (refused.length === 0) return
  const sentence = `${refused.join(', ')} cannot be set with groupProtocol '${groupProtocol}'`
  throw new PartlogError('INVALID_CONFIG', sentence)
}

export function checkPoll(options: PollOptions): void {
  checkFields(options, 'poll', ['timeoutMs', 'signal'])
  const { timeoutMs = 0, signal } = options
  checkSignal(signal)
  if (typeof timeoutMs === 'number' && timeoutMs >= 0) return
  throw invalidArgument('timeoutMs', 'a number of at least 0', timeoutMs)
}

export function checkRun<K, V>(options: RunOptions<K, V>): void {
  checkFields(options, 'run', ['eachRecord', 'eachBatch', 'retries', 'deadLetterTopic', 'signal'])
  const { eachRecord, eachBatch, retries = 0, deadLetterTopic, signal } = options
  checkSignal(signal)
  if (!Number.isSafeInteger(retries) || retries < 0) {
    throw invalidArgument('retries', 'a whole number of at least 0', retries)
  }
  if (deadLetterTopic !== undefined) checkTopicName(deadLetterTopic)
  const handlers = [eachRecord, eachBatch].filter(each => each !== undefined)
  if (handlers.length !== 1 || typeof handlers[0] !== 'function') {
    throw new PartlogError('INVALID_ARGUMENT', 'run: expected a function, eachRecord or eachBatch')
  }
  if (deadLetterTopic === undefined || eachBatch === undefined) return
  throw new PartlogError('INVALID_ARGUMENT', 'run: deadLetterTopic works only with eachRecord')
}

const LISTENERS = ['onPartitionsAssigned', 'onPartitionsRevoked', 'onPartitionsLost'] as const

export function checkSubscribe(options: SubscribeOptions): void {
  checkFields(options, 'subscribe', [...LISTENERS, 'signal'])
  checkSignal(options.signal)
  for (const name of LISTENERS) {
    const listener = options[name]
    if (listener === undefined || typeof listener === 'function') continue
    throw invalidArgument(name, 'a function', listener)
  }
}

export function needsGroup(what: string): PartlogError {
  return new PartlogError('INVALID_GROUP_ID', `${what} needs a groupId`)
}

