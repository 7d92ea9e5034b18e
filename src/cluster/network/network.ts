/*
 * The network between the nodes of a cluster: every request passes it, and can be delayed or lost.
 *
 *   sent → partition → drop → delay → fault rules → handled → drop → delay → answered
 *
 * While no rule is set, a request is a plain call of the node's handler. Errors of the network are
 * NETWORK_EXCEPTION; the outcome is unknown unless nothing was sent.
 */

import { assert } from '../../base/assert.js'
import type { Clock } from '../../base/clock.js'
import type { Random } from '../../base/random.js'
import { Watchers } from '../../base/watchers.js'
import type { LongHolds } from '../../broker/node/context.js'
import { isPartlogError, PartlogError } from '../../model/errors.js'
import type { ApiName, Request, Response } from '../../protocol/api.js'
import { NONE } from '../../model/units.js'
import {
  ANY_NODE,
  answerTimeoutMs,
  isUnanswered,
  type Channel,
  type OneBatch,
} from '../../protocol/channel.js'
import { splitRequest } from '../faults/fault-answers.js'
import type { Fault, FaultRoute, FaultSource } from '../faults/faults.js'
import { DelayedMessages } from './delayed-messages.js'
import {
  CLIENT,
  CONTROLLER,
  NetworkRules,
  type ClusterNetwork,
  type DropOptions,
  type NetworkLink,
  type NetworkNode,
  type Route,
} from './network-rules.js'
import { CALM, copyOfRequest, type Weather } from './weather.js'

/** An answer, or a promise of it. */
type Answer<A extends ApiName> = Response<A> | Promise<Response<A>>

const NO_ANSWERS: Response<'Produce'> = { responses: [] }

/** Handles a request on a node; answers synchronously if nothing has to wait. */
export type NodeHandle = <A extends ApiName>(
  api: A,
  request: Request<A>,
  signal: AbortSignal | undefined,
  from: number,
) => Answer<A>

/** The short way into a node, see {@link Channel.appendNow}. */
export type AppendNow = (batch: OneBatch) => number

export interface NetworkOptions {
  readonly clock: Clock
  /** Decides about drops with a probability. */
  readonly random: Random
  readonly faults: FaultSource
  /** Default: calm. */
  readonly weather?: Weather | undefined
}

/** Less than every id. */
const BEFORE_ALL = -1

/** A message on its way: the weather may look at the client. */
type Passing = Route & Pick<FaultRoute, 'client'>

/** A request on its way, with its route and options. */
interface Sent<A extends ApiName> extends FaultRoute {
  readonly api: A
  readonly request: Request<A>
  readonly signal: AbortSignal | undefined
}

/** A message between two nodes whose sender waits. `cut` makes the sender fail. */
interface InFlight {
  readonly sent: Route
  readonly cut: (error: PartlogError) => void
}

/** Nodes are attached to the network and send requests over its channels. */
export class Network implements ClusterNetwork {
  /** Not while there are rules or faults: requests meet them as often as they would elsewhere. */
  readonly longHolds: LongHolds = longHoldsWhile(() => this.#isCalm && this.#faults.isEmpty)
  readonly #clock: Clock
  readonly #rules: NetworkRules
  readonly #faults: FaultSource
  readonly #weather: Weather
  /** By id. */
  readonly #nodes = new Map<number, NodeHandle>()
  /** The short ways of nodes that have one. */
  readonly #appends = new Map<number, AppendNow>()
  readonly #inFlight = new Set<InFlight>()
  /** The lines that hold messages. */
  readonly #lines = new Map<string, DelayedMessages>()
  /** No rule is set, and no line holds a message that a new one must not overtake. */
  #isCalm = true
  #isClosed = false

  constructor({ clock, random, faults, weather = CALM }: NetworkOptions) {
    this.#clock = clock
    this.#weather = weather
    if (weather !== CALM) weather.onChange = () => this.#update()
    this.#rules = new NetworkRules(random)
    this.#faults = faults
    faults.onAdded = () => this.longHolds.changes.notify()
  }

  // ── nodes ──────────────────────────────────────────────────────────────────────────────

  /** From now on `handle` answers requests to the broker. */
  attach(nodeId: number, handle: NodeHandle, appendNow?: AppendNow): void {
    assert(Number.isSafeInteger(nodeId) && nodeId >= 0, 'nodes are numbered from 0', { nodeId })
    assert(!this.#nodes.has(nodeId), 'a node is attached once', { nodeId })
    assert(!this.#isClosed, 'nothing is attached to a closed network', { nodeId })
    this.#rules.addBroker(nodeId)
    this.#nodes.set(nodeId, handle)
    if (appendNow !== undefined) this.#appends.set(nodeId, appendNow)
  }

  /**
   * The node has ended: requests to it and from it that are not answered fail at once with
   * NETWORK_EXCEPTION, outcome unknown. New requests to it are refused until it is attached again.
   */
  detach(nodeId: number): void {
    this.#nodes.delete(nodeId)
    this.#appends.delete(nodeId)
    this.#cut(
      ({ from, to }) => from === nodeId || to === nodeId,
      ({ api }) => unanswered(`${nameOf(nodeId)} ended before it answered ${api}`),
    )
  }

  /** Requests in flight and later ones fail with CLOSED; no timer is left. */
  close(): void {
    this.#isClosed = true
    this.#nodes.clear()
    this.#appends.clear()
    this.#cut(
      () => true,
      ({ api }) => {
        const sentence = `the cluster was closed before ${api} was answered`
        return new PartlogError('CLOSED', sentence, { outcomeUnknown: true })
      },
    )
  }

  /**
   * True if no partition separates the two nodes. For nodes that call each other without a message.
   * Does not check whether they run.
   */
  reaches(a: number, b: number): boolean {
    return this.#rules.reaches(a, b) && !this.#weather.separates(a, b)
  }

  /**
   * The channel of one node, or (`from` is CLIENT) of one client with its `clientId`. ANY_NODE is
   * the broker with the lowest id that is attached and reachable; after a request to it was lost,
   * the next one. While a rule is set, a request that is not answered within `requestTimeoutMs`
   * (default: no limit) fails with NETWORK_EXCEPTION, outcome unknown.
   */
  channelFrom(from: number, client = '', requestTimeoutMs?: number): Channel {
    let lostAt = BEFORE_ALL
    const send = <A extends ApiName>(
      nodeId: number,
      api: A,
      request: Request<A>,
      signal?: AbortSignal,
    ): Answer<A> => {
      const to = nodeId === ANY_NODE ? this.#anyNode(from, lostAt) : nodeId
      if (this.#isCalm && this.#faults.isEmpty) {
        const handle = this.#nodes.get(to)
        if (handle === undefined) throw this.#notRunning(to)
        const answer = handle(api, request, signal, from)
        if (!(answer instanceof Promise)) return answer
        return this.#track({ api, from, to, client }, answer, requestTimeoutMs)
      }
      const sent = { from, to, api, request, signal, client }
      const carried = this.#carry(sent)
      if (!(carried instanceof Promise)) return carried
      if (isUnanswered(api, request)) {
        carried.catch(() => undefined) // the sender expects no answer
        return NO_ANSWERS as unknown as Response<A>
      }
      const answer = this.#within(sent, carried, answerTimeoutOf(sent, requestTimeoutMs))
      if (nodeId === ANY_NODE) {
        answer.catch((error: unknown) => {
          if (isPartlogError(error, 'NETWORK_EXCEPTION')) lostAt = to
        })
      }
      return answer
    }
    const appendNow = (nodeId: number, batch: OneBatch): number => {
      if (!this.#isCalm || !this.#faults.isEmpty) return NONE
      return this.#appends.get(nodeId)?.(batch) ?? NONE
    }
    return { send, appendNow }
  }

  /** The broker with the next id after `after`, or else the lowest one. Throws if none is left. */
  #anyNode(from: number, after: number): number {
    if (this.#isClosed) throw closed()
    let [next, lowest] = [Infinity, Infinity]
    for (const nodeId of this.#nodes.keys()) {
      if (!this.#rules.reaches(from, nodeId)) continue
      lowest = Math.min(lowest, nodeId)
      if (nodeId > after) next = Math.min(next, nodeId)
    }
    if (next !== Infinity) return next
    if (lowest !== Infinity) return lowest
    throw refused(`no broker can be reached from ${nameOf(from)}`)
  }

  /** Throws NETWORK_EXCEPTION or CLOSED if nothing can be sent. */
  #handleOf({ from, to }: Route): NodeHandle {
    const handle = this.#nodes.get(to)
    if (handle === undefined) throw this.#notRunning(to)
    if (!this.#rules.reaches(from, to)) throw refused(separated(from, to))
    return handle
  }

  #notRunning(nodeId: number): PartlogError {
    if (this.#isClosed) return closed()
    const isKnown = this.#rules.isKnown(nodeId)
    return refused(`${nameOf(nodeId)} ${isKnown ? 'is not running' : 'does not exist'}`)
  }

  #cut(isCut: (sent: Route) => boolean, errorOf: (sent: Route) => PartlogError): void {
    for (const message of [...this.#inFlight]) {
      if (!isCut(message.sent)) continue
      this.#inFlight.delete(message)
      message.cut(errorOf(message.sent))
    }
  }

  // ── requests while a rule is set; synchronous if no rule matches ───────────────────────

  #carry<A extends ApiName>(sent: Sent<A>): Answer<A> {
    this.#handleOf(sent)
    if (this.#isDropped(sent, false)) return this.#lost(sent, 'request')
    const repeatMs = this.#weather.repeatsAfterMs(sent)
    if (repeatMs !== undefined) this.#repeat(sent, repeatMs)
    return this.#pass(sent, false, () => this.#arrive(sent))
  }

  /** The request arrives again later; nothing waits for the second answer. */
  #repeat<A extends ApiName>(sent: Sent<A>, afterMs: number): void {
    const copy = { ...sent, request: copyOfRequest(sent.request), signal: undefined }
    const pass = (): Answer<A> => this.#pass(copy, false, () => this.#arrive(copy))
    const arrived = this.#later(copy, go => this.#after(afterMs, go), pass)
    arrived.catch(() => undefined)
  }

  #arrive<A extends ApiName>(sent: Sent<A>): Answer<A> {
    this.#handleOf(sent)
    const { api, request } = sent
    const fault = this.#faults.isEmpty ? undefined : this.#faults.match(api, request, sent)
    return fault === undefined ? this.#handle(sent) : this.#applyFault(sent, fault)
  }

  #applyFault<A extends ApiName>(sent: Sent<A>, fault: Fault): Answer<A> {
    switch (fault.kind) {
      case 'error': {
        const { rest, answer } = splitRequest(sent.api, sent.request, fault)
        if (rest === undefined) return this.#sendAnswer(sent, answer(undefined))
        const handled = this.#handle(sent, rest)
        return handled instanceof Promise ? handled.then(answer) : answer(handled)
      }
      case 'delay':
        return this.#later(
          sent,
          arrive => this.#after(fault.delayMs, arrive),
          () => this.#handle(sent),
        )
      case 'drop':
        return this.#lost(sent, 'request')
      case 'dropAnswer': {
        const lose = (): Promise<never> => this.#lost(sent, 'answer')
        return Promise.resolve(this.#handle(sent)).then(lose, lose)
      }
    }
  }

  /** Calls the node's handler and sends the answer back. */
  #handle<A extends ApiName>(sent: Sent<A>, request = sent.request): Answer<A> {
    const { api, signal, from } = sent
    const answer = this.#handleOf(sent)(api, request, signal, from)
    if (!(answer instanceof Promise)) return this.#sendAnswer(sent, answer)
    return this.#track(sent, answer)
  }

  #sendAnswer<A extends ApiName>(sent: Passing, response: Response<A>): Answer<A> {
    if (this.#isCalm) return response
    if (this.#isDropped(sent, true)) return this.#lost(sent, 'answer')
    return this.#pass(sent, true, () => response)
  }

  /**
   * The handler's answer, unless the sender is cut off before. Rules may have been set meanwhile:
   * the answer's way back may take `requestTimeoutMs`.
   */
  #track<A extends ApiName>(
    sent: Passing,
    answer: Promise<Response<A>>,
    requestTimeoutMs?: number,
  ): Promise<Response<A>> {
    return new Promise((resolve, reject) => {
      const message = { sent, cut: reject }
      this.#inFlight.add(message)
      answer.then(
        response => {
          if (!this.#inFlight.delete(message)) return
          const back = this.#sendAnswer(sent, response)
          resolve(back instanceof Promise ? this.#within(sent, back, requestTimeoutMs) : back)
        },
        (error: unknown) => {
          this.#inFlight.delete(message)
          reject(error)
        },
      )
    })
  }

  /** Calls `arrive` when the message leaves its line: at once if nothing delays it. */
  #pass<T>(sent: Passing, isAnswer: boolean, arrive: () => T | Promise<T>): T | Promise<T> {
    const weather = this.#weather
    const delayMs = this.#rules.delayMs(sent, isAnswer) + weather.delayMs(sent, isAnswer)
    const reach = (go: () => void): void => weather.arrive(sent, isAnswer, go)
    if (!weather.isOrdered(sent, isAnswer)) {
      return this.#later(sent, go => this.#after(delayMs, () => reach(go)), arrive)
    }
    const name = `${sent.api} ${sent.from} ${sent.to} ${isAnswer}`
    const line = this.#lines.get(name)
    if (line !== undefined) {
      return this.#later(sent, go => line.pass(delayMs, () => reach(go)), arrive)
    }
    if (delayMs === 0 && weather.isAwake(sent, isAnswer)) return arrive()
    const made = new DelayedMessages(this.#clock, () => {
      this.#lines.delete(name)
      this.#update()
    })
    this.#lines.set(name, made)
    this.#update()
    return this.#later(sent, go => made.pass(delayMs, () => reach(go)), arrive)
  }

  /**
   * Calls `next` when `wait` calls back, unless the sender is cut off before; `wait` returns a
   * function that ends the wait. `next` runs within the callback, so that messages keep their
   * order.
   */
  #later<T>(
    sent: Route,
    wait: (go: () => void) => () => void,
    next: () => T | Promise<T>,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      const cut = (error: PartlogError): void => {
        stop()
        reject(error)
      }
      const message = { sent, cut }
      this.#inFlight.add(message)
      const stop = wait(() => {
        if (!this.#inFlight.delete(message)) return
        try {
          resolve(next())
        } catch (error) {
          reject(error)
        }
      })
    })
  }

  /** Calls back after a time; the returned function ends the wait. */
  #after(ms: number, callback: () => void): () => void {
    const timer = this.#clock.after(ms, callback)
    return () => timer.cancel()
  }

  #isDropped(sent: Passing, isAnswer: boolean): boolean {
    const isDropped = this.#rules.drops(sent, isAnswer)
    if (isDropped) this.#update() // it may have been the last time
    return isDropped || this.#weather.loses(sent, isAnswer)
  }

  /**
   * The answer, if it comes within `ms`. If not, the client closes the connection: messages on it
   * do not arrive, and do not delay later ones.
   */
  async #within<A extends ApiName>(
    sent: Route,
    answer: Promise<Response<A>>,
    ms: number | undefined,
  ): Promise<Response<A>> {
    if (ms === undefined) return await answer
    const timer = this.#clock.after(ms, () =>
      this.#cut(
        each => each === sent,
        ({ api, to }) => unanswered(`${nameOf(to)} has not answered ${api} within ${ms} ms`),
      ),
    )
    try {
      return await answer
    } finally {
      timer.cancel()
    }
  }

  #lost({ api, to }: Route, what: 'request' | 'answer'): Promise<never> {
    const sentence = `the connection to ${nameOf(to)} was lost, and with it the ${what} of ${api}`
    return Promise.reject(unanswered(sentence))
  }

  // ── rules ──────────────────────────────────────────────────────────────────────────────

  partition(...groups: readonly (readonly NetworkNode[])[]): void {
    this.#rules.partition(groups)
    this.#update()
    this.#cut(
      ({ from, to }) => !this.#rules.reaches(from, to),
      ({ api, from, to }) => unanswered(`${separated(from, to)} before ${api} was answered`),
    )
  }

  heal(): void {
    this.#rules.heal()
    this.#update()
  }

  delay(ms: number, link: NetworkLink = {}): void {
    this.#rules.delay(ms, link)
    this.#update()
  }

  drop(link: NetworkLink = {}, options: DropOptions = {}): void {
    this.#rules.drop(link, options)
    this.#update()
  }

  #update(): void {
    this.#isCalm = this.#rules.isEmpty && this.#lines.size === 0 && this.#weather.isCalm
    this.longHolds.changes.notify()
  }
}

function longHoldsWhile(areAllowed: () => boolean): LongHolds {
  const changes = new Watchers()
  return {
    changes,
    get areAllowed() {
      return areAllowed()
    },
  }
}

/** How long a client waits; inside the process a heartbeat may be held for `maxWaitMs` more. */
function answerTimeoutOf(
  { api, request }: { readonly api: ApiName; readonly request: Request<ApiName> },
  requestTimeoutMs: number | undefined,
): number | undefined {
  if (requestTimeoutMs === undefined) return undefined
  const isHeartbeat = api === 'Heartbeat' || api === 'ConsumerGroupHeartbeat'
  const { maxWaitMs = 0 } = isHeartbeat ? (request as Request<typeof api>) : {}
  return answerTimeoutMs(api, request, requestTimeoutMs) + maxWaitMs
}

// ── errors ───────────────────────────────────────────────────────────────────────────────

function nameOf(nodeId: number): string {
  if (nodeId === CLIENT) return 'the clients'
  return nodeId === CONTROLLER ? 'the controller' : `broker ${nodeId}`
}

function separated(from: number, to: number): string {
  return `${nameOf(to)} cannot be reached from ${nameOf(from)}, the network is partitioned`
}

/** The error if nothing was sent. */
function refused(sentence: string): PartlogError {
  return new PartlogError('NETWORK_EXCEPTION', sentence)
}

/** The error if the request was sent, so its outcome is unknown. */
function unanswered(sentence: string): PartlogError {
  return new PartlogError('NETWORK_EXCEPTION', sentence, { outcomeUnknown: true })
}

function closed(): PartlogError {
  return new PartlogError('CLOSED', 'the cluster is closed')
}
