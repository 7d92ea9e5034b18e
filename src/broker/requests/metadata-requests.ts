/*
 * Metadata (v0–v12): the brokers and the requested topics, which may be created.
 * DescribeCluster (v0–v2): the brokers, fenced ones too if the client asks for them.
 */

import { paced } from '../../base/tasks.js'
import { ZERO_UUID } from '../../base/uuid.js'
import type { PartitionImage, TopicImage } from '../../coordinator/metadata/cluster-image.js'
import { errorId, PartlogError } from '../../model/errors.js'
import {
  ENDPOINT_TYPE,
  type DescribeClusterRequest,
  type DescribeClusterResponse,
} from '../../protocol/messages/cluster.js'
import type {
  MetadataRequest,
  MetadataResponse,
  TopicMetadata,
} from '../../protocol/messages/metadata.js'
import { errorFields, NO_ERROR } from '../node/answer-errors.js'
import { operationsOn } from '../node/authorized.js'
import type { BrokerContext } from '../node/context.js'
import { brokenHere, offlineReplicasOf } from '../node/offline-replicas.js'
import { NEW_PARTITIONS_MAX } from './topic-requests.js'

export async function metadata(
  broker: BrokerContext,
  request: MetadataRequest,
): Promise<MetadataResponse> {
  const { includeClusterAuthorizedOperations = false } = request
  const topics = await topicsOf(broker, request) // first, so that `brokers` has their leaders
  return {
    brokers: broker.brokers
      .filter(({ nodeId }) => broker.controller.image.isAlive(nodeId))
      .map(({ nodeId, host, port }) => ({ nodeId, host, port, rack: rackOf(broker, nodeId) })),
    clusterId: broker.clusterId,
    controllerId: broker.nodeId,
    topics,
    clusterAuthorizedOperations: operationsOn('cluster', includeClusterAuthorizedOperations),
  }
}

async function topicsOf(broker: BrokerContext, request: MetadataRequest): Promise<TopicMetadata[]> {
  const { topics, allowAutoTopicCreation = true } = request
  const { includeTopicAuthorizedOperations = false } = request
  const { image } = broker.controller
  const topicAuthorizedOperations = operationsOn('topic', includeTopicAuthorizedOperations)
  const described = (topic: TopicImage): TopicMetadata => {
    return { ...describe(broker, topic), topicAuthorizedOperations }
  }
  if (topics === null) return [...image.topics.values()].map(described)
  const ids = idsOf(topics)
  if (ids.size > 0) {
    return [...ids].map(topicId => {
      const topic = image.topicById(topicId)
      return topic === undefined ? unknownTopic(topicId) : described(topic)
    })
  }
  const answers: TopicMetadata[] = []
  let partitionsLeft = NEW_PARTITIONS_MAX
  for await (const name of paced(new Set(topics.map(topic => topic.name ?? '')), broker.clock)) {
    try {
      const isNew = !image.topics.has(name)
      if (isNew) partitionsLeft -= broker.settings.defaultPartitions
      const mayCreate = allowAutoTopicCreation && partitionsLeft >= 0
      answers.push(described(await broker.topic(name, mayCreate)))
    } catch (error) {
      answers.push({ ...errorFields(error), name, partitions: [] })
    }
  }
  return answers
}

/** The topic ids of the request. If it has any, the names are ignored. */
function idsOf(topics: NonNullable<MetadataRequest['topics']>): ReadonlySet<string> {
  return new Set(topics.map(({ topicId = ZERO_UUID }) => topicId).filter(id => id !== ZERO_UUID))
}

function unknownTopic(topicId: string): TopicMetadata {
  const error = new PartlogError('UNKNOWN_TOPIC_ID', `no topic has the id ${topicId}`)
  return { ...errorFields(error), name: null, topicId, partitions: [] }
}

function describe(broker: BrokerContext, topic: TopicImage): TopicMetadata {
  return {
    errorCode: 0,
    name: topic.name,
    topicId: topic.topicId,
    isInternal: topic.isInternal,
    partitions: topic.partitions.map(image => {
      const { partition, leader, leaderEpoch, replicas, isr } = image
      return {
        errorCode: partitionError(broker, topic.name, image),
        partitionIndex: partition,
        leaderId: leader,
        leaderEpoch,
        replicaNodes: replicas,
        isrNodes: isr,
        offlineReplicas: offlineReplicasOf(broker, topic.name, image),
      }
    }),
  }
}

function partitionError(broker: BrokerContext, topic: string, partition: PartitionImage): number {
  const reason = brokenHere(broker, topic, partition)
  // A single replica cannot be replaced, so the client gets the reason.
  if (reason !== undefined && partition.replicas.length === 1) return errorId(reason.code)
  return partition.leader < 0 ? errorId('LEADER_NOT_AVAILABLE') : 0
}

function rackOf(broker: BrokerContext, nodeId: number): string | null {
  return broker.controller.image.brokers.get(nodeId)?.rack ?? null
}

export async function describeCluster(
  broker: BrokerContext,
  request: DescribeClusterRequest,
): Promise<DescribeClusterResponse> {
  const { endpointType = ENDPOINT_TYPE.brokers, includeFencedBrokers = false } = request
  const { image } = broker.controller
  if (endpointType !== ENDPOINT_TYPE.brokers) {
    const isKnown = endpointType === ENDPOINT_TYPE.controllers
    const code = isKnown ? 'MISMATCHED_ENDPOINT_TYPE' : 'UNSUPPORTED_ENDPOINT_TYPE'
    const sentence = `endpoint type ${endpointType} is not supported: only 1, brokers`
    const error = new PartlogError(code, sentence)
    return { ...errorFields(error), clusterId: '', brokers: [] }
  }
  const brokers = broker.brokers
    .map(({ nodeId, host, port }) => {
      const isFenced = !image.isAlive(nodeId)
      return { brokerId: nodeId, host, port, rack: rackOf(broker, nodeId), isFenced }
    })
    .filter(({ isFenced }) => includeFencedBrokers || !isFenced)
  const { clusterId, nodeId: controllerId } = broker
  const clusterAuthorizedOperations = operationsOn(
    'cluster',
    request.includeClusterAuthorizedOperations,
  )
  const whole = { clusterId, controllerId, brokers, clusterAuthorizedOperations }
  return { ...NO_ERROR, endpointType, ...whole }
}
