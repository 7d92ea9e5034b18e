/** Committed offsets and groups from outside. */

import type { Request } from '../../../src/protocol/api.js'
import { ends, NO_TOPIC, type Place } from './place.js'

export async function groups({ ask }: Place): Promise<void> {
  for (const version of [0, 1, 3, 4, 6]) {
    const find = (title: string, key: string, keyType = 0) =>
      ask(`${title}, version ${version}`, 'FindCoordinator', version, {
        key,
        keyType,
        coordinatorKeys: [key],
      })
    await find('a group', 'billing')
    await find('no name', '')
    if (version > 0) await find('a type that is none', 'billing', 7)
  }
  await ask('several', 'FindCoordinator', 4, { coordinatorKeys: ['a', 'b', 'a'] })
  await ask('none', 'FindCoordinator', 4, { coordinatorKeys: [] })
  await commits({ ask })
  await administration({ ask })
}

async function commits({ ask }: Pick<Place, 'ask'>): Promise<void> {
  type Topics = Request<'OffsetCommit'>['topics']
  const place = (name: string, partitionIndex: number, committedOffset: number, more = {}) => ({
    name,
    partitions: [{ partitionIndex, committedOffset, committedMetadata: 'm', ...more }],
  })
  const commit = (title: string, topicsOf: Topics, more: object = {}, version = 8) =>
    ask(title, 'OffsetCommit', version, { groupId: 'alone', topics: topicsOf, ...more })
  for (const version of ends('OffsetCommit')) {
    await commit('an offset', [place('orders', 0, 1)], {}, version)
  }
  await commit('nothing', [])
  await commit('a negative offset', [place('orders', 1, -1)])
  await commit('an offset far behind the end', [place('orders', 1, 1_000_000)])
  await commit('no metadata', [place('orders', 1, 5, { committedMetadata: null })])
  await commit('much metadata', [place('orders', 1, 5, { committedMetadata: 'x'.repeat(4_096) })])
  await commit('too much metadata', [
    place('orders', 1, 5, { committedMetadata: 'x'.repeat(4_097) }),
    place('orders', 2, 6),
  ])
  await commit('a topic that is not there', [place(NO_TOPIC, 0, 1)])
  await commit('a partition that is not there', [place('orders', 3, 1)])
  await commit('a topic of the system', [place('__consumer_offsets', 0, 1)])
  await commit('one twice', [place('orders', 0, 1), place('orders', 0, 2)])
  await commit('in a generation that is not', [place('orders', 0, 1)], {
    generationIdOrMemberEpoch: 3,
  })
  await commit('as a member that is none', [place('orders', 0, 1)], { memberId: 'x' })
  await commit('in a generation of a group that is not', [place('orders', 0, 1)], {
    groupId: 'other',
    generationIdOrMemberEpoch: 3,
    memberId: 'x',
  })
  await commit('as a static member that is none', [place('orders', 0, 1)], {
    groupInstanceId: 'i',
  })
  await fetches({ ask })
}

async function fetches({ ask }: Pick<Place, 'ask'>): Promise<void> {
  type Wanted = Request<'OffsetFetch'>['groups'][number]['topics']
  const get = (title: string, groupId: string, wanted: Wanted, version = 9) => {
    const request =
      version < 8 ? { groupId, topics: wanted } : { groups: [{ groupId, topics: wanted }] }
    return ask(title, 'OffsetFetch', version, { groups: [], ...request })
  }
  for (const version of [1, 2, 5, 7, 8, 9]) {
    await get('two partitions', 'alone', [{ name: 'orders', partitionIndexes: [0, 2] }], version)
    if (version > 1) await get('all', 'alone', null, version)
    await get('none', 'alone', [], version)
    await get(
      'of a group that is not',
      'other',
      [{ name: 'orders', partitionIndexes: [0] }],
      version,
    )
    if (version > 1) await get('all of a group that is not', 'other', null, version)
  }
  await get('a topic that is not there', 'alone', [{ name: NO_TOPIC, partitionIndexes: [0] }])
  await get('a partition that is not there', 'alone', [{ name: 'orders', partitionIndexes: [9] }])
  await get('of no group', '', null)
  await get('of no group, of old', '', null, 7)
  await ask('of two groups', 'OffsetFetch', 8, {
    groups: [
      { groupId: 'alone', topics: null },
      { groupId: 'other', topics: null },
    ],
  })
  await ask('as a member that is none', 'OffsetFetch', 9, {
    groups: [{ groupId: 'alone', memberId: 'x', memberEpoch: 3, topics: null }],
  })
}

async function administration({ ask }: Pick<Place, 'ask'>): Promise<void> {
  for (const version of [0, 4, 5, 6]) {
    const describe = (title: string, list: readonly string[]) =>
      ask(`${title}, version ${version}`, 'DescribeGroups', version, {
        groups: [...list],
        includeAuthorizedOperations: version > 2,
      })
    await describe('a group', ['alone'])
    await describe('one that is not there', ['other'])
    await describe('no name', [''])
    await describe('none', [])
    await describe('one twice', ['alone', 'alone'])
  }
  for (const version of [0, 4, 5]) await ask('all', 'ListGroups', version, {})
  const list = (title: string, more: object) => ask(title, 'ListGroups', 5, more)
  await list('by state', { statesFilter: ['Empty'] })
  await list('by state in small letters', { statesFilter: ['empty'] })
  await list('by another state', { statesFilter: ['Stable'] })
  await list('by a state that is none', { statesFilter: ['Nothing'] })
  await list('by type', { typesFilter: ['classic'] })
  await list('by type in capitals', { typesFilter: ['CLASSIC'] })
  await list('by another type', { typesFilter: ['consumer'] })
  await list('by a type that is none', { typesFilter: ['nothing'] })
  const forget = (title: string, groupId: string, name: string, partitionIndex: number) =>
    ask(title, 'OffsetDelete', 0, {
      groupId,
      topics: [{ name, partitions: [{ partitionIndex }] }],
    })
  await forget('an offset', 'alone', 'orders', 0)
  await forget('it again', 'alone', 'orders', 0)
  await forget('of a partition that is not there', 'alone', 'orders', 9)
  await forget('of a topic that is not there', 'alone', NO_TOPIC, 0)
  await forget('of a group that is not there', 'other', 'orders', 0)
  await forget('of no group', '', 'orders', 0)
  const remove = (title: string, names: readonly string[], version = 2) =>
    ask(title, 'DeleteGroups', version, { groupsNames: [...names] })
  await remove('one that is not there', ['other'])
  await remove('no name', [''])
  await remove('none', [])
  await remove('one twice', ['other', 'other'])
  await remove('one, as of old', ['alone'], 0)
  await remove('it again', ['alone'])
}
