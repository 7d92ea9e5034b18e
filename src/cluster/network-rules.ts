/**
 * What people do to the network, checked and kept: who is parted from whom, which messages are
 * delayed or dropped.
 */

import type { Random } from '../base/random.js'
import { checkFields, checkFlag, invalidArgument } from '../client/line/client-arguments.js'
import type { ApiName } from '../protocol/api.js'
import { apiOf, checkDelay, checkWhole, type FaultApi } from './faults.js'

/** The node id of every client, where a request says who sent it. */
export const CLIENT = -2
/** The node id of the controller: no broker's, since those begin at 0. */
export const CONTROLLER = -3
/** What partlog 0.1.0 called the controller. It still does, while no broker has this id. */
const CONTROLLER_BEFORE = 0

/** A node as faults name it: the id of a broker, the controller, or all clients together. */
export type NetworkNode = number | 'controller' | 'client'

/** Which messages of the network are meant. What is left out stands for all. */
export interface NetworkLink {
  /** Who sends the requests. */
  readonly from?: NetworkNode | undefined
  /** The broker that is asked. */
  readonly to?: number | undefined
  /** Requests of this kind: 'produce', 'fetch' … */
  readonly api?: FaultApi | undefined
  /** The answers to these requests instead of the requests. Default false. */
  readonly answers?: boolean | undefined
}

/** How many messages are dropped. */
export interface DropOptions {
  /** At most so many: a whole number of at least 1. Default: no end. */
  readonly times?: number | undefined
  /** Each with this probability, from 0 to 1, by the cluster's chance. Default 1. */
  readonly probability?: number | undefined
}

/**
 * The simulated network between the brokers of a cluster and its clients (`cluster.network`). It
 * works until a test disturbs it; who is concerned sees NETWORK_EXCEPTION.
 *
 * Every method throws INVALID_ARGUMENT for arguments that make no sense, a node that there is not
 * among them; then nothing has changed.
 */
export interface ClusterNetwork {
  /**
   * Splits the network: nodes of different groups do not reach each other, in either direction, and
   * requests under way between them fail at once. Nodes of no group reach everybody: clients unless
   * a group names 'client', the controller unless one names 'controller'. Replaces an earlier
   * partition.
   *
   *   cluster.network.partition([1], [2, 3])        // 1 cannot replicate, but clients reach it
   *   cluster.network.partition([1, 'client'], ['controller', 2, 3])
   */
  partition(...groups: readonly (readonly NetworkNode[])[]): void
  /**
   * Takes partitions, delays and drops away. What is on its way arrives when it was going to. Fault
   * rules stay.
   */
  heal(): void
  /**
   * From now on messages of the link take so many milliseconds, by the cluster's clock. Of several
   * delays for a message the last one counts. Requests of one kind from one node to another (all
   * clients are one) arrive in the order in which they were sent, and so do the answers.
   */
  delay(ms: number, link?: NetworkLink): void
  /**
   * From now on messages of the link are lost. A lost request is not handled; a lost answer is that
   * of a request that was. Whoever waits for the answer sees that the connection was lost when the
   * message would have been sent.
   */
  drop(link?: NetworkLink, options?: DropOptions): void
}

/** What a message is told by; an answer goes by its request. */
export interface Passing {
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
  /** Ids of brokers, which arguments may name. */
  readonly #known = new Set<number>()
  /** The group of each node that is in one; undefined without a partition. */
  #groups: ReadonlyMap<number, number> | undefined
  #delays: Delay[] = []
  #drops: Drop[] = []

  constructor(random: Random) {
    this.#random = random
  }

  /** From now on arguments may name this broker. */
  know(nodeId: number): void {
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

  /** Is this message lost? If so, it counts for the times of its rule. */
  drops(passing: Passing, isAnswer: boolean): boolean {
    for (const drop of this.#drops) {
      if (!isOn(drop.link, passing, isAnswer) || !this.#isHit(drop.probability)) continue
      if (--drop.timesLeft === 0) this.#drops = this.#drops.filter(each => each !== drop)
      return true
    }
    return false
  }

  /** How long this message takes; 0 when no rule says so. */
  delayMs(passing: Passing, isAnswer: boolean): number {
    return this.#delays.findLast(({ link }) => isOn(link, passing, isAnswer))?.delayMs ?? 0
  }

  #isHit(probability: number): boolean {
    return probability === 1 || this.#random.int(CHANCES) < probability * CHANCES
  }

  // ── setting them; each throws INVALID_ARGUMENT before anything changes ─────────────────

  partition(groups: readonly (readonly NetworkNode[])[]): void {
    if (groups.length < 2) {
      const expected = 'at least two groups, because nodes of no group reach everybody'
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
    if (node === CONTROLLER_BEFORE) return CONTROLLER
    throw invalidArgument(what, `one of 'client', 'controller', ${this.#knownIds()}`, node)
  }

  /** The controller is called without messages, and clients are asked nothing. */
  #checkedReceiver(node: number): number {
    if (this.#known.has(node)) return node
    throw invalidArgument('to', `the id of a broker (${this.#knownIds()})`, node)
  }

  #knownIds(): string {
    return [...this.#known].sort((a, b) => a - b).join(', ')
  }
}

const CHANCES = 2 ** 31

function isOn({ from, to, api, answers }: Link, passing: Passing, isAnswer: boolean): boolean {
  if (answers !== isAnswer) return false
  if (api !== undefined && api !== passing.api) return false
  return (from === undefined || from === passing.from) && (to === undefined || to === passing.to)
}

function isSameLink(a: Link, b: Link): boolean {
  return a.from === b.from && a.to === b.to && a.api === b.api && a.answers === b.answers
}
