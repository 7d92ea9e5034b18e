/**
 * FindCoordinator (v4–v6), JoinGroup and LeaveGroup, ListGroups, OffsetCommit and OffsetFetch
 * (v8–v9). The broker that leads the partition of `__consumer_offsets` coordinates all groups.
 */

import type { CommittedOffset } from '../coordinator/group.js'
import { PartlogError } from '../model/errors.js'
import { isInternalTopic } from '../model/names.js'
import {
  GROUP_KEY,
  type FindCoordinatorRequest,
  type FindCoordinatorResponse,
  type JoinGroupRequest,
  type JoinGroupResponse,
  type LeaveGroupRequest,
  type LeaveGroupResponse,
  type ListGroupsResponse,
  type OffsetCommitRequest,
  type OffsetCommitResponse,
  type OffsetFetchRequest,
  type OffsetFetchResponse,
} from '../protocol/messages/groups.js'
import type { BrokerContext } from './context.js'
import { errorFields, NO_ERROR } from './errors.js'

export async function findCoordinator(
  broker: BrokerContext,
  request: FindCoordinatorRequest,
): Promise<FindCoordinatorResponse> {
  const coordinators: FindCoordinatorResponse['coordinators'][number][] = []
  for (const key of request.coordinatorKeys) {
    try {
      if ((request.keyType ?? GROUP_KEY) !== GROUP_KEY) {
        throw new PartlogError('INVALID_REQUEST', 'only groups have a coordinator here')
      }
      const nodeId = await broker.coordinatorId()
      const { host = '', port = -1 } = broker.brokers.find(each => each.nodeId === nodeId) ?? {}
      coordinators.push({ key, nodeId, host, port, ...NO_ERROR })
    } catch (error) {
      coordinators.push({ key, nodeId: -1, host: '', port: -1, ...errorFields(error) })
    }
  }
  return { coordinators }
}

const NOBODY = { protocolName: null, leader: '', memberId: '', members: [] }

export async function joinGroup(
  broker: BrokerContext,
  request: JoinGroupRequest,
): Promise<JoinGroupResponse> {
  try {
    const { groupId, memberId, clientId = '', protocolType, protocols } = request
    const protocol = protocols[0]
    if (protocol === undefined) {
      throw new PartlogError('INCONSISTENT_GROUP_PROTOCOL', 'a member brings at least one protocol')
    }
    const member = (await broker.groups()).join(groupId, memberId, clientId, protocolType)
    return {
      ...NO_ERROR,
      generationId: member.generationId,
      protocolType,
      protocolName: protocol.name,
      leader: member.memberId,
      memberId: member.memberId,
      members: [{ memberId: member.memberId, metadata: protocol.metadata }],
    }
  } catch (error) {
    return { ...errorFields(error), ...NOBODY }
  }
}

export async function leaveGroup(
  broker: BrokerContext,
  request: LeaveGroupRequest,
): Promise<LeaveGroupResponse> {
  const coordinator = await broker.groups()
  const members = request.members.map(({ memberId }) => {
    try {
      coordinator.leave(request.groupId, memberId)
      return { memberId, errorCode: 0 }
    } catch (error) {
      return { memberId, errorCode: errorFields(error).errorCode }
    }
  })
  return { errorCode: 0, members }
}

/** Those this broker coordinates. */
export async function listGroups(broker: BrokerContext): Promise<ListGroupsResponse> {
  const coordinator = broker.isCoordinator ? await broker.groups() : undefined
  const groups = [...(coordinator?.groups ?? [])].map(({ groupId, state, member }) => ({
    groupId,
    protocolType: member?.protocolType ?? '',
    groupState: state,
    groupType: 'classic',
  }))
  return { errorCode: 0, groups }
}

// ── committed offsets ────────────────────────────────────────────────────────────────────

export async function offsetCommit(
  broker: BrokerContext,
  request: OffsetCommitRequest,
): Promise<OffsetCommitResponse> {
  const outcomes = new Map<string, unknown>()
  const offsets = request.topics.flatMap(({ name: topic, partitions }) =>
    partitions
      .filter(({ partitionIndex }) => isCommittable(broker, topic, partitionIndex, outcomes))
      .map(each => ({
        topic,
        partition: each.partitionIndex,
        offset: each.committedOffset,
        leaderEpoch: each.committedLeaderEpoch ?? -1,
        metadata: each.committedMetadata ?? '',
      })),
  )
  const error = await commitAll(broker, request, offsets)
  return {
    topics: request.topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partitionIndex }) => {
        const reason = outcomes.get(`${name}-${partitionIndex}`) ?? error
        const fields = reason === undefined ? NO_ERROR : errorFields(reason)
        return { partitionIndex, ...fields }
      }),
    })),
  }
}

async function commitAll(
  broker: BrokerContext,
  request: OffsetCommitRequest,
  offsets: Parameters<Awaited<ReturnType<BrokerContext['groups']>>['commit']>[0]['offsets'],
): Promise<unknown> {
  const { groupId, memberId = '', generationIdOrMemberEpoch: generationId = -1 } = request
  try {
    const coordinator = await broker.groups()
    await coordinator.commit({ groupId, memberId, generationId, offsets })
    return undefined
  } catch (error) {
    return error
  }
}

/** Notes why not when the partition is none that a group may commit for. */
function isCommittable(
  broker: BrokerContext,
  topic: string,
  partition: number,
  outcomes: Map<string, unknown>,
): boolean {
  const exists = broker.controller.image.topics.get(topic)?.partitions[partition] !== undefined
  if (exists && !isInternalTopic(topic)) return true
  const reason = new PartlogError(
    'UNKNOWN_TOPIC_OR_PARTITION',
    `partition ${topic}-${partition} does not exist`,
  )
  outcomes.set(`${topic}-${partition}`, reason)
  return false
}

const NOT_COMMITTED = { committedOffset: -1, committedLeaderEpoch: -1, metadata: '', errorCode: 0 }

export async function offsetFetch(
  broker: BrokerContext,
  request: OffsetFetchRequest,
): Promise<OffsetFetchResponse> {
  const groups: OffsetFetchResponse['groups'][number][] = []
  for (const { groupId, topics } of request.groups) {
    try {
      const coordinator = await broker.groupsIfAny()
      const committed = (await coordinator?.committedOffsets(groupId)) ?? []
      const answer = topics === null ? allTopics(committed) : wantedTopics(committed, topics)
      groups.push({ groupId, topics: answer })
    } catch (error) {
      groups.push({ groupId, topics: [], ...errorFields(error) })
    }
  }
  return { groups }
}

type GroupTopics = OffsetFetchResponse['groups'][number]['topics']

function allTopics(committed: readonly CommittedOffset[]): GroupTopics {
  const names = [...new Set(committed.map(({ topic }) => topic))]
  return names.map(name => ({
    name,
    partitions: committed.filter(({ topic }) => topic === name).map(fieldsOf),
  }))
}

function wantedTopics(
  committed: readonly CommittedOffset[],
  topics: readonly { readonly name: string; readonly partitionIndexes: readonly number[] }[],
): GroupTopics {
  return topics.map(({ name, partitionIndexes }) => ({
    name,
    partitions: partitionIndexes.map(partitionIndex => {
      const found = committed.find(
        ({ topic, partition }) => topic === name && partition === partitionIndex,
      )
      return found === undefined ? { partitionIndex, ...NOT_COMMITTED } : fieldsOf(found)
    }),
  }))
}

function fieldsOf({ partition, offset, leaderEpoch, metadata }: CommittedOffset) {
  return {
    partitionIndex: partition,
    committedOffset: offset,
    committedLeaderEpoch: leaderEpoch,
    metadata,
    errorCode: 0,
  }
}
