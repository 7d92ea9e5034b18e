import { gzipSync } from 'node:zlib'
import { describe, expect, it, onTestFinished } from 'vitest'
import { crc32c } from '../../src/base/checksums/crc32c.js'
import { logConfig, type LogConfig } from '../../src/log/format/log-config.js'
import { BatchBuilder, type BatchOptions } from '../../src/model/batch/batch-builder.js'
import { Batch, BATCH_HEADER_BYTES, writeHeader } from '../../src/model/batch/batch.js'
import { isReadable, type Codec } from '../../src/model/batch/compression.js'
import { parseTopicConfig } from '../../src/model/topic-settings.js'
import { admit, inTopicsCodec, type Origin } from '../../src/partition/admission.js'
import { vector } from '../golden/vectors.js'
import { withoutZstd } from '../model/without-zstd.js'

const NOW = Date.UTC(2026, 0, 1)
const HOUR = 3_600_000

function config(settings: Record<string, unknown> = {}): LogConfig {
  return logConfig(parseTopicConfig(settings))
}

/** A batch with records of these times, keys being given or not. */
function batchAt(
  times: readonly number[],
  key: string | null = 'k',
  options?: BatchOptions,
): Buffer {
  const builder = new BatchBuilder(Buffer.alloc(4096))
  for (const time of times) builder.tryAppend(time, key, 'value', [])
  return Buffer.from(builder.build(options))
}

const GOOD = (): Buffer => batchAt([NOW, NOW + 1])

/** A batch with one good record under a header of its own. */
function withHeader(header: Partial<Parameters<typeof writeHeader>[3]>): Buffer {
  const bytes = batchAt([NOW])
  const times = { baseTimestamp: NOW, maxTimestamp: NOW }
  writeHeader(bytes, 0, bytes.length, { lastOffsetDelta: 0, recordsCount: 1, ...times, ...header })
  return bytes
}

function refusal(
  records: Uint8Array,
  settings: Record<string, unknown> = {},
  origin: Origin = 'foreign',
): string {
  try {
    admit(records, { config: config(settings), now: NOW, origin })
  } catch (error) {
    expect(error).toMatchObject({ name: 'PartlogError' })
    return (error as Error).message
  }
  return 'admitted'
}

describe('a batch from a producer', () => {
  it('a valid batch is admitted without a copy of its bytes', () => {
    const bytes = GOOD()
    const before = Buffer.from(bytes)
    const { batch } = admit(bytes, { config: config(), now: NOW })
    expect(batch.recordsCount).toBe(2)
    expect(batch.buffer.buffer).toBe(bytes.buffer)
    expect(bytes.equals(before)).toBe(true)
  })

  it.each([{ codec: 'gzip' }, { producerId: 7, producerEpoch: 1, baseSequence: 3 }] as const)(
    'a batch with %j is admitted',
    options => {
      expect(refusal(batchAt([NOW], 'k', options))).toBe('admitted')
    },
  )

  it.each(['snappy', 'lz4', 'zstd'])('a batch of Kafka in %s is admitted', codec => {
    expect(refusal(vector(codec))).toBe('admitted')
  })

  it('a batch in a Uint8Array with a byte offset is admitted', () => {
    const memory = new Uint8Array(1000)
    memory.set(GOOD(), 99)
    expect(refusal(memory.subarray(99, 99 + GOOD().length))).toBe('admitted')
  })
})

describe('bytes that are no batch', () => {
  it('no bytes and every prefix of a batch are refused', () => {
    const good = GOOD()
    for (let length = 0; length < good.length; length++) {
      expect(refusal(good.subarray(0, length)), `${length} bytes`).toMatch(
        /^INVALID_RECORD: \d+ bytes hold no whole batch$/,
      )
    }
  })

  it('two batches in one request are refused', () => {
    expect(refusal(Buffer.concat([GOOD(), GOOD()]))).toMatch(/^INVALID_RECORD: .* not several$/)
    expect(refusal(Buffer.concat([GOOD(), Buffer.alloc(1)]))).toMatch(/^INVALID_RECORD/)
  })

  it.each([
    [0, 'INVALID_RECORD: message format 0 of Kafka before 0.11'],
    [1, 'INVALID_RECORD: message format 1 of Kafka before 0.11'],
    [3, 'CORRUPT_MESSAGE: magic is 3, expected 2'],
  ])('a batch of magic %i is refused', (magic, reason) => {
    const bytes = GOOD()
    bytes[16] = magic
    expect(refusal(bytes)).toContain(reason)
  })

  it('a batch with one flipped bit from the checksum on is refused', () => {
    const good = GOOD()
    for (let at = 17; at < good.length; at++) {
      const bytes = Buffer.from(good)
      bytes[at]! ^= 0x04
      expect(refusal(bytes), `byte ${at}`).toMatch(/^CORRUPT_MESSAGE: .*CRC-32C does not match/)
    }
  })

  it('a batch with a wrong length is refused', () => {
    for (const length of [-1, 0, 48, 2 ** 31 - 1]) {
      const bytes = GOOD()
      bytes.writeInt32BE(length, 8)
      // Of one that is too long the rest may be missing.
      expect(refusal(bytes)).toMatch(length > 48 ? /^INVALID_RECORD/ : /^CORRUPT_MESSAGE/)
    }
  })
})

describe('a batch that contradicts itself is refused', () => {
  it.each([
    ['a negative delta', { lastOffsetDelta: -1 }, 'INVALID_RECORD'],
    ['more records than offsets', { recordsCount: 2 }, 'INVALID_RECORD'],
    ['fewer records than offsets', { lastOffsetDelta: 1 }, 'INVALID_RECORD: 1 records for 2'],
    ['no records', { recordsCount: 0 }, 'INVALID_RECORD: 0 records for 1'],
    ['a negative count', { recordsCount: -1 }, 'INVALID_RECORD'],
    ['a control batch', { isControl: true }, 'INVALID_RECORD: producers write no control'],
    ['a transaction without a producer', { isTransactional: true }, 'INVALID_RECORD: a transaction'],
    ['an id without a sequence', { producerId: 7, producerEpoch: 0 }, 'INVALID_RECORD: producer 7'],
    ['an id without an epoch', { producerId: 7, baseSequence: 0 }, 'INVALID_RECORD: producer 7'],
    [
      'append time, which is not for producers to set',
      { timestampType: 'LogAppendTime' as const },
      'INVALID_TIMESTAMP',
    ],
  ])('a contradictory batch is refused: %s', (_, header, reason) => {
    expect(refusal(withHeader(header))).toContain(reason)
  })

  it.each([5, 6, 7])('a batch with the unknown codec %i is refused', codec => {
    const bytes = withHeader({})
    bytes.writeInt16BE(codec, 21)
    bytes.writeUInt32BE(crc32c(bytes, 21), 17)
    expect(refusal(bytes)).toBe(
      `INVALID_RECORD: the batch is refused: codec ${codec} does not exist`,
    )
  })
})

describe('the size of a batch', () => {
  it('a batch larger than max.message.bytes is refused', () => {
    const { length } = GOOD()
    expect(refusal(GOOD(), { 'max.message.bytes': length })).toBe('admitted')
    expect(refusal(GOOD(), { 'max.message.bytes': length - 1 })).toBe(
      `MESSAGE_TOO_LARGE: a batch of ${length} bytes is larger than max.message.bytes ` +
        `(${length - 1})`,
    )
  })

  it('the size of a batch is checked before its checksum', () => {
    const bytes = GOOD()
    bytes[30]! ^= 1
    expect(refusal(bytes, { 'max.message.bytes': 10 })).toContain('MESSAGE_TOO_LARGE')
  })
})

describe('the times of records', () => {
  const AFTER = { 'message.timestamp.after.max.ms': HOUR }
  const BEFORE = { 'message.timestamp.before.max.ms': HOUR }

  it.each([
    [[NOW + HOUR], AFTER, true],
    [[NOW + HOUR + 1], AFTER, false],
    [[NOW, NOW + HOUR + 1, NOW], AFTER, false],
    [[NOW - HOUR], BEFORE, true],
    [[NOW - HOUR - 1], BEFORE, false],
    [[NOW, NOW - HOUR - 1, NOW], BEFORE, false],
    // Without a limit the past is as far away as one likes.
    [[0, 1], {}, true],
    // No time is not an old time.
    [[-1, NOW], BEFORE, true],
    [[NOW + HOUR + 1], {}, false],
  ])('record times %j with %j: admitted %s', (times, settings, isGood) => {
    const answer = refusal(batchAt(times), settings)
    if (isGood) expect(answer).toBe('admitted')
    else expect(answer).toMatch(/^INVALID_TIMESTAMP: record time \d+ lies more than 3600000 ms/)
  })

  it('record times are not checked if the broker sets them', () => {
    const settings = { 'message.timestamp.type': 'LogAppendTime', ...AFTER, ...BEFORE }
    expect(refusal(batchAt([0, NOW + 9 * HOUR]), settings)).toBe('admitted')
  })

  it('damaged records whose times cannot be read are an error', () => {
    const bytes = withHeader({})
    bytes[BATCH_HEADER_BYTES] = 0x02
    const batch = new Batch(bytes, 0)
    const times = { baseTimestamp: NOW, maxTimestamp: NOW }
    writeHeader(bytes, 0, batch.size, { lastOffsetDelta: 0, recordsCount: 1, ...times })
    expect(refusal(bytes, BEFORE)).toMatch(/^INVALID_RECORD/)
  })
})

describe('a compacted topic', () => {
  const COMPACT = { 'cleanup.policy': 'compact' }

  it('a compacted topic refuses records without a key', () => {
    expect(refusal(batchAt([NOW, NOW]), COMPACT)).toBe('admitted')
    expect(refusal(batchAt([NOW], ''), COMPACT)).toBe('admitted')
    expect(refusal(batchAt([NOW], null), COMPACT)).toBe(
      'INVALID_RECORD: records of a compacted topic need a key',
    )
    const builder = new BatchBuilder(Buffer.alloc(500))
    builder.tryAppend(NOW, 'k', 'v', [])
    builder.tryAppend(NOW, null, 'v', [])
    expect(refusal(builder.build(), COMPACT)).toContain('need a key')
    expect(refusal(builder.build())).toBe('admitted')
  })
})

describe('a batch that has come over a wire', () => {
  const foreign = (records: Uint8Array): string => refusal(records, {}, 'foreign')

  it('a valid batch from a wire is admitted', () => {
    expect(foreign(GOOD())).toBe('admitted')
    expect(foreign(batchAt([NOW], null))).toBe('admitted')
  })

  it.each([
    [{ recordsCount: 2, lastOffsetDelta: 1 }, /^INVALID_RECORD: /],
    [{ baseOffset: 7 }, /^INVALID_RECORD: base offset 7/],
  ])('a batch from a wire with %j is refused', (header, sentence) => {
    expect(foreign(withHeader(header))).toMatch(sentence)
    // Our own producers are believed: their brokers may have written offsets already.
    expect(refusal(withHeader(header), {}, 'own')).toBe('admitted')
  })

  it('a batch from a wire is refused if its records do not match its header', () => {
    const bytes = batchAt([NOW, NOW])
    const times = { baseTimestamp: NOW, maxTimestamp: NOW }
    writeHeader(bytes, 0, bytes.length, { lastOffsetDelta: 0, recordsCount: 1, ...times })
    expect(foreign(bytes)).toMatch(/^INVALID_RECORD: .*bytes left over/)
    const shifted = batchAt([NOW])
    shifted[BATCH_HEADER_BYTES + 3] = 0x02 // the offset delta, zigzag
    writeHeader(shifted, 0, shifted.length, { lastOffsetDelta: 0, recordsCount: 1, ...times })
    expect(foreign(shifted)).toBe('INVALID_RECORD: record 0 has offset delta 1 instead of 0')
  })

  it('a wrong checksum is refused before the records are read', () => {
    const bytes = withHeader({ recordsCount: 2, lastOffsetDelta: 1 })
    bytes[17]! ^= 1
    expect(foreign(bytes)).toMatch(/^CORRUPT_MESSAGE/)
  })

  it('a batch whose codec this Node cannot read stays opaque', () => {
    onTestFinished(withoutZstd())
    expect(foreign(vector('zstd'))).toBe('admitted')
    expect(foreign(packed('zstd', Buffer.from('no stream at all'), 2))).toBe('admitted')
  })

  const READ = (['snappy', 'lz4', 'zstd'] as const).filter(codec => isReadable(codec))
  it.each(READ)('a batch in %s is unpacked and checked', codec => {
    const stream = new Batch(vector(codec), 0).payload
    expect(foreign(packed(codec, stream, 3))).toBe('admitted')
    expect(foreign(packed(codec, stream, 4))).toMatch(/^INVALID_RECORD/)
    expect(foreign(packed(codec, stream, 2))).toMatch(/^INVALID_RECORD: .*bytes left over/)
    expect(foreign(packed(codec, stream.subarray(0, -5), 3))).toMatch(/^INVALID_RECORD: .*damaged/)
    const garbage = Buffer.from('no stream at all')
    expect(foreign(packed(codec, garbage, 3))).toMatch(/^INVALID_RECORD: .* stream is damaged/)
  })

  const plain = batchAt([NOW, NOW]).subarray(BATCH_HEADER_BYTES)
  it.each<[string, Buffer, number, RegExp]>([
    ['what it says', gzipSync(plain), 2, /^admitted$/],
    ['fewer records than it says', gzipSync(plain), 3, /^INVALID_RECORD/],
    ['more records than it says', gzipSync(plain), 1, /^INVALID_RECORD: .*bytes left over/],
    ['a byte behind its records', gzipSync(Buffer.concat([plain, Buffer.alloc(1)])), 2, /left over/],
    ['a record cut short', gzipSync(plain.subarray(0, -1)), 2, /^INVALID_RECORD/],
    ['no gzip', Buffer.from('this is no gzip stream'), 2, /^INVALID_RECORD: gzip stream is damaged/],
    ['a gzip stream cut short', gzipSync(plain).subarray(0, -9), 2, /^INVALID_RECORD: gzip/],
    ['a bomb', gzipSync(Buffer.alloc(70e6)), 2, /^INVALID_RECORD: gzip stream grows beyond 67108864/],
    ['no record at all', gzipSync('hello, I am no record at all'), 2, /^(INVALID_RECORD|CORRUPT)/],
  ])('a gzip batch is unpacked and checked: %s', (_, stream, count, sentence) => {
    expect(foreign(packed('gzip', stream, count))).toMatch(sentence)
  })

  it.each(['gzip', 'snappy', 'lz4'] as const)(
    'max.decompressed.message.bytes bounds the records of a batch in %s, and what it may become',
    codec => {
      const sizeOf = (records: number, bytesMax: number, text: string): string =>
        refusal(batchAt(Array<number>(records).fill(NOW), text, { codec }), {
          'max.decompressed.message.bytes': bytesMax,
        })
      const body = new Batch(batchAt([NOW], 'k'), 0).payload.length - 1
      expect(sizeOf(1, body, 'k')).toBe('admitted')
      expect(sizeOf(1, body - 1, 'k')).toBe(
        `INVALID_RECORD: record 0 has ${body} bytes; max.decompressed.message.bytes is ${body - 1}`,
      )
      expect(sizeOf(3, 100, 'x'.repeat(1_000))).toBe(
        `INVALID_RECORD: ${codec} stream grows beyond 315 bytes`,
      )
    },
  )

  it.each(['none', 'gzip', 'snappy', 'lz4'] as const)(
    'a batch in %s with more records than its bytes can hold is refused',
    codec => {
      const all = foreign(packed(codec, Buffer.alloc(70), 2 ** 31 - 1))
      expect(all).toMatch(/^INVALID_RECORD: 2147483647 records are announced, 70 bytes of/)
    },
  )

  it('a zstd batch with more records than 64 MiB can hold is refused', () => {
    onTestFinished(withoutZstd()) // the header alone
    const stream = Buffer.alloc(70)
    const most = Math.floor((64 * 1024 * 1024) / 7)
    expect(foreign(packed('zstd', stream, most))).toBe('admitted')
    expect(foreign(packed('zstd', stream, most + 1))).toMatch(/^INVALID_RECORD: /)
  })
})

/** A batch with a good checksum round these bytes. */
function packed(codec: Codec, stream: Buffer, recordsCount: number): Buffer {
  const bytes = Buffer.concat([Buffer.alloc(BATCH_HEADER_BYTES), stream])
  const times = { baseTimestamp: NOW, maxTimestamp: NOW }
  const header = { lastOffsetDelta: recordsCount - 1, recordsCount, codec, ...times }
  writeHeader(bytes, 0, bytes.length, header)
  return bytes
}

/** A gzip stream with a good checksum round it, and no records in it. */
const packedJunk = (): Buffer => packed('gzip', gzipSync('hello, I am no record at all'), 2)

describe("a topic's compression.type", () => {
  const AS_SENT: BatchOptions = { producerId: 7, producerEpoch: 1, baseSequence: 3 }
  const TIMES = [NOW, NOW - 5, NOW + 1]
  const words = 'the same words again and again '.repeat(40)

  function sent(codec: BatchOptions['codec'], text = words): Buffer {
    const builder = new BatchBuilder(Buffer.alloc(16_384))
    for (const time of TIMES) builder.tryAppend(time, 'k', text, [['h', 'v']])
    return Buffer.from(builder.build({ ...AS_SENT, codec }))
  }

  function stored(records: Uint8Array, settings: Record<string, unknown>): Batch {
    const circumstances = { config: config(settings), now: NOW, origin: 'own' } as const
    return inTopicsCodec(admit(records, circumstances), circumstances.config)
  }

  it.each([
    ['producer', 'none'],
    ['producer', 'gzip'],
    ['uncompressed', 'none'],
    ['gzip', 'gzip'],
    ['snappy', 'snappy'],
    ['lz4', 'lz4'],
  ] as const)('compression.type %s leaves a batch in %s unchanged', (type, codec) => {
    const bytes = sent(codec)
    const batch = stored(bytes, { 'compression.type': type })
    expect(batch.buffer.buffer).toBe(bytes.buffer)
    expect(batch.codec).toBe(codec)
  })

  it.each([
    ['uncompressed', 'gzip', 'none'],
    ['uncompressed', 'snappy', 'none'],
    ['gzip', 'none', 'gzip'],
    ['gzip', 'lz4', 'gzip'],
    ['snappy', 'gzip', 'snappy'],
    ['lz4', 'none', 'lz4'],
    ['lz4', 'snappy', 'lz4'],
  ] as const)('compression.type %s turns %s into %s, nothing else changes', (type, came, codec) => {
    const batch = stored(sent(came), { 'compression.type': type })
    // What this batch is when its producer compresses it in this way itself.
    expect(batch.bytes.equals(sent(codec))).toBe(true)
    expect(batch.hasValidCrc).toBe(true)
  })

  it('a codec that this Node cannot read is kept, but cannot be recompressed', () => {
    onTestFinished(withoutZstd())
    expect(stored(vector('zstd'), { 'compression.type': 'producer' }).codec).toBe('zstd')
    for (const type of ['uncompressed', 'gzip']) {
      expect(() => stored(vector('zstd'), { 'compression.type': type })).toThrow(
        'UNSUPPORTED_COMPRESSION_TYPE',
      )
    }
  })

  it('recompression must not exceed max.message.bytes', () => {
    const settings = { 'compression.type': 'uncompressed', 'max.message.bytes': 1000 }
    expect(sent('gzip').length).toBeLessThan(1000)
    expect(() => stored(sent('gzip'), settings)).toThrow('MESSAGE_TOO_LARGE: a batch of 3')
  })

  it('recompression refuses records that are invalid', () => {
    expect(stored(packedJunk(), {}).codec).toBe('gzip')
    const settings = { 'compression.type': 'uncompressed' }
    expect(() => stored(packedJunk(), settings)).toThrow('INVALID_RECORD')
  })

  it('recompression refuses a damaged gzip stream', () => {
    const bytes = sent('gzip')
    bytes[BATCH_HEADER_BYTES + 20]! ^= 0xff
    bytes.writeUInt32BE(crc32c(bytes, 21, bytes.length) >>> 0, 17)
    expect(() => stored(bytes, { 'compression.type': 'uncompressed' })).toThrow('INVALID_RECORD: gzip stream is damaged')
  })
})
