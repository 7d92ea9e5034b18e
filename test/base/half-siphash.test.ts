import { describe, expect, it } from 'vitest'
import { halfSipHash } from '../../src/base/half-siphash.js'

/** The key 00 01 … 07, as the authors' test vectors have it. */
const KEY = [0x03020100, 0x07060504] as const

function hashOf(length: number): string {
  const words = new Int32Array(4)
  const bytes = Uint8Array.from({ length: length + 10 }, (_, index) => index - 3)
  halfSipHash(KEY, bytes, { start: 3, end: 3 + length }, { words, at: 1 })
  expect([words[0], words[3]]).toEqual([0, 0])
  return Buffer.from(words.buffer, 4, 8).toString('hex')
}

describe('HalfSipHash-2-4', () => {
  // Published with the reference implementation: the bytes 00 01 02 … of growing length.
  it.each([
    [0, '218d1f59b9b83cc8'],
    [1, 'be552412f8387315'],
    [2, '064f39ef7c50eb57'],
    [3, 'ce0f1a45f7060679'],
    [4, 'd5e78a175be52ea1'],
    [5, 'cb9d7c3f2f3db580'],
    [7, 'ff202728b07bc684'],
    [8, 'edfee820bce4858c'],
    [15, '217d0bcb4e81c902'],
  ])('HalfSipHash-2-4 of %i bytes has the known value', (length, expected) => {
    expect(hashOf(length)).toBe(expected)
  })
})
