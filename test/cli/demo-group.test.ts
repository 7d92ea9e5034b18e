import { expect, it, onTestFinished } from 'vitest'
import { SESSION_TIMEOUT_MS, SharedReading } from '../../src/cli/demo-group.js'
import { Cluster } from '../../src/cluster/cluster.js'

async function sharedReading(prepare: (cluster: Cluster) => Promise<unknown>, brokers = 1) {
  const cluster = await Cluster.memory({ brokers, groupMinSessionTimeoutMs: SESSION_TIMEOUT_MS })
  onTestFinished(() => cluster.close())
  await cluster.admin.createTopic({ topic: 'orders', partitions: 4 })
  await cluster.producer().send({
    topic: 'orders',
    messages: Array.from({ length: 100 }, (_, n) => ({ partition: n % 4, value: String(n) })),
  })
  await prepare(cluster)
  const told: string[] = []
  const seen: string[] = []
  const reading = new SharedReading({
    cluster,
    topic: 'orders',
    groupId: 'g',
    consumers: 2,
    readTimeoutMs: 2_500,
    tell: text => void told.push(text),
    onProgress: () => undefined,
    onFirst: ({ value }) => void seen.push(String(value)),
  })
  const counts = await reading.read()
  return { cluster, told, seen, counts, result: reading.result }
}

it('every record is counted although a member and the coordinator are killed', async () => {
  const { cluster, told, seen, counts, result } = await sharedReading(async () => undefined, 3)
  expect([...counts.values()]).toEqual([25, 25, 25, 25])
  expect(new Set(seen).size).toBe(100)
  expect(seen).toHaveLength(100)
  expect(result).toMatchObject({ processed: 100, lost: 0, killedBroker: expect.any(Number) })
  const dead = cluster.describe().brokers.filter(({ isRunning }) => !isRunning)
  expect(dead.map(({ id }) => id)).toEqual([result.killedBroker])
  expect(result.members.map(({ fate }) => fate).toSorted()).toEqual(['joined', 'killed', 'stayed'])
  const again = result.members.reduce((sum, member) => sum + member.again, 0)
  const read = result.members.reduce((sum, member) => sum + member.records, 0)
  expect([again, read]).toEqual([result.redelivered, 100 + result.redelivered])
  expect(again).toBeGreaterThan(0) // what the dead had done and not committed
  for (const what of [
    /member-\d is killed/,
    /member-3 joins/,
    /coordinator of the group, is killed/,
  ]) {
    expect(told.filter(text => what.test(text))).toHaveLength(1)
  }
  expect(told.join('\n')).toMatch(/generation \d+, .*member-\d timed out.*: member-\d \[[\d ]+\]/)
  const offsets = await cluster.admin.listGroupOffsets('g')
  expect(offsets.map(({ offset }) => offset)).toEqual([25, 25, 25, 25])
})

it('lost records are reported, and not waited for forever', async () => {
  const { told, counts, result } = await sharedReading(({ admin }) =>
    admin.deleteRecords({ topic: 'orders', partition: 0, offset: 5 }),
  )
  expect([...counts.values()]).toEqual([20, 25, 25, 25])
  expect(result).toMatchObject({ processed: 95, lost: 5, killedBroker: undefined })
  expect(told.at(-1)).toBe('no new record was read for 2.5 s: giving up')
})
