/**
 * The roof: the class that applications hold. What it is made of comes from `cluster-parts.ts`,
 * which is loaded when the first cluster is opened.
 */

import { SystemClock } from '../base/clock.js'
import { silentLogger, warnPeople } from '../base/logger.js'
import { readOptions, show, type OptionValues } from '../base/options.js'
import type { AdminOptions } from '../client/admin/admin-api.js'
import { adminSettings } from '../client/admin/admin-config.js'
import { ClientMaker } from '../client/kafka-cluster.js'
import { REQUEST_TIMEOUT_MS } from '../client/line/client-config.js'
import type { Disk } from '../disk/disk.js'
import { checkedConfig, PartlogError, toPartlogError } from '../model/errors.js'
import { loadPart } from '../model/load-part.js'
import type { SocketFactory } from '../wire/socket-factory.js'
import type { Listening, ListenOptions } from '../wire/tcp-server.js'
import { checkBrokerId, HandleOfBroker, type BrokerHandle } from './broker-handle.js'
import {
  CLUSTER_OPTIONS,
  OPEN_OPTIONS,
  type ClusterOptions,
  type OpenOptions,
} from './cluster-options.js'
import type { ClusterSettings, Parts } from './cluster-parts.js'
import { describeCluster, type ClusterView } from './describe.js'
import { EVENT_NAMES, type ClusterEvents, type EventName } from './events.js'
import type { ClusterFaults } from './faults.js'
import type { ClusterNetwork } from './network-rules.js'
import type { Network } from './network.js'
import { cutSentences, type RecoveryReport } from './recovery-report.js'
import type { Condition, UntilOptions } from './until.js'

/** Brokers, logs, disks: loaded when the first cluster is opened. */
const loadParts = () => loadPart(() => import('./cluster-parts.js'))

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

  private constructor(parts: Parts) {
    const { brokers, network, faults, clock, random, logger, news } = parts
    super({
      ...{ clock, random, logger },
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
    const { openInFolder } = await loadParts()
    const cluster = new Cluster(await openInFolder(dir, readOnly, withClock(settings)))
    if (settings.logger === silentLogger && !readOnly) {
      cutSentences(cluster.recovery).forEach(warnPeople)
    }
    return cluster
  }

  /** Makes an empty cluster in memory, for unit tests: the same parts, no files. */
  static async memory(options: ClusterOptions = {}): Promise<Cluster> {
    const settings = checkedSettings(CLUSTER_OPTIONS, options)
    const { openInMemory } = await loadParts()
    return new Cluster(await openInMemory(withClock(settings)))
  }

  /** @internal a cluster on any disk, for tests that break it. */
  static async onDisk(disk: Disk, options: ClusterOptions = {}): Promise<Cluster> {
    const settings = checkedSettings(CLUSTER_OPTIONS, options)
    const { openOnDisk } = await loadParts()
    return new Cluster(await openOnDisk(disk, withClock(settings)))
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
    return this.#parts.doors.bootstrap
  }

  /**
   * A door for Kafka clients that take a socket factory, without any port: kafkajs, and so NestJS.
   * `new Kafka({ brokers: cluster.bootstrap, socketFactory: cluster.socketFactory })`.
   */
  get socketFactory(): SocketFactory {
    this.checkOpen()
    return this.#parts.doors.socketFactory
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
    return await this.#parts.doors.listen(options)
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

  /** @internal Everything is made durable, and the folder is freed. */
  protected override async closeRest(): Promise<void> {
    const { brokers, doors, lock } = this.#parts
    try {
      await doors.close()
      await brokers.close()
    } catch (error) {
      throw toPartlogError(error)
    } finally {
      await lock?.release()
    }
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

/** Options, all of them checked before anything is opened. Throws INVALID_CONFIG. */
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
