/** A coordinator on a journal in an array, topics that change, and members with the new protocol. */

import { seededRandom } from '../../../src/base/random.js'
import { VirtualClock } from '../../../src/base/virtual-clock.js'
import type { HeartbeatAnswer } from '../../../src/coordinator/consumer-groups/consumer-coordinator.js'
import type { ConsumerGroup } from '../../../src/coordinator/consumer-groups/consumer-group.js'
import type { ConsumerHeartbeat } from '../../../src/coordinator/consumer-groups/heartbeat-check.js'
import { listed } from '../../../src/coordinator/consumer-groups/partition-sets.js'
import type { KnownTopic, TopicsView } from '../../../src/coordinator/consumer-groups/topics-view.js'
import { ArrayJournal } from '../fold/array-journal.js'
import { GroupCoordinator } from '../../../src/coordinator/groups/group-coordinator.js'
import { SETTINGS } from '../groups/group-world.js'

/** Topics by name, with their numbers of partitions; the id of a topic is its name in capitals. */
export class Topics implements TopicsView {
  version = 0
  readonly #counts = new Map<string, number>()

  constructor(counts: Readonly<Record<string, number>>) {
    for (const [name, count] of Object.entries(counts)) this.set(name, count)
  }

  set(name: string, count: number): void {
    this.version++
    if (count === 0) this.#counts.delete(name)
    else this.#counts.set(name, count)
  }

  find(name: string): KnownTopic | undefined {
    const partitionCount = this.#counts.get(name)
    return partitionCount === undefined ? undefined : { name, topicId: idOf(name), partitionCount }
  }

  findById(topicId: string): KnownTopic | undefined {
    return [...this.#counts.keys()].map(name => this.find(name)).find(t => t?.topicId === topicId)
  }

  get names(): Iterable<string> {
    return this.#counts.keys()
  }
}

/** A valid id of a topic: its name and A's. */
export const idOf = (name: string): string => name.slice(0, 21).padEnd(22, 'A')

export interface ConsumerWorld {
  readonly clock: VirtualClock
  readonly topics: Topics
  readonly journal: ArrayJournal
  readonly groups: GroupCoordinator
  readonly group: () => ConsumerGroup
  readonly failures: string[]
}

export async function consumerWorld(
  counts: Readonly<Record<string, number>> = { orders: 3 },
  journal = new ArrayJournal(),
  more: { readonly isFirstLoad?: boolean; readonly clock?: VirtualClock; maxSize?: number } = {},
): Promise<ConsumerWorld> {
  const { clock = new VirtualClock(), isFirstLoad = false, maxSize = 100 } = more
  const topics = new Topics(counts)
  const failures: string[] = []
  const groups = await GroupCoordinator.load(journal, {
    clock,
    isFirstLoad,
    random: seededRandom(1),
    topics: () => topics,
    settings: { ...SETTINGS, groupMaxSize: maxSize },
    listener: {
      rebalanced: () => undefined,
      shared: () => undefined,
      changed: () => undefined,
      failed: sentence => void failures.push(sentence),
    },
  })
  const group = (): ConsumerGroup => groups.describeConsumers('g')
  return { clock, topics, journal, groups, group, failures }
}

/** What a heartbeat without news says. */
const SILENT = {
  instanceId: null,
  rackId: null,
  clientId: 'app',
  clientHost: '/there',
  rebalanceTimeoutMs: -1,
  topics: null,
  pattern: null,
  assignor: null,
  owned: null,
}

export type Words = Partial<Omit<ConsumerHeartbeat, 'memberId' | 'epoch'>>

/** A member: it sends heartbeats, and reads what it is told when it likes. */
export class Reader {
  epoch = 0
  /** What it reads now, as `t-0`. */
  readonly owned = new Set<string>()
  /** It has missed an answer: it says everything, so that it is told everything. */
  saysAll = false
  /** What it was told last. */
  told = new Set<string>()

  constructor(
    readonly groups: () => GroupCoordinator,
    readonly memberId: string,
    readonly words: Words = {},
  ) {}

  async join(more: Words = {}): Promise<HeartbeatAnswer> {
    this.abandon()
    const topics = more.pattern === undefined && this.words.pattern === undefined ? ['orders'] : null
    const request = { topics, rebalanceTimeoutMs: 60_000, owned: [], ...this.words, ...more }
    return await this.beat(request)
  }

  async beat(words: Words = { owned: this.#owned }): Promise<HeartbeatAnswer> {
    const { instanceId = null } = this.words
    const who = { memberId: this.memberId, epoch: this.epoch, instanceId }
    const all = this.saysAll ? { topics: ['orders'], rebalanceTimeoutMs: 60_000, ...this.words } : {}
    const beat = { ...SILENT, ...who, ...all, ...words }
    const answer = await this.groups().consumers.heartbeat('g', beat)
    this.saysAll = false
    this.epoch = answer.epoch
    if (answer.assignment !== null) {
      this.told = new Set(
        answer.assignment.flatMap(({ topicId, partitions }) =>
          partitions.map(partition => `${topicId}-${partition}`),
        ),
      )
    }
    return answer
  }

  /** Gives back what it shall not have. */
  release(): void {
    for (const each of [...this.owned]) if (!this.told.has(each)) this.owned.delete(each)
  }

  /** Begins to read what it was told to. */
  take(): void {
    for (const each of this.told) this.owned.add(each)
  }

  /** A heartbeat, and what it asks for. */
  async turn(): Promise<void> {
    await this.beat()
    this.release()
    await this.beat()
    this.take()
  }

  /** It is out of the group, and reads nothing. */
  abandon(): void {
    this.epoch = 0
    this.owned.clear()
    this.told.clear()
  }

  async leave(epoch = -1): Promise<HeartbeatAnswer> {
    this.abandon()
    this.epoch = epoch
    return await this.beat({})
  }

  /** What it reads, or may begin to read without another word. */
  get #owned() {
    const sets = new Map<string, Set<number>>()
    for (const each of new Set([...this.owned, ...this.told])) {
      const at = each.lastIndexOf('-')
      const topicId = each.slice(0, at)
      sets.set(topicId, (sets.get(topicId) ?? new Set()).add(Number(each.slice(at + 1))))
    }
    return listed(sets)
  }
}

/** What each member owns, as `a: orders0,1`. */
export function shares(group: ConsumerGroup): string[] {
  return [...group.members.values()]
    .map(({ memberId, assigned }) => {
      const owned = listed(assigned).map(
        ({ topicId, partitions }) => `${topicId.replace(/A+$/, '')}${partitions.join()}`,
      )
      return `${memberId}: ${owned.join(' ')}`
    })
    .sort()
}
