import { describe, expect, it } from 'vitest'
import {
  BatchBuilder,
  recordSizeMax,
  singleRecordBatch,
  sizeBound,
} from '../../../src/model/batch/batch-builder.js'
import { Batch, BATCH_HEADER_BYTES, whyInvalid } from '../../../src/model/batch/batch.js'
import { RecordCursor } from '../../../src/model/batch/record-cursor.js'
import { vector } from '../../golden/vectors.js'

const T = 1_700_000_000_000

function valuesOf(bytes: Buffer): (string | null)[] {
  const batch = new Batch(bytes, 0)
  expect(whyInvalid(batch)).toBeUndefined()
  const values: (string | null)[] = []
  for (const cursor = new RecordCursor(batch); cursor.next();) values.push(cursor.valueText)
  return values
}

describe('the limit of a batch', () => {
  it.each([61, 62, 96, 97, 98, 150, 400])('a batch never exceeds a limit of %i bytes', bytesMax => {
    const builder = new BatchBuilder(Buffer.alloc(10_000), bytesMax)
    let count = 0
    while (count < 100 && builder.tryAppend(T, null, 'x', [])) count++
    // The first record goes in whatever its size: a batch must be able to hold one.
    expect(count).toBeGreaterThanOrEqual(1)
    expect(builder.count).toBe(count)
    if (count > 1) expect(builder.size).toBeLessThanOrEqual(bytesMax)
    expect(builder.size).toBe(BATCH_HEADER_BYTES + 8 * count)
    expect(valuesOf(builder.build())).toEqual(Array(count).fill('x'))
  })

  it('a first record larger than the limit is accepted, and nothing after it', () => {
    const builder = new BatchBuilder(Buffer.alloc(2000), 100)
    expect(builder.tryAppend(T, null, 'x'.repeat(1000), [])).toBe(true)
    expect(builder.tryAppend(T, null, '', [])).toBe(false)
    expect(valuesOf(builder.build())).toEqual(['x'.repeat(1000)])
  })

  it('the limit of a batch is its buffer by default', () => {
    const builder = new BatchBuilder(Buffer.alloc(200))
    expect(builder.tryAppend(T, null, 'x'.repeat(200), [])).toBe(false)
    expect([builder.count, builder.size]).toEqual([0, BATCH_HEADER_BYTES])
    expect(builder.tryAppend(T, null, 'x'.repeat(20), [])).toBe(true)
  })

  it('a builder needs room for a header', () => {
    expect(() => new BatchBuilder(Buffer.alloc(60))).toThrow('no room for a header')
  })
})

describe('a batch that outgrows its buffer', () => {
  it('a batch that outgrows its buffer moves to a larger one with everything in it', () => {
    const grown: number[] = []
    const small = Buffer.alloc(100)
    const builder = new BatchBuilder(small, 1000, (buffer, bytes) => {
      expect(buffer.length).toBeLessThan(bytes)
      grown.push(bytes)
      return Buffer.alloc(bytes * 2)
    })
    const values = ['a', 'b'.repeat(30), 'c'.repeat(200), 'd'.repeat(100)]
    for (const value of values) expect(builder.tryAppend(T, null, value, [])).toBe(true)
    expect(grown.length).toBeGreaterThan(0)
    expect(builder.buffer).not.toBe(small)
    expect(valuesOf(builder.build())).toEqual(values)
  })

  it('a growing batch does not exceed its limit', () => {
    const builder = new BatchBuilder(Buffer.alloc(100), 300, (_, bytes) => Buffer.alloc(10 * bytes))
    expect(builder.tryAppend(T, null, 'x'.repeat(100), [])).toBe(true)
    expect(builder.tryAppend(T, null, 'x'.repeat(200), [])).toBe(false)
    expect(builder.tryAppend(T, null, 'x'.repeat(50), [])).toBe(true)
    expect(builder.size).toBeLessThanOrEqual(300)
    expect(valuesOf(builder.build()).map(value => value?.length)).toEqual([100, 50])
  })
})

describe('the size of a record', () => {
  const CASES = [
    [null, null, []],
    ['key', 'value', []],
    ['ü'.repeat(100), '😀'.repeat(50), [['größe', '€']]],
    [new Uint8Array(300), null, [['a', null]]],
    ['', '', [['', '']]],
    ['x'.repeat(9000), new Uint8Array(70_000), [['h', new Uint8Array(500)]]],
  ] as const

  it.each(CASES)('the size of a record is bounded in advance (%#)', (key, value, headers) => {
    const exact = recordSizeMax(key, value, headers)
    const bytes = singleRecordBatch(T, key, value, headers)
    expect(bytes.length - BATCH_HEADER_BYTES).toBeLessThanOrEqual(exact)
    expect(exact).toBeLessThanOrEqual(sizeBound(key, value, headers))
    // With the widest numbers around it, too.
    const builder = new BatchBuilder(Buffer.alloc(exact + BATCH_HEADER_BYTES + 100))
    builder.tryAppend(-(2 ** 52), null, null, [])
    const before = builder.size
    builder.tryAppend(2 ** 52, key, value, headers)
    expect(builder.size - before).toBeLessThanOrEqual(exact)
  })
})

describe('one record', () => {
  it('a single record becomes a batch of its own', () => {
    const bytes = singleRecordBatch(T, 'k', 'v', [['h', 'x']])
    const batch = new Batch(bytes, 0)
    expect([batch.recordsCount, batch.lastOffsetDelta, batch.size]).toEqual([1, 0, bytes.length])
    const cursor = new RecordCursor(batch)
    cursor.next()
    expect([cursor.keyText, cursor.valueText, cursor.timestamp]).toEqual(['k', 'v', T])
    expect(cursor.headers.map(({ key }) => key)).toEqual(['h'])
  })
})

describe('the times of a batch', () => {
  it('the times of a batch are those of its first and its newest record', () => {
    const builder = new BatchBuilder(Buffer.alloc(1000))
    for (const time of [T, T + 7, T - 3]) builder.tryAppend(time, null, null, [])
    expect(builder.maxTimestamp).toBe(T + 7)
    const batch = new Batch(builder.build(), 0)
    expect([batch.baseTimestamp, batch.maxTimestamp]).toEqual([T, T + 7])
  })
})

describe('building', () => {
  it('a batch without records is refused', () => {
    expect(() => new BatchBuilder(Buffer.alloc(100)).build()).toThrow('a batch has records')
  })

  it('a batch can be built twice: a retry has another epoch', () => {
    const builder = new BatchBuilder(Buffer.alloc(1024))
    builder.tryAppend(T, 'k1', 'v1', [])
    builder.tryAppend(T + 5, null, 'no-key', [
      ['h', 'x'],
      ['n', null],
    ])
    builder.tryAppend(T + 3, 'k3', null, [])
    builder.build({ producerId: 1, producerEpoch: 1, baseSequence: 1 })
    expect(builder.build()).toEqual(vector('plain'))
  })
})
