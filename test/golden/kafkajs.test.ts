/** partlog reads what kafkajs writes, and writes the same bytes from the same records. */

import { describe, expect, it } from 'vitest'
import { BatchBuilder, type BatchOptions } from '../../src/model/batch/batch-builder.js'
import { assignOffset, Batch, BATCH_HEADER_BYTES, whyInvalid } from '../../src/model/batch/batch.js'
import { RecordCursor } from '../../src/model/batch/record-cursor.js'
import { keyText, valueText } from '../model/batch/records.js'
import { KAFKAJS_BATCHES, type GoldenBatch, type GoldenRecord } from './kafkajs.js'

const CASES = KAFKAJS_BATCHES.map(golden => [golden.name, golden] as const)
const UNCOMPRESSED = CASES.filter(([, { batch }]) => batch.codec === 'none')
const COMPRESSED = CASES.filter(([, { batch }]) => batch.codec !== 'none')

const inText = (text: string): string => text
const inBytes = (text: string): Uint8Array => Buffer.from(text)

/** The records as partlog reads them, in the form of the golden file. */
function recordsOf(batch: Batch): GoldenRecord[] {
  const cursor = new RecordCursor(batch)
  const records: GoldenRecord[] = []
  while (cursor.next()) {
    expect(cursor.offset).toBe(batch.baseOffset + records.length)
    expect(cursor.timestampType).toBe('CreateTime')
    const headers = cursor.headers.map(
      ({ key, value }) => [key, Buffer.from(value as Uint8Array).toString()] as const,
    )
    const { timestamp } = cursor
    const [key, value] = [keyText(cursor), valueText(cursor)]
    records.push({ timestamp, key, value, headers })
  }
  return records
}

/** The same batch made by partlog; keys, values and headers go in as `form` gives them. */
function built(golden: GoldenBatch, form: (text: string) => string | Uint8Array): Batch {
  const { codec, producerId, producerEpoch, firstSequence } = golden.batch
  const builder = new BatchBuilder(Buffer.alloc(8 << 20))
  for (const { timestamp, key, value, headers } of golden.records) {
    const pairs = headers.map(([name, content]) => [name, form(content)] as const)
    const keyIn = key === null ? null : form(key)
    expect(builder.tryAppend(timestamp, keyIn, value === null ? null : form(value), pairs)).toBe(
      true,
    )
  }
  const options: BatchOptions = { codec, producerId, producerEpoch, baseSequence: firstSequence }
  const batch = new Batch(builder.build(options), 0)
  assignOffset(batch, 0, golden.batch.partitionLeaderEpoch)
  return batch
}

describe('a batch of kafkajs', () => {
  it.each(CASES)('a batch of kafkajs is read: %s', (_, golden) => {
    const batch = new Batch(golden.bytes, 0)
    const timestamps = golden.records.map(({ timestamp }) => timestamp)
    expect(whyInvalid(batch)).toBeUndefined()
    expect(batch.size).toBe(golden.bytes.length)
    expect({
      codec: batch.codec,
      partitionLeaderEpoch: batch.leaderEpoch,
      producerId: batch.producerId,
      producerEpoch: batch.producerEpoch,
      firstSequence: batch.baseSequence,
      transactional: batch.isTransactional,
    }).toEqual(golden.batch)
    expect(batch.isControl || batch.hasDeleteHorizon).toBe(false)
    expect(batch.timestampType).toBe('CreateTime')
    expect([batch.baseOffset, batch.nextOffset]).toEqual([0, golden.records.length])
    expect(batch.recordsCount).toBe(golden.records.length)
    expect(batch.baseTimestamp).toBe(timestamps[0])
    expect(batch.maxTimestamp).toBe(Math.max(...timestamps))
    expect(recordsOf(batch)).toEqual(golden.records)
  })

  it.each(CASES)('the CRC of a kafkajs batch detects any flipped bit: %s', (_, golden) => {
    // One bit of every byte, in large batches of some; 21 is where the cover of the CRC begins.
    const step = Math.max(1, Math.floor(golden.bytes.length / 64))
    for (let at = 21; at < golden.bytes.length; at += step) {
      const bytes = Buffer.from(golden.bytes)
      bytes[at]! ^= 1 << (at % 8)
      expect(new Batch(bytes, 0).hasValidCrc).toBe(false)
    }
  })
})

describe('the same records give the same bytes', () => {
  describe.each([
    ['as text', inText],
    ['as bytes', inBytes],
  ] as const)('%s', (_, form) => {
    it.each(UNCOMPRESSED)('%s', (_, golden) => {
      const { bytes } = built(golden, form)
      // A transaction's flag comes with transactions, and the CRC covers it: the records, then.
      const from = golden.batch.transactional ? BATCH_HEADER_BYTES : 0
      expect(bytes.subarray(from).equals(golden.bytes.subarray(from))).toBe(true)
    })

    it.each(COMPRESSED)('compressed batches hold the same records: %s', (_, golden) => {
      const batch = built(golden, form)
      expect(batch.codec).toBe(golden.batch.codec)
      expect(whyInvalid(batch)).toBeUndefined()
      expect(recordsOf(batch)).toEqual(golden.records)
    })
  })
})
