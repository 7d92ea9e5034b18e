import { expect, it } from 'vitest'
import { decodeAborted, encodeAborted } from '../../../src/log/format/transaction-index.js'

const entry = (lastOffset: number, firstOffset = 0) => ({
  producerId: 5,
  firstOffset,
  lastOffset,
  lastStableOffset: lastOffset + 1,
})

function decoded(bytes: Uint8Array) {
  const problems: string[] = []
  const entries = decodeAborted(bytes, (position, problem) =>
    problems.push(`${position}: ${problem}`),
  )
  return { entries, problems }
}

it('an entry has 34 bytes, in the order of Kafka', () => {
  expect(encodeAborted([entry(9, 4)]).toString('hex')).toBe(
    '0000' + '0000000000000005' + '0000000000000004' + '0000000000000009' + '000000000000000a',
  )
})

it('what is written is read again', () => {
  const entries = [entry(3), entry(8, 2), entry(9, 8)]
  expect(decoded(encodeAborted(entries))).toEqual({ entries, problems: [] })
})

it('each entry that cannot be right is told with its position', () => {
  const bytes = encodeAborted([entry(8), entry(3), entry(9, 10), entry(12)])
  bytes.writeInt16BE(1, 3 * 34)
  expect(decoded(bytes.subarray(0, 4 * 34)).problems).toEqual([
    '34: offsets do not ascend',
    '68: offset 9 does not come after 10',
    '102: version 1 is not known',
  ])
  expect(decoded(bytes.subarray(0, 40)).problems).toEqual(['34: the file ends inside an entry'])
  bytes.fill(0xff, 2, 10)
  expect(decoded(bytes.subarray(0, 34))).toEqual({
    entries: [],
    problems: ['0: a number is impossible'],
  })
})

it('zeros, as a power cut may leave them, are no entry', () => {
  expect(decoded(Buffer.alloc(34)).entries).toEqual([])
})
