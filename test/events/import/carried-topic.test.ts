import { describe, expect, it, onTestFinished } from 'vitest'
import { carriedSettings, ensureCarried } from '../../../src/events/import/carried-topic.js'
import { Cluster } from '../../../src/cluster/cluster.js'

async function world() {
  const cluster = await Cluster.memory()
  onTestFinished(() => cluster.close())
  const { admin, faults } = cluster
  const settings = async (): Promise<Record<string, string | null>> => {
    const set = (await admin.describeConfig('copy')).filter(({ isDefault }) => !isDefault)
    return Object.fromEntries(set.map(({ name, value }) => [name, value]))
  }
  return { admin, faults, settings }
}

const config = { 'retention.ms': -1, 'message.timestamp.after.max.ms': 5 } as const
const wanted = { topic: 'copy', partitions: 3, config } as const

describe('a carried topic', () => {
  it('a carried topic is created with the wanted partitions and settings', async () => {
    const { admin, settings } = await world()
    expect(await ensureCarried(admin, wanted)).toBe(3)
    expect((await admin.describeTopic('copy')).partitions).toHaveLength(3)
    expect(await settings()).toEqual({
      'retention.ms': '-1',
      'message.timestamp.after.max.ms': '5',
    })
  })

  it('an existing topic stays unchanged', async () => {
    const { admin, settings } = await world()
    await admin.createTopic({ topic: 'copy', partitions: 2 })
    expect(await ensureCarried(admin, wanted)).toBe(2)
    expect(await settings()).toEqual({})
  })

  it('a setting that an old Kafka does not know is left out', async () => {
    const { admin, faults, settings } = await world()
    faults.on('createTopics').error('INVALID_CONFIG')
    expect(await ensureCarried(admin, wanted)).toBe(3)
    expect(await settings()).toEqual({ 'retention.ms': '-1' })
  })

  it('the creation is not retried after other errors', async () => {
    const { admin, faults } = await world()
    faults.on('createTopics').error('POLICY_VIOLATION')
    await expect(ensureCarried(admin, wanted)).rejects.toMatchObject({ code: 'POLICY_VIOLATION' })
    faults.on('metadata').error('TOPIC_AUTHORIZATION_FAILED')
    await expect(ensureCarried(admin, wanted)).rejects.toMatchObject({
      code: 'TOPIC_AUTHORIZATION_FAILED',
    })
  })
})

it('settings that were set and concern records are carried', () => {
  expect(
    carriedSettings([
      { name: 'cleanup.policy', value: 'compact', isDefault: false },
      { name: 'retention.ms', value: '5', isDefault: true },
      { name: 'retention.bytes', value: null, isDefault: false },
      { name: 'segment.bytes', value: '1048576', isDefault: false },
      { name: 'message.timestamp.before.max.ms', value: '1000', isDefault: false },
      { name: 'message.timestamp.after.max.ms', value: '1000', isDefault: false },
      { name: 'message.timestamp.type', value: 'LogAppendTime', isDefault: false },
      { name: 'min.insync.replicas', value: '2', isDefault: false },
    ]),
  ).toEqual({ 'cleanup.policy': 'compact' })
})
