import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it, onTestFinished } from 'vitest'
import { fillDisk, MemoryDisk } from '../../../src/disk/memory-disk.js'
import { NodeDisk } from '../../../src/disk/node-disk.js'
import { findPartitions } from '../../../src/log/inspection/log-directory.js'
import { openLogDirectory } from '../../../src/log/inspection/open-log-directory.js'
import type {
  PartitionDirectory,
  RecordRange,
} from '../../../src/log/inspection/partition-directory.js'
import { inspectPartition } from '../../../src/log/inspection/verify-log.js'
import { assignOffset, Batch } from '../../../src/model/batch/batch.js'
import { isReadable } from '../../../src/model/batch/compression.js'
import { withoutZstd } from '../../model/without-zstd.js'
import { batchOf } from '../helpers.js'

const T = Date.UTC(2026, 0, 1)
const GOLDEN = fileURLToPath(new URL('../../golden', import.meta.url))
const SEGMENT = '00000000000000000000.log'

/** The bytes of a segment: one batch per list of values, one second apart. */
function segment(base: number, ...batches: readonly (readonly string[])[]): Buffer {
  let next = base
  return Buffer.concat(
    batches.map(values => {
      const bytes = batchOf(values, T + 1000 * next)
      assignOffset(new Batch(bytes, 0), next, 2)
      next += values.length
      return bytes
    }),
  )
}

/** A disk with these segments: `{ 'orders-0/7': bytes }`. */
function diskOf(
  segments: Readonly<Record<string, Buffer>>,
  ...more: [string, string][]
): MemoryDisk {
  const disk = new MemoryDisk()
  const files = Object.entries(segments).map(([path, bytes]) => {
    const [base, ...folders] = path.split('/').reverse() as [string, ...string[]]
    return [`${folders.reverse().join('/')}/${base.padStart(20, '0')}.log`, bytes] as const
  })
  const texts = more.map(([path, text]) => [path, Buffer.from(text)] as const)
  const folders = new Set<string>()
  for (const [path] of [...files, ...texts]) {
    const parts = path.split('/').slice(0, -1)
    for (let end = 1; end <= parts.length; end++) folders.add(parts.slice(0, end).join('/'))
  }
  fillDisk(disk, [...folders].sort(), [...files, ...texts])
  return disk
}

async function valuesOf(partition: PartitionDirectory, range?: RecordRange): Promise<string[]> {
  const lines: string[] = []
  for await (const { offset, value } of partition.records(range)) {
    lines.push(`${offset}:${Buffer.from(value as Uint8Array).toString()}`)
  }
  return lines
}

const namesOf = (partitions: readonly PartitionDirectory[]): string[] =>
  partitions.map(({ topic, partition, folder }) => `${topic} ${partition} ${folder}`)

async function only(disk: MemoryDisk): Promise<PartitionDirectory> {
  const partitions = await findPartitions(disk)
  expect(partitions).toHaveLength(1)
  return partitions[0] as PartitionDirectory
}

describe('partitions are found', () => {
  const ONE = segment(0, ['a'])

  it("partitions are found in a Kafka broker's folder, sorted by topic and number", async () => {
    const disk = diskOf({
      'b-10/0': ONE,
      'b-2/0': ONE,
      'a-x-1/0': ONE,
      '__consumer_offsets-3/0': ONE,
    })
    expect(namesOf(await findPartitions(disk))).toEqual([
      '__consumer_offsets 3 __consumer_offsets-3',
      'a-x 1 a-x-1',
      'b 2 b-2',
      'b 10 b-10',
    ])
  })

  it("partitions are found in the folders of a cluster's brokers", async () => {
    const disk = diskOf({ 'broker-1/orders-0/0': ONE, 'broker-2/orders-1/0': ONE })
    expect(namesOf(await findPartitions(disk))).toEqual([
      'orders 0 broker-1/orders-0',
      'orders 1 broker-2/orders-1',
    ])
  })

  it('partitions of a topic called broker are found', async () => {
    expect(namesOf(await findPartitions(diskOf({ 'broker-1/0': ONE })))).toEqual([
      'broker 1 broker-1',
    ])
  })

  it('folders and files that are not partitions are ignored', async () => {
    const disk = diskOf(
      { 'orders-0/0': ONE, 'orders-1.0123456789abcdef0123456789abcdef-delete/0': ONE },
      ['notes/0.txt', 'x'],
      ['orders-7/00000000000000000000.index', ''],
      ['orders-8', 'a file, no folder'],
      ['meta.properties', '#'],
    )
    expect(namesOf(await findPartitions(disk))).toEqual(['orders 0 orders-0'])
  })

  it('a folder without partitions is refused', async () => {
    const answer = { code: 'INVALID_ARGUMENT', message: expect.stringContaining('holds no logs') }
    await expect(findPartitions(new MemoryDisk())).rejects.toMatchObject(answer)
    await expect(findPartitions(diskOf({}, ['d/x', '']))).rejects.toMatchObject(answer)
  })
})

describe('records', () => {
  const segments = {
    'orders-0/5': segment(5, ['v5', 'v6', 'v7'], ['v8']),
    'orders-0/9': segment(9, ['v9', 'v10']),
    'orders-0/11': Buffer.alloc(0),
  }
  const all = Array.from({ length: 6 }, (_, n) => `${n + 5}:v${n + 5}`)

  it('records come in order, with everything that is stored', async () => {
    const partition = await only(diskOf(segments))
    expect(partition.segments).toEqual([5, 9, 11])
    expect(partition.logStartOffset).toBe(5)
    expect(await valuesOf(partition)).toEqual(all)
    for await (const record of partition.records({ from: 8, until: 9 })) {
      expect(record).toEqual({
        topic: 'orders',
        partition: 0,
        offset: 8,
        timestamp: T + 8000,
        timestampType: 'CreateTime',
        key: null,
        value: Buffer.from('v8'),
        headers: [],
        leaderEpoch: 2,
        isControl: false,
      })
    }
  })

  it('records of every range of offsets are read', async () => {
    const partition = await only(diskOf(segments))
    for (let from = 0; from <= 13; from++) {
      for (let until = 0; until <= 13; until++) {
        const wanted = all.slice(Math.max(from - 5, 0), Math.max(until - 5, 0))
        expect(await valuesOf(partition, { from, until }), `${from} to ${until}`).toEqual(wanted)
      }
    }
  })

  it('records of a range of times are read, including the first moment, not the last', async () => {
    const partition = await only(diskOf(segments))
    // The records of a batch have one time here: 5, 8 and 9 seconds.
    const at = (seconds: number): Date => new Date(T + 1000 * seconds)
    expect(await valuesOf(partition, { from: at(8) })).toEqual(all.slice(3))
    expect(await valuesOf(partition, { from: at(8.001) })).toEqual(all.slice(4))
    expect(await valuesOf(partition, { until: at(8) })).toEqual(all.slice(0, 3))
    expect(await valuesOf(partition, { from: at(8), until: at(9) })).toEqual(['8:v8'])
    expect(await valuesOf(partition, { from: 6, until: at(9) })).toEqual(all.slice(1, 4))
  })

  it('records below the log start are not shown', async () => {
    const checkpoint: [string, string] = ['log-start-offset-checkpoint', '0\n1\norders 0 7\n']
    const partition = await only(diskOf(segments, checkpoint))
    expect(partition.logStartOffset).toBe(7)
    expect(await valuesOf(partition)).toEqual(all.slice(2))
    expect(await valuesOf(partition, { from: 0 })).toEqual(all.slice(2))
  })

  it('all records are shown if the log start cannot be read', async () => {
    const checkpoint: [string, string] = ['log-start-offset-checkpoint', 'nonsense']
    expect(await valuesOf(await only(diskOf(segments, checkpoint)))).toEqual(all)
  })

  it('records end where the last whole batch ends', async () => {
    const whole = segment(9, ['v9', 'v10'])
    for (let length = 0; length < whole.length; length += 9) {
      const torn = { ...segments, 'orders-0/9': whole.subarray(0, length) }
      const { 'orders-0/11': _, ...rest } = torn
      expect(await valuesOf(await only(diskOf(rest))), `${length} bytes`).toEqual(all.slice(0, 4))
    }
  })

  it('records can be read twice, and reading can stop in between', async () => {
    const partition = await only(diskOf(segments))
    for await (const record of partition.records()) {
      if (record.offset === 6) break
    }
    expect(await valuesOf(partition)).toEqual(all)
  })
})

describe('what Kafka has written', () => {
  it('control batches of Kafka are read only when asked for', async () => {
    onTestFinished(withoutZstd())
    const { partitions } = await openLogDirectory(join(GOLDEN, 'orders-0'))
    const [partition] = partitions as [PartitionDirectory]
    expect([partition.topic, partition.partition]).toEqual(['orders', 0])
    const offsets: number[] = []
    const all = { skipMissing: true } // a codec among them is not read
    for await (const record of partition.records(all)) offsets.push(record.offset)
    const unread = partition.unread.reduce((sum, { records }) => sum + records, 0)
    const control: number[] = []
    for await (const record of partition.records({ ...all, includeControl: true })) {
      if (record.isControl) control.push(record.offset)
    }
    expect(control.length).toBeGreaterThan(0)
    expect(offsets.filter(offset => control.includes(offset))).toEqual([])
    expect(unread).toBeGreaterThan(0)
    expect(new Set([...offsets, ...control]).size + unread).toBe(122)
  })

  it('batches in all codecs that Node has are read', async () => {
    const { partitions } = await openLogDirectory(join(GOLDEN, 'codecs-0'))
    const [partition] = partitions as [PartitionDirectory]
    const codecs = ['none', 'gzip', 'snappy', 'lz4', 'zstd']
    let next = 0
    for await (const { offset, value } of partition.records({ skipMissing: true })) {
      expect(offset).toBe(next++)
      if (value === null) continue
      const { n, codec } = JSON.parse(Buffer.from(value).toString()) as { n: number; codec: string }
      expect({ n, codec }).toEqual({ n: offset + 1, codec: codecs[Math.floor(offset / 120)] })
    }
    expect(next).toBe(isReadable('zstd') ? 600 : 480)
  })

  it('batches that this Node cannot read are an error, or counted with skipMissing', async () => {
    onTestFinished(withoutZstd())
    const { partitions } = await openLogDirectory(join(GOLDEN, 'codecs-0'))
    const [partition] = partitions as [PartitionDirectory]
    expect(partition.unread).toEqual([])
    let read = 0
    const reading = (async () => {
      for await (const _ of partition.records()) continue
    })()
    await expect(reading).rejects.toMatchObject({
      code: 'UNSUPPORTED_COMPRESSION_TYPE',
      message: expect.stringMatching(/offsets 480 to 519 are compressed with zstd.*from offset 480 on was/),
    })
    expect(partition.unread).toMatchObject([{ codec: 'zstd', batches: 1 }])
    const { partitions: again } = await openLogDirectory(join(GOLDEN, 'codecs-0'))
    for await (const _ of (again[0] as PartitionDirectory).records({ skipMissing: true })) read++
    expect(read).toBeGreaterThan(0)
    const { unread } = again[0] as PartitionDirectory
    expect(unread.map(({ codec }) => codec)).toEqual(['zstd'])
    expect(unread.every(({ batches, records }) => batches > 0 && records >= batches)).toBe(true)
  })
})

describe('openLogDirectory', () => {
  const folders: string[] = []
  const freshFolder = (): string => {
    const folder = mkdtempSync(join(tmpdir(), 'partlog-directory-'))
    folders.push(folder)
    return folder
  }
  afterEach(() => {
    for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
  })

  it("openLogDirectory finds the same in a partition's folder as in its parent", async () => {
    const folder = freshFolder()
    cpSync(join(GOLDEN, 'orders-0'), join(folder, 'orders-0'), { recursive: true })
    const around = await openLogDirectory(folder)
    const inside = await openLogDirectory(join(folder, 'orders-0'))
    const read = async (partition: PartitionDirectory): Promise<number> => {
      let count = 0
      for await (const _ of partition.records({ skipMissing: true })) count++
      return count
    }
    const counts = [around, inside].map(({ partitions }) =>
      read(partitions[0] as PartitionDirectory),
    )
    const [first, second] = await Promise.all(counts)
    expect(first).toBe(second)
    expect(first).toBeGreaterThan(100)
  })

  it('openLogDirectory follows links, as Kafka does', async () => {
    const [elsewhere, folder] = [freshFolder(), freshFolder()]
    mkdirSync(join(elsewhere, 'moved'))
    writeFileSync(join(elsewhere, 'moved', SEGMENT), segment(0, ['a']))
    symlinkSync(join(elsewhere, 'moved'), join(folder, 'orders-0'))
    mkdirSync(join(folder, 'orders-1'))
    symlinkSync(join(elsewhere, 'moved', SEGMENT), join(folder, 'orders-1', SEGMENT))
    const { partitions } = await openLogDirectory(folder)
    expect(namesOf(partitions)).toEqual(['orders 0 orders-0', 'orders 1 orders-1'])
    for (const partition of partitions) expect(await valuesOf(partition)).toEqual(['0:a'])
  })

  it('openLogDirectory includes a partition that cannot be read', async () => {
    const folder = freshFolder()
    symlinkSync(join(folder, 'nowhere'), join(folder, 'orders-0'))
    const { partitions } = await openLogDirectory(folder)
    expect(namesOf(partitions)).toEqual(['orders 0 orders-0'])
    await expect(valuesOf(partitions[0] as PartitionDirectory)).rejects.toThrow('orders-0')
    const disk = new NodeDisk(folder, { readOnly: true })
    expect((await inspectPartition(disk, 'orders-0')).problems).toEqual([
      { file: 'orders-0', position: 0, problem: 'cannot be read: ENOENT' },
    ])
  })

  it("openLogDirectory uses the checkpoints next to a partition's folder", async () => {
    const folder = freshFolder()
    mkdirSync(join(folder, 'orders-0'))
    writeFileSync(join(folder, 'orders-0', SEGMENT), segment(0, ['a']))
    writeFileSync(join(folder, 'recovery-point-offset-checkpoint'), '0\n1\norders 0 5\n')
    const { partitions } = await openLogDirectory(join(folder, 'orders-0'))
    await expect(valuesOf(partitions[0] as PartitionDirectory)).rejects.toThrow(
      'the log ends there, it was synced up to 5; offsets 1 to 4 of orders-0 are missing',
    )
  })

  it("openLogDirectory names a single folder's partition by the folder", async () => {
    const folder = freshFolder()
    for (const name of ['orders-7', 'loose']) {
      mkdirSync(join(folder, name))
      writeFileSync(join(folder, name, SEGMENT), segment(0, ['a']))
    }
    const names = []
    for (const name of ['orders-7', 'loose']) {
      const { partitions } = await openLogDirectory(join(folder, name))
      names.push(`${partitions[0]?.topic} ${partitions[0]?.partition}`)
    }
    expect(names).toEqual(['orders 7', 'loose 0'])
  })

  it('openLogDirectory writes nothing: not a byte, a name or a time', async () => {
    const folder = freshFolder()
    mkdirSync(join(folder, 'orders-0'))
    const path = join(folder, 'orders-0', SEGMENT)
    writeFileSync(path, Buffer.concat([segment(0, ['a']), segment(1, ['b']).subarray(0, 30)]))
    const before = [statSync(path), statSync(join(folder, 'orders-0')), statSync(folder)]
    const { partitions } = await openLogDirectory(folder)
    expect(await valuesOf(partitions[0] as PartitionDirectory)).toEqual(['0:a'])
    const after = [statSync(path), statSync(join(folder, 'orders-0')), statSync(folder)]
    const facts = (stats: typeof before): number[][] =>
      stats.map(({ size, mtimeMs, ctimeMs }) => [size, mtimeMs, ctimeMs])
    expect(facts(after)).toEqual(facts(before))
  })

  it.each([
    ['', 'expected the path of a folder'],
    [undefined, 'expected the path of a folder'],
    [7, 'expected the path of a folder'],
    ['/nowhere/at/all', '/nowhere/at/all does not exist'],
    [fileURLToPath(import.meta.url), 'log-directory.test.ts is a file: expected the folder'],
  ])('openLogDirectory refuses %j', async (path, reason) => {
    await expect(openLogDirectory(path as string)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining(reason),
    })
  })
})
