import { describe, expect, it } from 'vitest'
import { crc32c } from '../../../src/base/checksums/crc32c.js'
import { seededRandom } from '../../../src/base/random.js'

/** One bit at a time, straight from the definition. */
function slowCrc(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
  }
  return (crc ^ 0xffffffff) >>> 0
}

describe('crc32c', () => {
  // RFC 3720, appendix B.4
  it.each([
    ['123456789', Buffer.from('123456789'), 0xe3069283],
    ['32 zeros', Buffer.alloc(32), 0x8a9136aa],
    ['32 ones', Buffer.alloc(32, 0xff), 0x62a8ab43],
    ['ascending', Buffer.from(Array.from({ length: 32 }, (_, i) => i)), 0x46dd794e],
    ['descending', Buffer.from(Array.from({ length: 32 }, (_, i) => 31 - i)), 0x113fdb5c],
    ['nothing', Buffer.alloc(0), 0],
  ])('crc32c computes the known value of %s', (_, bytes, expected) => {
    expect(crc32c(bytes)).toBe(expected)
  })

  it('crc32c agrees with the definition where long messages are folded', () => {
    const bytes = seededRandom(2).bytes(2_200_000).subarray(3)
    for (const length of [
      5_423, 12_287, 12_288, 12_289, 12_303, 12_304, 13_565, 20_001, 65_537, 131_071, 1_048_575,
      1_048_576, 1_048_577, 1_060_000, 1_060_864, 2_199_000,
    ]) {
      for (const start of [0, 1, 2, 21]) {
        const end = start + length
        expect(crc32c(bytes, start, end)).toBe(slowCrc(bytes.subarray(start, end)))
      }
    }
  })

  it('crc32c agrees with the definition at every length and start', () => {
    const bytes = seededRandom(1).bytes(200)
    for (let start = 0; start < 20; start++) {
      for (let end = start; end <= 200; end += 7) {
        expect(crc32c(bytes, start, end)).toBe(slowCrc(bytes.subarray(start, end)))
      }
    }
  })
})
