/*
 * One connection to a broker. Requests are sent at once; a broker answers them in order, so the
 * next answer belongs to the request that has waited longest.
 *
 * After any failure the connection is unusable: all waiting requests fail with NETWORK_EXCEPTION,
 * outcome unknown.
 */

import type { Duplex } from 'node:stream'
import { ByteReader } from '../base/bytes.js'
import type { Clock, Timer } from '../base/clock.js'
import { Deferred } from '../base/tasks.js'
import { PartlogError } from '../model/errors.js'
import {
  readCorrelationId,
  readResponseBody,
  requestFrame,
  type WireApi,
} from '../protocol/framing.js'
import { framesOf, writeFrame } from './frames.js'

export interface ClientConnectionOptions {
  readonly stream: Duplex
  /** For error messages. */
  readonly address: string
  readonly clientId: string
  readonly clock: Clock
}

/** A request whose answer has not come yet. */
interface Waiting {
  readonly correlationId: number
  readonly name: string
  readonly read: (reader: ByteReader) => void
  readonly fail: (error: PartlogError) => void
  readonly timer: Timer
}

/** Correlation ids count up and wrap around within int32. */
const CORRELATION_IDS = 2 ** 31

export class ClientConnection {
  readonly #options: ClientConnectionOptions
  readonly #waiting: Waiting[] = []
  #correlationId = 0
  #failure: PartlogError | undefined
  /** A request without an answer was sent, and no later request was answered yet. */
  #hasUnconfirmed = false
  #usedAtMs: number

  constructor(options: ClientConnectionOptions) {
    this.#options = options
    this.#usedAtMs = options.clock.monotonicMs()
    options.stream.on('error', error => this.#fail(error.message))
    void this.#readAll()
  }

  get isOpen(): boolean {
    return this.#failure === undefined
  }

  /** Requests that wait for their answers. */
  get waitingCount(): number {
    return this.#waiting.length
  }

  /** The connection has ended after a request without an answer, perhaps because of it. */
  get hasLostUnanswered(): boolean {
    return this.#failure !== undefined && this.#hasUnconfirmed
  }

  /** When a request was sent last. */
  get usedAtMs(): number {
    return this.#usedAtMs
  }

  /** Sends a request. Rejects with NETWORK_EXCEPTION if no answer comes within `timeoutMs`. */
  ask<Q, S>(api: WireApi<Q, S>, version: number, request: Q, timeoutMs: number): Promise<S> {
    const answer = new Deferred<S>()
    const correlationId = this.#nextCorrelationId()
    const { name } = api.request
    try {
      this.#write(api, { version, correlationId }, request)
    } catch (error) {
      answer.reject(error)
      return answer.promise
    }
    const onTime = (): void => this.#fail(`${name} was not answered within ${timeoutMs} ms`)
    this.#waiting.push({
      correlationId,
      name,
      read: reader => answer.resolve(readResponseBody(api, version, reader)),
      fail: answer.reject.bind(answer),
      timer: this.#options.clock.after(timeoutMs, onTime),
    })
    return answer.promise
  }

  /**
   * Sends a request without an answer; resolves when the operating system has taken its bytes.
   * Rejects with NETWORK_EXCEPTION if that takes longer than `timeoutMs`.
   */
  async sendUnanswered<Q, S>(
    api: WireApi<Q, S>,
    version: number,
    request: Q,
    timeoutMs: number,
  ): Promise<void> {
    const taken = new Deferred<void>()
    const onTaken = (error?: Error | null): void => {
      if (error) taken.reject(this.#broken(error.message))
      else taken.resolve()
    }
    this.#write(api, { version, correlationId: this.#nextCorrelationId() }, request, onTaken)
    this.#hasUnconfirmed = true
    const { name } = api.request
    const onTime = (): void => this.#fail(`${name} could not be sent within ${timeoutMs} ms`)
    const timer = this.#options.clock.after(timeoutMs, onTime)
    await taken.promise.finally(() => timer.cancel())
  }

  close(why = 'it was closed'): void {
    this.#fail(why)
  }

  #write<Q, S>(
    api: WireApi<Q, S>,
    header: { readonly version: number; readonly correlationId: number },
    request: Q,
    onTaken?: (error?: Error | null) => void,
  ): void {
    if (this.#failure !== undefined) {
      throw new PartlogError('NETWORK_EXCEPTION', 'the connection is broken: nothing was sent')
    }
    const { stream, clientId, clock } = this.#options
    this.#usedAtMs = clock.monotonicMs()
    writeFrame(stream, requestFrame(api, { ...header, clientId }, request), onTaken)
  }

  #nextCorrelationId(): number {
    this.#correlationId = (this.#correlationId + 1) % CORRELATION_IDS
    return this.#correlationId
  }

  async #readAll(): Promise<void> {
    try {
      for await (const frame of framesOf(this.#options.stream as AsyncIterable<Uint8Array>)) {
        this.#onAnswer(new ByteReader(frame))
      }
      this.#fail('the broker has closed it')
    } catch (error) {
      this.#fail((error as Error).message)
    }
  }

  /** Throws if the answer does not belong to the next request. */
  #onAnswer(reader: ByteReader): void {
    const waiting = this.#waiting[0]
    const correlationId = readCorrelationId(reader)
    if (waiting?.correlationId !== correlationId) {
      const expected = waiting === undefined ? 'none' : String(waiting.correlationId)
      throw new Error(`the answer has correlation id ${correlationId}, expected ${expected}`)
    }
    try {
      waiting.read(reader)
    } catch (error) {
      throw new Error(`${waiting.name}: ${(error as Error).message}`)
    }
    waiting.timer.cancel()
    this.#waiting.shift()
    this.#hasUnconfirmed = false // the broker has handled all earlier requests
  }

  #fail(why: string): void {
    if (this.#failure !== undefined) return
    this.#failure = this.#broken(why)
    this.#options.stream.destroy()
    for (const { timer, fail } of this.#waiting.splice(0)) {
      timer.cancel()
      fail(this.#broken(why))
    }
  }

  #broken(why: string): PartlogError {
    const sentence = `the connection to ${this.#options.address} is broken: ${why}`
    return new PartlogError('NETWORK_EXCEPTION', sentence, { outcomeUnknown: true })
  }
}
