import { gunzipSync, gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../src/base/random.js'
import {
  Batch,
  BATCH_HEADER_BYTES,
  whyInvalid,
  writeHeader,
} from '../../../src/model/batch/batch.js'
import {
  codecId,
  codecOf,
  compress,
  decompress,
  DECOMPRESSED_BYTES_MAX,
  decompressAsync,
  decompressWithin,
  isSupported,
} from '../../../src/model/batch/compression.js'
import { RecordCursor } from '../../../src/model/batch/record-cursor.js'

const bytes = (text: string): Buffer => Buffer.from(text)

/** 64 KiB that claim to be one byte more than may come out. */
const BOMB = gzipSync(Buffer.alloc(DECOMPRESSED_BYTES_MAX + 1))

describe('codecs', () => {
  it("codecs have Kafka's numbers", () => {
    const codecs = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const
    expect(codecs.map(codecId)).toEqual([0, 1, 2, 3, 4])
    expect([0, 1, 2, 3, 4, 5, 6, 7].map(codecOf)).toEqual([...codecs, ...Array(3).fill(undefined)])
    expect(codecs.map(isSupported)).toEqual([true, true, false, false, false])
  })

  it.each(['snappy', 'lz4', 'zstd'] as const)('the codec %s is refused by its name', codec => {
    expect(() => decompress(codec, bytes('x'))).toThrow(
      `UNSUPPORTED_COMPRESSION_TYPE: records are compressed with ${codec}; ` +
        'partlog reads none and gzip',
    )
  })

  it.each([5, 6, 7])('the codec number %i, which Kafka never writes, is refused', id => {
    const batch = Buffer.alloc(BATCH_HEADER_BYTES)
    const times = { baseTimestamp: 0, maxTimestamp: 0 }
    writeHeader(batch, 0, batch.length, { lastOffsetDelta: 0, recordsCount: 1, ...times })
    batch.writeInt16BE(id, 21)
    expect(() => new RecordCursor(new Batch(batch, 0))).toThrow('UNSUPPORTED_COMPRESSION_TYPE')
  })

  it('the codec none returns the same bytes', () => {
    const content = bytes('abc')
    expect(compress('none', content)).toBe(content)
    expect(decompress('none', content)).toBe(content)
  })
})

describe('gzip', () => {
  it.each([0, 1, 100, 65_536, 1_000_000])('gzip round-trips %i bytes', length => {
    const content = Buffer.from(seededRandom(length).bytes(length))
    expect(
      Buffer.compare(Buffer.from(decompress('gzip', compress('gzip', content))), content),
    ).toBe(0)
    expect(Buffer.compare(gunzipSync(compress('gzip', content)), content)).toBe(0)
  })

  it('gzip makes text smaller', () => {
    expect(compress('gzip', bytes('hello '.repeat(1000))).byteLength).toBeLessThan(100)
  })

  it('gzip streams of several members, which some clients write, are read', () => {
    const both = Buffer.concat([gzipSync(bytes('one ')), gzipSync(bytes('two'))])
    expect(Buffer.from(decompress('gzip', both)).toString()).toBe('one two')
  })

  it('a gzip stream that is damaged or cut anywhere is a CORRUPT_MESSAGE', () => {
    const whole = gzipSync(bytes('a text that is long enough to be compressed, compressed'))
    for (let end = 0; end < whole.length; end++) {
      expect(() => decompress('gzip', whole.subarray(0, end)), `cut at ${end}`).toThrow(
        /CORRUPT_MESSAGE: gzip stream is damaged/,
      )
    }
    const rotten = Buffer.from(whole)
    rotten[whole.length - 6]! ^= 1 // its checksum
    expect(() => decompress('gzip', rotten)).toThrow('CORRUPT_MESSAGE')
  })

  it('a gzip stream cannot grow without bound', () => {
    expect(BOMB.length).toBeLessThan(100_000)
    expect(() => decompress('gzip', BOMB)).toThrow(
      'CORRUPT_MESSAGE: gzip stream grows beyond 67108864 bytes',
    )
  })

  it('a gzip stream cannot grow without bound in a batch with a valid checksum', () => {
    const batch = Buffer.concat([Buffer.alloc(BATCH_HEADER_BYTES), BOMB])
    writeHeader(batch, 0, batch.length, {
      codec: 'gzip',
      lastOffsetDelta: 0,
      baseTimestamp: 0,
      maxTimestamp: 0,
      recordsCount: 1,
    })
    expect(whyInvalid(new Batch(batch, 0))).toBeUndefined()
    expect(() => new RecordCursor(new Batch(batch, 0))).toThrow('grows beyond 67108864 bytes')
  })
})

describe('gzip within a bound', () => {
  const content = Buffer.from(seededRandom(1).bytes(1000))
  const stream = compress('gzip', content)

  it('a gzip stream within the bound is decompressed', () => {
    expect(decompressWithin('gzip', stream, 1000)).toEqual(content)
    expect(decompressWithin('none', content, 10)).toBe(content)
  })

  it.each([999, 1, 0, -5])('a gzip stream over %i bytes is left undecided', bytesMax => {
    expect(decompressWithin('gzip', stream, bytesMax)).toBeUndefined()
    // Two members: the last four bytes speak of the second one.
    const both = Buffer.concat([stream, compress('gzip', bytes('x'))])
    expect(decompressWithin('gzip', both, bytesMax)).toBeUndefined()
  })

  it('a gzip stream that can never be read is refused', () => {
    expect(() => decompressWithin('gzip', BOMB, Infinity)).toThrow('grows beyond')
    expect(decompressWithin('gzip', BOMB, 1000)).toBeUndefined()
  })

  it.each([0, 1, 20_000, 3_000_000])('another thread gives the same %i bytes', async length => {
    const plain = Buffer.from(seededRandom(length).bytes(length))
    const packed = Buffer.from(compress('gzip', plain))
    expect(Buffer.compare(Buffer.from(await decompressAsync('gzip', packed)), plain)).toBe(0)
    packed.writeUInt32LE(0xffff_ffff, packed.length - 4)
    await expect(decompressAsync('gzip', packed)).rejects.toThrow('gzip stream is damaged')
    const both = Buffer.concat([compress('gzip', plain), compress('gzip', bytes('x'))])
    expect((await decompressAsync('gzip', both)).length).toBe(length + 1)
  })
})
