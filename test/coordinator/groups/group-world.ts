/** A coordinator on a journal in an array, and members who say what a test tells them. */

import { seededRandom } from '../../../src/base/random.js'
import { VirtualClock } from '../../../src/base/virtual-clock.js'
import {
  GroupCoordinator,
  type GroupCoordinatorSettings,
} from '../../../src/coordinator/groups/group-coordinator.js'
import type { GroupView } from '../../../src/coordinator/groups/group-view.js'
import {
  MemberIdRequired,
  type JoinAnswer,
  type JoinRequest,
  type SyncAnswer,
} from '../../../src/coordinator/groups/member.js'
import type { OffsetToCommit } from '../../../src/coordinator/groups/offset-records.js'
import type {
  RebalanceEvent,
  SharedGroupEvent,
} from '../../../src/coordinator/groups/rebalance-reporter.js'
import type { PartlogError } from '../../../src/model/errors.js'
import { encodeSubscription } from '../../../src/protocol/messages/consumer-protocol.js'
import { ArrayJournal } from '../fold/array-journal.js'

export const SETTINGS: GroupCoordinatorSettings = {
  groupMinSessionTimeoutMs: 6_000,
  groupMaxSessionTimeoutMs: 1_800_000,
  groupInitialRebalanceDelayMs: 0,
  groupMaxSize: 100,
  offsetsRetentionMinutes: 10_080,
}

/** Two coordinators do not give out the same ids. */
let worlds = 0

export interface GroupWorld {
  readonly journal: ArrayJournal
  readonly clock: VirtualClock
  readonly groups: GroupCoordinator
  readonly rebalances: RebalanceEvent[]
  readonly shared: SharedGroupEvent[]
  readonly failures: string[]
}

export async function groupWorld(
  journal = new ArrayJournal(),
  settings: Partial<GroupCoordinatorSettings> = {},
  clock = new VirtualClock(),
): Promise<GroupWorld> {
  const rebalances: RebalanceEvent[] = []
  const shared: SharedGroupEvent[] = []
  const failures: string[] = []
  const listener = {
    rebalanced: (event: RebalanceEvent) => void rebalances.push(event),
    shared: (event: SharedGroupEvent) => void shared.push(event),
    changed: () => undefined,
    failed: (sentence: string) => void failures.push(sentence),
  }
  const groups = await GroupCoordinator.load(journal, {
    clock,
    listener,
    random: seededRandom(++worlds),
    settings: { ...SETTINGS, ...settings },
  })
  return { journal, clock, groups, rebalances, shared, failures }
}

/** What a member says that reads `topics`. */
export function saying(topics: readonly string[], names = ['range']) {
  const metadata = encodeSubscription({ topics, ownedPartitions: [], generationId: -1 })
  return names.map(name => ({ name, metadata }))
}

/** How a member joins that nobody has heard of. */
export function newcomer(request: Partial<JoinRequest> = {}): JoinRequest {
  return {
    memberId: '',
    groupInstanceId: null,
    clientId: 'app',
    clientHost: 'here',
    requiresMemberId: false,
    sessionTimeoutMs: 10_000,
    rebalanceTimeoutMs: 60_000,
    protocolType: 'consumer',
    protocols: saying(['orders']),
    ...request,
  }
}

export const at = (
  topic: string,
  partition: number,
  offset: number,
  metadata = '',
): OffsetToCommit => ({ topic, partition, offset, leaderEpoch: 2, metadata })

/** A commit of one who is no member. */
export const outside = (groupId: string, ...offsets: OffsetToCommit[]) => ({
  groupId,
  memberId: '',
  groupInstanceId: null,
  generationId: -1,
  offsets,
})

/** A call, and what has come of it so far. */
export interface Call<T> {
  readonly promise: Promise<T>
  answer?: T
  error?: PartlogError
}

export function called<T>(run: () => Promise<T> | T): Call<T> {
  const promise = (async () => await run())()
  const call: Call<T> = { promise }
  promise.then(
    answer => (call.answer = answer),
    (error: PartlogError) => (call.error = error),
  )
  return call
}

/** In a word: what was refused, what waits, what was answered. */
export function outcomeOf(call: Call<unknown>): string {
  if (call.error !== undefined) return call.error.code
  return 'answer' in call ? 'yes' : 'waits'
}

/** Somebody who is, was or will be in the group. */
export class Someone {
  memberId = ''
  generationId = -1
  readonly groupInstanceId: string | null
  readonly request: JoinRequest

  constructor(
    readonly groups: () => GroupCoordinator,
    request: Partial<JoinRequest> = {},
    readonly groupId = 'g',
  ) {
    this.request = newcomer(request)
    this.groupInstanceId = this.request.groupInstanceId
  }

  get name() {
    const { memberId, groupInstanceId, generationId } = this
    return { memberId, groupInstanceId, generationId }
  }

  join(more: Partial<JoinRequest> = {}): Call<JoinAnswer> {
    return called(async () => {
      const { memberId } = this
      const request = { ...this.request, memberId, ...more }
      const answer = await this.groups()
        .join(this.groupId, request)
        .catch((error: unknown) => {
          if (error instanceof MemberIdRequired) this.memberId = error.memberId
          throw error
        })
      this.memberId = answer.memberId
      this.generationId = answer.generationId
      return answer
    })
  }

  /** The leader says who gets what; each gets its own name. */
  sync(...all: readonly Someone[]): Call<SyncAnswer> {
    const assignments = all.map(({ memberId }) => ({ memberId, assignment: Buffer.from(memberId) }))
    const protocol = { protocolType: this.request.protocolType, protocolName: null }
    return called(() =>
      this.groups().sync(this.groupId, { ...this.name, ...protocol, assignments }),
    )
  }

  heartbeat(): Call<void> {
    return called(() => this.groups().heartbeat(this.groupId, this.name))
  }

  commit(offset = 1): Call<unknown> {
    const { groupId } = this
    const offsets = [at('orders', 0, offset)]
    return called(() => this.groups().commit({ groupId, ...this.name, offsets }))
  }

  leave(): Call<void> {
    return called(() => {
      const [error] = this.groups().leave(this.groupId, [{ ...this.name, reason: '' }])
      if (error !== undefined) throw error
    })
  }
}

export interface Party extends GroupWorld {
  readonly all: Someone[]
  readonly view: () => GroupView
}

/** Members that have joined together: the first leads, generation 1 waits for its assignment. */
export async function party(
  requests: readonly Partial<JoinRequest>[],
  settings: Partial<GroupCoordinatorSettings> = {},
  journal = new ArrayJournal(),
): Promise<Party> {
  const world = await groupWorld(journal, { groupInitialRebalanceDelayMs: 1_000, ...settings })
  const all = requests.map(request => new Someone(() => world.groups, request))
  const joins = all.map(each => each.join())
  await world.clock.advance(2_000)
  await Promise.all(joins.map(({ promise }) => promise))
  return { ...world, all, view: () => world.groups.describe('g') }
}

/** The same, and each has what it was assigned. */
export async function stableParty(
  requests: readonly Partial<JoinRequest>[],
  settings?: Partial<GroupCoordinatorSettings>,
  journal?: ArrayJournal,
): Promise<Party> {
  const world = await party(requests, settings, journal)
  const syncs = world.all.map(each => each.sync(...world.all))
  await Promise.all(syncs.map(({ promise }) => promise))
  return world
}
