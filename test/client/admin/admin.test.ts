import { describe, expect, it, onTestFinished } from 'vitest'
import { Cluster } from '../../../src/cluster/cluster.js'
import { PartlogError } from '../../../src/model/errors.js'
import { intercept, isPending, orders, settle, world } from '../world.js'

const first = { topic: 'orders', partition: 0 }

describe('topics', () => {
  it('topics are created, listed, described and deleted', async () => {
    const { cluster } = await world(2)
    const { admin } = cluster
    await admin.createTopic({ topic: 'a.b_c-1', partitions: 3 })
    expect(await admin.listTopics()).toEqual(['a.b_c-1', 'orders'])
    const described = await admin.describeTopic('orders')
    expect(described).toEqual({
      topic: 'orders',
      topicId: expect.stringMatching(/^[\w-]{22}$/),
      isInternal: false,
      partitions: [0, 1].map(partition => ({
        partition,
        leader: 1,
        leaderEpoch: 0,
        replicas: [1],
        isr: [1],
      })),
    })
    await admin.deleteTopic('orders')
    expect(await admin.listTopics()).toEqual(['a.b_c-1'])
    await expect(admin.describeTopic('orders')).rejects.toMatchObject({
      code: 'UNKNOWN_TOPIC_OR_PARTITION',
    })
  })

  it('a topic that is created again under the same name is empty', async () => {
    const { cluster, write } = await world()
    await write(0, 'old')
    const before = await cluster.admin.describeTopic('orders')
    await cluster.admin.deleteTopic('orders')
    await cluster.admin.createTopic({ topic: 'orders' })
    const after = await cluster.admin.describeTopic('orders')
    expect(after.topicId).not.toBe(before.topicId)
    expect(await cluster.admin.listOffsets('orders')).toEqual([
      { ...first, offset: 0, timestamp: null },
    ])
  })

  it('a topic has the defaults of the cluster', async () => {
    const { cluster } = await world(1, { defaultPartitions: 4 })
    await cluster.admin.createTopic({ topic: 'fresh' })
    const { partitions } = await cluster.admin.describeTopic('fresh')
    expect(partitions).toHaveLength(4)
  })

  it('the first send creates a topic, if the cluster allows it', async () => {
    const generous = await world(1, { defaultPartitions: 2 })
    await generous.cluster.producer().send({ topic: 'fresh', messages: [{ value: 'a' }] })
    expect((await generous.cluster.admin.describeTopic('fresh')).partitions).toHaveLength(2)

    const { cluster, clock } = await world(1, { autoCreateTopics: false })
    const sent = cluster.producer().send({ topic: 'fresh', messages: [{ value: 'a' }] })
    sent.catch(() => undefined)
    expect(await isPending(sent, clock)).toBe(true) // another client may make it
    await clock.advance(60_000)
    await expect(sent).rejects.toMatchObject({ code: 'UNKNOWN_TOPIC_OR_PARTITION' })
    expect(await cluster.admin.listTopics()).toEqual(['orders'])
  })

  it('internal topics are listed on request, and cannot be deleted', async () => {
    const { cluster } = await world()
    const consumer = cluster.consumer({ groupId: 'g' })
    await consumer.assign(orders())
    await consumer.commit({ offsets: [{ ...first, offset: 1 }] })
    const { admin } = cluster
    expect(await admin.listTopics()).toEqual(['orders'])
    expect(await admin.listTopics({ includeInternal: true })).toEqual([
      '__consumer_offsets',
      'orders',
    ])
    const internal = '__consumer_offsets'
    expect(await admin.describeTopic(internal)).toMatchObject({ isInternal: true })
    const refused = { code: 'INVALID_TOPIC_EXCEPTION' }
    await expect(admin.createTopic({ topic: internal })).rejects.toMatchObject(refused)
    await expect(admin.deleteTopic(internal)).rejects.toMatchObject({
      code: expect.stringMatching(/INVALID_TOPIC_EXCEPTION|TOPIC_AUTHORIZATION_FAILED/),
    })
    await expect(
      cluster.producer().send({ topic: internal, messages: [{ value: 'x' }] }),
    ).rejects.toMatchObject(refused)
  })

  it('validateOnly checks a topic and creates nothing', async () => {
    const { cluster } = await world()
    const { admin } = cluster
    await admin.createTopic({ topic: 'fresh', validateOnly: true })
    expect(await admin.listTopics()).toEqual(['orders'])
    await expect(admin.createTopic({ topic: 'orders', validateOnly: true })).rejects.toMatchObject({
      code: 'TOPIC_ALREADY_EXISTS',
    })
  })

  it('a topic that cannot be created leaves nothing behind', async () => {
    const { cluster } = await world()
    const { admin } = cluster
    const refusals: [Parameters<typeof admin.createTopic>[0], string][] = [
      [{ topic: 'orders' }, 'TOPIC_ALREADY_EXISTS'],
      [{ topic: 'a/b' }, 'INVALID_TOPIC_EXCEPTION'],
      [{ topic: '..' }, 'INVALID_TOPIC_EXCEPTION'],
      [{ topic: 'x', partitions: 0 }, 'INVALID_PARTITIONS'],
      [{ topic: 'x', partitions: 1.5 }, 'INVALID_PARTITIONS'],
      [{ topic: 'x', partitions: 1_000_000 }, 'POLICY_VIOLATION'],
      [{ topic: 'x', replicationFactor: 2 }, 'INVALID_REPLICATION_FACTOR'],
      [{ topic: 'x', config: { 'retention.ms': -2 } }, 'INVALID_CONFIG'],
      [{ topic: 'x', config: { 'retention.ms': '7d' } }, 'INVALID_CONFIG'],
      [{ topic: 'x', config: { 'segment.bytes': 14 } }, 'INVALID_CONFIG'],
      [{ topic: 'x', config: { 'min.cleanable.dirty.ratio': 1.1 } }, 'INVALID_CONFIG'],
      [{ topic: 'x', config: { 'retention.hours': 1 } as object }, 'INVALID_CONFIG'],
      [{ topic: 'x', config: JSON.parse('{"__proto__":1}') as object }, 'INVALID_CONFIG'],
    ]
    for (const [topic, code] of refusals) {
      await expect(admin.createTopic(topic), JSON.stringify(topic)).rejects.toMatchObject({ code })
    }
    expect(await admin.listTopics()).toEqual(['orders'])
  })

  it('topic names that differ only in . and _ collide, as in Kafka', async () => {
    const { cluster } = await world()
    await cluster.admin.createTopic({ topic: 'a.b' })
    await expect(cluster.admin.createTopic({ topic: 'a_b' })).rejects.toMatchObject({
      code: 'INVALID_TOPIC_EXCEPTION',
    })
  })

  it('a topic that is created twice at the same time is created once', async () => {
    const { cluster } = await world()
    const outcomes = await Promise.allSettled(
      [1, 2, 3].map(() => cluster.admin.createTopic({ topic: 'fresh' })),
    )
    expect(outcomes.map(({ status }) => status).toSorted()).toEqual([
      'fulfilled',
      'rejected',
      'rejected',
    ])
  })

  it('a consumer learns that its topic was deleted', async () => {
    const { cluster, clock } = await world()
    const consumer = cluster.consumer()
    await consumer.assign(orders())
    await settle(clock)
    await cluster.admin.deleteTopic('orders')
    const polled = consumer.poll({ timeoutMs: 5_000 })
    await clock.advance(5_000)
    expect(await polled).toEqual([]) // retriable in Kafka: it may come back
    await consumer.close()
  })
})

describe('createPartitions', () => {
  it('createPartitions adds partitions and keeps the records', async () => {
    const { cluster, write } = await world(1)
    await write(0, 'a')
    await cluster.admin.createPartitions({ topic: 'orders', partitions: 3 })
    expect(await cluster.admin.listOffsets('orders')).toMatchObject([
      { partition: 0, offset: 1 },
      { partition: 1, offset: 0 },
      { partition: 2, offset: 0 },
    ])
    await write(2, 'b')
  })

  it.each([
    [1, 'INVALID_PARTITIONS'],
    [2, 'INVALID_PARTITIONS'],
    [0, 'INVALID_PARTITIONS'],
    [NaN, 'INVALID_PARTITIONS'],
    [2 ** 40, 'INVALID_PARTITIONS'],
  ])('%d partitions instead of 2 are refused', async (partitions, code) => {
    const { cluster } = await world(2)
    const request = { topic: 'orders', partitions }
    await expect(cluster.admin.createPartitions(request)).rejects.toMatchObject({ code })
    expect((await cluster.admin.describeTopic('orders')).partitions).toHaveLength(2)
  })

  it('createPartitions places replicas as assigned', async () => {
    const cluster = await Cluster.memory({ brokers: 3 })
    onTestFinished(() => cluster.close())
    const { admin } = cluster
    await admin.createTopic({ topic: 'orders', assignment: [[1, 2]] })
    const more = { topic: 'orders', partitions: 3 }
    const assignments = [
      [3, 1],
      [2, 3],
    ]
    await admin.createPartitions({ ...more, assignments, validateOnly: true })
    expect((await admin.describeTopic('orders')).partitions).toHaveLength(1)
    await admin.createPartitions({ ...more, assignments })
    const { partitions } = await admin.describeTopic('orders')
    expect(partitions).toMatchObject([
      { replicas: [1, 2], leader: 1 },
      { replicas: [3, 1], leader: 3 },
      { replicas: [2, 3], leader: 2, isr: [2, 3] },
    ])
    const messages = [{ value: 'a', partition: 2 }]
    expect(await cluster.producer().send({ topic: 'orders', messages })).toMatchObject([
      { offset: 0 },
    ])
  })

  it('createPartitions refuses an assignment that is not possible', async () => {
    const { cluster } = await world(2)
    for (const [assignments, code] of [
      [[[1], [1]], 'INVALID_REPLICA_ASSIGNMENT'],
      [[[2]], 'INVALID_REPLICA_ASSIGNMENT'],
      [[[1, 2]], 'INVALID_REPLICA_ASSIGNMENT'],
      [[], 'INVALID_ARGUMENT'],
      [[[]], 'INVALID_ARGUMENT'],
      [[['1']], 'INVALID_ARGUMENT'],
      ['1', 'INVALID_ARGUMENT'],
    ] as [never, string][]) {
      const request = { topic: 'orders', partitions: 3, assignments }
      await expect(cluster.admin.createPartitions(request)).rejects.toMatchObject({ code })
    }
    expect((await cluster.admin.describeTopic('orders')).partitions).toHaveLength(2)
  })

  it('createPartitions for a topic that does not exist is refused', async () => {
    const { cluster } = await world()
    const request = { topic: 'nowhere', partitions: 2 }
    await expect(cluster.admin.createPartitions(request)).rejects.toMatchObject({
      code: 'UNKNOWN_TOPIC_OR_PARTITION',
    })
  })
})

describe('settings', () => {
  it('settings are described with their source', async () => {
    const { cluster } = await world()
    const { admin } = cluster
    await admin.createTopic({
      topic: 'kept',
      config: { 'retention.ms': -1, 'retention.bytes': '1000' },
    })
    const settings = await admin.describeConfig('kept')
    const byName = new Map(settings.map(each => [each.name, each]))
    expect(byName.get('retention.ms')).toMatchObject({ value: '-1', isDefault: false })
    expect(byName.get('retention.bytes')).toMatchObject({ value: '1000', isDefault: false })
    expect(byName.get('segment.bytes')).toMatchObject({ value: '1073741824', isDefault: true })
    expect(byName.get('max.compaction.lag.ms')?.value).toBe('9223372036854775807') // as Kafka says
    expect(byName.has('internal.segment.bytes')).toBe(false) // unless it was set
    await expect(admin.describeConfig('nowhere')).rejects.toMatchObject({
      code: 'UNKNOWN_TOPIC_OR_PARTITION',
    })
  })

  it('settings are changed at once, and reset', async () => {
    const { cluster, clock, write, writeMessages } = await world()
    const { admin } = cluster
    await admin.alterConfig('orders', { 'message.timestamp.type': 'LogAppendTime' })
    await writeMessages({ partition: 0, value: 'a', timestamp: 5 })
    await admin.alterConfig('orders', { 'message.timestamp.type': null, 'max.message.bytes': 100 })
    await writeMessages({ partition: 0, value: 'b', timestamp: 6 })
    await expect(write(0, 'x'.repeat(100))).rejects.toMatchObject({ code: 'MESSAGE_TOO_LARGE' })
    const consumer = cluster.consumer({ autoOffsetReset: 'earliest' })
    await consumer.assign(orders())
    const records = await consumer.poll()
    expect(records.map(({ timestamp, timestampType }) => [timestamp, timestampType])).toEqual([
      [clock.now(), 'LogAppendTime'],
      [6, 'CreateTime'],
    ])
  })

  it('an invalid setting changes none', async () => {
    const { cluster } = await world()
    const { admin } = cluster
    for (const changes of [
      { 'retention.ms': 5, 'retention.bytes': NaN },
      { 'retention.ms': 5, nonsense: 1 },
      { 'retention.ms': 5, nonsense: null },
      JSON.parse('{"retention.ms":5,"__proto__":null}') as object,
    ]) {
      await expect(
        admin.alterConfig('orders', changes as object),
        JSON.stringify(changes),
      ).rejects.toMatchObject({ code: 'INVALID_CONFIG' })
    }
    const settings = await admin.describeConfig('orders')
    expect(settings.filter(({ isDefault }) => !isDefault)).toEqual([])
  })
})

describe('deleteRecords', () => {
  it('deleteRecords moves the log start offset, up to the end', async () => {
    const { cluster, clock, write } = await world()
    const { admin } = cluster
    await write(0, 'a', 'b', 'c')
    await write(0, 'd')
    expect(await admin.deleteRecords({ ...first, offset: 2 })).toBe(2)
    expect(await admin.listOffsets('orders', 'earliest')).toMatchObject([{ offset: 2 }])
    const consumer = cluster.consumer({
      autoOffsetReset: 'earliest',
      valueDeserializer: 'string',
    })
    await consumer.assign(orders())
    await settle(clock)
    expect((await consumer.poll()).map(({ value }) => value)).toEqual(['c', 'd'])
    expect(await admin.deleteRecords({ ...first, offset: 0 })).toBe(2)
    expect(await admin.deleteRecords({ ...first, offset: 'latest' })).toBe(4)
    expect(await admin.listOffsets('orders', 'earliest')).toMatchObject([{ offset: 4 }])
  })

  it('deleteRecords beyond the end is refused', async () => {
    const { cluster, write } = await world()
    await write(0, 'a')
    await expect(cluster.admin.deleteRecords({ ...first, offset: 2 })).rejects.toMatchObject({
      code: 'OFFSET_OUT_OF_RANGE',
    })
    expect(await cluster.admin.listOffsets('orders', 'earliest')).toMatchObject([{ offset: 0 }])
  })

  it('deleteRecords of a partition that does not exist is refused', async () => {
    const { cluster, clock } = await world()
    const asked = cluster.admin.deleteRecords({ topic: 'orders', partition: 1, offset: 0 })
    asked.catch(() => undefined)
    await clock.advance(120_000)
    await expect(asked).rejects.toMatchObject({ code: 'UNKNOWN_TOPIC_OR_PARTITION' })
  })
})

describe('listOffsets', () => {
  it('listOffsets includes partitions that were added since the last call', async () => {
    const { cluster, clock } = await world(1)
    await cluster.admin.listOffsets('orders')
    await cluster.admin.createPartitions({ topic: 'orders', partitions: 2 })
    const listed = cluster.admin.listOffsets('orders')
    await settle(clock)
    await clock.advance(200)
    expect(await isPending(listed, clock)).toBe(false)
    expect(await listed).toHaveLength(2)
  })

  it('listOffsets finds both ends, a time, and the newest time', async () => {
    const { cluster, writeMessages } = await world(1)
    for (const timestamp of [1_000, 9_000, 3_000]) {
      await writeMessages({ partition: 0, value: 'x', timestamp })
    }
    const { admin } = cluster
    expect(await admin.listOffsets('orders')).toEqual([{ ...first, offset: 3, timestamp: null }])
    expect(await admin.listOffsets('orders', 'earliest')).toMatchObject([{ offset: 0 }])
    expect(await admin.listOffsets('orders', 'max-timestamp')).toEqual([
      { ...first, offset: 1, timestamp: 9_000 },
    ])
    expect(await admin.listOffsets('orders', 2_000)).toEqual([
      { ...first, offset: 1, timestamp: 9_000 },
    ])
    expect(await admin.listOffsets('orders', new Date(9_001))).toEqual([
      { ...first, offset: null, timestamp: null },
    ])
  })

  it('listOffsets has no newest time for an empty partition', async () => {
    const { cluster } = await world()
    expect(await cluster.admin.listOffsets('orders', 'max-timestamp')).toEqual([
      { ...first, offset: null, timestamp: null },
    ])
  })
})

describe('a broker that is away', () => {
  it('an admin retries a broker that does not answer', async () => {
    const { cluster, clock } = await world()
    let failures = 3
    intercept((api, _request, next) => {
      if (api === 'Metadata' && failures-- > 0) throw new PartlogError('NETWORK_EXCEPTION', 'gone')
      return next()
    })
    const listed = cluster.admin.listTopics()
    await clock.advance(1_000)
    expect(await listed).toEqual(['orders'])
  })

  it('a broker that does not answer does not keep the cluster from closing', async () => {
    const { cluster, clock } = await world()
    intercept((api, _request, next) => {
      if (api === 'Metadata') throw new PartlogError('NETWORK_EXCEPTION', 'gone')
      return next()
    })
    const listed = cluster.admin.listTopics()
    expect(await isPending(listed, clock)).toBe(true)
    await cluster.close()
    await expect(listed).rejects.toMatchObject({ code: 'NETWORK_EXCEPTION' })
    await expect(cluster.admin.listTopics()).rejects.toMatchObject({ code: 'CLOSED' })
  })
})
