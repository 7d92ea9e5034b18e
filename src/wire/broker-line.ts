/* The connections of one client to one broker, opened when they are needed. */

import { backoffMs, type BackoffOptions } from '../base/backoff.js'
import { sleep, type Clock } from '../base/clock.js'
import type { Random } from '../base/random.js'
import { abortable, whenAborted } from '../base/tasks.js'
import { isPartlogError, PartlogError } from '../model/errors.js'
import type { ApiName, Request, Response } from '../protocol/api.js'
import { isUnanswered, answerTimeoutMs } from '../protocol/channel.js'
import { wireApi } from '../protocol/framing.js'
import { liftResponse, lowerRequest } from '../protocol/messages/older-versions.js'
import { addressOf, type Endpoint } from './addresses.js'
import { Agreement, newestOf } from './agreement.js'
import { ClientConnection } from './client-connection.js'
import { dial, type TlsOptions } from './dial.js'
import { Lane, laneOf, LANES, type LaneName, type Opened } from './lane.js'
import { authenticate, type SaslOptions } from './sasl.js'

export interface BrokerLineOptions {
  readonly clock: Clock
  readonly random: Random
  readonly clientId: string
  readonly tls: TlsOptions | undefined
  readonly sasl: SaslOptions | undefined
  readonly requestTimeoutMs: number
  readonly setupTimeoutMs: number
  /** The pauses before reconnecting to the broker. */
  readonly backoff: BackoffOptions
  readonly maxIdleMs: number
  /** Aborts when the client closes. */
  readonly closing: AbortSignal
}

/** Why a port may not answer in Kafka's protocol. */
const HINT = 'the broker has not answered: the port may need TLS or authentication'
/** The share of a session's lifetime that is used before the client authenticates again. */
const SESSION_SHARE = 0.85

export class BrokerLine {
  readonly #endpoint: Endpoint
  readonly #options: BrokerLineOptions
  readonly #lanes: Readonly<Record<LaneName, Lane>>
  #failures = 0
  #notBeforeMs = -Infinity

  constructor(endpoint: Endpoint, options: BrokerLineOptions) {
    this.#endpoint = endpoint
    this.#options = options
    const open = (): Promise<Opened> => this.#open()
    const isUsable = (opened: Opened): boolean => this.#isUsable(opened)
    const lane = (name: LaneName): Lane => new Lane({ limit: LANES[name], open, isUsable })
    this.#lanes = { plain: lane('plain'), fetch: lane('fetch'), join: lane('join') }
  }

  /** True if a connection is open, or if one may be opened without a pause. */
  get isPromising(): boolean {
    return this.#lanes.plain.isOpen || this.#notBeforeMs <= this.#options.clock.monotonicMs()
  }

  get waitingCount(): number {
    return Object.values(this.#lanes).reduce((sum, lane) => sum + lane.waitingCount, 0)
  }

  /**
   * Sends a request. Rejects with NETWORK_EXCEPTION if the broker cannot be reached or does not
   * answer, UNSUPPORTED_VERSION if it does not serve the API; outcome unknown if it was sent.
   */
  async ask<A extends ApiName>(
    api: A,
    request: Request<A>,
    signal?: AbortSignal,
  ): Promise<Response<A>> {
    const lane = this.#lanes[laneOf(api)]
    if (isUnanswered(api, request) && lane.takeLostUnanswered()) throw this.#lostUnanswered()
    const { agreement } = await abortable(lane.pick(), signal)
    const { connection } = agreement
    const version = agreement.versionOf(wireApi(api), newestOf(api, request))
    const asked = lowerRequest(wireApi(api), version, request)
    if (isUnanswered(api, request)) {
      await connection.sendUnanswered(wireApi(api), version, asked, this.#options.requestTimeoutMs)
      return { responses: [] } as unknown as Response<A>
    }
    const timeoutMs = answerTimeoutMs(api, request, this.#options.requestTimeoutMs)
    const answer = connection.ask(wireApi(api), version, asked, timeoutMs)
    const response = await abortable(answer, signal)
    return liftResponse(wireApi(api), version, { request, response })
  }

  /** The level of a feature that the broker tells. Rejects as `ask` does. */
  async featureLevel(feature: string): Promise<number> {
    const { agreement } = await this.#lanes.plain.pick()
    return agreement.featureLevel(feature)
  }

  close(why = 'the client was closed'): void {
    for (const lane of Object.values(this.#lanes)) lane.close(why)
  }

  /** The error for an earlier request; the current one was not sent. */
  #lostUnanswered(): PartlogError {
    const address = addressOf(this.#endpoint)
    const sentence = `${address} closed the connection after an earlier send with acks 0`
    return new PartlogError('NETWORK_EXCEPTION', sentence)
  }

  // ── connections ────────────────────────────────────────────────────────────────────────

  #isUsable({ agreement: { connection }, expiresAtMs }: Opened): boolean {
    const { clock, maxIdleMs } = this.#options
    const now = clock.monotonicMs()
    const isIdle = connection.waitingCount === 0 && now - connection.usedAtMs >= maxIdleMs
    return connection.isOpen && !isIdle && now < expiresAtMs
  }

  async #open(): Promise<Opened> {
    const { clock, closing, random, backoff } = this.#options
    try {
      const waitMs = this.#notBeforeMs - clock.monotonicMs()
      if (waitMs > 0) await sleep(clock, waitMs, closing)
      closing.throwIfAborted()
      const opened = await this.#handshake()
      this.#failures = 0
      return opened
    } catch (error) {
      if (closing.aborted) throw new PartlogError('CLOSED', 'the client is closed')
      this.#failures++
      this.#notBeforeMs = clock.monotonicMs() + backoffMs(backoff, this.#failures, random)
      throw error
    }
  }

  /** Connects, agrees on versions, authenticates. If it fails, no request was sent. */
  async #handshake(): Promise<Opened> {
    const { clock, tls, setupTimeoutMs, clientId, sasl, random, closing } = this.#options
    const stream = await dial(this.#endpoint, { clock, tls, timeoutMs: setupTimeoutMs, closing })
    const address = addressOf(this.#endpoint)
    const connection = new ClientConnection({ stream, address, clientId, clock })
    const forget = whenAborted(closing, () => connection.close('the client was closed'))
    try {
      closing.throwIfAborted()
      const agreement = await Agreement.on(connection, this.#options.requestTimeoutMs)
      const lifetimeMs = sasl === undefined ? 0 : await authenticate(agreement, sasl, random)
      closing.throwIfAborted()
      const share = lifetimeMs === 0 ? Infinity : lifetimeMs * SESSION_SHARE
      return { agreement, expiresAtMs: clock.monotonicMs() + share }
    } catch (error) {
      connection.close()
      throw handshakeError(error)
    } finally {
      forget()
    }
  }
}

/** No request was sent yet, so the outcome is known. */
function handshakeError(error: unknown): unknown {
  if (!isPartlogError(error, 'NETWORK_EXCEPTION') || !error.outcomeUnknown) return error
  return new PartlogError(error.code, `${error.sentence} (${HINT})`, { cause: error })
}
