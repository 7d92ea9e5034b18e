/*
 * What transactions ask of the leaders of partitions: WriteTxnMarkers (v1, v2) ends them there,
 * TxnOffsetCommit (v0–v5) adds the offsets of a group, DescribeProducers (v0) lists producers.
 */

import { markerBatch, type EndMarker } from '../../model/batch/control.js'
import { PartlogError } from '../../model/errors.js'
import { OFFSETS_TOPIC, partitionKey, type TopicPartition } from '../../model/names.js'
import type { Partition } from '../../partition/partition.js'
import type {
  DescribeProducersRequest,
  DescribeProducersResponse,
  TxnOffsetCommitRequest,
  TxnOffsetCommitResponse,
  WriteTxnMarkersRequest,
  WriteTxnMarkersResponse,
} from '../../protocol/messages/transactions.js'
import { errorFields } from '../node/answer-errors.js'
import type { BrokerContext } from '../node/context.js'
import { commitOffsets } from './group-offset-requests.js'
import { acknowledgement } from './produce-requests.js'

/** How long a marker may take to reach all in-sync replicas; then the coordinator asks again. */
const MARKER_TIMEOUT_MS = 30_000

/** Answers when every in-sync replica has the markers. */
export async function writeTxnMarkers(
  broker: BrokerContext,
  { markers }: WriteTxnMarkersRequest,
): Promise<WriteTxnMarkersResponse> {
  const written = markers.map(async ({ topics, transactionResult: isCommit, ...marker }) => ({
    producerId: marker.producerId,
    topics: await Promise.all(
      topics.map(async ({ name, partitionIndexes }) => ({
        name,
        partitions: await Promise.all(
          partitionIndexes.map(async partitionIndex => {
            const place = { topic: name, partition: partitionIndex }
            const { errorCode } = await writeMarker(broker, { ...marker, isCommit }, place)
            return { partitionIndex, errorCode }
          }),
        ),
      })),
    ),
  }))
  return { markers: await Promise.all(written) }
}

async function writeMarker(
  broker: BrokerContext,
  { transactionVersion = 0, ...marker }: EndMarker & { readonly transactionVersion?: number },
  { topic, partition: index }: TopicPartition,
): Promise<{ readonly errorCode: number }> {
  try {
    const partition = broker.replicas.partition(topic, index)
    if (transactionVersion >= 2) checkNewEpoch(partition, marker)
    if (topic === OFFSETS_TOPIC) {
      // The group coordinator writes it: the offsets of the transaction count from then on.
      const coordinator = await broker.groups.at(index, partitionKey(topic, index))
      await coordinator.endTransaction(marker)
      return { errorCode: 0 }
    }
    const { lastOffset } = partition.append(markerBatch(marker, broker.clock.now()), true)
    const wait = { acks: -1, timeoutMs: MARKER_TIMEOUT_MS, end: lastOffset + 1 }
    await acknowledgement(broker, partition, wait)
    return { errorCode: 0 }
  } catch (error) {
    return errorFields(error)
  }
}

/**
 * Each end has an epoch of its own, which the next transaction's records have: a marker in an epoch
 * that the log has is a late one, and must not end the transaction after its own (KIP-1228). Throws
 * INVALID_PRODUCER_EPOCH.
 */
function checkNewEpoch({ topicPartition, log }: Partition, marker: EndMarker): void {
  const { producerId, producerEpoch } = marker
  const epoch = log.producers.epochOf(producerId)
  if (producerEpoch > epoch) return
  const place = partitionKey(topicPartition.topic, topicPartition.partition)
  const sentence = `${place}: producer ${producerId} is in epoch ${epoch}, its transaction of epoch`
  throw new PartlogError('INVALID_PRODUCER_EPOCH', `${sentence} ${producerEpoch} has its end`)
}

/** Commits offsets that count when the transaction is committed. */
export async function txnOffsetCommit(
  broker: BrokerContext,
  request: TxnOffsetCommitRequest,
): Promise<TxnOffsetCommitResponse> {
  const { groupId, transactionalId, producerId, producerEpoch } = request
  const { generationId = -1, memberId = '', groupInstanceId = null } = request
  const { addsToTransaction = true } = request
  const transaction = { producerId, producerEpoch }
  return await commitOffsets(broker, request.topics, async offsets => {
    const partition = await broker.groups.partitionOf(groupId)
    const coordinator = await broker.groups.of(groupId)
    const log = broker.replicas.find(OFFSETS_TOPIC, partition)?.replicaLog
    if (log?.producers.hasOpenTransaction(producerId, producerEpoch) !== true) {
      const place = { topic: OFFSETS_TOPIC, partition }
      const producer = { transactionalId, producerId, producerEpoch }
      if (addsToTransaction) await broker.transactions.add(producer, place)
      else await broker.transactions.verify(producer, place)
    }
    const member = { memberId, generationId, groupInstanceId }
    return await coordinator.commit({ groupId, ...member, offsets, transaction })
  })
}

/** The producers of partitions that this broker leads. */
export function describeProducers(
  broker: BrokerContext,
  { topics }: DescribeProducersRequest,
): DescribeProducersResponse {
  return {
    topics: topics.map(({ name, partitionIndexes }) => ({
      name,
      partitions: partitionIndexes.map(partitionIndex => {
        try {
          const { log } = broker.replicas.partition(name, partitionIndex)
          const activeProducers = log.producers.active.map(producer => ({
            producerId: producer.producerId,
            producerEpoch: producer.epoch,
            lastSequence: producer.lastSequence,
            lastTimestamp: producer.lastTimestamp,
            coordinatorEpoch: producer.coordinatorEpoch,
            currentTxnStartOffset: producer.currentTxnFirstOffset,
          }))
          return { partitionIndex, errorCode: 0, errorMessage: null, activeProducers }
        } catch (error) {
          return { partitionIndex, ...errorFields(error), activeProducers: [] }
        }
      }),
    })),
  }
}
