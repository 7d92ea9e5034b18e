/** Metadata (v1–v12): the brokers and the topics asked for, made on the way if that is wished. */

import type { TopicImage } from '../coordinator/metadata.js'
import { errorId, toPartlogError } from '../model/errors.js'
import type {
  MetadataRequest,
  MetadataResponse,
  TopicMetadata,
} from '../protocol/messages/metadata.js'
import type { BrokerContext } from './context.js'
import { errorFields } from './errors.js'

export async function metadata(
  broker: BrokerContext,
  request: MetadataRequest,
): Promise<MetadataResponse> {
  return {
    brokers: broker.brokers.map(({ nodeId, host, port }) => ({ nodeId, host, port })),
    clusterId: broker.clusterId,
    controllerId: broker.nodeId,
    topics: await topicsOf(broker, request),
  }
}

async function topicsOf(
  broker: BrokerContext,
  { topics, allowAutoTopicCreation = true }: MetadataRequest,
): Promise<TopicMetadata[]> {
  const { image } = broker.controller
  if (topics === null) return [...image.topics.values()].map(topic => describe(broker, topic))
  const described: TopicMetadata[] = []
  for (const { name, topicId } of topics) {
    const wanted = name ?? image.topicById(topicId ?? '')?.name ?? ''
    try {
      described.push(describe(broker, await broker.topic(wanted, allowAutoTopicCreation)))
    } catch (error) {
      described.push({ ...errorFields(error), name: wanted, partitions: [] })
    }
  }
  return described
}

function describe(broker: BrokerContext, topic: TopicImage): TopicMetadata {
  return {
    errorCode: 0,
    name: topic.name,
    topicId: topic.topicId,
    isInternal: topic.isInternal,
    partitions: topic.partitions.map(({ partition, leader, leaderEpoch, replicas, isr }) => {
      const { offlineReason } = broker.replicas.find(topic.name, partition) ?? {}
      return {
        errorCode: offlineReason === undefined ? 0 : errorId(toPartlogError(offlineReason).code),
        partitionIndex: partition,
        leaderId: leader,
        leaderEpoch,
        replicaNodes: replicas,
        isrNodes: isr,
        offlineReplicas: offlineReason === undefined ? [] : [broker.nodeId],
      }
    }),
  }
}
