/** Rows are the records that the cursor reads one by one, or there are none. */

import { expect, it } from 'vitest'
import { seededRandom } from '../../../src/base/random.js'
import { plainRows, type RowFacts } from '../../../src/log/inspection/stored-row.js'
import { Batch } from '../../../src/model/batch/batch.js'
import { BatchBuilder } from '../../../src/model/batch/batch-builder.js'
import { RecordCursor } from '../../../src/model/batch/record-cursor.js'
import type { HeaderIn } from '../../../src/model/batch/record.js'

const FACTS: RowFacts = {
  topic: 't',
  partition: 3,
  timestampType: 'CreateTime' as const,
  leaderEpoch: 5,
  isControl: false,
}

function batchWith(records: number, { headersAt = -1, codec = 'none' as 'none' | 'gzip' } = {}) {
  const random = seededRandom(records)
  const builder = new BatchBuilder(Buffer.alloc(1 << 20))
  for (let n = 0; n < records; n++) {
    const key = random.int(4) === 0 ? null : random.bytes(random.int(80))
    const value = random.int(6) === 0 ? null : random.bytes(random.int(300))
    const headers: HeaderIn[] = n === headersAt ? [['h', 'x']] : []
    expect(builder.tryAppend(1_000 + random.int(9_999), key, value, headers)).toBe(true)
  }
  // Behind other bytes, as in a file.
  return new Batch(Buffer.concat([Buffer.alloc(7), builder.build({ codec })]), 7)
}

it.each([
  [1, 'none'],
  [700, 'none'],
  [1500, 'gzip'],
] as const)('%i records, %s: rows have the bytes, and the text of the bytes', (count, codec) => {
  const batch = batchWith(count, { codec })
  const rows = plainRows(batch, FACTS)
  expect(rows).toHaveLength(count)
  const cursor = new RecordCursor(batch)
  for (const row of rows ?? []) {
    cursor.next()
    const { offset, timestamp, key, value, headers } = cursor
    expect(row.toJSON()).toEqual({ ...FACTS, offset, timestamp, key, value, headers })
    const text = (bytes: Uint8Array | null) => bytes && Buffer.from(bytes).toString('latin1')
    expect([row.keyText, row.valueText]).toEqual([text(key), text(value)])
  }
})

it('a batch with headers in one record has no rows', () => {
  expect(plainRows(batchWith(600, { headersAt: 599 }), FACTS)).toBeUndefined()
})

it('a batch whose offsets do not rise, or with bytes behind its records, has no rows', () => {
  const batch = batchWith(3)
  const bytes = Buffer.from(batch.bytes)
  // The offset delta of the first record stands behind its length, attributes and time.
  const at = new RecordCursor(new Batch(bytes, 0))
  at.next()
  bytes[at.fieldsRange.start - 1] = 0x7e
  expect(plainRows(new Batch(bytes, 0), FACTS)).toBeUndefined()
  const longer = Buffer.concat([batch.bytes, Buffer.of(0)])
  longer.writeInt32BE(longer.length - 12, 8)
  expect(() => plainRows(new Batch(longer, 0), FACTS)).toThrow('1 bytes left over')
})
