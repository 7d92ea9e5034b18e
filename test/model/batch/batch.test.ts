import { describe, expect, it } from 'vitest'
import { putInt64 } from '../../../src/base/bytes.js'
import { BatchBuilder, type BatchOptions } from '../../../src/model/batch/batch-builder.js'
import {
  assignOffset,
  Batch,
  BATCH_HEADER_BYTES,
  BROKEN,
  frameAt,
  SHORT,
  stampLogAppendTime,
  whyBroken,
  whyInvalid,
  writeHeader,
} from '../../../src/model/batch/batch.js'
import { isReadable } from '../../../src/model/batch/compression.js'
import { controlTypeOf } from '../../../src/model/batch/control.js'
import { RecordCursor } from '../../../src/model/batch/record-cursor.js'
import { keyText, valueText } from './records.js'
import { vector } from '../../golden/vectors.js'

const T = 1_700_000_000_000

/** The three records of Kafka's golden vectors. */
function goldenRecords(options: BatchOptions = {}): Buffer {
  const builder = new BatchBuilder(Buffer.alloc(1024))
  builder.tryAppend(T, 'k1', 'v1', [])
  builder.tryAppend(T + 5, null, 'no-key', [
    ['h', 'x'],
    ['n', null],
  ])
  builder.tryAppend(T + 3, Buffer.from('k3'), null, [])
  return builder.build(options)
}

function at(bytes: Buffer): Batch {
  return new Batch(bytes, 0)
}

function patched(bytes: Buffer, offset: number, epoch: number): Buffer {
  assignOffset(at(bytes), offset, epoch)
  return bytes
}

describe("Kafka's own bytes", () => {
  it('a plain batch of Kafka is read byte for byte', () => {
    expect(goldenRecords()).toEqual(vector('plain'))
  })

  it('offset and epoch are patched without changing the CRC', () => {
    expect(patched(goldenRecords(), 100, 7)).toEqual(vector('plain_epoch7_off100'))
  })

  it('an idempotent batch of Kafka is read', () => {
    const bytes = goldenRecords({ producerId: 4242, producerEpoch: 3, baseSequence: 17 })
    expect(patched(bytes, 0, 0)).toEqual(vector('idempotent'))
  })

  it('a batch of Kafka with log-append time is read', () => {
    const bytes = patched(goldenRecords(), 1000, 4)
    stampLogAppendTime(at(bytes), T + 99_999)
    expect(bytes).toEqual(vector('logappend_off1000'))
    const cursor = new RecordCursor(at(bytes))
    expect(cursor.next() && cursor.timestamp).toBe(T + 99_999)
  })

  it('a gzip batch of Kafka has the same records in different bytes', () => {
    const ours = goldenRecords({ codec: 'gzip' })
    expect(readAll(at(ours))).toEqual(readAll(at(vector('gzip'))))
    expect(readAll(at(ours))).toEqual(readAll(at(vector('plain'))))
  })

  it.each(['snappy', 'lz4', 'zstd'] as const)('a batch of Kafka in %s is read', codec => {
    const batch = at(vector(codec))
    expect(whyInvalid(batch)).toBeUndefined()
    expect(batch.codec).toBe(codec)
    if (isReadable(codec)) expect(readAll(batch)).toEqual(readAll(at(vector('plain'))))
    else expect(() => new RecordCursor(batch)).toThrow(`${codec} needs Node`)
  })

  it.each([
    ['abort_marker', 'ABORT'],
    ['commit_marker', 'COMMIT'],
  ] as const)('%s', (name, type) => {
    const batch = at(vector(name))
    expect(batch.isControl && batch.isTransactional).toBe(true)
    expect(batch.baseOffset).toBe(55)
    expect(controlTypeOf(batch)).toBe(type)
  })

  it('a batch that compaction has emptied is read', () => {
    const batch = at(vector('empty_batch'))
    expect(whyInvalid(batch)).toBeUndefined()
    expect([batch.recordsCount, batch.baseOffset, batch.nextOffset]).toEqual([0, 100, 103])
    expect(readAll(batch)).toEqual([])
  })
})

function readAll(batch: Batch): unknown[] {
  const cursor = new RecordCursor(batch)
  const records: unknown[] = []
  while (cursor.next()) {
    const { offset, timestamp, headers } = cursor
    const pairs = headers.map(({ key, value }) => [key, value && Buffer.from(value).toString()])
    records.push([offset, timestamp - T, keyText(cursor), valueText(cursor), pairs])
  }
  return records
}

describe('records', () => {
  it('records are read as they were written', () => {
    expect(readAll(at(vector('plain')))).toEqual([
      [0, 0, 'k1', 'v1', []],
      [
        1,
        5,
        null,
        'no-key',
        [
          ['h', 'x'],
          ['n', null],
        ],
      ],
      [2, 3, 'k3', null, []],
    ])
  })

  it('text of every length and width round-trips', () => {
    const letters = ['a', 'ß', '€', '😀']
    for (const letter of letters) {
      for (const length of [0, 1, 21, 31, 32, 33, 63, 64, 65, 127, 2730, 8191, 8192]) {
        const text = letter.repeat(length)
        const builder = new BatchBuilder(Buffer.alloc(200_000))
        expect(builder.tryAppend(T, text, text, [[text, text]])).toBe(true)
        const bytes = builder.build()
        expect(readAll(at(bytes))).toEqual([[0, 0, text, text, [[text, text]]]])
      }
    }
  })

  it('null, empty and binary values stay distinct', () => {
    const binary = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))
    const builder = new BatchBuilder(Buffer.alloc(2048))
    builder.tryAppend(T, null, null, [])
    builder.tryAppend(T, '', new Uint8Array(0), [['', '']])
    builder.tryAppend(T, binary, binary, [
      ['b', binary],
      ['b', null],
    ])
    const cursor = new RecordCursor(at(builder.build()))
    cursor.next()
    expect([cursor.key, cursor.value]).toEqual([null, null])
    cursor.next()
    expect([cursor.key, cursor.value]).toEqual([Buffer.alloc(0), Buffer.alloc(0)])
    expect(cursor.headers).toEqual([{ key: '', value: Buffer.alloc(0) }])
    cursor.next()
    expect([cursor.key, cursor.value]).toEqual([binary, binary])
    expect(cursor.headers.map(header => header.value)).toEqual([binary, null])
    expect(cursor.next()).toBe(false)
  })

  it('timestamps may go back or be absent', () => {
    const builder = new BatchBuilder(Buffer.alloc(1024))
    const times = [T, T - 86_400_000, -1, T + 2 ** 40]
    for (const time of times) builder.tryAppend(time, null, '', [])
    const batch = at(builder.build())
    expect(batch.maxTimestamp).toBe(T + 2 ** 40)
    const cursor = new RecordCursor(batch)
    for (const time of times) expect(cursor.next() && cursor.timestamp).toBe(time)
  })
})

describe('BatchBuilder', () => {
  it('a record that does not fit is refused and nothing of it is written', () => {
    const builder = new BatchBuilder(Buffer.alloc(200))
    expect(builder.tryAppend(T, 'key', 'x'.repeat(90), [])).toBe(true)
    const size = builder.size
    expect(builder.tryAppend(T, 'key', 'x'.repeat(90), [])).toBe(false)
    expect([builder.size, builder.count]).toEqual([size, 1])
  })

  it('ASCII text fills the room to the last byte', () => {
    const builder = new BatchBuilder(Buffer.alloc(BATCH_HEADER_BYTES + 36 + 500))
    expect(builder.tryAppend(T, null, 'x'.repeat(500), [])).toBe(true)
  })
})

describe('framing', () => {
  it('a frame is a size, SHORT or BROKEN', () => {
    const bytes = vector('plain')
    expect(frameAt(bytes, 0, bytes.length)).toBe(bytes.length)
    expect(frameAt(bytes, 0, 16)).toBe(SHORT)
    expect(frameAt(bytes, 0, 17)).toBe(bytes.length)
    expect(frameAt(Buffer.alloc(100), 0, 100)).toBe(BROKEN)
  })

  it('old message formats are named', () => {
    const old = Buffer.from(vector('plain'))
    old[16] = 1
    expect(frameAt(old, 0, old.length)).toBe(BROKEN)
    expect(whyBroken(old, 0)).toContain('message format 1')
  })
})

describe('whyInvalid', () => {
  it('whyInvalid finds any single flipped bit that the CRC covers', () => {
    const good = vector('plain')
    for (let bit = 17 * 8; bit < good.length * 8; bit++) {
      const bytes = Buffer.from(good)
      bytes[bit >> 3]! ^= 1 << (bit & 7)
      expect(whyInvalid(at(bytes)), `bit ${bit}`).toContain('CRC')
    }
  })

  it('whyInvalid finds a header that contradicts itself under a valid CRC', () => {
    const header = { lastOffsetDelta: 0, baseTimestamp: T, maxTimestamp: T, recordsCount: 1 }
    const bytes = Buffer.alloc(BATCH_HEADER_BYTES + 7)
    writeHeader(bytes, 0, bytes.length, { ...header, recordsCount: 2 })
    expect(whyInvalid(at(bytes))).toBe('2 records in 1 offsets')
    writeHeader(bytes, 0, bytes.length, { ...header, lastOffsetDelta: -1 })
    expect(whyInvalid(at(bytes))).toBe('last offset delta is -1')
    writeHeader(bytes, 0, bytes.length, header)
    putInt64(bytes, -5, 0)
    expect(whyInvalid(at(bytes))).toBe('base offset -5 is impossible')
  })
})

describe('RecordCursor', () => {
  it('a cursor answers any damage to the records with a typed error', () => {
    const good = vector('plain')
    for (let position = BATCH_HEADER_BYTES; position < good.length; position++) {
      for (const byte of [0x00, 0x01, 0x7f, 0x80, 0xff]) {
        const bytes = Buffer.from(good)
        bytes[position] = byte
        try {
          readAll(at(bytes))
        } catch (error) {
          expect(error).toMatchObject({ code: 'INVALID_RECORD' })
        }
      }
    }
  })

  it('a cursor refuses a count that the bytes cannot hold before reading', () => {
    const bytes = Buffer.from(vector('plain'))
    bytes.writeInt32BE(2 ** 31 - 1, 57)
    expect(() => new RecordCursor(at(bytes))).toThrow('cannot fit')
  })

  it('a cursor refuses a gzip stream that is cut off or claims too much', () => {
    const bytes = Buffer.from(vector('gzip'))
    bytes.fill(0xff, 80, 90)
    expect(() => new RecordCursor(at(bytes))).toThrow('gzip stream is damaged')
  })
})
