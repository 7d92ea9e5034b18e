/** The door with a port: one listening socket for each broker. */

import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { integer, option, optional, text } from '../base/config.js'
import { PartlogError } from '../model/errors.js'
import { addressOf, type Endpoint } from './addresses.js'
import { CONNECTIONS_MAX, CONNECTIONS_MAX_IDLE_MS, type Door } from './door.js'

/** Where to listen. */
export interface ListenOptions {
  /**
   * The port of broker 1; the others follow. 0: any free ones. Default 9092.
   */
  readonly port?: number
  /**
   * The address to listen on. Default 127.0.0.1: only programs on this machine can connect, and
   * there is no password. Anything else has to be said.
   */
  readonly host?: string
  /** The host that clients are told. Default: `host`. */
  readonly advertisedHost?: string
  /** More clients than this are refused. Default 10,000. */
  readonly maxConnections?: number
  /**
   * A client that sends nothing for so many milliseconds, by the cluster's clock, and waits for no
   * answer, loses its connection. Default 600,000.
   */
  readonly connectionsMaxIdleMs?: number
}

export const LISTEN_OPTIONS = {
  port: option(integer(0, 65_535), 9_092),
  host: option(text, '127.0.0.1'),
  advertisedHost: optional(text),
  maxConnections: option(integer(1), CONNECTIONS_MAX),
  connectionsMaxIdleMs: option(integer(1), CONNECTIONS_MAX_IDLE_MS),
} as const

/** Brokers that listen. */
export interface Listening {
  /** `host:port` of each broker, as clients take it. */
  readonly bootstrap: readonly string[]
  /** Clients that are connected now. */
  readonly connectionCount: number
  /** Ends the connections and frees the ports. */
  close(): Promise<void>
}

export interface TcpServerOptions {
  readonly door: Door
  readonly brokerIds: readonly number[]
  readonly isRunning: (nodeId: number) => boolean
  readonly host: string
  readonly port: number
  readonly advertisedHost: string
}

/** Rejects with NETWORK_EXCEPTION when a port is taken; then none is kept. */
export async function listen(options: TcpServerOptions): Promise<Listening> {
  const endpoints = new Map<number, Endpoint>()
  const servers: Server[] = []
  const { brokerIds, port, advertisedHost: host } = options
  try {
    for (const [index, nodeId] of brokerIds.entries()) {
      const server = serverOf(nodeId, endpoints, options)
      servers.push(server)
      const own = await bound(server, options.host, port === 0 ? 0 : port + index)
      endpoints.set(nodeId, { host, port: own })
    }
  } catch (cause) {
    await Promise.all(servers.map(closed))
    const sentence = `cannot listen on ${options.host}:${port}: ${(cause as Error).message}`
    throw new PartlogError('NETWORK_EXCEPTION', sentence, { cause })
  }
  return {
    bootstrap: [...endpoints.values()].map(addressOf),
    get connectionCount() {
      return options.door.connectionCount
    },
    async close() {
      const freed = servers.map(closed)
      await options.door.close()
      await Promise.all(freed)
    },
  }
}

function serverOf(
  nodeId: number,
  endpoints: ReadonlyMap<number, Endpoint>,
  { door, isRunning }: TcpServerOptions,
): Server {
  return createServer({ noDelay: true, keepAlive: true }, (socket: Socket) => {
    const clientHost = `/${socket.remoteAddress ?? ''}`
    const endpointOf = (id: number): Endpoint => endpoints.get(id) ?? { host: '', port: -1 }
    const isAdmitted = isRunning(nodeId) && door.admit(socket, { nodeId, endpointOf, clientHost })
    if (!isAdmitted) socket.destroy()
  })
}

function bound(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      resolve((server.address() as AddressInfo).port)
    })
  })
}

function closed(server: Server): Promise<void> {
  return new Promise(resolve => server.close(() => resolve()))
}
