import { describe, expect, it } from 'vitest'
import { crc32 } from '../../../src/model/batch/crc32.js'
import { RecordChunk } from '../../../src/client/consumer/consumer-record.js'
import { batchesOf, whyInvalid } from '../../../src/model/batch/batch.js'
import { decompress, decompressOld } from '../../../src/model/batch/compression.js'
import { beginsOld, upgraded } from '../../../src/model/batch/old-messages.js'
import { RecordCursor } from '../../../src/model/batch/record-cursor.js'
import { keyText, valueText } from './records.js'
import { goldenStream } from '../../golden/codecs.js'
import { batchOf } from '../../log/helpers.js'

const TIME = 1_700_000_000_000
const CODECS = ['none', 'gzip', 'snappy', 'lz4']
const line = (n: number): string =>
  `line ${n} of a text about order ${(n * 7919) % 1000}, ${n % 7}\n`

/** What test/compat/kafka/Codecs.java has written. */
const EXPECTED = Array.from({ length: 60 }, (_, n) => ({
  offset: 100 + n,
  key: n % 10 === 0 ? null : `key ${n}`,
  value: n % 25 === 24 ? null : line(n),
}))

function recordsOf(bytes: Buffer): { offset: number; key: string | null; value: string | null; timestamp: number }[] {
  const records = []
  for (const batch of batchesOf(bytes)) {
    expect(whyInvalid(batch)).toBeUndefined()
    for (const cursor = new RecordCursor(batch); cursor.next();) {
      const { offset, timestamp } = cursor
      const [key, value] = [keyText(cursor), valueText(cursor)]
      records.push({ offset, key, value, timestamp })
    }
  }
  return records
}

interface Parts {
  readonly offset: number
  readonly magic?: 0 | 1
  readonly attributes?: number
  readonly timestamp?: number
  readonly key?: Buffer | null
  readonly value?: Buffer | null
}

/** One message; `fields` replaces key and value. */
function message(parts: Parts, fields?: Buffer): Buffer {
  const { offset, magic = 1, attributes = 0, timestamp = 5, key = null, value = null } = parts
  const field = (bytes: Buffer | null): Buffer => {
    const size = Buffer.alloc(4)
    size.writeInt32BE(bytes?.length ?? -1)
    return Buffer.concat([size, bytes ?? Buffer.alloc(0)])
  }
  const time = Buffer.alloc(magic * 8)
  if (magic === 1) time.writeBigInt64BE(BigInt(timestamp))
  const body = Buffer.concat([Buffer.from([magic, attributes]), time, fields ?? Buffer.concat([field(key), field(value)])])
  const head = Buffer.alloc(16)
  head.writeBigInt64BE(BigInt(offset))
  head.writeInt32BE(body.length + 4, 8)
  head.writeUInt32BE(crc32(body, 0, body.length), 12)
  return Buffer.concat([head, body])
}

it('the checksum is CRC-32', () => {
  const bytes = Buffer.from('-123456789-')
  expect(crc32(bytes, 1, 10)).toBe(0xcbf43926)
  expect(crc32(bytes, 1, 1)).toBe(0)
})

describe("Kafka's own bytes", () => {
  it.each([0, 1].flatMap(magic => CODECS.map(codec => [magic, codec] as const)))(
    'messages of format %i in %s are read',
    (magic, codec) => {
      const bytes = goldenStream(`magic${magic}-${codec}`)
      expect(beginsOld(bytes)).toBe(true)
      const { bytes: batches, failure } = upgraded(bytes)
      expect(failure).toBeUndefined()
      const times = magic === 0 ? EXPECTED.map(() => -1) : EXPECTED.map((_, n) => TIME + n)
      expect(recordsOf(batches)).toEqual(EXPECTED.map((each, n) => ({ ...each, timestamp: times[n] })))
    },
  )

  it('lz4 of format 0 has a header checksum that no other format has', () => {
    const stream = goldenStream('magic0-lz4').subarray(26)
    expect(decompressOld(3, stream, 0).length).toBe(goldenStream('magic0-none').length)
    const sentence = 'the checksum of its header is wrong'
    expect(() => decompressOld(3, stream, 1)).toThrow(sentence)
    expect(() => decompress('lz4', stream)).toThrow(sentence)
  })
})

describe('messages', () => {
  const [a, b] = [Buffer.from('a'), Buffer.from('b')]

  it('batches behind old messages stay, and a message that is cut off is left out', () => {
    const batch = Buffer.from(batchOf(['c']))
    batch.writeBigInt64BE(7n)
    const bytes = Buffer.concat([message({ offset: 3, value: a }), message({ offset: 6, magic: 0, value: b }), batch])
    const seen = recordsOf(upgraded(bytes).bytes)
    expect(seen.map(({ offset, value }) => [offset, value])).toEqual([[3, 'a'], [6, 'b'], [7, 'c']])
    const cut = upgraded(Buffer.concat([message({ offset: 3, value: a }), message({ offset: 4 }).subarray(0, 20)]))
    expect(recordsOf(cut.bytes).map(({ offset }) => offset)).toEqual([3])
    expect(cut.failure).toBeUndefined()
  })

  it('append time is that of the message round a stream, and gaps stay', () => {
    const inner = [0, 1, 4].map(offset => message({ offset, timestamp: 1, value: a }))
    const stream = Buffer.concat(inner)
    const framed = Buffer.concat([Buffer.from('04224d18604082', 'hex'), Buffer.from([stream.length, 0, 0, 0x80]), stream, Buffer.alloc(4)])
    const outer = message({ offset: 24, attributes: 0b1011, timestamp: 99, value: framed })
    const seen = recordsOf(upgraded(outer).bytes)
    expect(seen.map(({ offset, timestamp }) => [offset, timestamp])).toEqual([[20, 99], [21, 99], [24, 99]])
  })

  const rotten = message({ offset: 9, value: a })
  rotten[rotten.length - 1]! ^= 1
  const small = message({ offset: 9 })
  small.writeInt32BE(13, 8)
  it.each<[string, Buffer, string]>([
    ['rot', rotten, 'CRC-32 does not match'],
    ['a size', small, 'its size is 13'],
    ['a key beyond its end', message({ offset: 9 }, Buffer.from('0000000500000000', 'hex')), 'its fields do not fill it'],
    ['a size below -1', message({ offset: 9 }, Buffer.from('fffffffe00000000', 'hex')), 'its fields do not fill it'],
    ['bytes left over', message({ offset: 9 }, Buffer.from('ffffffffffffffff00', 'hex')), 'its fields do not fill it'],
    ['no stream', message({ offset: 9, attributes: 3 }), 'it is compressed, and has no value'],
    ['an empty stream', message({ offset: 9, attributes: 3, value: Buffer.from('04224d1860408200000000', 'hex') }), 'holds nothing'],
    ['a damaged stream', message({ offset: 9, attributes: 2, value: a }), 'snappy stream is damaged'],
    ['zstd', message({ offset: 9, attributes: 4, value: a }), 'UNSUPPORTED_COMPRESSION_TYPE'],
  ])('a damaged message is refused, after those before it: %s', (_, bad, why) => {
    const { bytes, failure } = upgraded(Buffer.concat([message({ offset: 8, value: b }), bad]))
    expect(recordsOf(bytes).map(({ offset }) => offset)).toEqual([8])
    expect(failure?.message).toContain(why)
    const options = { topic: 't', partition: 0, from: 0, checkCrcs: true, deserializers: { key: undefined, value: undefined } }
    const chunk = new RecordChunk(Buffer.concat([message({ offset: 8, value: b }), bad]), options)
    expect(chunk.take(10).map(({ offset }) => offset)).toEqual([8])
    for (let n = 0; n < 2; n++) expect(() => chunk.take(10)).toThrow(why)
    expect(chunk.nextOffset).toBe(9)
  })
})
