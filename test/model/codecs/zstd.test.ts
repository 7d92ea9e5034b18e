import { describe, expect, it, onTestFinished } from 'vitest'
import { GrowsTooLarge } from '../../../src/model/codecs/codec.js'
import { framesOf } from '../../../src/model/codecs/zstd-frames.js'
import { hasZstd, zstd } from '../../../src/model/codecs/zstd.js'
import { goldenStream, LINES } from '../../golden/codecs.js'
import { HAS_ZSTD, withoutZstd } from '../without-zstd.js'

const turn = (): Promise<void> => Promise.reject(new Error('no turn is needed'))
const STREAM = goldenStream('zstd')
const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex')
/** Frames of one stored block. */
const A = hex('28b52ffd 20 01 090000 61')
const B = hex('28b52ffd 24 01 090000 62 00000000')
const SKIPPED = hex('5a2a4d18 03000000 ffffff')

const framesIn = (bytes: Buffer): string[] => [...framesOf(bytes)].map(each => each.toString('hex'))

describe('the frames of a stream', () => {
  it.each<[string, Buffer[], Buffer[]]>([
    ['one', [A], [A]],
    ['with a checksum', [B], [B]],
    ['of Kafka', [STREAM], [STREAM]],
    ['several', [A, STREAM, B, A], [A, STREAM, B, A]],
    ['with some to be passed over', [SKIPPED, A, SKIPPED, SKIPPED, B, SKIPPED], [A, B]],
    ['a repeated byte', [hex('28b52ffd 20 09 4b0000 61')], [hex('28b52ffd 20 09 4b0000 61')]],
    ['two blocks', [hex('28b52ffd 00 58 080000 61 090000 62')], [hex('28b52ffd 00 58 080000 61 090000 62')]],
    ['as many as there may be', Array<Buffer>(64).fill(A), Array<Buffer>(64).fill(A)],
  ])('the frames of a zstd stream are found: %s', (_, parts, frames) => {
    expect(framesIn(Buffer.concat(parts))).toEqual(frames.map(each => each.toString('hex')))
  })

  it('a stream that is cut anywhere is refused', () => {
    for (const whole of [A, B, Buffer.concat([SKIPPED, A]), STREAM]) {
      const from = whole === STREAM ? STREAM.length - 300 : 0
      for (let end = from; end < whole.length; end++) {
        if (end === SKIPPED.length && whole.length > A.length + 10 && whole !== STREAM) continue
        expect(() => framesIn(whole.subarray(0, end)), `cut at ${end}`).toThrow('CORRUPT_MESSAGE: zstd')
      }
    }
  })

  it.each([
    ['', 'it is empty'],
    ['00', 'no frame begins where one should'],
    ['28b52ffe 20 01 090000 61', 'no frame begins where one should'],
    ['28b52ffd 20 01 0f0000 61', 'a block is of a kind that does not exist'],
    ['28b52ffd 20 01 110000 61', 'it ends early'],
    [A.toString('hex') + '00', 'no frame begins where one should'],
    [A.toString('hex').repeat(65), 'it has more than 64 frames'],
  ])('a damaged zstd stream is refused: %#', (stream, why) => {
    expect(() => framesIn(hex(stream))).toThrow(`CORRUPT_MESSAGE: zstd stream is damaged: ${why}`)
  })

  // Heads of frames; the sizes of the field and of what comes before it are RFC 8878's.
  it.each([
    ['20 07', 7],
    ['00 58', 0],
    ['40 58 0000', 256],
    ['60 0100', 257],
    ['80 58 01020304', 0x0403_0201],
    ['a0 01020304', 0x0403_0201],
    ['c0 58 0100000001000000', 2 ** 32 + 1],
    ['21 ff 07', 7],
    ['22 ffff 07', 7],
    ['23 ffffffff 07', 7],
    ['a0 010203', 0],
    ['', 0],
  ])('a frame announces its size in its head: %s', (head, size) => {
    const frame = hex(`28b52ffd${head}`)
    expect(zstd.announcedSize(frame)).toBe(size)
    frame[0]! ^= 1
    expect(zstd.announcedSize(frame)).toBe(0)
  })
})

describe.runIf(HAS_ZSTD)('zstd', () => {
  it.each([
    ['one frame', STREAM, LINES],
    ['three frames', Buffer.concat([A, STREAM, A]), Buffer.concat([Buffer.from('a'), LINES, Buffer.from('a')])],
  ])('zstd is unpacked at once and in another thread, up to a bound: %s', async (_, stream, content) => {
    const size = content.length
    expect(Buffer.from(zstd.unpack(stream, size)).equals(content)).toBe(true)
    expect(Buffer.from(await zstd.unpackAside(stream, size, turn)).equals(content)).toBe(true)
    for (const most of [size - 1, 1]) {
      expect(() => zstd.unpack(stream, most)).toThrow(GrowsTooLarge)
      await expect(zstd.unpackAside(stream, most, turn)).rejects.toThrow(GrowsTooLarge)
    }
  })

  it('zstd that is damaged is refused with the reason', async () => {
    const bad = Buffer.from(STREAM)
    bad.fill(0xff, 10, 60)
    for (const stream of [bad, STREAM.subarray(0, 4_000), Buffer.concat([A, bad])]) {
      const sentence = 'CORRUPT_MESSAGE: zstd stream is damaged: '
      expect(() => zstd.unpack(stream, 1e6)).toThrow(sentence)
      await expect(zstd.unpackAside(stream, 1e6, turn)).rejects.toThrow(sentence)
    }
  })
})

it('zstd is looked for at run time', async () => {
  expect(hasZstd()).toBe(HAS_ZSTD)
  onTestFinished(withoutZstd())
  expect(hasZstd()).toBe(false)
  const sentence = /^UNSUPPORTED_COMPRESSION_TYPE: zstd needs Node 22.15 or later, this is v\d/
  expect(() => zstd.unpack(STREAM, 1e6)).toThrow(sentence)
  await expect(zstd.unpackAside(STREAM, 1e6, turn)).rejects.toThrow(sentence)
})
