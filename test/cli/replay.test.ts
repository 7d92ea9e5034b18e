/** Replays whose timing a process test could only reach by long waits or by chance. */

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { describe, expect, it, onTestFinished } from 'vitest'
import { parseCall } from '../../src/cli/command.js'
import { replayCommand } from '../../src/cli/replay.js'
import { Output } from '../../src/cli/terminal/output.js'
import { Cluster, openLogDirectory, type Message } from '../../src/index.js'
import { batchOf } from '../log/helpers.js'
import { withoutZstd } from '../model/without-zstd.js'

const GOLDEN = fileURLToPath(new URL('../golden', import.meta.url))
const HOUR_MS = 3_600_000

function tempFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'partlog-replay-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

async function folderWith(messages: readonly Message[]): Promise<string> {
  const dir = tempFolder()
  const cluster = await Cluster.open({ dir, durability: 'process' })
  const config = { 'max.message.bytes': 3_000_000, 'retention.ms': -1 }
  await cluster.admin.createTopic({ topic: 'orders', partitions: 2, config })
  await cluster.admin.createTopic({ topic: 'roomy', partitions: 2, config })
  await cluster.producer({ maxRequestSize: 3_000_000 }).send({ topic: 'orders', messages })
  await cluster.close()
  return dir
}

/** Standard streams that are read; or `stdout`, whatever that does. */
function streams(stdout: Writable = new PassThrough()) {
  const texts = { stdout: '', stderr: '' }
  const stderr = Object.assign(new PassThrough(), { isTTY: true })
  stdout.on('data', chunk => (texts.stdout += String(chunk)))
  stderr.on('data', chunk => (texts.stderr += String(chunk)))
  const output = new Output(stdout as NodeJS.WriteStream, stderr as unknown as NodeJS.WriteStream)
  return { output, texts }
}

async function replay(words: readonly string[], stdout?: Writable) {
  const { output, texts } = streams(stdout)
  const code = await replayCommand.run({ ...parseCall(replayCommand, words), output })
  return { code, ...texts }
}

/** A pipe whose reader has gone. */
function closedPipe(): Writable {
  const error = Object.assign(new Error('closed'), { code: 'EPIPE' })
  return new Writable({ highWaterMark: 1, write: (_chunk, _encoding, done) => done(error) })
}

it.each([
  ['at the write of a large record', 100_000],
  ['at the flush before the wait', 1],
])('a replay does not wait for records when its reader is gone: %s', async (_, size) => {
  const value = 'v'.repeat(size)
  const messages = [0, 1, 2].map(n => ({ partition: 0, value, timestamp: n * HOUR_MS }))
  const dir = await folderWith(messages)
  const words = ['orders', '--dir', dir, '--speed', '1x']
  const { code, stderr } = await replay(words, closedPipe())
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
})

it('a replay paces records by the time since its start, so delays do not add up', async () => {
  const messages = Array.from({ length: 21 }, (_, n) => {
    return { partition: 0, value: 'v', timestamp: 1_000 + n * 100 }
  })
  const dir = await folderWith(messages)
  const { stderr } = await replay(['orders', '--dir', dir, '--speed', '10x', '--json'])
  const { seconds } = JSON.parse(stderr) as { seconds: number }
  expect(seconds).toBeGreaterThan(0.18)
  expect(seconds).toBeLessThan(1) // from record to record it would be 2.1
})

describe('which records', () => {
  const texts = async (dir: string, ...words: readonly string[]): Promise<string> =>
    (await replay([...words, '--dir', dir, '--format', '%k'])).stdout
  const folder = () =>
    folderWith(
      Array.from({ length: 6 }, (_, n) => ({
        key: 'abcdef'[n] as string,
        partition: n % 2,
        timestamp: 1_000 + n,
        value: JSON.stringify({ n }),
        headers: { even: String(n % 2 === 0) },
      })),
    )

  it.each([
    [['--last', '2'], 'ef'],
    [['--last', '2', '--where', 'n < 4'], 'cd'],
    [['--last', '100'], 'abcdef'],
    [['--limit', '4'], 'abcd'],
    [['--limit', '0'], ''],
    [['--key', 'b', '--key', 'e'], 'be'],
    [['--where', "headers.even = 'true' and n > 0"], 'ce'],
    [['--grep', '"n":[45]'], 'ef'],
    [['--partition', '0,1', '--limit', '1'], 'a'],
    [['--from', 'end-1'], 'ef'],
    [['--until', 'end-1'], 'abcd'],
    [['--from', '-1h'], ''],
    [['--from', '0:2,1:1'], 'def'],
    [['--speed', '1000x', '--max-gap', '1ms', '--limit', '2'], 'ab'],
  ])('%j: %s', async (words, expected) => {
    expect(await texts(await folder(), 'orders', ...words)).toBe(expected)
  })

  it('several topics are merged by time, and lines name their topics', async () => {
    const dir = await folder()
    const cluster = await Cluster.open({ dir })
    await cluster.producer().send({
      topic: 'roomy',
      messages: [{ key: 'X', value: 'v', timestamp: 1_003, partition: 1 }],
    })
    await cluster.close()
    expect(await texts(dir, 'orders', 'roomy')).toBe('abcdXef')
    const { stdout } = await replay(['orders', 'roomy', '--dir', dir, '--key', 'X'])
    expect(JSON.parse(stdout)).toMatchObject({ topic: 'roomy', key: 'X' })
  })

  it('aborted records are left out, and the replay says so', async () => {
    const dir = await folderWith([{ key: 'a', value: 'v', partition: 0 }])
    const cluster = await Cluster.open({ dir })
    const producer = cluster.producer({ transactionalId: 'x' })
    await producer.init()
    await producer.begin()
    await producer.send({ topic: 'orders', messages: [{ key: 'b', value: 'v', partition: 0 }] })
    await producer.abort()
    await cluster.close()
    const committed = await replay(['orders', '--dir', dir, '--format', '%k'])
    expect(committed.stdout).toBe('a')
    expect(committed.stderr).toContain('orders-0: 1 records of aborted transactions left out; --iso')
    expect(await texts(dir, 'orders', '--isolation', 'read_uncommitted')).toBe('ab')
  })
})

it('a replay writes records without a time at once, and paces from the first time', async () => {
  const place = join(tempFolder(), 'orders-0')
  mkdirSync(place)
  const file = join(place, '00000000000000000000.log')
  writeFileSync(file, Buffer.concat([batchOf(['timeless'], -1)]))
  const timed = join(place, '..', 'orders-1')
  mkdirSync(timed)
  writeFileSync(join(timed, '00000000000000000000.log'), batchOf(['timed'], 50 * HOUR_MS))
  const words = ['orders', '--dir', join(place, '..'), '--speed', '1x', '--format', 'values']
  expect((await replay(words)).stdout).toBe('timeless\ntimed\n')
})

it('a replay removes its bar before it prints a note', async () => {
  const messages = Array.from({ length: 2_000 }, (_, n) => ({ value: String(n) }))
  const { stderr } = await replay(['orders', '--dir', await folderWith(messages)])
  expect(stderr).toMatch(/^\r\u001b\[Kreplaying [^\n]*\r\u001b\[K2,000 records of orders/)
})

it('a replay ends at a record it cannot read; with --skip-missing it reports it', async () => {
  onTestFinished(withoutZstd())
  const words = ['codecs', '--dir', join(GOLDEN, 'codecs-0')]
  await expect(replay(words)).rejects.toThrow(
    /offsets 480 to 519 are compressed with zstd, which .*; --skip-missing continues after it/,
  )
  const { code, stderr } = await replay([...words, '--skip-missing'])
  expect(code).toBe(0)
  expect(stderr).toMatch(/codecs-0: 3 batches \(120 records\) compressed with zstd were not read\n/)
})

it('a replay keeps a record without a time, into a topic and out of it', async () => {
  const messages = [-1, 5, -1].map(timestamp => ({ key: 'k', value: String(timestamp), timestamp }))
  const dir = await folderWith(messages)
  expect((await replay(['orders', '--dir', dir, '--to', 'roomy'])).code).toBe(0)
  for (const topic of ['orders', 'roomy']) {
    const lines = (await replay([topic, '--dir', dir])).stdout.trimEnd().split('\n')
    const times = lines.map(line => (JSON.parse(line) as { timestamp: unknown }).timestamp)
    expect(times).toEqual([null, 5, null])
  }
})

it('a replay copies large records into a topic that accepts them', async () => {
  const large = { partition: 1, value: Buffer.alloc(2_000_000, 7) }
  const dir = await folderWith([large])
  expect((await replay(['orders', '--dir', dir, '--to', 'roomy', '--partitions', 'keep'])).code).toBe(0)
  const { stdout } = await replay(['roomy', '--dir', dir, '--partition', '1'])
  expect(stdout.length).toBeGreaterThan(2_000_000)
})

it('a replay creates a topic that accepts what its source accepted', async () => {
  const large = { partition: 1, value: Buffer.alloc(2_000_000, 7) }
  const dir = await folderWith([large])
  const words = ['orders', '--dir', dir, '--to', 'copy', '--partitions', 'keep']
  expect((await replay(words)).code).toBe(0)
  const cluster = await Cluster.open({ dir, durability: 'process' })
  onTestFinished(() => cluster.close())
  expect(await cluster.admin.listOffsets('copy')).toMatchObject([{ offset: 0 }, { offset: 1 }])
  const set = (await cluster.admin.describeConfig('copy')).filter(({ isDefault }) => !isDefault)
  expect(set.map(({ name, value }) => `${name}=${value}`)).toEqual([
    'max.message.bytes=3000000',
    'message.timestamp.after.max.ms=9223372036854775807',
    'retention.ms=-1',
  ])
})

it('a replay releases the folder, whether it succeeds or fails', async () => {
  const dir = await folderWith([0, 1].map(partition => ({ partition, value: 'v' })))
  const before = await Cluster.open({ dir, durability: 'process' })
  await before.admin.createTopic({ topic: 'narrow', partitions: 1 })
  await before.close()
  const keep = ['--partitions', 'keep']
  const to = (topic: string) => replay(['orders', '--dir', dir, '--to', topic, ...keep])
  await expect(to('narrow')).rejects.toThrow('expected a topic of at least 2 partitions')
  await to('roomy')
  const after = await Cluster.open({ dir })
  await after.close()
})

it('a replay of a partition that does not exist names it', async () => {
  const dir = await folderWith([{ value: 'v' }])
  await expect(replay(['orders', '--dir', dir, '--partition', '7'])).rejects.toThrow(
    'expected a topic of the folder (orders, roomy), got orders-7',
  )
})

it('a replay into a file that cannot be written is an error', async () => {
  const dir = await folderWith([{ value: 'v' }])
  const taken = join(dir, 'folder.jsonl')
  mkdirSync(taken)
  await expect(replay(['orders', '--dir', dir, '--to', taken])).rejects.toThrow('EISDIR')
  const fine = join(dir, 'fine.jsonl')
  await replay(['orders', '--dir', dir, '--to', fine])
  expect(readFileSync(fine, 'utf8').split('\n')).toHaveLength(2)
})

it('a replay to a cluster continues after deleted records, and closes its connection', async () => {
  const dir = await folderWith([0, 0, 0, 0, 1, 1].map(partition => ({ partition, value: 'v' })))
  const local = await Cluster.open({ dir, durability: 'process' })
  await local.admin.deleteRecords({ topic: 'orders', partition: 0, offset: 3 })
  await local.admin.deleteRecords({ topic: 'orders', partition: 1, offset: 2 })
  await local.close()
  const there = await Cluster.memory()
  onTestFinished(() => there.close())
  const listening = await there.listen({ port: 0 })
  const to = `kafka://${listening.bootstrap[0]}/orders`
  there.faults.on('produce').error('TOPIC_AUTHORIZATION_FAILED', 'no').always()
  const words = ['orders', '--dir', dir, '--to', to, '--json']
  await expect(replay(words)).rejects.toThrow(
    'no; continue with --partition 0 --from 3, then --partition 1 --from 2',
  )
  await expect.poll(() => listening.connectionCount).toBe(0)
  there.faults.clear()
  there.faults.on('createTopics').error('TOPIC_AUTHORIZATION_FAILED', 'no').always()
  await expect(replay([...words.slice(0, 4), `${to}-2`])).rejects.toThrow('no')
  await expect.poll(() => listening.connectionCount).toBe(0)
})

it('a replay sends the records of a key to one partition, in the order of their times', async () => {
  const dir = tempFolder()
  const before = await Cluster.open({ dir, durability: 'process' })
  const keys = Array.from({ length: 8 }, (_, n) => `k${n}`)
  const config = { 'retention.ms': -1 }
  await before.admin.createTopic({ topic: 'old', partitions: 4, config })
  await before.admin.createTopic({ topic: 'two', partitions: 2, config })
  // Each key is in all of them, as after partitions were added.
  const messages = Array.from({ length: 800 }, (_, n) => {
    const key = keys[n % 8] as string
    return { key, value: String(n), partition: (n >> 3) % 4, timestamp: 1_700_000_000_000 + n }
  })
  await before.producer().send({ topic: 'old', messages })
  await before.close()
  for (const [to, partitions] of [
    ['new', 4],
    ['two', 2],
  ] as const) {
    const { code, stderr } = await replay(['old', '--dir', dir, '--to', to])
    expect(code).toBe(0)
    expect(stderr).toContain(`${to} has ${partitions} partitions, the source has 4: keys choose`)
    const { partitions: placed } = await openLogDirectory(join(dir, 'broker-1'))
    const places = new Map<string, string[]>()
    for (const partition of placed.filter(({ topic }) => topic === to)) {
      for await (const { key, value } of partition.records()) {
        const name = `${Buffer.from(key as Uint8Array).toString()} ${partition.partition}`
        const bytes = Buffer.from(value as Uint8Array)
        places.set(name, [...(places.get(name) ?? []), bytes.toString()])
      }
    }
    expect(places.size).toBe(8) // each key in one partition, whole and in order
    const values = [...places.values()].sort((a, b) => Number(a[0]) - Number(b[0]))
    expect(values).toEqual(
      keys.map((_, n) => Array.from({ length: 100 }, (__, m) => String(8 * m + n))),
    )
  }
})

it('a replay into a topic says how to continue, with one call if keys choose', async () => {
  const dir = await folderWith([0, 0, 0, 1, 1].map(partition => ({ partition, value: 'v' })))
  const local = await Cluster.open({ dir, durability: 'process' })
  const config = { 'cleanup.policy': 'compact' } // takes no record without a key
  await local.admin.createTopic({ topic: 'keyed', partitions: 2, config })
  await local.admin.deleteRecords({ topic: 'orders', partition: 0, offset: 1 })
  await local.close()
  const words = ['orders', '--dir', dir, '--to', 'keyed', '--until', '9']
  await expect(replay(words)).rejects.toThrow(
    /INVALID_RECORD.*; continue with --from 0:1,1:0 --until 9$/,
  )
  await expect(replay([...words, '--partition', '1'])).rejects.toThrow(
    /; continue with --partition 1 --from 0 --until 9$/,
  )
  await expect(replay([...words, '--partitions', 'keep'])).rejects.toThrow(
    /; continue with --partition 0 --from 1 --until 9, then --partition 1 --from 0 --until 9$/,
  )
})
