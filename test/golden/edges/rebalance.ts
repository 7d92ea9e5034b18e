/** Two members of a group, and members with names of their own. */

import type { Request } from '../../../src/protocol/api.js'
import { joining, SUBSCRIPTION, type Ask, type Join, type Place } from './place.js'

type Sync = Request<'SyncGroup'>

const REBALANCE_IN_PROGRESS = 27
const NOTHING = { protocolType: 'consumer', protocolName: 'range', assignments: [] }

const sharesOf = (...members: readonly string[]): Sync['assignments'] =>
  members.map((memberId, index) => ({ memberId, assignment: Buffer.from(`share ${index}`) }))

export async function rebalance(place: Place): Promise<void> {
  await pair(place)
  await named(place)
}

/** A member that has got its id, and asks under it. */
async function known(ask: Ask, title: string, request: Join): Promise<string> {
  const { memberId } = await ask(`${title} gets an id`, 'JoinGroup', 9, request)
  return memberId
}

async function pair({ ask, other, until }: Place): Promise<void> {
  const groupId = 'pair'
  const one = await known(ask, 'one of two', joining(groupId))
  const own = { groupId, memberId: one }
  await ask('one of two, alone', 'JoinGroup', 9, joining(groupId, own))
  const assignments = sharesOf(one)
  await ask('one of two, alone', 'SyncGroup', 5, {
    ...own,
    generationId: 1,
    ...NOTHING,
    assignments,
  })
  const two = await known(other, 'the other of two', joining(groupId))
  const theirs = { groupId, memberId: two }
  const both = [
    { name: 'roundrobin', metadata: SUBSCRIPTION },
    { name: 'range', metadata: SUBSCRIPTION },
  ]
  const joined = other('the other of two, with another wish', 'JoinGroup', 9, {
    ...joining(groupId, theirs),
    protocols: both,
  })
  await until(REBALANCE_IN_PROGRESS, 'Heartbeat', 4, { ...own, generationId: 1 })
  await whileItRebalances(ask, own, 'while they come', 1)
  await ask('one of two, again', 'JoinGroup', 9, joining(groupId, own))
  await joined
  await whileItRebalances(ask, own, 'while nothing is assigned', 2)
  const synced = other('the other of two', 'SyncGroup', 5, {
    ...theirs,
    generationId: 2,
    ...NOTHING,
  })
  await ask('one of two, for both', 'SyncGroup', 5, {
    ...own,
    generationId: 2,
    ...NOTHING,
    assignments: sharesOf(one, two),
  })
  await synced
  await ask('of the generation before', 'Heartbeat', 4, { ...own, generationId: 1 })
  await ask('of two', 'DescribeGroups', 6, { groups: [groupId] })
  await apart(ask, { groupId, one, two })
}

async function whileItRebalances(
  ask: Ask,
  own: { readonly groupId: string; readonly memberId: string },
  when: string,
  generationId: number,
): Promise<void> {
  const { groupId } = own
  const partitions = [{ partitionIndex: 0, committedOffset: 1, committedMetadata: '' }]
  const topics = [{ name: 'orders', partitions }]
  const inGeneration = { generationIdOrMemberEpoch: generationId }
  await ask(`${when}`, 'Heartbeat', 4, { ...own, generationId })
  await ask(`${when}`, 'OffsetCommit', 8, { ...own, ...inGeneration, topics })
  await ask(`${when}, by nobody`, 'OffsetCommit', 8, { groupId, topics })
  await ask(`${when}`, 'DescribeGroups', 6, { groups: [groupId] })
  await ask(`${when}`, 'DeleteGroups', 2, { groupsNames: [groupId] })
  await ask(`${when}`, 'ListGroups', 5, {})
  if (generationId > 1) return
  await ask(`${when}`, 'SyncGroup', 5, { ...own, generationId, ...NOTHING })
}

async function apart(
  ask: Ask,
  { groupId, one, two }: { readonly groupId: string; readonly one: string; readonly two: string },
): Promise<void> {
  const own = { groupId, memberId: one }
  await ask('the other of two', 'LeaveGroup', 5, { groupId, members: [{ memberId: two }] })
  await ask('after the other has left', 'Heartbeat', 4, { ...own, generationId: 2 })
  await ask('the one that is left', 'JoinGroup', 9, joining(groupId, own))
  const assignments = sharesOf(one)
  await ask('the one that is left', 'SyncGroup', 5, {
    ...own,
    generationId: 3,
    ...NOTHING,
    assignments,
  })
  await ask('the last', 'LeaveGroup', 5, { groupId, members: [{ memberId: one }] })
  await ask('after the last', 'DescribeGroups', 6, { groups: [groupId] })
}

async function named({ ask, other }: Place): Promise<void> {
  const groupId = 'named'
  const name = { groupInstanceId: 'desk-1' }
  const join = (asking: Ask, title: string, more: Partial<Join> = {}) =>
    asking(title, 'JoinGroup', 9, joining(groupId, { ...name, ...more }))
  const { memberId: first } = await join(ask, 'a member with a name')
  const own = { groupId, memberId: first, ...name }
  await ask('a member with a name', 'SyncGroup', 5, {
    ...own,
    generationId: 1,
    ...NOTHING,
    assignments: sharesOf(first),
  })
  await ask('with its name', 'Heartbeat', 4, { ...own, generationId: 1 })
  await ask('without its name', 'Heartbeat', 4, { groupId, memberId: first, generationId: 1 })
  const { memberId: second } = await join(other, 'the same name, from elsewhere')
  await ask('the one before', 'Heartbeat', 4, { ...own, generationId: 1 })
  await ask('the one before, of another generation', 'Heartbeat', 4, { ...own, generationId: 9 })
  await join(ask, 'the one before', { memberId: first })
  await ask('the one before', 'SyncGroup', 5, { ...own, generationId: 1, ...NOTHING })
  const topics = [
    {
      name: 'orders',
      partitions: [{ partitionIndex: 0, committedOffset: 1, committedMetadata: '' }],
    },
  ]
  await ask('the one before', 'OffsetCommit', 8, { ...own, generationIdOrMemberEpoch: 1, topics })
  const now = { groupId, memberId: second, ...name }
  await ask('the one that has the name', 'Heartbeat', 4, { ...now, generationId: 1 })
  await ask('the one that has the name', 'SyncGroup', 5, { ...now, generationId: 1, ...NOTHING })
  await ask('with names', 'DescribeGroups', 6, { groups: [groupId] })
  const leave = (title: string, memberId: string, groupInstanceId: string | null) =>
    ask(title, 'LeaveGroup', 5, { groupId, members: [{ memberId, groupInstanceId }] })
  await leave('the one before, by its name', first, 'desk-1')
  await leave('a name that nobody has', '', 'desk-2')
  await leave('by its name', '', 'desk-1')
  await ask('when its names have gone', 'DescribeGroups', 6, { groups: [groupId] })
}
