/** ElectLeaders (v0–v2). Each partition is a decision of its own. */

import { electLeader, type ElectionType } from '../coordinator/brokers.js'
import {
  ELECTION_TYPE,
  type ElectLeadersRequest,
  type ElectLeadersResponse,
} from '../protocol/messages/elections.js'
import type { BrokerContext } from './context.js'
import { errorFields, NO_ERROR } from './errors.js'

type PartitionResult =
  ElectLeadersResponse['replicaElectionResults'][number]['partitionResult'][number]

export async function electLeaders(
  broker: BrokerContext,
  { electionType, topicPartitions }: ElectLeadersRequest,
): Promise<ElectLeadersResponse> {
  const type = electionType === ELECTION_TYPE.unclean ? 'unclean' : 'preferred'
  const replicaElectionResults: ElectLeadersResponse['replicaElectionResults'][number][] = []
  for (const { topic, partitions } of topicPartitions ?? allPartitions(broker)) {
    const partitionResult: PartitionResult[] = []
    for (const partition of partitions) {
      partitionResult.push(await elect(broker, type, { topic, partition }))
    }
    replicaElectionResults.push({ topic, partitionResult })
  }
  return { errorCode: 0, replicaElectionResults }
}

async function elect(
  broker: BrokerContext,
  type: ElectionType,
  place: { readonly topic: string; readonly partition: number },
): Promise<PartitionResult> {
  try {
    await broker.controller.run(image => electLeader(image, type, place))
    return { partitionId: place.partition, ...NO_ERROR }
  } catch (error) {
    return { partitionId: place.partition, ...errorFields(error) }
  }
}

function allPartitions(broker: BrokerContext) {
  return [...broker.controller.image.topics.values()].map(({ name: topic, partitions }) => ({
    topic,
    partitions: partitions.map(({ partition }) => partition),
  }))
}
