/* ElectLeaders (v0–v2). The controller decides each partition separately. */

import { electLeader, type ElectionType } from '../../coordinator/metadata/brokers.js'
import { errorId, PartlogError } from '../../model/errors.js'
import {
  ELECTION_TYPE,
  type ElectLeadersRequest,
  type ElectLeadersResponse,
} from '../../protocol/messages/elections.js'
import { errorFields, NO_ERROR } from '../node/answer-errors.js'
import type { BrokerContext } from '../node/context.js'

const TYPES: ReadonlyMap<number, ElectionType> = new Map([
  [ELECTION_TYPE.preferred, 'preferred'],
  [ELECTION_TYPE.unclean, 'unclean'],
])

const NOT_NEEDED = errorId('ELECTION_NOT_NEEDED')

type PartitionResult =
  ElectLeadersResponse['replicaElectionResults'][number]['partitionResult'][number]

export async function electLeaders(
  broker: BrokerContext,
  { electionType, topicPartitions }: ElectLeadersRequest,
): Promise<ElectLeadersResponse> {
  const type = TYPES.get(electionType ?? ELECTION_TYPE.preferred)
  if (type === undefined) {
    const sentence = `election type ${electionType} does not exist: 0 is preferred, 1 unclean`
    const error = new PartlogError('INVALID_REQUEST', sentence)
    return { ...errorFields(error), replicaElectionResults: refused(topicPartitions ?? [], error) }
  }
  const replicaElectionResults: ElectLeadersResponse['replicaElectionResults'][number][] = []
  for (const { topic, partitions } of topicPartitions ?? allPartitions(broker)) {
    const partitionResult: PartitionResult[] = []
    for (const partition of partitions) {
      const result = await elect(broker, type, { topic, partition })
      // If all partitions are asked for, the answer leaves out those that need no election.
      const isWanted = topicPartitions !== null || result.errorCode !== NOT_NEEDED
      if (isWanted) partitionResult.push(result)
    }
    if (topicPartitions === null && partitionResult.length === 0) continue
    replicaElectionResults.push({ topic, partitionResult })
  }
  return { errorCode: 0, replicaElectionResults }
}

function refused(
  asked: NonNullable<ElectLeadersRequest['topicPartitions']>,
  error: PartlogError,
): ElectLeadersResponse['replicaElectionResults'] {
  return asked.map(({ topic, partitions }) => ({
    topic,
    partitionResult: partitions.map(partitionId => ({ partitionId, ...errorFields(error) })),
  }))
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
