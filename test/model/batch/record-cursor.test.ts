/** What may come out of a batch whose bytes are not what was written: a typed error, or records. */

import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { putVarint, putVarlong } from '../../../src/base/bytes.js'
import { seededRandom, type Random } from '../../../src/base/random.js'
import { BatchBuilder } from '../../../src/model/batch/batch-builder.js'
import { Batch, BATCH_HEADER_BYTES, writeHeader } from '../../../src/model/batch/batch.js'
import { RecordCursor } from '../../../src/model/batch/record-cursor.js'
import { isPartlogError } from '../../../src/model/errors.js'
import { keyText, valueText } from './records.js'

const T = 1_700_000_000_000
/** What stands around the batch in its buffer, and must never be read. */
const AROUND = 64

/** A valid batch of a few random records. */
function randomBatch(random: Random): Buffer {
  const builder = new BatchBuilder(Buffer.alloc(4096))
  const text = (): Uint8Array => Buffer.from(random.bytes(random.int(10)))
  for (let n = random.int(5); n >= 0; n--) {
    const headers = Array.from(
      { length: random.int(3) },
      () => [`h${random.int(9)}`, random.int(3) === 0 ? null : text()] as const,
    )
    const key = random.int(3) === 0 ? null : text()
    const value = random.int(5) === 0 ? null : text()
    builder.tryAppend(T + random.int(1000) - 500, key, value, headers)
  }
  return Buffer.from(builder.build())
}

/** The batch in the middle of a buffer, so that a view may be told from one that is too long. */
function inTheMiddle(bytes: Buffer): Batch {
  const buffer = Buffer.alloc(bytes.length + 2 * AROUND, 0x2a)
  bytes.copy(buffer, AROUND)
  return new Batch(buffer, AROUND)
}

/** Reads everything there is; the views must lie inside the batch. */
function readAll(batch: Batch): number {
  const from = batch.buffer.byteOffset + batch.start + BATCH_HEADER_BYTES
  const to = batch.buffer.byteOffset + batch.end
  const check = (view: Uint8Array | null): void => {
    if (view === null || view.buffer !== batch.buffer.buffer) return
    expect(view.byteOffset).toBeGreaterThanOrEqual(from)
    expect(view.byteOffset + view.byteLength).toBeLessThanOrEqual(to)
  }
  let count = 0
  for (const cursor = new RecordCursor(batch); cursor.next(); count++) {
    const { key, value, headers } = cursor.record()
    for (const view of [key, value, ...headers.map(header => header.value)]) check(view)
    expect(keyText(cursor) === null).toBe(key === null)
    expect(valueText(cursor) === null).toBe(value === null)
  }
  return count
}

/** How many records came out; −1 when it was refused with one of our errors. */
function outcome(batch: Batch): number {
  try {
    return readAll(batch)
  } catch (error) {
    if (!isPartlogError(error)) throw error
    expect(['INVALID_RECORD', 'CORRUPT_MESSAGE', 'UNSUPPORTED_COMPRESSION_TYPE']).toContain(
      error.code,
    )
    return -1
  }
}

describe('damaged records', () => {
  it('records of any bytes are refused with a PartlogError or lie within the batch', () => {
    const random = seededRandom(20)
    let refused = 0
    for (let round = 0; round < 1200; round++) {
      const bytes = randomBatch(random)
      for (let n = random.int(4); n >= 0; n--) {
        const at = BATCH_HEADER_BYTES + random.int(bytes.length - BATCH_HEADER_BYTES)
        bytes[at] = [0x00, 0x01, 0x7f, 0x80, 0xff, random.int(256)][random.int(6)] as number
      }
      if (outcome(inTheMiddle(bytes)) < 0) refused++
    }
    expect(refused).toBeGreaterThan(500)
    expect(refused).toBeLessThan(2000)
  })

  it('records of random bytes are refused', () => {
    const random = seededRandom(21)
    for (let round = 0; round < 1000; round++) {
      const bytes = randomBatch(random)
      Buffer.from(random.bytes(bytes.length)).copy(bytes, BATCH_HEADER_BYTES, BATCH_HEADER_BYTES)
      expect(outcome(inTheMiddle(bytes))).toBeLessThan(6)
    }
  })

  it('records cut at any byte are refused', () => {
    const random = seededRandom(22)
    for (let round = 0; round < 12; round++) {
      const whole = randomBatch(random)
      for (let end = BATCH_HEADER_BYTES; end < whole.length; end++) {
        const bytes = Buffer.from(whole.subarray(0, end))
        bytes.writeInt32BE(end - 12, 8)
        expect(outcome(inTheMiddle(bytes)), `round ${round}, cut at ${end}`).toBe(-1)
      }
    }
  })

  it('damaged records in a valid gzip stream are refused', () => {
    const random = seededRandom(23)
    let refused = 0
    for (let round = 0; round < 500; round++) {
      const plain = randomBatch(random)
      const records = Buffer.from(plain.subarray(BATCH_HEADER_BYTES))
      records[random.int(records.length)]! ^= 1 << random.int(8)
      const bytes = Buffer.concat([plain.subarray(0, BATCH_HEADER_BYTES), gzipSync(records)])
      bytes.writeInt32BE(bytes.length - 12, 8)
      bytes.writeInt16BE(1, 21)
      if (outcome(inTheMiddle(bytes)) < 0) refused++
    }
    expect(refused).toBeGreaterThan(50)
  })
})

describe('a count or length that is not true', () => {
  /** A batch of one record whose body is given. */
  function withBody(body: readonly number[], count = 1): Batch {
    const bytes = Buffer.alloc(BATCH_HEADER_BYTES + body.length)
    Buffer.from(body).copy(bytes, BATCH_HEADER_BYTES)
    const times = { baseTimestamp: T, maxTimestamp: T }
    writeHeader(bytes, 0, bytes.length, { lastOffsetDelta: 0, recordsCount: count, ...times })
    return inTheMiddle(bytes)
  }
  const varint = (value: number): number[] => {
    const buffer = Buffer.alloc(10)
    return [...buffer.subarray(0, putVarint(buffer, value, 0))]
  }
  const varlong = (value: number): number[] => {
    const buffer = Buffer.alloc(10)
    return [...buffer.subarray(0, putVarlong(buffer, value, 0))]
  }
  /** Length, attributes, timestamp, offset, then the rest. */
  const record = (...rest: readonly number[]): number[] => [
    ...varint(3 + rest.length),
    ...[0, 0, 0],
    ...rest,
  ]
  const NULL = 1

  it('the record used in these cases is valid', () => {
    expect(readAll(withBody(record(NULL, NULL, 0)))).toBe(1)
    expect(readAll(withBody([], 0))).toBe(0)
  })

  it.each([
    ['more records than bytes', withBody(record(NULL, NULL, 0), 2 ** 31 - 1), 'cannot fit'],
    ['one record more', withBody(record(NULL, NULL, 0), 2), 'cannot fit into 7 bytes'],
    ['one record less', withBody(record(NULL, NULL, 0), 0), '7 bytes left over'],
    ['fewer than no records', withBody(record(NULL, NULL, 0), -1), '-1 records cannot fit'],
    [
      'a record longer than the batch',
      withBody([...varint(1000), 0, 0, 0, 1, 1, 0]),
      'length is 1000',
    ],
    [
      'a record of two gigabytes',
      withBody([...varint(2 ** 31 - 1), 0, 0, 0, 1, 1, 0]),
      'length is',
    ],
    ['a record of negative length', withBody([...varint(-3), 0, 0, 0, 1, 1, 0]), 'length is -3'],
    [
      'a record shorter than its fields',
      withBody([...varint(2), 0, 0, 0, 1, 1, 0]),
      'inside a field',
    ],
    [
      'a record longer than its fields',
      withBody([...varint(7), 0, 0, 0, 1, 1, 0, 9]),
      '1 bytes between',
    ],
    ['an empty record', withBody([0, 0, 0, 0, 0, 0, 0]), 'inside a field'],
    [
      'a key longer than its record',
      withBody(record(...varint(50), NULL, 0)),
      'a field of 50 bytes',
    ],
    [
      'a key of two gigabytes',
      withBody(record(...varint(2 ** 31 - 1), 0, 0)),
      'a field of 2147483647',
    ],
    ['a key of negative length', withBody(record(...varint(-2), NULL, 0)), 'a field of -2 bytes'],
    [
      'a value longer than its record',
      withBody(record(NULL, ...varint(9), 0)),
      'a field of 9 bytes',
    ],
    [
      'more headers than bytes',
      withBody(record(NULL, NULL, ...varint(1_000_000))),
      '1000000 headers',
    ],
    ['a negative count of headers', withBody(record(NULL, NULL, ...varint(-1))), '-1 headers'],
    [
      'a header without a key',
      withBody(record(NULL, NULL, ...varint(1), NULL, NULL)),
      'has no key',
    ],
    [
      'a header longer than its record',
      withBody(record(NULL, NULL, ...varint(1), ...varint(40), 0)),
      'a field of 40 bytes',
    ],
    [
      'a varint that does not end',
      withBody(record(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)),
      'more than 5 bytes',
    ],
    [
      'a varlong that does not end',
      withBody([...varint(16), 0, ...Array<number>(12).fill(0xff), 0, 1, 1, 0]),
      'more than 10 bytes',
    ],
  ])('%s', (_, batch, reason) => {
    expect(() => readAll(batch)).toThrow(
      expect.objectContaining({ code: 'INVALID_RECORD', message: expect.stringContaining(reason) }),
    )
  })

  it('the error names the record and its batch', () => {
    const good = record(NULL, NULL, 0)
    const batch = withBody([...good, ...varint(99), 0, 0, 0, 1, 1, 0], 2)
    batch.buffer.writeInt32BE(4711, batch.start + 4)
    expect(() => readAll(batch)).toThrow('record 0 before the end of the batch at offset 4711')
  })

  it('times far away from each other are read', () => {
    const far = [-(2 ** 52), 2 ** 52, -1, 1, 2 ** 31, -(2 ** 31)]
    for (const delta of far) {
      const body = [0, ...varlong(delta), 0, NULL, NULL, 0]
      const cursor = new RecordCursor(withBody([...varint(body.length), ...body]))
      expect(cursor.next() && cursor.timestamp).toBe(T + delta)
    }
  })
})

describe('the cursor', () => {
  it('a cursor returns the records that were written, for any records', () => {
    const random = seededRandom(24)
    for (let round = 0; round < 200; round++) {
      const builder = new BatchBuilder(Buffer.alloc(4096))
      const wanted = Array.from({ length: 1 + random.int(10) }, () => ({
        timestamp: T + random.int(2_000_000) - 1_000_000,
        key: random.int(3) === 0 ? null : Buffer.from(random.bytes(random.int(70))),
        value: random.int(3) === 0 ? null : Buffer.from(random.bytes(random.int(140))),
        headers: Array.from({ length: random.int(3) }, (_, n) => ({
          key: `h${n}`,
          value: random.int(2) === 0 ? null : Buffer.from(random.bytes(random.int(5))),
        })),
      }))
      for (const { timestamp, key, value, headers } of wanted) {
        const pairs = headers.map(header => [header.key, header.value] as const)
        expect(builder.tryAppend(timestamp, key, value, pairs)).toBe(true)
      }
      const batch = inTheMiddle(builder.build({ codec: round % 2 === 0 ? 'none' : 'gzip' }))
      const cursor = new RecordCursor(batch)
      for (const [offset, record] of wanted.entries()) {
        expect(cursor.next()).toBe(true)
        expect(cursor.record()).toEqual({ ...record, offset, timestampType: 'CreateTime' })
      }
      expect([cursor.next(), cursor.next()]).toEqual([false, false])
    }
  })

  it('headers can be read repeatedly in the middle of a batch', () => {
    const builder = new BatchBuilder(Buffer.alloc(1024))
    builder.tryAppend(T, 'k', 'v', [['a', '1']])
    builder.tryAppend(T, 'k2', 'v2', [['b', '2']])
    const cursor = new RecordCursor(inTheMiddle(Buffer.from(builder.build())))
    cursor.next()
    expect(cursor.headers).toEqual(cursor.headers)
    expect(cursor.headers.map(({ key }) => key)).toEqual(['a'])
    cursor.next()
    expect([keyText(cursor), cursor.headers[0]?.key]).toEqual(['k2', 'b'])
  })
})

describe('a record of very many headers', () => {
  it('a record with very many headers is checked in steps, with the same result', () => {
    const builder = new BatchBuilder(Buffer.alloc(4096))
    const many = Array.from({ length: 10 }, (_, n) => [`h${n}`, 'x'] as const)
    builder.tryAppend(T, 'a', 'x', [])
    builder.tryAppend(T, 'b', 'y', many)
    builder.tryAppend(T, 'c', 'z', many.slice(0, 4))
    const batch = new Batch(Buffer.from(builder.build()), 0)
    const cursor = new RecordCursor(batch)
    const steps: (boolean | undefined)[] = []
    do steps.push(cursor.step(4))
    while (steps.at(-1) !== false)
    expect(steps).toEqual([true, undefined, undefined, true, true, false])
    const whole = new RecordCursor(batch)
    whole.next()
    whole.next()
    expect([keyText(whole), whole.headerCount, whole.headers.length]).toEqual(['b', 10, 10])
  })
})
