/** `partlog replay --to kafka://…`: every record is copied, or the error says which were. */

import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { Cluster, partitionOfKey, type Message } from '../../src/index.js'
import { parseLines, partlog, started, tempFolder } from './helpers.js'
import { elsewhere, oddMessages, recordsOf, storedRecords } from './kafka-world.js'

const PARTITIONS = 3
const dir = join(tempFolder(), 'data')

async function folderWith(messages: readonly Message[]): Promise<string> {
  const folder = join(tempFolder(), 'data')
  const cluster = await Cluster.open({ dir: folder, durability: 'process' })
  await cluster.admin.createTopic({ topic: 'orders', partitions: 2 })
  await cluster.producer().send({ topic: 'orders', messages })
  await cluster.close()
  return folder
}

beforeAll(async () => {
  const cluster = await Cluster.open({ dir, durability: 'process' })
  const config = {
    'retention.ms': -1,
    'max.message.bytes': 3_000_000,
    'segment.ms': 1_000,
    'message.timestamp.before.max.ms': 9_000_000_000_000,
  }
  await cluster.admin.createTopic({ topic: 'orders', partitions: PARTITIONS, config })
  const producer = cluster.producer({ maxRequestSize: 2_500_000 })
  const large = { partition: 1, timestamp: 5, key: 'large', value: Buffer.alloc(2_000_000, 7) }
  await producer.send({ topic: 'orders', messages: oddMessages(1_000, PARTITIONS) })
  await producer.send({ topic: 'orders', messages: [large] })
  await producer.send({ topic: 'orders', messages: oddMessages(24_000, PARTITIONS) })
  await cluster.close()
})

const replay = (to: string, ...words: readonly string[]) =>
  started(['replay', 'orders', '--dir', dir, '--to', to, ...words]).ended

describe('a topic of a cluster', () => {
  it('replay copies every record unchanged, to the same partition and offset', async () => {
    const { cluster, at } = await elsewhere({ brokers: 2 })
    const { code, stdout, stderr } = await replay(at('orders'))
    expect(stderr).toMatch(/^25,001 records of orders in [\d.]+ s\n$/)
    expect(code).toBe(0)
    const stored = await storedRecords(dir, 'orders')
    expect(stored).toHaveLength(25_001)
    expect(await recordsOf(cluster, 'orders')).toEqual(stored)
    const count = (wanted: number): number =>
      stored.filter(({ partition }) => partition === wanted).length
    const row = (n: number) => [n, count(n), 0, count(n), 0, count(n)].join(' ')
    const [head, ...rows] = stdout.trim().split('\n')
    expect(head).toBe('PARTITION  RECORDS  FROM  UNTIL  TARGET-FROM  TARGET-UNTIL')
    expect(rows.map(each => each.trim().replace(/ +/g, ' '))).toEqual([row(0), row(1), row(2)])
  })

  it("a new topic gets the source's settings of records, not of files", async () => {
    const { cluster, at } = await elsewhere()
    await replay(at('copy'), '--until', '1')
    const set = (await cluster.admin.describeConfig('copy')).filter(each => !each.isDefault)
    expect(set.map(({ name, value }) => [name, value]).sort()).toEqual([
      ['max.message.bytes', '3000000'],
      ['message.timestamp.after.max.ms', '9223372036854775807'],
      ['retention.ms', '-1'],
    ])
  })

  it('a copy of a folder of Kafka keeps its records, however old they are', async () => {
    const { cluster, at } = await elsewhere()
    const words = ['replay', 'orders', '--dir', join(dir, 'broker-1'), '--to', at('copy')]
    expect((await started([...words, '--until', '5']).ended).code).toBe(0)
    const settings = await cluster.admin.describeConfig('copy')
    expect(settings.find(({ name }) => name === 'retention.ms')?.value).toBe('-1')
    const stored = await storedRecords(dir, 'orders')
    expect(await recordsOf(cluster, 'copy')).toEqual(stored.filter(({ offset }) => offset < 5))
  })

  it('replay copies a range of one partition, and reports source and target offsets', async () => {
    const { cluster, at } = await elsewhere()
    await cluster.admin.createTopic({ topic: 'orders', partitions: PARTITIONS })
    await cluster.producer().send({ topic: 'orders', messages: [{ partition: 2, value: 'old' }] })
    const words = ['--partition', '2', '--from', '100', '--until', '150', '--json']
    const { stdout } = await replay(at('orders'), ...words)
    expect(parseLines(stdout)).toEqual([
      {
        topic: 'orders',
        records: 50,
        seconds: expect.any(Number) as number,
        unread: [],
        missing: [],
        partitions: [
          {
            partition: 2,
            records: 50,
            source: { from: 100, until: 150 },
            target: { from: 1, until: 51 },
          },
        ],
      },
    ])
    expect((await cluster.admin.describeTopic('orders')).partitions).toHaveLength(PARTITIONS)
  })

  it('a topic with another number of partitions gets records by key, which is reported', async () => {
    const messages = Array.from({ length: 400 }, (_, n) => ({
      key: n % 4 === 0 ? null : `key-${n % 13}`,
      value: String(n),
      timestamp: n,
    }))
    const folder = await folderWith(messages)
    const { cluster, at } = await elsewhere()
    await cluster.admin.createTopic({ topic: 'wide', partitions: 5 })
    const { stderr, stdout } = await started([
      'replay',
      'orders',
      '--dir',
      folder,
      '--to',
      at('wide'),
      '--json',
    ]).ended
    expect(stderr).toBe(
      'partlog: wide has 5 partitions, the source has 2: keys choose the partitions, ' +
        'records without a key rotate\n',
    )
    const [summary] = parseLines<{ partitions: { target: unknown }[] }>(stdout)
    expect(summary?.partitions.map(({ target }) => target)).toEqual([null, null])
    const records = await recordsOf(cluster, 'wide')
    const text = (hex: string | null) => Buffer.from(hex ?? '', 'hex').toString()
    const keyed = records.filter(({ key }) => key !== null)
    for (const { key, partition } of keyed) {
      expect(partitionOfKey(Buffer.from(key ?? '', 'hex'), 5)).toBe(partition)
    }
    for (let n = 0; n < 13; n++) {
      const numbers = keyed.filter(({ key }) => text(key) === `key-${n}`)
      const values = numbers.map(({ value }) => Number(text(value)))
      expect(values).toEqual(values.toSorted((a, b) => a - b))
    }
    const places = records.filter(({ key }) => key === null).map(({ partition }) => partition)
    expect(new Set(places).size).toBe(5)
    expect(records.map(({ value }) => Number(text(value))).sort((a, b) => a - b)).toEqual(
      messages.map((_, n) => n),
    )
  })

  it('replay sends records at the pace of their times', async () => {
    const folder = await folderWith([0, 3_000, 6_000].map(n => ({ value: 'v', timestamp: n })))
    const { cluster, at } = await elsewhere()
    await cluster.admin.createTopic({ topic: 'slow', partitions: 2 })
    const words = ['replay', 'orders', '--dir', folder, '--to', at('slow'), '--speed', '10x']
    const running = started(words)
    await cluster.until({ topic: 'slow', records: 1 })
    const first = process.hrtime.bigint()
    await cluster.until({ topic: 'slow', records: 3 })
    const ms = Number(process.hrtime.bigint() - first) / 1e6
    expect(ms).toBeGreaterThan(400)
    expect((await running.ended).code).toBe(0)
  })
})

it.each(['SIGINT', 'SIGTERM'] as const)('%s ends a replay once its records are acknowledged', async signal => {
  const [hourMs, partition] = [3_600_000, 0]
  const messages = [0, 1, 2].map(n => ({ partition, value: 'v', timestamp: n * hourMs }))
  const folder = await folderWith(messages)
  const { cluster, at } = await elsewhere()
  await cluster.admin.createTopic({ topic: 'slow', partitions: 2 })
  const words = ['replay', 'orders', '--dir', folder, '--to', at('slow'), '--speed', '1x']
  const running = started([...words, '--until', '3'])
  await cluster.until({ topic: 'slow', records: 1 })
  running.child.kill(signal)
  const { code, stdout, stderr } = await running.ended
  expect(code).toBe(1)
  expect(stderr).toMatch(
    new RegExp(
      `^${signal}: ending\n1 records of orders in [^\n]*\npartlog: not finished: continue with ` +
        '--partition 0 --from 1 --until 3, then --partition 1 --from 0 --until 3\n$',
    ),
  )
  expect(stdout.split('\n')[1]?.trim().split(/ +/)).toEqual(['0', '1', '0', '1', '0', '1'])
})

describe('a failure', () => {
  it('a failure reports how far each partition is, and how to continue', async () => {
    const { cluster, at } = await elsewhere()
    const fault = cluster.faults
      .on('produce', { topic: 'orders', partition: 1 })
      .error('POLICY_VIOLATION', 'not you')
      .after(1)
      .always()
    const { code, stdout, stderr } = await replay(at('orders'))
    expect(code).toBe(1)
    expect(stderr).toMatch(
      /^partlog: POLICY_VIOLATION: not you; continue with --partition 0 [^\n]*\n$/,
    )
    const before = await recordsOf(cluster, 'orders')
    expect(before.length).toBeGreaterThan(0)
    const rows = stdout.trim().split('\n').slice(1)
    for (const [partition, row] of rows.entries()) {
      const [, records = 0, from, until] = row.trim().split(/ +/).map(Number)
      const there = before.filter(each => each.partition === partition).length
      expect({ records, from, until }).toEqual({ records: there, from: 0, until: there })
    }
    fault.remove()
    const rest = [...stderr.matchAll(/--partition (\d) --from (\d+)/g)]
    expect(rest).toHaveLength(PARTITIONS)
    for (const [words] of rest) {
      expect((await replay(at('orders'), ...words.split(' '))).code).toBe(0)
    }
    expect(await recordsOf(cluster, 'orders')).toEqual(await storedRecords(dir, 'orders'))
  })

  it('a failure before the first record names the original start', async () => {
    const { cluster, at } = await elsewhere()
    cluster.faults.on('produce').error('TOPIC_AUTHORIZATION_FAILED', 'no').always()
    const words = ['--from', '20', '--until', '2026-01-02T00:00:00Z', '--json']
    const { stderr, stdout } = await replay(at('orders'), ...words)
    const where = [0, 1, 2]
      .map(n => `--partition ${n} --from 20 --until 2026-01-02T00:00:00.000Z`)
      .join(', then ')
    expect(stderr).toBe(`partlog: TOPIC_AUTHORIZATION_FAILED: no; continue with ${where}\n`)
    const [{ partitions } = { partitions: [] }] = parseLines<{ partitions: object[] }>(stdout)
    expect(partitions).toHaveLength(3)
    expect(partitions[0]).toEqual({ partition: 0, records: 0, source: null, target: null })
  })

  it('a failure with an unknown outcome says that records may be written twice', async () => {
    const { cluster, at } = await elsewhere()
    cluster.faults.on('produce').error('UNKNOWN_SERVER_ERROR', 'who knows').always()
    const { stderr } = await replay(at('orders'), '--partition', '0')
    expect(stderr).toMatch(/--partition 0 --from 0 \(some of these .* be written twice\)\n$/)
  })

  it('a record that is too large for the target is named, with what may be written', async () => {
    const { cluster, at } = await elsewhere()
    const config = { 'max.message.bytes': 10_000 }
    await cluster.admin.createTopic({ topic: 'narrow', partitions: 2, config })
    const small = Array.from({ length: 200 }, () => ({ partition: 0, value: 'v'.repeat(100) }))
    const large = { partition: 0, value: Buffer.alloc(50_000) }
    const folder = await folderWith([...small, large, ...small])
    const words = ['replay', 'orders', '--dir', folder, '--to', at('narrow'), '--partition', '0']
    const { code, stderr } = await started(words).ended
    expect(code).toBe(1)
    expect(stderr).toMatch(/MESSAGE_TOO_LARGE.*; continue with --partition 0 --from 0 \(some of these /)
  })

  it('a failure to connect is reported soon', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    await new Promise(resolve => server.close(resolve))
    const { code, stderr } = await replay(`kafka://127.0.0.1:${port}/orders`)
    expect(code).toBe(1)
    expect(stderr).toMatch(/^partlog: NETWORK_EXCEPTION: 127\.0\.0\.1:\d+ cannot be reached: .*\n$/)
  })

  it('a failure of TLS is one line', async () => {
    const { at } = await elsewhere()
    const { code, stderr } = await replay(at('orders'), '--ssl')
    expect(code).toBe(1)
    expect(stderr).toMatch(/^partlog: NETWORK_EXCEPTION: [^\n]*\n$/)
  })
})

const NOWHERE = 'kafka://127.0.0.1:1/orders'

it.each([
  [['--to', 'kafka://host/orders'], {}, /--to: expected kafka:\/\/host:port\/topic .*got "kafka/],
  [['--to', NOWHERE, '--username', 'a'], {}, /--username: needs --sasl$/],
  [['--to', NOWHERE, '--sasl', 'plain'], {}, /--sasl: needs --username$/],
  [['--to', NOWHERE, '--sasl', 'plain', '--username', 'a'], {}, /variable PARTLOG_PASSWORD$/],
  [['--to', NOWHERE, '--sasl', 'gssapi'], {}, /--sasl: expected one of "plain", "scram-/],
  [['--to', 'copy', '--ssl'], {}, /^partlog replay: --ssl: only with kafka:\/\/…$/],
  [['--username', 'a'], {}, /^partlog replay: --username: only with kafka:\/\/…$/],
])('replay refuses %j with the environment %j', (words, env, line) => {
  const { code, stdout, stderr } = partlog(['replay', 'orders', '--dir', dir, ...words], { env })
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
  expect(stderr.trimEnd()).toMatch(line)
})
