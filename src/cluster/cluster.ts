/**
 * The roof: the only place where the parts are put together. A cluster in memory and one in a
 * folder differ in one argument, the disk.
 *
 *   <dir>/.lock  .lock-holder          one owner at a time
 *   <dir>/controller/                  the log that the cluster's state is a fold over
 *   <dir>/broker-1/ broker-2/ …        Kafka log directories
 */

import { SystemClock, type Clock } from '../base/clock.js'
import { silentLogger, unbreakable, warnPeople, type Logger } from '../base/logger.js'
import { readOptions, show, type OptionValues } from '../base/options.js'
import { systemRandom, type Random } from '../base/random.js'
import { Signal } from '../base/tasks.js'
import { randomUuid } from '../base/uuid.js'
import type { AdminOptions } from '../client/admin/admin-api.js'
import { adminSettings } from '../client/admin/admin-config.js'
import { ClientMaker, type ChannelRequest } from '../client/kafka-cluster.js'
import { REQUEST_TIMEOUT_MS } from '../client/line/client-config.js'
import { isDiskError, type Disk } from '../disk/disk.js'
import { lockFolder, LockedError, LockUnavailableError, type FolderLock } from '../disk/lock.js'
import { MemoryDisk } from '../disk/memory-disk.js'
import { makeFolder, NodeDisk } from '../disk/node-disk.js'
import { OverlayDisk } from '../disk/overlay-disk.js'
import { clusterIdIn } from '../log/format/meta-properties.js'
import type { RecoveryFinding } from '../log/log/recovery.js'
import { checkedConfig, PartlogError, toPartlogError } from '../model/errors.js'
import type { Durability } from '../partition/roles.js'
import type { ApiName } from '../protocol/api.js'
import type { Channel } from '../protocol/channel.js'
import { Doors } from '../wire/doors.js'
import type { SocketFactory } from '../wire/socket-factory.js'
import type { Listening, ListenOptions } from '../wire/tcp-server.js'
import { HandleOfBroker, type BrokerHandle } from './broker-handle.js'
import {
  brokerFolder,
  BrokerSet,
  checkBrokerId,
  CONTROLLER_FOLDER,
  isNodeFolder,
} from './broker-set.js'
import {
  CLUSTER_OPTIONS,
  OPEN_OPTIONS,
  type BrokerOptions,
  type ClusterOptions,
  type OpenOptions,
} from './cluster-options.js'
import { describeCluster, type ClusterView } from './describe.js'
import { EVENT_NAMES, EventSource, type ClusterEvents, type EventName } from './events.js'
import { FaultRules, type ClusterFaults } from './faults.js'
import { CLIENT, type ClusterNetwork } from './network-rules.js'
import { Network } from './network.js'
import { groupListener, reportsOf } from './reports.js'
import {
  checkCondition,
  checkUntilOptions,
  until,
  type Condition,
  type UntilOptions,
} from './until.js'

/** What opening a folder found. */
export interface RecoveryReport {
  /** False after a crash; then what was not known to be durable has been checked. */
  readonly wasClosedCleanly: boolean
  /** Torn tails that were cut, files that were put right again, with file and position. */
  readonly findings: readonly RecoveryFinding[]
  /** Partitions that cannot be used, and why. */
  readonly offline: readonly {
    readonly topic: string
    readonly partition: number
    readonly error: PartlogError
  }[]
  /** Folders in the data folder that belong to nothing; they were left alone. */
  readonly strangers: readonly string[]
  readonly durationMs: number
}

/** How many cuts are told one by one. */
const CUTS_TOLD_MAX = 10

interface Parts {
  readonly brokers: BrokerSet
  readonly network: Network
  readonly faults: FaultRules
  readonly events: EventSource
  /** Notified when groups or replicas have changed, or an application has processed records. */
  readonly news: Signal
  readonly lock: FolderLock | undefined
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly isReadOnly: boolean
  readonly recovery: RecoveryReport
  readonly location: string
  readonly admin: AdminOptions
}

/**
 * Kafka's model inside this process: topics of partitioned logs, producers, consumers, groups.
 *
 * Made by {@link Cluster.open} or {@link Cluster.memory}. Close it with `close()` or `await using`:
 * closing ends its producers and consumers, makes everything durable and frees the folder.
 */
export class Cluster extends ClientMaker {
  /** What opening found; nothing in memory. */
  readonly recovery: RecoveryReport
  /** The wires between the brokers, the controller and the clients: to be cut, slowed, healed. */
  readonly network: ClusterNetwork
  /** Faults in single requests, for tests. */
  readonly faults: ClusterFaults
  readonly #parts: Parts
  readonly #doors: Doors

  private constructor(parts: Parts) {
    const { brokers, network, faults, clock, random, logger, news } = parts
    super({
      ...{ clock, random, logger },
      channelFor: ({ clientId, requestTimeoutMs = REQUEST_TIMEOUT_MS }) => ({
        channel: channelOf(parts, { clientId, requestTimeoutMs }),
      }),
      onProgress: () => news.notify(),
      admin: parts.admin,
    })
    this.#parts = parts
    this.recovery = parts.recovery
    this.faults = faults
    this.network = watched(network, () => brokers.onNetworkChanged())
    this.#doors = new Doors({
      clock,
      logger: parts.logger,
      brokerIds: brokers.brokerIds,
      isRunning: id => brokers.broker(id) !== undefined,
      channelOf: clientId => channelOf(parts, { clientId }),
    })
    brokers.listen(this.#doors)
  }

  /**
   * Opens a cluster in a folder, making it if there is none. After a crash only what was not known
   * to be durable is scanned; a partition that turns out to be damaged is offline, the others work.
   *
   * Rejects with LOCKED when another process owns the folder, with READ_ONLY when this user or its
   * file system does not let it be written, with INVALID_CONFIG for options, with CORRUPT_LOG when
   * the log of the cluster's metadata is damaged, with KAFKA_STORAGE_ERROR when the disk fails.
   */
  static async open(options: OpenOptions): Promise<Cluster> {
    const settings = checkedSettings(OPEN_OPTIONS, options)
    const { dir, readOnly } = settings
    if (dir === undefined || dir.includes('\0')) {
      throw new PartlogError('INVALID_CONFIG', `dir: expected a folder, got ${show(dir)}`)
    }
    const clock = settings.clock ?? new SystemClock()
    let lock: FolderLock | undefined
    try {
      if (!readOnly) await makeFolder(dir)
      if (!readOnly) lock = await lockOrThrow(dir, clock)
      const files = new NodeDisk(dir, { readOnly })
      const disk = readOnly ? new OverlayDisk(files) : files
      if (readOnly && !isClusterFolder(files)) throw notACluster(dir)
      const cluster = new Cluster(await openParts({ ...settings, clock, disk, lock, readOnly }))
      if (settings.logger === silentLogger && !readOnly) {
        cutSentences(cluster.recovery).forEach(warnPeople)
      }
      return cluster
    } catch (error) {
      await lock?.release()
      throw readOnly ? toPartlogError(error) : openError(dir, error)
    }
  }

  /** Makes an empty cluster in memory, for unit tests: the same parts, no files. */
  static async memory(options: ClusterOptions = {}): Promise<Cluster> {
    const settings = checkedSettings(CLUSTER_OPTIONS, options)
    const clock = settings.clock ?? new SystemClock()
    const parts = { ...settings, clock, disk: new MemoryDisk(), readOnly: false }
    return new Cluster(await openParts(parts))
  }

  /** @internal a cluster on any disk, for tests that break it. */
  static async onDisk(disk: Disk, options: ClusterOptions = {}): Promise<Cluster> {
    const settings = checkedSettings(CLUSTER_OPTIONS, options)
    const clock = settings.clock ?? new SystemClock()
    return new Cluster(await openParts({ ...settings, clock, disk, readOnly: false }))
  }

  /** The folder, or 'memory'. */
  get location(): string {
    return this.#parts.location
  }

  /** The broker of this id: 1, 2, … unless ids were chosen. Throws INVALID_ARGUMENT. */
  broker(id: number): BrokerHandle {
    this.checkOpen()
    checkBrokerId(this.#parts.brokers, id)
    return new HandleOfBroker(this.#parts.brokers, id)
  }

  /** All brokers. */
  get brokers(): readonly BrokerHandle[] {
    const { brokers } = this.#parts
    return brokers.brokerIds.map(id => new HandleOfBroker(brokers, id))
  }

  /** The brokers' addresses for clients that connect through {@link Cluster.socketFactory}. */
  get bootstrap(): string[] {
    return this.#doors.bootstrap
  }

  /**
   * A door for Kafka clients that take a socket factory, without any port: kafkajs, and so NestJS.
   * `new Kafka({ brokers: cluster.bootstrap, socketFactory: cluster.socketFactory })`.
   */
  get socketFactory(): SocketFactory {
    this.checkOpen()
    return this.#doors.socketFactory
  }

  /**
   * Opens a port for each broker, for Kafka clients of any kind. Only programs on this machine can
   * connect unless `host` says otherwise: there is no password. Ends with the cluster, or with
   * `close` of what it resolves with. The port of a broker that is down refuses, until it starts.
   * Rejects with NETWORK_EXCEPTION when a port is taken, with CLOSED when the cluster is closed
   * meanwhile, with INVALID_CONFIG for options.
   */
  async listen(options: ListenOptions = {}): Promise<Listening> {
    this.checkOpen()
    return await this.#doors.listen(options)
  }

  /** How everything stands: brokers, and of each partition leader, ISR and every copy. */
  describe(): ClusterView {
    this.checkOpen()
    return describeCluster(this.#parts.brokers)
  }

  /**
   * Calls `listener` for each event of a kind: 'leader', 'isr', 'truncation', 'dataLoss',
   * 'repair', 'rebalance', 'sharedGroup'. Returns a function that ends it. Throws
   * INVALID_ARGUMENT for an unknown kind.
   */
  on<E extends EventName>(name: E, listener: (event: ClusterEvents[E]) => void): () => void {
    if (!EVENT_NAMES.includes(name)) {
      const expected = EVENT_NAMES.join(', ')
      throw new PartlogError('INVALID_ARGUMENT', `event: expected ${expected}, got ${show(name)}`)
    }
    if (typeof listener !== 'function') {
      throw new PartlogError('INVALID_ARGUMENT', `listener: expected a function`)
    }
    return this.#parts.events.on(name, listener)
  }

  /**
   * Resolves when the cluster has come to a state: a group is stable (`{ group, stable: true }`,
   * with `members` exactly so many), it has processed and committed everything there is
   * (`{ group, lag: 0 }`), a topic has so many records (`{ topic, records: n }`). For tests that
   * would else sleep. What consumers of this cluster have processed is committed on the way,
   * unless they do that themselves (`enableAutoCommit: false`); records of a poll count as
   * processed at the next poll.
   *
   * Rejects with REQUEST_TIMED_OUT when the signal aborts, saying what is still missing; with
   * INVALID_ARGUMENT for another condition.
   */
  async until(condition: Condition, options: UntilOptions = {}): Promise<void> {
    this.checkOpen()
    checkCondition(condition)
    checkUntilOptions(options)
    const { brokers, news, clock } = this.#parts
    const commitProcessed = (groupId: string): void => {
      for (const consumer of this.consumers) void consumer.commitProcessed(groupId)
    }
    const { closing } = this
    const { signal = closing } = options
    const context = { brokers, news, clock, commitProcessed }
    const waiting = until(condition, { signal: AbortSignal.any([closing, signal]) }, context)
    await waiting.catch((error: unknown) => {
      this.checkOpen()
      throw error
    })
  }

  /** @internal Everything is made durable, and the folder is freed. */
  protected override async closeRest(): Promise<void> {
    const { brokers, lock } = this.#parts
    try {
      await this.#doors.close()
      await brokers.close()
    } catch (error) {
      throw toPartlogError(error)
    } finally {
      await lock?.release()
    }
  }
}

// ── putting it together ──────────────────────────────────────────────────────────────────

/** Options, all of them checked before anything is opened. Throws INVALID_CONFIG. */
function checkedSettings<T extends typeof CLUSTER_OPTIONS>(
  table: T,
  options: unknown,
): OptionValues<T> {
  const settings = checkedConfig(() => readOptions(table, options, 'cluster option'))
  adminSettings((settings as { readonly admin: AdminOptions }).admin)
  return settings
}

interface OpenSettings {
  readonly disk: Disk
  readonly clock: Clock
  readonly random: Random | undefined
  readonly logger: Logger
  readonly durability: Durability
  readonly onCorruption: 'offline' | 'truncate'
  readonly autoCreateTopics: boolean
  readonly defaultPartitions: number
  readonly defaultReplicationFactor: number | undefined
  readonly replicaLagTimeMaxMs: number
  readonly brokerSessionTimeoutMs: number
  readonly autoLeaderRebalanceEnable: boolean
  readonly leaderImbalanceCheckIntervalSeconds: number
  readonly groupInitialRebalanceDelayMs: number
  readonly groupMinSessionTimeoutMs: number
  readonly groupMaxSessionTimeoutMs: number
  readonly groupMaxSize: number
  readonly offsetsRetentionMinutes: number
  readonly brokers: number | readonly BrokerOptions[] | undefined
  readonly admin: AdminOptions
  readonly racks: readonly (string | null)[]
  readonly lock?: FolderLock | undefined
  readonly readOnly: boolean
}

function channelOf(
  { network, isReadOnly }: Parts,
  { clientId, requestTimeoutMs }: ChannelRequest,
): Channel {
  const name = typeof clientId === 'string' ? clientId : 'partlog'
  const patience = typeof requestTimeoutMs === 'number' ? requestTimeoutMs : undefined
  const channel = network.channelFrom(CLIENT, name, patience)
  return isReadOnly ? readingOnly(channel) : channel
}

async function openParts(settings: OpenSettings): Promise<Parts> {
  const { disk, clock, readOnly: isReadOnly, lock } = settings
  const logger = unbreakable(settings.logger)
  const random = settings.random ?? systemRandom()
  const startedAt = clock.monotonicMs()
  const faults = new FaultRules()
  const network = new Network({ clock, random, faults })
  const news = new Signal()
  const events = new EventSource((name, error) =>
    logger.error(`a listener of '${name}' has thrown`, { error }),
  )
  const autoCreateTopics = settings.autoCreateTopics && !isReadOnly
  const autoLeaderRebalanceEnable = settings.autoLeaderRebalanceEnable && !isReadOnly
  let opened: BrokerSet | undefined
  const brokers = await BrokerSet.open({
    ...settings,
    isReadOnly,
    clusterId: await clusterIdOf(disk, random),
    random,
    logger,
    settings: { ...settings, autoCreateTopics, autoLeaderRebalanceEnable },
    network,
    ...reportsOf(events, () => opened),
    onApplied: () => news.notify(),
    groupListener: groupListener(events, news, logger),
  })
  opened = brokers
  const recovery = reportOf(brokers, clock.monotonicMs() - startedAt)
  const { location } = disk
  const { admin } = settings
  const common = { clock, random, logger, isReadOnly, recovery, location, lock, admin }
  return { ...common, brokers, network, faults, events, news }
}

async function clusterIdOf(disk: Disk, random: Random): Promise<string> {
  const folders = disk
    .list('')
    .filter(({ kind, name }) => kind === 'directory' && isNodeFolder(name))
    .map(({ name }) => name)
  return (await clusterIdIn(disk, folders)) ?? randomUuid(random)
}

/** @internal Records that were cut off are told of, also where nobody has handed in a logger. */
export function cutSentences({ findings }: RecoveryReport): string[] {
  const cuts = findings.filter(({ kind }) => kind === 'torn-tail' || kind === 'corruption-cut')
  const sentences = cuts.slice(0, CUTS_TOLD_MAX).map(cut => {
    const { kind, file, position, bytes, reason, keptIn } = cut
    const what = `${kind}: ${bytes} bytes were cut off ${file} at position ${position}: ${reason}`
    return `${what}. They are kept in ${keptIn.join(', ')}`
  })
  if (cuts.length <= CUTS_TOLD_MAX) return sentences
  return [...sentences, `${cuts.length} cuts in all: see cluster.recovery`]
}

function reportOf({ managers, running }: BrokerSet, durationMs: number): RecoveryReport {
  const brokers = [...running]
  const partitions = brokers.flatMap(({ replicas }) => [...replicas.partitions()])
  return {
    wasClosedCleanly: managers.every(manager => manager.wasClosedCleanly),
    findings: managers.flatMap(manager => manager.findings),
    offline: partitions.flatMap(({ topicPartition, offlineReason }) =>
      offlineReason === undefined ? [] : [{ ...topicPartition, error: offlineReason }],
    ),
    strangers: brokers.flatMap(({ strangers }) => strangers),
    durationMs,
  }
}

// ── the channel inside the process ───────────────────────────────────────────────────────

/** What a read-only cluster answers; everything else would change the folder. */
const READING: ReadonlySet<ApiName> = new Set<ApiName>([
  'Fetch',
  'ListOffsets',
  'Metadata',
  'OffsetFetch',
  'FindCoordinator',
  'ListGroups',
  'DescribeGroups',
  'DescribeConfigs',
  'OffsetForLeaderEpoch',
  'DescribeCluster',
])

function readingOnly(channel: Channel): Channel {
  return {
    send(nodeId, api, request, signal) {
      if (READING.has(api)) return channel.send(nodeId, api, request, signal)
      const sentence = `${api} is not possible: the folder is open for reading`
      throw new PartlogError('READ_ONLY', sentence)
    },
  }
}

/** The network in the hands of people: whoever is cut off from the controller is told. */
function watched(network: Network, onChanged: () => Promise<void>): ClusterNetwork {
  return {
    partition(...groups) {
      network.partition(...groups)
      void onChanged()
    },
    heal() {
      network.heal()
      void onChanged()
    },
    delay: (ms, link) => network.delay(ms, link),
    drop: (link, options) => network.drop(link, options),
  }
}

async function lockOrThrow(dir: string, clock: Clock): Promise<FolderLock> {
  try {
    return await lockFolder(dir, clock.now())
  } catch (error) {
    if (error instanceof LockedError) {
      throw new PartlogError(
        'LOCKED',
        `${error.message}; meanwhile it can be read (readOnly: true)`,
      )
    }
    if (error instanceof LockUnavailableError) {
      throw new PartlogError('LOCK_UNAVAILABLE', error.message)
    }
    throw error
  }
}

/** Throws DiskError where the folder may not be looked at. */
function isClusterFolder(files: Disk): boolean {
  return files.exists('') && files.list('').some(({ name }) => name === CONTROLLER_FOLDER)
}

/** A folder that may only be read says so, and the way in. */
function openError(dir: string, error: unknown): PartlogError {
  if (!isDiskError(error) || !['EROFS', 'EACCES', 'EPERM'].includes(error.code)) {
    return toPartlogError(error)
  }
  const { message } = error
  const sentence = `${dir} cannot be opened for writing: ${message}; readOnly: true only reads it`
  return new PartlogError('READ_ONLY', sentence, { cause: error })
}

function notACluster(dir: string): PartlogError {
  return new PartlogError(
    'INVALID_ARGUMENT',
    `${dir} is no folder of a partlog cluster, which holds ${CONTROLLER_FOLDER}/ and ` +
      `${brokerFolder(1)}/; logs of Kafka brokers are read with openLogDirectory`,
  )
}
