/* A group as the admin API describes it. */

import { NO_BYTES } from '../../base/bytes.js'
import type { TopicPartition } from '../../model/names.js'
import { CONSUMER_PROTOCOL, encodeAssignment } from '../../protocol/messages/consumer-protocol.js'
import type { ConsumerGroup, ConsumerGroupState } from '../consumer-groups/consumer-group.js'
import { listed, type OwnedPartitions } from '../consumer-groups/partition-sets.js'
import type { TopicsView } from '../consumer-groups/topics-view.js'
import type { GroupState } from './group-states.js'
import type { Membership } from './membership.js'

export interface GroupView {
  readonly groupId: string
  /** The protocol of its members. */
  readonly type: 'classic' | 'consumer'
  readonly state: GroupState | ConsumerGroupState
  readonly protocolType: string
  /** The name of the assignor. */
  readonly protocolName: string
  readonly members: readonly {
    readonly memberId: string
    readonly groupInstanceId: string | null
    readonly clientId: string
    readonly clientHost: string
    readonly metadata: Uint8Array
    readonly assignment: Uint8Array
  }[]
}

/** The view of a group with the consumer protocol: it has no metadata of an assignor. */
export function viewOfConsumers(
  { groupId, state, members }: ConsumerGroup,
  topics: TopicsView,
): GroupView {
  return {
    groupId,
    type: 'consumer',
    state,
    protocolType: CONSUMER_PROTOCOL,
    protocolName: '',
    members: [...members.values()].map(member => ({
      memberId: member.memberId,
      groupInstanceId: member.instanceId,
      clientId: member.clientId,
      clientHost: member.clientHost,
      metadata: NO_BYTES,
      assignment: encodeAssignment(namedPartitions(member.assigned, topics)),
    })),
  }
}

/** What a member owns, by the names of topics; deleted topics are left out. */
function namedPartitions(owned: OwnedPartitions, topics: TopicsView): TopicPartition[] {
  return listed(owned).flatMap(({ topicId, partitions }) => {
    const topic = topics.findById(topicId)?.name
    return topic === undefined ? [] : partitions.map(partition => ({ topic, partition }))
  })
}

/** Shows the members' metadata only of a stable group: in other states it is about to change. */
export function viewOf(groupId: string, membership: Membership | undefined): GroupView {
  if (membership === undefined) {
    const nothing = { protocolType: '', protocolName: '', members: [] }
    return { groupId, type: 'classic', state: 'Empty', ...nothing }
  }
  const { state, protocolType, protocolName, members } = membership
  const isStable = state === 'Stable'
  return {
    groupId,
    type: 'classic',
    state,
    protocolType: protocolType ?? '',
    protocolName: isStable ? (protocolName ?? '') : '',
    members: [...members].map(member => ({
      memberId: member.memberId,
      groupInstanceId: member.groupInstanceId,
      clientId: member.clientId,
      clientHost: member.clientHost,
      metadata: isStable ? member.metadataFor(protocolName) : NO_BYTES,
      assignment: member.assignment,
    })),
  }
}
