import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../src/base/random.js'
import { BatchBuilder } from '../../../src/model/batch/batch-builder.js'
import { recordSizeMax, sizeBound, type PlainRecord } from '../../../src/model/batch/record-writer.js'
import { Batch, BATCH_HEADER_BYTES, whyInvalid } from '../../../src/model/batch/batch.js'
import { RecordCursor } from '../../../src/model/batch/record-cursor.js'
import { keyText, singleRecordBatch, valueText } from './records.js'
import { vector } from '../../golden/vectors.js'

const T = 1_700_000_000_000

function valuesOf(bytes: Buffer): (string | null)[] {
  const batch = new Batch(bytes, 0)
  expect(whyInvalid(batch)).toBeUndefined()
  const values: (string | null)[] = []
  for (const cursor = new RecordCursor(batch); cursor.next();) values.push(valueText(cursor))
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

describe('a run of plain records', () => {
  const random = seededRandom(3)
  const texts = ['', 'a', 'plain text', 'x'.repeat(100), 'y'.repeat(700), 'größe', '😀', '\u0000']
  const content = (kind: number): string | Uint8Array | null => {
    const text = texts[random.int(kind === 0 ? 5 : texts.length)] as string
    if (random.int(9) === 0) return null
    return kind === 2 || (kind === 3 && random.int(2) === 0) ? Buffer.from(text) : text
  }
  /** Appends all, in as few runs as possible; returns the batch's bytes. */
  const appended = (records: readonly PlainRecord[], inRuns: boolean, sizeMax: number): Buffer => {
    const grow = (_: Buffer, bytes: number): Buffer => Buffer.alloc(bytes + random.int(3_000))
    const builder = new BatchBuilder(Buffer.alloc(100), sizeMax, grow)
    for (let place = 0; place < records.length;) {
      const { key = null, value } = records[place] as PlainRecord
      if (!builder.tryAppend(T, key, value, [])) break
      place++
      const run = { records, order: undefined, from: place, to: records.length }
      if (inRuns) place = builder.appendRun(run, T)
    }
    return Buffer.from(builder.build())
  }

  it.each([
    [0, 'ASCII text'],
    [1, 'any text'],
    [2, 'bytes'],
    [3, 'text and bytes'],
  ])('a run has the bytes of records that are added one by one (%#: %s)', kind => {
    for (let round = 0; round < 60; round++) {
      const records = Array.from({ length: random.int(600) + 1 }, () =>
        random.int(4) === 0 ? { value: content(kind) } : { key: content(kind), value: content(kind) },
      )
      const sizeMax = 200 + random.int(60_000)
      const runs = appended(records, true, sizeMax)
      const { recordsCount } = new Batch(runs, 0)
      if (recordsCount < records.length) expect(runs.length).toBeGreaterThan(sizeMax / 2 - 4_000)
      const single = appended(records.slice(0, recordsCount), false, Infinity)
      expect(runs.equals(single)).toBe(true)
    }
  })

  it('a run takes the records of an order, at their time', () => {
    const builder = new BatchBuilder(Buffer.alloc(10_000))
    builder.tryAppend(T, null, 'first', [])
    const records = Array.from({ length: 20 }, (_, n) => ({ value: `${n}` }))
    const order = Int32Array.from({ length: 10 }, (_, n) => 2 * n + 1)
    expect(builder.appendRun({ records, order, from: 2, to: 10 }, T + 300)).toBe(10)
    expect(builder.maxTimestamp).toBe(T + 300)
    const bytes = builder.build()
    expect(valuesOf(bytes)).toEqual(['first', '5', '7', '9', '11', '13', '15', '17', '19'])
    const cursor = new RecordCursor(new Batch(bytes, 0))
    const times: number[] = []
    while (cursor.next()) times.push(cursor.timestamp - T)
    expect(times).toEqual([0, ...Array<number>(8).fill(300)])
  })

  it('an empty batch takes no run: the first record decides its time', () => {
    const builder = new BatchBuilder(Buffer.alloc(1_000))
    const run = { records: [{ value: 'a' }], order: undefined, from: 0, to: 1 }
    expect(builder.appendRun(run, T)).toBe(0)
  })
})

describe('one record', () => {
  it('a single record becomes a batch of its own', () => {
    const bytes = singleRecordBatch(T, 'k', 'v', [['h', 'x']])
    const batch = new Batch(bytes, 0)
    expect([batch.recordsCount, batch.lastOffsetDelta, batch.size]).toEqual([1, 0, bytes.length])
    const cursor = new RecordCursor(batch)
    cursor.next()
    expect([keyText(cursor), valueText(cursor), cursor.timestamp]).toEqual(['k', 'v', T])
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
