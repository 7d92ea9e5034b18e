/**
 * The short way through a batch gives the records that the long way gives, of any batch and of any
 * damaged one, and leaves to the long way what is not plain.
 */

import { describe, expect, it } from 'vitest'
import { seededRandom, type Random } from '../../../src/base/random.js'
import { BatchBuilder } from '../../../src/model/batch/batch-builder.js'
import { Batch, stampLogAppendTime } from '../../../src/model/batch/batch.js'
import {
  afterField,
  fieldText,
  fieldView,
  isNullField,
} from '../../../src/model/batch/plain-fields.js'
import { PlainRecords, RecordCursor } from '../../../src/model/batch/record-cursor.js'
import { PartlogError } from '../../../src/model/errors.js'

const T = 1_700_000_000_000
const found = new PlainRecords()

interface Shape {
  readonly headers?: boolean
  readonly sizes?: number
  readonly base?: number
}

function randomBatch(random: Random, { headers = false, sizes = 10, base = T }: Shape): Buffer {
  const builder = new BatchBuilder(Buffer.alloc(1 << 20))
  const field = (): Uint8Array | null =>
    random.int(5) === 0 ? null : Buffer.from(random.bytes(random.int(sizes)))
  for (let n = random.int(12); n >= 0; n--) {
    const some = headers && random.int(3) === 0 ? [['h', 'x'] as const] : []
    builder.tryAppend(base + random.int(100_000) - 50_000, field(), field(), some)
  }
  return Buffer.from(builder.build())
}

interface Outcome {
  readonly records: unknown[]
  readonly error?: string
}

function reading(read: (records: unknown[]) => void): Outcome {
  const records: unknown[] = []
  try {
    read(records)
    return { records }
  } catch (error) {
    if (!(error instanceof PartlogError)) throw error
    return { records, error: error.message }
  }
}

const textOf = (bytes: Uint8Array | null): string | null =>
  bytes === null ? null : Buffer.from(bytes).toString('latin1')

const everyRecord = (batch: Batch): Outcome =>
  reading(records => {
    for (const cursor = new RecordCursor(batch); cursor.next();) {
      const { offset, timestamp, key, value, headers } = cursor
      records.push([offset, timestamp, textOf(key), textOf(value), headers.length])
    }
  })

/** As readers take records: an offset not above the one before is passed over. */
function longWay(batch: Batch): Outcome {
  const { records, error } = everyRecord(batch)
  let last = -Infinity
  const taken = (records as readonly (readonly [number])[]).filter(([offset]) => {
    const isNext = offset > last
    if (isNext) last = offset
    return isNext
  })
  return { records: taken, ...(error !== undefined && { error }) }
}

/** Takes a few records at a time; `plain` counts those that came the short way. */
const shortWay = (batch: Batch, random: Random, plain: { count: number }): Outcome =>
  reading(records => {
    const cursor = new RecordCursor(batch)
    const { bytes } = cursor
    const open = { bytes, memory: bytes.buffer, memoryAt: bytes.byteOffset }
    let next = -Infinity
    const take = (n: number): void => {
      plain.count++
      const at = found.fieldsAt[n]!
      const key = fieldView(open, at)
      const valueAt = afterField(bytes, at)
      const value = fieldView(open, valueAt)
      expect(isNullField(bytes, at)).toBe(key === null)
      expect(fieldText(bytes, valueAt)).toBe(value === null ? null : Buffer.from(value).toString())
      const offset = cursor.baseOffset + found.offsetDeltas[n]!
      const timestamp = cursor.plainTimestamp + found.timeDeltas[n]!
      records.push([offset, timestamp, textOf(key), textOf(value), 0])
      next = offset + 1
    }
    for (;;) {
      const most = random.int(4)
      const count = cursor.findPlain(most, next, found)
      for (let n = 0; n < count; n++) take(n)
      cursor.passPlain()
      if (count === most && most > 0) continue
      if (!cursor.next()) return
      const { offset, timestamp, key, value, headers } = cursor
      if (offset < next) continue
      next = offset + 1
      records.push([offset, timestamp, textOf(key), textOf(value), headers.length])
    }
  })

describe('records taken the short way', () => {
  it.each<Shape>([
    {},
    { headers: true },
    { sizes: 70_000 },
    { base: T * 1_000_000 },
    { base: -5 },
    { sizes: 300, headers: true },
  ])('records taken the short way are those of the long way: %j', shape => {
    const random = seededRandom(11)
    const plain = { count: 0 }
    for (let n = 0; n < 60; n++) {
      const batch = new Batch(randomBatch(random, shape), 0)
      if (n % 4 === 0) stampLogAppendTime(batch, T)
      expect(shortWay(batch, random, plain)).toEqual(longWay(batch))
    }
    if (shape.base !== T * 1_000_000) expect(plain.count).toBeGreaterThan(60)
  })

  it('records taken the short way are those of the long way when bytes are damaged, and so is the error', () => {
    const random = seededRandom(12)
    const plain = { count: 0 }
    let refused = 0
    for (let n = 0; n < 4_000; n++) {
      const bytes = randomBatch(random, { headers: n % 2 === 0 })
      const at = 61 + random.int(Math.max(1, bytes.length - 61))
      bytes[Math.min(at, bytes.length - 1)]! ^= 1 << random.int(8)
      const batch = new Batch(bytes, 0)
      const expected = longWay(batch)
      expect(shortWay(batch, random, plain)).toEqual(expected)
      if (expected.error !== undefined) refused++
    }
    expect(refused).toBeGreaterThan(500)
    expect(plain.count).toBeGreaterThan(500)
  })

  const six = (): RecordCursor => {
    const builder = new BatchBuilder(Buffer.alloc(1_000))
    for (let n = 0; n < 6; n++) builder.tryAppend(T, null, `${n}`, [])
    return new RecordCursor(new Batch(Buffer.from(builder.build()), 0))
  }
  const offsetsTaken = (cursor: RecordCursor, most: number, from: number): number[] => {
    const count = cursor.findPlain(most, from, found)
    cursor.passPlain()
    return Array.from(found.offsetDeltas.subarray(0, count), delta => cursor.baseOffset + delta)
  }

  it('a cursor that skips to an offset is where one that reads that far is', () => {
    const random = seededRandom(13)
    let skipped = 0
    for (let n = 0; n < 600; n++) {
      const bytes = randomBatch(random, { headers: n % 2 === 0, sizes: n % 3 === 0 ? 300 : 10 })
      if (n % 5 === 0) bytes[61 + random.int(bytes.length - 61)]! ^= 1 << random.int(8)
      const batch = new Batch(bytes, 0)
      const from = random.int(batch.recordsCount + 2)
      const all = everyRecord(batch)
      const rest = reading(records => {
        const cursor = new RecordCursor(batch)
        const before = cursor.remaining
        cursor.skipTo(from)
        if (cursor.remaining < before) skipped++
        while (cursor.next()) {
          const { offset, timestamp, key, value, headers } = cursor
          records.push([offset, timestamp, textOf(key), textOf(value), headers.length])
        }
      })
      // A record that is passed over is not looked into: its damage does not matter.
      if (all.error !== undefined && rest.error === undefined) continue
      expect(rest.error).toBe(all.error)
      expect(all.records.slice(-rest.records.length || Infinity)).toEqual(rest.records)
    }
    expect(skipped).toBeGreaterThan(300)
  })

  it('what was found and not passed is found again', () => {
    const cursor = six()
    expect(cursor.findPlain(9, 0, found)).toBe(6)
    expect(cursor.remaining).toBe(6)
    expect(offsetsTaken(cursor, 2, 0)).toEqual([0, 1])
  })

  it('no more are found at once than there is room for', () => {
    const builder = new BatchBuilder(Buffer.alloc(1 << 20))
    for (let n = 0; n < PlainRecords.MOST + 3; n++) builder.tryAppend(T + n, null, null, [])
    const cursor = new RecordCursor(new Batch(Buffer.from(builder.build()), 0))
    expect(offsetsTaken(cursor, 10_000, 0)).toHaveLength(PlainRecords.MOST)
    expect(offsetsTaken(cursor, 10_000, 0)).toEqual([0, 1, 2].map(n => PlainRecords.MOST + n))
    expect(cursor.next()).toBe(false)
  })

  it('records below an offset are passed over', () => {
    const cursor = six()
    expect(offsetsTaken(cursor, 2, 3)).toEqual([3, 4])
    expect(offsetsTaken(cursor, 2, 3)).toEqual([5])
    expect(cursor.next()).toBe(false)
  })
})
