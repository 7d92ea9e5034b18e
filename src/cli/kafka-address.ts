/* Addresses of Kafka clusters, `kafka://host:9092,host:9092/topic`, and how to log in there. */

import { oneOf, text } from '../base/options.js'
import { connect, type RemoteCluster } from '../connect.js'
import { isTopicName } from '../model/names.js'
import { endpointOf } from '../wire/addresses.js'
import { optionalValue, type OptionsOf, toggle } from './command.js'
import { retryNotes } from './copy/waits.js'
import { environment, type Output } from './terminal/output.js'
import { UsageError } from './terminal/usage-error.js'
import { readText } from './terminal/user-files.js'

/** A topic of a remote cluster. */
export interface KafkaAddress {
  readonly bootstrapServers: readonly string[]
  readonly topic: string
}

const SCHEME = 'kafka://'
const EXPECTED = 'kafka://host:port/topic (several: kafka://a:9092,b:9092/topic)'

/** The environment variable that holds the password. */
const PASSWORD = 'PARTLOG_PASSWORD'

/** The options of every command that connects to a remote cluster. */
export const KAFKA_OPTIONS = {
  ssl: toggle('use TLS for kafka://, with the certificate authorities that Node trusts'),
  ca: optionalValue(text, 'FILE', 'TLS with the certificate authorities of this PEM file only'),
  sasl: {
    ...optionalValue(
      oneOf('plain', 'scram-sha-256', 'scram-sha-512'),
      'MECHANISM',
      'log in to kafka:// with a password: plain, scram-sha-256 or scram-sha-512',
    ),
    isSecret: true,
  },
  username: optionalValue(
    text,
    'NAME',
    `user name for --sasl; the environment variable ${PASSWORD} holds the password`,
  ),
}

export type KafkaOptions = OptionsOf<typeof KAFKA_OPTIONS>

export function isKafkaAddress(given: string | undefined): given is string {
  return given?.startsWith(SCHEME) === true
}

/** Throws UsageError if `given` is no address; `option` names the option for the sentence. */
export function parseKafkaAddress(option: string, given: string): KafkaAddress {
  const rest = isKafkaAddress(given) ? given.slice(SCHEME.length) : ''
  const [servers = '', topic, ...more] = rest.split('/')
  if (rest.includes('@')) {
    throw new UsageError(
      `${option}: expected an address without user and password, which other users could see: ` +
        `use --sasl and --username, and the environment variable ${PASSWORD}`,
    )
  }
  const bootstrapServers = servers.split(',')
  const isWhole = bootstrapServers.every(isServer) && more.length === 0
  if (isWhole && topic !== undefined && isTopicName(topic)) return { bootstrapServers, topic }
  throw new UsageError(`${option}: expected ${EXPECTED}, got ${JSON.stringify(given)}`)
}

function isServer(given: string): boolean {
  try {
    endpointOf(given)
    return !/[\s?#]/.test(given) // a URL with a query or fragment, or a list with blanks
  } catch {
    return false
  }
}

/** Refuses options that would be ignored. */
export function checkNoKafkaOptions(command: string, options: KafkaOptions): void {
  const given = (['ssl', 'ca', 'sasl', 'username'] as const).find(
    name => options[name] !== undefined && options[name] !== false,
  )
  if (given === undefined) return
  throw new UsageError(`partlog ${command}: --${given}: only with ${SCHEME}…`)
}

/** Connects with these options. Throws UsageError if they do not fit together. */
export async function connectTo(
  { bootstrapServers }: KafkaAddress,
  { command, output }: { readonly command: string; readonly output: Output },
  options: KafkaOptions,
): Promise<RemoteCluster> {
  const sasl = saslOf(command, options)
  const { ssl, ca } = options
  return await connect({
    bootstrapServers,
    ssl: ca === undefined ? ssl : { ca: readText(ca) },
    ...(sasl === undefined ? {} : { sasl }),
    logger: retryNotes(output),
  })
}

function saslOf(command: string, { sasl: mechanism, username }: KafkaOptions) {
  const wrong = (name: string, sentence: string): UsageError =>
    new UsageError(`partlog ${command}: --${name}: ${sentence}`)
  if (mechanism === undefined) {
    if (username !== undefined) throw wrong('username', 'needs --sasl')
    return undefined
  }
  if (username === undefined) throw wrong('sasl', 'needs --username')
  const password = environment(PASSWORD)
  if (password !== undefined && password !== '') return { mechanism, username, password }
  throw wrong('sasl', `needs the password in the environment variable ${PASSWORD}`)
}
