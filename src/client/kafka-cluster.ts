/** A cluster as applications see it, wherever its brokers are: what makes clients and ends them. */

import type { Clock } from '../base/clock.js'
import type { Logger } from '../base/logger.js'
import type { Random } from '../base/random.js'
import type { Channel } from '../protocol/channel.js'
import { Admin } from './admin/admin.js'
import type { ConsumerOptions } from './consumer/consumer-options.js'
import { Consumer } from './consumer/consumer.js'
import { closedError } from './line/client-errors.js'
import type { Deserialized, Deserializer, DeserializerName } from './line/serdes.js'
import { Producer, type ProducerOptions } from './producer/producer.js'

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

export interface KafkaClusterParts {
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly channelFor: (client: ChannelRequest) => ClientChannel
  /** An application has processed records. */
  readonly onProgress?: () => void
}

/**
 * What an embedded {@link Cluster} and a {@link RemoteCluster} have in common: code that is written
 * for it runs with both.
 */
export abstract class KafkaCluster {
  /** Topics, settings, records, groups. */
  readonly admin: Admin
  readonly #parts: KafkaClusterParts
  readonly #clients = new Set<{ close(): Promise<void> }>()
  readonly #adminChannel: ClientChannel
  readonly #closingSignal = new AbortController()
  #closing: Promise<void> | undefined

  /** @internal */
  protected constructor(parts: KafkaClusterParts) {
    const { clock, random, logger } = parts
    this.#parts = parts
    this.#adminChannel = parts.channelFor({ clientId: 'admin' })
    this.admin = new Admin({
      channel: this.#adminChannel.channel,
      clock,
      random,
      logger,
      checkOpen: () => this.checkOpen(),
      closing: this.closing,
    })
  }

  /** A producer of this cluster. Throws INVALID_CONFIG for options. */
  producer(options: ProducerOptions = {}): Producer {
    this.checkOpen()
    const { clock, random, logger } = this.#parts
    const { channel, release } = this.#parts.channelFor(options ?? {})
    const onClose = (): void => {
      this.#clients.delete(producer)
      release?.()
    }
    const producer = new Producer({ channel, clock, random, logger, onClose }, options)
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
    this.checkOpen()
    const { clock, random, logger, onProgress } = this.#parts
    const { channel, release } = this.#parts.channelFor(options ?? {})
    const onClose = (): void => {
      this.#clients.delete(consumer)
      release?.()
    }
    const common = { channel, clock, random, logger, onClose }
    const context = onProgress === undefined ? common : { ...common, onProgress }
    const consumer = new Consumer<
      Deserialized<KeyName, CustomKey>,
      Deserialized<ValueName, CustomValue>
    >(context, options)
    this.#clients.add(consumer)
    return consumer
  }

  /**
   * Closes producers (what they hold is sent first) and consumers. An embedded cluster then makes
   * everything durable and frees its folder; a remote one closes its connections. Every promise of
   * the cluster settles. Calling it again waits for the same.
   */
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
    this.#adminChannel.release?.()
    await this.closeRest()
  }

  /** @internal What is behind the clients. */
  protected abstract closeRest(): Promise<void>

  /** @internal Aborts when the cluster is being closed. */
  protected get closing(): AbortSignal {
    return this.#closingSignal.signal
  }

  /** @internal The consumers that are open. */
  protected get consumers(): Consumer<unknown, unknown>[] {
    return [...this.#clients].filter(client => client instanceof Consumer)
  }

  /** @internal Throws CLOSED. */
  protected checkOpen(): void {
    if (this.#closing !== undefined) throw closedError('cluster')
  }
}
