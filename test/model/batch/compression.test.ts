import zlib, { gunzipSync, gzipSync } from 'node:zlib'
import { describe, expect, it, onTestFinished } from 'vitest'
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
  decompressAside,
  decompressWithin,
  isReadable,
  type Codec,
} from '../../../src/model/batch/compression.js'
import { RecordCursor } from '../../../src/model/batch/record-cursor.js'
import { goldenStream, LINES } from '../../golden/codecs.js'
import { HAS_ZSTD, withoutZstd } from '../without-zstd.js'

/** Not in the types of the oldest Node. */
const { zstdCompressSync } = zlib as unknown as { zstdCompressSync: (bytes: Uint8Array) => Buffer }

/** Never asked for by gzip, which works in another thread. */
const turn = (): Promise<void> => Promise.reject(new Error('a turn'))

/** Codecs besides gzip that this Node reads. */
const READ = (['snappy', 'lz4', 'zstd'] as const).filter(codec => codec !== 'zstd' || HAS_ZSTD)

/** Streams of one byte more than may come out, and more. */
const BOMBS = {
  snappy: () => {
    const copies = DECOMPRESSED_BYTES_MAX / 64
    const size = Buffer.from([0xc0, 0x80, 0x80, 0x20]) // 2^26 + 64
    const literal = Buffer.from([60 << 2, 63, ...Array<number>(64).fill(1)])
    return Buffer.concat([size, literal, Buffer.alloc(3 * copies, Buffer.from([0xfe, 1, 0]))])
  },
  lz4: () => {
    const block = Buffer.from([0x1f, 97, 1, 0, ...Array<number>(256).fill(255), 256 - 20, 0]) // 64 KiB
    const size = Buffer.from([block.length & 0xff, block.length >>> 8, 0, 0])
    const blocks = Buffer.alloc((4 + block.length) * 1_025, Buffer.concat([size, block]))
    return Buffer.concat([Buffer.from('04224d18604082', 'hex'), blocks, Buffer.alloc(4)])
  },
  zstd: () => zstdCompressSync(Buffer.alloc(DECOMPRESSED_BYTES_MAX + 1)),
}

const within = (codec: Codec, stream: Uint8Array, now: number): Uint8Array | undefined =>
  decompressWithin(codec, stream, { now, ever: DECOMPRESSED_BYTES_MAX })

const bytes = (text: string): Buffer => Buffer.from(text)

/** 64 KiB that claim to be one byte more than may come out. */
const BOMB = gzipSync(Buffer.alloc(DECOMPRESSED_BYTES_MAX + 1))

describe('codecs', () => {
  it("codecs have Kafka's numbers", () => {
    const codecs = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const
    expect(codecs.map(codecId)).toEqual([0, 1, 2, 3, 4])
    expect([0, 1, 2, 3, 4, 5, 6, 7].map(codecOf)).toEqual([...codecs, ...Array(3).fill(undefined)])
    expect(codecs.map(isReadable)).toEqual([true, true, true, true, HAS_ZSTD])
    expect(isReadable(undefined)).toBe(false)
  })

  it('a Node without zstd refuses it by its name', async () => {
    onTestFinished(withoutZstd())
    const sentence =
      'UNSUPPORTED_COMPRESSION_TYPE: zstd needs Node 22.15 or later, ' +
      `this is ${process.version}`
    expect(isReadable('zstd')).toBe(false)
    expect(() => decompress('zstd', bytes('x'))).toThrow(sentence)
    await expect(decompressAside('zstd', bytes('x'), turn)).rejects.toThrow(sentence)
  })

  it.each(READ)('%s of Kafka is read: at once, within a bound, and aside', async codec => {
    const stream = goldenStream(codec)
    const size = LINES.length
    const others = async (): Promise<void> => undefined
    expect(Buffer.compare(decompress(codec, stream), LINES)).toBe(0)
    expect(Buffer.compare(await decompressAside(codec, stream, others), LINES)).toBe(0)
    expect(within(codec, stream, size)?.length).toBe(size)
    for (const most of [size - 1, 1000, 1, 0, -5]) {
      expect(within(codec, stream, most), String(most)).toBeUndefined()
    }
  })

  it.each(READ)('%s that is cut or garbage is a CORRUPT_MESSAGE', async codec => {
    const stream = goldenStream(codec)
    const damage = new RegExp(`CORRUPT_MESSAGE: ${codec} stream is damaged: `)
    const garbage = bytes('this is no stream at all')
    const cut = [stream.subarray(0, -1), stream.subarray(0, 70), bytes('')]
    for (const bad of [garbage, ...cut]) {
      expect(() => decompress(codec, bad)).toThrow(damage)
      await expect(decompressAside(codec, bad, turn)).rejects.toThrow(damage)
    }
  })

  it.each(READ)('%s cannot grow without bound', async codec => {
    const bomb = BOMBS[codec]()
    const others = async (): Promise<void> => undefined
    expect(bomb.length).toBeLessThan(DECOMPRESSED_BYTES_MAX / 20)
    const sentence = `CORRUPT_MESSAGE: ${codec} stream grows beyond 67108864 bytes`
    expect(() => decompress(codec, bomb)).toThrow(sentence)
    await expect(decompressAside(codec, bomb, others)).rejects.toThrow(sentence)
    expect(within(codec, bomb, 1000)).toBeUndefined()
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
    expect(compress({ codec: 'none' }, content)).toBe(content)
    expect(decompress('none', content)).toBe(content)
  })
})

describe('gzip', () => {
  it.each([0, 1, 100, 65_536, 1_000_000])('gzip round-trips %i bytes', length => {
    const content = Buffer.from(seededRandom(length).bytes(length))
    expect(
      Buffer.compare(Buffer.from(decompress('gzip', compress({ codec: 'gzip' }, content))), content),
    ).toBe(0)
    expect(Buffer.compare(gunzipSync(compress({ codec: 'gzip' }, content)), content)).toBe(0)
  })

  it('gzip makes text smaller', () => {
    expect(compress({ codec: 'gzip' }, bytes('hello '.repeat(1000))).byteLength).toBeLessThan(100)
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
  const stream = compress({ codec: 'gzip' }, content)

  it('a gzip stream within the bound is decompressed', () => {
    expect(within('gzip', stream, 1000)).toEqual(content)
    expect(within('none', content, 10)).toBe(content)
  })

  it.each([999, 1, 0, -5])('a gzip stream over %i bytes is left undecided', bytesMax => {
    expect(within('gzip', stream, bytesMax)).toBeUndefined()
    // Two members: the last four bytes speak of the second one.
    const both = Buffer.concat([stream, compress({ codec: 'gzip' }, bytes('x'))])
    expect(within('gzip', both, bytesMax)).toBeUndefined()
  })

  it('a gzip stream that can never be read is refused', () => {
    expect(() => within('gzip', BOMB, Infinity)).toThrow('grows beyond')
    expect(within('gzip', BOMB, 1000)).toBeUndefined()
  })

  it.each([0, 1, 20_000, 3_000_000])('another thread gives the same %i bytes', async length => {
    const plain = Buffer.from(seededRandom(length).bytes(length))
    const packed = Buffer.from(compress({ codec: 'gzip' }, plain))
    expect(Buffer.compare(Buffer.from(await decompressAside('gzip', packed, turn)), plain)).toBe(0)
    packed.writeUInt32LE(0xffff_ffff, packed.length - 4)
    await expect(decompressAside('gzip', packed, turn)).rejects.toThrow('gzip stream is damaged')
    const both = Buffer.concat([compress({ codec: 'gzip' }, plain), compress({ codec: 'gzip' }, bytes('x'))])
    expect((await decompressAside('gzip', both, turn)).length).toBe(length + 1)
  })
})
