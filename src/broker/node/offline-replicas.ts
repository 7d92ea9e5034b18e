/* The replicas of a partition that cannot be used, as far as a broker knows. */

import type { PartitionImage } from '../../coordinator/metadata/cluster-image.js'
import type { PartlogError } from '../../model/errors.js'
import type { BrokerContext } from './context.js'

/** The brokers that are not alive, and this one if its log is offline. */
export function offlineReplicasOf(
  broker: BrokerContext,
  topic: string,
  partition: PartitionImage,
): readonly number[] {
  const { image } = broker.controller
  const dead = partition.replicas.filter(id => !image.isAlive(id))
  return brokenHere(broker, topic, partition) === undefined ? dead : [...dead, broker.nodeId]
}

/** Why the log on this broker is offline. */
export function brokenHere(
  broker: BrokerContext,
  topic: string,
  { partition }: PartitionImage,
): PartlogError | undefined {
  return broker.replicas.find(topic, partition)?.offlineReason
}
