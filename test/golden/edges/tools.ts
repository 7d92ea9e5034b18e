/** What overview pages and tools ask. */

import type { Request } from '../../../src/protocol/api.js'
import { ends, NO_TOPIC, type Place } from './place.js'

const METADATA = '__cluster_metadata'

export async function tools(place: Place): Promise<void> {
  await logDirs(place)
  await topicPages(place)
  await security(place)
  await quorum(place)
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
    ...{ resourceTypeFilter: ANY, resourceNameFilter: null, patternTypeFilter: ANY },
    ...{ principalFilter: null, hostFilter: null, operation: ANY, permissionType: ANY },
  }
  const acl = {
    ...{ resourceType: 2, resourceName: 'orders', resourcePatternType: 3 },
    ...{ principal: 'User:a', host: '*', operation: 3, permissionType: 3 },
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
