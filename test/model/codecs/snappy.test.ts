import { describe, expect, it } from 'vitest'
import { seededRandom, type Random } from '../../../src/base/random.js'
import { GrowsTooLarge } from '../../../src/model/codecs/codec.js'
import { snappy } from '../../../src/model/codecs/snappy.js'
import { goldenStream, LINES } from '../../golden/codecs.js'

const MAX = 1_000_000
const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex')
const unpacked = (stream: Buffer): string => Buffer.from(snappy.unpack(stream, MAX)).toString()
const HEADER = '82534e4150505900 00000001 00000001'

function varint(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varint(Math.floor(value / 0x80))]
}

/** A block of random elements of every kind, and its content. */
function randomBlock(random: Random, elements: number): { block: Buffer; content: Buffer } {
  const content: number[] = []
  const tags: number[] = []
  for (let n = 0; n < elements; n++) {
    const kind = content.length === 0 ? 0 : random.int(4)
    if (kind === 0) literal(random)
    else copy(random, kind)
  }
  function literal(random: Random): void {
    const length = 1 + random.int([4, 60, 300, 70_000][random.int(40) === 0 ? 3 : random.int(3)]!)
    const bytes = [...random.bytes(length)]
    const extra = [0, 1, 2, 3, 4].filter(count => length - 1 < (count === 0 ? 60 : 256 ** count))
    const count = extra[random.int(extra.length)]!
    const more = Array.from({ length: count }, (_, at) => ((length - 1) / 256 ** at) & 0xff)
    tags.push((count === 0 ? length - 1 : 59 + count) << 2, ...more, ...bytes)
    content.push(...bytes)
  }
  function copy(random: Random, kind: number): void {
    const most = Math.min(content.length, [0, 2_047, 65_535, 2 ** 31][kind]!)
    const distance = 1 + random.int(random.int(2) === 0 ? Math.min(most, 8) : most)
    const length = kind === 1 ? 4 + random.int(8) : 1 + random.int(64)
    if (kind === 1) tags.push(1 | ((length - 4) << 2) | ((distance >>> 8) << 5), distance & 0xff)
    const bytes = [0, 1, 2, 3].map(at => (distance >>> (8 * at)) & 0xff)
    if (kind > 1) tags.push(kind | ((length - 1) << 2), ...bytes.slice(0, kind === 2 ? 2 : 4))
    for (let at = 0; at < length; at++) content.push(content[content.length - distance]!)
  }
  const size = varint(content.length)
  return { block: Buffer.from([...size, ...tags]), content: Buffer.from(content) }
}

describe('a raw block', () => {
  it.each([
    ['00', ''],
    ['01 00 61', 'a'],
    ['06 04 6162 01 02', 'ababab'],
    ['05 00 61 0e 0100', 'aaaaa'],
    ['05 00 61 0f 01000000', 'aaaaa'],
    ['03 f0 02 616263', 'abc'],
    ['03 f4 0200 616263', 'abc'],
    ['03 f8 020000 616263', 'abc'],
    ['03 fc 02000000 616263', 'abc'],
  ])('a snappy block is unpacked: %s', (block, text) => {
    expect(unpacked(hex(block))).toBe(text)
  })

  it.each([
    ['', 'a block ends inside its size'],
    ['80', 'a block ends inside its size'],
    ['8080808080 01', 'a block ends inside its size'],
    ['01', 'a block of 1 bytes announces 1'],
    ['7f 00 61', 'a block of 3 bytes announces 127'],
    ['ffffffff0f 00 61', 'a block of 7 bytes announces 4294967295'],
    ['02 00 61', 'a block is smaller than it announces'],
    ['01 04 6162', 'a block is larger than it announces'],
    ['04 00 61 0e 0100', 'a block is larger than it announces'],
    ['02 04 61', 'a literal of 2 bytes in 1'],
    ['02 f0', 'a literal of 1 bytes in 0'],
    ['02 fc ffffffff 61', 'a literal of 4294967296 bytes in 1'],
    ['06 04 6162 05 00', 'a copy from 0 bytes back, after 2'],
    ['06 04 6162 05 03', 'a copy from 3 bytes back, after 2'],
    ['06 04 6162 0f 02000080', 'a copy from 2147483650 bytes back, after 2'],
    ['06 04 6162 05', 'a block ends inside a copy'],
    ['06 04 6162 06 02', 'a block ends inside a copy'],
    ['06 04 6162 07 020000', 'a block ends inside a copy'],
  ])('a damaged snappy block is refused: %s', (block, why) => {
    const message = `CORRUPT_MESSAGE: snappy stream is damaged: ${why}`
    expect(() => unpacked(hex(block))).toThrow(message)
  })

  it('blocks of random elements are unpacked, and cut blocks are refused', () => {
    for (let seed = 1; seed <= 150; seed++) {
      const random = seededRandom(seed)
      const { block, content } = randomBlock(random, 1 + random.int(40))
      const found = Buffer.from(snappy.unpack(block, MAX))
      expect(found.equals(content), `seed ${seed}`).toBe(true)
      for (let tries = 0; tries < 10; tries++) {
        const cut = block.subarray(0, random.int(block.length))
        expect(() => snappy.unpack(cut, MAX), `seed ${seed}, ${cut.length}`).toThrow('CORRUPT_MESSAGE')
      }
    }
  })

  it('a block does not read what lies behind it', () => {
    const bytes = hex('03 04 6162 05 02 ffff').subarray(0, 6)
    expect(() => snappy.unpack(bytes, MAX)).toThrow('larger than it announces')
    expect(() => snappy.unpack(hex('06 04 6162 05 02 ffff').subarray(0, 5), MAX)).toThrow('inside')
  })
})

describe("xerial's framing", () => {
  it.each([
    [HEADER, ''],
    [`${HEADER} 00000003 010061`, 'a'],
    [`${HEADER} 00000003 010061 00000001 00 00000003 010062`, 'ab'],
    [`${HEADER} 00000003 010061 ${HEADER} 00000003 010062`, 'ab'],
    ['82534e4150505900 00000002 00000001 00000003 010061', 'a'],
  ])('framed snappy is unpacked: %s', (stream, text) => {
    expect(unpacked(hex(stream))).toBe(text)
  })

  it.each([
    [HEADER.slice(0, -2), 'it ends inside its header'],
    [`${HEADER} 00000003 010061 ${HEADER.slice(0, 16)}`, 'it ends inside its header'],
    ['82534e4150505900 00000000 00000001', 'the version of its framing is 0'],
    [`${HEADER} 000000`, 'it ends inside the size of a block'],
    [`${HEADER} 00000004 010061`, 'a block of 4 bytes in 3'],
    [`${HEADER} ffffffff 010061`, 'a block of -1 bytes in 3'],
    [`${HEADER} 00000000`, 'a block ends inside its size'],
    [`${HEADER} 00000003 030861 00000003 010061`, 'a literal of 3 bytes in 1'],
    // A match must not reach into the block before it.
    [`${HEADER} 00000003 010061 00000005 04 0e 0100 00`, 'a copy from 1 bytes back, after 0'],
  ])('damaged framing is refused: %s', (stream, why) => {
    expect(() => unpacked(hex(stream))).toThrow(`CORRUPT_MESSAGE: snappy stream is damaged: ${why}`)
  })
})

describe('snappy of others', () => {
  it.each(['snappy', 'snappy-raw'])('%s of Java is unpacked', name => {
    expect(Buffer.from(snappy.unpack(goldenStream(name), MAX)).equals(LINES)).toBe(true)
  })

  it.each(['snappy', 'snappy-raw'])('%s of Java is not begun when it announces too much', name => {
    const stream = goldenStream(name)
    expect(snappy.unpack(stream, LINES.length).length).toBe(LINES.length)
    expect(() => snappy.unpack(stream, LINES.length - 1)).toThrow(GrowsTooLarge)
    stream.fill(0xff, 100) // it is not looked at
    if (name === 'snappy-raw') expect(() => snappy.unpack(stream, 80_000)).toThrow(GrowsTooLarge)
  })
})

describe('snappy in steps', () => {
  it('others get their turn at least once in 256 KiB, and the bytes are the same', async () => {
    const { block: one } = randomBlock(seededRandom(7), 400)
    const framed = Buffer.concat([hex(HEADER), ...Array.from({ length: 30 }, () => sized(one))])
    const whole = Buffer.from(snappy.unpack(framed, 1e8))
    let turns = 0
    const turn = async (): Promise<void> => void turns++
    const found = Buffer.from(await snappy.unpackAside(framed, 1e8, turn))
    expect(found.equals(whole)).toBe(true)
    expect(turns).toBeGreaterThanOrEqual(Math.floor(whole.length / (256 * 1024 + 70_000)))
    expect(turns).toBeLessThan(60)
  })

  it('a block of a megabyte, and blocks without content, are steps as well', async () => {
    const large = Buffer.concat([Buffer.from(varint(1_280_001)), hex('00 61'), repeated('fe 0100', 20_000)])
    const empty = Buffer.concat([hex(HEADER), repeated('00000001 00', 20_000)])
    for (const [stream, size, least] of [[large, 1_280_001, 4], [empty, 0, 4]] as const) {
      let turns = 0
      const turn = async (): Promise<void> => void turns++
      expect((await snappy.unpackAside(stream, 2e6, turn)).length).toBe(size)
      expect(turns).toBeGreaterThanOrEqual(least)
    }
  })

  it('a turn that rejects ends the work', async () => {
    const large = Buffer.concat([Buffer.from(varint(1_280_001)), hex('00 61'), repeated('fe 0100', 20_000)])
    const turn = (): Promise<void> => Promise.reject(new Error('closed'))
    await expect(snappy.unpackAside(large, 2e6, turn)).rejects.toThrow('closed')
  })
})

function sized(block: Buffer): Buffer {
  const size = Buffer.alloc(4)
  size.writeInt32BE(block.length)
  return Buffer.concat([size, block])
}

function repeated(text: string, times: number): Buffer {
  return Buffer.concat(Array.from({ length: times }, () => hex(text)))
}
