/*
 * The rules that a test sets for the network, checked: which nodes are separated, which messages
 * are delayed or dropped.
 */

import type { Random } from '../../base/random.js'
import { checkFields, checkFlag, invalidArgument } from '../../client/line/client-arguments.js'
import type { ApiName } from '../../protocol/api.js'
import { apiOf, checkDelay, checkWhole, type FaultApi } from '../faults/faults.js'

/** The sender's node id of every client. */
export const CLIENT = -2
/** The node id of the controller; ids of brokers are 0 or greater. */
export const CONTROLLER = -3
/** node.id in the controller's meta.properties: Kafka's files have no node below 0. */
export const CONTROLLER_ON_DISK = 0
/** The controller leads the metadata log in one epoch forever. */
export const CONTROLLER_EPOCH = 0
/** The controller's id in partlog 0.1.0. It still names the controller if no broker has id 0. */
const CONTROLLER_IN_0_1_0 = 0

/** A node of the network: the id of a broker, the controller, or all clients together. */
export type NetworkNode = number | 'controller' | 'client'

/** Selects messages of the network. An omitted field matches all. */
export interface NetworkLink {
  /** The sender of the requests. */
  readonly from?: NetworkNode | undefined
  /** The broker that receives the requests. */
  readonly to?: number | undefined
  /** Requests of this kind: 'produce', 'fetch' … */
  readonly api?: FaultApi | undefined
  /** Select the answers to these requests, not the requests. Default false. */
  readonly answers?: boolean | undefined
}

/** How many messages are dropped. */
export interface DropOptions {
  /** How many messages are dropped at most: a whole number of at least 1. Default: no limit. */
  readonly times?: number | undefined
  /** The probability of each drop, from 0 to 1, by the cluster's `random`. Default 1. */
  readonly probability?: number | undefined
}

/**
 * The simulated network between brokers, controller and clients of a cluster (`cluster.network`).
 * It works until a test disturbs it; affected requests fail with NETWORK_EXCEPTION.
 *
 * Every method throws INVALID_ARGUMENT for invalid arguments, for example a node that does not
 * exist; then nothing has changed.
 */
export interface ClusterNetwork {
  /**
   * Splits the network: nodes of different groups do not reach each other, in either direction, and
   * requests in flight between them fail at once. A node in no group reaches all others: so do
   * clients unless a group has 'client', and the controller unless one has 'controller'. Replaces
   * an earlier partition.
   *
   *   cluster.network.partition([1], [2, 3])        // 1 cannot replicate, but clients reach it
   *   cluster.network.partition([1, 'client'], ['controller', 2, 3])
   */
  partition(...groups: readonly (readonly NetworkNode[])[]): void
  /**
   * Removes partitions, delays and drops. Messages that are delayed already still arrive at their
   * time. Fault rules stay.
   */
  heal(): void
  /**
   * From now on messages of the link take `ms` milliseconds, by the cluster's clock. If several
   * delays match a message, the last one applies. Requests of one kind from one node to another
   * (all clients count as one) arrive in the order in which they were sent, and so do the answers.
   */
  delay(ms: number, link?: NetworkLink): void
  /**
   * From now on messages of the link are lost. A lost request is not handled; if the answer is
   * lost, the request was handled. The sender fails with NETWORK_EXCEPTION when the message is
   * lost.
   */
  drop(link?: NetworkLink, options?: DropOptions): void
}

/** The route of a message; an answer has that of its request. */
export interface Route {
  readonly api: ApiName
  readonly from: number
  readonly to: number
}

interface Link {
  readonly from: number | undefined
  readonly to: number | undefined
  readonly api: ApiName | undefined
  readonly answers: boolean
}

interface Delay {
  readonly link: Link
  readonly delayMs: number
}

interface Drop {
  readonly link: Link
  readonly probability: number
  timesLeft: number
}

/** The partition, delays and drops that are in force. */
export class NetworkRules {
  readonly #random: Random
  /** Ids of brokers that arguments may name. */
  readonly #known = new Set<number>()
  /** The group of each node that is in one; undefined if the network is not split. */
  #groups: ReadonlyMap<number, number> | undefined
  #delays: Delay[] = []
  #drops: Drop[] = []

  constructor(random: Random) {
    this.#random = random
  }

  /** From now on arguments may name this broker. */
  addBroker(nodeId: number): void {
    this.#known.add(nodeId)
  }

  isKnown(nodeId: number): boolean {
    return this.#known.has(nodeId)
  }

  get isEmpty(): boolean {
    const { length } = this.#delays
    return length === 0 && this.#drops.length === 0 && this.#groups === undefined
  }

  reaches(a: number, b: number): boolean {
    if (this.#groups === undefined) return true
    const [groupA, groupB] = [this.#groups.get(a), this.#groups.get(b)]
    return groupA === undefined || groupB === undefined || groupA === groupB
  }

  /** True if this message is lost; then it counts for the `times` of its rule. */
  drops(route: Route, isAnswer: boolean): boolean {
    for (const drop of this.#drops) {
      if (!matches(drop.link, route, isAnswer) || !this.#occurs(drop.probability)) continue
      if (--drop.timesLeft === 0) this.#drops = this.#drops.filter(each => each !== drop)
      return true
    }
    return false
  }

  /** How long this message takes; 0 without a matching rule. */
  delayMs(route: Route, isAnswer: boolean): number {
    return this.#delays.findLast(({ link }) => matches(link, route, isAnswer))?.delayMs ?? 0
  }

  #occurs(probability: number): boolean {
    return probability === 1 || this.#random.int(CHANCES) < probability * CHANCES
  }

  // ── setting rules; each throws INVALID_ARGUMENT before anything changes ────────────────

  partition(groups: readonly (readonly NetworkNode[])[]): void {
    if (groups.length < 2) {
      const expected = 'at least two groups, because a node in no group reaches all others'
      throw invalidArgument('partition', expected, groups.length)
    }
    const found = new Map<number, number>()
    for (const [index, group] of groups.entries()) {
      if (!Array.isArray(group) || group.length === 0) {
        throw invalidArgument('partition', 'groups of at least one node', group)
      }
      for (const node of group as readonly NetworkNode[]) {
        const nodeId = this.#checkedNode(node, 'partition')
        if (found.has(nodeId)) throw invalidArgument('partition', 'each node once', node)
        found.set(nodeId, index)
      }
    }
    this.#groups = found
  }

  heal(): void {
    this.#groups = undefined
    this.#delays = []
    this.#drops = []
  }

  delay(ms: number, link: NetworkLink): void {
    checkDelay(ms)
    const delay = { link: this.#checkedLink(link), delayMs: ms }
    this.#delays = [...this.#delays.filter(each => !isSameLink(each.link, delay.link)), delay]
  }

  drop(link: NetworkLink, options: DropOptions): void {
    checkFields(options, 'drop option', ['times', 'probability'])
    const { times = Infinity, probability = 1 } = options
    if (options.times !== undefined) checkWhole(times, 'times', 1)
    if (!(typeof probability === 'number' && probability >= 0 && probability <= 1)) {
      throw invalidArgument('probability', 'a number from 0 to 1', probability)
    }
    const drop = { link: this.#checkedLink(link), probability, timesLeft: times }
    this.#drops = [...this.#drops, drop]
  }

  #checkedLink(link: NetworkLink): Link {
    checkFields(link, 'link', ['from', 'to', 'api', 'answers'])
    const { from, to, api, answers } = link
    checkFlag(answers, 'answers')
    return {
      from: from === undefined ? undefined : this.#checkedNode(from, 'from'),
      to: to === undefined ? undefined : this.#checkedReceiver(to),
      api: api === undefined ? undefined : apiOf(api),
      answers: answers ?? false,
    }
  }

  #checkedNode(node: NetworkNode, what: string): number {
    if (node === 'client') return CLIENT
    if (node === 'controller') return CONTROLLER
    if (this.#known.has(node)) return node
    if (node === CONTROLLER_IN_0_1_0) return CONTROLLER
    throw invalidArgument(what, `one of 'client', 'controller', ${this.#knownIds()}`, node)
  }

  /** Only brokers receive messages: brokers call the controller directly, clients only ask. */
  #checkedReceiver(node: number): number {
    if (this.#known.has(node)) return node
    throw invalidArgument('to', `the id of a broker (${this.#knownIds()})`, node)
  }

  #knownIds(): string {
    return [...this.#known].sort((a, b) => a - b).join(', ')
  }
}

const CHANCES = 2 ** 31

function matches({ from, to, api, answers }: Link, route: Route, isAnswer: boolean): boolean {
  if (answers !== isAnswer) return false
  if (api !== undefined && api !== route.api) return false
  return (from === undefined || from === route.from) && (to === undefined || to === route.to)
}

function isSameLink(a: Link, b: Link): boolean {
  return a.from === b.from && a.to === b.to && a.api === b.api && a.answers === b.answers
}
