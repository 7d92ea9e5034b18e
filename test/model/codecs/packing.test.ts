/** What is packed can be unpacked, and is as small as the reference programs make it. */

import { describe, expect, it } from 'vitest'
import { seededRandom, type Random } from '../../../src/base/random.js'
import type { CodecWork } from '../../../src/model/codecs/codec.js'
import { gzip } from '../../../src/model/codecs/gzip.js'
import { lz4 } from '../../../src/model/codecs/lz4.js'
import { snappy } from '../../../src/model/codecs/snappy.js'
import { zstd } from '../../../src/model/codecs/zstd.js'
import { goldenStream, LINES } from '../../golden/codecs.js'
import { HAS_ZSTD } from '../without-zstd.js'

const turn = async (): Promise<void> => undefined

/** Text of random words, bytes without any order, runs of one byte, and old bytes again. */
function randomContent(random: Random): Buffer {
  const parts: Buffer[] = []
  let size = 0
  for (let n = 1 + random.int(12); n > 0; n--) {
    const length = 1 + random.int([10, 400, 30_000][random.int(3)]!)
    const all = Buffer.concat(parts)
    const kinds = [
      () => Buffer.from(random.bytes(length)),
      () => Buffer.alloc(length, random.int(256)),
      () => Buffer.from(Array.from({ length }, () => 97 + random.int(4))),
      () => all.subarray(random.int(size + 1), size).subarray(0, length),
    ]
    const part = kinds[random.int(4)]!()
    parts.push(part)
    size += part.length
  }
  return Buffer.concat(parts)
}

const WAYS: readonly [string, CodecWork, number | undefined][] = [
  ['snappy', snappy, undefined],
  ['lz4', lz4, undefined],
  ['lz4 at level 1', lz4, 1],
  ['lz4 at level 12', lz4, 12],
]

describe.each(WAYS)('%s', (name, codec, level) => {
  it(`random content comes back from ${name}, packed at once or in turns`, async () => {
    for (let seed = 1; seed <= 40; seed++) {
      const content = randomContent(seededRandom(seed))
      const packed = Buffer.from(codec.pack(content, level))
      expect(Buffer.from(codec.unpack(packed, content.length)).equals(content), `${seed}`).toBe(true)
      const aside = Buffer.from(await codec.packAside(content, level, turn))
      expect(aside.equals(packed), `${seed}`).toBe(true)
    }
  })

  it(`content of every small size comes back from ${name}`, () => {
    for (let size = 0; size <= 80; size++) {
      for (const content of [Buffer.alloc(size, 'ab'), LINES.subarray(0, size), LINES.subarray(3, 3 + size)]) {
        const packed = Buffer.from(codec.pack(content, level))
        expect(Buffer.from(codec.unpack(packed, 100)).equals(content), `${size}`).toBe(true)
      }
    }
  })

  it.each([32_767, 32_768, 32_769, 65_535, 65_536, 65_537, 131_072])(
    `blocks end where they should in ${name}: %i bytes`,
    size => {
      for (const content of [Buffer.alloc(size), Buffer.from(seededRandom(3).bytes(size))]) {
        const packed = Buffer.from(codec.pack(content, level))
        expect(Buffer.from(codec.unpack(packed, size)).equals(content)).toBe(true)
        expect(packed.length).toBeLessThan(size + 100)
      }
    },
  )

  it(`others get their turn in 64 KiB while ${name} packs`, async () => {
    let turns = 0
    await codec.packAside(Buffer.alloc(1024 * 1024 + 1), level, async () => void turns++)
    expect(turns).toBe(16)
  })
})

describe('sizes', () => {
  it.each([
    ['snappy', snappy, undefined, 'snappy'],
    ['lz4', lz4, undefined, 'lz4'],
    ['lz4, level 12', lz4, 12, 'lz4-high'],
  ] as const)("%s is within two hundredths of Kafka's", (_, codec, level, name) => {
    const ours = codec.pack(LINES, level).length
    expect(ours / goldenStream(name).length).toBeLessThan(1.02)
  })

  it('an lz4 block ends with a literal of five bytes or more, as other readers want it', () => {
    const packed = Buffer.from(lz4.pack(Buffer.alloc(100)))
    expect(packed.subarray(-10).toString('hex')).toBe('50000000000000000000')
  })

  it('bytes without order are stored', () => {
    const content = Buffer.from(seededRandom(5).bytes(70_000))
    expect(lz4.pack(content).length).toBe(70_000 + 7 + 4 + 4 + 4)
    expect(snappy.pack(content).length).toBe(70_000 + 16 + 3 * (4 + 3 + 3) - 1)
  })

  it('a level makes lz4 and gzip smaller', () => {
    const sizes = [9, 1, 5, 12].map(level => lz4.pack(LINES, level).length)
    expect(sizes).toEqual([...sizes].sort((a, b) => b - a))
    expect(gzip.pack(LINES, 9).length).toBeLessThan(gzip.pack(LINES, 1).length)
    expect(gzip.pack(LINES).length).toBe(gzip.pack(LINES, 6).length)
  })

  it.runIf(HAS_ZSTD)('zstd is packed at its level, at once and in another thread', async () => {
    const sizes = [-5, 1, 3, 19].map(level => zstd.pack(LINES, level).length)
    expect(new Set(sizes).size).toBe(4)
    expect(sizes[3]).toBeLessThan(sizes[0]!)
    expect(zstd.pack(LINES).length).toBe(sizes[2])
    const aside = Buffer.from(await zstd.packAside(LINES, 19, turn))
    expect(aside.length).toBe(sizes[3])
    expect(Buffer.from(zstd.unpack(aside, LINES.length)).equals(LINES)).toBe(true)
    expect(zstd.announcedSize(aside)).toBe(LINES.length)
  })
})
