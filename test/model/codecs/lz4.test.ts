import { describe, expect, it } from 'vitest'
import { seededRandom, type Random } from '../../../src/base/random.js'
import { GrowsTooLarge } from '../../../src/model/codecs/codec.js'
import { lz4 } from '../../../src/model/codecs/lz4.js'
import { xxHash32 } from '../../../src/model/codecs/xxhash32.js'
import { goldenStream, LINES } from '../../golden/codecs.js'

const MAX = 1_000_000
const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex')
const unpacked = (stream: Buffer): string => Buffer.from(lz4.unpack(stream, MAX)).toString()

function int(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}

interface Parts {
  readonly flags?: number
  readonly blocks?: number
  readonly size?: Buffer
  readonly check?: number
}

/** The head of a frame; by default that of Kafka's writer. */
function head({ flags = 0x60, blocks = 0x40, size = Buffer.alloc(0), check }: Parts = {}): Buffer {
  const described = Buffer.concat([Buffer.from([flags, blocks]), size])
  const right = (xxHash32(described, 0, described.length) >>> 8) & 0xff
  return Buffer.concat([hex('04224d18'), described, Buffer.from([check ?? right])])
}

/** A frame of blocks; each with its checksum, if they have one. */
function frame(blocks: readonly Buffer[], parts: Parts = {}): Buffer {
  const withCheck = ((parts.flags ?? 0x60) & 0x10) !== 0
  const sized = blocks.map(block =>
    Buffer.concat([
      ...[int(block.length), block],
      ...(withCheck ? [int(xxHash32(block, 0, block.length))] : []),
    ]),
  )
  return Buffer.concat([head(parts), ...sized, int(0)])
}

const stored = (block: Buffer): Buffer => Buffer.concat([int(block.length + 2 ** 31), block])

function more(length: number): number[] {
  return length < 15 ? [] : [...Array(Math.floor((length - 15) / 255)).fill(255), (length - 15) % 255]
}

/** A block of random sequences of every kind, and its content. */
function randomBlock(random: Random, sequences: number): { block: Buffer; content: Buffer } {
  const content: number[] = []
  const bytes: number[] = []
  const length = (): number => random.int([4, 20, 600][random.int(3)]!)
  for (let n = 0; n < sequences; n++) {
    const literal = [...random.bytes(length() + (n === 0 ? 1 : 0))]
    const match = length()
    const token = (Math.min(literal.length, 15) << 4) | Math.min(match, 15)
    content.push(...literal)
    const distance = 1 + random.int(Math.min(content.length, random.int(2) === 0 ? 8 : 65_535))
    bytes.push(token, ...more(literal.length), ...literal, distance & 0xff, distance >>> 8)
    bytes.push(...more(match))
    for (let at = 0; at < match + 4; at++) content.push(content[content.length - distance]!)
  }
  const last = [...random.bytes(5 + random.int(20))]
  content.push(...last)
  bytes.push(Math.min(last.length, 15) << 4, ...more(last.length), ...last)
  return { block: Buffer.from(bytes), content: Buffer.from(content) }
}

describe('xxHash32', () => {
  // Known answers of the xxhash program, seed 0.
  it.each([
    ['', 0x02cc5d05],
    ['a', 0x550d7456],
    ['abc', 0x32d153ff],
    ['Nobody inspects the spammish repetition', 0xe2293b2f],
  ])('xxHash32 of %j', (text, hash) => {
    const bytes = Buffer.from(`-${text}-`)
    expect(xxHash32(bytes, 1, bytes.length - 1)).toBe(hash)
  })
})

describe('a block', () => {
  it.each([
    ['10 61', 'a'],
    ['00', ''],
    ['11 61 0100 10 62', 'aaaaaab'],
    ['20 6162 0200 10 63', 'abababc'],
    ['1f 61 0100 00 00', 'a'.repeat(20)],
    ['1f 61 0100 ff01 00', 'a'.repeat(276)],
    ['f0 00 616263646566676869 6a6b6c6d6e6f', 'abcdefghijklmno'],
  ])('an lz4 block is unpacked: %s', (block, text) => {
    expect(unpacked(frame([hex(block)]))).toBe(text)
  })

  it.each([
    ['20 61', 'a literal of 2 bytes in 1'],
    ['f0 ffff', 'a literal of 525 bytes in 0'],
    ['f0', 'a literal of 15 bytes in 0'],
    ['10 61 0100', 'a block ends with a match'],
    ['10 61 01', 'a block ends with a match'],
    ['1f 61 0100 ff', 'a block ends with a match'],
    ['10 61 0000 00', 'a match from 0 bytes back, after 1'],
    ['10 61 0200 00', 'a match from 2 bytes back, after 1'],
  ])('a damaged lz4 block is refused: %s', (block, why) => {
    const message = `CORRUPT_MESSAGE: lz4 stream is damaged: ${why}`
    expect(() => unpacked(frame([hex(block)]))).toThrow(message)
  })

  it('blocks of random sequences are unpacked; damage is refused, or gives other bytes', () => {
    for (let seed = 1; seed <= 150; seed++) {
      const random = seededRandom(seed)
      const { block, content } = randomBlock(random, 1 + random.int(30))
      const stream = frame([block])
      expect(Buffer.from(lz4.unpack(stream, MAX)).equals(content), `seed ${seed}`).toBe(true)
      for (let tries = 0; tries < 10; tries++) {
        const cut = stream.subarray(0, random.int(stream.length))
        expect(() => lz4.unpack(cut, MAX), `seed ${seed}, ${cut.length}`).toThrow('CORRUPT_MESSAGE')
      }
    }
  })

  it('a match does not reach into the block before it', () => {
    const reaching = frame([hex('10 61'), hex('00 0100 00')])
    expect(() => unpacked(reaching)).toThrow('a match from 1 bytes back, after 0')
  })

  it('a block is not larger than its frame allows', () => {
    const most = (extra: number): Buffer =>
      hex(`1f 61 0100 ${'ff'.repeat(256)} ${(256 - 20 + extra).toString(16)} 00`)
    expect(unpacked(frame([most(0)])).length).toBe(65_536)
    expect(() => unpacked(frame([most(1)]))).toThrow('a block is larger than its frame allows')
    expect(unpacked(frame([most(1)], { blocks: 0x50 })).length).toBe(65_537)
  })
})

describe('a frame', () => {
  const block = hex('10 61')

  it.each<[string, Buffer]>([
    ['of one block', frame([block])],
    ['of three', frame([hex('00'), block, hex('00')])],
    ['with checksums of blocks', frame([block], { flags: 0x70 })],
    ['with its size', frame([block], { flags: 0x68, size: Buffer.alloc(8, 1) })],
    ['with a checksum of the content, which is passed over',
      Buffer.concat([frame([block], { flags: 0x64 }), hex('00000000')])],
    ['of a stored block', Buffer.concat([head(), stored(Buffer.from('a')), int(0)])],
    ['with something behind it', Buffer.concat([frame([block]), hex('ff')])],
    ['with large blocks', frame([block], { blocks: 0x70 })],
  ])('an lz4 frame is unpacked: %s', (_, stream) => {
    expect(unpacked(stream)).toBe('a')
  })

  it.each<[Buffer, string]>([
    [hex('04224d18 6040'), 'it ends inside its header'],
    [hex('04224d18 6840 82 0000'), 'it ends inside its header'],
    [hex('05224d18 604082 00000000'), 'its magic is 0x184d2205'],
    [frame([], { flags: 0xa0 }), 'its version is 2'],
    [frame([], { flags: 0x61 }), 'reserved bits are set in its header'],
    [frame([], { flags: 0x62 }), 'reserved bits are set in its header'],
    [frame([], { blocks: 0x41 }), 'reserved bits are set in its header'],
    [frame([], { blocks: 0xc0 }), 'reserved bits are set in its header'],
    [frame([], { flags: 0x40 }), 'its blocks depend on each other'],
    [frame([], { blocks: 0x30 }), 'its block size 3 does not exist'],
    [frame([], { check: 0 }), 'the checksum of its header is wrong'],
    [head(), 'it ends without its end mark'],
    [Buffer.concat([head(), hex('000000')]), 'it ends without its end mark'],
    [frame([block], { flags: 0x64 }), 'it ends too early'],
    [Buffer.concat([head(), int(65_537), Buffer.alloc(65_541)]), 'a block of 65537 bytes, at most 65536'],
    [Buffer.concat([head(), int(3), hex('1061')]), 'a block of 3 bytes in 2'],
    [Buffer.concat([head({ flags: 0x70 }), int(2), hex('1061'), int(5), int(0)]), 'the checksum of a block'],
    [Buffer.concat([head({ flags: 0x70 }), int(2), hex('1061')]), 'a block of 2 bytes in 2'],
  ])('a damaged lz4 frame is refused: %#', (stream, why) => {
    expect(() => unpacked(stream)).toThrow(`CORRUPT_MESSAGE: lz4 stream is damaged: ${why}`)
  })
})

describe('lz4 of others', () => {
  it.each(['lz4', 'lz4-high', 'lz4-checked'])('%s is unpacked', name => {
    const stream = goldenStream(name)
    expect(Buffer.from(lz4.unpack(stream, MAX)).equals(LINES)).toBe(true)
    expect(lz4.unpack(stream, LINES.length).length).toBe(LINES.length)
    for (const most of [LINES.length - 1, 65_536, 100, 0]) {
      expect(() => lz4.unpack(stream, most), String(most)).toThrow(GrowsTooLarge)
    }
  })

  it('what a frame can become bounds the memory it gets', () => {
    const few = Array.from({ length: 10 }, () => hex(`f0 55 ${'61'.repeat(100)}`))
    const content = lz4.unpack(frame(few, { blocks: 0x70 }), MAX)
    expect(content.length).toBe(1_000)
    expect(content.buffer.byteLength).toBeLessThan(10_000)
  })
})

describe('lz4 in steps', () => {
  it('others get their turn at least once in 256 KiB, and the bytes are the same', async () => {
    const runs = Array.from({ length: 20 }, () => hex(`1f 61 0100 ${'ff'.repeat(250)} 00 00`))
    const long = hex(`1f 61 0100 ${'fe'.repeat(1)} 00`)
    const large = Buffer.concat([...Array.from({ length: 5_000 }, () => long.subarray(0, 5)), hex('00')])
    for (const stream of [frame(runs), frame([large], { blocks: 0x70 })]) {
      const whole = Buffer.from(lz4.unpack(stream, 4e6))
      let turns = 0
      const turn = async (): Promise<void> => void turns++
      const found = Buffer.from(await lz4.unpackAside(stream, 4e6, turn))
      expect(found.equals(whole)).toBe(true)
      expect(turns).toBeGreaterThanOrEqual(Math.floor(whole.length / (256 * 1024 + 70_000)))
      expect(turns).toBeLessThan(10)
    }
  })

  it('blocks without content are steps as well', async () => {
    let turns = 0
    const stream = frame(Array.from({ length: 20_000 }, () => hex('00')))
    await lz4.unpackAside(stream, 4e6, async () => void turns++)
    expect(turns).toBeGreaterThanOrEqual(4)
  })
})
