import { describe, expect, it } from 'vitest'
import { FOLD_BYTES_MAX, FOLD_BYTES_MIN, Crc32cFolder } from '../../../src/base/checksums/crc32c-fold.js'
import { crc32c } from '../../../src/base/checksums/crc32c.js'
import { seededRandom } from '../../../src/base/random.js'

/** Messages from about this size on are folded twice. */
const LONG = 12 * 1024

/** One bit at a time, straight from the definition, without the first and the last step. */
function rawCrc(bytes: Uint8Array, start: number): number {
  let crc = start
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
  }
  return crc >>> 0
}

describe('folding', () => {
  const bytes = seededRandom(7).bytes(80_000)

  it('WebAssembly folding is available here', () => {
    expect(Crc32cFolder.create()).toBeDefined()
  })

  it('folding leaves a short message with the same checksum', () => {
    const folder = Crc32cFolder.create() as Crc32cFolder
    const random = seededRandom(8)
    for (let round = 0; round < 90; round++) {
      const start = random.int(40)
      const least = round % 2 === 0 ? FOLD_BYTES_MIN : LONG - 100 // to both sides of it
      const length = least + random.int(round < 60 ? 200 : 60_000)
      const crc = random.int(2 ** 32) | 0
      const folded = folder.fold(bytes, start, start + length, crc)
      const rest = folded.bytes.subarray(folded.start, folded.end)
      expect(rest.length).toBeLessThan(306)
      const wanted = rawCrc(bytes.subarray(start, start + length), crc)
      expect(rawCrc(rest, 0), `${length} bytes from ${start}`).toBe(wanted)
    }
  })

  it('folding does not change the message', () => {
    const folder = Crc32cFolder.create() as Crc32cFolder
    const copy = Uint8Array.from(bytes)
    folder.fold(copy, 0, copy.length, -1)
    expect(copy).toEqual(bytes)
  })

  it('folding detects one flipped bit anywhere in a long message', () => {
    const message = Uint8Array.from(bytes.subarray(0, 20_000))
    const good = crc32c(message)
    const random = seededRandom(9)
    for (let round = 0; round < 300; round++) {
      const bit = random.int(message.length * 8)
      message[bit >> 3]! ^= 1 << (bit & 7)
      expect(crc32c(message), `bit ${bit}`).not.toBe(good)
      message[bit >> 3]! ^= 1 << (bit & 7)
    }
    expect(crc32c(message)).toBe(good)
  })

  it('folding agrees with the tables at the largest message size', () => {
    const zeros = new Uint8Array(FOLD_BYTES_MAX + 20)
    zeros[0] = 1
    zeros[zeros.length - 1] = 2
    for (const length of [FOLD_BYTES_MAX - 1, FOLD_BYTES_MAX, FOLD_BYTES_MAX + 20]) {
      const part = zeros.subarray(0, length)
      expect(crc32c(part)).toBe(~rawCrc(part, -1) >>> 0)
    }
  })
})
