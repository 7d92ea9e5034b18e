/* Lists, describes and deletes groups, and removes their members. */

import { show } from '../../base/options.js'
import { Limiter } from '../../base/tasks.js'
import { errorId, isPartlogError, PartlogError, toPartlogError } from '../../model/errors.js'
import { checkGroupId, compareText, type TopicPartition } from '../../model/names.js'
import { ANY_NODE } from '../../protocol/channel.js'
import {
  CONSUMER_PROTOCOL,
  decodeAssignment,
  decodeSubscribedTopics,
} from '../../protocol/messages/consumer-protocol.js'
import type { DescribeGroupsResponse } from '../../protocol/messages/group-admin.js'
import type { LeaveGroupRequest, LeaveGroupResponse } from '../../protocol/messages/groups.js'
import { checkFields, checkList, invalidArgument } from '../line/client-arguments.js'
import { throwIfError } from '../line/client-errors.js'
import { CoordinatorLine } from '../line/coordinator-line.js'
import type { AdminRequests } from './admin-requests.js'
import type {
  GroupDescription,
  GroupListing,
  GroupMemberDescription,
  GroupState,
  GroupType,
  ListGroupsOptions,
  RemoveGroupMembersRequest,
} from './group-admin-options.js'

type DescribedGroup = DescribeGroupsResponse['groups'][number]
type DescribedMember = DescribedGroup['members'][number]
export type LeavingMember = LeaveGroupRequest['members'][number]

/** Most groups in requests at the same time. */
const GROUPS_AT_ONCE_MAX = 16

const STATES: readonly string[] = [
  'Empty',
  'PreparingRebalance',
  'CompletingRebalance',
  'Stable',
  'Dead',
  'Assigning',
  'Reconciling',
] satisfies GroupState[]

const UNKNOWN_MEMBER_ID = errorId('UNKNOWN_MEMBER_ID')

export class GroupAdmin {
  readonly #requests: AdminRequests

  constructor(requests: AdminRequests) {
    this.#requests = requests
  }

  /** Asks every broker for the groups it coordinates; a retry asks the brokers alive by then. */
  async list(options: ListGroupsOptions = {}): Promise<GroupListing[]> {
    const statesFilter = checkedStates(options)
    const { channel } = this.#requests
    return await this.#requests.retrying(async () => {
      const { brokers } = await channel.send(ANY_NODE, 'Metadata', { topics: [] })
      const answers = await Promise.all(
        brokers.map(({ nodeId }) => channel.send(nodeId, 'ListGroups', { statesFilter })),
      )
      for (const { errorCode } of answers) throwIfError({ errorCode }, 'groups')
      const groups = answers.flatMap(answer => answer.groups)
      // While a coordinator moves, two brokers may list the same group.
      return [...new Map(groups.map(each => [each.groupId, each])).values()]
        .map(({ groupId, groupState = '', groupType = '', protocolType }) => ({
          groupId,
          type: (groupType.toLowerCase() || 'classic') as GroupType,
          state: (groupState || 'Unknown') as GroupState,
          protocolType,
        }))
        .sort((a, b) => compareText(a.groupId, b.groupId))
    })
  }

  async describe(groupId: string): Promise<GroupDescription> {
    checkGroupId(groupId)
    return await this.#describe(groupId)
  }

  async describeAll(groupIds: readonly string[]): Promise<GroupDescription[]> {
    return await this.#each(groupIds, groupId => this.#describe(groupId))
  }

  async #describe(groupId: string): Promise<GroupDescription> {
    const line = new CoordinatorLine(this.#requests.channel, groupId)
    return await this.#requests.retrying(() => describeGroup(line))
  }

  async delete(groupIds: readonly string[]): Promise<void> {
    await this.#each(groupIds, async groupId => {
      const line = new CoordinatorLine(this.#requests.channel, groupId)
      await this.#requests.retrying(async () => {
        const { results } = await line.ask('DeleteGroups', { groupsNames: [groupId] })
        const result = results.find(each => each.groupId === groupId)
        if (result === undefined) throw noAnswer(groupId)
        line.check(result, `deleting group ${groupId}`)
      })
    })
  }

  async removeMembers(request: RemoveGroupMembersRequest): Promise<void> {
    const { groupId, members } = checkedRemoval(request)
    const line = new CoordinatorLine(this.#requests.channel, groupId)
    await this.#requests.retrying(async () => {
      const leaving = members ?? leavingMembers(await describeGroup(line))
      const gone = await leaveGroup(line, leaving)
      const missing = members === undefined ? [] : gone.filter(each => !each.wasMember)
      if (missing.length === 0) return
      const names = missing.map(({ name }) => show(name)).join(', ')
      throw new PartlogError('UNKNOWN_MEMBER_ID', `group ${groupId} has no member ${names}`)
    })
  }

  /** Tries all groups, then throws the failures. */
  async #each<T>(
    groupIds: readonly string[],
    attempt: (groupId: string) => Promise<T>,
  ): Promise<T[]> {
    if (!Array.isArray(groupIds)) throw invalidArgument('group ids', 'an array', groupIds)
    for (const groupId of groupIds) checkGroupId(groupId)
    const limiter = new Limiter(GROUPS_AT_ONCE_MAX)
    const outcomes = await Promise.allSettled(
      groupIds.map(groupId => limiter.run(() => attempt(groupId))),
    )
    const failures = outcomes.flatMap(outcome =>
      outcome.status === 'rejected' ? [toPartlogError(outcome.reason)] : [],
    )
    const [first] = failures
    if (failures.length === 1) throw first
    if (first !== undefined) {
      const sentence = `${failures.length} of ${groupIds.length} groups failed: `
      const reasons = failures.map(({ message }) => message).join('; ')
      throw new PartlogError(first.code, sentence + reasons, { cause: first })
    }
    return outcomes.flatMap(outcome => (outcome.status === 'fulfilled' ? [outcome.value] : []))
  }
}

// ── asking a coordinator, once ───────────────────────────────────────────────────────────

/** Throws GROUP_ID_NOT_FOUND. */
export async function describeGroup(line: CoordinatorLine): Promise<GroupDescription> {
  try {
    return await describeClassic(line)
  } catch (error) {
    if (!isPartlogError(error, 'GROUP_ID_NOT_FOUND')) throw error
    // It may be of the other type; brokers before Kafka 3.7 do not know that one.
    return await describeConsumers(line).catch(() => {
      throw error
    })
  }
}

async function describeConsumers(line: CoordinatorLine): Promise<GroupDescription> {
  const { groupId } = line
  const { groups } = await line.ask('ConsumerGroupDescribe', { groupIds: [groupId] })
  const group = groups.find(each => each.groupId === groupId)
  if (group === undefined) throw noAnswer(groupId)
  line.check(group, `group ${groupId} does not exist`)
  return {
    groupId,
    type: 'consumer',
    state: group.groupState as GroupState,
    protocolType: CONSUMER_PROTOCOL,
    assignor: group.assignorName,
    coordinator: line.coordinator ?? ANY_NODE,
    members: group.members.map(member => ({
      memberId: member.memberId,
      groupInstanceId: member.instanceId ?? null,
      clientId: member.clientId,
      clientHost: member.clientHost,
      topics: member.subscribedTopicNames,
      partitions: member.assignment.topicPartitions.flatMap(({ topicName: topic, partitions }) =>
        partitions.map(partition => ({ topic, partition })),
      ),
    })),
  }
}

async function describeClassic(line: CoordinatorLine): Promise<GroupDescription> {
  const { groupId } = line
  const { groups } = await line.ask('DescribeGroups', { groups: [groupId] })
  const group = groups.find(each => each.groupId === groupId)
  if (group === undefined) throw noAnswer(groupId)
  line.check(group, `group ${groupId} does not exist`)
  // Brokers before Kafka 4.0 describe an unknown group as dead.
  if (group.groupState === 'Dead') {
    throw new PartlogError('GROUP_ID_NOT_FOUND', `group ${groupId} does not exist`)
  }
  return {
    groupId,
    type: 'classic',
    state: group.groupState as GroupState,
    protocolType: group.protocolType,
    assignor: group.protocolData === '' ? null : group.protocolData,
    coordinator: line.coordinator ?? ANY_NODE,
    members: group.members.map(member => describedMember(member, group.protocolType)),
  }
}

function describedMember(member: DescribedMember, protocolType: string): GroupMemberDescription {
  const { memberId, groupInstanceId = null, clientId, clientHost } = member
  const isConsumer = protocolType === CONSUMER_PROTOCOL
  return {
    memberId,
    groupInstanceId,
    clientId,
    clientHost,
    topics: isConsumer ? topicsOf(member) : [],
    partitions: isConsumer ? partitionsOf(member) : [],
  }
}

/** Any client may send invalid metadata, which must not hide the other members. */
function topicsOf({ memberMetadata }: DescribedMember): readonly string[] {
  try {
    return decodeSubscribedTopics(memberMetadata)
  } catch {
    return []
  }
}

function partitionsOf({ memberAssignment }: DescribedMember): readonly TopicPartition[] {
  try {
    return decodeAssignment(memberAssignment).partitions
  } catch {
    return []
  }
}

/** Static members are removed by their instance id, as in Kafka's admin: it stays valid. */
export function leavingMembers({ members }: GroupDescription): LeavingMember[] {
  return members.map(({ memberId, groupInstanceId }) =>
    groupInstanceId === null ? leaving(memberId) : leaving('', groupInstanceId),
  )
}

function leaving(memberId: string, groupInstanceId: string | null = null): LeavingMember {
  return { memberId, groupInstanceId, reason: 'removed by an admin' }
}

/** Removes members; `wasMember` is false for a member that was not in the group. */
export async function leaveGroup(
  line: CoordinatorLine,
  members: readonly LeavingMember[],
): Promise<{ readonly name: string; readonly wasMember: boolean }[]> {
  const { groupId } = line
  const answer: LeaveGroupResponse = await line.ask('LeaveGroup', { groupId, members })
  line.check(answer, `removing members from group ${groupId}`)
  return answer.members.map(({ memberId, groupInstanceId = null, errorCode }) => {
    const wasMember = errorCode !== UNKNOWN_MEMBER_ID
    const name = groupInstanceId ?? memberId
    if (wasMember) line.check({ errorCode }, `removing ${show(name)} from group ${groupId}`)
    return { name, wasMember }
  })
}

function noAnswer(groupId: string): PartlogError {
  const sentence = `the coordinator's answer does not name group ${groupId}`
  return new PartlogError('UNKNOWN_SERVER_ERROR', sentence)
}

// ── checks ───────────────────────────────────────────────────────────────────────────────

function checkedStates(options: ListGroupsOptions): readonly string[] {
  checkFields(options, 'listGroups', ['states'])
  const { states = [] } = options
  checkList(states, 'states')
  const wrong = [...states].find(state => !STATES.includes(state))
  if (wrong !== undefined) throw invalidArgument('states', `some of ${STATES.join(', ')}`, wrong)
  return [...states]
}

function checkedRemoval(request: RemoveGroupMembersRequest): {
  readonly groupId: string
  readonly members: readonly LeavingMember[] | undefined
} {
  checkFields(request, 'removeGroupMembers', ['groupId', 'members'])
  const { groupId, members } = request
  checkGroupId(groupId)
  if (members === undefined) return { groupId, members }
  if (!Array.isArray(members)) throw invalidArgument('members', 'an array', members)
  return { groupId, members: members.map(leavingOf) }
}

function leavingOf(member: object): LeavingMember {
  checkFields(member, 'member', ['memberId', 'groupInstanceId'])
  const { memberId, groupInstanceId } = member as Record<string, unknown>
  const given = memberId ?? groupInstanceId
  const isOne = memberId === undefined || groupInstanceId === undefined
  if (!isOne || typeof given !== 'string' || given === '') {
    throw invalidArgument('member', 'a memberId or a groupInstanceId', given)
  }
  return memberId === undefined ? leaving('', given) : leaving(given)
}
