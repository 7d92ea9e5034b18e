/* What a request handler may use of its broker. */

import type { Clock } from '../../base/clock.js'
import type { Random } from '../../base/random.js'
import type { Watchers } from '../../base/watchers.js'
import type { Decision } from '../../coordinator/fold/state-machine.js'
import type { ClusterImage, TopicImage } from '../../coordinator/metadata/cluster-image.js'
import type { ControllerContext } from '../../coordinator/metadata/topics.js'
import type { BrokerSettings } from '../broker-config.js'
import type { Replicas } from '../replication/replicas.js'
import type { GroupCoordinators } from './group-coordinators.js'
import type { TransactionCoordinators } from './transaction-coordinators.js'

export interface BrokerEndpoint {
  readonly nodeId: number
  readonly host: string
  readonly port: number
}

/** The controller as the only voter of the metadata log. */
export interface Quorum {
  readonly nodeId: number
  readonly leaderEpoch: number
  readonly highWatermark: number
  readonly logEndOffset: number
}

/** A broker's access to the controller. */
export interface ControllerDoor {
  readonly image: ClusterImage
  readonly quorum: Quorum
  /** Makes a decision; resolves when it is committed. */
  run<T>(decide: (image: ClusterImage) => Decision<T>): Promise<T>
  /** As `run`, but retries while the disk is full or the queue has no room. */
  insist(decide: (image: ClusterImage) => Decision<void>): Promise<void>
}

/** Source of producer ids. */
export interface ProducerIdSource {
  /** An id that was never used before; synchronous while the current block has ids left. */
  next(): number | Promise<number>
}

/** Whether a fetch may be held for long while nothing can have changed. */
export interface LongHolds {
  readonly areAllowed: boolean
  /** Notified when that may have changed. */
  readonly changes: Watchers
}

/** The folder of a broker's logs. */
export interface LogFolder {
  readonly location: string
  /** Durable when it resolves. */
  writeCheckpoints(): Promise<void>
}

export interface BrokerContext {
  readonly longHolds: LongHolds
  readonly nodeId: number
  readonly clusterId: string
  readonly clock: Clock
  readonly random: Random
  readonly settings: BrokerSettings
  readonly brokers: readonly BrokerEndpoint[]
  readonly controller: ControllerDoor
  readonly controllerContext: ControllerContext
  readonly replicas: Replicas
  readonly logs: LogFolder
  readonly producerIds: ProducerIdSource
  /** The group coordinators; `__consumer_offsets` is created when it is first needed. */
  readonly groups: GroupCoordinators
  /** The same for transactional ids and `__transaction_state`. */
  readonly transactions: TransactionCoordinators
  /** The topic; created first if it does not exist and `mayCreate`. */
  topic(name: string, mayCreate: boolean): Promise<TopicImage>
}
