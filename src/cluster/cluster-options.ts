/* Options of a cluster. */

import type { Clock } from '../base/clock.js'
import { silentLogger, type Logger } from '../base/logger.js'
import {
  flag,
  hasMethods,
  instance,
  integer,
  oneOf,
  option,
  optional,
  text,
} from '../base/options.js'
import type { Random } from '../base/random.js'
import type { AdminOptions } from '../client/admin/admin-api.js'
import type { Durability } from '../partition/roles.js'

/** More brokers would only be slower, because they share one process. */
const BROKERS_MAX = 64
/** Kafka's broker ids are int32. */
const BROKER_ID_MAX = 2 ** 31 - 1
/** Keeps the time in milliseconds a safe integer. */
const SECONDS_MAX = 2 ** 31 - 1
/** The default of defaultReplicationFactor, if there are that many brokers. */
export const REPLICATION_FACTOR = 3

export const CLUSTER_OPTIONS = {
  brokers: optional(
    instance<number | readonly BrokerOptions[]>(
      `a whole number from 1 to ${BROKERS_MAX}, or a list of as many { id, rack? }, each id once ` +
        `and from 0 to ${BROKER_ID_MAX}`,
      given => isCount(given) || isListOfBrokers(given),
    ),
  ),
  racks: option(
    instance<readonly (string | null)[]>('a list of names, one per broker', isListOfNames),
    [],
  ),
  durability: option(oneOf<Durability>('power', 'process'), 'power'),
  onCorruption: option(oneOf('offline', 'truncate'), 'offline'),
  autoCreateTopics: option(flag, true),
  defaultPartitions: option(integer(1, 99_999), 1),
  defaultReplicationFactor: optional(integer(1, BROKERS_MAX)),
  replicaLagTimeMaxMs: option(integer(1), 30_000),
  brokerSessionTimeoutMs: option(integer(1), 9_000),
  autoLeaderRebalanceEnable: option(flag, true),
  leaderImbalanceCheckIntervalSeconds: option(integer(1, SECONDS_MAX), 300),
  groupInitialRebalanceDelayMs: option(integer(0), 0),
  groupMinSessionTimeoutMs: option(integer(1), 6_000),
  groupMaxSessionTimeoutMs: option(integer(1), 1_800_000),
  groupMaxSize: option(integer(1), 10_000),
  offsetsRetentionMinutes: option(integer(1), 10_080),
  admin: option(instance<AdminOptions>('an object', isObject), {}),
  clock: optional(
    instance<Clock>('a clock', hasMethods('now', 'monotonicMs', 'after', 'soon', 'turn')),
  ),
  random: optional(instance<Random>('a source of randomness', hasMethods('int', 'bytes'))),
  logger: option(
    instance<Logger>('a logger', hasMethods('debug', 'info', 'warn', 'error')),
    silentLogger,
  ),
} as const

export const OPEN_OPTIONS = {
  ...CLUSTER_OPTIONS,
  dir: optional(text),
  readOnly: option(flag, false),
}

/** One simulated broker. */
export interface BrokerOptions {
  /** Kafka's node.id: a whole number of at least 0. Its folder is `broker-<id>`. */
  readonly id: number
  /** Kafka's broker.rack. Default: its entry in `racks`, or none. */
  readonly rack?: string | null | undefined
}

/** Options of every cluster. */
export interface ClusterOptions {
  /**
   * The number of simulated brokers, each with its own folder and replicas. They have the ids 1, 2,
   * …; in an existing folder, the first ids that it knows, then new ones. Or a list of brokers:
   * `[{ id: 0 }, { id: 1, rack: 'b' }]`. Brokers that the folder knows and a list leaves out are
   * down. At most 64. Default: those that the folder knows; broker 1 in a new folder.
   */
  readonly brokers?: number | readonly BrokerOptions[] | undefined
  /**
   * The racks of the brokers in the order of their ids (Kafka's broker.rack): replicas of a
   * partition are spread over them. Default: none.
   */
  readonly racks?: readonly (string | null)[] | undefined
  /**
   * What an acknowledged record survives. 'power' (default): a power cut, so every acknowledgement
   * waits for the disk. 'process': the death of the process. In memory there is no difference.
   */
  readonly durability?: Durability | undefined
  /**
   * What to do about damaged bytes in a log. 'offline' (default) takes the partition out of service
   * and changes nothing; 'truncate' truncates the log there and keeps a copy of the rest.
   */
  readonly onCorruption?: 'offline' | 'truncate' | undefined
  /** Create a topic when it is first used (Kafka's auto.create.topics.enable). Default true. */
  readonly autoCreateTopics?: boolean | undefined
  /** Partitions of a topic created without a number (Kafka's num.partitions). Default 1. */
  readonly defaultPartitions?: number | undefined
  /**
   * Replicas of a topic created without a number (Kafka's default.replication.factor). Default 3,
   * or the number of brokers if that is less.
   */
  readonly defaultReplicationFactor?: number | undefined
  /**
   * An in-sync replica that lags for longer is removed from the ISR (Kafka's
   * replica.lag.time.max.ms). Checked twice in that time. Milliseconds. Default 30,000.
   */
  readonly replicaLagTimeMaxMs?: number | undefined
  /**
   * A broker that the network separates from the controller for longer is fenced: other brokers
   * lead its partitions (Kafka's broker.session.timeout.ms). Milliseconds. Default 9,000.
   */
  readonly brokerSessionTimeoutMs?: number | undefined
  /**
   * Return leaderships to preferred leaders (the first replica of each partition) that are in sync,
   * every `leaderImbalanceCheckIntervalSeconds` (Kafka's auto.leader.rebalance.enable). Default
   * true.
   */
  readonly autoLeaderRebalanceEnable?: boolean | undefined
  /** Kafka's leader.imbalance.check.interval.seconds. Seconds. Default 300. */
  readonly leaderImbalanceCheckIntervalSeconds?: number | undefined
  /**
   * How long an empty group waits for more members before it first assigns partitions (Kafka's
   * group.initial.rebalance.delay.ms). Milliseconds. Default 0 (Kafka: 3,000).
   */
  readonly groupInitialRebalanceDelayMs?: number | undefined
  /**
   * The shortest session time-out that a member may ask for (Kafka's
   * group.min.session.timeout.ms). Milliseconds. Default 6,000.
   */
  readonly groupMinSessionTimeoutMs?: number | undefined
  /**
   * The longest session time-out that a member may ask for (Kafka's group.max.session.timeout.ms).
   * Milliseconds. Default 1,800,000.
   */
  readonly groupMaxSessionTimeoutMs?: number | undefined
  /** How many members a group may have (Kafka's group.max.size). Default 10,000. */
  readonly groupMaxSize?: number | undefined
  /**
   * Committed offsets are deleted this long after their group has become empty (Kafka's
   * offsets.retention.minutes). Minutes. Default 10,080: seven days.
   */
  readonly offsetsRetentionMinutes?: number | undefined
  /**
   * Time-outs and retries of `cluster.admin`. Default: as Kafka's admin client, one minute. See
   * also `cluster.adminClient()`.
   */
  readonly admin?: AdminOptions | undefined
  /** The clock, for tests: see {@link virtualClock}. Default: the system's clock. */
  readonly clock?: Clock | undefined
  /**
   * The source of randomness, for repeatable tests: see {@link seededRandom}. Default: the
   * system's.
   */
  readonly random?: Random | undefined
  /**
   * Receives log lines: background work, and client requests that are retried for longer than a
   * second. `console` can be used. Default: none.
   */
  readonly logger?: Logger | undefined
}

/** Options of a cluster in a folder. */
export interface OpenOptions extends ClusterOptions {
  /** The folder; created if it does not exist. */
  readonly dir: string
  /**
   * Open for reading only, beside the process that owns the folder, and follow what that writes:
   * records as soon as they are committed there, topics, groups, deletions. Whatever would change
   * the folder fails with READ_ONLY. Default false.
   */
  readonly readOnly?: boolean | undefined
}

function isObject(given: unknown): boolean {
  return typeof given === 'object' && given !== null
}

function isCount(given: unknown): boolean {
  return Number.isInteger(given) && (given as number) >= 1 && (given as number) <= BROKERS_MAX
}

function isListOfBrokers(given: unknown): boolean {
  if (!Array.isArray(given) || given.length < 1 || given.length > BROKERS_MAX) return false
  if (!given.every(isBroker)) return false
  return new Set(given.map(({ id }: BrokerOptions) => id)).size === given.length
}

function isBroker(given: unknown): given is BrokerOptions {
  if (typeof given !== 'object' || given === null) return false
  if (Object.keys(given).some(key => key !== 'id' && key !== 'rack')) return false
  const { id, rack = null } = given as { id?: unknown; rack?: unknown }
  if (!Number.isInteger(id) || (id as number) < 0 || (id as number) > BROKER_ID_MAX) return false
  return rack === null || (typeof rack === 'string' && rack !== '')
}

function isListOfNames(given: unknown): given is readonly (string | null)[] {
  return (
    Array.isArray(given) &&
    given.every(name => name === null || (typeof name === 'string' && name !== ''))
  )
}
