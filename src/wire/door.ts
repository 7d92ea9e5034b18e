/* Accepts connections of Kafka clients to the brokers of a cluster. */

import type { Duplex } from 'node:stream'
import type { Clock } from '../base/clock.js'
import type { Logger } from '../base/logger.js'
import type { Channel } from '../protocol/channel.js'
import { ServerConnection } from './server-connection.js'
import type { EndpointOf } from './wire-answers.js'

/** More connections than this are refused (Kafka's max.connections; unlimited there). */
export const CONNECTIONS_MAX = 10_000
/** connections.max.idle.ms */
export const CONNECTIONS_MAX_IDLE_MS = 600_000

export interface DoorLimits {
  readonly maxConnections: number
  /** A connection without requests for longer is closed. */
  readonly maxIdleMs: number
}

/** Without a port, all clients are in this process. */
const IN_PROCESS: DoorLimits = { maxConnections: CONNECTIONS_MAX, maxIdleMs: Infinity }

export interface DoorOptions {
  readonly clusterId: string
  readonly channelOf: (clientId: string) => Channel
  readonly logger: Logger
  readonly clock: Clock
}

/** The connections that are open at a door. */
export class Door {
  readonly #options: DoorOptions
  readonly #limits: DoorLimits
  readonly #connections = new Map<ServerConnection, Promise<void>>()
  #isClosed = false
  /** It was logged that connections are refused. */
  #isFull = false

  constructor(options: DoorOptions, limits: DoorLimits = IN_PROCESS) {
    this.#options = options
    this.#limits = limits
  }

  get connectionCount(): number {
    return this.#connections.size
  }

  /** Serves a client of one broker. False if there are too many, or the door is closed. */
  admit(
    stream: Duplex,
    place: {
      readonly nodeId: number
      readonly endpointOf: EndpointOf
      readonly clientHost: string
    },
  ): boolean {
    if (this.#isClosed || this.#isFullFor(place.clientHost)) return false
    const { maxIdleMs } = this.#limits
    const connection = new ServerConnection({ ...this.#options, ...place, maxIdleMs, stream })
    const served = connection.serve().finally(() => this.#connections.delete(connection))
    this.#connections.set(connection, served)
    return true
  }

  /** A broker has ended: closes its connections. */
  disconnect(nodeId: number): void {
    for (const connection of this.#connections.keys()) {
      if (connection.nodeId === nodeId) connection.close()
    }
  }

  /** Ends all connections; resolves when they have ended. */
  async close(): Promise<void> {
    this.#isClosed = true
    const served = [...this.#connections.values()]
    for (const connection of this.#connections.keys()) connection.close()
    await Promise.all(served)
  }

  /** Logs once until a client is admitted again, so that many clients do not flood the log. */
  #isFullFor(clientHost: string): boolean {
    const { maxConnections } = this.#limits
    const wasFull = this.#isFull
    this.#isFull = this.#connections.size >= maxConnections
    if (this.#isFull && !wasFull) {
      const sentence = `${maxConnections} connections are open, one from ${clientHost} is refused`
      this.#options.logger.warn(sentence)
    }
    return this.#isFull
  }
}
