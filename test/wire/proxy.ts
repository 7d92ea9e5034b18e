/**
 * A port before each broker of a cluster in memory, where a test can look at what passes, hold it
 * up, and let the broker seem older than it is.
 */

import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { createServer as createTlsServer } from 'node:tls'
import { onTestFinished } from 'vitest'
import { ByteReader } from '../../src/base/bytes.js'
import type { Cluster } from '../../src/cluster/cluster.js'
import { errorId } from '../../src/model/errors.js'
import type { ApiName, Response } from '../../src/protocol/api.js'
import { APIS } from '../../src/protocol/api.js'
import {
  apiOfKey,
  readRequestBody,
  readRequestHeader,
  readCorrelationId,
  readResponseBody,
  SIZE_BYTES,
  wireApi,
  type RequestHeader,
} from '../../src/protocol/framing.js'
import { framesOf } from '../../src/wire/frames.js'
import { versionsOf, type VersionRange } from '../../src/wire/versions.js'
import { API_VERSIONS } from './client.js'
import { encodeResponse } from './encoded.js'

export interface ProxyOptions {
  /** What the brokers say they serve; undefined: not at all. */
  readonly serves?: (api: ApiName, range: VersionRange) => VersionRange | undefined
  /** The newest ApiVersions they know. */
  readonly apiVersionsMax?: number
  /** The levels of the features that they tell (default: none, as before Kafka 2.7). */
  readonly features?: Readonly<Record<string, number>>
  /** Sees each request before it goes on; a promise holds up what comes after it. */
  readonly onRequest?: (
    header: RequestHeader & { readonly api: ApiName },
    nodeId: number,
  ) => Promise<void> | void
  /** Answers requests in the broker's place: with bytes, or not (undefined: it is passed on). */
  readonly answer?: (header: RequestHeader, reader: ByteReader) => Buffer | undefined
  /** The key and the certificate of the ports. */
  readonly tls?: { readonly key: string; readonly cert: string }
}

export interface Proxy {
  readonly bootstrap: readonly string[]
  /** Connections that are open now, and those that ever were. */
  readonly connections: { open: number; ever: number }
  /** Every request that has passed: its API and version. */
  readonly passed: { readonly api: ApiName; readonly version: number; readonly nodeId: number }[]
  /** Ends all connections, as a broker does that starts again. */
  cut(): void
}

export async function proxied(cluster: Cluster, options: ProxyOptions = {}): Promise<Proxy> {
  const ports = new Map<number, number>()
  const sockets = new Set<Socket>()
  const proxy = {
    bootstrap: [] as string[],
    connections: { open: 0, ever: 0 },
    passed: [] as { api: ApiName; version: number; nodeId: number }[],
    cut: () => sockets.forEach(socket => socket.destroy()),
  }
  const host = options.tls === undefined ? '127.0.0.1' : 'localhost'
  for (const { id } of cluster.brokers) {
    const onSocket = (socket: Socket): void => {
      sockets.add(socket)
      proxy.connections.open++
      proxy.connections.ever++
      socket.on('error', () => undefined)
      socket.once('close', () => {
        proxy.connections.open--
        sockets.delete(socket)
      })
      void pass({ cluster, options, ports, proxy, socket, nodeId: id })
    }
    const { tls } = options
    const server = tls ? createTlsServer(tls, onSocket) : createServer(onSocket)
    const port = await bound(server)
    ports.set(id, port)
    proxy.bootstrap.push(`${host}:${port}`)
    onTestFinished(() => {
      proxy.cut()
      return new Promise<void>(resolve => server.close(() => resolve()))
    })
  }
  return proxy
}

interface Passage {
  readonly cluster: Cluster
  readonly options: ProxyOptions
  readonly ports: ReadonlyMap<number, number>
  readonly proxy: Proxy
  readonly socket: Socket
  readonly nodeId: number
}

type Asked = RequestHeader & { readonly api: ApiName }

async function pass(passage: Passage): Promise<void> {
  const { cluster, socket, nodeId, proxy, options } = passage
  const host = `broker-${nodeId}`
  const broker = cluster.socketFactory<Duplex>({ host, port: 9092, onConnect: () => undefined })
  broker.on('error', () => socket.destroy())
  socket.once('close', () => broker.destroy())
  const asked: Asked[] = []
  void passAnswers(passage, broker, asked).catch(() => socket.destroy())
  try {
    for await (const frame of framesOf(socket as AsyncIterable<Uint8Array>)) {
      const reader = new ByteReader(frame)
      const header = readRequestHeader(reader)
      if (header.apiKey === API_VERSIONS.key) {
        socket.write(answerVersions(header, options))
        continue
      }
      const answer = options.answer?.(header, new ByteReader(frame, reader.position))
      if (answer !== undefined) {
        socket.write(answer)
        continue
      }
      const api = apiOfKey(header.apiKey) as ApiName
      const each = { ...header, api }
      proxy.passed.push({ api, version: header.version, nodeId })
      await options.onRequest?.(each, nodeId)
      if (!isUnanswered(each, reader)) asked.push(each)
      broker.write(withSize(frame))
    }
  } catch {
    // the client has gone
  }
  broker.destroy()
}

function isUnanswered({ api, ...header }: Asked, reader: ByteReader): boolean {
  if (api !== 'Produce') return false
  return readRequestBody(wireApi(api), header, reader).acks === 0
}

async function passAnswers(
  { socket, ports }: Passage,
  broker: Duplex,
  asked: Asked[],
): Promise<void> {
  for await (const frame of framesOf(broker as AsyncIterable<Uint8Array>)) {
    const { api, version } = asked.shift() as Asked
    const reader = new ByteReader(frame)
    const correlationId = readCorrelationId(reader)
    const isPlaced = api === 'Metadata' || api === 'FindCoordinator'
    if (!isPlaced) {
      socket.write(withSize(frame))
      continue
    }
    const host = 'encrypted' in socket ? 'localhost' : '127.0.0.1'
    const body = placed(api, readResponseBody(wireApi(api), version, reader), { host, ports })
    socket.write(encodeResponse(wireApi(api), { version, correlationId }, body as never))
  }
  socket.end()
}

/** Brokers are where the proxy is. */
function placed(
  api: 'Metadata' | 'FindCoordinator',
  body: Response<'Metadata'> | Response<'FindCoordinator'>,
  { host, ports }: { readonly host: string; readonly ports: ReadonlyMap<number, number> },
): unknown {
  const at = <T extends { readonly nodeId?: number }>(node: T): T =>
    ports.has(node.nodeId ?? -1) ? { ...node, host, port: ports.get(node.nodeId ?? -1) } : node
  if (api === 'Metadata') {
    const metadata = body as Response<'Metadata'>
    return { ...metadata, brokers: metadata.brokers.map(at) }
  }
  const found = body as Response<'FindCoordinator'>
  return { ...at(found), coordinators: found.coordinators.map(at) }
}

function answerVersions(header: RequestHeader, options: ProxyOptions): Buffer {
  const { serves = (_api, range) => range, apiVersionsMax = 4, features = {} } = options
  const own = { apiKey: API_VERSIONS.key, minVersion: 0, maxVersion: apiVersionsMax }
  if (header.version > apiVersionsMax) {
    const body = { errorCode: errorId('UNSUPPORTED_VERSION'), apiKeys: [own] }
    return encodeResponse(API_VERSIONS, { ...header, version: 0 }, body)
  }
  const login = [17, 36].map(apiKey => ({ apiKey, minVersion: 0, maxVersion: 1 }))
  const apiKeys = (Object.keys(APIS) as ApiName[]).flatMap(api => {
    const range = serves(api, versionsOf(api))
    if (range === undefined) return []
    return [{ apiKey: APIS[api].key, minVersion: range.min, maxVersion: range.max }]
  })
  return encodeResponse(API_VERSIONS, header, {
    errorCode: 0,
    apiKeys: [...apiKeys, ...login, own],
    finalizedFeatures: Object.entries(features).map(([name, level]) => ({
      name,
      minVersionLevel: level,
      maxVersionLevel: level,
    })),
  })
}

function withSize(frame: Buffer): Buffer {
  const size = Buffer.alloc(SIZE_BYTES)
  size.writeInt32BE(frame.length)
  return Buffer.concat([size, frame])
}

function bound(server: Server): Promise<number> {
  return new Promise(resolve => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port))
  })
}
