import { gzipSync } from 'node:zlib'
import { expect, it } from 'vitest'
import { GrowsTooLarge } from '../../../src/model/codecs/codec.js'
import { gzip } from '../../../src/model/codecs/gzip.js'
import { LINES } from '../../golden/codecs.js'

const turn = (): Promise<void> => Promise.reject(new Error('no turn is needed'))
const STREAM = gzipSync(LINES)

it('gzip is unpacked at once and in another thread, up to a bound', async () => {
  expect(Buffer.from(gzip.unpack(STREAM, LINES.length)).equals(LINES)).toBe(true)
  expect(Buffer.from(await gzip.unpackAside(STREAM, LINES.length, turn)).equals(LINES)).toBe(true)
  expect(() => gzip.unpack(STREAM, LINES.length - 1)).toThrow(GrowsTooLarge)
  await expect(gzip.unpackAside(STREAM, LINES.length - 1, turn)).rejects.toThrow(GrowsTooLarge)
})

it('gzip that is damaged is refused with the reason', async () => {
  const sentence = 'CORRUPT_MESSAGE: gzip stream is damaged: unexpected end of file'
  expect(() => gzip.unpack(STREAM.subarray(0, 1_000), 1e6)).toThrow(sentence)
  await expect(gzip.unpackAside(STREAM.subarray(0, 1_000), 1e6, turn)).rejects.toThrow(sentence)
})

it('a gzip stream announces its size at its end', () => {
  expect(gzip.announcedSize(STREAM)).toBe(LINES.length)
  expect(gzip.announcedSize(Buffer.alloc(17, 1))).toBe(0)
})
