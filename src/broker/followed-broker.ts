/*
 * A broker of a cluster that another process owns, as readers see it: it has the partitions that it
 * leads there, and answers requests that change nothing. It decides nothing, keeps no session and
 * has no chores.
 */

import type { Clock } from '../base/clock.js'
import type { Logger } from '../base/logger.js'
import type { Random } from '../base/random.js'
import type { JournalRecord } from '../coordinator/fold/journal.js'
import { GroupCoordinator } from '../coordinator/groups/group-coordinator.js'
import type { GroupListener } from '../coordinator/groups/rebalance-reporter.js'
import type { ClusterImage, TopicImage } from '../coordinator/metadata/cluster-image.js'
import type { ControllerContext } from '../coordinator/metadata/topics.js'
import { PartlogError } from '../model/errors.js'
import { checkTopicName, OFFSETS_TOPIC } from '../model/names.js'
import type { Partition } from '../partition/partition.js'
import type { ApiName, Request, Response } from '../protocol/api.js'
import { TRANSACTION_SETTINGS, type BrokerSettings } from './broker-config.js'
import { HANDLERS } from './handlers.js'
import type {
  BrokerContext,
  BrokerEndpoint,
  ControllerDoor,
  LogFolder,
  LongHolds,
  ProducerIdSource,
  Quorum,
} from './node/context.js'
import { GroupCoordinators } from './node/group-coordinators.js'
import { TransactionCoordinators } from './node/transaction-coordinators.js'
import { noReplica, type Replicas } from './replication/replicas.js'

export interface FollowedBrokerOptions {
  readonly nodeId: number
  readonly clusterId: string
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly settings: BrokerSettings
  readonly brokers: readonly BrokerEndpoint[]
  readonly longHolds: LongHolds
  /** Where its logs are. */
  readonly location: string
  readonly image: () => ClusterImage
  readonly quorum: () => Quorum
  readonly groupListener: GroupListener
}

export class FollowedBroker implements BrokerContext {
  readonly nodeId: number
  readonly clusterId: string
  readonly clock: Clock
  readonly random: Random
  readonly settings: BrokerSettings
  readonly brokers: readonly BrokerEndpoint[]
  readonly longHolds: LongHolds
  readonly controller: ControllerDoor
  readonly controllerContext: ControllerContext
  readonly logs: LogFolder
  readonly replicas: FollowedReplicas
  readonly producerIds: ProducerIdSource = { next: () => refuse('a producer id') }
  readonly groups: FollowedGroups
  readonly transactions: TransactionCoordinators
  /** Only an owner looks for them. */
  readonly unknownFolders: readonly string[] = []

  constructor(options: FollowedBrokerOptions) {
    const { nodeId, clock, random, logger, image, settings } = options
    this.nodeId = nodeId
    this.clusterId = options.clusterId
    this.clock = clock
    this.random = random
    this.settings = settings
    this.brokers = options.brokers
    this.longHolds = options.longHolds
    this.controllerContext = { brokerIds: options.brokers.map(each => each.nodeId), random }
    this.controller = doorTo(image, options.quorum)
    this.logs = { location: options.location, writeCheckpoints: async () => refuse('a checkpoint') }
    this.replicas = new FollowedReplicas(nodeId, image)
    const { replicas } = this
    const nothing = async (): Promise<void> => undefined
    const coordinating = { nodeId, clock, random, logger, image, replicas }
    const internal = { ...coordinating, applyMetadata: nothing, makeTopic: nothing }
    this.groups = new FollowedGroups({
      ...internal,
      settings,
      listener: options.groupListener,
      loadedBefore: { has: () => true, add: () => undefined },
      isShown: true,
    })
    const ask = async (): Promise<never> => refuse('the end of a transaction')
    this.transactions = new TransactionCoordinators({
      ...internal,
      settings: TRANSACTION_SETTINGS,
      ask,
    })
  }

  handle<A extends ApiName>(
    api: A,
    request: Request<A>,
    signal?: AbortSignal,
  ): Response<A> | Promise<Response<A>> {
    return HANDLERS[api](this, request, signal)
  }

  async topic(name: string): Promise<TopicImage> {
    checkTopicName(name)
    const found = this.controller.image.topics.get(name)
    if (found !== undefined) return found
    throw new PartlogError('UNKNOWN_TOPIC_OR_PARTITION', `topic ${name} does not exist`)
  }

  stop(): void {
    this.groups.stop()
    this.transactions.stop()
  }
}

/** The partitions that a broker leads in the process that owns them. */
class FollowedReplicas implements Replicas {
  readonly #nodeId: number
  readonly #image: () => ClusterImage
  readonly #partitions = new Map<string, Map<number, Partition>>()

  constructor(nodeId: number, image: () => ClusterImage) {
    this.#nodeId = nodeId
    this.#image = image
  }

  *partitions(): Generator<Partition> {
    for (const ofTopic of this.#partitions.values()) yield* ofTopic.values()
  }

  partition(topic: string, partition: number): Partition {
    return (
      this.find(topic, partition) ?? noReplica(this.#nodeId, this.#image(), { topic, partition })
    )
  }

  find(topic: string, partition: number): Partition | undefined {
    return this.#partitions.get(topic)?.get(partition)
  }

  set(partition: Partition): void {
    const { topic, partition: number } = partition.topicPartition
    const ofTopic = this.#partitions.get(topic) ?? new Map<number, Partition>()
    this.#partitions.set(topic, ofTopic.set(number, partition))
  }

  /** Does nothing if another partition has its place. */
  delete(partition: Partition): void {
    const { topic, partition: number } = partition.topicPartition
    const ofTopic = this.#partitions.get(topic)
    if (ofTopic?.get(number) !== partition) return
    ofTopic.delete(number)
    if (ofTopic.size === 0) this.#partitions.delete(topic)
  }

  set isReplicationPaused(_isPaused: boolean) {
    refuse('a pause of replication')
  }
}

/** Groups of the process that owns the folder; there are none while their topic does not exist. */
class FollowedGroups extends GroupCoordinators {
  #none: Promise<GroupCoordinator> | undefined
  readonly #settings: Readonly<ConstructorParameters<typeof GroupCoordinators>[0]>

  constructor(options: ConstructorParameters<typeof GroupCoordinators>[0]) {
    super(options)
    this.#settings = options
  }

  /** Takes in what was added to the logs of this broker. */
  async catchUp(): Promise<void> {
    this.followLeaderships()
    for (const coordinator of await this.all()) await coordinator.catchUp()
  }

  override async brokerOf(key: string): Promise<number> {
    return this.#hasTopic ? await super.brokerOf(key) : this.#settings.nodeId
  }

  override async at(number: number, what: string): Promise<GroupCoordinator> {
    return this.#hasTopic ? await super.at(number, what) : await this.#noGroups()
  }

  get #hasTopic(): boolean {
    return this.#settings.image().topics.has(OFFSETS_TOPIC)
  }

  #noGroups(): Promise<GroupCoordinator> {
    return (this.#none ??= GroupCoordinator.load(EMPTY, this.#settings))
  }
}

const EMPTY = {
  append: async (): Promise<never> => refuse('a record'),
  settled: async (): Promise<void> => undefined,
  async *read(): AsyncGenerator<JournalRecord> {},
}

function doorTo(image: () => ClusterImage, quorum: () => Quorum): ControllerDoor {
  return {
    get image() {
      return image()
    },
    get quorum() {
      return quorum()
    },
    run: async () => refuse('a decision'),
    insist: async () => refuse('a decision'),
  }
}

function refuse(what: string): never {
  throw new PartlogError('READ_ONLY', `the folder is open for reading only: no ${what}`)
}
