/*
 * Assembles a cluster: disk, lock, brokers, network, doors. A cluster in memory and one in a folder
 * differ only in the disk.
 *
 *   <dir>/.lock  .lock-holder          one owner at a time
 *   <dir>/controller/                  the metadata log: replaying it gives the cluster's state
 *   <dir>/broker-1/ broker-2/ …        Kafka log directories
 *
 * This file and its imports are more than half of the library. It is loaded when the first cluster
 * is opened: programs that connect to a remote cluster, or read folders, do not need it.
 */

import type { Clock } from '../base/clock.js'
import { unbreakable, type Logger } from '../base/logger.js'
import { systemRandom, type Random } from '../base/random.js'
import { Signal } from '../base/tasks.js'
import { randomUuid } from '../base/uuid.js'
import type { AdminOptions } from '../client/admin/admin-api.js'
import { CLIENT_FACTORY } from '../client/client-factory.js'
import type { ChannelRequest, ClientFactory } from '../client/kafka-cluster.js'
import { isDiskError, type Disk } from '../disk/disk.js'
import { lockFolder, LockedError, LockUnavailableError, type FolderLock } from '../disk/lock.js'
import { MemoryDisk } from '../disk/memory-disk.js'
import { makeFolder, NodeDisk } from '../disk/node-disk.js'
import { OverlayDisk } from '../disk/overlay-disk.js'
import { brokerFolder, CONTROLLER_FOLDER, isBrokerFolder } from '../log/format/files.js'
import { clusterIdIn } from '../log/format/meta-properties.js'
import { PartlogError, toPartlogError } from '../model/errors.js'
import type { Durability } from '../partition/roles.js'
import type { ApiName } from '../protocol/api.js'
import type { Channel } from '../protocol/channel.js'
import { Doors } from '../wire/doors.js'
import { BrokerSet } from './broker-set.js'
import { REPLICATION_FACTOR, type BrokerOptions } from './cluster-options.js'
import { EventSource } from './events.js'
import { FaultRules } from './faults/faults.js'
import { ProgressWriter } from './follow/progress-writer.js'
import { CLIENT } from './network/network-rules.js'
import { Network } from './network/network.js'
import type { Simulation } from './network/weather.js'
import type { Nodes } from './nodes.js'
import { ReadingSet } from './reading-set.js'
import { reportOf, type RecoveryReport } from './recovery-report.js'
import { groupListener, reportsOf } from './reports.js'
import {
  checkCondition,
  checkUntilOptions,
  until,
  type Condition,
  type UntilContext,
  type UntilOptions,
} from './until.js'

/** What the class `Cluster` holds. */
export interface Parts {
  readonly factory: ClientFactory
  readonly brokers: Nodes
  readonly network: Network
  readonly faults: FaultRules
  readonly events: EventSource
  /** Notified when groups or replicas have changed, or an application has processed records. */
  readonly news: Signal
  readonly lock: FolderLock | undefined
  /** What this process says to others that read the folder; undefined if nobody can. */
  readonly progress: ProgressWriter | undefined
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly recovery: RecoveryReport
  readonly location: string
  readonly admin: AdminOptions
  /** Access for other Kafka clients. */
  readonly doors: Doors
  /** Rejects as {@link Cluster.until} says. */
  readonly until: (
    condition: Condition,
    options: UntilOptions,
    user: UntilUser,
  ) => Promise<void>
  /** The channel of a client in this process to the brokers. */
  readonly channelFor: (client: ChannelRequest) => Channel
}

/** The cluster that waits. */
interface UntilUser {
  /** Aborts when the cluster is being closed. */
  readonly closing: AbortSignal
  readonly commitProcessed: UntilContext['commitProcessed']
}

/** The options of a cluster, read and checked. */
export interface ClusterSettings {
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
}

interface Place {
  readonly disk: Disk
  readonly lock?: FolderLock
  readonly progress?: ProgressWriter
  /** The folder is only read. */
  readonly reading?: { readonly dir: string; readonly files: Disk }
  /** Default true. */
  readonly isKept?: boolean
  readonly simulation?: Simulation | undefined
}

/** Rejects as {@link Cluster.open} does; then the folder is unlocked again. */
export async function openInFolder(
  dir: string,
  isReadOnly: boolean,
  settings: ClusterSettings,
): Promise<Parts> {
  let lock: FolderLock | undefined
  let progress: ProgressWriter | undefined
  try {
    if (isReadOnly) {
      const files = filesToRead(dir)
      return await openParts(settings, { disk: new OverlayDisk(files), reading: { dir, files } })
    }
    await makeFolder(dir)
    lock = await lockOrThrow(dir, settings.clock)
    progress = progressIn(dir, settings)
    return await openParts(settings, { disk: new NodeDisk(dir), lock, progress })
  } catch (error) {
    progress?.abandon()
    await lock?.release()
    throw isReadOnly ? toPartlogError(error) : openError(dir, error)
  }
}

/**
 * Memory keeps what is written to it and nothing survives the process, so there is no sync to wait
 * for: a send need not wait for promises that mean nothing (60,000 awaited sends: 325 → 247 ms).
 */
export function openInMemory(settings: ClusterSettings): Promise<Parts> {
  const place = { disk: new MemoryDisk(), isKept: false }
  return openParts({ ...settings, durability: 'process' }, place)
}

/** On any disk, for tests that simulate disk faults. */
export function openOnDisk(
  disk: Disk,
  settings: ClusterSettings,
  simulation?: Simulation,
): Promise<Parts> {
  return openParts(settings, { disk, simulation })
}

// ── assembly ─────────────────────────────────────────────────────────────────────────────

async function openParts(
  settings: ClusterSettings,
  place: Place,
): Promise<Parts> {
  const { disk, lock, progress, reading, simulation } = place
  const isReadOnly = reading !== undefined
  const { clock } = settings
  const logger = unbreakable(settings.logger)
  const random = settings.random ?? systemRandom()
  const startedAt = clock.monotonicMs()
  let opened: Nodes | undefined
  const faults = new FaultRules(topic => opened?.controller.image.topics.get(topic)?.topicId)
  const network = new Network({ clock, random, faults, weather: simulation?.weather })
  const news = new Signal()
  const events = new EventSource((name, error) =>
    logger.error(`a listener of '${name}' has thrown`, { error }),
  )
  const clusterId = await clusterIdOf(disk, random)
  const base = { clock, random, logger, clusterId, network, events, news }
  const brokers = await openBrokers(base, settings, place)
  opened = brokers
  if (simulation !== undefined) {
    simulation.weather.onReachChange = () => void brokers.onNetworkChanged()
  }
  const recovery = reportOf(brokers, clock.monotonicMs() - startedAt)
  const channelFor = (client: ChannelRequest): Channel => {
    const channel = channelOver(network, client)
    return isReadOnly ? readingOnly(channel) : channel
  }
  const doors = new Doors({
    clusterId,
    clock,
    logger,
    brokerIds: brokers.brokerIds,
    isRunning: id => brokers.broker(id) !== undefined,
    channelOf: clientId => channelFor({ clientId }),
  })
  brokers.listen(doors)
  const { location } = disk
  const { admin } = settings
  const waiting: Parts['until'] = async (condition, options, { closing, commitProcessed }) => {
    checkCondition(condition)
    checkUntilOptions(options)
    const { signal = closing } = options
    const either = { signal: AbortSignal.any([closing, signal]) }
    await until(condition, either, { brokers, news, clock, commitProcessed })
  }
  const factory = CLIENT_FACTORY
  const ways = { doors, channelFor, until: waiting }
  const kept = { factory, clock, random, logger, recovery, location, lock, progress, admin }
  return { ...kept, ...ways, brokers, network, faults, events, news }
}

/** What the brokers of a cluster have in common with it. */
interface Base {
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly clusterId: string
  readonly network: Network
  readonly events: EventSource
  readonly news: Signal
}

/** The brokers of this process, or those of a folder that is read. */
async function openBrokers(
  { events, news, ...base }: Base,
  given: ClusterSettings,
  { disk, progress, reading, isKept = true, simulation }: Place,
): Promise<Nodes> {
  const isReadOnly = reading !== undefined
  const autoCreateTopics = given.autoCreateTopics && !isReadOnly
  const autoLeaderRebalanceEnable = given.autoLeaderRebalanceEnable && !isReadOnly
  const settings = { ...given, autoCreateTopics, autoLeaderRebalanceEnable }
  const common = { ...base, groupListener: groupListener(events, news, base.logger) }
  let opened: BrokerSet | undefined
  const openOwn = async (on: Disk): Promise<BrokerSet> => {
    opened = undefined
    opened = await BrokerSet.open({
      ...given,
      ...common,
      clockOf: simulation?.clockOf ?? (() => base.clock),
      disk: on,
      isReadOnly,
      isKept,
      settings,
      ...reportsOf(events, () => opened),
      onApplied() {
        if (opened !== undefined) progress?.trackAll(opened)
        news.notify()
      },
    })
    progress?.trackAll(opened)
    progress?.opened()
    return opened
  }
  if (reading === undefined) return await openOwn(disk)
  const { dir, files } = reading
  const openUnowned = (): Promise<BrokerSet> => openOwn(new OverlayDisk(files))
  const brokerSettings = { ...settings, defaultReplicationFactor: REPLICATION_FACTOR }
  const place = { disk: files, settings: brokerSettings, shown: new Map<string, number>() }
  const following = { ...common, ...place, onNews: () => news.notify() }
  return await ReadingSet.open({ ...common, dir, openUnowned, following })
}

async function clusterIdOf(disk: Disk, random: Random): Promise<string> {
  const folders = disk
    .list('')
    .filter(({ kind }) => kind === 'directory')
    .filter(({ name }) => name === CONTROLLER_FOLDER || isBrokerFolder(name))
    .map(({ name }) => name)
  return (await clusterIdIn(disk, folders)) ?? randomUuid(random)
}

// ── the channel inside the process ───────────────────────────────────────────────────────

function channelOver(network: Network, { clientId, requestTimeoutMs }: ChannelRequest): Channel {
  const name = typeof clientId === 'string' ? clientId : 'partlog'
  const patience = typeof requestTimeoutMs === 'number' ? requestTimeoutMs : undefined
  return network.channelFrom(CLIENT, name, patience)
}

/** Requests that a read-only cluster handles; all others could change the folder. */
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
      const sentence = `${api} is not possible: the folder is open for reading only`
      throw new PartlogError('READ_ONLY', sentence)
    },
  }
}

// ── the folder ───────────────────────────────────────────────────────────────────────────

/** Throws INVALID_ARGUMENT if it is no folder of a cluster. */
function filesToRead(dir: string): Disk {
  const files = new NodeDisk(dir, { readOnly: true })
  if (!isClusterFolder(files)) throw notACluster(dir)
  return files
}

function progressIn(dir: string, settings: ClusterSettings): ProgressWriter {
  const { clock, random = systemRandom() } = settings
  const logger = unbreakable(settings.logger)
  const isImmediate = settings.durability === 'power'
  return new ProgressWriter({ dir, clock, random, logger, isImmediate })
}

async function lockOrThrow(dir: string, clock: Clock): Promise<FolderLock> {
  try {
    return await lockFolder(dir, clock.now())
  } catch (error) {
    if (error instanceof LockedError) {
      throw new PartlogError(
        'LOCKED',
        `${error.message}; readOnly: true opens it beside that process and follows what it writes`,
      )
    }
    if (error instanceof LockUnavailableError) {
      throw new PartlogError('LOCK_UNAVAILABLE', error.message)
    }
    throw error
  }
}

/** Throws DiskError if this user may not read the folder. */
function isClusterFolder(files: Disk): boolean {
  return files.exists('') && files.list('').some(({ name }) => name === CONTROLLER_FOLDER)
}

/** For a folder that may only be read, an error that names `readOnly`. */
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
    `${dir} is not a folder of a partlog cluster, which holds ${CONTROLLER_FOLDER}/ and ` +
      `${brokerFolder(1)}/; logs of Kafka brokers are read with openLogDirectory`,
  )
}
