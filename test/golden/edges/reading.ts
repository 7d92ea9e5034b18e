/** Finding offsets, fetching, deleting. */

import { ZERO_UUID } from '../../../src/base/uuid.js'
import type { Request } from '../../../src/protocol/api.js'
import { ends, NO_TOPIC, UNKNOWN_ID, type Place } from './place.js'

export async function reading(place: Place): Promise<void> {
  await listing(place)
  await fetching(place)
  await epochs(place)
  await deletion(place)
}

async function listing({ ask, now }: Place): Promise<void> {
  type Wanted = Request<'ListOffsets'>['topics'][number]['partitions'][number]
  const find = (title: string, wanted: Partial<Wanted>, more: object = {}, version = 9) =>
    ask(title, 'ListOffsets', version, {
      replicaId: -1,
      topics: [{ name: 'orders', partitions: [{ partitionIndex: 1, timestamp: -1, ...wanted }] }],
      timeoutMs: 1_000,
      ...more,
    })
  for (const version of ends('ListOffsets')) {
    for (const timestamp of [-1, -2, -3, -4, -5, -6, -7]) {
      await find(`timestamp ${timestamp}`, { timestamp }, {}, version)
    }
  }
  await find('the beginning of time', { timestamp: 0 })
  await find('now', { timestamp: now })
  await find('the far future', { timestamp: now + 1e9 })
  await find('a partition that is not there', { partitionIndex: 3 })
  await find('a negative partition', { partitionIndex: -1 })
  await find('an epoch to come', { currentLeaderEpoch: 5 })
  await find('the epoch that is', { currentLeaderEpoch: 0 })
  await find('committed records', {}, { isolationLevel: 1 })
  for (const replicaId of [-2, 1, 7]) await find(`replica ${replicaId}`, {}, { replicaId })
  const partitions = [{ partitionIndex: 0, timestamp: -1 }]
  await find('a topic that is not there', {}, { topics: [{ name: NO_TOPIC, partitions }] })
  await find('a name that is none', {}, { topics: [{ name: 'a b', partitions }] })
  const [wanted] = [{ partitionIndex: 0, timestamp: -2 }]
  const twice = [{ name: 'orders', partitions: [wanted, wanted] }]
  await find('one twice', {}, { topics: twice })
  await find('nothing', {}, { topics: [] })
  await find('no partitions', {}, { topics: [{ name: 'orders', partitions: [] }] })
}

async function fetching({ ask, settled }: Place): Promise<void> {
  type Wanted = Request<'Fetch'>['topics'][number]['partitions'][number]
  const topicId = await settled('orders', true)
  const get = (title: string, wanted: Partial<Wanted>, more: object = {}, version = 12) => {
    const partition = { partition: 1, fetchOffset: 0, partitionMaxBytes: 1_000_000 }
    return ask(title, 'Fetch', version, {
      maxWaitMs: 1,
      minBytes: 1,
      maxBytes: 1_000_000,
      topics: [{ topic: 'orders', topicId, partitions: [{ ...partition, ...wanted }] }],
      ...more,
    })
  }
  for (const version of [4, 7, 11, 12, 13, 17]) {
    await get('from the beginning', {}, {}, version)
    await get('from behind the end', { fetchOffset: 1_000 }, {}, version)
  }
  await get('all that was let in', { partition: 0 })
  for (const fetchOffset of [-1, -5]) await get(`from ${fetchOffset}`, { fetchOffset })
  await get('from the end', { fetchOffset: 8 })
  await get('no bytes', { partitionMaxBytes: 0 })
  await get('no bytes at all', {}, { maxBytes: 0 })
  await get('one byte', { partitionMaxBytes: 1 })
  await get('a negative wait', {}, { maxWaitMs: -1 })
  await get('no least', { fetchOffset: 8 }, { minBytes: 0 })
  await get('a partition that is not there', { partition: 3 })
  await get('a negative partition', { partition: -1 })
  await get('an epoch to come', { currentLeaderEpoch: 5 })
  await get('the epoch that is', { currentLeaderEpoch: 0 })
  await get('of committed records', {}, { isolationLevel: 1 })
  await get('the last epoch fetched', { lastFetchedEpoch: 0, fetchOffset: 3 })
  await get('a last epoch to come', { lastFetchedEpoch: 5, fetchOffset: 3 })
  const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1_000 }]
  const nowhere = { topic: NO_TOPIC, topicId: UNKNOWN_ID, partitions }
  for (const version of [4, 12, 13]) {
    await get('a topic that is not there', {}, { topics: [nowhere] }, version)
  }
  await get('the id of zeros', {}, { topics: [{ topicId: ZERO_UUID, partitions }] }, 13)
  await get('nothing', {}, { topics: [] })
  await get('a session that is not there', {}, { sessionId: 99, sessionEpoch: 4 })
  await get('a session that is not there, to be ended', {}, { sessionId: 99, sessionEpoch: -1 })
  await get('a session that is not there, to be begun', {}, { sessionId: 99, sessionEpoch: 0 })
  await get('a later turn of no session', {}, { sessionId: 0, sessionEpoch: 4 })
  await get('a rack', {}, { rackId: 'here' })
}

async function epochs({ ask }: Place): Promise<void> {
  type Wanted = Request<'OffsetForLeaderEpoch'>['topics'][number]['partitions'][number]
  const find = (title: string, wanted: Partial<Wanted>, more: object = {}, version = 4) =>
    ask(title, 'OffsetForLeaderEpoch', version, {
      replicaId: -1,
      topics: [{ topic: 'orders', partitions: [{ partition: 1, leaderEpoch: 0, ...wanted }] }],
      ...more,
    })
  for (const version of ends('OffsetForLeaderEpoch'))
    await find('the epoch that is', {}, {}, version)
  for (const leaderEpoch of [5, -1, -2]) await find(`epoch ${leaderEpoch}`, { leaderEpoch })
  await find('at a leader to come', { currentLeaderEpoch: 5 })
  await find('of a partition that is not there', { partition: 3 })
  await find('of a partition without records', { partition: 2 })
  for (const replicaId of [-2, 1, 7]) await find(`replica ${replicaId}`, {}, { replicaId })
  const partitions = [{ partition: 0, leaderEpoch: 0 }]
  await find('of a topic that is not there', {}, { topics: [{ topic: NO_TOPIC, partitions }] })
  await find('of nothing', {}, { topics: [] })
}

async function deletion({ ask }: Place): Promise<void> {
  const cut = (title: string, offset: number, more: object = {}, version = 2) => {
    const { name = 'orders', partitionIndex = 0 } = more as {
      name?: string
      partitionIndex?: number
    }
    const topics = [{ name, partitions: [{ partitionIndex, offset }] }]
    return ask(title, 'DeleteRecords', version, { topics, timeoutMs: 5_000 })
  }
  for (const version of ends('DeleteRecords')) await cut('below the first', 1, {}, version)
  await cut('again', 1)
  await cut('below 0', 0)
  await cut('to a negative offset', -2)
  await cut('behind the end', 100_000)
  await cut('of a topic that is not there', 1, { name: NO_TOPIC })
  await cut('of a partition that is not there', 1, { partitionIndex: 3 })
  await cut('of a topic of the system', 1, { name: '__consumer_offsets' })
  await cut('all', -1)
  await cut('all of an empty log', -1, { partitionIndex: 2 })
}
