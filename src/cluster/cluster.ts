/*
 * The class that applications use. Its parts come from `cluster-parts.ts`, which is loaded when the
 * first cluster is opened.
 */

import { SystemClock } from '../base/clock.js'
import { silentLogger, warnPeople } from '../base/logger.js'
import { readOptions, show, type OptionValues } from '../base/options.js'
import type { AdminOptions } from '../client/admin/admin-api.js'
import { adminSettings } from '../client/admin/admin-config.js'
import type { ConsumerRecord } from '../client/consumer/consumer-record.js'
import { ClientMaker } from '../client/kafka-cluster.js'
import { REQUEST_TIMEOUT_MS } from '../client/line/client-config.js'
import type { Disk } from '../disk/disk.js'
import { replayTopic, type ReplayOptions } from '../events/replay-topic.js'
import { checkedConfig, PartlogError, toPartlogError } from '../model/errors.js'
import { loadPart } from '../model/load-part.js'
import type { SocketFactory } from '../wire/socket-factory.js'
import type { Listening, ListenOptions } from '../wire/tcp-server.js'
import {
  CLUSTER_OPTIONS,
  OPEN_OPTIONS,
  type ClusterOptions,
  type OpenOptions,
} from './cluster-options.js'
import type { ClusterSettings, Parts } from './cluster-parts.js'
import { describeCluster, type ClusterView } from './describe.js'
import { EVENT_NAMES, type ClusterEvents, type EventName } from './events.js'
import { checkBrokerId, HandleOfBroker, type BrokerHandle } from './faults/broker-handle.js'
import type { ClusterFaults } from './faults/faults.js'
import type { ClusterNetwork } from './network/network-rules.js'
import type { Network } from './network/network.js'
import type { Simulation } from './network/weather.js'
import { ProcessClients, type SimulatedProcess } from './process-clients.js'
import { truncationWarnings, type RecoveryReport } from './recovery-report.js'
import type { Condition, UntilOptions } from './until.js'

/** Brokers, logs, disks: loaded when the first cluster is opened. */
const loadParts = () => loadPart(() => import('./cluster-parts.js'))

/**
 * Kafka's model inside this process: topics of partitioned logs, producers, consumers, groups.
 *
 * Created by {@link Cluster.open} or {@link Cluster.memory}. Close it with `close()` or
 * `await using`: closing ends its producers and consumers, makes everything durable and unlocks the
 * folder.
 */
export class Cluster extends ClientMaker {
  /** What was found when the folder was opened; empty for a cluster in memory. */
  readonly recovery: RecoveryReport
  /** The simulated network between brokers, controller and clients, which tests can disturb. */
  readonly network: ClusterNetwork
  /** Faults in single requests, for tests. */
  readonly faults: ClusterFaults
  readonly #parts: Parts

  private constructor(parts: Parts) {
    const { brokers, network, faults, clock, random, logger, news } = parts
    super({
      factory: parts.factory,
      clock,
      random,
      logger,
      channelFor: ({ clientId, requestTimeoutMs = REQUEST_TIMEOUT_MS }) => ({
        channel: parts.channelFor({ clientId, requestTimeoutMs }),
      }),
      onProgress: () => news.notify(),
      admin: parts.admin,
    })
    this.#parts = parts
    this.recovery = parts.recovery
    this.faults = faults
    this.network = watched(network, () => brokers.onNetworkChanged())
  }

  /**
   * Opens a cluster in a folder; creates the folder if it does not exist. After a crash, recovery
   * scans only what may not be durable; a damaged partition is offline, the others work.
   *
   * Rejects with LOCKED if another process owns the folder, READ_ONLY if this user may not write to
   * the folder or its file system, INVALID_CONFIG for invalid options, CORRUPT_LOG if the cluster's
   * metadata log is damaged, KAFKA_STORAGE_ERROR if the disk fails.
   */
  static async open(options: OpenOptions): Promise<Cluster> {
    const settings = checkedSettings(OPEN_OPTIONS, options)
    const { dir, readOnly } = settings
    if (dir === undefined || dir.includes('\0')) {
      throw new PartlogError('INVALID_CONFIG', `dir: expected a folder, got ${show(dir)}`)
    }
    const { openInFolder } = await loadParts()
    const cluster = new Cluster(await openInFolder(dir, readOnly, withClock(settings)))
    if (settings.logger === silentLogger && !readOnly) {
      truncationWarnings(cluster.recovery).forEach(warnPeople)
    }
    return cluster
  }

  /** Creates an empty cluster in memory, for unit tests: the same code, without files. */
  static async memory(options: ClusterOptions = {}): Promise<Cluster> {
    const settings = checkedSettings(CLUSTER_OPTIONS, options)
    const { openInMemory } = await loadParts()
    return new Cluster(await openInMemory(withClock(settings)))
  }

  /** @internal A cluster on any disk, for tests that simulate disk faults. */
  static async onDisk(
    disk: Disk,
    options: ClusterOptions = {},
    simulation?: Simulation,
    loaded?: Awaited<ReturnType<typeof loadParts>>,
  ): Promise<Cluster> {
    const settings = checkedSettings(CLUSTER_OPTIONS, options)
    const { openOnDisk } = loaded ?? (await loadParts())
    return new Cluster(await openOnDisk(disk, withClock(settings), simulation))
  }

  /** @internal The cluster as a simulated process sees it, for tests that kill processes. */
  seenBy(process: SimulatedProcess): ClientMaker {
    this.checkOpen()
    return new ProcessClients(this.#parts, process)
  }

  /** The folder, or 'memory'. */
  get location(): string {
    return this.#parts.location
  }

  /** The broker with this id: 1, 2, … unless `brokers` sets the ids. Throws INVALID_ARGUMENT. */
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

  /**
   * `host:port` of each broker, for clients that connect through {@link Cluster.socketFactory}: no
   * port is open. {@link Cluster.listen} opens ports and returns their addresses under this name.
   */
  get bootstrap(): string[] {
    return this.#parts.doors.bootstrap
  }

  /**
   * Connects Kafka clients that accept a socket factory, without a port: kafkajs, and so NestJS.
   * `new Kafka({ brokers: cluster.bootstrap, socketFactory: cluster.socketFactory })`.
   */
  get socketFactory(): SocketFactory {
    this.checkOpen()
    return this.#parts.doors.socketFactory
  }

  /**
   * Opens a port for each broker, for any Kafka client. By default only programs on this machine
   * can connect (see `host`), because there is no authentication. The ports close with the cluster,
   * or with `close()` of the result. The port of a broker that is down refuses connections. Rejects
   * with NETWORK_EXCEPTION if a port is taken, CLOSED if the cluster is closed meanwhile,
   * INVALID_CONFIG for invalid options.
   */
  async listen(options: ListenOptions = {}): Promise<Listening> {
    this.checkOpen()
    return await this.#parts.doors.listen(options)
  }

  /** The current state: brokers, and leader, ISR and replicas of each partition. */
  describe(): ClusterView {
    this.checkOpen()
    return describeCluster(this.#parts.brokers)
  }

  /**
   * Calls `listener` for each event of this name: 'leader', 'isr', 'truncation', 'dataLoss',
   * 'repair', 'rebalance', 'sharedGroup'. Returns a function that removes the listener. Throws
   * INVALID_ARGUMENT for an unknown name.
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
   * Resolves when the cluster has reached a state: a group is stable (`{ group, stable: true }`,
   * with exactly `members` members if given), a group has processed and committed all records
   * (`{ group, lag: 0 }`), a topic has `n` records (`{ topic, records: n }`). For tests that would
   * otherwise sleep. While it waits, it commits what consumers of this cluster have processed,
   * unless they commit themselves (`enableAutoCommit: false`); records of a poll count as processed
   * at the next poll.
   *
   * Rejects with REQUEST_TIMED_OUT, and what is still missing, when the signal aborts; with
   * INVALID_ARGUMENT for an invalid condition.
   */
  async until(condition: Condition, options: UntilOptions = {}): Promise<void> {
    this.checkOpen()
    const commitProcessed = (groupId: string): void => {
      for (const consumer of this.consumers) void consumer.commitProcessed(groupId)
    }
    const { closing } = this
    const waiting = this.#parts.until(condition, options, { closing, commitProcessed })
    await waiting.catch((error: unknown) => {
      this.checkOpen()
      throw error
    })
  }

  /**
   * The records of a topic in the order of their times, from its beginning to its end, or on with
   * `follow`; `Readable.from` makes a stream of it. Transactions that were aborted are left out,
   * and one that is open ends it, unless `isolationLevel` says otherwise.
   *
   *   for await (const { key, value } of cluster.replay('orders', { where: 'total > 100' })) …
   *
   * Rejects with INVALID_CONFIG or INVALID_ARGUMENT for wrong options, and as consumers do.
   */
  replay(
    topic: string,
    options: ReplayOptions = {},
  ): AsyncGenerator<ConsumerRecord<Uint8Array, Uint8Array>, void> {
    this.checkOpen()
    return replayTopic(this, topic, options)
  }

  /** @internal Makes everything durable and unlocks the folder. */
  protected override async closeRest(): Promise<void> {
    const { brokers, doors, lock, progress } = this.#parts
    try {
      await doors.close()
      progress?.freeze()
      await brokers.close()
      progress?.close()
    } catch (error) {
      throw toPartlogError(error)
    } finally {
      progress?.abandon()
      await lock?.release()
    }
  }
}

/** The network for tests; after a change, the controller learns which brokers it reaches. */
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

/** Checks all options before anything is opened. Throws INVALID_CONFIG. */
function checkedSettings<T extends typeof CLUSTER_OPTIONS>(
  table: T,
  options: unknown,
): OptionValues<T> {
  const settings = checkedConfig(() => readOptions(table, options, 'cluster option'))
  adminSettings((settings as { readonly admin: AdminOptions }).admin)
  return settings
}

type GivenSettings = Omit<ClusterSettings, 'clock'> & Partial<Pick<ClusterSettings, 'clock'>>

function withClock({ clock = new SystemClock(), ...settings }: GivenSettings): ClusterSettings {
  return { ...settings, clock }
}
