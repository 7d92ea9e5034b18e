/** What applications get wrong: a code and a sentence, before anything has changed. */

import { describe, expect, it } from 'vitest'
import type { Admin } from '../../src/client/admin/admin-api.js'
import type { Consumer } from '../../src/client/consumer/consumer-api.js'
import { Cluster } from '../../src/cluster/cluster.js'
import { isPartlogError, type ErrorCode } from '../../src/model/errors.js'
import { describeGroup } from '../describe-group'
import { orders, world } from './world.js'

type Call = (consumer: Consumer) => unknown
const first = { topic: 'orders', partition: 0 }
const any = (value: unknown): never => value as never

/** Offsets that are none. */
const NO_OFFSETS: readonly unknown[] = [-1, 1.5, NaN, Infinity, 2 ** 53, '0', null, undefined, 5n]
/** Partition numbers that are none. */
const NO_PARTITIONS: readonly unknown[] = [-1, 0.5, NaN, 2 ** 31, '0', null, undefined]
const NO_TOPICS: readonly unknown[] = ['', '.', '..', 'a/b', 'ä', 'x'.repeat(250), 5, null, {}]

const CALLS: readonly (readonly [string, Call, ErrorCode])[] = [
  ['subscribe to text', c => c.subscribe(any('orders')), 'INVALID_ARGUMENT'],
  ['subscribe to nothing', c => c.subscribe(any(undefined)), 'INVALID_ARGUMENT'],
  ...NO_TOPICS.map(
    topic =>
      [
        `subscribe to ${show(topic)}`,
        c => c.subscribe(any([topic])),
        'INVALID_TOPIC_EXCEPTION',
      ] as [string, Call, ErrorCode],
  ),
  ['assign text', c => c.assign(any('orders-0')), 'INVALID_ARGUMENT'],
  ['assign nothing', c => c.assign(any([undefined])), 'INVALID_ARGUMENT'],
  ...NO_PARTITIONS.map(
    partition =>
      [
        `assign partition ${show(partition)}`,
        c => c.assign(any([{ topic: 'orders', partition }])),
        'INVALID_PARTITIONS',
      ] as [string, Call, ErrorCode],
  ),
  ...NO_OFFSETS.flatMap(
    offset =>
      [
        [`seek to ${show(offset)}`, c => c.seek(any({ ...first, offset })), 'INVALID_ARGUMENT'],
        [
          `commit offset ${show(offset)}`,
          c => c.commit(any({ offsets: [{ ...first, offset }] })),
          'INVALID_ARGUMENT',
        ],
        [
          `commit record ${show(offset)}`,
          c => c.commit(any({ records: [{ ...first, offset }] })),
          'INVALID_ARGUMENT',
        ],
      ] as [string, Call, ErrorCode][],
  ),
  ['seek nowhere', c => c.seek(any(undefined)), 'INVALID_ARGUMENT'],
  ['commit text', c => c.commit(any('all')), 'INVALID_ARGUMENT'],
  ['commit null', c => c.commit(any(null)), 'INVALID_ARGUMENT'],
  ['commit records of text', c => c.commit(any({ records: 5 })), 'INVALID_ARGUMENT'],
  ['commit offsets of null', c => c.commit(any({ offsets: null })), 'INVALID_ARGUMENT'],
  ['commit a hole', c => c.commit(any({ records: [null] })), 'INVALID_ARGUMENT'],
  ['commit both', c => c.commit(any({ records: [], offsets: [] })), 'INVALID_ARGUMENT'],
  ['commit a typo', c => c.commit(any({ offset: [] })), 'INVALID_ARGUMENT'],
  [
    'commit metadata of number',
    c => c.commit(any({ offsets: [{ ...first, offset: 1, metadata: 5 }] })),
    'INVALID_ARGUMENT',
  ],
  ['poll for −1', c => c.poll({ timeoutMs: -1 }), 'INVALID_ARGUMENT'],
  ['poll for NaN', c => c.poll({ timeoutMs: NaN }), 'INVALID_ARGUMENT'],
  ['poll for text', c => c.poll(any({ timeoutMs: '5' })), 'INVALID_ARGUMENT'],
  ['poll for a number', c => c.poll(any(5)), 'INVALID_ARGUMENT'],
  ['poll for null', c => c.poll(any(null)), 'INVALID_ARGUMENT'],
  ['poll with a signal of text', c => c.poll(any({ signal: 'x' })), 'INVALID_ARGUMENT'],
  ['run nothing', c => c.run(any(undefined)), 'INVALID_ARGUMENT'],
  ['run a function', c => c.run(any(() => undefined)), 'INVALID_ARGUMENT'],
  ['run text', c => c.run(any({ eachRecord: 'x' })), 'INVALID_ARGUMENT'],
  [
    'run both',
    c => c.run({ eachRecord: () => undefined, eachBatch: () => undefined }),
    'INVALID_ARGUMENT',
  ],
  ['pause text', c => c.pause(any('orders')), 'INVALID_ARGUMENT'],
  ['pause nothing', c => c.pause(any(undefined)), 'INVALID_ARGUMENT'],
  ['resume a hole', c => c.resume(any([null])), 'INVALID_ARGUMENT'],
  ['position of nothing', c => c.position(any(undefined)), 'INVALID_ARGUMENT'],
  ['committed of text', c => c.committed(any('orders')), 'INVALID_ARGUMENT'],
  ['seekToEnd of text', c => c.seekToEnd(any('orders')), 'INVALID_ARGUMENT'],
  ['endOffsets of nothing', c => c.endOffsets(any(undefined)), 'INVALID_ARGUMENT'],
  [
    'offsetsForTimes NaN',
    c => c.offsetsForTimes([{ ...first, timestamp: NaN }]),
    'INVALID_TIMESTAMP',
  ],
  [
    'offsetsForTimes no date',
    c => c.offsetsForTimes([{ ...first, timestamp: new Date('no') }]),
    'INVALID_TIMESTAMP',
  ],
]

function show(value: unknown): string {
  return typeof value === 'string' ? `'${value.slice(0, 5)}'` : String(value)
}

async function failureOf(call: () => unknown): Promise<unknown> {
  try {
    await call()
    return 'nothing'
  } catch (error) {
    return error
  }
}

describe('a consumer is told', () => {
  it.each(CALLS)('a consumer refuses %s', async (_name, call, code) => {
    const { cluster, write } = await world()
    await write(0, 'a', 'b')
    const consumer = cluster.consumer({ groupId: 'g', autoOffsetReset: 'earliest' })
    await consumer.subscribe(['orders'])
    const failure = await failureOf(() => call(consumer))
    expect(isPartlogError(failure) ? failure.code : failure).toBe(code)
    expect((failure as Error).message.length).toBeGreaterThan(code.length + 10)
    expect(consumer.assignment()).toEqual(orders())
    expect(consumer.paused()).toEqual([])
    expect(await consumer.position(first)).toBe(0)
    expect(await consumer.committed()).toMatchObject([{ offset: null }])
  })

  it.each([
    ['subscribe', c => c.subscribe(['orders'])],
    ['commit', c => c.commit()],
    ['committed', c => c.committed(orders())],
  ] as [string, Call][])('%s without a group is refused', async (_name, call) => {
    const { cluster } = await world()
    const failure = await failureOf(() => call(cluster.consumer()))
    expect(failure).toMatchObject({ code: 'INVALID_GROUP_ID' })
  })

  const group = { groupId: 'g' }
  it.each([
    [{ groupId: 5 }, 'INVALID_CONFIG'],
    [{ groupId: '' }, 'INVALID_CONFIG'],
    [{ ...group, autoOffsetReset: 'newest' }, 'INVALID_CONFIG'],
    [{ ...group, enableAutoCommit: 'yes' }, 'INVALID_CONFIG'],
    [{ ...group, autoCommitIntervalMs: 0 }, 'INVALID_CONFIG'],
    [{ ...group, metadataMaxAgeMs: 0 }, 'INVALID_CONFIG'],
    [{ ...group, fetchMinBytes: 1.5 }, 'INVALID_CONFIG'],
    [{ ...group, fetchMaxWaitMs: NaN }, 'INVALID_CONFIG'],
    [{ ...group, fetchMaxBytes: 2 ** 31 }, 'INVALID_CONFIG'],
    [{ ...group, maxPollRecords: 0 }, 'INVALID_CONFIG'],
    [{ ...group, maxPollRecords: '5' }, 'INVALID_CONFIG'],
    [{ ...group, valueDeserializer: 'xml' }, 'INVALID_CONFIG'],
    [{ ...group, valueDeserialiser: 'json' }, 'INVALID_CONFIG'],
    [JSON.parse('{"__proto__":{"groupId":"g"}}'), 'INVALID_CONFIG'],
    [Object.create({ groupId: 'g' }), 'INVALID_CONFIG'],
    ['g', 'INVALID_CONFIG'],
  ])('the consumer option %j is refused', async (options, code) => {
    const { cluster } = await world()
    const failure = await failureOf(() => cluster.consumer(any(options)))
    // An inherited groupId is not an own option: the consumer has no group.
    const seen = isPartlogError(failure) ? failure.code : failure
    const isInherited = typeof options === 'object' && Object.getPrototypeOf(options).groupId
    expect(seen).toBe(isInherited ? 'nothing' : code)
  })

  it('the error of a misspelt option names the right one', async () => {
    const { cluster } = await world()
    expect(() => cluster.consumer(any({ groupID: 'g' }))).toThrow('groupId')
    expect(() => cluster.producer(any({ linger: 5 }))).toThrow('lingerMs')
  })
})

describe('a cluster is told', () => {
  it.each([
    [{ brokers: 0 }],
    [{ brokers: 65 }],
    [{ durability: 'none' }],
    [{ onCorruption: 'ignore' }],
    [{ defaultPartitions: 0 }],
    [{ defaultPartitions: NaN }],
    [{ clock: Date }],
    [{ clock: { now: Date.now, monotonicMs: Date.now, after: setTimeout } }],
    [{ random: Math.random }],
    [{ logger: 'stderr' }],
    [{ autoCreateTopics: 1 }],
    [{ dir: 'here' }],
    [JSON.parse('{"__proto__":1}') as object],
    [5],
  ])('Cluster.memory refuses %j', async options => {
    const failure = await failureOf(() => Cluster.memory(any(options)))
    expect(failure).toMatchObject({ code: 'INVALID_CONFIG' })
  })

  it.each([[undefined], [{}], [{ dir: 5 }], [{ dir: '' }], [{ dir: 'a\0b' }], ['here']])(
    'Cluster.open refuses %j',
    async options => {
      const failure = await failureOf(() => Cluster.open(any(options)))
      expect(failure).toMatchObject({ code: 'INVALID_CONFIG' })
    },
  )
})

function groupCalls(admin: Admin): [() => unknown, ErrorCode][] {
  const g = { groupId: 'g' }
  const reset = (fields: object) => () => admin.resetGroupOffsets(any({ ...g, ...fields }))
  const wrong: (() => unknown)[] = [
    () => admin.listGroups(any({ state: ['Empty'] })),
    () => admin.listGroups(any({ states: ['empty'] })),
    () => admin.listGroups(any({ states: 'Empty' })),
    () => admin.describeGroups(any('g')),
    () => admin.deleteGroups(any('g')),
    () => admin.deleteGroups(any(undefined)),
    () => admin.removeGroupMembers(any({ ...g, members: 'x' })),
    () => admin.removeGroupMembers(any({ ...g, members: ['x'] })),
    () => admin.removeGroupMembers({ ...g, members: [{ memberId: '' }] }),
    () => admin.removeGroupMembers(any({ ...g, members: [{}] })),
    () => admin.removeGroupMembers(any({ ...g, members: [{ memberId: 'x', groupInstanceId: 'y' }] })),
    () => admin.removeGroupMembers(any({ ...g, member: [] })),
    () => admin.alterGroupOffsets(any({ ...g, offsets: first })),
    () => admin.alterGroupOffsets(any({ ...g, offsets: [first] })),
    () => admin.alterGroupOffsets(any({ ...g, offsets: [{ ...first, offset: -1 }] })),
    () => admin.alterGroupOffsets({ ...g, offsets: [1, 2].map(offset => ({ ...first, offset })) }),
    () => admin.alterGroupOffsets(any({ ...g, offsets: [], evenIfActive: 1 })),
    () => admin.alterGroupOffsets(any({ ...g, offsets: [], force: true })),
    () => admin.deleteGroupOffsets(any(g)),
    () => admin.deleteGroupOffsets(any({ ...g, partitions: [{ topic: 'orders' }], x: 1 })),
  ]
  const noTargets = [undefined, null, 'newest', 5, [], {}, { at: 1 }, { offset: -1 }]
  const wrongResets = [
    ...noTargets.map(to => ({ to })),
    { to: { offset: 1, shiftBy: 1 } },
    { to: { shiftBy: 1.5 } },
    { to: { offsets: [first] } },
    { to: { offsets: [1, 2].map(offset => ({ ...first, offset })) } },
    { to: { offsets: [{ ...first, offset: 1 }] }, topics: ['orders'] },
    { to: { offsets: [{ ...first, offset: 1 }] }, partitions: [first] },
    { to: 'latest', topics: 'orders' },
    { to: 'latest', partitions: first },
    { to: 'latest', dryRun: 'yes' },
    { to: 'latest', evenIfActive: 'yes' },
    { to: 'latest', execute: true },
  ].map(reset)
  return [
    ...[...wrong, ...wrongResets].map((call): [() => unknown, ErrorCode] => [
      call,
      'INVALID_ARGUMENT',
    ]),
    [reset({ to: { timestamp: '2026-01-01' } }), 'INVALID_TIMESTAMP'],
    [reset({ to: { timestamp: -1 } }), 'INVALID_TIMESTAMP'],
    [reset({ to: 'latest', topics: ['a b'] }), 'INVALID_TOPIC_EXCEPTION'],
    [() => admin.resetGroupOffsets({ groupId: '', to: 'latest' }), 'INVALID_GROUP_ID'],
    [() => describeGroup(admin, ''), 'INVALID_GROUP_ID'],
    [() => admin.describeGroups(['g', '']), 'INVALID_GROUP_ID'],
    [() => admin.deleteGroups(['g', '']), 'INVALID_GROUP_ID'],
    [() => admin.groupLag(any(undefined)), 'INVALID_GROUP_ID'],
    [() => admin.removeGroupMembers({ groupId: '' }), 'INVALID_GROUP_ID'],
    [() => admin.alterGroupOffsets({ groupId: '', offsets: [] }), 'INVALID_GROUP_ID'],
    [() => admin.deleteGroupOffsets({ groupId: '', partitions: [] }), 'INVALID_GROUP_ID'],
  ]
}

describe('an admin is told', () => {
  it.each([
    ['listGroups', (admin: Admin) => admin.listGroups(any({ x: 1 }))],
    ['removeGroupMembers', (admin: Admin) => admin.removeGroupMembers(any({ x: 1 }))],
    ['alterGroupOffsets', (admin: Admin) => admin.alterGroupOffsets(any({ x: 1 }))],
    ['resetGroupOffsets', (admin: Admin) => admin.resetGroupOffsets(any({ x: 1 }))],
    ['deleteGroupOffsets', (admin: Admin) => admin.deleteGroupOffsets(any({ x: 1 }))],
    ['alterConfig', (admin: Admin) => admin.alterConfig(any({ x: 1 }))],
  ])('a field that %s does not have is refused under the name of the method', async (name, call) => {
    const { cluster } = await world()
    expect(String(await failureOf(() => call(cluster.admin)))).toContain(`${name} field`)
  })

  it('an admin names every invalid argument, and changes nothing', async () => {
    const { cluster, write } = await world()
    await write(0, 'a')
    const { admin } = cluster
    const more = { topic: 'orders', partitions: 2 }
    const calls: [() => unknown, ErrorCode][] = [
      [() => admin.createTopic(any(undefined)), 'INVALID_ARGUMENT'],
      [() => admin.createTopic(any('fresh')), 'INVALID_ARGUMENT'],
      [() => admin.createTopic(any({ topic: 'x', config: 5 })), 'INVALID_CONFIG'],
      [() => admin.createTopic(any({ topic: 'x', partition: 5 })), 'INVALID_ARGUMENT'],
      [() => admin.createTopic(any({ topic: 'x', validateOnly: 'no' })), 'INVALID_ARGUMENT'],
      [() => admin.deleteTopic(any(undefined)), 'INVALID_TOPIC_EXCEPTION'],
      [() => admin.describeTopic(any({ topic: 'orders' })), 'INVALID_TOPIC_EXCEPTION'],
      [() => admin.createPartitions(any(undefined)), 'INVALID_ARGUMENT'],
      [() => admin.createPartitions(any({ ...more, assignment: [[1]] })), 'INVALID_ARGUMENT'],
      [() => admin.createPartitions(any({ ...more, validateOnly: 'no' })), 'INVALID_ARGUMENT'],
      [() => admin.alterConfig('orders', any(5)), 'INVALID_ARGUMENT'],
      [() => admin.deleteRecords(any(undefined)), 'INVALID_ARGUMENT'],
      [() => admin.deleteRecords(any({ ...first })), 'INVALID_ARGUMENT'],
      ...NO_OFFSETS.map(
        offset =>
          [() => admin.deleteRecords(any({ ...first, offset })), 'INVALID_ARGUMENT'] as [
            () => unknown,
            ErrorCode,
          ],
      ),
      [() => admin.listOffsets('orders', any('newest')), 'INVALID_ARGUMENT'],
      [() => admin.listOffsets('orders', any('__proto__')), 'INVALID_ARGUMENT'],
      [() => admin.listOffsets('orders', NaN), 'INVALID_ARGUMENT'],
      [() => admin.listGroupOffsets(any(undefined)), 'INVALID_GROUP_ID'],
      [() => admin.listGroupOffsets(''), 'INVALID_GROUP_ID'],
      ...groupCalls(admin),
    ]
    for (const [call, code] of calls) {
      const failure = await failureOf(call)
      expect(isPartlogError(failure) ? failure.code : failure, call.toString()).toBe(code)
    }
    expect(await admin.listTopics()).toEqual(['orders'])
    expect(await admin.listOffsets('orders', 'earliest')).toMatchObject([{ offset: 0 }])
  })
})
