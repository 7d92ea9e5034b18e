import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../src/base/random.js'
import {
  CheckpointError,
  formatCheckpoint,
  formatEpochs,
  formatOffsets,
  parseCheckpoint,
  parseEpochs,
  parseOffsets,
} from '../../../src/log/format/checkpoints.js'
import { vectorLines } from '../../golden/vectors.js'

const OFFSETS = [
  { topic: 'orders', partition: 0, offset: 122 },
  { topic: 'a-b.c_d', partition: 11, offset: 7 },
]

describe('a checkpoint of offsets', () => {
  it("a checkpoint of offsets is Kafka's, byte for byte", () => {
    const golden = vectorLines('file').find(line => line.startsWith('recovery-point'))
    const text = golden?.split(' ').slice(1).join(' ').replaceAll('\\n', '\n')
    expect(text).toBeDefined()
    expect(formatOffsets(OFFSETS)).toBe(text)
    const parsed = parseOffsets(text as string)
    expect([...parsed]).toEqual([
      ['orders-0', 122],
      ['a-b.c_d-11', 7],
    ])
  })

  it('a checkpoint of offsets may be empty', () => {
    expect(formatOffsets([])).toBe('0\n0\n')
    for (const text of ['', '0', '0\n0', '0\n0\n']) expect(parseOffsets(text).size).toBe(0)
  })

  it('a checkpoint holds offsets up to the largest safe one and large partition numbers', () => {
    const largest = { topic: 't', partition: 99_998, offset: Number.MAX_SAFE_INTEGER }
    const parsed = parseOffsets(formatOffsets([largest]))
    expect([...parsed]).toEqual([['t-99998', 2 ** 53 - 1]])
  })

  it('a checkpoint is read with any spacing of fields and lines', () => {
    const text = '0\n2\n  orders   0\t122 \n\na-b.c_d 11 7\n\n'
    expect(parseOffsets(text)).toEqual(parseOffsets(formatOffsets(OFFSETS)))
  })

  it.each([
    ['an older version', '-1\n0\n', 'version -1 is not known'],
    ['a newer version', '1\n1\norders 0 122\n', 'version 1 is not known'],
    ['no version', 'orders 0 122\n', 'version orders 0 122 is not known'],
    ['zeros', '\0\0\0\0', 'is not known'],
    ['nothing after the version', '0\n', ' lines announced, 0 found'],
    ['fewer lines than announced', '0\n3\norders 0 122\na 1 2\n', '3 lines announced, 2 found'],
    ['more lines than announced', '0\n1\norders 0 122\na 1 2\n', '1 lines announced, 2 found'],
    ['a count that is none', '0\nmany\norders 0 122\n', 'many lines announced'],
    ['too few fields', '0\n1\norders 122\n', 'malformed line "orders 122"'],
    ['too many fields', '0\n1\norders 0 1 122\n', 'malformed line'],
    ['a word for an offset', '0\n1\norders 0 end\n', '"end" is not a number'],
    ['a negative offset', '0\n1\norders 0 -1\n', '"-1" is not a number'],
    ['a fraction', '0\n1\norders 0 1.5\n', '"1.5" is not a number'],
    ['a hexadecimal number', '0\n1\norders 0 0x10\n', '"0x10" is not a number'],
    ['a power of ten', '0\n1\norders 0 1e3\n', '"1e3" is not a number'],
    ['more than a number can hold', `0\n1\norders 0 ${2 ** 53}\n`, 'is not a number'],
    ['a word for a partition', '0\n1\norders zero 122\n', '"zero" is not a number'],
  ])('a checkpoint of offsets with %s is refused', (_, text, reason) => {
    expect(() => parseOffsets(text)).toThrow(CheckpointError)
    expect(() => parseOffsets(text)).toThrow(reason)
  })

  it('a checkpoint that is cut anywhere never gives a wrong offset', () => {
    const text = formatOffsets(OFFSETS)
    const whole = parseOffsets(text)
    for (let end = 2; end < text.length - 1; end++) {
      let cut: ReadonlyMap<string, number> = new Map()
      try {
        cut = parseOffsets(text.slice(0, end))
      } catch (error) {
        expect(error).toBeInstanceOf(CheckpointError)
      }
      // Only the digits of the very last number can be lost without a trace.
      for (const [key, offset] of cut) {
        expect(String(whole.get(key)).startsWith(String(offset)), `cut at ${end}`).toBe(true)
      }
      if (end < text.length - 2) expect(cut.size, `cut at ${end}`).toBe(0)
    }
  })

  it('a checkpoint of any bytes gives offsets or a CheckpointError', () => {
    const random = seededRandom(5)
    const good = Buffer.from(formatOffsets(OFFSETS))
    for (let round = 0; round < 2000; round++) {
      const bytes = Buffer.from(good)
      for (let n = random.int(4); n >= 0; n--) bytes[random.int(bytes.length)] = random.int(256)
      try {
        for (const offset of parseOffsets(bytes.toString('utf8')).values()) {
          expect(Number.isSafeInteger(offset) && offset >= 0).toBe(true)
        }
      } catch (error) {
        expect(error).toBeInstanceOf(CheckpointError)
      }
    }
  })
})

describe('a checkpoint of leader epochs', () => {
  it("a checkpoint of leader epochs is Kafka's", () => {
    const epochs = [
      { epoch: 0, startOffset: 0 },
      { epoch: 5, startOffset: 92 },
    ]
    expect(formatEpochs(epochs)).toBe('0\n2\n0 0\n5 92\n')
    expect(parseEpochs('0\n2\n0 0\n5 92\n')).toEqual(epochs)
    expect(formatEpochs([])).toBe('0\n0\n')
  })

  it.each([
    ['three fields', '0\n1\n0 0 0\n'],
    ['one field', '0\n1\n0\n'],
    ['a negative epoch', '0\n1\n-1 0\n'],
    ['a word', '0\n1\n0 start\n'],
  ])('a checkpoint of leader epochs with %s is refused', (_, text) => {
    expect(() => parseEpochs(text)).toThrow(CheckpointError)
  })
})

describe('the lines of a checkpoint', () => {
  it('the lines of a checkpoint round-trip with any number of fields', () => {
    for (const fields of [1, 2, 5]) {
      const lines = Array.from({ length: 20 }, (_, n) => Array<string>(fields).fill(`w${n}`))
      expect(parseCheckpoint(formatCheckpoint(lines.map(line => line.join(' '))), fields)).toEqual(
        lines,
      )
    }
  })
})
