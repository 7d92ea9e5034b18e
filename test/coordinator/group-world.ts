/** A coordinator on a journal in an array, and members who say what a test tells them. */

import { seededRandom } from '../../src/base/random.js'
import { VirtualClock } from '../../src/base/virtual-clock.js'
import {
  GroupCoordinator,
  type GroupCoordinatorSettings,
  type OffsetToCommit,
} from '../../src/coordinator/group-coordinator.js'
import { ArrayJournal } from '../../src/coordinator/journal.js'
import type { JoinRequest } from '../../src/coordinator/member.js'
import type { RebalanceEvent, SharedGroupEvent } from '../../src/coordinator/rebalance-news.js'
import { encodeSubscription } from '../../src/protocol/messages/consumer-protocol.js'

export const SETTINGS: GroupCoordinatorSettings = {
  groupMinSessionTimeoutMs: 6_000,
  groupMaxSessionTimeoutMs: 1_800_000,
  groupInitialRebalanceDelayMs: 0,
  groupMaxSize: 100,
  offsetsRetentionMinutes: 10_080,
}

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
    ...{ clock, listener, random: seededRandom(1) },
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
  ...{ groupId, memberId: '', groupInstanceId: null, generationId: -1 },
  offsets,
})
