/** A follower and what its leader answers: what it asks for, and what becomes of its log. */

import { expect, it, onTestFinished } from 'vitest'
import { silentLogger } from '../../../src/base/logger.js'
import { ReplicaFetcher } from '../../../src/broker/replication/replica-fetcher.js'
import { DiskError } from '../../../src/disk/disk.js'
import { errorId } from '../../../src/model/errors.js'
import { Partition } from '../../../src/partition/partition.js'
import type { Channel } from '../../../src/protocol/channel.js'
import type {
  FetchPartition,
  FetchRequest,
  PartitionFetchResponse,
} from '../../../src/protocol/messages/fetch.js'
import { contextOf, createEmpty, history, TOPIC_ID, world } from '../../log/helpers.js'

/** The response has none for the partition. */
const NO_ANSWER: Partial<PartitionFetchResponse> = {}

/**
 * Broker 1 follows 2 in epoch 6, with records 0–1 of epoch 2 and 2–4 of epoch 4. The leader gives
 * one answer, and none to what is asked then.
 */
async function asked(answer: Partial<PartitionFetchResponse>, answersForEver = false) {
  const w = world()
  const { clock } = w
  const { topicPartition } = contextOf(w)
  const rules = { lagMaxMs: 30_000, isAlive: () => true, durability: 'process' as const }
  const place = { brokerId: 1, topicPartition, topicId: TOPIC_ID, clock }
  const partition = Partition.open({ ...place, ...rules }, await createEmpty(w), 0)
  const view = { replicas: [1, 2], isr: [1, 2], partitionEpoch: 0, leader: 2 }
  await partition.become({ ...view, leaderEpoch: 6 })
  const records = Buffer.concat([history(0, 2, 2), history(2, 3, 4)])
  partition.appendFromLeader({ records, highWatermark: 3, logStartOffset: 0 })
  const requests: unknown[] = []
  const full = { partitionIndex: 0, errorCode: 0, highWatermark: 1, logStartOffset: 0, ...answer }
  const send = (_: number, __: string, request: FetchRequest) => {
    requests.push(request.topics[0]?.partitions[0])
    const partitions = [{ records: null, ...full }]
    if (requests.length > 1 && !answersForEver) return new Promise(() => undefined)
    if (answer === NO_ANSWER) return { errorCode: errorId('UNKNOWN_SERVER_ERROR'), responses: [] }
    return { responses: [{ topic: 'orders', partitions }] }
  }
  const cuts: unknown[] = []
  const fetcher = new ReplicaFetcher({
    brokerId: 1,
    leaderId: 2,
    clock,
    logger: silentLogger,
    channel: { send } as unknown as Channel,
    onTruncated: ({ fromOffset, toOffset }) => cuts.push([fromOffset, toOffset]),
  })
  onTestFinished(() => fetcher.stop())
  fetcher.assign([partition])
  const settle = async (ms: number): Promise<void> => {
    await clock.advance(ms)
    for (let turn = 0; turn < 10; turn++) await clock.advance(0)
  }
  await settle(0)
  return { partition, requests, cuts, settle, fetcher, log: partition.replicaLog }
}

it('a follower fetches from its log end, with its epoch and that of its last record', async () => {
  const { requests } = await asked({ records: history(5, 2, 6), highWatermark: 6 })
  const fields = { currentLeaderEpoch: 6, logStartOffset: 0 }
  expect(requests).toMatchObject([
    { ...fields, fetchOffset: 5, lastFetchedEpoch: 4 },
    { ...fields, fetchOffset: 7, lastFetchedEpoch: 6 },
  ])
})

it.each<[string, { epoch: number; endOffset: number }, number]>([
  ['the leader has less of the epoch', { epoch: 4, endOffset: 3 }, 3],
  ['the leader has none of the epoch', { epoch: 2, endOffset: 2 }, 2],
  ['the leader has less of an epoch before', { epoch: 2, endOffset: 1 }, 1],
  ['the leader has more of an epoch before', { epoch: 2, endOffset: 9 }, 2],
  ['the leader has an epoch in between', { epoch: 3, endOffset: 4 }, 2],
])('a follower truncates to where the logs diverge: %s', async (_, divergingEpoch, end) => {
  const { log, cuts, requests } = await asked({ divergingEpoch })
  expect([log?.logEndOffset, cuts]).toEqual([end, [[5, end]]])
  expect(requests.at(-1)).toMatchObject({ fetchOffset: end })
})

it.each<[string, (fetcher: ReplicaFetcher) => void]>([
  ['is paused', fetcher => (fetcher.isPaused = true)],
  ['follows other partitions', fetcher => fetcher.assign([])],
  ['is stopped', fetcher => void fetcher.stop()],
])('a follower takes what is handed over while its fetch is held, until it %s', async (_, end) => {
  const { requests, log, fetcher, settle } = await asked({ records: history(5, 2, 6) })
  const [first, held] = requests as FetchPartition[]
  const handed = { highWatermark: 6, logStartOffset: 0 }
  expect(first?.take?.({ ...handed, end: 7, records: history(7, 1, 6) })).toBe(false)
  expect(held?.take?.({ ...handed, end: 7, records: history(7, 1, 6) })).toBe(true)
  expect(log?.logEndOffset).toBe(8)
  end(fetcher)
  expect(held?.take?.({ ...handed, end: 8, records: history(8, 1, 6) })).toBe(false)
  await settle(0)
  expect(held?.take?.({ ...handed, end: 8, records: history(8, 1, 6) })).toBe(false)
  expect(log?.logEndOffset).toBe(8)
})

it('a follower truncates to the high watermark if the leader does not know its epoch', async () => {
  const errorCode = errorId('OFFSET_OUT_OF_RANGE')
  const { log, cuts } = await asked({ errorCode, highWatermark: 4 })
  expect([log?.logStartOffset, log?.logEndOffset, cuts]).toEqual([0, 4, [[5, 4]]])
})

it('a follower restarts if the leader has no records as old as its end', async () => {
  const errorCode = errorId('OFFSET_OUT_OF_RANGE')
  const { log, requests } = await asked({ errorCode, highWatermark: 12, logStartOffset: 9 })
  expect([log?.logStartOffset, log?.logEndOffset]).toEqual([9, 9])
  expect(requests.at(-1)).toMatchObject({ fetchOffset: 9, lastFetchedEpoch: -1 })
})

it('a follower backs off from a partition after an error', async () => {
  const errorCode = errorId('NOT_LEADER_OR_FOLLOWER')
  const { log, cuts, requests, settle } = await asked({ errorCode, logStartOffset: -1 })
  expect([log?.logEndOffset, cuts]).toEqual([5, []])
  await settle(999)
  expect(requests).toHaveLength(1)
  await settle(1)
  expect(requests).toHaveLength(2)
})

// A follower that asks again at once, for ever, would never let the program around have a turn:
// without the pause these tests do not fail, they hang in the first turn.
it.each<[string, Partial<PartitionFetchResponse>]>([
  ['an error', { errorCode: errorId('NOT_LEADER_OR_FOLLOWER'), logStartOffset: -1 }],
  ['an end above its own', { errorCode: errorId('OFFSET_OUT_OF_RANGE'), highWatermark: 9 }],
  ['an end that is its own', { errorCode: errorId('OFFSET_OUT_OF_RANGE'), highWatermark: 5 }],
  ['a parting behind its end', { divergingEpoch: { epoch: 4, endOffset: 9 } }],
  ['records that do not fit', { records: history(9, 2, 6) }],
  ['nothing for the partition', NO_ANSWER],
])('a follower fetches once a second while the answer is: %s', async (_, answer) => {
  const { requests, settle } = await asked(answer, true)
  await settle(999)
  expect(requests).toHaveLength(1)
  await settle(1)
  expect(requests).toHaveLength(2)
  await settle(3_000)
  expect(requests.length).toBeLessThanOrEqual(5)
})

it('empty answers that come at once leave turns to the event loop', async () => {
  const { requests, settle } = await asked({ highWatermark: 3 }, true)
  const before = requests.length
  await settle(0)
  expect(requests.length).toBeGreaterThan(before)
})

/** As in `asked`, but each answer is given when the test says so; the disk may refuse checkpoints. */
async function held(durability: 'power' | 'process') {
  const w = world()
  const { clock } = w
  w.saveCheckpoints = () => Promise.reject(new DiskError('ENOSPC', 'append', 'checkpoint'))
  const { topicPartition } = contextOf(w)
  const place = { brokerId: 1, topicPartition, topicId: TOPIC_ID, clock }
  const rules = { lagMaxMs: 30_000, isAlive: () => true, durability }
  const partition = Partition.open({ ...place, ...rules }, await createEmpty(w), 0)
  const view = { replicas: [1, 2], isr: [1, 2], partitionEpoch: 0, leader: 2 }
  await partition.become({ ...view, leaderEpoch: 6 })
  const requests: (FetchPartition | undefined)[] = []
  const waits: (number | undefined)[] = []
  const answers: ((answer: Partial<PartitionFetchResponse> | Error) => void)[] = []
  const send = (_: number, __: string, request: FetchRequest) => {
    requests.push(request.topics[0]?.partitions[0])
    waits.push(request.idleWaitMs)
    return new Promise((resolve, reject) => {
      answers.push(answer => {
        if (answer instanceof Error) return reject(answer)
        const full = { partitionIndex: 0, errorCode: 0, logStartOffset: 0, records: null, ...answer }
        resolve({ responses: [{ topic: 'orders', partitions: [full] }] })
      })
    })
  }
  const fetcher = new ReplicaFetcher({
    brokerId: 1,
    leaderId: 2,
    clock,
    logger: silentLogger,
    channel: { send } as unknown as Channel,
    onTruncated: () => undefined,
  })
  onTestFinished(() => fetcher.stop())
  fetcher.assign([partition])
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 10; turn++) await clock.advance(0)
  }
  await settle()
  const answer = async (given: Partial<PartitionFetchResponse> | Error): Promise<void> => {
    answers.shift()?.(given)
    await settle()
  }
  const begins = (leaderEpoch: number): Promise<void> => partition.become({ ...view, leaderEpoch })
  return { partition, requests, waits, answer, begins, fetcher, clock, settle }
}

it.each<[string, (h: Awaited<ReturnType<typeof held>>) => Promise<unknown>]>([
  ['fails', ({ answer }) => answer(new Error('the answer was lost'))],
  ['is given up', async ({ fetcher }) => (fetcher.isPaused = true)],
])('a follower whose fetch %s lets its leader hold the next one for a short time', async (_, end) => {
  const all = await held('process')
  const { waits, answer, fetcher, clock, settle } = all
  await answer({ highWatermark: 0 })
  expect(waits).toEqual([0, 300_000])
  await end(all)
  await settle()
  fetcher.isPaused = false
  await clock.advance(1_000)
  await settle()
  expect(waits).toEqual([0, 300_000, 0])
})

it('an answer that was asked for in an epoch that is over changes nothing', async () => {
  const { partition, requests, answer, begins } = await held('process')
  await begins(7)
  await answer({ records: history(0, 2, 6), highWatermark: 2 })
  expect(partition.replicaLog?.logEndOffset).toBe(0)
  expect(requests.at(-1)).toMatchObject({ fetchOffset: 0, currentLeaderEpoch: 7 })
})

it('a follower tells a new log start when it is saved, not before', async () => {
  const { partition, requests, answer } = await held('power')
  await answer({ records: history(0, 3, 6), highWatermark: 3 })
  await answer({ highWatermark: 3, logStartOffset: 2 })
  expect(partition.replicaLog?.logStartOffset).toBe(2)
  expect(requests.at(-1)).toMatchObject({ fetchOffset: 3, logStartOffset: 0 })
})
