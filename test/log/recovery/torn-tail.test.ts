import { describe, expect, it } from 'vitest'
import {
  hasLostSector,
  judge,
  type LogBreak,
  type Verdict,
} from '../../../src/log/recovery/torn-tail.js'

/** A break right at the recovery point: nothing behind it, nothing lost. */
const BREAK: LogBreak = {
  offset: 100,
  durableOffset: 100,
  isWhole: false,
  isShort: false,
  isFollowedInFile: false,
  isFollowedByFile: false,
  hasLostSector: false,
}

describe('what a break means', () => {
  it('a log without a break is clean', () => {
    expect(judge(undefined)).toBe('clean')
  })

  const CASES: readonly [string, Partial<LogBreak>, Verdict][] = [
    ['wrong bytes at the end', {}, 'corruption'],
    ['the file ends inside a batch', { isShort: true }, 'torn-tail'],
    ['zeros at the end', { hasLostSector: true }, 'torn-tail'],
    ['far above the recovery point', { durableOffset: 7 }, 'corruption'],
    ['a whole batch with a wrong offset', { isWhole: true }, 'corruption'],
    ['a whole batch with a wrong length', { isWhole: true, isShort: true }, 'corruption'],
    ['a whole batch that holds zeros', { isWhole: true, hasLostSector: true }, 'corruption'],
    ['wrong bytes, a batch behind them', { isFollowedInFile: true }, 'corruption'],
    ['wrong bytes, a batch in the next file', { isFollowedByFile: true }, 'corruption'],
    [
      'wrong bytes, batches everywhere behind',
      { isFollowedInFile: true, isFollowedByFile: true },
      'corruption',
    ],
    [
      'a lost sector, a batch behind it',
      { isFollowedInFile: true, hasLostSector: true },
      'torn-tail',
    ],
    [
      'a lost sector, a batch in the next file',
      { isFollowedByFile: true, hasLostSector: true },
      'torn-tail',
    ],
    [
      'a file that ends too early, a batch in the next one',
      { isShort: true, isFollowedByFile: true },
      'torn-tail',
    ],
    [
      'a length that only claims to reach beyond the end',
      { isShort: true, isFollowedInFile: true },
      'corruption',
    ],
    [
      'such a length, and batches in the next file too',
      { isShort: true, isFollowedInFile: true, isFollowedByFile: true },
      'corruption',
    ],
  ]

  it.each(CASES)('the verdict is right if %s', (_, facts, verdict) => {
    expect(judge({ ...BREAK, ...facts })).toBe(verdict)
  })

  it.each(CASES)('any break below the recovery point is corruption: %s', (_, facts) => {
    expect(judge({ ...BREAK, ...facts, offset: 99, durableOffset: 100 })).toBe('corruption')
  })

  it('a break is never clean', () => {
    const flags = [false, true]
    for (const isShort of flags) {
      for (const isFollowedInFile of flags) {
        for (const isFollowedByFile of flags) {
          for (const lost of flags) {
            const facts = { isShort, isFollowedInFile, isFollowedByFile, hasLostSector: lost }
            expect(judge({ ...BREAK, ...facts })).not.toBe('clean')
            expect(judge({ ...BREAK, ...facts, isWhole: true })).toBe('corruption')
          }
        }
      }
    }
  })
})

describe('a sector that was never written', () => {
  const bytes = (length: number, zeros: readonly [from: number, to: number][] = []): Buffer => {
    const filled = Buffer.alloc(length, 0xa5)
    for (const [from, to] of zeros) filled.fill(0, from, to)
    return filled
  }

  it.each([
    ['bytes without zeros', bytes(2048), 0, false],
    ['no bytes at all', bytes(0), 0, false],
    ['the first sector', bytes(1024, [[0, 512]]), 0, true],
    ['the last sector', bytes(1024, [[512, 1024]]), 0, true],
    ['a sector but for its first byte', bytes(1024, [[513, 1024]]), 0, false],
    ['a sector but for its last byte', bytes(1024, [[512, 1023]]), 0, false],
    ['512 zeros across two sectors', bytes(1536, [[256, 768]]), 0, false],
    ['zeros that end with the file inside a sector', bytes(800, [[512, 800]]), 0, false],
    [
      'a whole sector, counted from the file and not from the break',
      bytes(1000, [[12, 524]]),
      500,
      true,
    ],
    ['the rest of the sector the break lies in', bytes(600, [[0, 412]]), 100, true],
    ['that rest but for one byte', bytes(600, [[1, 412]]), 100, false],
    ['a rest of 8 zeros, where the offset was', bytes(600, [[0, 8]]), 504, true],
    ['a rest of 7 zeros, with which an offset may begin', bytes(600, [[0, 7]]), 505, false],
    ['a break on a border, its sector lost', bytes(600, [[0, 512]]), 512, true],
    ['a break on a border, zeros but for the end', bytes(600, [[0, 500]]), 512, false],
    ['the rest of the sector, cut by what follows', bytes(300, [[0, 300]]), 100, false],
  ])('%s', (_, content, position, isLost) => {
    expect(hasLostSector(content, position)).toBe(isLost)
  })

  it.each([
    ['zeros from the break on', bytes(100, [[0, 100]]), true],
    ['zeros but for the end', bytes(100, [[0, 99]]), false],
    ['zeros but for the start', bytes(100, [[1, 100]]), false],
    ['zeros in the sector it ends in only', bytes(600, [[412, 600]]), true],
    ['zeros there but for the first', bytes(600, [[413, 600]]), false],
    ['zeros there but for the last', bytes(600, [[412, 599]]), false],
    ['16 zeros there, as values may end', bytes(428, [[412, 428]]), false],
    ['16 zeros, which a header may begin with', bytes(16, [[0, 16]]), false],
  ])('%s at the end of a file are a lost sector: %s', (_, content, isLost) => {
    expect(hasLostSector(content, 100, 'nothing')).toBe(isLost)
    expect(hasLostSector(content, 100)).toBe(false)
  })

  it.each([
    ['two zeros in the sector it ends in', bytes(414, [[412, 414]]), true],
    ['one zero there, as most batches end', bytes(413, [[412, 413]]), false],
    ['zeros there but for the last', bytes(415, [[412, 414]]), false],
    ['zeros at the end, not from the border on', bytes(600, [[413, 600]]), false],
  ])('%s before zeros are a lost sector: %s', (_, content, isLost) => {
    expect(hasLostSector(content, 100, 'zeros')).toBe(isLost)
  })

  it('a sector that was never written is found at any position', () => {
    for (let position = 0; position < 1024; position += 37) {
      for (let sector = Math.ceil(position / 512); sector < 6; sector++) {
        const at = sector * 512 - position
        const content = bytes(6 * 512 - position, [[at, at + 512]])
        expect(hasLostSector(content, position), `break at ${position}, ${sector}`).toBe(true)
      }
    }
  })
})
