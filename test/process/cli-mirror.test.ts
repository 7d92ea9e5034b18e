/** `partlog mirror`: a copy without loss or duplicates, however often it is interrupted. */

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { describe, expect, it, onTestFinished } from 'vitest'
import { crc32c } from '../../src/base/checksums/crc32c.js'
import { Cluster, openLogDirectory, virtualClock, type Message } from '../../src/index.js'
import { singleRecordBatch } from '../model/batch/records.js'
import { LACKS_ZSTD, withoutZstd } from '../model/without-zstd.js'
import { WireClient } from '../wire/client.js'
import { parseLines, partlog, started, tempFolder } from './helpers.js'
import { elsewhere, oddMessages, recordsOf, storedCount, storedRecords } from './kafka-world.js'

const PARTITIONS = 3
const fresh = (): string => join(tempFolder(), 'data')

async function source(count: number, options: Parameters<typeof elsewhere>[0] = {}) {
  const { cluster, at } = await elsewhere(options)
  await cluster.admin.createTopic({
    topic: 'orders',
    partitions: PARTITIONS,
    config: { 'retention.ms': -1 },
  })
  const producer = cluster.producer()
  const send = (messages: readonly Message[]) => producer.send({ topic: 'orders', messages })
  if (count > 0) await send(oddMessages(count, PARTITIONS))
  const dir = fresh()
  const start = (...words: readonly string[]) =>
    started(['mirror', '--from', at('orders'), '--dir', dir, ...words])
  const isEqual = async (): Promise<void> => {
    const records = await recordsOf(cluster, 'orders')
    expect(await storedRecords(dir, 'orders')).toEqual(records)
  }
  return { cluster, at, send, dir, start, isEqual }
}

interface Summary {
  readonly from: string
  readonly topic: string
  readonly records: number
  readonly partitions: readonly {
    readonly partition: number
    readonly records: number
    readonly source: { readonly from: number; readonly until: number } | null
    readonly target: { readonly from: number; readonly until: number } | null
    readonly shift: number
  }[]
}

async function summaryOf({ ended }: ReturnType<typeof started>): Promise<Summary> {
  const { stdout, stderr, code } = await ended
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  const [summary] = parseLines(stdout)
  return summary as unknown as Summary
}

/** How far the records in the folder are ahead of the positions that were kept. */
async function aheadOfPositions(dir: string): Promise<number> {
  const { partitions } = await openLogDirectory(dir)
  const kept = new Map<string, number>()
  for (const each of partitions.filter(({ topic }) => topic === '__mirror_positions')) {
    for await (const { key, value } of each.records()) {
      const position = JSON.parse(Buffer.from(value ?? []).toString()) as {
        target: { offset: number }
      }
      kept.set(Buffer.from(key ?? []).toString(), position.target.offset)
    }
  }
  const records = await storedRecords(dir, 'orders')
  return records.filter(({ partition, offset }) => offset >= (kept.get(`orders-${partition}`) ?? 0))
    .length
}

describe('a mirror', () => {
  it('a mirror has every record unchanged, on the same partition and offset', async () => {
    const { start, isEqual, cluster } = await source(25_000, { brokers: 2 })
    const { code, stdout, stderr } = await start().ended
    expect(stderr).toMatch(
      /^25,000 records into orders in [\d.]+ s; offsets are the same as in the source\n$/,
    )
    expect(code).toBe(0)
    await isEqual()
    const ends = await cluster.admin.listOffsets('orders')
    const rows = ends.map(({ partition, offset }) => [partition, offset, 0, offset, 0, offset])
    const [head, ...lines] = stdout.trim().split('\n')
    expect(head).toBe('PARTITION  RECORDS  FROM  UNTIL  TARGET-FROM  TARGET-UNTIL')
    expect(lines.map(line => line.trim().split(/ +/).map(Number))).toEqual(rows)
  })

  it('a mirror continues where it ended', async () => {
    const { start, isEqual, send } = await source(500)
    await summaryOf(start('--json'))
    expect((await summaryOf(start('--json'))).records).toBe(0)
    await isEqual()
    await send(oddMessages(300, PARTITIONS))
    const { records, partitions } = await summaryOf(start('--json'))
    expect(records).toBe(300)
    for (const { source: read, target, shift } of partitions) {
      expect(read?.from).toBeGreaterThan(0)
      expect({ target, shift }).toEqual({ target: read, shift: 0 })
    }
    await isEqual()
  })

  it('a mirror loses nothing and doubles nothing when it is killed repeatedly', async () => {
    const { start, isEqual, send, dir } = await source(500)
    let ahead = 0
    let copied = 500
    for (let round = 0; round < 3; round++) {
      const { child, said, ended } = start('--follow')
      await said('has all records up to now')
      await send(oddMessages(700, PARTITIONS))
      while ((await storedCount(dir, 'orders')) <= copied) await new Promise(setImmediate)
      child.kill('SIGKILL')
      await ended
      copied = await storedCount(dir, 'orders')
      ahead += await aheadOfPositions(dir)
    }
    expect(ahead).toBeGreaterThan(0) // else no round has shown what it is about
    await summaryOf(start('--json'))
    await isEqual()
  })

  it('a mirror that is killed in its first run continues', async () => {
    const { start, isEqual, dir, cluster } = await source(25_000)
    const slow = cluster.faults.on('fetch').delay(5_000).after(1).always()
    const { child, ended } = start()
    while ((await storedCount(dir, 'orders')) === 0) await new Promise(setImmediate)
    child.kill('SIGKILL')
    await ended
    expect(await storedCount(dir, 'orders')).toBeLessThan(25_000)
    slow.remove()
    await summaryOf(start('--json'))
    await isEqual()
  })

  it('a mirror follows until a signal', async () => {
    const { start, isEqual, send, dir } = await source(100)
    const { child, said, ended } = start('--follow', '--json')
    await said('orders has all records up to now')
    await send(oddMessages(50, PARTITIONS))
    while ((await storedCount(dir, 'orders')) < 150) await new Promise(setImmediate)
    child.kill('SIGINT')
    const { code, stdout, stderr } = await ended
    expect(code).toBe(0)
    expect(stderr).toMatch(/following until Ctrl-C\nSIGINT: ending\n$/)
    expect(parseLines(stdout)).toMatchObject([{ topic: 'orders', records: 150 }])
    await isEqual()
    expect(await aheadOfPositions(dir)).toBe(0)
  })

  it('a mirror that a signal ends early has exit code 1, and continues later', async () => {
    const { start, isEqual, dir, cluster } = await source(25_000)
    const slow = cluster.faults.on('fetch').delay(5_000).after(1).always()
    const { child, ended } = start()
    while ((await storedCount(dir, 'orders')) === 0) await new Promise(setImmediate)
    child.kill('SIGTERM')
    const { code, stderr } = await ended
    expect(code).toBe(1)
    expect(stderr).toMatch(
      /SIGTERM: ending\n.*\npartlog: not finished: the same command continues\n$/,
    )
    expect(await aheadOfPositions(dir)).toBe(0)
    slow.remove()
    await summaryOf(start('--json'))
    await isEqual()
  })

  it('a mirror notices new partitions while it follows, and afterwards', async () => {
    const { start, isEqual, send, cluster, dir } = await source(100)
    const { child, said, ended } = start('--follow')
    await said('has all records up to now')
    await cluster.admin.createPartitions({ topic: 'orders', partitions: 5 })
    await send([{ partition: 4, value: 'new' }])
    while ((await storedCount(dir, 'orders')) < 101) await new Promise(setImmediate)
    child.kill('SIGINT')
    expect((await ended).code).toBe(0)
    await cluster.admin.createPartitions({ topic: 'orders', partitions: 6 })
    await send([{ partition: 5, value: 'newer' }])
    expect((await summaryOf(start('--json'))).records).toBe(1)
    await isEqual()
  })

  it('a mirror reads gzip', async () => {
    const { start, isEqual, cluster } = await source(0)
    const producer = cluster.producer({ compression: 'gzip', maxRequestSize: 4_000_000 })
    const large = { value: Buffer.alloc(3_000_000, 7) } // here it is larger than there
    const messages = [...oddMessages(500, PARTITIONS), large]
    await producer.send({ topic: 'orders', messages })
    await summaryOf(start('--json'))
    await isEqual()
  })

  it('a mirror keeps its records, however old, and compacts like its source', async () => {
    const { cluster, at } = await elsewhere()
    const config = { 'cleanup.policy': 'compact', 'retention.ms': 1_000_000 } as const
    await cluster.admin.createTopic({ topic: 'table', config })
    const dir = fresh()
    const words = ['mirror', '--from', at('table'), '--dir', dir, '--topic', 'copy', '--json']
    expect(await summaryOf(started(words))).toMatchObject({ from: 'table', topic: 'copy' })
    const folder = await Cluster.open({ dir, readOnly: true })
    const set = (await folder.admin.describeConfig('copy')).filter(each => !each.isDefault)
    expect(Object.fromEntries(set.map(({ name, value }) => [name, value]))).toMatchObject({
      'cleanup.policy': 'compact',
      'retention.ms': '-1',
    })
    await folder.close()
  })
})

describe('offsets', () => {
  it('offsets of the copy are lower if the source begins later', async () => {
    const { start, cluster } = await source(600)
    await cluster.admin.deleteRecords({ topic: 'orders', partition: 1, offset: 40 })
    const { partitions } = await summaryOf(start('--json'))
    expect(partitions.map(({ shift }) => shift)).toEqual([0, 40, 0])
    expect(partitions[1]?.source?.from).toBe(40)
    expect(partitions[1]?.target?.from).toBe(0)
    const { stderr } = await start().ended
    expect(stderr).toMatch(/; offsets in the source are now higher, by 40 in partition 1\n$/)
  })

  it('offsets of the copy have no gaps from compaction, even after a kill', async () => {
    const clock = virtualClock()
    const { cluster, at } = await elsewhere({ clock })
    const config = {
      'cleanup.policy': 'compact',
      'internal.segment.bytes': 1_000,
      'min.cleanable.dirty.ratio': 0,
    } as const
    await cluster.admin.createTopic({ topic: 'table', config })
    const producer = cluster.producer()
    for (let n = 0; n < 300; n++) {
      const messages = [{ key: `k${n % 40}`, value: String(n), timestamp: n + 1 }]
      await producer.send({ topic: 'table', messages })
    }
    await clock.advance(60_000)
    const records = await recordsOf(cluster, 'table')
    expect(records.length).toBeLessThan(200)
    const dir = fresh()
    const words = ['mirror', '--from', at('table'), '--dir', dir]
    const first = started([...words, '--follow'])
    await first.said('has all records up to now')
    await producer.send({ topic: 'table', messages: [{ key: 'k', value: 'last', timestamp: 1 }] })
    while ((await storedCount(dir, 'table')) <= records.length) await new Promise(setImmediate)
    first.child.kill('SIGKILL')
    await first.ended
    const { partitions } = await summaryOf(started([...words, '--json']))
    expect(partitions[0]?.shift).toBe(300 - records.length)
    const stored = await storedRecords(dir, 'table')
    const all = await recordsOf(cluster, 'table')
    expect(stored).toEqual(all.map((record, offset) => ({ ...record, offset })))
  })

  it('offsets may begin anywhere in the first run, but not in later ones', async () => {
    const { start, send, cluster, dir } = await source(600)
    await summaryOf(start('--from-offset', '150', '--json'))
    await send(oddMessages(30, PARTITIONS))
    const { code, stderr } = await start('--from-offset', '9999').ended
    expect(code).toBe(0)
    expect(stderr).toMatch(
      /^partlog: orders continues where the last run ended; --from-offset is for a first run\n/,
    )
    const records = (await recordsOf(cluster, 'orders')).filter(({ offset }) => offset >= 150)
    const shifted = records.map(record => ({ ...record, offset: record.offset - 150 }))
    expect(await storedRecords(dir, 'orders')).toEqual(shifted)
  })
})

describe('a mirror ends with an error', () => {
  it('a mirror refuses deleted records, unless it may skip them', async () => {
    const { start, send, cluster, dir } = await source(300)
    await summaryOf(start('--json'))
    await send(Array.from({ length: 9 }, () => ({ partition: 0, value: 'gone' })))
    const [end] = await cluster.admin.listOffsets('orders')
    const until = end?.offset ?? 0
    await cluster.admin.deleteRecords({ topic: 'orders', partition: 0, offset: until - 2 })
    const { code, stderr, stdout } = await start().ended
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toBe(
      `partlog: orders-0: the source has deleted offsets ${until - 9} to ${until - 3} before ` +
        'they were mirrored; --skip-deleted continues after them\n',
    )
    const { records, partitions } = await summaryOf(start('--skip-deleted', '--json'))
    expect({ records, shift: partitions[0]?.shift }).toEqual({ records: 2, shift: 7 })
    expect(await storedCount(dir, 'orders')).toBe(302)
    expect((await summaryOf(start('--json'))).records).toBe(0)
  })

  it('a mirror refuses a topic that it did not write', async () => {
    const { start, dir } = await source(10)
    const folder = await Cluster.open({ dir })
    await folder.producer().send({ topic: 'orders', messages: [{ value: 'mine' }] })
    await folder.close()
    const { code, stderr } = await start().ended
    expect(code).toBe(1)
    expect(stderr).toBe(
      'partlog: orders-0 has records up to offset 0 that no mirror wrote: use another --topic\n',
    )
    expect(await storedCount(dir, 'orders')).toBe(1)
    expect((await summaryOf(start('--topic', 'copy', '--json'))).records).toBe(10)
  })

  it('a mirror refuses a copy to which another program has written', async () => {
    const { start, dir, send } = await source(30)
    await summaryOf(start('--json'))
    const folder = await Cluster.open({ dir })
    const message = { partition: 1, value: 'mine' }
    await folder.producer().send({ topic: 'orders', messages: [message, message] })
    await folder.close()
    await send(Array.from({ length: 4 }, () => ({ partition: 1, value: 'theirs' })))
    for (let n = 0; n < 2; n++) {
      const { code, stderr } = await start().ended
      expect(code).toBe(1)
      expect(stderr).toMatch(/^partlog: orders-1: the record at offset \d+ is not the one of the/m)
    }
    expect(await storedCount(dir, 'orders')).toBe(32)
  })

  it('a mirror refuses a missing topic, and creates no folder', async () => {
    const { at } = await elsewhere()
    const dir = fresh()
    const { code, stderr } = await started(['mirror', '--from', at('nope'), '--dir', dir]).ended
    expect(code).toBe(1)
    expect(stderr).toMatch(/^partlog: UNKNOWN_TOPIC_OR_PARTITION: [^\n]*\n$/)
    expect(existsSync(dir)).toBe(false)
  })

  it('a mirror refuses a folder that another process owns', async () => {
    const { start, dir } = await source(10)
    const folder = await Cluster.open({ dir })
    const { code, stderr } = await start().ended
    await folder.close()
    expect(code).toBe(1)
    expect(stderr).toMatch(/^partlog: LOCKED: /)
  })

  it('a mirror ends at records it cannot unpack, and keeps the records before them', async () => {
    onTestFinished(withoutZstd())
    const { at, send, cluster, dir } = await source(0)
    await send([{ partition: 1, value: 'readable' }])
    const [host = '', port] = (cluster.bootstrap[0] as string).split(':')
    const onConnect = (): void => undefined
    const door = { host, port: Number(port), onConnect }
    const client = new WireClient(cluster.socketFactory<Duplex>(door))
    const partitionData = [{ index: 1, records: zstd('v') }]
    await client.ask('Produce', 7, {
      acks: -1,
      timeoutMs: 1_000,
      topicData: [{ name: 'orders', partitionData }],
    })
    for (let n = 0; n < 2; n++) {
      const words = ['mirror', '--from', at('orders'), '--dir', dir]
      const { code, stderr } = await started(words, { NODE_OPTIONS: LACKS_ZSTD }).ended
      expect(code).toBe(1)
      expect(stderr).toMatch(
        /^partlog: UNSUPPORTED_COMPRESSION_TYPE: orders-1: the batch at offset 1 .*zstd/m,
      )
    }
    expect(await storedCount(dir, 'orders')).toBe(1)
  })
})

/** A batch that says of itself that it is compressed with zstd. */
function zstd(value: string): Buffer {
  const batch = singleRecordBatch(1, null, value)
  const [ATTRIBUTES_AT, CRC_AT] = [21, 17]
  batch.writeInt16BE(4, ATTRIBUTES_AT)
  batch.writeUInt32BE(crc32c(batch, ATTRIBUTES_AT, batch.length), CRC_AT)
  return batch
}

it.each([
  [[], /^partlog mirror: --from: expected an address$/],
  [['--from', 'orders'], /^partlog mirror: --from: expected kafka:\/\/host:port\/topic/],
  [['--from', 'kafka://h:1/a', '--topic', '__mirror_positions'], /expected another name, __mirror_positions holds/],
  [['--from', 'kafka://h:1/a', '--from-offset', 'x'], /--from-offset: expected an offset or/],
  [['orders'], /^partlog mirror: expected no arguments, got 1 argument$/],
])('mirror refuses %j', (words, line) => {
  const { code, stdout, stderr } = partlog(['mirror', ...words], { cwd: tempFolder() })
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
  expect(stderr.trimEnd()).toMatch(line)
})
