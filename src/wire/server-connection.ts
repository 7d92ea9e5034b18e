/**
 * One client at the door of a broker: reads its requests, one after the other as Kafka does, and
 * writes the answers in their order. What is no request ends the connection, as in Kafka; nothing
 * is done for it. A broker that cannot be reached looks like one that is gone.
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
  encodeResponse,
  readRequestBody,
  readRequestHeader,
  wireApi,
  type RequestHeader,
  type WireApi,
} from '../protocol/framing.js'
import {
  apiVersionsRequest,
  apiVersionsResponse,
  type ApiVersionsRequest,
  type ApiVersionsResponse,
} from '../protocol/messages/api-versions.js'
import { liftRequest, lowerResponse } from '../protocol/older-versions.js'
import { FRAME_MAX_BYTES, FrameError, framesOf } from './frames.js'
import { IdleWatch } from './idle.js'
import {
  API_VERSIONS_KEY,
  API_VERSIONS_MAX,
  apiVersions,
  isSoftwareNamed,
  NOT_NAMED,
  UNKNOWN_VERSION,
  versionsOf,
} from './versions.js'
import { answerAbroad, type EndpointOf } from './wire-answers.js'

export interface ServerConnectionOptions {
  readonly stream: Duplex
  readonly nodeId: number
  /** The way to the broker of a client that calls itself so. */
  readonly channelOf: (clientId: string) => Channel
  readonly endpointOf: EndpointOf
  /** Where the client is, for those who describe groups. */
  readonly clientHost: string
  readonly logger: Logger
  readonly clock: Clock
  /** A client that says nothing for so long, and waits for nothing, is let go. */
  readonly maxIdleMs: number
}

const API_VERSIONS: WireApi<ApiVersionsRequest, ApiVersionsResponse> = {
  key: API_VERSIONS_KEY,
  request: apiVersionsRequest,
  response: apiVersionsResponse,
  hasPlainHeader: true,
}

/** A request that cannot be answered: the connection ends. */
class Unanswerable extends Error {}

/**
 * Entries of all lists of a request together. As many partitions as a topic can have; a request of
 * empty names makes a hundred times its size of objects.
 */
const LISTED_MAX = 100_000

/** The replica id of those that are none. */
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
      ...{ clock, maxIdleMs },
      isBusy: () => this.#isAsking,
      onIdle: () => {
        logger.info(`a connection of ${clientHost} was idle for ${maxIdleMs} ms, it is closed`)
        this.close()
      },
    })
    options.stream.on('error', () => undefined) // its end is all there is to know
    options.stream.once('close', () => this.#gone.abort())
  }

  /** Resolves when the connection has ended, whoever ended it. */
  async serve(): Promise<void> {
    const { stream, logger, clientHost } = this.#options
    try {
      const onBytes = (): void => this.#idle.touch()
      const frames = framesOf(stream as AsyncIterable<Uint8Array>, FRAME_MAX_BYTES, onBytes)
      for (let next = frames.next(); ;) {
        const { value: frame, done } = await next
        if (done === true) return
        next = this.#readAhead(frames)
        await this.#answer(frame)
      }
    } catch (error) {
      if (!this.#gone.signal.aborted && isOddity(error)) {
        logger.info(`a connection of ${clientHost} was closed`, { error })
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

  /** One frame ahead of what is being answered: so a client that goes meanwhile is noticed. */
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
    if (api === undefined) throw new Unanswerable(`there is no API ${header.apiKey}`)
    const { min, max } = versionsOf(api)
    if (header.version < min || header.version > max) {
      throw new Unanswerable(`${api} v${header.version}: ${min} to ${max} are served`)
    }
    reader.limitCounts(LISTED_MAX)
    const request = readRequestBody(wireApi(api), header, reader)
    const response = await this.#ask(api, header, request as Request<typeof api>)
    if (isUnanswered(api, request)) return checkDone(response as Response<'Produce'>)
    await this.#write(encodeResponse(wireApi(api), header, response))
  }

  async #ask<A extends ApiName>(
    api: A,
    { version, clientId }: RequestHeader,
    given: Request<A>,
  ): Promise<Response<A>> {
    const { nodeId, channelOf, endpointOf, clientHost } = this.#options
    const client = clientId ?? ''
    const told = { ...given, ...caller(api, client, clientHost) }
    const request = liftRequest(wireApi(api), version, told)
    const answer = await this.#busy(async () =>
      channelOf(client).send(nodeId, api, request, this.#gone.signal),
    )
    const response = answerAbroad(api, answer, endpointOf)
    return lowerResponse(wireApi(api), version, { request, response })
  }

  /** However long a broker takes for an answer, the client is not idle. */
  async #busy<T>(ask: () => Promise<T>): Promise<T> {
    this.#isAsking = true
    try {
      return await ask()
    } finally {
      this.#isAsking = false
      this.#idle.touch()
    }
  }

  /** A version that is not known is answered in the oldest, with those of this request that are. */
  async #answerVersions(header: RequestHeader, reader: ByteReader): Promise<void> {
    const isKnown = header.version >= 0 && header.version <= API_VERSIONS_MAX
    if (!isKnown) {
      await this.#write(encodeResponse(API_VERSIONS, { ...header, version: 0 }, UNKNOWN_VERSION))
      return
    }
    const request = readRequestBody(API_VERSIONS, header, reader)
    const isNamed = header.version < 3 || isSoftwareNamed(request)
    const body = isNamed ? apiVersions() : NOT_NAMED
    await this.#write(encodeResponse(API_VERSIONS, header, body))
  }

  /** Resolves when the client can take more: one that does not read is not answered any more. */
  async #write(frame: Buffer): Promise<void> {
    const { stream } = this.#options
    if (stream.write(frame) || this.#gone.signal.aborted) return
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

/** Who wants no answer is told in this way only: it loses the connection, and looks around. */
function checkDone({ responses }: Response<'Produce'>): void {
  for (const { name, partitionResponses } of responses) {
    for (const { index, errorCode } of partitionResponses) {
      if (errorCode === 0) continue
      throw new Unanswerable(`a send to ${name}-${index} has failed: ${errorOf(errorCode)}`)
    }
  }
}

/** What a request does not say itself, because its header and connection do. */
function caller(api: ApiName, clientId: string, clientHost: string): object {
  if (api === 'Produce') return { isForeign: true }
  // Replicas are in this process: whoever claims to be one from outside reads as a consumer.
  if (api === 'Fetch') return { replicaId: CONSUMER }
  return api === 'JoinGroup' ? { clientId, clientHost } : {}
}

function isOddity(error: unknown): boolean {
  if (error instanceof FrameError || error instanceof BytesError) return true
  return error instanceof Unanswerable || !isPartlogError(error)
}
