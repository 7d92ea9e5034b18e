/**
 * The roof: the only place where the parts are put together. A cluster in memory and one in a
 * folder differ in one argument, the disk.
 *
 *   <dir>/.lock  .lock-holder          one owner at a time
 *   <dir>/controller/                  the log that the cluster's state is a fold over
 *   <dir>/broker-1/                    a Kafka log directory
 */

import { SystemClock, type Clock } from './base/clock.js'
import {
  flag,
  hasMethods,
  instance,
  integer,
  oneOf,
  option,
  optional,
  readOptions,
  show,
  text,
} from './base/config.js'
import { silentLogger, unbreakable, type Logger } from './base/logger.js'
import { systemRandom, type Random } from './base/random.js'
import { METADATA_TOPIC_ID, randomUuid } from './base/uuid.js'
import { Broker } from './broker/broker.js'
import { METADATA_LOG_CONFIG } from './broker/config.js'
import type { ControllerDoor } from './broker/context.js'
import { PartitionJournal } from './broker/journal.js'
import { Admin } from './client/admin.js'
import { Consumer } from './client/consumer.js'
import type { ConsumerOptions } from './client/consumer-options.js'
import { Producer, type ProducerOptions } from './client/producer.js'
import type { Deserialized, Deserializer, DeserializerName } from './client/serdes.js'
import { ClusterImage } from './coordinator/metadata.js'
import { StateMachine } from './coordinator/state-machine.js'
import { isDiskError, type Disk } from './disk/disk.js'
import { lockFolder, LockedError, LockUnavailableError, type FolderLock } from './disk/lock.js'
import { MemoryDisk } from './disk/memory-disk.js'
import { makeFolder, NodeDisk } from './disk/node-disk.js'
import { OverlayDisk } from './disk/overlay-disk.js'
import { logConfig } from './log/config.js'
import { META_PROPERTIES } from './log/files.js'
import { LogManager } from './log/log-manager.js'
import { readMetaProperties } from './log/meta-properties.js'
import type { RecoveryFinding } from './log/recovery.js'
import { checkedConfig, PartlogError, toPartlogError } from './model/errors.js'
import { METADATA_TOPIC } from './model/names.js'
import { Partition, type Durability } from './partition/partition.js'
import type { ApiName, Request, Response } from './protocol/api.js'
import { ANY_NODE, type Channel } from './protocol/channel.js'

/** The controller is a node of its own: its log is not among the brokers'. */
const CONTROLLER_ID = 0
const CONTROLLER_FOLDER = 'controller'
const BROKER_ID = 1

const CLUSTER_OPTIONS = {
  brokers: option(integer(1, 1), 1),
  durability: option(oneOf<Durability>('power', 'process'), 'power'),
  onCorruption: option(oneOf('offline', 'truncate'), 'offline'),
  autoCreateTopics: option(flag, true),
  defaultPartitions: option(integer(1, 99_999), 1),
  defaultReplicationFactor: option(integer(1, 1), 1),
  clock: optional(
    instance<Clock>('a clock', hasMethods('now', 'monotonicMs', 'after', 'soon', 'turn')),
  ),
  random: optional(instance<Random>('a source of randomness', hasMethods('int', 'bytes'))),
  logger: option(
    instance<Logger>('a logger', hasMethods('debug', 'info', 'warn', 'error')),
    silentLogger,
  ),
} as const

const OPEN_OPTIONS = { ...CLUSTER_OPTIONS, dir: optional(text), readOnly: option(flag, false) }

/** Options every cluster has. */
export interface MemoryOptions {
  /** How many simulated brokers. Default 1; more are to come. */
  readonly brokers?: 1
  /**
   * What an acknowledged record survives: 'power' (default) a power cut, so every acknowledgement
   * waits for the disk; 'process' the death of the process.
   */
  readonly durability?: Durability
  /**
   * What to do about bytes that are not what was written: 'offline' (default) takes the partition
   * out of service and touches nothing; 'truncate' gives up everything from there on, keeping a
   * copy.
   */
  readonly onCorruption?: 'offline' | 'truncate'
  /** Make a topic when it is first used (Kafka's auto.create.topics.enable). Default true. */
  readonly autoCreateTopics?: boolean
  /** Partitions of a topic made without a number (Kafka's num.partitions). Default 1. */
  readonly defaultPartitions?: number
  /** Copies of a topic made without a number. Default 1, the number of brokers. */
  readonly defaultReplicationFactor?: number
  /** The time, for tests: see {@link virtualClock}. Default: the real one. */
  readonly clock?: Clock
  /** Chance, for tests that must repeat: see {@link seededRandom}. Default: the system's. */
  readonly random?: Random
  /** Where background facts are reported. Default: nowhere. `console` fits. */
  readonly logger?: Logger
}

/** Options of a cluster in a folder. */
export interface OpenOptions extends MemoryOptions {
  /** The folder, made if it is not there. */
  readonly dir: string
  /**
   * Look, but do not touch: possible beside the process that owns the folder. Shows the folder as
   * it is at opening; everything that would change it is refused with READ_ONLY. Default false.
   */
  readonly readOnly?: boolean
}

/** What opening a folder found. */
export interface RecoveryReport {
  /** False after a crash; then what was not known to be durable has been checked. */
  readonly wasClosedCleanly: boolean
  /** Torn tails that were cut, indexes that were built again, with file and position. */
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

interface Parts {
  readonly broker: Broker
  readonly controllerLogs: LogManager
  readonly lock: FolderLock | undefined
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly isReadOnly: boolean
  readonly recovery: RecoveryReport
  readonly location: string
}

/**
 * Kafka's model inside this process: topics of partitioned logs, producers, consumers, groups.
 *
 * Made by {@link Cluster.open} or {@link Cluster.memory}. Close it with `close()` or `await using`:
 * closing ends its producers and consumers, makes everything durable and frees the folder.
 */
export class Cluster {
  /** Topics, settings, records, groups. */
  readonly admin: Admin
  /** What opening found; nothing in memory. */
  readonly recovery: RecoveryReport
  readonly #parts: Parts
  readonly #channel: Channel
  readonly #clients = new Set<{ close(): Promise<void> }>()
  readonly #givingUp = new AbortController()
  #closing: Promise<void> | undefined

  private constructor(parts: Parts) {
    const { broker, clock, random } = parts
    this.#parts = parts
    this.recovery = parts.recovery
    this.#channel = localChannel(broker, parts.isReadOnly)
    this.admin = new Admin({
      channel: this.#channel,
      clock,
      random,
      checkOpen: () => this.#checkOpen(),
      closing: this.#givingUp.signal,
    })
  }

  /**
   * Opens a cluster in a folder, making it if there is none. After a crash only what was not known
   * to be durable is scanned; a partition that turns out to be damaged is offline, the others work.
   *
   * Rejects with LOCKED when another process owns the folder, with INVALID_CONFIG for options, with
   * CORRUPT_LOG when the log of the cluster's metadata is damaged.
   */
  static async open(options: OpenOptions): Promise<Cluster> {
    const settings = checkedConfig(() => readOptions(OPEN_OPTIONS, options, 'cluster option'))
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
      if (readOnly && !disk.exists(CONTROLLER_FOLDER)) throw notACluster(dir)
      return new Cluster(await openParts({ ...settings, clock, disk, lock, readOnly }))
    } catch (error) {
      await lock?.release()
      throw openError(error)
    }
  }

  /** Makes an empty cluster in memory, for unit tests: the same parts, no files. */
  static async memory(options: MemoryOptions = {}): Promise<Cluster> {
    const settings = checkedConfig(() => readOptions(CLUSTER_OPTIONS, options, 'cluster option'))
    const clock = settings.clock ?? new SystemClock()
    const parts = { ...settings, clock, disk: new MemoryDisk(), readOnly: false }
    return new Cluster(await openParts(parts))
  }

  /** @internal a cluster on any disk, for tests that break it. */
  static async onDisk(disk: Disk, options: MemoryOptions = {}): Promise<Cluster> {
    const settings = checkedConfig(() => readOptions(CLUSTER_OPTIONS, options, 'cluster option'))
    const clock = settings.clock ?? new SystemClock()
    return new Cluster(await openParts({ ...settings, clock, disk, readOnly: false }))
  }

  /** The folder, or 'memory'. */
  get location(): string {
    return this.#parts.location
  }

  /** A producer of this cluster. Throws INVALID_CONFIG for options. */
  producer(options: ProducerOptions = {}): Producer {
    this.#checkOpen()
    const { clock, random } = this.#parts
    const onClose = (): void => void this.#clients.delete(producer)
    const producer = new Producer({ channel: this.#channel, clock, random, onClose }, options)
    this.#clients.add(producer)
    return producer
  }

  /**
   * A consumer of this cluster. The types of its keys and values follow from the deserializers:
   * `cluster.consumer({ groupId: 'g', valueDeserializer: 'string' })` gives strings, a function
   * what it returns. Throws INVALID_CONFIG for options.
   */
  consumer<
    KeyName extends DeserializerName = 'bytes',
    ValueName extends DeserializerName = 'bytes',
    CustomKey = never,
    CustomValue = never,
  >(
    options: ConsumerOptions<
      KeyName | Deserializer<CustomKey>,
      ValueName | Deserializer<CustomValue>
    > = {},
  ): Consumer<Deserialized<KeyName, CustomKey>, Deserialized<ValueName, CustomValue>> {
    this.#checkOpen()
    const { clock, random, logger } = this.#parts
    const onClose = (): void => void this.#clients.delete(consumer)
    const context = { channel: this.#channel, clock, random, logger, onClose }
    const consumer = new Consumer<
      Deserialized<KeyName, CustomKey>,
      Deserialized<ValueName, CustomValue>
    >(context, options)
    this.#clients.add(consumer)
    return consumer
  }

  /**
   * Closes producers (what they hold is sent first) and consumers, makes everything durable, frees
   * the folder. Every promise of the cluster settles. Calling it again waits for the same.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    const { broker, controllerLogs, lock } = this.#parts
    this.#givingUp.abort()
    try {
      await Promise.allSettled([...this.#clients].map(client => client.close()))
      await broker.close()
      await controllerLogs.close()
    } finally {
      await lock?.release()
    }
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw new PartlogError('CLOSED', 'the cluster is closed')
  }
}

// ── putting it together ──────────────────────────────────────────────────────────────────

interface OpenSettings {
  readonly disk: Disk
  readonly clock: Clock
  readonly random: Random | undefined
  readonly logger: Logger
  readonly durability: Durability
  readonly onCorruption: 'offline' | 'truncate'
  readonly autoCreateTopics: boolean
  readonly defaultPartitions: number
  readonly defaultReplicationFactor: number
  readonly lock?: FolderLock | undefined
  readonly readOnly: boolean
}

async function openParts(settings: OpenSettings): Promise<Parts> {
  const { disk, clock, durability, onCorruption, readOnly } = settings
  const logger = unbreakable(settings.logger)
  const random = settings.random ?? systemRandom()
  const startedAt = clock.monotonicMs()
  const clusterId = await clusterIdOf(disk, random)
  const common = { disk, clusterId, clock, random, logger, onCorruption }
  const controllerLogs = await LogManager.open({
    ...common,
    root: CONTROLLER_FOLDER,
    nodeId: CONTROLLER_ID,
  })
  const controller = await openController(controllerLogs, clock)
  const logs = await LogManager.open({ ...common, root: `broker-${BROKER_ID}`, nodeId: BROKER_ID })
  const broker = await Broker.open({
    nodeId: BROKER_ID,
    clusterId,
    clock,
    random,
    logger,
    durability,
    logs,
    controller,
    settings: { ...settings, autoCreateTopics: settings.autoCreateTopics && !readOnly },
    brokers: [{ nodeId: BROKER_ID, host: `broker-${BROKER_ID}`, port: 9092 }],
  })
  const recovery = reportOf([controllerLogs, logs], broker, clock.monotonicMs() - startedAt)
  const { lock } = settings
  const { location } = disk
  return {
    broker,
    controllerLogs,
    lock,
    clock,
    random,
    logger,
    isReadOnly: readOnly,
    recovery,
    location,
  }
}

/** The cluster's state: the metadata log, replayed. */
async function openController(logs: LogManager, clock: Clock): Promise<ControllerDoor> {
  const topicPartition = { topic: METADATA_TOPIC, partition: 0 }
  const settings = { current: logConfig(METADATA_LOG_CONFIG) }
  const known = { ...topicPartition, topicId: METADATA_TOPIC_ID, settings }
  const log = await logs.load(known)
  await logs.syncNames()
  // Topics are few and everything rests on them: their log is durable whatever the records' is.
  const durability = 'power'
  const options = { topicPartition, topicId: METADATA_TOPIC_ID, durability, clock } as const
  const partition = await Partition.leading(options, log, 0)
  partition.onCheckpointable = () => logs.requestCheckpoint()
  const journal = new PartitionJournal(partition, clock)
  const machine = await StateMachine.load(journal, new ClusterImage())
  return {
    get image() {
      return machine.state
    },
    run: decide => machine.run(decide),
  }
}

async function clusterIdOf(disk: Disk, random: Random): Promise<string> {
  const meta = await readMetaProperties(disk, `${CONTROLLER_FOLDER}/${META_PROPERTIES}`)
  return meta?.clusterId ?? randomUuid(random)
}

function reportOf(
  managers: readonly LogManager[],
  broker: Broker,
  durationMs: number,
): RecoveryReport {
  const offline = [...broker.replicas.partitions()].flatMap(({ topicPartition, offlineReason }) =>
    offlineReason === undefined ? [] : [{ ...topicPartition, error: offlineReason }],
  )
  return {
    wasClosedCleanly: managers.every(manager => manager.wasClosedCleanly),
    findings: managers.flatMap(manager => manager.findings),
    offline,
    strangers: broker.strangers,
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
  'DescribeConfigs',
])

function localChannel(broker: Broker, isReadOnly: boolean): Channel {
  return {
    send<A extends ApiName>(
      nodeId: number,
      api: A,
      request: Request<A>,
      signal?: AbortSignal,
    ): Response<A> | Promise<Response<A>> {
      if (nodeId !== ANY_NODE && nodeId !== broker.nodeId) {
        throw new PartlogError('NETWORK_EXCEPTION', `there is no broker ${nodeId}`)
      }
      if (isReadOnly && !READING.has(api)) {
        throw new PartlogError(
          'READ_ONLY',
          `${api} is not possible: the folder is open for reading`,
        )
      }
      return broker.handle(api, request, signal)
    },
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

/** A disk that cannot be used is no surprise; anything else that is not ours is. */
function openError(error: unknown): PartlogError {
  if (!isDiskError(error)) return toPartlogError(error)
  return new PartlogError('KAFKA_STORAGE_ERROR', error.message, { cause: error })
}

function notACluster(dir: string): PartlogError {
  return new PartlogError(
    'INVALID_ARGUMENT',
    `${dir} is no folder of a partlog cluster, which holds ${CONTROLLER_FOLDER}/ and ` +
      `broker-${BROKER_ID}/; logs of Kafka brokers are read with openLogDirectory`,
  )
}
