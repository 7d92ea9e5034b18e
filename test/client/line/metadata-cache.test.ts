import { expect, it } from 'vitest'
import { VirtualClock } from '../../../src/base/virtual-clock.js'
import { partitionExists, MetadataCache } from '../../../src/client/line/metadata-cache.js'
import { errorId, type ErrorCode } from '../../../src/model/errors.js'
import type { Channel } from '../../../src/protocol/channel.js'

type Told = readonly (readonly [leader: number, epoch: number])[] | ErrorCode

/** A broker that tells one thing after the other of topic t; notes whether it may make it. */
function cache(...answers: { topicId?: string; told: Told }[]) {
  const mayCreate: boolean[] = []
  const channel = {
    send(_node: number, _api: string, request: { allowAutoTopicCreation: boolean }) {
      mayCreate.push(request.allowAutoTopicCreation)
      const { told, topicId = 'id' } = answers.shift() as { told: Told; topicId?: string }
      const errorCode = typeof told === 'string' ? errorId(told) : 0
      const leaders = typeof told === 'string' ? [] : told
      const partitions = leaders.map(([leaderId, leaderEpoch], partitionIndex) => {
        return { errorCode: 0, partitionIndex, leaderId, leaderEpoch, replicaNodes: [] }
      })
      const topic = { name: 't', topicId, errorCode, partitions }
      return Promise.resolve({ brokers: [], topics: [topic] })
    },
  } as unknown as Channel
  const clock = new VirtualClock()
  const made = new MetadataCache({ channel, clock, maxAgeMs: 1_000, mayCreate: false })
  const refresh = async (): Promise<(readonly [number, number])[]> => {
    const { partitions } = await made.refresh('t')
    return partitions.map(({ leaderId, leaderEpoch }) => [leaderId, leaderEpoch])
  }
  return { made, mayCreate, refresh }
}

it('an older leader epoch is not believed, for each partition', async () => {
  const { made, refresh } = cache(
    { told: [[1, 4], [2, 7]] },
    { told: [[3, 3], [3, 8]] },
    { told: [[-1, 5], [3, 8]] },
  )
  await refresh()
  made.invalidate('t') // it may be wrong: that it is newer than others stays true
  expect(made.known('t')).toBeUndefined()
  expect(await refresh()).toEqual([[1, 4], [3, 8]])
  expect(await refresh()).toEqual([[-1, 5], [3, 8]])
})

it('metadata of a recreated topic replaces the old metadata', async () => {
  const { refresh } = cache(
    { told: [[1, 4], [2, 7]] },
    { told: [[3, 0]], topicId: 'another' },
    { told: 'UNKNOWN_TOPIC_OR_PARTITION' },
    { told: [[2, 0]], topicId: 'another' },
  )
  await refresh()
  expect(await refresh()).toEqual([[3, 0]])
  await expect(refresh()).rejects.toMatchObject({ code: 'UNKNOWN_TOPIC_OR_PARTITION' })
  expect(await refresh()).toEqual([[2, 0]])
})

it('metadata adds partitions and never removes them', async () => {
  const { refresh } = cache({ told: [[1, 1], [2, 1]] }, { told: [[3, 2]] })
  await refresh()
  expect(await refresh()).toEqual([[3, 2], [2, 1]])
})

it('brokers without leader epochs are believed', async () => {
  const { refresh } = cache({ told: [[1, -1]] }, { told: [[2, -1]] }, { told: [[3, 0]] })
  expect(await refresh()).toEqual([[1, -1]])
  expect(await refresh()).toEqual([[2, -1]])
  expect(await refresh()).toEqual([[3, 0]])
})

it('a refresh does not create a topic, a request for it may', async () => {
  const { made, mayCreate, refresh } = cache({ told: [[1, 1]] }, { told: [[1, 1]] }, { told: [] })
  await Promise.all([refresh(), made.refresh('t', { mayCreate: true })])
  expect(await partitionExists(made, { topic: 't', partition: 0 })).toBe(true) // none is taken away
  expect(mayCreate).toEqual([false, true, false])
})

it('a partition counts as existing until the opposite is known', async () => {
  const { made } = cache(
    { told: 'LEADER_NOT_AVAILABLE' },
    { told: [[1, 1]] },
    { told: [[1, 1]] },
    { told: 'UNKNOWN_TOPIC_OR_PARTITION' },
  )
  const place = { topic: 't', partition: 0 }
  expect(await partitionExists(made, place)).toBe(true)
  expect(await partitionExists(made, { ...place, topicId: 'id' })).toBe(true)
  expect(await partitionExists(made, { ...place, topicId: 'another' })).toBe(false)
  expect(await partitionExists(made, place)).toBe(false)
})

it('old metadata is used, and asked for again', async () => {
  const { made, mayCreate, refresh } = cache({ told: [[1, 4]] }, { told: [[2, 5]] })
  await refresh()
  const leader = (nowMs: number) => made.known('t', nowMs)?.partitions[0]?.leaderId
  expect([leader(1_000), mayCreate.length]).toEqual([1, 1])
  expect([leader(1_001), mayCreate.length]).toEqual([1, 2])
  await Promise.resolve()
  await expect.poll(() => leader(1_001)).toBe(2)
})

/** Any topic that is asked for exists. */
function anyTopic(maxAgeMs: number) {
  const channel = {
    send: (_node: number, _api: string, { topics }: { topics: { name: string }[] }) =>
      Promise.resolve({
        brokers: [],
        topics: topics.map(({ name }) => ({ name, topicId: 'id', errorCode: 0, partitions: [] })),
      }),
  } as unknown as Channel
  const clock = new VirtualClock()
  const made = new MetadataCache({ channel, clock, maxAgeMs, mayCreate: false })
  const forgotten: string[] = []
  made.onForgotten = topic => forgotten.push(topic)
  return { made, clock, forgotten }
}

it.each([0, 60_000])('a topic unused for five minutes is forgotten, at age %d', async maxAgeMs => {
  const { made, clock, forgotten } = anyTopic(maxAgeMs)
  await made.refresh('idle')
  await made.refresh('in use')
  await clock.advance(maxAgeMs + 300_000)
  await made.refresh('in use')
  expect(forgotten).toEqual([])
  await clock.advance(1)
  await made.refresh('another')
  expect(forgotten).toEqual(['idle'])
  expect(made.known('idle')).toBeUndefined()
  expect(made.known('in use')).toBeDefined()
})

it('at most 10,000 topics are known: those fetched longest ago go first', async () => {
  const { made, forgotten } = anyTopic(60_000)
  for (let number = 0; number < 10_000; number++) await made.refresh(`t-${number}`)
  await made.refresh('t-0')
  await made.refresh('another')
  expect(forgotten).toEqual(['t-1'])
})
