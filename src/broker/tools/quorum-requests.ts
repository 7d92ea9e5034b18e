/* DescribeQuorum (v0–v2): the controller, which is alone, and how far its metadata log goes. */

import { PartlogError } from '../../model/errors.js'
import { METADATA_TOPIC } from '../../model/names.js'
import type {
  DescribeQuorumRequest,
  DescribeQuorumResponse,
} from '../../protocol/messages/quorum.js'
import { errorFields, NO_ERROR } from '../node/answer-errors.js'
import type { BrokerContext } from '../node/context.js'

type QuorumPartition = DescribeQuorumResponse['topics'][number]['partitions'][number]

export function describeQuorum(
  broker: BrokerContext,
  { topics }: DescribeQuorumRequest,
): DescribeQuorumResponse {
  const { nodeId } = broker.controller.quorum
  const answers = topics.map(({ topicName, partitions }) => ({
    topicName,
    partitions: partitions.map(({ partitionIndex }) =>
      topicName === METADATA_TOPIC && partitionIndex === 0
        ? metadataPartition(broker)
        : unknown(topicName, partitionIndex),
    ),
  }))
  const hasQuorum = answers.some(({ partitions }) => partitions.some(each => each.errorCode === 0))
  return { ...NO_ERROR, topics: answers, nodes: hasQuorum ? [{ nodeId, listeners: [] }] : [] }
}

/** The controller is the only voter; brokers learn of the log from it and do not read it. */
function metadataPartition({ controller, clock }: BrokerContext): QuorumPartition {
  const { nodeId, leaderEpoch, highWatermark, logEndOffset } = controller.quorum
  const now = clock.now()
  const voter = {
    replicaId: nodeId,
    logEndOffset,
    lastFetchTimestamp: now,
    lastCaughtUpTimestamp: now,
  }
  return {
    partitionIndex: 0,
    ...NO_ERROR,
    leaderId: nodeId,
    leaderEpoch,
    highWatermark,
    currentVoters: [voter],
    observers: [],
  }
}

function unknown(topic: string, partitionIndex: number): QuorumPartition {
  const sentence = `${topic}-${partitionIndex} is no log of a quorum: only ${METADATA_TOPIC}-0 is`
  const error = new PartlogError('UNKNOWN_TOPIC_OR_PARTITION', sentence)
  const nothing = { leaderId: 0, leaderEpoch: 0, highWatermark: 0, currentVoters: [] }
  return { partitionIndex, ...errorFields(error), ...nothing, observers: [] }
}
