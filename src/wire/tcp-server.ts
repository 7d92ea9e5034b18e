/**
 * The door with a port: one listening socket for each broker that runs. The port of one that is
 * down refuses, as that of a program that has ended, and is its own again when it starts.
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
   * The port of broker 1, the others follow; or a list with the port of each broker. 0: any free
   * one. Default 9092.
   */
  readonly port?: number | readonly number[] | undefined
  /**
   * The address to listen on. Default 127.0.0.1: only programs on this machine can connect, and
   * there is no password. Anything else has to be said.
   */
  readonly host?: string | undefined
  /** The host that clients are told. Default: `host`. */
  readonly advertisedHost?: string | undefined
  /** More clients than this are refused. Default 10,000. */
  readonly maxConnections?: number | undefined
  /**
   * A client that sends nothing for so many milliseconds, by the cluster's clock, and waits for no
   * answer, loses its connection. Default 600,000.
   */
  readonly connectionsMaxIdleMs?: number | undefined
}

const onePort = integer(0, 65_535)

/** One port, that of the first broker, or one for each. */
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
  readonly logger: Logger
  readonly brokerIds: readonly number[]
  readonly isRunning: (nodeId: number) => boolean
  readonly host: string
  /** That of the first broker, the others follow; or as many as brokers. */
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
        ...{ host, number: numberOf(options.ports, index) },
        isWanted: () => !this.#isClosed && isRunning(nodeId),
        onSocket: socket => this.#admit(nodeId, socket),
        onError: error => options.logger.warn(`broker ${nodeId} cannot let a client in`, { error }),
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
   * Takes all ports, those of brokers that are down too, to know them. Rejects with
   * NETWORK_EXCEPTION when one is taken, with CLOSED when it was closed meanwhile; then none is
   * kept.
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

  /** A broker has started: its port is open. If another has it by now, that is a warning. */
  async started(nodeId: number): Promise<void> {
    try {
      await this.#ports.get(nodeId)?.open()
    } catch (error) {
      const address = addressOf(this.#endpointOf(nodeId))
      this.#options.logger.warn(`broker ${nodeId} cannot listen on ${address} again`, { error })
    }
  }

  /** A broker has gone: its port refuses. */
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
  /** 0: any free one, and from then on that one. */
  readonly number: number
  readonly isWanted: () => boolean
  readonly onSocket: (socket: Socket) => void
  /** A client that came could not be let in: files or memory are short, say. */
  readonly onError: (error: Error) => void
}

class Port {
  readonly #options: PortOptions
  /** A server cannot be closed while it is being bound: whoever wants another state waits. */
  readonly #turns = new SerialQueue()
  #server: Server | undefined
  #number: number

  constructor(options: PortOptions) {
    this.#options = options
    this.#number = options.number
  }

  /** 0 while it is not known. */
  get number(): number {
    return this.#number
  }

  /** Takes its number, finding it out, and stays open if it is wanted. */
  open(): Promise<void> {
    return this.#turns.run(() => this.#bind())
  }

  /** At once; connections go on. */
  shut(): void {
    this.#server?.close()
    this.#server = undefined
  }

  /** Resolves when its connections have ended, too. */
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
    this.#server = server.on('error', onError) // unheard it would end the process
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
