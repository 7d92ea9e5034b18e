/*
 * The nodes of one process: the controller, the brokers, and the network between them. Each broker
 * has its own folder and can be stopped, killed and started while the others continue.
 *
 *   opening   the metadata log is replayed; every broker opens its logs; the controller registers
 *             the brokers; after a crash it elects leaders by what the logs hold; then the brokers
 *             take up their roles
 *   kill      the broker answers and writes nothing more; the controller learns of it at once,
 *             because it is in the same process
 */

import type { Clock } from '../base/clock.js'
import type { Logger } from '../base/logger.js'
import type { Random } from '../base/random.js'
import { allDone } from '../base/tasks.js'
import { METADATA_TOPIC_ID } from '../base/uuid.js'
import {
  METADATA_LOG_CONFIG,
  RECOVERY_CHECKPOINT_INTERVAL_MS,
  type BrokerSettings,
} from '../broker/broker-config.js'
import { Broker } from '../broker/broker.js'
import type { LoadedPartitions } from '../broker/node/group-coordinators.js'
import { Housekeeping } from '../broker/node/housekeeping.js'
import type { Quorum } from '../broker/node/context.js'
import { PartitionJournal } from '../broker/node/partition-journal.js'
import type { Truncation } from '../broker/replication/replica-fetcher.js'
import { NOTHING, StateMachine } from '../coordinator/fold/state-machine.js'
import type { GroupListener } from '../coordinator/groups/rebalance-reporter.js'
import {
  admitBroker,
  fenceBroker,
  formCluster,
  recoverLeaders,
  type RegisteringBroker,
  type LogEnds,
} from '../coordinator/metadata/brokers.js'
import { ClusterImage, type ReplicaHealth } from '../coordinator/metadata/cluster-image.js'
import type { Disk } from '../disk/disk.js'
import { brokerFolder, CONTROLLER_FOLDER } from '../log/format/files.js'
import { logConfig } from '../log/format/log-config.js'
import { LogManager } from '../log/log-manager.js'
import { PartlogError, toPartlogError } from '../model/errors.js'
import { METADATA_TOPIC, partitionKey, type TopicPartition } from '../model/names.js'
import { leadingAlone } from '../partition/only-replica.js'
import type { Partition } from '../partition/partition.js'
import type { Durability } from '../partition/roles.js'
import { REPLICATION_FACTOR, type BrokerOptions } from './cluster-options.js'
import { Controller, type PartitionNews } from './controller.js'
import { CONTROLLER, CONTROLLER_EPOCH, CONTROLLER_ON_DISK } from './network/network-rules.js'
import { Network } from './network/network.js'
import {
  copyStateOf,
  type BrokerListener,
  type CopyState,
  type Nodes,
  type Opened,
} from './nodes.js'

export interface BrokerSetOptions {
  /** Holds the folders of brokers and controller. */
  readonly disk: Disk
  readonly clusterId: string
  /** The clock of a broker, or of the controller. */
  readonly clockOf: (nodeId: number) => Clock
  readonly random: Random
  readonly logger: Logger
  readonly durability: Durability
  readonly onCorruption: 'offline' | 'truncate'
  readonly settings: Omit<BrokerSettings, 'defaultReplicationFactor'> & {
    /** Undefined: REPLICATION_FACTOR, or the number of brokers if that is less. */
    readonly defaultReplicationFactor: number | undefined
  }
  /** How many brokers, or which ones; undefined: those of the folder, or broker 1. */
  readonly brokers: number | readonly BrokerOptions[] | undefined
  /** Racks of the brokers in the order of their ids; null or absent: none. */
  readonly racks: readonly (string | null)[]
  readonly network: Network
  readonly onNews: (news: PartitionNews) => void
  readonly onTruncated: (brokerId: number, truncation: Truncation) => void
  readonly onRepairing: (brokerId: number, partition: Partition, folder: string) => void
  /** A broker has applied the metadata. */
  readonly onApplied: () => void
  readonly groupListener: GroupListener
  /** Whether anything can read the disk after the cluster was closed. */
  readonly isKept: boolean
  /** Another process may own the folder, and group members may be alive there. */
  readonly isReadOnly: boolean
}

const ALL_LOADED: LoadedPartitions = { has: () => true, add: () => undefined }

export class BrokerSet implements Nodes {
  readonly controller: Controller
  /** The metadata log. */
  readonly metadata: Partition
  readonly brokerIds: readonly number[]
  readonly #logsByNode = new Map<number, LogManager>()
  readonly #options: BrokerSetOptions
  readonly #brokers: readonly RegisteringBroker[]
  readonly #running = new Map<number, Broker>()
  /** High watermarks of leaders that have ended, by topic id and partition: to detect data loss. */
  readonly #committed = new Map<string, number>()
  /** The latest start or stop of each broker: they run sequentially. */
  readonly #changing = new Map<number, Promise<void>>()
  readonly #loadedGroups: LoadedPartitions
  #chores: Housekeeping | undefined

  #listener: BrokerListener | undefined

  private constructor(
    options: BrokerSetOptions,
    { controller, metadata }: OpenedController,
    logs: LogManager,
  ) {
    this.#options = options
    this.metadata = metadata
    this.#loadedGroups = options.isReadOnly ? ALL_LOADED : new Set()
    this.controller = controller
    this.#logsByNode.set(CONTROLLER, logs)
    this.#brokers = brokersOf(options, [...controller.image.brokers.keys()])
    this.brokerIds = this.#brokers.map(({ id }) => id)
  }

  static async open(options: BrokerSetOptions): Promise<BrokerSet> {
    const early = openEarly(options)
    let logs: LogManager | undefined
    let set: BrokerSet | undefined
    try {
      logs = await openManager(options, CONTROLLER)
      const made = new BrokerSet(options, await openController(options, logs), logs)
      set = made
      set.controller.setReplicaHealth(set.#isUsable)
      // Wait for all, even if one fails: a broker that is still opening could not be killed.
      const opened = await Promise.allSettled(
        made.brokerIds.map(id => made.#openBroker(id, early.get(id))),
      )
      for (const each of opened) if (each.status === 'rejected') throw each.reason
      await set.#form()
      set.#beginChores()
      return set
    } catch (error) {
      await Promise.allSettled(early.values())
      for (const broker of set?.running ?? []) await broker.kill()
      await set?.controller.stop()
      await logs?.abandon()
      throw error
    }
  }

  /** The logs of every node that was opened, the controller's first. */
  get managers(): LogManager[] {
    return [CONTROLLER, ...this.brokerIds].flatMap(id => this.#logsByNode.get(id) ?? [])
  }

  get opened(): Opened {
    const { managers } = this
    return {
      wasClosedCleanly: managers.every(manager => manager.wasClosedCleanly),
      findings: managers.flatMap(manager => manager.findings),
    }
  }

  broker(nodeId: number): Broker | undefined {
    return this.#running.get(nodeId)
  }

  copyOf(nodeId: number, { topic, partition }: TopicPartition): CopyState {
    return copyStateOf(this.broker(nodeId)?.replicas.find(topic, partition))
  }

  get running(): IterableIterator<Broker> {
    return this.#running.values()
  }

  listen(listener: BrokerListener): void {
    this.#listener = listener
  }

  /** Ends a broker in order: it hands over its leaderships first. */
  stop(nodeId: number): Promise<void> {
    return this.#change(nodeId, async broker => {
      if (broker === undefined) return
      await this.controller.run(image => fenceBroker(image, nodeId))
      await this.#take(nodeId, () => broker.close())
    })
  }

  /** Ends a broker like a program that dies. */
  kill(nodeId: number): Promise<void> {
    return this.#change(nodeId, async broker => {
      if (broker === undefined) return
      const elected = (): Promise<void> => this.#fenceUnlessRunning(nodeId)
      await this.#take(nodeId, () => allDone([broker.kill(), elected()]))
    })
  }

  /** Starts a broker that was stopped or killed. */
  start(nodeId: number): Promise<void> {
    return this.#change(nodeId, async broker => {
      if (broker !== undefined) return
      if (!this.#reachesController(nodeId)) {
        const sentence = `broker ${nodeId} cannot reach the controller`
        throw new PartlogError('NETWORK_EXCEPTION', sentence)
      }
      const opened = await this.#openBroker(nodeId)
      const ends = opened.logs.wasClosedCleanly ? undefined : this.#logEnds
      const news = { id: nodeId, rack: this.#rackOf(nodeId) }
      try {
        await this.controller.commit(image => admitBroker(image, news, ends))
      } catch (error) {
        this.#running.delete(nodeId)
        await opened.kill()
        this.#fenceUnlessRunning(nodeId).catch(() => undefined) // retried until it is written
        throw error
      }
      this.#attach(opened)
      // The network may have separated it while its logs were being opened.
      await this.controller.setReachable(nodeId, this.#reachesController(nodeId))
      await this.controller.tellAll()
      await this.#listener?.started(nodeId)
    })
  }

  /** The network was partitioned or healed: tells the controller which brokers it reaches. */
  async onNetworkChanged(): Promise<void> {
    const { logger } = this.#options
    const told = this.brokerIds.map(async id => {
      try {
        await this.controller.setReachable(id, this.#reachesController(id))
      } catch (error) {
        logger.error(`the controller could not note whether it reaches broker ${id}`, { error })
      }
    })
    await Promise.all(told)
    for (const broker of this.#running.values()) broker.replicas.retryNow()
  }

  /** Committed records that a new leader does not have, as far as this process knows. */
  lossUnder(leader: number, { topic, partition }: TopicPartition) {
    const topicId = this.controller.image.topics.get(topic)?.topicId ?? ''
    const key = partitionKey(topicId, partition)
    const toOffset = this.#committed.get(key) ?? 0
    const end = this.#logEnds(leader, topic, partition)
    if (end === undefined || end.offset >= toOffset) return undefined
    this.#committed.set(key, end.offset)
    return { fromOffset: end.offset, toOffset }
  }

  async close(): Promise<void> {
    await Promise.all(this.#changing.values())
    await this.controller.stop()
    // First on all brokers: none should wait for another that is closed already.
    await Promise.all([...this.#running.values()].map(broker => broker.replicas.stopReplication()))
    const failures: unknown[] = []
    const noted = (closing: Promise<void>): Promise<void> =>
      closing.catch((error: unknown) => void failures.push(error))
    const brokers = [...this.#running.values()]
    for (const broker of brokers) {
      this.controller.detach(broker.nodeId)
      await noted(broker.retire())
    }
    this.#options.network.close()
    await this.controller.stop() // again: brokers may have started retries while they retired
    await this.#chores?.stop()
    if (this.#options.isKept) {
      // Side by side, so that syncs share commits of the file system's journal.
      const closing = [...brokers.map(broker => broker.close()), this.#metadataLogs.close()]
      await Promise.all(closing.map(noted))
    } else {
      // A unit test's cluster: a third of its promises were for checkpoints that nothing reads.
      await Promise.all(this.managers.map(logs => logs.abandon()))
    }
    if (failures.length > 0) throw failures[0]
  }

  /** Ends like a process that dies; the network stays, for others. */
  async abandon(): Promise<void> {
    await Promise.all(this.#changing.values())
    await this.controller.stop()
    await this.#chores?.stop()
    for (const broker of this.#running.values()) {
      this.controller.detach(broker.nodeId)
      this.#options.network.detach(broker.nodeId)
      await broker.kill()
    }
    await this.#metadataLogs.abandon()
  }

  // ── helpers ────────────────────────────────────────────────────────────────────────────

  readonly #logEnds: LogEnds = (brokerId, topic, partition) =>
    this.#running.get(brokerId)?.replicas.endOf(topic, partition)

  readonly #isUsable: ReplicaHealth = (brokerId, topic, partition) =>
    this.#running.get(brokerId)?.replicas.find(topic, partition)?.offlineReason === undefined

  #reachesController(nodeId: number): boolean {
    return this.#options.network.reaches(CONTROLLER, nodeId)
  }

  async #change(
    nodeId: number,
    task: (broker: Broker | undefined) => Promise<void>,
  ): Promise<void> {
    const before = this.#changing.get(nodeId) ?? Promise.resolve()
    const done = before
      .then(() => task(this.#running.get(nodeId)))
      .catch((error: unknown) => {
        throw toPartlogError(error)
      })
    const settled = done.catch(() => undefined)
    this.#changing.set(nodeId, settled)
    await done
  }

  async #take(nodeId: number, end: () => Promise<void>): Promise<void> {
    this.#noteCommitted(nodeId)
    this.#running.delete(nodeId)
    this.controller.detach(nodeId)
    this.#options.network.detach(nodeId)
    this.#listener?.gone(nodeId)
    await end()
  }

  /** A broker that does not run must not stay registered as alive. */
  async #fenceUnlessRunning(nodeId: number): Promise<void> {
    const isRunning = (): boolean => this.#running.has(nodeId)
    await this.controller.insist(image => (isRunning() ? NOTHING : fenceBroker(image, nodeId)))
  }

  #noteCommitted(nodeId: number): void {
    for (const partition of this.#running.get(nodeId)?.replicas.partitions() ?? []) {
      if (!partition.isLeader) continue
      const key = partitionKey(partition.topicId, partition.topicPartition.partition)
      const known = this.#committed.get(key) ?? 0 // may be higher: a separated leader lags
      this.#committed.set(key, Math.max(known, partition.highWatermark))
    }
  }

  /** Registers the brokers; after a crash, elects the replicas with the longest logs. */
  async #form(): Promise<void> {
    await this.controller.commit(image => formCluster(image, this.#brokers))
    const wasClosedCleanly = this.managers.every(manager => manager.wasClosedCleanly)
    if (!wasClosedCleanly) {
      await this.controller.commit(image => recoverLeaders(image, this.#logEnds))
    }
    for (const broker of this.#running.values()) this.#attach(broker)
    await Promise.all([...this.#running.values()].map(broker => broker.applyMetadata()))
    if (this.brokerIds.length > 1) this.controller.start()
  }

  /** Writes the recovery point of the metadata log periodically. */
  #beginChores(): void {
    const { clockOf, logger } = this.#options
    const intervalMs = RECOVERY_CHECKPOINT_INTERVAL_MS
    const run = (): Promise<void> => this.#metadataLogs.checkpointAll()
    const chore = { name: "the metadata's recovery point", initialDelayMs: intervalMs, intervalMs }
    this.#chores = new Housekeeping(clockOf(CONTROLLER), logger, [{ ...chore, run }])
  }

  #attach(broker: Broker): void {
    this.controller.attach(broker)
    this.#options.network.attach(
      broker.nodeId,
      (api, request, signal) => broker.handle(api, request, signal),
      batch => broker.appendNow(batch),
    )
  }

  async #openBroker(nodeId: number, opening?: Promise<LogManager>): Promise<Broker> {
    const { network, onTruncated, onRepairing, clockOf, ...common } = this.#options
    const logs = await (opening ?? openManager(this.#options, nodeId))
    const broker = await Broker.open({
      ...common,
      clock: clockOf(nodeId),
      settings: this.#brokerSettings(),
      nodeId,
      logs,
      controller: this.controller.doorOf(nodeId),
      brokers: this.brokerIds.map(id => ({ nodeId: id, host: brokerFolder(id), port: 9092 })),
      channel: network.channelFrom(nodeId),
      longHolds: network.longHolds,
      loadedGroups: this.#loadedGroups,
      onTruncated: truncation => onTruncated(nodeId, truncation),
      onRepairing: (partition, folder) => onRepairing(nodeId, partition, folder),
    })
    this.#logsByNode.set(nodeId, logs)
    this.#running.set(nodeId, broker)
    return broker
  }

  #brokerSettings(): BrokerSettings {
    const { settings } = this.#options
    const usual = Math.min(REPLICATION_FACTOR, this.brokerIds.length)
    const { defaultReplicationFactor = usual } = settings
    return { ...settings, defaultReplicationFactor }
  }

  #rackOf(nodeId: number): string | null {
    return this.#brokers.find(({ id }) => id === nodeId)?.rack ?? null
  }

  get #metadataLogs(): LogManager {
    return this.#logsByNode.get(CONTROLLER) as LogManager
  }
}

/**
 * The brokers of the cluster, by id. A list names them; a number takes the first ones that the
 * folder knows, then new ones with the next ids.
 */
function brokersOf({ brokers, racks }: BrokerSetOptions, before: number[]): RegisteringBroker[] {
  if (typeof brokers === 'object') {
    const sorted = brokers.toSorted((a, b) => a.id - b.id)
    return sorted.map(({ id, rack }, index) => ({ id, rack: rack ?? racks[index] ?? null }))
  }
  const ids = before.sort((a, b) => a - b).slice(0, brokers)
  const missing = Math.max(0, (brokers ?? 1) - ids.length)
  const next = (ids.at(-1) ?? 0) + 1
  const made = Array.from({ length: missing }, (_, index) => next + index)
  return [...ids, ...made].map((id, index) => ({ id, rack: racks[index] ?? null }))
}

/**
 * The folders of a new cluster's brokers, which no metadata has to name, beside the controller's:
 * their syncs share commits of the file system's journal.
 */
function openEarly(options: BrokerSetOptions): ReadonlyMap<number, Promise<LogManager>> {
  const isNew = !options.disk.exists(CONTROLLER_FOLDER)
  const brokers = isNew ? brokersOf(options, []) : []
  const opening = new Map(brokers.map(({ id }) => [id, openManager(options, id)]))
  for (const each of opening.values()) each.catch(() => undefined) // it is awaited later
  return opening
}

async function openManager(options: BrokerSetOptions, nodeId: number): Promise<LogManager> {
  const { disk, clusterId, clockOf, random, logger, onCorruption } = options
  const clock = clockOf(nodeId)
  const root = nodeId === CONTROLLER ? CONTROLLER_FOLDER : brokerFolder(nodeId)
  const isCommittedDurable = nodeId === CONTROLLER || options.durability === 'power'
  const common = { clusterId, clock, random, logger, onCorruption, isCommittedDurable }
  const idOnDisk = nodeId === CONTROLLER ? CONTROLLER_ON_DISK : nodeId
  return await LogManager.open({ ...common, disk, root, nodeId: idOnDisk })
}

interface OpenedController {
  readonly controller: Controller
  readonly metadata: Partition
}

/** Opens the metadata log and replays it: the result is the cluster's state. */
async function openController(
  options: BrokerSetOptions,
  logs: LogManager,
): Promise<OpenedController> {
  const { clockOf, logger, onNews, settings } = options
  const clock = clockOf(CONTROLLER)
  const topicPartition = { topic: METADATA_TOPIC, partition: 0 }
  const topicId = METADATA_TOPIC_ID
  const config = { current: logConfig(METADATA_LOG_CONFIG) }
  const log = await logs.load({
    ...topicPartition,
    topicId,
    settings: config,
    leaderEpoch: CONTROLLER_EPOCH,
    isReplicated: false,
  })
  await logs.syncNames()
  // Metadata is small and everything depends on it: it is always durable against power cuts.
  const rules = { lagMaxMs: Infinity, isAlive: () => true }
  const durability = 'power' as const
  const place = { brokerId: CONTROLLER, topicPartition, topicId, clock, durability, ...rules }
  const partition = await leadingAlone(place, log, CONTROLLER_EPOCH)
  partition.listen({
    onCheckpointable: () => logs.requestCheckpoint(),
    onIsrWanted: () => undefined,
    onOffline: () => undefined,
  })
  const journal = new PartitionJournal(partition, clock)
  const machine = await StateMachine.load(journal, new ClusterImage())
  const { brokerSessionTimeoutMs: sessionTimeoutMs } = settings
  const { autoLeaderRebalanceEnable, leaderImbalanceCheckIntervalSeconds } = settings
  const balanceIntervalMs = autoLeaderRebalanceEnable
    ? leaderImbalanceCheckIntervalSeconds * 1_000
    : undefined
  const quorum = (): Quorum => ({
    nodeId: CONTROLLER_ON_DISK,
    leaderEpoch: partition.leaderEpoch,
    highWatermark: partition.highWatermark,
    logEndOffset: log.logEndOffset,
  })
  const common = { machine, clock, logger, sessionTimeoutMs, onNews, quorum }
  return { controller: new Controller({ ...common, balanceIntervalMs }), metadata: partition }
}
