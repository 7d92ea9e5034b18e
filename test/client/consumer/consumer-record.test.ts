import { describe, expect, it } from 'vitest'
import { crc32c } from '../../../src/base/checksums/crc32c.js'
import { RecordChunk } from '../../../src/client/consumer/consumer-record.js'
import { batchOf } from '../../log/helpers.js'

/** Three records, the second of which announces a header that is not there; its checksum is right. */
function withBrokenRecord(): Buffer {
  const bytes = batchOf(['a', 'b', 'c'])
  const headers = bytes.indexOf('b') + 1
  bytes[headers] = 2
  bytes.writeUInt32BE(crc32c(bytes, 21, bytes.length), 17)
  return bytes
}

function chunkOf(bytes: Buffer): RecordChunk {
  const deserializers = { key: undefined, value: undefined }
  const options = { topic: 'orders', partition: 3, from: 0, checkCrcs: true, deserializers }
  return new RecordChunk(bytes, options)
}

describe('a record that cannot be read', () => {
  it.each([1, 2, 500])('a record that cannot be read is never passed over, with %i records at a time', atOnce => {
    const chunk = chunkOf(withBrokenRecord())
    expect(chunk.take(atOnce).map(({ offset }) => offset)).toEqual([0])
    for (let time = 0; time < 3; time++) {
      expect(() => chunk.take(atOnce)).toThrow(/INVALID_RECORD: orders-3: the batch at offset 0 can/)
      expect(chunk.nextOffset).toBe(1)
    }
  })

  it('a record that cannot be read stops the reader also as the first of a batch', () => {
    const bytes = withBrokenRecord()
    const chunk = chunkOf(Buffer.concat([batchOf(['x']), moved(bytes, 1)]))
    expect(chunk.take(9).map(({ offset }) => offset)).toEqual([0, 1])
    expect(() => chunk.take(9)).toThrow('the batch at offset 1 cannot be read')
  })
})

function moved(bytes: Buffer, offset: number): Buffer {
  bytes.writeBigInt64BE(BigInt(offset), 0)
  return bytes
}

it('an offset that comes again in a batch is passed over, however many are read at once', () => {
  const bytes = batchOf(['a', 'b', 'c', 'd'])
  for (const [value, delta] of [['b', 0], ['c', 2], ['d', 1]] as const) {
    const at = bytes.indexOf(value) - 3 // before it: the offset, no key, the length of the value
    bytes[at] = 2 * delta
  }
  bytes.writeUInt32BE(crc32c(bytes, 21, bytes.length), 17)
  for (const atOnce of [1, 2, 500]) {
    const chunk = chunkOf(bytes)
    const offsets: number[] = []
    for (let taken = chunk.take(atOnce); taken.length > 0; taken = chunk.take(atOnce)) {
      offsets.push(...taken.map(({ offset }) => offset))
    }
    expect(offsets).toEqual([0, 2])
  }
})
