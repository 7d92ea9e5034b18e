import { expect, it } from 'vitest'
import type { Durability } from '../../src/partition/roles.js'
import { copyNow } from '../../src/partition/copy-now.js'
import { Partition } from '../../src/partition/partition.js'
import { contextOf, create, history, TOPIC_ID, world } from '../log/helpers.js'

const NOTHING = Buffer.alloc(0)
const HANDED = { end: 0, records: history(0, 3, 6), highWatermark: 2, logStartOffset: 0 }

/** Broker 1 follows broker 2 in epoch 6. */
async function following(durability: Durability = 'process'): Promise<Partition> {
  const w = world()
  const { topicPartition, clock } = contextOf(w)
  const rules = { lagMaxMs: 30_000, isAlive: () => true, durability }
  const place = { brokerId: 1, topicPartition, topicId: TOPIC_ID, clock }
  const partition = Partition.open({ ...place, ...rules }, await create(w), 0)
  const view = { replicas: [1, 2], isr: [1, 2], partitionEpoch: 0, leader: 2 }
  await partition.become({ ...view, leaderEpoch: 6 })
  return partition
}

const endsOf = ({ replicaLog, highWatermark }: Partition) => [
  replicaLog?.logEndOffset,
  highWatermark,
]

it('what a leader hands over is in the log, and committed as far as it says', async () => {
  const partition = await following()
  expect(copyNow(partition, 6, HANDED)).toBe(true)
  expect(endsOf(partition)).toEqual([3, 2])
  const told = { ...HANDED, end: 3, records: NOTHING, highWatermark: 3 }
  expect(copyNow(partition, 6, told)).toBe(true)
  expect(endsOf(partition)).toEqual([3, 3])
})

it.each<[string, Partial<typeof HANDED>, number]>([
  ['of another epoch', {}, 5],
  ['for another end', { end: 3 }, 6],
  ['that begins elsewhere', { records: history(1, 3, 6) }, 6],
  ['with records deleted that the follower has', { logStartOffset: 1 }, 6],
])('nothing is taken %s', async (_, change, epoch) => {
  const partition = await following()
  expect(copyNow(partition, epoch, { ...HANDED, ...change })).toBe(false)
  expect(endsOf(partition)).toEqual([0, 0])
})

it('records that must survive a power cut are not taken, the high watermark is', async () => {
  const partition = await following('power')
  expect(copyNow(partition, 6, HANDED)).toBe(false)
  expect(endsOf(partition)).toEqual([0, 0])
  expect(copyNow(partition, 6, { ...HANDED, records: NOTHING })).toBe(true)
})
