/** What overview pages and tools ask. */

import type { Request } from '../../../src/protocol/api.js'
import { ends, NO_TOPIC, type Place } from './place.js'

const METADATA = '__cluster_metadata'

export async function tools(place: Place): Promise<void> {
  await logDirs(place)
  await topicPages(place)
  await security(place)
  await quorum(place)
  await resources(place)
  await quotas(place)
}

async function logDirs({ ask }: Place): Promise<void> {
  type Asked = Request<'DescribeLogDirs'>['topics']
  const about = (title: string, topics: Asked, version = 5) =>
    ask(title, 'DescribeLogDirs', version, { topics })
  for (const version of ends('DescribeLogDirs')) {
    await about('one partition', [{ topic: 'orders', partitions: [0] }], version)
  }
  await about('none', [])
  await about('one that is not there', [
    { topic: 'orders', partitions: [1, 99] },
    { topic: NO_TOPIC, partitions: [0] },
    { topic: 'orders', partitions: [] },
  ])
  const move = (title: string, path: string, version = 2) =>
    ask(title, 'AlterReplicaLogDirs', version, {
      dirs: [
        {
          path,
          topics: [
            { name: 'orders', partitions: [0, 99] },
            { name: NO_TOPIC, partitions: [0] },
          ],
        },
      ],
    })
  for (const version of ends('AlterReplicaLogDirs')) {
    await move('to a folder that is not there', '/nowhere/logs', version)
  }
  await move('to a relative path', 'logs')
  await ask('nothing', 'AlterReplicaLogDirs', 2, { dirs: [] })
}

async function topicPages({ ask }: Place): Promise<void> {
  type Asked = Request<'DescribeTopicPartitions'>
  const page = (title: string, names: readonly string[], more: Partial<Asked> = {}) =>
    ask(title, 'DescribeTopicPartitions', 0, { topics: names.map(name => ({ name })), ...more })
  const cursor = (topicName: string, partitionIndex: number) => ({
    cursor: { topicName, partitionIndex },
  })
  await page('all', [])
  await page('one, one that is not there, and it again', ['orders', NO_TOPIC, 'orders'])
  await page('a name that is none', ['a b'])
  for (const limit of [3, 4, 5]) {
    await page(`a page of ${limit}`, [], { responsePartitionLimit: limit })
  }
  for (const limit of [0, -1]) {
    await page(`a page of ${limit}`, ['orders'], { responsePartitionLimit: limit })
  }
  await page('from a partition on', ['orders'], cursor('orders', 2))
  await page('from a partition that is not there', ['orders'], cursor('orders', 99))
  await page('from a negative one', ['orders'], cursor('orders', -1))
  await page('all, from a negative one', [], cursor('orders', -1))
  await page('from another topic', ['orders'], cursor(NO_TOPIC, 0))
  await page('all, from a topic that is not there', [], cursor(NO_TOPIC, 0))
  await page('from a topic that is not there', ['orders', NO_TOPIC], cursor(NO_TOPIC, 0))
}

async function security({ ask }: Place): Promise<void> {
  const ANY = 1
  const filter = {
    resourceTypeFilter: ANY,
    resourceNameFilter: null,
    patternTypeFilter: ANY,
    principalFilter: null,
    hostFilter: null,
    operation: ANY,
    permissionType: ANY,
  }
  const acl = {
    resourceType: 2,
    resourceName: 'orders',
    resourcePatternType: 3,
    principal: 'User:a',
    host: '*',
    operation: 3,
    permissionType: 3,
  }
  for (const version of ends('DescribeAcls')) {
    await ask('all', 'DescribeAcls', version, { ...filter, patternTypeFilter: 3 })
    await ask('one', 'CreateAcls', version, { creations: [acl] })
    await ask('one', 'DeleteAcls', version, { filters: [{ ...filter, patternTypeFilter: 3 }] })
  }
  await ask('none', 'CreateAcls', 3, { creations: [] })
  await ask('two', 'CreateAcls', 3, { creations: [acl, acl] })
  await ask('none', 'DeleteAcls', 3, { filters: [] })
  await ask('two', 'DeleteAcls', 3, { filters: [filter, filter] })
  const users = (title: string, names: readonly string[] | null) =>
    ask(title, 'DescribeUserScramCredentials', 0, {
      users: names && names.map(name => ({ name })),
    })
  await users('all', null)
  await users('none', [])
  await users('one that is not there, and one twice', ['a', 'b', 'b', ''])
}

async function quorum({ ask }: Place): Promise<void> {
  const partitions = [{ partitionIndex: 0 }]
  await ask('none', 'DescribeQuorum', 2, { topics: [] })
  for (const version of [0, 1, 2]) {
    const topics = [{ topicName: 'orders', partitions }]
    await ask('of a topic', 'DescribeQuorum', version, { topics })
  }
  const topics = [{ topicName: METADATA, partitions: [{ partitionIndex: 1 }] }]
  await ask('a partition that is not there', 'DescribeQuorum', 2, { topics })
  for (const [title, list] of [
    ['all', null],
    ['none', []],
    ['one', [{ name: 'orders', partitionIndexes: [0, 99] }]],
    ['one that is not there', [{ name: NO_TOPIC, partitionIndexes: [0] }]],
  ] as const) {
    await ask(title, 'ListPartitionReassignments', 0, { topics: list })
  }
  await features({ ask })
}

async function features({ ask }: Pick<Place, 'ask'>): Promise<void> {
  const update = (title: string, feature: string, maxVersionLevel: number, version = 2) =>
    ask(title, 'UpdateFeatures', version, {
      featureUpdates: [{ feature, maxVersionLevel }],
      ...(version > 0 && { validateOnly: true }),
    })
  await ask('none', 'UpdateFeatures', 2, { featureUpdates: [], validateOnly: true })
  for (const version of [1, 2]) {
    await update('one that is none', 'nothing', 1, version)
    await update('the level that is', 'metadata.version', 33, version)
    await update('a level that is none', 'metadata.version', 99, version)
    await update('a lower level', 'metadata.version', 20, version)
    await update('level 0', 'metadata.version', 0, version)
  }
}

const SET = 0
const DELETE = 1
const APPEND = 2
const KIND = { broker: 4, logger: 8, metrics: 16, group: 32 } as const

/** Settings of what is no topic. */
async function resources({ ask }: Place): Promise<void> {
  const about = (title: string, resourceType: number, resourceName: string, more: object = {}) =>
    ask(title, 'DescribeConfigs', 4, {
      resources: [{ resourceType, resourceName, configurationKeys: null }],
      includeSynonyms: true,
      ...more,
    })
  await about('all of a broker', KIND.broker, '1')
  await about('what all brokers have', KIND.broker, '')
  for (const [title, kind] of Object.entries(KIND).slice(1)) {
    await about(`${title} without a name`, kind, '')
    await about(`${title} "x"`, kind, 'x')
  }
  await about('loggers of another broker', KIND.logger, '7')
  type Change = readonly [name: string, operation: number, value: string | null]
  const alter = (title: string, kind: number, name: string, changes: readonly Change[]) =>
    ask(title, 'IncrementalAlterConfigs', 1, {
      resources: [
        {
          resourceType: kind,
          resourceName: name,
          configs: changes.map(([setting, configOperation, value]) => ({
            name: setting,
            configOperation,
            value,
          })),
        },
      ],
      validateOnly: false,
    })
  const { broker, logger, metrics, group } = KIND
  await alter('a broker: what never changes', broker, '1', [['broker.id', SET, '9']])
  await alter('a broker: taking back', broker, '1', [['broker.id', DELETE, null]])
  await alter('another broker', broker, '7', [['num.io.threads', SET, '9']])
  await alter('a broker that is none', broker, 'x', [['num.io.threads', SET, '9']])
  await alter('a logger that is none', logger, '1', [['nothing', SET, 'DEBUG']])
  await alter('a logger of another broker', logger, '7', [['root', SET, 'DEBUG']])
  const session = 'consumer.session.timeout.ms'
  for (const value of ['50000', '44999', '60000', '60001', 'x', '']) {
    await alter(`a group's session time-out, "${value}"`, group, 'edgy', [[session, SET, value]])
  }
  for (const value of ['4999', '5000', '15001']) {
    const change = ['consumer.heartbeat.interval.ms', SET, value] as const
    await alter(`a group's heartbeat, "${value}"`, group, 'edgy', [change])
  }
  for (const value of ['-1', '0', '15001']) {
    const change = ['consumer.assignment.interval.ms', SET, value] as const
    await alter(`a group's assignments, "${value}"`, group, 'edgy', [change])
  }
  await alter('a group: append', group, 'edgy', [[session, APPEND, '1']])
  await alter('a group: what is none', group, 'edgy', [['nothing', SET, '1']])
  await alter('a group: taking back what is none', group, 'edgy', [['nothing', DELETE, null]])
  await alter('a group without a name', group, '', [[session, SET, '50000']])
  for (const value of ['99', '100', '3600001']) {
    const change = ['interval.ms', SET, value] as const
    await alter(`metrics every "${value}"`, metrics, 'often', [change])
  }
  for (const value of ['', 'client_id=a.*', 'client_id=a,client_software_name=b']) {
    await alter(`metrics of "${value}"`, metrics, 'often', [['match', SET, value]])
  }
  await alter('metrics: what is none', metrics, 'often', [['nothing', SET, '1']])
  await alter('metrics: append', metrics, 'often', [['metrics', APPEND, 'a']])
  await alter('metrics without a name', metrics, '', [['interval.ms', SET, '100']])
  await about('a group with settings', group, 'edgy')
  await about('metrics with settings', metrics, 'often')
  for (const version of ends('ListConfigResources')) {
    await ask('all', 'ListConfigResources', version, {})
  }
  await ask('some kinds', 'ListConfigResources', 1, { resourceTypes: [broker, group, group] })
  await ask('a kind that is none', 'ListConfigResources', 1, { resourceTypes: [2, 99] })
  await alter('a group: taking back', group, 'edgy', [
    [session, DELETE, null],
    ['consumer.heartbeat.interval.ms', DELETE, null],
    ['consumer.assignment.interval.ms', DELETE, null],
  ])
  await about('a group without settings', group, 'edgy')
}

/** Quotas of clients: kept, shown, not enforced. */
async function quotas({ ask }: Place): Promise<void> {
  type Component = Request<'DescribeClientQuotas'>['components'][number]
  type Entity = Request<'AlterClientQuotas'>['entries'][number]['entity'][number]
  const EXACT = 0
  const DEFAULT = 1
  const SPECIFIED = 2
  const part = (entityType: string, entityName: string | null): Entity => ({
    entityType,
    entityName,
  })
  const find = (title: string, components: readonly Component[], strict = false, version = 1) =>
    ask(title, 'DescribeClientQuotas', version, { components, strict })
  const match = (entityType: string, matchType: number, name: string | null = null) => ({
    entityType,
    matchType,
    match: name,
  })
  const set = (
    title: string,
    entity: readonly Entity[],
    ops: readonly (readonly [key: string, value: number, remove?: boolean])[],
    version = 1,
  ) =>
    ask(title, 'AlterClientQuotas', version, {
      entries: [{ entity, ops: ops.map(([key, value, remove = false]) => ({ key, value, remove })) }],
      validateOnly: false,
    })
  const [user, other, client] = [part('user', 'a'), part('user', null), part('client-id', 'c')]
  for (const version of ends('AlterClientQuotas')) {
    await set('a user', [user], [['producer_byte_rate', 1_024]], version)
  }
  await set('a user and a client', [user, client], [
    ['consumer_byte_rate', 10],
    ['request_percentage', 50.5],
  ])
  await set('the other users', [other], [['request_percentage', 12.5]])
  await set('an address', [part('ip', '1.2.3.4')], [['connection_creation_rate', 5]])
  await set('an address of six', [part('ip', '::1')], [['connection_creation_rate', 6]])
  await set('a bad address', [part('ip', '1.2.3.456')], [['connection_creation_rate', 5]])
  await set('of clients for an address', [part('ip', '1.2.3.4')], [['producer_byte_rate', 5]])
  await set('of addresses for a user', [user], [['connection_creation_rate', 5]])
  await set('one that is none', [user], [['x', 5]])
  for (const value of [-5, 0, 1.5, NaN, Infinity, 9.3e18]) {
    await set(`bytes, ${value}`, [user], [['producer_byte_rate', value]])
    await set(`percent, ${value}`, [part('user', 'p')], [['request_percentage', value]])
    const connections = ['connection_creation_rate', value] as const
    await set(`connections, ${value}`, [part('ip', null)], [connections])
  }
  await set('one twice', [user], [
    ['producer_byte_rate', 1],
    ['producer_byte_rate', 2],
  ])
  await set('two users', [user, part('user', 'b')], [['producer_byte_rate', 1]])
  await set('of nobody', [], [['producer_byte_rate', 1]])
  await set('of another kind', [part('dog', 'a')], [['producer_byte_rate', 1]])
  await set('an empty name', [part('user', '')], [['producer_byte_rate', 1]])
  await set('an empty kind', [part('', 'a')], [['producer_byte_rate', 1]])
  await set('nothing', [user], [])
  await set('a user and an address', [user, part('ip', '1.2.3.4')], [['producer_byte_rate', 1]])
  await set('taking back what is not', [part('user', 'n')], [['producer_byte_rate', 0, true]])
  await set('taking back what is none', [part('user', 'n')], [['x', 0, true]])
  for (const version of ends('DescribeClientQuotas')) await find('all', [], false, version)
  await find('all, strictly', [], true)
  for (const strict of [false, true]) {
    const how = strict ? ', strictly' : ''
    await find(`users${how}`, [match('user', SPECIFIED)], strict)
    await find(`the other users${how}`, [match('user', DEFAULT)], strict)
    await find(`one user${how}`, [match('user', EXACT, 'a')], strict)
    const both = [match('user', EXACT, 'a'), match('client-id', SPECIFIED)]
    await find(`one user, by client${how}`, both, strict)
  }
  await find('of another kind', [match('dog', EXACT, 'a')])
  await find('an empty kind', [match('', EXACT, 'a')])
  await find('exactly nobody', [match('user', EXACT)])
  await find('the others by name', [match('user', DEFAULT, 'a')])
  await find('any by name', [match('user', SPECIFIED, 'a')])
  await find('one kind twice', [match('user', EXACT, 'a'), match('user', EXACT, 'b')])
  await find('a user and an address', [match('user', EXACT, 'a'), match('ip', EXACT, '1.2.3.4')])
  await find('a match that is none', [match('user', 9, 'a')])
  await set('taking back', [user, client], [
    ['consumer_byte_rate', 0, true],
    ['request_percentage', 0, true],
  ])
  await find('what is left', [match('user', SPECIFIED)])
}
