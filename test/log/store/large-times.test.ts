/** Times that no number holds exactly: nanoseconds, or whatever an int64 may be. None is lost. */

import { describe, expect, it } from 'vitest'
import { crc32c } from '../../../src/base/checksums/crc32c.js'
import { seededRandom } from '../../../src/base/random.js'
import { recordLine } from '../../../src/events/formats/record-lines.js'
import { fillDisk, MemoryDisk } from '../../../src/disk/memory-disk.js'
import { findPartitions } from '../../../src/log/inspection/log-directory.js'
import type { PartitionDirectory } from '../../../src/log/inspection/partition-directory.js'
import { inspectPartition } from '../../../src/log/inspection/verify-log.js'
import { batchesOf, whyInvalid, type Batch } from '../../../src/model/batch/batch.js'
import { RecordCursor } from '../../../src/model/batch/record-cursor.js'

const MAX = 2n ** 63n - 1n
const NOW_NS = 1_600_000_000_123_456_789n

function varint(value: bigint): Buffer {
  let rest = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n))
  const bytes: number[] = []
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128)
  return Buffer.from([...bytes, Number(rest)])
}

/** One record per time, each as its difference to the first. */
function batchOfTimes(baseOffset: number, times: readonly bigint[]): Buffer {
  const [base = 0n] = times
  const records = times.map((time, n) => {
    const body = [
      ...[Buffer.of(0), varint(BigInt.asIntN(64, time - base)), varint(BigInt(n))],
      ...[varint(-1n), varint(1n), Buffer.from('v'), varint(0n)],
    ]
    const bytes = Buffer.concat(body)
    return Buffer.concat([varint(BigInt(bytes.length)), bytes])
  })
  const batch = Buffer.concat([Buffer.alloc(61), ...records])
  batch.writeBigInt64BE(BigInt(baseOffset), 0)
  batch.writeInt32BE(batch.length - 12, 8)
  batch[16] = 2
  batch.writeInt32BE(times.length - 1, 23)
  batch.writeBigInt64BE(base, 27)
  batch.writeBigInt64BE(times.reduce((newest, time) => (time > newest ? time : newest)), 35)
  batch.writeBigInt64BE(2n ** 60n + 1n, 43) // a producer id
  batch.writeInt32BE(times.length, 57)
  batch.writeUInt32BE(crc32c(batch, 21, batch.length), 17)
  return batch
}

function exactTimesOf(batch: Batch): bigint[] {
  const times: bigint[] = []
  for (const cursor = new RecordCursor(batch); cursor.next();) times.push(cursor.exactTimestamp)
  return times
}

const KINDS: Readonly<Record<string, readonly bigint[]>> = {
  'microseconds': [1_600_000_000_123_456n],
  'nanoseconds': [NOW_NS, NOW_NS + 1n, NOW_NS - 1n],
  'milliseconds, then nanoseconds': [1_600_000_000_123n, NOW_NS],
  'nanoseconds, then milliseconds': [NOW_NS, 1_600_000_000_123n, -1n],
  'the largest and the smallest': [MAX, -MAX - 1n, MAX - 1n],
  'what is just not exact any more': [2n ** 53n - 1n, 2n ** 53n, 2n ** 53n + 1n],
  'none': [-1n],
}

describe.each(Object.entries(KINDS))('times: %s', (_, times) => {
  const bytes = batchOfTimes(0, times)
  const [batch] = [...batchesOf(bytes)] as [Batch]

  it('times are read to the last digit', () => {
    expect(whyInvalid(batch)).toBeUndefined()
    expect(exactTimesOf(batch)).toEqual(times)
    for (const cursor = new RecordCursor(batch); cursor.next();) {
      expect(cursor.timestamp).toBe(Number(cursor.exactTimestamp))
    }
  })

  it('large times are exported unchanged and pass verify, as do records around them', async () => {
    const end = 1 + times.length
    const good = (offset: number): Buffer => batchOfTimes(offset, [1_600_000_000_000n])
    const log = Buffer.concat([good(0), batchOfTimes(1, times), good(end)])
    const disk = new MemoryDisk()
    fillDisk(disk, ['orders-0'], [['orders-0/00000000000000000000.log', log]])
    const [partition] = (await findPartitions(disk)) as [PartitionDirectory]
    const lines: string[] = []
    for await (const record of partition.records()) lines.push(recordLine(record))
    const texts = times.map(time => (time === -1n ? 'null' : String(time)))
    expect(lines.map(line => /"timestamp":([^,]*),/.exec(line)?.[1])).toEqual([
      ...['1600000000000', ...texts, '1600000000000'],
    ])
    expect((await inspectPartition(disk, 'orders-0')).problems).toEqual([])
  })
})

it('any two times in a batch round-trip', () => {
  const random = seededRandom(7)
  const any = (): bigint => {
    const bits = BigInt(random.int(64))
    const high = (BigInt(random.int(2 ** 32)) << 32n) | BigInt(random.int(2 ** 32))
    return BigInt.asIntN(64, high) >> bits
  }
  for (let round = 0; round < 300; round++) {
    const times = Array.from({ length: 1 + random.int(4) }, any)
    const [batch] = [...batchesOf(batchOfTimes(0, times))] as [Batch]
    expect(exactTimesOf(batch)).toEqual(times)
    const cursor = new RecordCursor(batch)
    for (const time of times) {
      cursor.next()
      expect(cursor.timestamp).toBe(Number(time))
    }
  }
})
