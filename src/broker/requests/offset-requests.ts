/**
 * ListOffsets (v1–v10), OffsetForLeaderEpoch (v2–v4) and DeleteRecords (v0–v2): where a log begins,
 * ends, holds a time, and where its epochs ended.
 */

import { distinctBy, repeated } from '../../base/repeated.js'
import type { OffsetAndTimestamp } from '../../log/log/log-reader.js'
import { PartlogError } from '../../model/errors.js'
import { isInternalTopic, partitionKey } from '../../model/names.js'
import { NONE } from '../../model/units.js'
import { checkMayDelete } from '../../partition/checks.js'
import { waitUntil, type WaitOptions } from '../../partition/delayed.js'
import type { Partition } from '../../partition/partition.js'
import {
  EARLIEST_LOCAL_TIMESTAMP,
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
          if (doubled.has(partitionKey(name, partitionIndex))) throw askedTwice()
          const partition = broker.replicas.partition(name, partitionIndex)
          partition.checkLeaderEpoch(currentLeaderEpoch)
          const found = await findOffset(partition, timestamp)
          return { partitionIndex, ...NO_ERROR, ...found }
        } catch (error) {
          return { partitionIndex, ...errorFields(error) }
        }
      }),
    ),
  }))
  return { topics: await Promise.all(topics) }
}

async function findOffset(partition: Partition, timestamp: number): Promise<FoundOffset> {
  const { log } = partition
  const place = (found: OffsetAndTimestamp | undefined): FoundOffset =>
    found === undefined ? {} : { ...found, leaderEpoch: log.epochs.epochAt(found.offset) ?? -1 }
  switch (timestamp) {
    case EARLIEST_TIMESTAMP:
    case EARLIEST_LOCAL_TIMESTAMP:
      return place({ offset: log.logStartOffset, timestamp: -1 })
    case LATEST_TIMESTAMP:
      return { offset: partition.visibleEnd, timestamp: -1, leaderEpoch: partition.leaderEpoch }
    case MAX_TIMESTAMP:
      return place(await partition.findNewest())
    case LATEST_TIERED_TIMESTAMP:
      return {} // nothing is kept elsewhere
    default:
      if (timestamp < 0) throw new PartlogError('UNSUPPORTED_VERSION', `no time: ${timestamp}`)
      return place(await partition.findTimestamp(timestamp))
  }
}

/** What is left out was not found. */
interface FoundOffset extends Partial<OffsetAndTimestamp> {
  /** Of the record at the offset, or of the next one to come. */
  readonly leaderEpoch?: number
}

function askedTwice(): PartlogError {
  return new PartlogError('INVALID_REQUEST', 'a partition is asked for twice')
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
 * Answers when nothing that was deleted comes back: the new log start survives a power cut, on this
 * replica and on every other whose broker lives.
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
  const patience = { clock: broker.clock, timeoutMs: Math.max(timeoutMs, 0), signal }
  const topics = deleted.map(async ({ name, partitions }) => ({
    name,
    partitions: await Promise.all(partitions.map(each => deletionOf(each, patience))),
  }))
  return { topics: await Promise.all(topics) }
}

interface Deletion {
  readonly partitionIndex: number
  readonly partition?: Partition
  /** The offset that was meant. */
  readonly before?: number
  /** Why nothing was deleted. */
  readonly error?: unknown
}

/** What has become of a deletion: Kafka's delayed DeleteRecords. */
async function deletionOf(
  { partitionIndex, partition, before = NONE, error }: Deletion,
  patience: WaitOptions,
) {
  try {
    if (partition === undefined) throw error
    const isReady = (): boolean => !partition.isLeader || partition.lowWatermark >= before
    await waitUntil(isReady, [partition.deletions], patience)
    const { lowWatermark } = partition
    if (lowWatermark < before) throw notEverywhere(partition, before, patience)
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
    `${partition.log.name}: records below ${before} are deleted on the leader, and not known to ` +
    `be on brokers ${others} after ${timeoutMs} ms; they will be when those follow again`
  return new PartlogError('REQUEST_TIMED_OUT', sentence, { outcomeUnknown: true })
}

/** As the offset to delete up to: everything that is committed. */
const HIGH_WATERMARK = -1

function outOfRange(offset: number): PartlogError {
  return new PartlogError('OFFSET_OUT_OF_RANGE', `no record has the offset ${offset}`)
}

function notForUsers(name: string): PartlogError {
  return new PartlogError('INVALID_TOPIC_EXCEPTION', `topic ${name} belongs to the system`)
}
