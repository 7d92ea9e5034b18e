/** A cluster as applications see it, wherever its brokers are: what makes clients and ends them. */

import type { Clock } from '../base/clock.js'
import type { Logger } from '../base/logger.js'
import type { Random } from '../base/random.js'
import type { Channel } from '../protocol/channel.js'
import type { Admin, AdminClient, AdminOptions } from './admin/admin-api.js'
import { ClosableAdmin } from './admin/admin.js'
import type { Consumer } from './consumer/consumer-api.js'
import type { ConsumerOptions } from './consumer/consumer-options.js'
import { ConsumerClient } from './consumer/consumer.js'
import { closedError } from './line/client-errors.js'
import type { Deserialized, Deserializer, DeserializerName } from './line/serdes.js'
import type { Producer, ProducerOptions } from './producer/producer-api.js'
import { ProducerClient } from './producer/producer.js'

/** What a client says of itself when it wants a channel; not checked yet. */
export interface ChannelRequest {
  readonly clientId?: unknown
  readonly requestTimeoutMs?: unknown
}

/** A channel of one client. */
export interface ClientChannel {
  readonly channel: Channel
  /** The client is closed. */
  readonly release?: () => void
}

export interface ClientMakerParts {
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly channelFor: (client: ChannelRequest) => ClientChannel
  /** An application has processed records. */
  readonly onProgress?: () => void
  /** Options of `cluster.admin`. */
  readonly admin?: AdminOptions | undefined
}

/** What every client is given. */
interface ClientContext extends Omit<ClientMakerParts, 'channelFor' | 'admin'> {
  readonly channel: Channel
  readonly onClose: () => void
}

/**
 * A cluster as applications see it, wherever its brokers are: an embedded {@link Cluster} or a
 * {@link RemoteCluster}. Code that asks for this runs with both, and can be given a fake.
 */
export interface KafkaCluster {
  /** Topics, settings, records, groups. Its calls are tried as the option `admin` says. */
  readonly admin: Admin
  /** A producer of this cluster. Throws INVALID_CONFIG for options. */
  producer(options?: ProducerOptions): Producer
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
    options?: ConsumerOptions<
      KeyName | Deserializer<CustomKey>,
      ValueName | Deserializer<CustomValue>
    >,
  ): ConsumerOf<KeyName, ValueName, CustomKey, CustomValue>
  /**
   * As above, with options from a variable in which the compiler has taken 'string' for any
   * string: it cannot know what keys and values are. Write `as const` behind them, or
   * `satisfies ConsumerOptions`, and it does.
   */
  consumer<KeyName extends string, ValueName extends string>(
    options: WidenedConsumerOptions<KeyName, ValueName>,
  ): Consumer<unknown, unknown>
  /** An admin with options of its own. Closed with the cluster. Throws INVALID_CONFIG. */
  adminClient(options?: AdminOptions): AdminClient
  /**
   * Closes producers (what they hold is sent first), consumers and admins. An embedded cluster then
   * makes everything durable and frees its folder; a remote one closes its connections. Every
   * promise of the cluster settles. Calling it again waits for the same.
   */
  close(): Promise<void>
  /** Closes it: `await using cluster = await Cluster.memory()`. */
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * The consumer that options make. Its types follow from them alone: an annotation that says
 * otherwise is an error, for the records would not be what it says (hence NoInfer).
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

/** Options of a consumer whose deserializers are strings, and nothing more is known of them. */
export type WidenedConsumerOptions<KeyName extends string, ValueName extends string> = Omit<
  ConsumerOptions,
  'keyDeserializer' | 'valueDeserializer'
> & {
  readonly keyDeserializer?: (KeyName & Widened<KeyName>) | undefined
  readonly valueDeserializer?: (ValueName & Widened<ValueName>) | undefined
}

/** A string that is not known to be a misspelt name. */
type Widened<Name extends string> = string extends Name ? Name : DeserializerName

/** Makes the clients of a cluster, and closes them. */
export abstract class ClientMaker implements KafkaCluster {
  readonly admin: Admin
  readonly #parts: ClientMakerParts
  readonly #clients = new Set<{ close(): Promise<void> }>()
  readonly #closingSignal = new AbortController()
  #closing: Promise<void> | undefined

  /** @internal */
  protected constructor(parts: ClientMakerParts) {
    this.#parts = parts
    this.admin = this.adminClient(parts.admin)
  }

  producer(options: ProducerOptions = {}): Producer {
    return this.#made(options, context => new ProducerClient(context, options))
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
    return this.#made(options, context => new ConsumerClient<unknown, unknown>(context, options))
  }

  adminClient(options: AdminOptions = {}): AdminClient {
    return this.#made({ clientId: 'admin', ...options }, context => {
      const checkOpen = (): void => this.checkOpen()
      return new ClosableAdmin({ ...context, checkOpen }, options)
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

  /** Makes a client, with a channel of its own until it is closed. */
  #made<C extends { close(): Promise<void> }>(
    options: ChannelRequest,
    make: (context: ClientContext) => C,
  ): C {
    this.checkOpen()
    const { channelFor, admin: _, ...common } = this.#parts
    const { channel, release } = channelFor(options ?? {})
    const onClose = (): void => {
      this.#clients.delete(client)
      release?.()
    }
    const client = make({ ...common, channel, onClose })
    this.#clients.add(client)
    return client
  }

  /** @internal What is behind the clients. */
  protected abstract closeRest(): Promise<void>

  /** @internal Aborts when the cluster is being closed. */
  protected get closing(): AbortSignal {
    return this.#closingSignal.signal
  }

  /** @internal The consumers that are open. */
  protected get consumers(): ConsumerClient<unknown, unknown>[] {
    return [...this.#clients].filter(client => client instanceof ConsumerClient)
  }

  /** @internal Throws CLOSED. */
  protected checkOpen(): void {
    if (this.#closing !== undefined) throw closedError('cluster')
  }
}
