/*
 * ListOffsets (v1–v11): the offset of a log's start, its end or a timestamp. OffsetForLeaderEpoch
 * (v2–v4): where an epoch ends. DeleteRecords (v0–v2): moves the log start.
 */

import { distinctBy, repeated } from '../../base/repeated.js'
import { waitUntil, type WaitOptions } from '../../base/watchers.js'
import type { OffsetAndTimestamp } from '../../log/store/log-reader.js'
import { PartlogError } from '../../model/errors.js'
import { isInternalTopic, partitionKey } from '../../model/names.js'
import { NONE } from '../../model/units.js'
import { checkMayDelete } from '../../partition/checks.js'
import type { Partition } from '../../partition/partition.js'
import { readLimit } from '../../partition/read-committed.js'
import { READ_COMMITTED } from '../../protocol/messages/fetch.js'
import {
  EARLIEST_LOCAL_TIMESTAMP,
  EARLIEST_PENDING_TIMESTAMP,
  EARLIEST_TIMESTAMP,
  LATEST_TIERED_TIMESTAMP,
  LATEST_TIMESTAMP,
  MAX_TIMESTAMP,
  type DeleteRecordsRequest,
  type DeleteRecordsResponse,
  type ListOffsetsRequest,
  type ListOffsetsResponse,
  type OffsetForLeaderEpochRequest,
  type OffsetForLeaderEpochResponse,
} from '../../protocol/messages/offsets.js'
import { errorFields, NO_ERROR } from '../node/answer-errors.js'
import type { BrokerContext } from '../node/context.js'

export async function listOffsets(
  broker: BrokerContext,
  request: ListOffsetsRequest,
): Promise<ListOffsetsResponse> {
  const doubled = repeated(
    request.topics.flatMap(({ name, partitions }) =>
      partitions.map(({ partitionIndex }) => partitionKey(name, partitionIndex)),
    ),
  )
  const asked = request.topics.filter(({ partitions }) => partitions.length > 0)
  const topics = asked.map(async ({ name, partitions }) => ({
    name,
    partitions: await Promise.all(
      distinctBy(partitions, ({ partitionIndex }) => partitionIndex).map(async partitionAsked => {
        const { partitionIndex, timestamp, currentLeaderEpoch = -1 } = partitionAsked
        try {
          const key = partitionKey(name, partitionIndex)
          if (doubled.has(key)) throw namedTwice(key)
          const partition = broker.replicas.partition(name, partitionIndex)
          partition.checkLeaderEpoch(currentLeaderEpoch)
          const isStable = request.isolationLevel === READ_COMMITTED
          const found = await findOffset(partition, timestamp, isStable)
          return { partitionIndex, ...NO_ERROR, ...found }
        } catch (error) {
          return { partitionIndex, ...errorFields(error) }
        }
      }),
    ),
  }))
  return { topics: await Promise.all(topics) }
}

/** `isStable`: for a read_committed consumer the log ends at the last stable offset. */
async function findOffset(
  partition: Partition,
  timestamp: number,
  isStable: boolean,
): Promise<FoundOffset> {
  const { log, highWatermark } = partition
  const limit = isStable ? readLimit(log, highWatermark, true) : Infinity
  const place = (found: OffsetAndTimestamp | undefined): FoundOffset =>
    found === undefined ? {} : { ...found, leaderEpoch: log.epochs.epochAt(found.offset) ?? -1 }
  const placeBelow = (found: OffsetAndTimestamp | undefined): FoundOffset =>
    place(found !== undefined && found.offset < limit ? found : undefined)
  switch (timestamp) {
    case EARLIEST_TIMESTAMP:
    case EARLIEST_LOCAL_TIMESTAMP:
      return place({ offset: log.logStartOffset, timestamp: -1 })
    case LATEST_TIMESTAMP: {
      const offset = Math.min(partition.visibleEnd, limit)
      return { offset, timestamp: -1, leaderEpoch: partition.leaderEpoch }
    }
    case MAX_TIMESTAMP:
      return placeBelow(await partition.findNewest())
    case LATEST_TIERED_TIMESTAMP:
    case EARLIEST_PENDING_TIMESTAMP:
      return {} // there is no tiered storage
    default:
      if (timestamp < 0) throw unknownTimestamp(timestamp)
      return placeBelow(await partition.findTimestamp(timestamp))
  }
}

function unknownTimestamp(timestamp: number): PartlogError {
  const sentence = `timestamp ${timestamp} is not supported: expected at least 0, or −1 to −6`
  return new PartlogError('UNSUPPORTED_VERSION', sentence)
}

/** Empty if no record was found. */
interface FoundOffset extends Partial<OffsetAndTimestamp> {
  /** Leader epoch of the record at the offset; at the log end, the current leader epoch. */
  readonly leaderEpoch?: number
}

function namedTwice(key: string): PartlogError {
  return new PartlogError('INVALID_REQUEST', `partition ${key} is named twice`)
}

export async function offsetForLeaderEpoch(
  broker: BrokerContext,
  request: OffsetForLeaderEpochRequest,
): Promise<OffsetForLeaderEpochResponse> {
  const topics = request.topics.map(({ topic, partitions }) => ({
    topic,
    partitions: partitions.map(({ partition: index, leaderEpoch, currentLeaderEpoch = -1 }) => {
      try {
        const partition = broker.replicas.partition(topic, index)
        partition.checkLeaderEpoch(currentLeaderEpoch)
        const { epochs, logEndOffset } = partition.log
        const { epoch, endOffset } = epochs.endOffsetFor(leaderEpoch, logEndOffset)
        return { partition: index, ...NO_ERROR, leaderEpoch: epoch, endOffset }
      } catch (error) {
        return { partition: index, ...errorFields(error) }
      }
    }),
  }))
  return { topics }
}

/**
 * Answers when the deletion is final: the new log start survives a power cut on this replica and on
 * every other one whose broker is alive.
 */
export async function deleteRecords(
  broker: BrokerContext,
  request: DeleteRecordsRequest,
  signal?: AbortSignal,
): Promise<DeleteRecordsResponse> {
  const { timeoutMs } = request
  const deleted = request.topics.map(({ name, partitions }) => ({
    name,
    partitions: partitions.map(({ partitionIndex, offset }) => {
      try {
        const partition = broker.replicas.partition(name, partitionIndex)
        if (isInternalTopic(name)) throw notForUsers(name)
        checkMayDelete(partition.log.name, partition.log.config)
        if (offset < HIGH_WATERMARK) throw outOfRange(offset)
        return { partitionIndex, partition, before: partition.deleteRecordsBefore(offset) }
      } catch (error) {
        return { partitionIndex, error }
      }
    }),
  }))
  await broker.logs.writeCheckpoints()
  const wait = { clock: broker.clock, timeoutMs: Math.max(timeoutMs, 0), signal }
  const topics = deleted.map(async ({ name, partitions }) => ({
    name,
    partitions: await Promise.all(partitions.map(each => deletionOf(each, wait))),
  }))
  return { topics: await Promise.all(topics) }
}

interface Deletion {
  readonly partitionIndex: number
  readonly partition?: Partition
  /** The new log start offset: records below it are deleted. */
  readonly before?: number
  /** Why nothing was deleted. */
  readonly error?: unknown
}

/** Waits for the other replicas: Kafka's DelayedDeleteRecords. */
async function deletionOf(
  { partitionIndex, partition, before = NONE, error }: Deletion,
  wait: WaitOptions,
) {
  try {
    if (partition === undefined) throw error
    const isReady = (): boolean => !partition.isLeader || partition.lowWatermark >= before
    await waitUntil(isReady, [partition.deletions], wait)
    const { lowWatermark } = partition
    if (lowWatermark < before) throw notEverywhere(partition, before, wait)
    return { partitionIndex, ...NO_ERROR, lowWatermark }
  } catch (failure) {
    return { partitionIndex, ...errorFields(failure), lowWatermark: -1 }
  }
}

function notEverywhere(
  partition: Partition,
  before: number,
  { timeoutMs }: WaitOptions,
): PartlogError {
  const others = partition.replicasKeeping(before).join(', ')
  const sentence =
    `${partition.log.name}: records below ${before} are deleted on the leader, but brokers ` +
    `${others} have not confirmed it within ${timeoutMs} ms; they will when they follow again`
  return new PartlogError('REQUEST_TIMED_OUT', sentence, { outcomeUnknown: true })
}

/** Special offset: delete everything below the high watermark. */
const HIGH_WATERMARK = -1

function outOfRange(offset: number): PartlogError {
  const sentence = `offset ${offset} is negative: only −1, the high watermark, is allowed`
  return new PartlogError('OFFSET_OUT_OF_RANGE', sentence)
}

function notForUsers(name: string): PartlogError {
  return new PartlogError('INVALID_TOPIC_EXCEPTION', `topic ${name} belongs to the system`)
}
