/** Members of a group. */

import type { Request } from '../../../src/protocol/api.js'
import { ends, joining, type Ask, type Join, type Place } from './place.js'

export async function members({ ask }: Place): Promise<void> {
  const join = (title: string, request: Join, version = 9) =>
    ask(title, 'JoinGroup', version, request)
  await join('no group', joining(''))
  await join('a short session', joining('g', { sessionTimeoutMs: 5_999 }))
  await join('a long session', joining('g', { sessionTimeoutMs: 1_800_001 }))
  await join('no protocols', joining('g', { protocols: [] }))
  await join('no type', joining('g', { protocolType: '' }))
  await join('a member that is none', joining('g', { memberId: 'x' }))
  await join('a static member without a name', joining('nameless', { groupInstanceId: '' }))
  const { memberId } = await join('a newcomer', joining('g'))
  const joined = await join('it again, with its id', joining('g', { memberId }))
  const { generationId = -1 } = joined
  const own = { groupId: 'g', generationId, memberId }
  await ask('before it is synced', 'Heartbeat', 4, own)
  await synchronization(ask, own)
  await beats(ask, own)
  await join('another type', joining('g', { protocolType: 'connect' }))
  const other = [{ name: 'other', metadata: Buffer.alloc(0) }]
  await join('no protocol in common', joining('g', { protocols: other }))
  await ask('while it is stable', 'DescribeGroups', 6, { groups: ['g'] })
  await ask('with a member', 'DeleteGroups', 2, { groupsNames: ['g'] })
  const place = { name: 'orders', partitions: [{ partitionIndex: 0 }] }
  await ask('with a member whose topics are unknown', 'OffsetDelete', 0, {
    groupId: 'g',
    topics: [place],
  })
  await leaving(ask, own)
  await join('of old', joining('old'), 0)
  await join('of old, with an id', joining('old', { memberId: 'x' }), 3)
}

interface Member {
  readonly groupId: string
  readonly generationId: number
  readonly memberId: string
}

async function synchronization(ask: Ask, own: Member): Promise<void> {
  const sync = (title: string, more: Partial<Request<'SyncGroup'>>) =>
    ask(title, 'SyncGroup', 5, {
      ...own,
      protocolType: 'consumer',
      protocolName: 'range',
      assignments: [],
      ...more,
    })
  await sync('no group', { groupId: '' })
  await sync('another group', { groupId: 'other' })
  await sync('another member', { memberId: 'x' })
  await sync('another generation', { generationId: 99 })
  await sync('another type', { protocolType: 'connect' })
  await sync('another protocol', { protocolName: 'sticky' })
  await sync('a static member', { groupInstanceId: 'i' })
  await sync('its own', {
    assignments: [{ memberId: own.memberId, assignment: Buffer.from('share') }],
  })
  await sync('again', {})
  await sync('without a type', { protocolType: null, protocolName: null })
}

async function beats(ask: Ask, own: Member): Promise<void> {
  const beat = (title: string, more: Partial<Request<'Heartbeat'>>, version = 4) =>
    ask(title, 'Heartbeat', version, { ...own, ...more })
  for (const version of ends('Heartbeat')) await beat('a beat', {}, version)
  await beat('no group', { groupId: '' })
  await beat('another group', { groupId: 'other' })
  await beat('another member', { memberId: 'x' })
  await beat('no member', { memberId: '' })
  await beat('another generation', { generationId: 99 })
  await beat('a static member', { groupInstanceId: 'i' })
  const topics = [
    {
      name: 'orders',
      partitions: [{ partitionIndex: 0, committedOffset: 3, committedMetadata: '' }],
    },
  ]
  const commit = (title: string, more: object) =>
    ask(title, 'OffsetCommit', 8, {
      groupId: own.groupId,
      memberId: own.memberId,
      generationIdOrMemberEpoch: own.generationId,
      topics,
      ...more,
    })
  await commit('its own', {})
  await commit('of another generation', { generationIdOrMemberEpoch: 99 })
  await commit('of another member', { memberId: 'x' })
  await commit('of nobody', { memberId: '', generationIdOrMemberEpoch: -1 })
  await commit('of a static member', { groupInstanceId: 'i' })
}

async function leaving(ask: Ask, { groupId, memberId }: Member): Promise<void> {
  type Leavers = Request<'LeaveGroup'>['members']
  const leave = (title: string, list: Leavers, more: object = {}) =>
    ask(title, 'LeaveGroup', 5, { groupId, members: list, ...more })
  await leave('nobody', [])
  await leave('no group', [{ memberId }], { groupId: '' })
  await leave('another group', [{ memberId }], { groupId: 'other' })
  await leave('another member', [{ memberId: 'x' }])
  await leave('a static member', [{ memberId: '', groupInstanceId: 'i' }])
  await leave('one that is and one that is not', [{ memberId }, { memberId: 'x' }])
  await leave('it again', [{ memberId }])
  await ask('one by one, of old', 'LeaveGroup', 2, { groupId, memberId, members: [] })
  await ask('when it is empty', 'DescribeGroups', 5, { groups: [groupId] })
  await ask('when it is empty', 'DeleteGroups', 2, { groupsNames: [groupId] })
}
