/**
 * ListOffsets (v1–v10), OffsetForLeaderEpoch (v2–v4) and DeleteRecords (v0–v2): where a log begins,
 * ends, holds a time, and where its epochs ended.
 */

import { checkMayDelete } from '../partition/checks.js'
import type { Partition } from '../partition/partition.js'
import {
  EARLIEST_TIMESTAMP,
  LATEST_TIMESTAMP,
  MAX_TIMESTAMP,
  type DeleteRecordsRequest,
  type DeleteRecordsResponse,
  type ListOffsetsRequest,
  type ListOffsetsResponse,
  type OffsetForLeaderEpochRequest,
  type OffsetForLeaderEpochResponse,
} from '../protocol/messages/offsets.js'
import type { OffsetAndTimestamp } from '../log/log-reader.js'
import type { BrokerContext } from './context.js'
import { errorFields, NO_ERROR } from './errors.js'

export async function listOffsets(
  broker: BrokerContext,
  request: ListOffsetsRequest,
): Promise<ListOffsetsResponse> {
  const topics = request.topics.map(async ({ name, partitions }) => ({
    name,
    partitions: await Promise.all(
      partitions.map(async ({ partitionIndex, timestamp, currentLeaderEpoch = -1 }) => {
        try {
          const partition = broker.replicas.partition(name, partitionIndex)
          partition.checkLeaderEpoch(currentLeaderEpoch)
          const found = await findOffset(partition, timestamp)
          const { offset = -1, timestamp: foundTimestamp = -1 } = found ?? {}
          const { leaderEpoch } = partition
          return { partitionIndex, ...NO_ERROR, offset, timestamp: foundTimestamp, leaderEpoch }
        } catch (error) {
          return { partitionIndex, ...errorFields(error) }
        }
      }),
    ),
  }))
  return { topics: await Promise.all(topics) }
}

async function findOffset(
  partition: Partition,
  timestamp: number,
): Promise<OffsetAndTimestamp | undefined> {
  const { log } = partition
  switch (timestamp) {
    case EARLIEST_TIMESTAMP:
      return { offset: log.logStartOffset, timestamp: -1 }
    case LATEST_TIMESTAMP:
      return { offset: partition.visibleEnd, timestamp: -1 }
    case MAX_TIMESTAMP:
      return await partition.findNewest()
    default:
      return await partition.findTimestamp(timestamp)
  }
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

/** Answers when the new log start survives a power cut. */
export async function deleteRecords(
  broker: BrokerContext,
  request: DeleteRecordsRequest,
): Promise<DeleteRecordsResponse> {
  const topics = request.topics.map(({ name, partitions }) => ({
    name,
    partitions: partitions.map(({ partitionIndex, offset }) => {
      try {
        const partition = broker.replicas.partition(name, partitionIndex)
        checkMayDelete(partition.log.name, partition.log.config)
        const lowWatermark = partition.deleteRecordsBefore(offset)
        return { partitionIndex, ...NO_ERROR, lowWatermark }
      } catch (error) {
        return { partitionIndex, ...errorFields(error), lowWatermark: -1 }
      }
    }),
  }))
  await broker.logs.writeCheckpoints()
  return { topics }
}
