import { describe, expect, it } from 'vitest'
import {
  ByteReader,
  ByteWriter,
  BytesError,
  putVarint,
  putVarlong,
  varintSize,
  varlongSize,
} from '../../src/base/bytes.js'

/** Reference encoder over BigInt: zigzag, then base 128, little end first. */
function zigzagBytes(value: number): number[] {
  const n = BigInt(value)
  let raw = BigInt.asUintN(64, (n << 1n) ^ (n >> 63n))
  const bytes: number[] = []
  for (; raw >= 0x80n; raw >>= 7n) bytes.push(Number(raw & 0x7fn) | 0x80)
  return [...bytes, Number(raw)]
}

const INT32 = [0, 1, -1, 63, -64, 64, -65, 8191, -8192, 8192, 1 << 20, 2 ** 31 - 1, -(2 ** 31)]
const SAFE = [
  ...INT32,
  2 ** 31,
  -(2 ** 31) - 1,
  2 ** 34,
  -(2 ** 34),
  2 ** 41 - 1,
  2 ** 48,
  1_700_000_000_000,
  Number.MAX_SAFE_INTEGER,
  Number.MIN_SAFE_INTEGER,
]

describe('varints', () => {
  it.each(INT32)('the zigzag varint of %i round-trips', value => {
    const buffer = Buffer.alloc(10)
    const end = putVarint(buffer, value, 0)
    expect([...buffer.subarray(0, end)]).toEqual(zigzagBytes(value))
    expect(varintSize(value)).toBe(end)
    expect(new ByteReader(buffer).varint()).toBe(value)
  })

  it.each(SAFE)('the zigzag varlong of %i round-trips', value => {
    const buffer = Buffer.alloc(10)
    const end = putVarlong(buffer, value, 0)
    expect([...buffer.subarray(0, end)]).toEqual(zigzagBytes(value))
    expect(varlongSize(value)).toBe(end)
    expect(new ByteReader(buffer).varlong()).toBe(value)
  })

  it('a reader refuses a varint that does not end', () => {
    const endless = Buffer.alloc(20, 0xff)
    expect(() => new ByteReader(endless).varint()).toThrow(BytesError)
    expect(() => new ByteReader(endless).varlong()).toThrow(BytesError)
    expect(() => new ByteReader(Buffer.from([0x80])).varint()).toThrow('1 bytes wanted')
  })

  it('a reader refuses a varint of more than 32 bits', () => {
    expect(() => new ByteReader(Buffer.from([0xff, 0xff, 0xff, 0xff, 0x1f])).uvarint()).toThrow(
      'longer than 32 bits',
    )
  })
})

describe('fixed-width integers', () => {
  it('fixed-width integers of every width round-trip, negative ones too', () => {
    const writer = new ByteWriter(1)
    writer.int8(-2).int16(-300).uint16(65_535).int32(-70_000).uint32(4_000_000_000)
    for (const value of SAFE) writer.int64(value)
    const reader = new ByteReader(writer.finish())
    expect(reader.int8()).toBe(-2)
    expect(reader.int16()).toBe(-300)
    expect(reader.uint16()).toBe(65_535)
    expect(reader.int32()).toBe(-70_000)
    expect(reader.uint32()).toBe(4_000_000_000)
    for (const value of SAFE) expect(reader.int64()).toBe(value)
    expect(reader.remaining).toBe(0)
  })

  it('reader and writer refuse a 64-bit value that a number cannot hold', () => {
    const buffer = Buffer.alloc(8)
    buffer.writeBigInt64BE(2n ** 53n)
    expect(() => new ByteReader(buffer).int64()).toThrow('outside')
    expect(() => new ByteWriter().int64(2 ** 53)).toThrow('not a safe integer')
  })
})

describe('ByteReader', () => {
  it('a reader never reads past its end, even if the buffer is longer', () => {
    const reader = new ByteReader(Buffer.from([1, 2, 3, 4]), 0, 2)
    expect(() => reader.int32()).toThrow('4 bytes wanted at byte 0, 2 left')
    expect(reader.int16()).toBe(0x0102)
    expect(() => reader.int8()).toThrow(BytesError)
  })

  it('a reader bounds lengths and counts by the bytes that are left', () => {
    const reader = new ByteReader(Buffer.alloc(8))
    expect(() => reader.bytes(-1)).toThrow('negative length')
    expect(() => reader.bytes(9)).toThrow(BytesError)
    expect(() => reader.count(2 ** 31 - 1, 4)).toThrow('cannot fit')
    expect(reader.count(2, 4)).toBe(2)
  })
})

describe('ByteWriter', () => {
  it('a writer that lends does not copy large values', () => {
    const large = new Uint8Array(20_000).fill(7)
    const write = (writer: ByteWriter): ByteWriter =>
      writer.int32(1).bytes(large).int16(2).bytes(new Uint8Array(300)).bytes(large).bytes(large)
    const lending = write(new ByteWriter(4, true))
    const parts = lending.parts()
    const copied = write(new ByteWriter(4)).finish()
    expect(Buffer.concat(parts).equals(copied)).toBe(true)
    expect(lending.length).toBe(copied.length)
    expect(parts.map(({ length }) => length)).toEqual([4, 20_000, 302, 20_000, 20_000])
    expect(parts[1]?.buffer).toBe(large.buffer)
  })
})
