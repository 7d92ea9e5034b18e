/**
 * Faults that a test asks for: this kind of request fails, waits or is lost, so and so often.
 *
 *   cluster.faults.on('produce', { topic: 'orders' }).error('NOT_ENOUGH_REPLICAS').times(3)
 *
 * A fault is something that happens to one request at the node it was sent to; what happens to all
 * that goes over a wire is the network's matter.
 */

import type { ErrorFields } from '../broker/node/answer-errors.js'
import { checkFields, invalidArgument } from '../client/line/client-arguments.js'
import { ERRORS, errorId, type ErrorCode } from '../model/errors.js'
import { isTopicName } from '../model/names.js'
import { APIS, type ApiName, type Request } from '../protocol/api.js'
import { concerns, namingOf, type Target } from './fault-answers.js'

/** A kind of request: Kafka's name, its first letter small. */
export type FaultApi =
  | 'produce'
  | 'fetch'
  | 'listOffsets'
  | 'metadata'
  | 'offsetCommit'
  | 'offsetFetch'
  | 'findCoordinator'
  | 'joinGroup'
  | 'heartbeat'
  | 'leaveGroup'
  | 'syncGroup'
  | 'describeGroups'
  | 'listGroups'
  | 'createTopics'
  | 'deleteTopics'
  | 'deleteRecords'
  | 'initProducerId'
  | 'describeConfigs'
  | 'createPartitions'
  | 'deleteGroups'
  | 'electLeaders'
  | 'incrementalAlterConfigs'
  | 'offsetDelete'
  | 'offsetForLeaderEpoch'
  | 'alterConfigs'
  | 'describeCluster'

// Named one by one, so that the declarations need not show every message; none may be left out.
type Missing = Exclude<Uncapitalize<ApiName>, FaultApi> | Exclude<FaultApi, Uncapitalize<ApiName>>
type Never<T extends never> = T
/** @internal */
export type AllNamed = Never<Missing>

/** An error a broker can answer with. */
export type FaultErrorCode = Exclude<ErrorCode, 'NONE'>

/** Which requests of a kind a rule is about. What is left out stands for all. */
export interface FaultFilter {
  /** Requests that name this topic. */
  readonly topic?: string | undefined
  /** Requests that name a partition of this number. */
  readonly partition?: number | undefined
  /** Requests to the broker with this id. */
  readonly broker?: number | undefined
  /** Requests of a broker (a follower that fetches), or of any 'client'. */
  readonly from?: number | 'client' | undefined
  /** Requests of clients with this `clientId`. */
  readonly client?: string | undefined
}

/** Something that happens to requests of one kind; made by {@link ClusterFaults.on}. */
export interface FaultRule {
  readonly api: FaultApi
  readonly where: FaultFilter
  /** What it does, as a few words for people. */
  readonly effect: string
  /** How often it has fired. */
  readonly count: number
  /** True when it has fired as often as it may, and when it was removed. */
  readonly isSpent: boolean
  /**
   * It fires for so many requests in all (default 1): a whole number of at least 1, else
   * INVALID_ARGUMENT.
   */
  times(count: number): FaultRule
  /** It fires for every request that matches, until it is removed. */
  always(): FaultRule
  /**
   * It lets the first so many requests that match pass (default 0): a whole number of at least 0,
   * else INVALID_ARGUMENT. What an earlier rule has taken does not count.
   */
  after(count: number): FaultRule
  /** It does not fire any more, and is not among the unused ones. */
  remove(): void
}

/** Says what happens to the requests that were named; each makes a rule that fires once. */
export interface FaultBuilder {
  /**
   * The broker answers with this error instead of doing what was asked. Where Kafka's answer has an
   * error per partition or topic, only those the rule names fail; the broker handles the others. A
   * request that names none of them is rejected with the error. INVALID_ARGUMENT for a code that
   * does not exist. `message` is the sentence of the error.
   */
  error(code: FaultErrorCode, message?: string): FaultRule
  /**
   * The broker takes up the request so many milliseconds later, by the cluster's clock, or never if
   * its client has given it up by then (`requestTimeoutMs`); later requests do not wait behind it.
   * INVALID_ARGUMENT unless it is a number of at least 0.
   */
  delay(ms: number): FaultRule
  /** The request is lost: not handled; who sent it sees NETWORK_EXCEPTION at once. */
  drop(): FaultRule
  /** The request is handled, its answer lost: who sent it sees NETWORK_EXCEPTION then. */
  dropAnswer(): FaultRule
}

/** Who sends a request to whom. */
export interface FaultRoute {
  /** A broker's id, or CLIENT of network.ts. */
  readonly from: number
  readonly to: number
  /** The `clientId` of a client, if it is known. */
  readonly client: string
}

/** What is to happen to a request. */
export type Fault =
  | { readonly kind: 'error'; readonly target: Target; readonly error: ErrorFields }
  | { readonly kind: 'delay'; readonly delayMs: number }
  | { readonly kind: 'drop' }
  | { readonly kind: 'dropAnswer' }

/** What the network asks about each request before it is handled. */
export interface FaultSource {
  /** True when nothing can match: then the network does not ask. */
  readonly isEmpty: boolean
  /** What is to happen to the request, if anything; it counts as having happened. */
  match<A extends ApiName>(api: A, request: Request<A>, route: FaultRoute): Fault | undefined
}

/** Faults in what a cluster's nodes are asked. Rules are tried in the order they were made. */
export interface ClusterFaults {
  /**
   * Names the requests a fault shall happen to: `on('fetch', { topic: 'orders' })`. Nothing happens
   * to them until the builder is told what.
   *
   * INVALID_ARGUMENT for an api that does not exist, and for a filter that it cannot have: requests
   * about groups name no topic, those about topics no partition.
   */
  on(api: FaultApi, where?: FaultFilter): FaultBuilder
  /**
   * The rules that have never fired: `expect(cluster.faults.unused()).toEqual([])` at the end of a
   * test says that its faults have happened.
   */
  unused(): FaultRule[]
  /** Removes every rule. What a rule has begun (a delay) takes its course. */
  clear(): void
}

export class FaultRules implements ClusterFaults {
  /** Those that may still fire, in the order they were made. */
  #rules: Rule[] = []
  #made = 0

  on(api: FaultApi, where: FaultFilter = {}): FaultBuilder {
    const name = apiOf(api)
    checkFilter(name, where)
    const filter = Object.freeze({ ...where })
    const add = (effect: string, fault: Fault): FaultRule => {
      const order = this.#made++
      const options = { name, api, where: filter, effect, fault, order }
      const rule = new Rule(options, () => this.#sort(rule))
      this.#rules.push(rule)
      return rule
    }
    return {
      error(code, message = `a fault rule answers ${api} so`) {
        checkErrorCode(code)
        checkMessage(message)
        const { topic, partition } = filter
        const error = { errorCode: errorId(code), errorMessage: message }
        return add(`error ${code}`, { kind: 'error', target: { topic, partition }, error })
      },
      delay(ms) {
        checkDelay(ms)
        return add(`delay of ${ms} ms`, { kind: 'delay', delayMs: ms })
      },
      drop: () => add('request lost', { kind: 'drop' }),
      dropAnswer: () => add('answer lost', { kind: 'dropAnswer' }),
    }
  }

  unused(): FaultRule[] {
    return this.#rules.filter(rule => rule.count === 0)
  }

  clear(): void {
    for (const rule of this.#rules) rule.remove()
  }

  /** @internal */
  get isEmpty(): boolean {
    return this.#rules.length === 0
  }

  /** @internal */
  match<A extends ApiName>(api: A, request: Request<A>, route: FaultRoute): Fault | undefined {
    return this.#rules.find(rule => rule.fires(api, request, route))?.fault
  }

  /** A rule has changed: it is kept while it may fire. */
  #sort(rule: Rule): void {
    const others = this.#rules.filter(each => each !== rule)
    const place = others.findIndex(each => each.order > rule.order)
    if (!rule.isSpent) others.splice(place < 0 ? others.length : place, 0, rule)
    this.#rules = others
  }
}

interface RuleOptions {
  readonly name: ApiName
  readonly api: FaultApi
  readonly where: FaultFilter
  readonly effect: string
  readonly fault: Fault
  readonly order: number
}

class Rule implements FaultRule {
  readonly api: FaultApi
  readonly where: FaultFilter
  readonly effect: string
  readonly #options: RuleOptions
  readonly #onChange: () => void
  #limit = 1
  #skips = 0
  #matches = 0
  #count = 0
  #isRemoved = false

  constructor(options: RuleOptions, onChange: () => void) {
    const { api, where, effect } = options
    this.api = api
    this.where = where
    this.effect = effect
    this.#options = options
    this.#onChange = onChange
  }

  get fault(): Fault {
    return this.#options.fault
  }
  get order(): number {
    return this.#options.order
  }
  get count(): number {
    return this.#count
  }
  get isSpent(): boolean {
    return this.#isRemoved || this.#count >= this.#limit
  }

  times(count: number): FaultRule {
    checkWhole(count, 'times', 1)
    return this.#change(() => (this.#limit = count))
  }

  always(): FaultRule {
    return this.#change(() => (this.#limit = Infinity))
  }

  after(count: number): FaultRule {
    checkWhole(count, 'after', 0)
    return this.#change(() => (this.#skips = count))
  }

  remove(): void {
    this.#change(() => (this.#isRemoved = true))
  }

  /** Counts the request if it matches, and says whether the fault happens to it. */
  fires<A extends ApiName>(api: A, request: Request<A>, route: FaultRoute): boolean {
    if (api !== this.#options.name || !this.#isOn(route)) return false
    if (!concerns(api, request, this.where)) return false
    if (++this.#matches <= this.#skips) return false
    this.#change(() => this.#count++)
    return true
  }

  #isOn({ from, to, client }: FaultRoute): boolean {
    const { where } = this
    if (where.broker !== undefined && where.broker !== to) return false
    if (where.client !== undefined && where.client !== client) return false
    return where.from === undefined || (where.from === 'client' ? from < 0 : where.from === from)
  }

  #change(change: () => void): this {
    change()
    this.#onChange()
    return this
  }
}

// ── checks ───────────────────────────────────────────────────────────────────────────────

const API_BY_WORD = new Map(
  Object.keys(APIS).map(name => [
    `${(name[0] as string).toLowerCase()}${name.slice(1)}`,
    name as ApiName,
  ]),
)

/** The request with this name, as users write it. Throws INVALID_ARGUMENT. */
export function apiOf(word: unknown): ApiName {
  const name = API_BY_WORD.get(word as string)
  if (name === undefined) throw invalidArgument('api', oneOf(API_BY_WORD.keys()), word)
  return name
}

/** A time to wait in milliseconds. Throws INVALID_ARGUMENT. */
export function checkDelay(ms: unknown): asserts ms is number {
  if (Number.isFinite(ms) && (ms as number) >= 0) return
  throw invalidArgument('delay', 'a number of milliseconds of at least 0', ms)
}

/** A whole number of at least `min`. Throws INVALID_ARGUMENT. */
export function checkWhole(given: unknown, what: string, min: number): asserts given is number {
  if (Number.isSafeInteger(given) && (given as number) >= min) return
  throw invalidArgument(what, `a whole number of at least ${min}`, given)
}

function oneOf(words: Iterable<string>): string {
  return `one of ${[...words].join(', ')}`
}

function checkErrorCode(code: unknown): void {
  if (code !== 'NONE' && Object.hasOwn(ERRORS, code as string)) return
  const codes = Object.keys(ERRORS).filter(name => name !== 'NONE')
  throw invalidArgument('error code', oneOf(codes), code)
}

function checkMessage(message: unknown): void {
  if (typeof message !== 'string') throw invalidArgument('message', 'a string', message)
}

const FILTER_FIELDS = ['topic', 'partition', 'broker', 'from', 'client']

function checkFilter(api: ApiName, where: FaultFilter): void {
  checkFields(where, 'where', FILTER_FIELDS)
  const { topic, partition, broker, from, client } = where
  const naming = namingOf(api)
  if (topic !== undefined && naming === 'nothing') {
    throw invalidArgument('topic', `none, because ${api} requests name no topics`, topic)
  }
  if (partition !== undefined && naming !== 'partitions') {
    throw invalidArgument('partition', `none, because ${api} requests name none`, partition)
  }
  if (topic !== undefined && !(typeof topic === 'string' && isTopicName(topic))) {
    throw invalidArgument('topic', 'the name of a topic', topic)
  }
  if (partition !== undefined) checkWhole(partition, 'partition', 0)
  if (broker !== undefined) checkWhole(broker, 'broker', 1)
  if (from !== undefined && from !== 'client') checkSender(from)
  if (client !== undefined && (typeof client !== 'string' || client === '')) {
    throw invalidArgument('client', 'a clientId', client)
  }
}

function checkSender(from: unknown): void {
  if (Number.isSafeInteger(from) && (from as number) >= 0) return
  throw invalidArgument('from', "'client' or the id of a broker", from)
}
