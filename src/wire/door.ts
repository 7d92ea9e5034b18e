/** The doors of a cluster: where clients come in, each at the broker it wants to talk to. */

import type { Duplex } from 'node:stream'
import type { Clock } from '../base/clock.js'
import type { Logger } from '../base/logger.js'
import type { Channel } from '../protocol/channel.js'
import { ServerConnection } from './server-connection.js'
import type { EndpointOf } from './wire-answers.js'

/** More connections than this are refused (Kafka's max.connections has no bound by itself). */
export const CONNECTIONS_MAX = 10_000
/** connections.max.idle.ms */
export const CONNECTIONS_MAX_IDLE_MS = 600_000

export interface DoorLimits {
  readonly maxConnections: number
  /** A client that says nothing for so long is let go. */
  readonly maxIdleMs: number
}

/** Of a door without a port: those who come in are of this process. */
const AT_HOME: DoorLimits = { maxConnections: CONNECTIONS_MAX, maxIdleMs: Infinity }

export interface DoorOptions {
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
  /** It has been said that nobody gets in any more. */
  #isFull = false

  constructor(options: DoorOptions, limits: DoorLimits = AT_HOME) {
    this.#options = options
    this.#limits = limits
  }

  get connectionCount(): number {
    return this.#connections.size
  }

  /** Serves a client at one broker. False: there are too many, or the door is closed. */
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

  /** A broker has gone: so have its connections. */
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

  /** Said once, until somebody gets in again: a flood shall not flood the log, too. */
  #isFullFor(clientHost: string): boolean {
    const { maxConnections } = this.#limits
    const wasFull = this.#isFull
    this.#isFull = this.#connections.size >= maxConnections
    if (this.#isFull && !wasFull) {
      const sentence = `${maxConnections} connections are open, one of ${clientHost} is refused`
      this.#options.logger.warn(sentence)
    }
    return this.#isFull
  }
}
