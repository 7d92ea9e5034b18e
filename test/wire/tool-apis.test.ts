import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { Cluster } from '../../src/cluster/cluster.js'
import { connect } from '../../src/connect.js'
import type { Request, Response } from '../../src/protocol/api.js'
import { apiVersions } from '../../src/wire/versions.js'
import { reach, wireWorld } from './client.js'

const THREE = { brokers: 3 }

async function shop() {
  const world = await wireWorld(THREE)
  await world.cluster.admin.createTopic({ topic: 'orders', assignment: [[1, 2], [2, 3], [3, 1]] })
  const messages = [{ value: 'a', partition: 0 }, { value: 'bc', partition: 2 }]
  await world.cluster.producer().send({ topic: 'orders', messages })
  return world
}

describe('DescribeLogDirs', () => {
  it('DescribeLogDirs lists the logs of the asked broker with their bytes', async () => {
    const { connect } = await shop()
    const sizesAt = async (nodeId: number) => {
      const answer = await connect(nodeId).ask('DescribeLogDirs', 5, { topics: null })
      const [dir] = answer.results
      expect(answer.results).toHaveLength(1)
      expect(dir).toMatchObject({ errorCode: 0, totalBytes: -1, usableBytes: -1 })
      const partitions = dir?.topics.find(({ name }) => name === 'orders')?.partitions ?? []
      return partitions
        .map(({ partitionIndex, partitionSize }) => [partitionIndex, partitionSize])
        .sort()
    }
    const [one, two, three] = [await sizesAt(1), await sizesAt(2), await sizesAt(3)]
    expect(one.map(([index]) => index)).toEqual([0, 2])
    expect(two).toEqual([one[0], [1, 0]])
    expect(three).toEqual([[1, 0], one[1]])
    expect(one[0]?.[1]).toBeGreaterThan(60)
    expect(one[1]?.[1]).toBe((one[0]?.[1] as number) + 1)
  })

  it('a log stays in the folder it is in, and goes to no other', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'partlog-log-dirs-'))
    onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
    const cluster = await Cluster.open({ dir })
    onTestFinished(() => cluster.close())
    await cluster.admin.createTopic({ topic: 'orders' })
    const { bootstrap } = await cluster.listen({ port: 0 })
    const client = reach(bootstrap[0] as string)
    const { results } = await client.ask('DescribeLogDirs', 1, { topics: null })
    const path = join(dir, 'broker-1')
    expect(results.map(({ logDir }) => logDir)).toEqual([path])
    const move = async (to: string) => {
      const topics = [{ name: 'orders', partitions: [0, 7] }]
      const answer = await client.ask('AlterReplicaLogDirs', 2, { dirs: [{ path: to, topics }] })
      return answer.results[0]?.partitions.map(({ errorCode }) => errorCode)
    }
    expect(await move(path)).toEqual([0, 3]) // UNKNOWN_TOPIC_OR_PARTITION
    expect(await move(join(dir, 'broker-2'))).toEqual([57, 57]) // LOG_DIR_NOT_FOUND
    client.socket.destroy()
  })
})

describe('admin.describeLogDirs', () => {
  it('the admin lists the logs of all brokers that are alive, here and over a wire', async () => {
    const { cluster } = await shop()
    const found = await cluster.admin.describeLogDirs()
    const places = found.map(({ broker, logDir, logs }) => ({
      broker,
      logDir,
      logs: logs.filter(({ topic }) => topic === 'orders').map(({ partition }) => partition),
    }))
    expect(places).toEqual([
      { broker: 1, logDir: 'memory/broker-1', logs: [0, 2] },
      { broker: 2, logDir: 'memory/broker-2', logs: [0, 1] },
      { broker: 3, logDir: 'memory/broker-3', logs: [1, 2] },
    ])
    const sizes = new Map(found[0]?.logs.map(({ partition, sizeBytes }) => [partition, sizeBytes]))
    expect(sizes.get(2)).toBe((sizes.get(0) ?? 0) + 1) // a value of two bytes, and one of one
    const { bootstrap } = await cluster.listen({ port: 0 })
    const remote = await connect({ bootstrapServers: bootstrap })
    expect(await remote.admin.describeLogDirs()).toEqual(found)
    await remote.close()
    await cluster.broker(2).kill()
    const left = await cluster.admin.describeLogDirs()
    expect(left.map(({ broker }) => broker)).toEqual([1, 3])
  })
})

describe('DescribeQuorum', () => {
  it.each([0, 1, 2])('DescribeQuorum v%d tells how far the metadata log goes', async version => {
    const { cluster, connect } = await shop()
    const client = connect(2)
    const ask = async () => {
      const partitions = [{ partitionIndex: 0 }]
      const request = { topics: [{ topicName: '__cluster_metadata', partitions }] }
      const { errorCode, topics, nodes } = await client.ask('DescribeQuorum', version, request)
      expect([errorCode, topics[0]?.partitions[0]?.errorCode]).toEqual([0, 0])
      expect(nodes).toEqual(version < 2 ? [] : [{ nodeId: 0, listeners: [] }])
      return topics[0]!.partitions[0]!
    }
    const before = await ask()
    expect(before).toMatchObject({ leaderId: 0, leaderEpoch: 0, observers: [] })
    expect(before.currentVoters).toMatchObject([
      { replicaId: 0, logEndOffset: before.highWatermark },
    ])
    await cluster.admin.createTopic({ topic: 'bills' })
    const after = await ask()
    expect(after.highWatermark).toBe(before.highWatermark + 2) // a topic and its partition
  })
})

describe('DescribeTopicPartitions', () => {
  it('pages follow each other, and name replicas that are dead', async () => {
    const { cluster, connect } = await shop()
    await cluster.admin.createTopic({ topic: 'bills', assignment: [[2], [3]] })
    await cluster.broker(3).kill()
    const client = connect(1)
    const seen: string[] = []
    let cursor: { topicName: string; partitionIndex: number } | null = null
    do {
      const request: Request<'DescribeTopicPartitions'> = {
        topics: [],
        responsePartitionLimit: 2,
        cursor,
      }
      const page: Response<'DescribeTopicPartitions'> = await client.ask('DescribeTopicPartitions', 0, request)
      for (const { name, topicId, partitions } of page.topics) {
        expect(topicId).toBe((await cluster.admin.describeTopic(name ?? '')).topicId)
        for (const { partitionIndex, leaderId, offlineReplicas } of partitions) {
          seen.push(`${name}-${partitionIndex}: ${leaderId}, dead ${offlineReplicas.join()}`)
        }
      }
      cursor = page.nextCursor ?? null
    } while (cursor !== null)
    expect(seen).toEqual([
      'bills-0: 2, dead ',
      'bills-1: -1, dead 3',
      ...['orders-0: 1, dead ', 'orders-1: 2, dead 3', 'orders-2: 1, dead 3'],
    ])
  })
})

describe('settings of what is no topic', () => {
  const group = { resourceType: 32, resourceName: 'shop', configurationKeys: null }
  const name = 'consumer.session.timeout.ms'

  it('settings of groups survive a restart', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'partlog-groups-'))
    onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
    const valueAt = async (cluster: Cluster) => {
      const { bootstrap } = await cluster.listen({ port: 0 })
      const client = reach(bootstrap[0] as string)
      const { results } = await client.ask('DescribeConfigs', 4, { resources: [group] })
      const found = results[0]?.configs.find(each => each.name === name)
      return { client, found: [found?.value, found?.configSource] }
    }
    const first = await Cluster.open({ dir })
    const { client, found } = await valueAt(first)
    expect(found).toEqual(['45000', 5])
    const set = { name, configOperation: 0, value: '50000' }
    const resources = [{ resourceType: 32, resourceName: 'shop', configs: [set] }]
    const request = { resources, validateOnly: false }
    const { responses } = await client.ask('IncrementalAlterConfigs', 1, request)
    expect(responses).toMatchObject([{ errorCode: 0 }])
    await first.close()
    const again = await Cluster.open({ dir })
    onTestFinished(() => again.close())
    expect((await valueAt(again)).found).toEqual(['50000', 8])
  })

  it('a broker shows what the program gave as static, and what each setting means', async () => {
    const { connect } = await wireWorld({ defaultPartitions: 3 })
    const configurationKeys = ['num.partitions', 'replica.lag.time.max.ms', 'log.dirs']
    const broker = { resourceType: 4, resourceName: '1', configurationKeys }
    const topic = { resourceType: 2, resourceName: 'orders', configurationKeys: null }
    const client = connect()
    const ask = async (includeDocumentation: boolean) => {
      const request = { resources: [broker, topic], includeDocumentation }
      const { results } = await client.ask('DescribeConfigs', 4, request)
      return results.flatMap(({ configs }) => configs)
    }
    await client.ask('Metadata', 12, { topics: [{ name: 'orders' }] })
    const entries = await ask(true)
    expect(entries.slice(0, 3)).toMatchObject([
      { name: 'log.dirs', value: 'memory/broker-1', configSource: 4, readOnly: true },
      { name: 'num.partitions', value: '3', configSource: 4, readOnly: true },
      { name: 'replica.lag.time.max.ms', value: '30000', configSource: 5, readOnly: true },
    ])
    expect(entries.filter(({ documentation }) => (documentation ?? '').length < 20)).toEqual([])
    expect((await ask(false)).filter(({ documentation }) => documentation !== null)).toEqual([])
  })

  it('settings of groups are bounded in number', async () => {
    const { cluster, connect } = await wireWorld({})
    const configs = [{ name, configOperation: 0, value: '50000' }]
    const resources = Array.from({ length: 1_001 }, (_, index) => ({
      resourceType: 32,
      resourceName: `g${index}`,
      configs,
    }))
    const request = { resources, validateOnly: false }
    const { responses } = await connect().ask('IncrementalAlterConfigs', 1, request)
    expect(responses.filter(({ errorCode }) => errorCode === 0)).toHaveLength(1_000)
    expect(responses.at(-1)).toMatchObject({ errorCode: 44, resourceName: 'g1000' })
    await cluster.admin.createTopic({ topic: 'orders' })
  })
})

describe('quotas', () => {
  const byteRate = (value: number) => [{ key: 'producer_byte_rate', value, remove: false }]

  it('quotas survive a restart, and what was taken back is gone', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'partlog-quotas-'))
    onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
    const clientOf = async (cluster: Cluster) => {
      const { bootstrap } = await cluster.listen({ port: 0 })
      return reach(bootstrap[0] as string)
    }
    const first = await Cluster.open({ dir })
    const client = await clientOf(first)
    const set = async (name: string, remove = false) => {
      const entity = [{ entityType: 'user', entityName: name }]
      const ops = byteRate(5).map(op => ({ ...op, remove }))
      const request = { entries: [{ entity, ops }], validateOnly: false }
      const { entries } = await client.ask('AlterClientQuotas', 1, request)
      expect(entries).toMatchObject([{ errorCode: 0, entity }])
    }
    await set('a')
    await set('b')
    await set('a', true)
    await first.close()
    const again = await Cluster.open({ dir })
    onTestFinished(() => again.close())
    const asked = { components: [], strict: false }
    const { entries } = await (await clientOf(again)).ask('DescribeClientQuotas', 1, asked)
    expect(entries).toEqual([
      {
        entity: [{ entityType: 'user', entityName: 'b' }],
        values: [{ key: 'producer_byte_rate', value: 5 }],
      },
    ])
  })

  it('quotas are bounded in number', async () => {
    const { connect } = await wireWorld({})
    const entries = Array.from({ length: 1_001 }, (_, index) => ({
      entity: [{ entityType: 'user', entityName: `u${index}` }],
      ops: byteRate(1),
    }))
    const request = { entries, validateOnly: false }
    const answer = await connect().ask('AlterClientQuotas', 1, request)
    expect(answer.entries.filter(({ errorCode }) => errorCode === 0)).toHaveLength(1_000)
    expect(answer.entries.at(-1)?.errorCode).toBe(44) // POLICY_VIOLATION
  })
})

describe('the features of a cluster', () => {
  it('ApiVersions tells the level of each feature, the only one that can be set', async () => {
    const metadata = { name: 'metadata.version', minVersion: 33, maxVersion: 33 }
    const transactions = { name: 'transaction.version', minVersion: 0, maxVersion: 2 }
    const groups = { name: 'group.version', minVersion: 0, maxVersion: 1 }
    const finalizedFeatures = expect.arrayContaining([
      { name: 'group.version', maxVersionLevel: 1, minVersionLevel: 1 },
      { name: 'metadata.version', maxVersionLevel: 33, minVersionLevel: 33 },
      { name: 'transaction.version', maxVersionLevel: 2, minVersionLevel: 2 },
    ])
    const common = { finalizedFeatures, finalizedFeaturesEpoch: 0 }
    const supportedFeatures = expect.arrayContaining([metadata, transactions, groups])
    expect(apiVersions(4)).toMatchObject({ supportedFeatures, ...common })
    // Older clients take a lowest level of 0 for an error (KAFKA-17011).
    const older = apiVersions(3)
    expect(older).toMatchObject(common)
    expect(older.supportedFeatures).toContainEqual(metadata)
    expect(older.supportedFeatures).not.toContainEqual(transactions)
    const { connect } = await wireWorld({})
    const update = async (maxVersionLevel: number) => {
      const featureUpdates = [{ feature: 'metadata.version', maxVersionLevel }]
      const answer = await connect(1).ask('UpdateFeatures', 1, { featureUpdates })
      return [answer.errorCode, answer.results?.map(({ errorCode }) => errorCode)]
    }
    expect(await update(33)).toEqual([0, [0]])
    expect(await update(32)).toEqual([95, []]) // INVALID_UPDATE_VERSION
  })
})

describe('faults', () => {
  it('a request without a place for an error ends its connection when it is to fail', async () => {
    const { cluster, connect } = await wireWorld({})
    cluster.faults.on('createAcls').error('CLUSTER_AUTHORIZATION_FAILED')
    const asked = connect(1).ask('CreateAcls', 3, { creations: [] })
    await expect(asked).rejects.toThrow()
    cluster.faults.on('describeAcls').error('CLUSTER_AUTHORIZATION_FAILED')
    const filter = { resourceTypeFilter: 1, resourceNameFilter: null, principalFilter: null }
    const request = { ...filter, hostFilter: null, operation: 1, permissionType: 1 }
    const answer = await connect(1).ask('DescribeAcls', 3, request)
    expect(answer.errorCode).toBe(31)
  })
})
