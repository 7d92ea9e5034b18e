/*
 * A channel to a remote Kafka cluster: it learns the brokers from answers, and has connections of
 * its own to each one. One channel serves one client, because a request of one client that waits at
 * a broker must not delay another client.
 */

import { PartlogError, toPartlogError } from '../model/errors.js'
import type { ApiName, Request, Response } from '../protocol/api.js'
import { ANY_NODE, type Channel } from '../protocol/channel.js'
import { addressOf, type Endpoint } from './addresses.js'
import { BrokerLine, type BrokerLineOptions } from './broker-line.js'

export interface TcpChannelOptions extends Omit<BrokerLineOptions, 'closing'> {
  /** The first brokers to ask. */
  readonly bootstrap: readonly Endpoint[]
}

/** Before KRaft, only the controller accepts these. */
const FOR_CONTROLLER: ReadonlySet<ApiName> = new Set<ApiName>([
  'CreateTopics',
  'DeleteTopics',
  'CreatePartitions',
  'ElectLeaders',
])

export class TcpChannel implements Channel {
  readonly #options: TcpChannelOptions
  readonly #closing = new AbortController()
  /** By address. */
  readonly #lines = new Map<string, BrokerLine>()
  #nodes = new Map<number, Endpoint>()
  /** Random start, so that clients start with different brokers. */
  #turn: number

  constructor(options: TcpChannelOptions) {
    this.#options = options
    this.#turn = options.random.int(Math.max(options.bootstrap.length, 1))
  }

  async send<A extends ApiName>(
    nodeId: number,
    api: A,
    request: Request<A>,
    signal?: AbortSignal,
  ): Promise<Response<A>> {
    this.#checkOpen()
    const response =
      nodeId === ANY_NODE
        ? await this.#askAnyBroker(api, request, signal)
        : await this.#lineToNode(nodeId).ask(api, request, signal)
    if (api === 'Metadata') this.#onMetadata(response as Response<'Metadata'>)
    if (api === 'FindCoordinator') this.#onCoordinators(response as Response<'FindCoordinator'>)
    return response
  }

  async featureLevel(feature: string): Promise<number> {
    this.#checkOpen()
    return await this.#withAnyBroker(line => line.featureLevel(feature))
  }

  /** Requests in flight fail with NETWORK_EXCEPTION, later ones with CLOSED. */
  close(): void {
    this.#closing.abort()
    for (const line of this.#lines.values()) line.close()
  }

  #checkOpen(): void {
    if (this.#closing.signal.aborted) throw new PartlogError('CLOSED', 'the client is closed')
  }

  // ── choosing a broker───────────────────────────────────────────────────────────────────

  async #askAnyBroker<A extends ApiName>(
    api: A,
    request: Request<A>,
    signal: AbortSignal | undefined,
  ): Promise<Response<A>> {
    if (FOR_CONTROLLER.has(api)) {
      const { controllerId = -1 } = await this.send(ANY_NODE, 'Metadata', { topics: [] }, signal)
      if (controllerId >= 0) return await this.#lineToNode(controllerId).ask(api, request, signal)
    }
    return await this.#withAnyBroker(line => line.ask(api, request, signal), signal)
  }

  async #withAnyBroker<T>(
    work: (line: BrokerLine) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    let failure: PartlogError | undefined
    for (const line of this.#candidates()) {
      try {
        return await work(line)
      } catch (error) {
        signal?.throwIfAborted()
        failure = toPartlogError(error)
        if (failure.code !== 'NETWORK_EXCEPTION') throw failure
        this.#turn++ // the next request starts with another broker
        // A request that was sent may have been handled: it is not sent again.
        if (failure.outcomeUnknown) throw failure
      }
    }
    throw failure ?? new PartlogError('NETWORK_EXCEPTION', 'no broker is known')
  }

  /** Known brokers, then the bootstrap ones; those that could not be reached come last. */
  #candidates(): BrokerLine[] {
    const known = rotated([...this.#nodes.values()], this.#turn)
    const first = rotated(this.#options.bootstrap, this.#turn)
    const lines = [...new Set([...known, ...first].map(endpoint => this.#lineTo(endpoint)))]
    const [promising, others] = [
      lines.filter(line => line.isPromising),
      lines.filter(line => !line.isPromising),
    ]
    return [...promising, ...others]
  }

  #lineToNode(nodeId: number): BrokerLine {
    const endpoint = this.#nodes.get(nodeId)
    if (endpoint !== undefined) return this.#lineTo(endpoint)
    throw new PartlogError(
      'NETWORK_EXCEPTION',
      `broker ${nodeId} is not among the known brokers`,
    )
  }

  #lineTo(endpoint: Endpoint): BrokerLine {
    const address = addressOf(endpoint)
    let line = this.#lines.get(address)
    if (line === undefined) {
      line = new BrokerLine(endpoint, { ...this.#options, closing: this.#closing.signal })
      this.#lines.set(address, line)
    }
    return line
  }

  // ── known brokers ──────────────────────────────────────────────────────────────────────

  #onMetadata({ brokers }: Response<'Metadata'>): void {
    if (brokers.length === 0) return // a starting broker knows none yet
    this.#nodes = new Map(brokers.map(({ nodeId, host, port }) => [nodeId, { host, port }]))
    const known = new Set([...this.#nodes.values(), ...this.#options.bootstrap].map(addressOf))
    for (const [address, line] of this.#lines) {
      if (known.has(address) || line.waitingCount > 0) continue
      line.close('the broker has left the cluster')
      this.#lines.delete(address)
    }
  }

  #onCoordinators({ coordinators }: Response<'FindCoordinator'>): void {
    for (const { nodeId, host, port, errorCode } of coordinators) {
      if (errorCode === 0 && nodeId >= 0) this.#nodes.set(nodeId, { host, port })
    }
  }
}

function rotated<T>(list: readonly T[], by: number): T[] {
  const at = list.length === 0 ? 0 : by % list.length
  return [...list.slice(at), ...list.slice(0, at)]
}
