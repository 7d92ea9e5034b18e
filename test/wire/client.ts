/** A small client that speaks in bytes, in the versions a test wants. */

import { connect as connectTo } from 'node:net'
import type { Duplex } from 'node:stream'
import { onTestFinished } from 'vitest'
import { ByteReader } from '../../src/base/bytes.js'
import type { ClusterOptions } from '../../src/cluster/cluster-options.js'
import { Cluster } from '../../src/cluster/cluster.js'
import type { ApiName, Request, Response } from '../../src/protocol/api.js'
import {
  readCorrelationId,
  readResponseBody,
  wireApi,
  type WireApi,
} from '../../src/protocol/framing.js'
import {
  apiVersionsRequest,
  apiVersionsResponse,
  type ApiVersionsRequest,
  type ApiVersionsResponse,
} from '../../src/protocol/messages/api-versions.js'
import { framesOf } from '../../src/wire/frames.js'
import { encodeRequest } from './encoded.js'

export const API_VERSIONS: WireApi<ApiVersionsRequest, ApiVersionsResponse> = {
  key: 18,
  request: apiVersionsRequest,
  response: apiVersionsResponse,
  hasPlainHeader: true,
}

/** The client's name, as clients send it from version 3 of ApiVersions on. */
export const SOFTWARE = { clientSoftwareName: 'app', clientSoftwareVersion: '1.0' }

export class WireClient {
  readonly #frames: AsyncGenerator<Buffer, undefined>
  #correlationId = 100

  constructor(readonly socket: Duplex) {
    this.#frames = framesOf(socket as AsyncIterable<Uint8Array>)
    socket.on('error', () => undefined)
  }

  async ask<A extends ApiName>(
    name: A,
    version: number,
    request: Request<A>,
  ): Promise<Response<A>> {
    return await this.askApi(wireApi(name), version, request)
  }

  async askApi<Q, S>(api: WireApi<Q, S>, version: number, request: Q, as = version): Promise<S> {
    const correlationId = this.send(api, version, request)
    const reader = new ByteReader(await this.frame())
    const answered = readCorrelationId(reader)
    if (answered !== correlationId) throw new Error(`${answered} is not ${correlationId}`)
    const body = readResponseBody(api, as, reader)
    if (reader.remaining > 0) throw new Error(`${reader.remaining} bytes left over`)
    return body
  }

  send<Q, S>(api: WireApi<Q, S>, version: number, request: Q): number {
    const correlationId = ++this.#correlationId
    this.socket.write(encodeRequest(api, { version, correlationId, clientId: 'app' }, request))
    return correlationId
  }

  /** The next answer. Throws when the connection ends first. */
  async frame(): Promise<Buffer> {
    const next = await this.#frames.next()
    if (next.done === true) throw new Error('the connection has ended')
    return next.value
  }

  /** Resolves when the broker has ended the connection, and nothing more has come. */
  async ended(): Promise<boolean> {
    return (await this.#frames.next()).done === true
  }
}

/** A client at a port. */
export function reach(address: string): WireClient {
  const [host, port] = address.split(':')
  return new WireClient(connectTo({ host: host as string, port: Number(port) }))
}

export async function wireWorld(options: ClusterOptions = {}) {
  const cluster = await Cluster.memory(options)
  onTestFinished(() => cluster.close())
  const connect = (nodeId = 1): WireClient => {
    const [host = '', port] = (cluster.bootstrap[nodeId - 1] as string).split(':')
    const onConnect = (): void => undefined
    return new WireClient(cluster.socketFactory<Duplex>({ host, port: Number(port), onConnect }))
  }
  return { cluster, connect }
}
