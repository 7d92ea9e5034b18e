/* The public interface of a cluster, embedded or remote: it creates clients and closes them. */

import type { Clock } from '../base/clock.js'
import type { Logger } from '../base/logger.js'
import type { Random } from '../base/random.js'
import type { Channel } from '../protocol/channel.js'
import type { Admin, AdminClient, AdminOptions } from './admin/admin-api.js'
import type { Consumer } from './consumer/consumer-api.js'
import type { ConsumerOptions } from './consumer/consumer-options.js'
import type { ConsumerClient } from './consumer/consumer.js'
import { closedError } from './line/client-errors.js'
import type { Deserialized, Deserializer, DeserializerName } from './line/serdes.js'
import type {
  Producer,
  ProducerOptions,
  TransactionalProducer,
  TransactionalProducerOptions,
} from './producer/producer-api.js'

/** The options of a client that its channel needs; not checked yet. */
export interface ChannelRequest {
  readonly clientId?: unknown
  readonly requestTimeoutMs?: unknown
}

/** A channel of one client. */
export interface ClientChannel {
  readonly channel: Channel
  /** Called when the client is closed. */
  readonly release?: () => void
}

export interface ClientMakerParts {
  readonly factory: ClientFactory
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly channelFor: (client: ChannelRequest) => ClientChannel
  /** Called when an application has processed records. */
  readonly onProgress?: () => void
  /** Options of `cluster.admin`. */
  readonly admin?: AdminOptions | undefined
}

/** What every client gets. */
interface ClientContext extends Omit<ClientMakerParts, 'factory' | 'channelFor' | 'admin'> {
  readonly channel: Channel
  readonly onClose: () => void
}

interface AdminClientContext extends ClientContext {
  /** Throws CLOSED once the cluster is closing. */
  readonly checkOpen: () => void
}

/** Creates clients; see client-factory.ts. Each call throws INVALID_CONFIG for invalid options. */
export interface ClientFactory {
  producer(context: ClientContext, options: ProducerOptions): Producer
  consumer(context: ClientContext, options: object): ConsumerClient<unknown, unknown>
  admin(context: AdminClientContext, options: AdminOptions): AdminClient
}

/**
 * The interface of every cluster: an embedded {@link Cluster} or a {@link RemoteCluster}. Code that
 * takes a KafkaCluster runs with both, and with a fake in tests.
 */
export interface KafkaCluster {
  /** Topics, settings, records, groups. The cluster's option `admin` sets timeouts and retries. */
  readonly admin: Admin
  /**
   * Creates a producer of transactions, if it gets a transactional id. Throws INVALID_CONFIG for
   * invalid options.
   */
  producer(options: TransactionalProducerOptions): TransactionalProducer
  /** Creates a producer. Throws INVALID_CONFIG for invalid options. */
  producer(options?: ProducerOptions): Producer
  /**
   * Creates a consumer. The types of its keys and values follow from the deserializers:
   * `cluster.consumer({ groupId: 'g', valueDeserializer: 'string' })` reads strings; a deserializer
   * function determines the type by what it returns. Throws INVALID_CONFIG for invalid options.
   */
  consumer<
    KeyName extends DeserializerName = 'bytes',
    ValueName extends DeserializerName = 'bytes',
    CustomKey = never,
    CustomValue = never,
  >(
    options?: ConsumerOptions<
      KeyName | Deserializer<CustomKey>,
      ValueName | Deserializer<CustomValue>
    >,
  ): ConsumerOf<KeyName, ValueName, CustomKey, CustomValue>
  /**
   * As above, for options from a variable in which the compiler has widened 'string' to any string:
   * the types of keys and values are unknown. Add `as const` or `satisfies ConsumerOptions` to the
   * variable to keep them.
   */
  consumer<KeyName extends string, ValueName extends string>(
    options: WidenedConsumerOptions<KeyName, ValueName>,
  ): Consumer<unknown, unknown>
  /** Creates an admin with options of its own. Throws INVALID_CONFIG for invalid options. */
  adminClient(options?: AdminOptions): AdminClient
  /**
   * Closes producers (after sending their remaining records), consumers and admins. An embedded
   * cluster then flushes everything to disk and unlocks its folder; a remote one closes its
   * connections. Every promise of the cluster settles. A second call waits for the first.
   */
  close(): Promise<void>
  /** Closes it: `await using cluster = await Cluster.memory()`. */
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * The consumer that the options create. Its types follow from the options alone: a different type
 * annotation is a compile error, because the records would not have that type (hence NoInfer).
 */
export type ConsumerOf<
  KeyName extends DeserializerName,
  ValueName extends DeserializerName,
  CustomKey,
  CustomValue,
> = Consumer<
  NoInfer<Deserialized<KeyName, CustomKey>>,
  NoInfer<Deserialized<ValueName, CustomValue>>
>

/** Options of a consumer whose deserializers have the type string, not a literal. */
export type WidenedConsumerOptions<KeyName extends string, ValueName extends string> = Omit<
  ConsumerOptions,
  'keyDeserializer' | 'valueDeserializer'
> & {
  readonly keyDeserializer?: (KeyName & Widened<KeyName>) | undefined
  readonly valueDeserializer?: (ValueName & Widened<ValueName>) | undefined
}

/** Accepts `string`; a literal must be the name of a deserializer. */
type Widened<Name extends string> = string extends Name ? Name : DeserializerName

/** Creates the clients of a cluster, and closes them. */
export abstract class ClientMaker implements KafkaCluster {
  readonly admin: Admin
  readonly #parts: ClientMakerParts
  readonly #clients = new Set<{ close(): Promise<void> }>()
  readonly #consumers = new Set<ConsumerClient<unknown, unknown>>()
  readonly #closingSignal = new AbortController()
  #closing: Promise<void> | undefined

  /** @internal */
  protected constructor(parts: ClientMakerParts) {
    this.#parts = parts
    this.admin = this.adminClient(parts.admin)
  }

  producer(options: TransactionalProducerOptions): TransactionalProducer
  producer(options?: ProducerOptions): Producer
  producer(options: ProducerOptions = {}): Producer {
    const { factory } = this.#parts
    return this.#made(options, context => factory.producer(context, options))
  }

  consumer<
    KeyName extends DeserializerName = 'bytes',
    ValueName extends DeserializerName = 'bytes',
    CustomKey = never,
    CustomValue = never,
  >(
    options?: ConsumerOptions<
      KeyName | Deserializer<CustomKey>,
      ValueName | Deserializer<CustomValue>
    >,
  ): ConsumerOf<KeyName, ValueName, CustomKey, CustomValue>
  consumer<KeyName extends string, ValueName extends string>(
    options: WidenedConsumerOptions<KeyName, ValueName>,
  ): Consumer<unknown, unknown>
  consumer(options: object = {}): Consumer<unknown, unknown> {
    const { factory } = this.#parts
    const consumer = this.#made(options, ({ onClose, ...context }) => {
      const forget = (): void => {
        this.#consumers.delete(consumer)
        onClose()
      }
      return factory.consumer({ ...context, onClose: forget }, options)
    })
    this.#consumers.add(consumer)
    return consumer
  }

  adminClient(options: AdminOptions = {}): AdminClient {
    return this.#made({ clientId: 'admin', ...options }, context => {
      const checkOpen = (): void => this.checkOpen()
      return this.#parts.factory.admin({ ...context, checkOpen }, options)
    })
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    this.#closingSignal.abort()
    await Promise.allSettled([...this.#clients].map(client => client.close()))
    await this.closeRest()
  }

  /** Creates a client with a channel of its own, which is released when the client is closed. */
  #made<C extends { close(): Promise<void> }>(
    options: ChannelRequest,
    make: (context: ClientContext) => C,
  ): C {
    this.checkOpen()
    const { factory: _, admin: __, channelFor, ...common } = this.#parts
    const { channel, release } = channelFor(options ?? {})
    const onClose = (): void => {
      this.#clients.delete(client)
      release?.()
    }
    const client = make({ ...common, channel, onClose })
    this.#clients.add(client)
    return client
  }

  /** @internal Closes everything else after the clients. */
  protected abstract closeRest(): Promise<void>

  /** @internal Aborts when the cluster is being closed. */
  protected get closing(): AbortSignal {
    return this.#closingSignal.signal
  }

  /** @internal The consumers that are open. */
  protected get consumers(): ConsumerClient<unknown, unknown>[] {
    return [...this.#consumers]
  }

  /** @internal Throws CLOSED once the cluster is closing. */
  protected checkOpen(): void {
    if (this.#closing !== undefined) throw closedError('cluster')
  }
}
