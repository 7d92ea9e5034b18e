/*
 * Fault rules of a test: requests of one kind fail, are delayed or are lost, a number of times.
 *
 *   cluster.faults.on('produce', { topic: 'orders' }).error('NOT_ENOUGH_REPLICAS').times(3)
 *
 * A fault affects single requests at the node that receives them. What affects whole links between
 * nodes is in network.ts.
 */

import type { ErrorFields } from '../../broker/node/answer-errors.js'
import { checkFields, invalidArgument } from '../../client/line/client-arguments.js'
import { ERRORS, errorId, type ErrorCode } from '../../model/errors.js'
import { isTopicName } from '../../model/names.js'
import { APIS, type ApiName, type Request } from '../../protocol/api.js'
import { concerns, namingOf, type Target } from './fault-answers.js'

/** A kind of request: Kafka's name with a lower-case first letter. */
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
  | 'describeAcls'
  | 'createAcls'
  | 'deleteAcls'
  | 'alterReplicaLogDirs'
  | 'describeLogDirs'
  | 'listPartitionReassignments'
  | 'describeUserScramCredentials'
  | 'describeQuorum'
  | 'describeClientQuotas'
  | 'alterClientQuotas'
  | 'updateFeatures'
  | 'listConfigResources'
  | 'describeTopicPartitions'
  | 'addPartitionsToTxn'
  | 'addOffsetsToTxn'
  | 'endTxn'
  | 'writeTxnMarkers'
  | 'txnOffsetCommit'
  | 'consumerGroupHeartbeat'
  | 'consumerGroupDescribe'
  | 'describeProducers'
  | 'describeTransactions'
  | 'listTransactions'

// Listed, so that the type declarations do not include every message; none may be missing.
type Missing = Exclude<Uncapitalize<ApiName>, FaultApi> | Exclude<FaultApi, Uncapitalize<ApiName>>
type Never<T extends never> = T
/** @internal */
export type AllNamed = Never<Missing>

/** An error code that a broker can answer with. */
export type FaultErrorCode = Exclude<ErrorCode, 'NONE'>

/** Selects requests of one kind. An omitted field matches all. */
export interface FaultFilter {
  /** Requests that name this topic. */
  readonly topic?: string | undefined
  /** Requests that name a partition with this number. */
  readonly partition?: number | undefined
  /** Requests to the broker with this id. */
  readonly broker?: number | undefined
  /** Requests from a broker (a follower that fetches), or from any 'client'. */
  readonly from?: number | 'client' | undefined
  /** Requests of clients with this `clientId`. */
  readonly client?: string | undefined
}

/** A fault that affects requests of one kind; created by {@link ClusterFaults.on}. */
export interface FaultRule {
  readonly api: FaultApi
  readonly where: FaultFilter
  /** What the rule does, in a few words. */
  readonly effect: string
  /** How often the rule has fired. */
  readonly count: number
  /** True if the rule has fired as often as it may, or was removed. */
  readonly isSpent: boolean
  /**
   * The rule fires `count` times in all (default 1). Throws INVALID_ARGUMENT unless `count` is a
   * whole number of at least 1.
   */
  times(count: number): FaultRule
  /** The rule fires for every request that matches, until it is removed. */
  always(): FaultRule
  /**
   * The first `count` requests that match pass (default 0). Requests that an earlier rule affects
   * do not count. Throws INVALID_ARGUMENT unless `count` is a whole number of at least 0.
   */
  after(count: number): FaultRule
  /** The rule no longer fires, and `unused()` does not list it. */
  remove(): void
}

/** Sets the fault of the selected requests; each method creates a rule that fires once. */
export interface FaultBuilder {
  /**
   * The broker answers with this error and does not handle the request. If Kafka's answer has an
   * error per partition or topic, only those that the rule selects fail; the broker handles the
   * others. A request that names none of them is rejected with the error. Throws INVALID_ARGUMENT
   * for a code that does not exist. `message` is the message of the error.
   */
  error(code: FaultErrorCode, message?: string): FaultRule
  /**
   * The broker handles the request `ms` milliseconds later, by the cluster's clock, or never if the
   * client has given up by then (`requestTimeoutMs`); later requests do not wait for it. Throws
   * INVALID_ARGUMENT unless `ms` is a number of at least 0.
   */
  delay(ms: number): FaultRule
  /** The request is lost and not handled; its sender gets NETWORK_EXCEPTION at once. */
  drop(): FaultRule
  /** The request is handled, but its answer is lost: the sender gets NETWORK_EXCEPTION then. */
  dropAnswer(): FaultRule
}

/** Sender and receiver of a request. */
export interface FaultRoute {
  /** A broker's id, or CLIENT of network.ts. */
  readonly from: number
  readonly to: number
  /** The `clientId` of a client, if it is known. */
  readonly client: string
}

/** The fault of a request. */
export type Fault =
  | { readonly kind: 'error'; readonly target: Target; readonly error: ErrorFields }
  | { readonly kind: 'delay'; readonly delayMs: number }
  | { readonly kind: 'drop' }
  | { readonly kind: 'dropAnswer' }

/** The network asks it about each request before it is handled. */
export interface FaultSource {
  /** True if no rule can match: then the network does not ask. */
  readonly isEmpty: boolean
  /** Called when there is a new rule. */
  onAdded?: (() => void) | undefined
  /** The fault of the request, if a rule matches; this counts as a firing of the rule. */
  match<A extends ApiName>(api: A, request: Request<A>, route: FaultRoute): Fault | undefined
}

/** Fault rules for requests in a cluster. They are tried in the order of their creation. */
export interface ClusterFaults {
  /**
   * Selects requests: `on('fetch', { topic: 'orders' })`. The returned builder sets their fault;
   * until then nothing happens.
   *
   * Throws INVALID_ARGUMENT for an API that does not exist, and for a filter that it cannot have:
   * requests about groups name no topics, requests about topics name no partitions.
   */
  on(api: FaultApi, where?: FaultFilter): FaultBuilder
  /**
   * The rules that have never fired: `expect(cluster.faults.unused()).toEqual([])` at the end of a
   * test checks that its faults have occurred.
   */
  unused(): FaultRule[]
  /** Removes every rule. A delay that has begun continues. */
  clear(): void
}

/** The id of a topic; undefined if no topic has this name. */
export type TopicIdOf = (topic: string) => string | undefined

export class FaultRules implements ClusterFaults {
  /** @internal */
  onAdded: (() => void) | undefined
  readonly #topicIdOf: TopicIdOf
  /** The rules that may still fire, in the order of their creation. */
  #rules: Rule[] = []
  #createdCount = 0

  constructor(topicIdOf: TopicIdOf) {
    this.#topicIdOf = topicIdOf
  }

  on(api: FaultApi, where: FaultFilter = {}): FaultBuilder {
    const name = apiOf(api)
    checkFilter(name, where)
    const filter = Object.freeze({ ...where })
    const topicIdOf = this.#topicIdOf
    const add = (effect: string, fault: RuleOptions['fault']): FaultRule => {
      const order = this.#createdCount++
      const options = { name, api, where: filter, effect, fault, order, topicIdOf }
      const rule = new Rule(options, () => this.#sort(rule))
      this.#rules.push(rule)
      this.onAdded?.()
      return rule
    }
    return {
      error(code, message = `a fault rule makes ${api} fail`) {
        checkErrorCode(code)
        checkMessage(message)
        const error = { errorCode: errorId(code), errorMessage: message }
        return add(`error ${code}`, target => ({ kind: 'error', target, error }))
      },
      delay(ms) {
        checkDelay(ms)
        return add(`delay of ${ms} ms`, () => ({ kind: 'delay', delayMs: ms }))
      },
      drop: () => add('request lost', () => ({ kind: 'drop' })),
      dropAnswer: () => add('answer lost', () => ({ kind: 'dropAnswer' })),
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
    for (const rule of this.#rules) {
      const fault = rule.fire(api, request, route)
      if (fault !== undefined) return fault
    }
    return undefined
  }

  /** A rule has changed: keeps it in its place while it may fire. */
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
  readonly fault: (target: Target) => Fault
  readonly order: number
  readonly topicIdOf: TopicIdOf
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

  /** Counts the request if it matches; its fault if the rule fires. */
  fire<A extends ApiName>(api: A, request: Request<A>, route: FaultRoute): Fault | undefined {
    const { name, fault } = this.#options
    if (api !== name || !this.#isOn(route)) return undefined
    const target = this.#target()
    if (!concerns(api, request, target)) return undefined
    if (++this.#matches <= this.#skips) return undefined
    this.#change(() => this.#count++)
    return fault(target)
  }

  /** The topic's id is looked up for each request: a recreated topic has another one. */
  #target(): Target {
    const { topic, partition } = this.where
    const topicId = topic === undefined ? undefined : this.#options.topicIdOf(topic)
    return { topic, topicId, partition }
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

/** The API with this name, as users write it. Throws INVALID_ARGUMENT. */
export function apiOf(word: unknown): ApiName {
  const name = API_BY_WORD.get(word as string)
  if (name === undefined) throw invalidArgument('api', oneOf(API_BY_WORD.keys()), word)
  return name
}

/** Checks a delay in milliseconds. Throws INVALID_ARGUMENT. */
export function checkDelay(ms: unknown): asserts ms is number {
  if (Number.isFinite(ms) && (ms as number) >= 0) return
  throw invalidArgument('delay', 'a number of milliseconds of at least 0', ms)
}

/** Checks that `given` is a whole number of at least `min`. Throws INVALID_ARGUMENT. */
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
    throw invalidArgument('topic', `none: ${api} requests name no topics`, topic)
  }
  if (partition !== undefined && naming !== 'partitions') {
    throw invalidArgument('partition', `none: ${api} requests name no partitions`, partition)
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
