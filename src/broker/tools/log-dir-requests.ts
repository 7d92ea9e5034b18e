/*
 * DescribeLogDirs (v1–v5): the folder of the broker's logs and the bytes of each.
 * AlterReplicaLogDirs (v1–v2): a broker has one folder here, so a log can only stay where it is.
 */

import { grouped } from '../../base/grouped.js'
import { errorId } from '../../model/errors.js'
import { partitionKey, partitionName } from '../../model/names.js'
import type { Partition } from '../../partition/partition.js'
import type {
  AlterReplicaLogDirsRequest,
  AlterReplicaLogDirsResponse,
  DescribeLogDirsRequest,
  DescribeLogDirsResponse,
} from '../../protocol/messages/log-dirs.js'
import type { BrokerContext } from '../node/context.js'

type DescribedTopic = DescribeLogDirsResponse['results'][number]['topics'][number]
type DescribedPartition = DescribedTopic['partitions'][number]

export function describeLogDirs(
  broker: BrokerContext,
  { topics }: DescribeLogDirsRequest,
): DescribeLogDirsResponse {
  const asked = topics?.flatMap(({ topic, partitions }) =>
    partitions.map(partition => partitionKey(topic, partition)),
  )
  const wanted = asked && new Set(asked)
  const replicas = [...broker.replicas.partitions()]
    .filter(({ topicPartition }) => wanted?.has(partitionName(topicPartition)) !== false)
    .filter(({ replicaLog }) => replicaLog !== undefined)
  const byTopic = grouped(replicas, ({ topicPartition }) => topicPartition.topic)
  const found = [...byTopic].map(([name, ofTopic]) => ({
    name,
    partitions: ofTopic.flatMap(each => describe(each) ?? []),
  }))
  return { results: [{ errorCode: 0, logDir: broker.logs.location, topics: found }] }
}

/** undefined: the log could not be opened. */
function describe(partition: Partition): DescribedPartition | undefined {
  const { replicaLog: log, highWatermark, topicPartition } = partition
  if (log === undefined) return undefined
  return {
    partitionIndex: topicPartition.partition,
    partitionSize: log.sizeBytes,
    offsetLag: Math.max(0, highWatermark - log.logEndOffset),
    isFutureKey: false,
  }
}

const NO_FOLDER = errorId('LOG_DIR_NOT_FOUND')
const NO_PARTITION = errorId('UNKNOWN_TOPIC_OR_PARTITION')

export function alterReplicaLogDirs(
  broker: BrokerContext,
  { dirs }: AlterReplicaLogDirsRequest,
): AlterReplicaLogDirsResponse {
  const results = dirs.flatMap(({ path, topics }) =>
    topics.map(({ name, partitions }) => ({
      topicName: name,
      partitions: partitions.map(partitionIndex => ({
        partitionIndex,
        errorCode: errorOfMove(broker, path, broker.replicas.find(name, partitionIndex)),
      })),
    })),
  )
  return { results }
}

function errorOfMove(broker: BrokerContext, path: string, replica: Partition | undefined): number {
  if (path !== broker.logs.location) return NO_FOLDER
  return replica === undefined ? NO_PARTITION : 0
}
