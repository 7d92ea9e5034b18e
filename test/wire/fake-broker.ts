/** A port behind which a test decides what is answered. */

import { createServer, type AddressInfo, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'
import { ByteReader } from '../../src/base/bytes.js'
import type { VirtualClock } from '../../src/base/virtual-clock.js'
import { APIS, type ApiName, type Request, type Response } from '../../src/protocol/api.js'
import {
  apiOfKey,
  readRequestBody,
  readRequestHeader,
  wireApi,
} from '../../src/protocol/framing.js'
import {
  saslAuthenticateResponse,
  saslHandshakeResponse,
} from '../../src/protocol/messages/sasl.js'
import { framesOf } from '../../src/wire/frames.js'
import { versionsOf } from '../../src/wire/versions.js'
import { API_VERSIONS } from './client.js'
import { encodeResponse } from './encoded.js'

/** What each request is answered with; undefined: nothing, ever. */
export type Answers = { [A in ApiName]?: (request: Request<A>) => Response<A> | undefined }

export interface FakeBroker {
  readonly port: number
  readonly address: string
  /** Those that are open now. */
  readonly sockets: Set<Socket>
  /** The APIs that were asked, in order; each connection's ApiVersions is not among them. */
  readonly asked: ApiName[]
  /** How many connections there ever were. */
  connections: number
  /** What ApiVersions is answered with; undefined: nothing. */
  versionsError: number | undefined
  /** How long it believes a password, in milliseconds. */
  lifetimeMs: number
  close(): Promise<void>
}

export async function fakeBroker(answers: Answers, port = 0): Promise<FakeBroker> {
  const server = createServer(socket => {
    broker.connections++
    broker.sockets.add(socket)
    socket.on('error', () => undefined)
    socket.once('close', () => broker.sockets.delete(socket))
    void serve(socket, answers, broker).catch(() => socket.destroy())
  })
  await new Promise<void>(resolve => server.listen(port, '127.0.0.1', resolve))
  const { port: own } = server.address() as AddressInfo
  const broker: FakeBroker = {
    port: own,
    address: `127.0.0.1:${own}`,
    sockets: new Set(),
    asked: [],
    connections: 0,
    versionsError: 0,
    lifetimeMs: 0,
    close: () => {
      broker.sockets.forEach(socket => socket.destroy())
      return new Promise(resolve => server.close(() => resolve()))
    },
  }
  onTestFinished(() => broker.close())
  return broker
}

async function serve(socket: Socket, answers: Answers, broker: FakeBroker): Promise<void> {
  for await (const frame of framesOf(socket as AsyncIterable<Uint8Array>)) {
    const reader = new ByteReader(frame)
    const header = readRequestHeader(reader)
    if (header.apiKey === API_VERSIONS.key) {
      if (broker.versionsError === undefined) continue
      const body = { errorCode: broker.versionsError, apiKeys: EVERYTHING }
      socket.write(encodeResponse(API_VERSIONS, header, body))
    } else if (header.apiKey === 17) {
      const api = { key: 17, request: saslHandshakeResponse, response: saslHandshakeResponse }
      socket.write(encodeResponse(api, header, { errorCode: 0, mechanisms: [] }))
    } else if (header.apiKey === 36) {
      const api = { key: 36, request: saslAuthenticateResponse, response: saslAuthenticateResponse }
      const { lifetimeMs: sessionLifetimeMs } = broker
      const body = { errorCode: 0, errorMessage: null, authBytes: Buffer.alloc(0) }
      socket.write(encodeResponse(api, header, { ...body, sessionLifetimeMs }))
    } else {
      const api = apiOfKey(header.apiKey) as ApiName
      broker.asked.push(api)
      const request = readRequestBody(wireApi(api), header, reader)
      const answer = (answers[api] as ((given: unknown) => unknown) | undefined)?.(request)
      if (answer !== undefined) {
        socket.write(encodeResponse(wireApi(api), header, answer as never))
      }
    }
  }
}

const EVERYTHING = [
  ...(Object.keys(APIS) as ApiName[]).map(api => {
    const { min: minVersion, max: maxVersion } = versionsOf(api)
    return { apiKey: APIS[api].key, minVersion, maxVersion }
  }),
  { apiKey: 17, minVersion: 0, maxVersion: 1 },
  { apiKey: 36, minVersion: 0, maxVersion: 1 },
]

/** Waits for what other parts of the program and the network bring about. */
export async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise(resolve => setImmediate(resolve))
}

/** Is it still pending when the time has come? Sockets get their chance. */
export async function isPendingAfter(
  promise: Promise<unknown>,
  clock: VirtualClock,
  ms: number,
): Promise<boolean> {
  let isSettled = false
  const note = (): void => void (isSettled = true)
  promise.then(note, note)
  await clock.advance(ms)
  for (let turn = 0; turn < 20; turn++) await clock.turn()
  return !isSettled
}
