/** The roof of clients alone: the same clients as of an embedded cluster, on brokers elsewhere. */

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
import { ClientMaker, type ChannelRequest, type ClientChannel } from './client/kafka-cluster.js'
import { REQUEST_TIMEOUT_MS } from './client/line/client-config.js'
import { checkedConfig, PartlogError } from './model/errors.js'
import { loadPart } from './model/load-part.js'
import { ANY_NODE } from './protocol/channel.js'
import { endpointOf, type Endpoint } from './wire/addresses.js'
import type { TlsOptions } from './wire/dial.js'
import type { SaslOptions } from './wire/sasl.js'
import type { TcpChannel, TcpChannelOptions } from './wire/tcp-channel.js'

/** Where a Kafka cluster is, and how to be let in. */
export interface ConnectOptions {
  /**
   * `host:port` of some brokers, in a list or with commas between them; the others are learnt from
   * them (Kafka's bootstrap.servers).
   */
  readonly bootstrapServers: string | readonly string[]
  /** TLS: true, or how (security.protocol SSL or SASL_SSL). Default false. */
  readonly ssl?: boolean | TlsOptions | undefined
  /** Who the client is (sasl.mechanism and its JAAS configuration). Default: nobody. */
  readonly sasl?: SaslOptions | undefined
  /**
   * How long a broker may take to answer, in ms (request.timeout.ms). Default 30,000. Clients may
   * have another one.
   */
  readonly requestTimeoutMs?: number | undefined
  /** How long a connection may take to be there (socket.connection.setup.timeout.ms): 10,000. */
  readonly connectionSetupTimeoutMs?: number | undefined
  /** The pause before a broker is tried again, doubling (reconnect.backoff.ms). Default 50. */
  readonly reconnectBackoffMs?: number | undefined
  /** The longest such pause (reconnect.backoff.max.ms). Default 1,000. */
  readonly reconnectBackoffMaxMs?: number | undefined
  /** A connection unused for so long is not used again (connections.max.idle.ms): 540,000. */
  readonly connectionsMaxIdleMs?: number | undefined
  /** How calls of `cluster.admin` are tried. Default: as Kafka's admin client, for a minute. */
  readonly admin?: AdminOptions | undefined
  /** Told what nobody awaits, and what is tried again for longer than a second. Default: nobody. */
  readonly logger?: Logger | undefined
}

/** What the channels of all clients have in common. */
interface Channels extends Omit<TcpChannelOptions, 'clientId'> {
  readonly open: (options: TcpChannelOptions) => TcpChannel
}

/** Sockets, TLS, SASL: loaded when a program first connects. */
const loadChannel = () => loadPart(() => import('./wire/tcp-channel.js'))

interface RemoteParts {
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
 * Producers, consumers and an admin for a Kafka cluster elsewhere; made by {@link connect}. The
 * clients are the ones of an embedded cluster: code written for one runs with the other. Close it
 * with `close()` or `await using`.
 */
export class RemoteCluster extends ClientMaker {
  /** The addresses it was given. */
  readonly bootstrapServers: readonly string[]

  private constructor({ channels, logger, admin, servers }: RemoteParts) {
    const { clock, random } = channels
    const channelFor = (client: ChannelRequest): ClientChannel => channelOf(channels, client)
    super({ clock, random, logger, channelFor, admin })
    this.bootstrapServers = servers
  }

  /** @internal */
  static over(parts: RemoteParts): RemoteCluster {
    return new RemoteCluster(parts)
  }

  /** @internal */
  protected override closeRest(): Promise<void> {
    return Promise.resolve()
  }
}

/**
 * Connects to a Kafka cluster: Apache Kafka 2.4 or newer, or what speaks its protocol. Resolves
 * when one of the brokers has answered.
 *
 * Rejects with NETWORK_EXCEPTION when none of them can be reached, SASL_AUTHENTICATION_FAILED or
 * UNSUPPORTED_SASL_MECHANISM when they do not let this client in, UNSUPPORTED_VERSION when they are
 * too old, INVALID_CONFIG for options.
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
  const { TcpChannel } = await loadChannel()
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
  await tryOut(channels)
  return RemoteCluster.over({ channels, logger: unbreakable(logger), admin, servers })
}

/** Is anybody there? Asked on a connection of its own, which is closed again. */
async function tryOut(channels: Channels): Promise<void> {
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
