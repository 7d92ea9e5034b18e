/*
 * A connection of one client to one broker: reads its requests and answers them in order, as Kafka
 * does. An invalid request ends the connection, as in Kafka, and has no effect. If the simulated
 * network separates client and broker, the connection ends, too.
 */

import type { Duplex } from 'node:stream'
import { ByteReader, BytesError } from '../base/bytes.js'
import type { Clock } from '../base/clock.js'
import type { Logger } from '../base/logger.js'
import { errorOf, isPartlogError } from '../model/errors.js'
import type { ApiName, Request, Response } from '../protocol/api.js'
import { isUnanswered, type Channel } from '../protocol/channel.js'
import {
  apiOfKey,
  responseFrame,
  readRequestBody,
  readRequestHeader,
  wireApi,
  type Frame,
  type RequestHeader,
  type WireApi,
} from '../protocol/framing.js'
import {
  apiVersionsRequest,
  apiVersionsResponse,
  type ApiVersionsRequest,
  type ApiVersionsResponse,
} from '../protocol/messages/api-versions.js'
import { liftRequest, lowerResponse } from '../protocol/messages/older-versions.js'
import { FrameBuffers, FrameError, framesOf, writeFrame } from './frames.js'
import { IdleWatch } from './idle.js'
import {
  API_VERSIONS_KEY,
  ANOTHER_BROKER,
  API_VERSIONS_MAX,
  apiVersions,
  HALF_NAMED,
  isSoftwareNamed,
  NOT_NAMED,
  UNKNOWN_VERSION,
  versionsOf,
} from './versions.js'
import { answerAbroad, type EndpointOf } from './wire-answers.js'

export interface ServerConnectionOptions {
  readonly stream: Duplex
  readonly clusterId: string
  readonly nodeId: number
  /** The channel to the brokers for a client with this client id. */
  readonly channelOf: (clientId: string) => Channel
  readonly endpointOf: EndpointOf
  /** The client's host, for descriptions of groups. */
  readonly clientHost: string
  readonly logger: Logger
  readonly clock: Clock
  /** A connection without requests for longer is closed, unless the client waits for an answer. */
  readonly maxIdleMs: number
}

const API_VERSIONS: WireApi<ApiVersionsRequest, ApiVersionsResponse> = {
  key: API_VERSIONS_KEY,
  request: apiVersionsRequest,
  response: apiVersionsResponse,
  hasPlainHeader: true,
}

/** The request cannot be answered, so the connection ends. */
class Unanswerable extends Error {}

/**
 * How many entries all lists of a request may have together: as many as a topic has partitions.
 * Without a limit, a request of empty names would create objects of a hundred times its size.
 */
const LISTED_MAX = 100_000

/** Shared by all connections. */
const BUFFERS = new FrameBuffers()

/** The replica id of a consumer. */
const CONSUMER = -1

export class ServerConnection {
  readonly #options: ServerConnectionOptions
  readonly #gone = new AbortController()
  readonly #idle: IdleWatch
  #isAsking = false

  constructor(options: ServerConnectionOptions) {
    this.#options = options
    const { clock, maxIdleMs, clientHost, logger } = options
    this.#idle = new IdleWatch({
      clock,
      maxIdleMs,
      isBusy: () => this.#isAsking,
      onIdle: () => {
        logger.info(`a connection from ${clientHost} is closed: idle for ${maxIdleMs} ms`)
        this.close()
      },
    })
    options.stream.on('error', () => undefined) // 'close' follows
    options.stream.once('close', () => this.#gone.abort())
  }

  /** Resolves when the connection has ended. */
  async serve(): Promise<void> {
    const { stream, logger, clientHost } = this.#options
    try {
      const onBytes = (): void => this.#idle.touch()
      const frames = framesOf(stream as AsyncIterable<Uint8Array>, { onBytes, buffers: BUFFERS })
      for (let next = frames.next(); ;) {
        const { value: frame, done } = await next
        if (done === true) return
        next = this.#readAhead(frames)
        await this.#answer(frame)
      }
    } catch (error) {
      if (!this.#gone.signal.aborted && isClientFault(error)) {
        logger.info(`a connection from ${clientHost} was closed`, { error })
      }
    } finally {
      this.#idle.end()
      stream.destroy()
    }
  }

  get nodeId(): number {
    return this.#options.nodeId
  }

  close(): void {
    this.#options.stream.destroy()
  }

  /** Reads one frame ahead while a request is answered, to notice a client that disconnects. */
  #readAhead(
    frames: AsyncGenerator<Buffer, undefined>,
  ): Promise<IteratorResult<Buffer, undefined>> {
    const next = frames.next()
    const leave = (): void => this.#gone.abort()
    next.then(({ done }) => (done === true ? leave() : undefined), leave)
    return next
  }

  async #answer(frame: Buffer): Promise<void> {
    const reader = new ByteReader(frame)
    const header = readRequestHeader(reader)
    if (header.apiKey === API_VERSIONS_KEY) return this.#answerVersions(header, reader)
    const api = apiOfKey(header.apiKey)
    if (api === undefined) throw new Unanswerable(`API key ${header.apiKey} is not served`)
    const { min, max } = versionsOf(api)
    if (header.version < min || header.version > max) {
      throw new Unanswerable(`${api} v${header.version} is not served: only ${min} to ${max}`)
    }
    reader.limitCounts(LISTED_MAX)
    const request = readRequestBody(wireApi(api), header, reader)
    const response = await this.#ask(api, header, request as Request<typeof api>)
    // The log has the records by now; of other requests, coordinators may keep bytes.
    if (api === 'Produce') BUFFERS.release(frame)
    if (isUnanswered(api, request)) return checkDone(response as Response<'Produce'>)
    await this.#write(responseFrame(wireApi(api), header, response))
  }

  async #ask<A extends ApiName>(
    api: A,
    { version, clientId }: RequestHeader,
    given: Request<A>,
  ): Promise<Response<A>> {
    const { nodeId, channelOf, endpointOf, clientHost } = this.#options
    const client = clientId ?? ''
    const whole = { ...given, ...callerFields(api, client, clientHost) }
    const request = liftRequest(wireApi(api), version, whole)
    const answer = await this.#busy(async () =>
      channelOf(client).send(nodeId, api, request, this.#gone.signal),
    )
    const response = answerAbroad(api, answer, endpointOf)
    return lowerResponse(wireApi(api), version, { request, response })
  }

  /** While the broker works on an answer, the client is not idle. */
  async #busy<T>(ask: () => Promise<T>): Promise<T> {
    this.#isAsking = true
    try {
      return await ask()
    } finally {
      this.#isAsking = false
      this.#idle.touch()
    }
  }

  /** An unknown version gets the error in version 0, with the versions of ApiVersions. */
  async #answerVersions(header: RequestHeader, reader: ByteReader): Promise<void> {
    const isKnown = header.version >= 0 && header.version <= API_VERSIONS_MAX
    if (!isKnown) {
      await this.#write(responseFrame(API_VERSIONS, { ...header, version: 0 }, UNKNOWN_VERSION))
      return
    }
    const request = readRequestBody(API_VERSIONS, header, reader)
    await this.#write(responseFrame(API_VERSIONS, header, this.#versionsFor(header, request)))
  }

  #versionsFor({ version }: RequestHeader, request: ApiVersionsRequest): ApiVersionsResponse {
    if (version >= 3 && !isSoftwareNamed(request)) return NOT_NAMED
    const { clusterId = null, nodeId = -1 } = request
    if (clusterId === null && nodeId < 0) return apiVersions(version)
    if (clusterId === null || nodeId < 0) return HALF_NAMED
    const isMeant = clusterId === this.#options.clusterId && nodeId === this.#options.nodeId
    return isMeant ? apiVersions(version) : ANOTHER_BROKER
  }

  /**
   * Resolves when the client can receive more; a client that does not read gets no more answers.
   */
  async #write(frame: Frame): Promise<void> {
    const { stream } = this.#options
    if (writeFrame(stream, frame) || this.#gone.signal.aborted) return
    await new Promise<void>(resolve => {
      const onReady = (): void => {
        stream.off('drain', onReady)
        stream.off('close', onReady)
        resolve()
      }
      stream.on('drain', onReady)
      stream.on('close', onReady)
    })
  }
}

/** Throws if a send with acks 0 failed: closing the connection makes the client ask metadata. */
function checkDone({ responses }: Response<'Produce'>): void {
  for (const { name, partitionResponses } of responses) {
    for (const { index, errorCode } of partitionResponses) {
      if (errorCode === 0) continue
      throw new Unanswerable(`a send to ${name}-${index} failed: ${errorOf(errorCode)}`)
    }
  }
}

/** The requests that tell a coordinator who the client is. */
const NAMED: ReadonlySet<ApiName> = new Set<ApiName>(['JoinGroup', 'ConsumerGroupHeartbeat'])

/** Fields of a request that come from its header and its connection. */
function callerFields(api: ApiName, clientId: string, clientHost: string): object {
  if (api === 'Produce') return { isForeign: true }
  // Replicas are in this process: a client that claims to be one reads as a consumer.
  if (api === 'Fetch') return { replicaId: CONSUMER }
  return NAMED.has(api) ? { clientId, clientHost } : {}
}

function isClientFault(error: unknown): boolean {
  if (error instanceof FrameError || error instanceof BytesError) return true
  return error instanceof Unanswerable || !isPartlogError(error)
}
