/* Clients of a remote Kafka cluster: the same clients as those of an embedded cluster. */

import { SystemClock } from './base/clock.js'
import { silentLogger, unbreakable, type Logger } from './base/logger.js'
import {
  flag,
  hasMethods,
  instance,
  INT_MAX,
  integer,
  oneOf,
  option,
  optional,
  readOptions,
  text,
} from './base/options.js'
import { systemRandom } from './base/random.js'
import type { AdminOptions } from './client/admin/admin-api.js'
import { adminSettings } from './client/admin/admin-config.js'
import {
  ClientMaker,
  type ChannelRequest,
  type ClientChannel,
  type ClientFactory,
} from './client/kafka-cluster.js'
import { REQUEST_TIMEOUT_MS } from './client/line/client-config.js'
import type { ConsumerRecord } from './client/consumer/consumer-record.js'
import { replayTopic, type ReplayOptions } from './events/replay-topic.js'
import { checkedConfig, PartlogError } from './model/errors.js'
import { loadPart } from './model/load-part.js'
import { ANY_NODE } from './protocol/channel.js'
import { endpointOf, type Endpoint } from './wire/addresses.js'
import type { TlsOptions } from './wire/dial.js'
import type { SaslOptions } from './wire/sasl.js'
import type { TcpChannel, TcpChannelOptions } from './wire/tcp-channel.js'

/** Address and security settings of a Kafka cluster. */
export interface ConnectOptions {
  /**
   * `host:port` of some brokers, as a list or separated by commas; the client learns the others
   * from them (Kafka's bootstrap.servers).
   */
  readonly bootstrapServers: string | readonly string[]
  /** TLS: true, or TLS options (security.protocol SSL or SASL_SSL). Default false. */
  readonly ssl?: boolean | TlsOptions | undefined
  /** Mechanism and credentials (sasl.mechanism, sasl.jaas.config). Default: no authentication. */
  readonly sasl?: SaslOptions | undefined
  /**
   * How long a broker may take to answer (request.timeout.ms). Milliseconds. Default 30,000. A
   * client may set its own.
   */
  readonly requestTimeoutMs?: number | undefined
  /**
   * How long connecting may take (socket.connection.setup.timeout.ms). Milliseconds. Default
   * 10,000.
   */
  readonly connectionSetupTimeoutMs?: number | undefined
  /**
   * The pause before the client reconnects to a broker; it doubles with each failure
   * (reconnect.backoff.ms). Milliseconds. Default 50.
   */
  readonly reconnectBackoffMs?: number | undefined
  /** The longest such pause (reconnect.backoff.max.ms). Milliseconds. Default 1,000. */
  readonly reconnectBackoffMaxMs?: number | undefined
  /**
   * A connection that was idle for longer is closed (connections.max.idle.ms). Milliseconds.
   * Default 540,000.
   */
  readonly connectionsMaxIdleMs?: number | undefined
  /** Time-outs and retries of `cluster.admin`. Default: as Kafka's admin client, one minute. */
  readonly admin?: AdminOptions | undefined
  /**
   * Receives log lines: failures in the background, and requests that are retried for longer than a
   * second. Default: none.
   */
  readonly logger?: Logger | undefined
}

/** Options that the channels of all clients share. */
interface Channels extends Omit<TcpChannelOptions, 'clientId'> {
  readonly open: (options: TcpChannelOptions) => TcpChannel
}

/** Clients, sockets, TLS, SASL: loaded when a program first connects. */
const loadParts = () => loadPart(() => import('./connect-parts.js'))

interface RemoteParts {
  readonly factory: ClientFactory
  readonly channels: Channels
  readonly logger: Logger
  readonly admin: AdminOptions
  readonly servers: readonly string[]
}

const isText = (value: unknown): boolean => typeof value === 'string' && value !== ''
const isBytes = (value: unknown): boolean => isText(value) || value instanceof Uint8Array

const CONNECT_OPTIONS = {
  bootstrapServers: optional(
    instance<string | readonly string[]>(
      'a list of "host:port"',
      value => isText(value) || (Array.isArray(value) && value.length > 0),
    ),
  ),
  ssl: option(
    instance<boolean | TlsOptions>(
      'true, false or TLS options',
      value => typeof value === 'boolean' || (typeof value === 'object' && value !== null),
    ),
    false,
  ),
  sasl: optional(
    instance<SaslOptions>('an object', value => typeof value === 'object' && value !== null),
  ),
  requestTimeoutMs: option(integer(1, INT_MAX), REQUEST_TIMEOUT_MS),
  connectionSetupTimeoutMs: option(integer(1, INT_MAX), 10_000),
  reconnectBackoffMs: option(integer(0, INT_MAX), 50),
  reconnectBackoffMaxMs: option(integer(0, INT_MAX), 1_000),
  connectionsMaxIdleMs: option(integer(1), 540_000),
  admin: option(
    instance<AdminOptions>('an object', value => typeof value === 'object' && value !== null),
    {},
  ),
  logger: option(
    instance<Logger>('a logger', hasMethods('debug', 'info', 'warn', 'error')),
    silentLogger,
  ),
} as const

const TLS_OPTIONS = {
  ca: optional(
    instance<TlsOptions['ca'] & object>(
      'certificates in PEM',
      value => isBytes(value) || (Array.isArray(value) && value.every(isBytes)),
    ),
  ),
  cert: optional(instance<string | Uint8Array>('a certificate in PEM', isBytes)),
  key: optional(instance<string | Uint8Array>('a key in PEM', isBytes)),
  passphrase: optional(text),
  servername: optional(text),
  rejectUnauthorized: option(flag, true),
} as const

const SASL_OPTIONS = {
  mechanism: optional(oneOf('plain', 'scram-sha-256', 'scram-sha-512')),
  username: optional(text),
  password: optional(instance<string>('a non-empty string', isText)),
} as const

/**
 * Producers, consumers and an admin for a remote Kafka cluster; created by {@link connect}. The
 * clients are those of an embedded cluster: code written for one runs with the other. Close it with
 * `close()` or `await using`.
 */
export class RemoteCluster extends ClientMaker {
  /** The addresses that `connect` was given. */
  readonly bootstrapServers: readonly string[]

  private constructor({ factory, channels, logger, admin, servers }: RemoteParts) {
    const { clock, random } = channels
    const channelFor = (client: ChannelRequest): ClientChannel => channelOf(channels, client)
    super({ factory, clock, random, logger, channelFor, admin })
    this.bootstrapServers = servers
  }

  /** @internal */
  static over(parts: RemoteParts): RemoteCluster {
    return new RemoteCluster(parts)
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

  /** @internal */
  protected override closeRest(): Promise<void> {
    return Promise.resolve()
  }
}

/**
 * Connects to a Kafka cluster: Apache Kafka 2.4 or newer, or another system with its protocol.
 * Resolves when one of the brokers has answered.
 *
 * Rejects with NETWORK_EXCEPTION if no broker can be reached, SASL_AUTHENTICATION_FAILED or
 * UNSUPPORTED_SASL_MECHANISM if a broker does not accept the credentials, UNSUPPORTED_VERSION if
 * the brokers are too old, INVALID_CONFIG for invalid options.
 */
export async function connect(options: ConnectOptions): Promise<RemoteCluster> {
  const { logger, admin, ...settings } = checkedConfig(() =>
    readOptions(CONNECT_OPTIONS, options, 'connect option'),
  )
  adminSettings(admin)
  const servers = serversOf(settings.bootstrapServers)
  const bootstrap = servers.map(endpointOf)
  const tls = tlsOf(settings.ssl)
  const sasl = saslOf(settings.sasl)
  const { factory, TcpChannel } = (await loadParts()).CONNECT_PARTS
  const channels: Channels = {
    open: options => new TcpChannel(options),
    clock: new SystemClock(),
    random: systemRandom(),
    bootstrap,
    tls,
    sasl,
    requestTimeoutMs: settings.requestTimeoutMs,
    setupTimeoutMs: settings.connectionSetupTimeoutMs,
    backoff: {
      retryBackoffMs: settings.reconnectBackoffMs,
      retryBackoffMaxMs: settings.reconnectBackoffMaxMs,
    },
    maxIdleMs: settings.connectionsMaxIdleMs,
  }
  await probe(channels)
  return RemoteCluster.over({ factory, channels, logger: unbreakable(logger), admin, servers })
}

/** Resolves when a broker has answered; uses a connection of its own, which it closes. */
async function probe(channels: Channels): Promise<void> {
  const { channel, release } = channelOf(channels, {})
  try {
    await channel.send(ANY_NODE, 'Metadata', { topics: [] })
  } finally {
    release?.()
  }
}

function channelOf(
  channels: Channels,
  { clientId, requestTimeoutMs }: ChannelRequest,
): ClientChannel {
  const channel = channels.open({
    ...channels,
    clientId: typeof clientId === 'string' ? clientId : 'partlog',
    ...(typeof requestTimeoutMs === 'number' ? { requestTimeoutMs } : {}),
  })
  return { channel, release: () => channel.close() }
}

function serversOf(given: string | readonly string[] | undefined): string[] {
  const list = typeof given === 'string' ? given.split(',') : [...(given ?? [])]
  if (list.length === 0) {
    throw new PartlogError('INVALID_CONFIG', 'bootstrapServers: expected a list of "host:port"')
  }
  list.forEach((address): Endpoint => endpointOf(address))
  return list.map(address => address.trim())
}

function tlsOf(ssl: boolean | TlsOptions): TlsOptions | undefined {
  if (typeof ssl === 'boolean') return ssl ? {} : undefined
  const given = checkedConfig(() => readOptions(TLS_OPTIONS, ssl, 'TLS option'))
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
}

function saslOf(given: SaslOptions | undefined): SaslOptions | undefined {
  if (given === undefined) return undefined
  const settings = checkedConfig(() => readOptions(SASL_OPTIONS, given, 'SASL option'))
  const { mechanism, username, password } = settings
  if (mechanism !== undefined && username !== undefined && password !== undefined) {
    return { mechanism, username, password }
  }
  const missing = Object.entries(settings).find(([, value]) => value === undefined)?.[0]
  throw new PartlogError('INVALID_CONFIG', `SASL option ${missing}: is missing`)
}
