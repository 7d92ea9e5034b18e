/**
 * Every offset between the first one of a log and its end is read, or it is said which are not: for
 * exports (openLogDirectory) and for verify, on the same folders.
 */

import { describe, expect, it } from 'vitest'
import { crc32c } from '../../../src/base/checksums/crc32c.js'
import { fillDisk, MemoryDisk } from '../../../src/disk/memory-disk.js'
import { findPartitions } from '../../../src/log/inspection/log-directory.js'
import type {
  PartitionDirectory,
  RecordRange,
} from '../../../src/log/inspection/partition-directory.js'
import { inspectPartition } from '../../../src/log/inspection/verify-log.js'
import { BatchBuilder } from '../../../src/model/batch/batch-builder.js'
import { assignOffset, Batch } from '../../../src/model/batch/batch.js'

const T = Date.UTC(2026, 0, 1)
const FOLDER = 'orders-0'
const logOf = (base: number): string => `${FOLDER}/${String(base).padStart(20, '0')}.log`

/** A batch of one record per offset from `base` up to `end`, with keys of their own or without. */
function batch(base: number, end = base + 1, hasKeys = true): Buffer {
  const builder = new BatchBuilder(Buffer.alloc(65_536))
  for (let n = base; n < end; n++) {
    builder.tryAppend(T + n, hasKeys ? `k${n}` : null, `v${n} ${'.'.repeat(20)}`, [])
  }
  const bytes = Buffer.from(builder.build())
  assignOffset(new Batch(bytes, 0), base, 0)
  return bytes
}

const batches = (from: number, end: number, hasKeys = true): Buffer =>
  Buffer.concat(Array.from({ length: end - from }, (_, n) => batch(from + n, undefined, hasKeys)))

/** Changes a field of a batch; with a checksum that fits if it is `sealed`. */
function changed(bytes: Buffer, change: (bytes: Buffer) => void, sealed = true): Buffer {
  const copy = Buffer.from(bytes)
  change(copy)
  if (sealed) copy.writeUInt32BE(crc32c(copy, 21, copy.length), 17)
  return copy
}

type Files = ReadonlyMap<string, Buffer>

/** Thirty records in three segments, and what a clean stop says of them. */
function sound(hasKeys = true): Map<string, Buffer> {
  return new Map([
    [logOf(0), batches(0, 10, hasKeys)],
    [logOf(10), batches(10, 20, hasKeys)],
    [logOf(20), batches(20, 30, hasKeys)],
    [`${FOLDER}/leader-epoch-checkpoint`, Buffer.from('0\n1\n0 0\n')],
  ])
}

const checkpoint = (offset: number): Buffer => Buffer.from(`0\n1\norders 0 ${offset}\n`)
const RECOVERY = 'recovery-point-offset-checkpoint'
const WATERMARK = 'replication-offset-checkpoint'
const CLEANER = 'cleaner-offset-checkpoint'
const LOG_START = 'log-start-offset-checkpoint'

function diskOf(files: Files): MemoryDisk {
  const disk = new MemoryDisk()
  fillDisk(disk, [FOLDER], files)
  return disk
}

async function partitionOf(files: Files): Promise<PartitionDirectory> {
  return (await findPartitions(diskOf(files)))[0] as PartitionDirectory
}

async function offsetsOf(partition: PartitionDirectory, range?: RecordRange): Promise<number[]> {
  const offsets: number[] = []
  for await (const { offset } of partition.records(range)) offsets.push(offset)
  return offsets
}

async function failure(files: Files, range?: RecordRange): Promise<string> {
  try {
    return `none: ${String(await offsetsOf(await partitionOf(files), range))}`
  } catch (error) {
    return (error as Error).message
  }
}

async function verdict(files: Files): Promise<string[]> {
  const { problems } = await inspectPartition(diskOf(files), FOLDER)
  return problems.map(({ file, position, problem }) => `${file} at ${position}: ${problem}`)
}

const range = (from: number, end: number): number[] =>
  Array.from({ length: end - from }, (_, n) => from + n)

const without = (files: Files, ...names: string[]): Map<string, Buffer> =>
  new Map([...files].filter(([name]) => !names.includes(name)))

const SIZE = batch(11).length

/** Each with what is missing. */
const DAMAGES: Readonly<
  Record<string, { files: Files; from: number; until: number; says: RegExp; verify?: RegExp }>
> = {
  'a segment in the middle is gone': {
    files: without(sound(), logOf(10)),
    from: 10,
    until: 20,
    says: /20\.log at position 0: .*offsets 10 to 19 of orders-0/,
    verify: /20\.log at 0: 10 offsets from 10 on are missing/,
  },
  'a segment in the middle is empty': {
    files: new Map([...sound(), [logOf(10), Buffer.alloc(0)]]),
    from: 10,
    until: 20,
    says: /20\.log at position 0: .*offsets 10 to 19/,
  },
  'the last segment is empty': {
    files: new Map([...without(sound(), logOf(10)), [logOf(20), Buffer.alloc(0)]]),
    from: 10,
    until: 20,
    says: /20\.log at position 0: .*offsets 10 to 19/,
  },
  'the last segment is gone, and was synced': {
    files: new Map([...without(sound(), logOf(20)), [RECOVERY, checkpoint(30)]]),
    from: 20,
    until: 30,
    says: /10\.log at position \d+: the log ends.*offsets 20 to 29/,
    verify: /10\.log at \d+: the log ends at offset 20, it was synced up to 30/,
  },
  'the last segment is gone, and was read by consumers': {
    files: new Map([...without(sound(), logOf(20)), [WATERMARK, checkpoint(30)]]),
    from: 20,
    until: 30,
    says: /read by consumers up to 30; offsets 20 to 29/,
  },
  'the first segment is gone': {
    files: without(sound(), logOf(0)),
    from: 0,
    until: 10,
    says: /10\.log at position 0: orders-0 begins at 10; offsets 0 to 9/,
    verify: /10\.log at 0: 10 offsets from 0 on are missing/,
  },
  'all segments are gone': {
    files: new Map([
      ...without(sound(), logOf(0), logOf(10), logOf(20)),
      [RECOVERY, checkpoint(30)],
    ]),
    from: 0,
    until: 30,
    says: /^CORRUPT_LOG: orders-0 at .*offsets 0 to 29/,
    verify: /there is no segment, it was synced up to 30/,
  },
  'a batch is damaged in a segment that is closed': {
    files: new Map([
      ...sound(),
      [logOf(10), changed(batches(10, 20), bytes => (bytes[3 * SIZE + 70]! ^= 1), false)],
    ]),
    from: 13,
    until: 14,
    says: /10\.log at position \d+: CRC-32C .* 13 on was read/,
    verify: /10\.log at \d+: CRC-32C does not match/,
  },
  'a closed segment ends inside a batch': {
    files: new Map([...sound(), [logOf(10), batches(10, 20).subarray(0, 9 * SIZE + 5)]]),
    from: 19,
    until: 20,
    says: /10\.log at position \d+: the file ends 5 bytes into/,
  },
  'a base offset has rotted upwards': {
    files: new Map([
      ...sound(),
      [logOf(10), changed(batches(10, 20), bytes => (bytes[5 * SIZE + 6]! ^= 1), false)],
    ]),
    from: 15,
    until: 16,
    says: /its offsets go up to 271, but 16 follows/,
  },
  'a last offset delta has grown': {
    files: new Map([
      ...sound(),
      [
        logOf(10),
        Buffer.concat([
          batches(10, 19),
          changed(batch(19), bytes => bytes.writeInt32BE(1 << 20, 23)),
        ]),
      ],
    ]),
    from: 19,
    until: 20,
    says: /its offsets go up to 1048595, but 20 follows/,
  },
}

describe.each(Object.entries(DAMAGES))('when %s', (_, { files, from, until, says, verify }) => {
  it('an export ends at damage and names the missing offsets', async () => {
    expect(await failure(files)).toMatch(says)
    expect(await failure(files)).toContain(`from offset ${from} on was read`)
  })

  it('an export of offsets that exist works despite the damage', async () => {
    const partition = await partitionOf(files)
    expect(await offsetsOf(partition, { until: from })).toEqual(range(0, from))
    if (until < 30) {
      expect(await offsetsOf(await partitionOf(files), { from: until, until: 30 })).toEqual(
        until === 20 && (files.get(logOf(20)) ?? []).length === 0 ? [] : range(until, 30),
      )
    }
  })

  it('an export that skips damage reports what it has skipped', async () => {
    const partition = await partitionOf(files)
    const there = await offsetsOf(partition, { skipMissing: true })
    const lost = partition.missing.flatMap(each => range(each.from, each.until))
    expect(lost).toEqual(range(from, until))
    const end = Math.max(until, ...there.map(offset => offset + 1))
    expect([...there, ...lost].sort((a, b) => a - b)).toEqual(range(0, end))
  })

  it('verify finds the damage', async () => {
    expect((await verdict(files)).join('\n')).toMatch(verify ?? /\.log at \d+: /)
  })
})

describe('a partition whose folder is gone', () => {
  it('a partition without its folder is missing as far as its checkpoint reaches', async () => {
    const disk = new MemoryDisk()
    const lines = '0\n3\norders 0 30\norders 1 20\nnever 0 0\n'
    fillDisk(disk, [FOLDER], new Map([...sound(), [RECOVERY, Buffer.from(lines)]]))
    const partitions = await findPartitions(disk)
    expect(partitions.map(({ folder }) => folder)).toEqual(['orders-0', 'orders-1'])
    const [there, gone] = partitions as [PartitionDirectory, PartitionDirectory]
    expect(await offsetsOf(there)).toEqual(range(0, 30))
    await expect(offsetsOf(gone)).rejects.toThrow(
      'orders-1 at position 0: there is no segment, it was synced up to 20; offsets 0 to 19 of',
    )
    expect(await offsetsOf(gone, { skipMissing: true })).toEqual([])
    expect(gone.missing).toMatchObject([{ from: 0, until: 20 }])
    expect((await inspectPartition(disk, 'orders-1')).problems).toMatchObject([
      { file: 'orders-1', problem: 'cannot be read: ENOENT' },
    ])
  })
})

describe('a segment that stands there twice', () => {
  const files = new Map([...sound(), [logOf(12), batches(10, 20)]])

  it('a segment that exists twice is an error', async () => {
    expect(await failure(files)).toMatch(/12\.log at position 0: offset 10 comes after 19; nothing/)
    expect(await verdict(files)).not.toEqual([])
  })

  it('a segment that exists twice is read once with skipMissing', async () => {
    const partition = await partitionOf(files)
    expect(new Set(await offsetsOf(partition, { skipMissing: true })).size).toBe(30)
  })
})

describe('the last bytes of a log', () => {
  const tail = (bytes: Buffer, ...more: [string, Buffer][]): Map<string, Buffer> =>
    new Map([...sound(), [logOf(20), Buffer.concat([batches(20, 30), bytes])], ...more])
  const next = batch(30, 36)
  const lost = changed(batch(30, 90), bytes => bytes.fill(0, 100, 1700), false)
  const closed: [string, Buffer] = ['.kafka_cleanshutdown', Buffer.from('{}')]

  it.each([
    ['a header that is not whole', next.subarray(0, 11)],
    ['a batch that is not whole', next.subarray(0, -1)],
    ['a batch that holds another one, and is not whole', Buffer.concat([
      changed(batch(30, 36), bytes => bytes.writeInt32BE(5_000, 8), false),
      batches(40, 45),
    ])],
    ['a batch with a sector that was not written', lost],
    ['half a header, and zeros', Buffer.concat([next.subarray(0, 14), Buffer.alloc(600)])],
  ])('%s at the end is a torn tail, not a record', async (_, bytes) => {
    const partition = await partitionOf(tail(bytes))
    expect(await offsetsOf(partition)).toEqual(range(0, 30))
    expect(partition.tornTail).toMatchObject({ file: logOf(20), bytes: bytes.length })
    expect(await failure(tail(bytes, [RECOVERY, checkpoint(31)]))).toContain('CORRUPT_LOG')
    expect(await failure(tail(bytes, closed))).toContain('CORRUPT_LOG')
  })

  it.each([1, 60, 65_536])('%i zeros at the end are room that Kafka has allocated', async count => {
    const files = tail(Buffer.alloc(count), closed)
    const partition = await partitionOf(files)
    expect(await offsetsOf(partition)).toEqual(range(0, 30))
    expect(partition.tornTail).toBeUndefined()
    expect(await verdict(files)).toEqual([])
  })

  const zeros = Buffer.alloc(1000)
  const oldFormat = Buffer.alloc(60, 7)
  oldFormat.writeInt32BE(48, 8)
  oldFormat[16] = 1
  it.each([
    ['zeros with a batch behind them', Buffer.concat([zeros, batch(32)]), /magic is 0/],
    ['a batch that has rotted', changed(next, bytes => (bytes[70]! ^= 1), false), /CRC-32C/],
    ['a batch of codec 6', changed(next, bytes => (bytes[22]! |= 6)), /codec 6 does not exist/],
    ['a base offset beyond 2^53', changed(next, bytes => (bytes[0] = 0x40)), /base offset .* imp/],
    ['a message of Kafka before 0.11', oldFormat, /message format 1 of Kafka before 0\.11/],
    ['a length that has grown', changed(next, bytes => (bytes[8] = 0x10), false), /ends \d+ bytes/],
    [
      'a length that has grown, with a batch behind it',
      Buffer.concat([changed(next, bytes => (bytes[8] = 0x10), false), batch(36)]),
      /ends \d+ bytes/,
    ],
    ['bytes of something else', Buffer.alloc(90, 0xff), /magic is 255/],
  ])('%s at the end is damage', async (_, bytes, says) => {
    const files = tail(bytes)
    expect(await failure(files)).toMatch(says)
    expect(await failure(files)).toContain('from offset 30 on was read')
    expect(await verdict(files)).toHaveLength(1)
    const partition = await partitionOf(files)
    await offsetsOf(partition, { skipMissing: true })
    expect(partition.missing[0]).toMatchObject({ from: 30, file: logOf(20) })
  })

  it('zeros after a segment that is not the last one are damage', async () => {
    const bytes = Buffer.concat([batches(10, 20), zeros])
    const files = new Map([...sound(), [logOf(10), bytes]])
    expect(await verdict(files)).toHaveLength(1)
    expect(await failure(files)).toContain('CORRUPT_LOG')
  })
})

describe('a log that was compacted', () => {
  /** Some offsets are left, as compaction leaves them. */
  const kept = (from: number, end: number): Buffer =>
    Buffer.concat(range(from, end).filter(n => n % 3 === 0).map(n => batch(n)))
  const files = new Map([
    ...sound(),
    [logOf(0), kept(0, 10)],
    [logOf(10), kept(10, 20)],
  ])
  const left = [...range(0, 20).filter(n => n % 3 === 0), ...range(20, 30)]

  it.each([
    ['a cleaner checkpoint', new Map([...files, [CLEANER, checkpoint(20)]])],
    ['no cleaner checkpoint', files],
  ])('a compacted log with %s has gaps', async (_, each) => {
    expect(await offsetsOf(await partitionOf(each))).toEqual(left)
    expect(await offsetsOf(await partitionOf(each), { from: 17, until: 24 })).toEqual([
      ...[18, 20, 21, 22, 23],
    ])
    expect(await verdict(each)).toEqual([])
  })

  it('a compacted log is read when only its last files are asked for', async () => {
    const some = new Map([...files, [logOf(20), batches(24, 30)]])
    expect(await offsetsOf(await partitionOf(some), { from: 20 })).toEqual(range(24, 30))
  })

  it('a compacted log has no record without a key', async () => {
    const keyless = new Map([...files, [logOf(20), batches(20, 30, false)]])
    expect(await failure(keyless)).toContain('offsets 1 to 2 of orders-0 are missing')
    expect(await verdict(keyless)).not.toEqual([])
  })

  it('a compacted log does not end beyond known offsets without confirmation', async () => {
    const last = changed(batch(29), bytes => (bytes[5] = 1), false)
    const rotten = new Map([
      ...files,
      [logOf(20), Buffer.concat([batches(20, 29), last])],
      [WATERMARK, checkpoint(30)],
      [CLEANER, checkpoint(20)],
    ])
    expect(await failure(rotten)).toContain('offsets 29 to 65564 of orders-0 are missing')
    expect((await verdict(rotten)).join()).toMatch(/65536 offsets from 29 on are missing/)
  })
})

describe('where a log begins', () => {
  const cut = without(sound(), logOf(0))

  it.each([
    ['nothing is known', without(cut, `${FOLDER}/leader-epoch-checkpoint`), 10],
    ['the epochs know it', new Map([...cut, epochs(10)]), 10],
    ['segments are just being deleted', new Map([...cut, [`${logOf(0)}.deleted`, zero()]]), 10],
    ['records were deleted', new Map([...sound(), [LOG_START, checkpoint(7)]]), 7],
    ['a checkpoint hides more than there is', new Map([...sound(), [LOG_START, checkpoint(905)]]), 0],
  ])('the start of a log is right if %s', async (_, files, start) => {
    const partition = await partitionOf(files)
    expect(partition.logStartOffset).toBe(start)
    expect(await offsetsOf(partition)).toEqual(range(start, 30))
  })

  it('a checkpoint may move the log start above the first segment', async () => {
    const files = new Map([
      ...without(cut, `${FOLDER}/leader-epoch-checkpoint`),
      [LOG_START, checkpoint(7)],
    ])
    expect(await failure(files)).toContain('offsets 7 to 9 of orders-0 are missing')
    expect((await verdict(files)).join()).toContain('3 offsets from 7 on are missing')
  })

  it('a checkpoint beyond the end of the log is wrong', async () => {
    const files = new Map([...sound(), [LOG_START, checkpoint(905)]])
    expect(await verdict(files)).toEqual([
      `${LOG_START} at 0: has log start 905 for orders-0, which ends at 30`,
    ])
  })

  function epochs(start: number): [string, Buffer] {
    return [`${FOLDER}/leader-epoch-checkpoint`, Buffer.from(`0\n1\n0 ${start}\n`)]
  }
  function zero(): Buffer {
    return Buffer.alloc(0)
  }
})
