/* All access for Kafka clients to a cluster: the socket factory, and the ports. */

import { readOptions } from '../base/options.js'
import { checkedConfig, PartlogError } from '../model/errors.js'
import { addressOf } from './addresses.js'
import { Door, type DoorOptions } from './door.js'
import { endpointInProcess, socketFactory, type SocketFactory } from './socket-factory.js'
import { LISTEN_OPTIONS, TcpServer, type Listening, type ListenOptions } from './tcp-server.js'

export interface DoorsOptions extends DoorOptions {
  readonly brokerIds: readonly number[]
  readonly isRunning: (nodeId: number) => boolean
}

export class Doors {
  readonly #options: DoorsOptions
  readonly #servers = new Set<TcpServer>()
  #portless: { readonly door: Door; readonly socketFactory: SocketFactory } | undefined

  constructor(options: DoorsOptions) {
    this.#options = options
  }

  get bootstrap(): string[] {
    return this.#options.brokerIds.map(id => addressOf(endpointInProcess(id)))
  }

  get socketFactory(): SocketFactory {
    return (this.#portless ??= this.#withoutPort()).socketFactory
  }

  async listen(options: ListenOptions): Promise<Listening> {
    const settings = checkedConfig(() => readOptions(LISTEN_OPTIONS, options, 'listen option'))
    const { host, port: wanted, advertisedHost = host } = settings
    const { brokerIds, isRunning, logger } = this.#options
    if (wanted.length > 1 && wanted.length !== brokerIds.length) {
      const sentence = `port: expected 1 or ${brokerIds.length} ports, got ${wanted.length}`
      throw new PartlogError('INVALID_CONFIG', sentence)
    }
    const { maxConnections, connectionsMaxIdleMs: maxIdleMs } = settings
    const server: TcpServer = new TcpServer({
      host,
      ports: wanted,
      advertisedHost,
      brokerIds,
      isRunning,
      logger,
      door: new Door(this.#options, { maxConnections, maxIdleMs }),
      onClosed: () => this.#servers.delete(server),
    })
    // Before it listens: meanwhile brokers may start or end, and the cluster may be closed.
    this.#servers.add(server)
    await server.open()
    return server
  }

  /** A broker has started; resolves when it accepts clients. */
  async started(nodeId: number): Promise<void> {
    await Promise.all([...this.#servers].map(server => server.started(nodeId)))
  }

  /** A broker has ended: closes its connections at once, as when a process ends. */
  gone(nodeId: number): void {
    this.#portless?.door.disconnect(nodeId)
    for (const server of this.#servers) server.gone(nodeId)
  }

  async close(): Promise<void> {
    const open = [...this.#servers, ...(this.#portless === undefined ? [] : [this.#portless.door])]
    await Promise.all(open.map(each => each.close()))
  }

  #withoutPort() {
    const { brokerIds, isRunning } = this.#options
    const door = new Door(this.#options)
    return { door, socketFactory: socketFactory(door, brokerIds, isRunning) }
  }
}
