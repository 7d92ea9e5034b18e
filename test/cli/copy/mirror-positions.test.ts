import { expect, it, onTestFinished } from 'vitest'
import { isCopyOf } from '../../../src/cli/copy/mirror-plan.js'
import {
  MirrorPositions,
  POSITIONS_TOPIC,
  type MirrorPosition,
} from '../../../src/cli/copy/mirror-positions.js'
import type { ConsumerRecord } from '../../../src/client/consumer/consumer-record.js'
import { Cluster } from '../../../src/cluster/cluster.js'

async function world() {
  const cluster = await Cluster.memory()
  onTestFinished(() => cluster.close())
  return cluster
}

const position = (offset: number): MirrorPosition => ({
  source: { topic: 'orders', topicId: 's', offset },
  target: { topicId: 't', offset: offset - 1 },
})

it('positions are read as they were last written', async () => {
  const cluster = await world()
  const first = await MirrorPositions.read(cluster)
  expect(first.of('a', 0)).toBeUndefined()
  await first.write('a', new Map([1, 2].map(n => [n, position(n)])))
  await first.write('a', new Map([[2, position(20)]]))
  await first.write('b', new Map([[2, position(30)]]))
  await first.write('b', new Map())
  for (const each of [first, await MirrorPositions.read(cluster)]) {
    expect(each.of('a', 0)).toBeUndefined()
    expect(each.of('a', 1)).toEqual(position(1))
    expect(each.of('a', 2)).toEqual(position(20))
    expect(each.of('b', 2)).toEqual(position(30))
  }
  const settings = await cluster.admin.describeConfig(POSITIONS_TOPIC)
  expect(settings.find(({ name }) => name === 'cleanup.policy')?.value).toBe('compact')
})

it.each([
  '{',
  'null',
  '{}',
  JSON.stringify({ ...position(1), target: { topicId: 't', offset: -1 } }),
  JSON.stringify({ ...position(1), source: { topic: 'a', topicId: 's', offset: '1' } }),
  JSON.stringify({ ...position(1), source: { topic: 'a', offset: 1 } }),
])('%j is not a position', async value => {
  const cluster = await world()
  await MirrorPositions.read(cluster)
  await cluster.producer().send({ topic: POSITIONS_TOPIC, messages: [{ key: 'a-0', value }] })
  await expect(MirrorPositions.read(cluster)).rejects.toMatchObject({
    code: 'CORRUPT_LOG',
    message: expect.stringContaining(`${POSITIONS_TOPIC}: the record at offset 0 is no`) as string,
  })
})

const record = {
  topic: 'orders',
  partition: 0,
  offset: 7,
  timestamp: 5,
  timestampType: 'CreateTime',
  key: Buffer.from('k'),
  value: Buffer.from('v'),
  leaderEpoch: 0,
  headers: [
    { key: 'h', value: Buffer.from('x') },
    { key: 'n', value: null },
  ],
} satisfies ConsumerRecord

it('a copy is recognized by everything but its offset and partition', () => {
  expect(isCopyOf({ ...record, topic: 'copy', offset: 1, leaderEpoch: 3 }, record)).toBe(true)
  expect(isCopyOf({ ...record, timestamp: 9 }, { ...record, timestamp: -1 })).toBe(true)
  const [h, n] = record.headers as [ConsumerRecord['headers'][0], ConsumerRecord['headers'][0]]
  const others: readonly Partial<Pick<ConsumerRecord, keyof ConsumerRecord>>[] = [
    { timestamp: 6 },
    { key: null },
    { key: Buffer.from('K') },
    { value: null },
    { value: Buffer.from('') },
    { headers: [] },
    { headers: [h] },
    { headers: [n, h] },
    { headers: [h, { key: 'm', value: null }] },
    { headers: [h, { key: 'n', value: Buffer.from('') }] },
  ]
  for (const each of others) {
    expect(isCopyOf({ ...record, ...each }, record), JSON.stringify(each)).toBe(false)
    expect(isCopyOf(record, { ...record, ...each }), JSON.stringify(each)).toBe(false)
  }
})
