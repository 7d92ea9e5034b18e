/** What a handler may use of its broker. */

import type { Clock } from '../../base/clock.js'
import type { Random } from '../../base/random.js'
import type { Decision } from '../../coordinator/fold/state-machine.js'
import type { ClusterImage, TopicImage } from '../../coordinator/metadata/cluster-image.js'
import type { ControllerContext } from '../../coordinator/metadata/topics.js'
import type { LogManager } from '../../log/log/log-manager.js'
import type { BrokerSettings } from './broker-config.js'
import type { GroupCoordinators } from './group-coordinators.js'
import type { ReplicaManager } from './replica-manager.js'

export interface BrokerEndpoint {
  readonly nodeId: number
  readonly host: string
  readonly port: number
}

/** The controller, as a broker talks to it. */
export interface ControllerDoor {
  readonly image: ClusterImage
  /** Takes a decision and has it committed. */
  run<T>(decide: (image: ClusterImage) => Decision<T>): Promise<T>
  /** As `run`; what finds no room, which rejects, is tried again until it is taken. */
  insist(decide: (image: ClusterImage) => Decision<void>): Promise<void>
}

/** Where producers get their ids. */
export interface ProducerIdSource {
  /** An id that was never given before; at once while there are some in store. */
  next(): number | Promise<number>
}

export interface BrokerContext {
  readonly nodeId: number
  readonly clusterId: string
  readonly clock: Clock
  readonly random: Random
  readonly settings: BrokerSettings
  readonly brokers: readonly BrokerEndpoint[]
  readonly controller: ControllerDoor
  readonly controllerContext: ControllerContext
  readonly replicas: ReplicaManager
  readonly logs: LogManager
  readonly producerIds: ProducerIdSource
  /** Who coordinates the groups; makes `__consumer_offsets` when it is first needed. */
  readonly groups: GroupCoordinators
  /** The topic, made first if it is not there and may be made. */
  topic(name: string, mayCreate: boolean): Promise<TopicImage>
}
