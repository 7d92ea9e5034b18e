/** The doors of a cluster: where clients come in, each at the broker it wants to talk to. */

import type { Duplex } from 'node:stream'
import type { Logger } from '../base/logger.js'
import type { Channel } from '../protocol/channel.js'
import { ServerConnection } from './server-connection.js'
import type { EndpointOf } from './wire-answers.js'

/** More connections than this are refused (Kafka's max.connections has no bound by itself). */
export const CONNECTIONS_MAX = 10_000

export interface DoorOptions {
  readonly channelOf: (clientId: string) => Channel
  readonly logger: Logger
}

/** The connections that are open at a door. */
export class Door {
  readonly #options: DoorOptions
  readonly #connections = new Map<ServerConnection, Promise<void>>()
  #isClosed = false

  constructor(options: DoorOptions) {
    this.#options = options
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
    if (this.#isClosed || this.#connections.size >= CONNECTIONS_MAX) return false
    const connection = new ServerConnection({ ...this.#options, ...place, stream })
    const served = connection.serve().finally(() => this.#connections.delete(connection))
    this.#connections.set(connection, served)
    return true
  }

  /** Ends all connections; resolves when they have ended. */
  async close(): Promise<void> {
    this.#isClosed = true
    const served = [...this.#connections.values()]
    for (const connection of this.#connections.keys()) connection.close()
    await Promise.all(served)
  }
}
