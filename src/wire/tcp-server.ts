/*
 * Access by TCP: one listening socket for each broker that runs. The port of a broker that is down
 * refuses connections, like that of a program that has ended, and opens again when it starts.
 */

import type { AddressInfo, Server, Socket } from 'node:net'
import type { Logger } from '../base/logger.js'
import { integer, option, optional, text, type OptionType } from '../base/options.js'
import { SerialQueue } from '../base/tasks.js'
import { PartlogError } from '../model/errors.js'
import { addressOf, type Endpoint } from './addresses.js'
import { CONNECTIONS_MAX, CONNECTIONS_MAX_IDLE_MS, type Door } from './door.js'

/** Where to listen. */
export interface ListenOptions {
  /**
   * The port of the first broker; the others have the next ones. Or a list with a port per broker.
   * 0: any free port. Default 9092.
   */
  readonly port?: number | readonly number[] | undefined
  /**
   * The address to listen on. Default 127.0.0.1: only programs on this machine can connect, because
   * there is no authentication.
   */
  readonly host?: string | undefined
  /** The host in the brokers' addresses that clients receive. Default: `host`. */
  readonly advertisedHost?: string | undefined
  /** More clients than this are refused. Default 10,000. */
  readonly maxConnections?: number | undefined
  /**
   * A connection is closed after this time without a request, by the cluster's clock, unless the
   * client waits for an answer. Milliseconds. Default 600,000.
   */
  readonly connectionsMaxIdleMs?: number | undefined
}

const onePort = integer(0, 65_535)

/** One port, that of the first broker, or a port per broker. */
export const ports: OptionType<readonly number[]> = {
  expected: 'a port from 0 to 65535, or a list of different ones, one for each broker',
  parse: given => distinctPorts((Array.isArray(given) ? given : [given]).map(onePort.parse)),
  parseText: given => distinctPorts(given.split(',').map(onePort.parseText)),
}

function distinctPorts(given: readonly (number | undefined)[]): readonly number[] | undefined {
  const taken = given.filter(port => port !== 0)
  const isFine = given.length > 0 && !given.includes(undefined)
  return isFine && new Set(taken).size === taken.length ? (given as readonly number[]) : undefined
}

export const LISTEN_OPTIONS = {
  port: option(ports, [9_092]),
  host: option(text, '127.0.0.1'),
  advertisedHost: optional(text),
  maxConnections: option(integer(1), CONNECTIONS_MAX),
  connectionsMaxIdleMs: option(integer(1), CONNECTIONS_MAX_IDLE_MS),
} as const

/** The open ports of a cluster. */
export interface Listening {
  /** `host:port` of each broker, for clients that connect by TCP. */
  readonly bootstrap: readonly string[]
  /** The number of open connections. */
  readonly connectionCount: number
  /** Closes the connections and the ports. */
  close(): Promise<void>
}

export interface TcpServerOptions {
  readonly door: Door
  readonly logger: Logger
  readonly brokerIds: readonly number[]
  readonly isRunning: (nodeId: number) => boolean
  readonly host: string
  /** The port of the first broker, or a port per broker. */
  readonly ports: readonly number[]
  readonly advertisedHost: string
  readonly onClosed: () => void
}

function numberOf(given: readonly number[], index: number): number {
  const [first = 0] = given
  if (given.length > 1) return given[index] ?? 0
  return first === 0 ? 0 : first + index
}

export class TcpServer implements Listening {
  readonly #options: TcpServerOptions
  readonly #ports: ReadonlyMap<number, Port>
  #isClosed = false

  constructor(options: TcpServerOptions) {
    const { brokerIds, host, isRunning } = options
    this.#options = options
    const portOf = (nodeId: number, index: number): Port =>
      new Port({
        host,
        number: numberOf(options.ports, index),
        isWanted: () => !this.#isClosed && isRunning(nodeId),
        onSocket: socket => this.#admit(nodeId, socket),
        onError: error => options.logger.warn(`broker ${nodeId} cannot accept a client`, { error }),
      })
    this.#ports = new Map(brokerIds.map((id, index) => [id, portOf(id, index)] as const))
  }

  get bootstrap(): string[] {
    return [...this.#ports.keys()].map(id => addressOf(this.#endpointOf(id)))
  }

  get connectionCount(): number {
    return this.#options.door.connectionCount
  }

  /**
   * Binds all ports, also those of brokers that are down, to learn their numbers. Rejects with
   * NETWORK_EXCEPTION if a port is taken, with CLOSED if the server was closed meanwhile; then it
   * keeps no port.
   */
  async open(): Promise<void> {
    try {
      for (const port of this.#ports.values()) {
        if (this.#isClosed) break
        await port.open()
      }
    } catch (cause) {
      await this.close()
      const { host, ports: wanted } = this.#options
      const place = `${host}:${wanted.join()}`
      const sentence = `cannot listen on ${place}: ${(cause as Error).message}`
      throw new PartlogError('NETWORK_EXCEPTION', sentence, { cause })
    }
    if (this.#isClosed) throw new PartlogError('CLOSED', 'the cluster is closed')
  }

  /** A broker has started: opens its port. Logs a warning if another program has taken it. */
  async started(nodeId: number): Promise<void> {
    try {
      await this.#ports.get(nodeId)?.open()
    } catch (error) {
      const address = addressOf(this.#endpointOf(nodeId))
      this.#options.logger.warn(`broker ${nodeId} cannot listen on ${address} again`, { error })
    }
  }

  /** A broker has ended: closes its port. */
  gone(nodeId: number): void {
    this.#ports.get(nodeId)?.shut()
    this.#options.door.disconnect(nodeId)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    const freed = [...this.#ports.values()].map(port => port.close())
    await this.#options.door.close()
    await Promise.all(freed)
    this.#options.onClosed()
  }

  #endpointOf(nodeId: number): Endpoint {
    const port = this.#ports.get(nodeId)?.number ?? 0
    return port === 0 ? { host: '', port: -1 } : { host: this.#options.advertisedHost, port }
  }

  #admit(nodeId: number, socket: Socket): void {
    const clientHost = `/${socket.remoteAddress ?? ''}`
    const endpointOf = (id: number): Endpoint => this.#endpointOf(id)
    const { door, isRunning } = this.#options
    const isAdmitted = isRunning(nodeId) && door.admit(socket, { nodeId, endpointOf, clientHost })
    if (!isAdmitted) socket.destroy()
  }
}

interface PortOptions {
  readonly host: string
  /** 0: any free port, which the broker then keeps. */
  readonly number: number
  readonly isWanted: () => boolean
  readonly onSocket: (socket: Socket) => void
  /** A client could not be accepted, for example because there are no free file descriptors. */
  readonly onError: (error: Error) => void
}

class Port {
  readonly #options: PortOptions
  /** A server cannot be closed while it is being bound, so state changes run in order. */
  readonly #turns = new SerialQueue()
  #server: Server | undefined
  #number: number

  constructor(options: PortOptions) {
    this.#options = options
    this.#number = options.number
  }

  /** 0 if it is not known yet. */
  get number(): number {
    return this.#number
  }

  /** Binds the port, which determines its number, and keeps it open if it is wanted. */
  open(): Promise<void> {
    return this.#turns.run(() => this.#bind())
  }

  /** Stops listening at once; open connections continue. */
  shut(): void {
    this.#server?.close()
    this.#server = undefined
  }

  /** Resolves when the port is closed and its connections have ended. */
  close(): Promise<void> {
    return this.#turns.run(async () => {
      if (this.#server !== undefined) await closed(this.#server)
    })
  }

  async #bind(): Promise<void> {
    if (this.#server !== undefined) return
    const { host, isWanted, onSocket, onError } = this.#options
    // Loaded here: most clusters never listen.
    const { createServer } = process.getBuiltinModule('node:net')
    const server = createServer({ noDelay: true, keepAlive: true }, onSocket)
    this.#number = await bound(server, host, this.#number)
    this.#server = server.on('error', onError) // without a listener, an error ends the process
    if (!isWanted()) this.shut()
  }
}

function bound(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      resolve((server.address() as AddressInfo).port)
    })
  })
}

function closed(server: Server): Promise<void> {
  return new Promise(resolve => server.close(() => resolve()))
}
