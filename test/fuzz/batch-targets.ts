/** Record batches: framing, admission, decompression, and the three ways to their records. */

import { crc32c } from '../../src/base/checksums/crc32c.js'
import type { Random } from '../../src/base/random.js'
import { RecordChunk } from '../../src/client/consumer/consumer-record.js'
import { logConfig, type LogConfig } from '../../src/log/format/log-config.js'
import { followerBatches, segmentLoads } from '../../src/log/store/follower-batches.js'
import { BatchBuilder } from '../../src/model/batch/batch-builder.js'
import {
  assignOffset,
  Batch,
  BATCH_HEADER_BYTES,
  batchesOf,
  CRC_START,
  whyInvalid,
} from '../../src/model/batch/batch.js'
import {
  CODECS,
  compress,
  DECOMPRESSED_BYTES_MAX,
  decompressWithin,
  growthMax,
  isReadable,
  type Codec,
} from '../../src/model/batch/compression.js'
import { RecordCursor } from '../../src/model/batch/record-cursor.js'
import type { HeaderIn } from '../../src/model/batch/record.js'
import { parseTopicConfig } from '../../src/model/topic-settings.js'
import { admit, inTopicsCodec } from '../../src/partition/admission.js'
import { AT_ONCE_MAX_BYTES } from '../../src/partition/contents.js'
import { must, mustEqual, shown, typedOr, type Target } from './target.js'

const NOW = Date.UTC(2026, 0, 1)
const LENGTH_AT = 8
const COUNT_AT = 57
const LAST_DELTA_AT = 23

const READABLE = CODECS.filter(codec => codec !== 'none' && isReadable(codec))

type Row = readonly [time: number, key: string | null, value: string | null, headers?: HeaderIn[]]

const ROWS: readonly (readonly Row[])[] = [
  [[NOW, 'k', 'v']],
  [[NOW, null, 'value']],
  [[NOW, 'key', null], [NOW + 5, 'key', 'x'], [NOW - 1_000, '', '']],
  [[NOW, 'k', 'v', [['name', 'content'], ['none', null], ['', Buffer.from([0, 255])]]]],
  Array.from({ length: 40 }, (_, n): Row => [NOW + n, `key ${n}`, `value ${n}`.repeat(1 + (n % 4))]),
  [[NOW, 'k', 'x'.repeat(300)], [NOW, 'k', 'é€😀']],
]

function batch(rows: readonly Row[], codec: Codec = 'none', producerId = -1): Buffer {
  const builder = new BatchBuilder(Buffer.alloc(8_192))
  for (const [time, key, value, headers = []] of rows) builder.tryAppend(time, key, value, headers)
  const producer = producerId < 0 ? {} : { producerId, producerEpoch: 0, baseSequence: 3 }
  return Buffer.from(builder.build({ codec, ...producer }))
}

export function seedBatches(): Buffer[] {
  return [
    ...ROWS.map(rows => batch(rows)),
    ...READABLE.flatMap(codec => ROWS.map(rows => batch(rows, codec))),
    batch(ROWS[2] as Row[], 'none', 7),
  ]
}

/** Length and checksum of each batch are made right, as far as there are batches. */
export function repairBatches(bytes: Buffer): Buffer {
  for (let at = 0; at + BATCH_HEADER_BYTES <= bytes.length;) {
    let size = bytes.readInt32BE(at + LENGTH_AT) + 12
    if (size < BATCH_HEADER_BYTES || at + size > bytes.length) {
      size = bytes.length - at
      bytes.writeInt32BE(size - 12, at + LENGTH_AT)
    }
    bytes[at + 16] = 2
    bytes.writeUInt32BE(crc32c(bytes, at + CRC_START, at + size), at + 17)
    at += size
  }
  return bytes
}

/** A single batch, with as many records as it says. */
function repairBatch(bytes: Buffer, random: Random): Buffer {
  if (bytes.length < BATCH_HEADER_BYTES) return bytes
  bytes.writeInt32BE(bytes.length - 12, LENGTH_AT)
  if (random.int(2) === 0) bytes.writeInt32BE((bytes.readInt32BE(COUNT_AT) - 1) | 0, LAST_DELTA_AT)
  if (random.int(4) === 0) bytes.writeBigInt64BE(0n, 0)
  return repairBatches(bytes)
}

interface Seen {
  readonly offset: number
  readonly timestamp: number
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: unknown
}

function byCursor(of: Batch): Seen[] {
  const seen: Seen[] = []
  const cursor = new RecordCursor(of)
  while (cursor.next()) seen.push(cursor.record())
  return seen
}

/** As a consumer reads them. Undefined if it refuses the bytes. */
function byChunk(bytes: Buffer, from: number, atOnce = Infinity): Seen[] {
  const options = { topic: 't', partition: 0, from, checkCrcs: false }
  const chunk = new RecordChunk(bytes, {
    ...options,
    deserializers: { key: undefined, value: undefined },
  })
  const seen: Seen[] = []
  for (;;) {
    const records = chunk.take(atOnce)
    if (records.length === 0) return seen
    seen.push(...(records as unknown as Seen[]))
  }
}

const fields = ({ offset, timestamp, key, value, headers }: Seen): unknown => [
  ...[offset, timestamp, key, value],
  headers,
]

function same(a: readonly Seen[], b: readonly Seen[], what: string): void {
  const [x, y] = [shown(a.map(fields)), shown(b.map(fields))]
  must(x === y, () => `${what}: ${x.slice(0, 200)} and ${y.slice(0, 200)}`)
}

/** A consumer passes over offsets below the last one. */
function ascending(seen: readonly Seen[]): Seen[] {
  let next = 0
  return seen.filter(({ offset }) => {
    const isNext = offset >= next
    if (isNext) next = offset + 1
    return isNext
  })
}

/** Both ways see the same records, from the start and from the middle, or both refuse them. */
function waysAgree(of: Batch): Seen[] {
  let seen: Seen[] | undefined
  let refusal: Error | undefined
  try {
    seen = byCursor(of)
  } catch (error) {
    refusal = error as Error
  }
  try {
    const chunked = byChunk(of.bytes, 0)
    must(seen !== undefined, () => `a consumer reads what the cursor refuses: ${refusal?.message}`)
    same(ascending(seen), chunked, 'cursor and consumer')
  } catch (error) {
    const { sentence = '' } = (refusal ?? {}) as { sentence?: string }
    if (sentence === '' || !(error as Error).message.endsWith(sentence)) throw error
  }
  if (seen === undefined) throw refusal as Error
  const middle = of.baseOffset + (of.recordsCount >> 1)
  const tail = seen.filter(({ offset }) => offset >= middle)
  const isDense = seen.every(({ offset }, index) => offset === of.baseOffset + index)
  if (isDense) same(tail, byChunk(of.bytes, middle, 3), 'from the middle')
  return seen
}

/** Records built anew mean the same, and are their own canonical form. */
function rebuilt(seen: readonly Seen[]): void {
  const isPlain = seen.every(({ timestamp }) => Math.abs(timestamp) <= 2 ** 51)
  if (seen.length === 0 || !isPlain) return
  const encode = (rows: readonly Seen[]): Buffer => {
    const builder = new BatchBuilder(Buffer.alloc(128 * 1024))
    for (const { timestamp, key, value, headers } of rows) {
      const pairs = (headers as { key: string; value: Uint8Array | null }[]).map(
        (header): HeaderIn => [header.key, header.value],
      )
      must(builder.tryAppend(timestamp, key, value, pairs), 'records grow when they are rebuilt')
    }
    return Buffer.from(builder.build())
  }
  const once = encode(seen)
  const again = byCursor(new Batch(once, 0))
  const moved = seen.map((row, offset) => ({ ...row, offset }))
  same(moved, again, 'records and their canonical form')
  mustEqual(once, encode(again), 'the canonical form encodes to itself')
}

const CONFIGS: readonly LogConfig[] = [
  {},
  { 'cleanup.policy': 'compact' },
  { 'compression.type': 'lz4' },
  { 'compression.type': 'uncompressed', 'message.timestamp.before.max.ms': 500 },
  {
    'compression.type': 'snappy',
    'message.timestamp.type': 'LogAppendTime',
    'max.message.bytes': 2_000,
  },
].map(settings => logConfig(parseTopicConfig(settings)))

function admission(bytes: Buffer): boolean {
  let admitted = false
  for (const config of CONFIGS) {
    try {
      const copy = Buffer.from(bytes)
      const unpacking = { bytesLeft: AT_ONCE_MAX_BYTES }
      const found = admit(copy, { config, now: NOW, origin: 'foreign', unpacking })
      const stored = inTopicsCodec(found, config)
      assignOffset(stored, 1_000, 3)
      must(whyInvalid(stored) === undefined, () => `stored: ${whyInvalid(stored)}`)
      must(stored.codec !== undefined, 'stored with a codec')
      admitted = true
      if (!isReadable(stored.codec)) continue
      const seen = waysAgree(stored)
      must(seen.length === stored.recordsCount, 'all records are there')
      if (config.isCompacted) must(seen.every(({ key }) => key !== null), 'all have keys')
      if (config === CONFIGS[0]) rebuilt(seen)
    } catch (error) {
      if (!typedOr('TooMuchAtOnce')(error as Error)) throw error
    }
  }
  return admitted
}

function records(bytes: Buffer): boolean {
  if (bytes.length < BATCH_HEADER_BYTES) return false
  const [batch] = batchesOf(bytes)
  if (batch === undefined) return false
  // As from a log: `whyInvalid` has looked at it.
  if (whyInvalid(batch) !== undefined || batch.isControl) return false
  rebuilt(waysAgree(batch))
  return true
}

function follower(bytes: Buffer): boolean {
  const end = { name: 'orders-0', logEndOffset: 0, lastEpoch: -1, hasGaps: true }
  const batches = followerBatches(bytes, end)
  mustEqual(Buffer.concat(batches.map(batch => batch.bytes)), bytes, 'batches and their bytes')
  const loads = segmentLoads(batches, 500)
  must(loads.flat().length === batches.length, 'each batch is in a segment')
  for (const load of loads) {
    const span = (load.at(-1) as Batch).nextOffset - (load[0] as Batch).baseOffset
    must(load.length === 1 || span <= 2 ** 31, () => `a segment of ${span} offsets`)
  }
  return batches.length > 0
}

const BOUNDS = [0, 1, 100, AT_ONCE_MAX_BYTES, DECOMPRESSED_BYTES_MAX]

const within = (codec: Codec, bytes: Buffer | Uint8Array, now: number): Uint8Array | undefined =>
  decompressWithin(codec, bytes, { now, ever: DECOMPRESSED_BYTES_MAX })

function unpack(codec: Codec, bytes: Buffer): boolean {
  let size = -1
  for (const bound of BOUNDS) {
    const unpacked = within(codec, bytes, bound)
    if (unpacked === undefined) continue
    must(unpacked.length <= bound, () => `${unpacked.length} bytes, at most ${bound} are allowed`)
    must(size === -1 || size === unpacked.length, 'the bound does not change the bytes')
    size = unpacked.length
  }
  if (size < 0) return false
  const whole = within(codec, bytes, DECOMPRESSED_BYTES_MAX) as Uint8Array
  const again = within(codec, compress({ codec }, whole), DECOMPRESSED_BYTES_MAX)
  mustEqual(whole, again as Uint8Array, 'packed and unpacked')
  return true
}

/** Each stream of zlib takes some 300 KiB, which the collector frees later. */
const UNPACKED = { bytes: 32 * 1024 * 1024, perByte: 400 }

export const BATCH_TARGETS: readonly Target[] = [
  {
    name: 'admission',
    seeds: seedBatches,
    repair: repairBatch,
    run: admission,
    refuses: typedOr('TooMuchAtOnce'),
    memory: UNPACKED,
    inputs: 20_000,
  },
  {
    name: 'records',
    seeds: seedBatches,
    repair: repairBatch,
    run: records,
    refuses: typedOr(),
    memory: UNPACKED,
    inputs: 25_000,
  },
  {
    name: 'follower-batches',
    seeds: () => [...seedBatches(), Buffer.concat(seedBatches().map(inPlace))],
    repair: repairBatches,
    run: follower,
    refuses: typedOr(),
    inputs: 20_000,
  },
  ...READABLE.map(
    (codec): Target => ({
      name: codec,
      seeds: () => [...TEXTS.map(text => packed(codec, text)), ...streamsOfOthers(codec)],
      run: bytes => unpack(codec, bytes),
      refuses: typedOr(),
      memory: { bytes: 4 * 1024 * 1024, perByte: 6 * Math.min(growthMax(codec), 100_000) },
      inputs: codec === 'gzip' || codec === 'zstd' ? 5_000 : 20_000,
    }),
  ),
]

function inPlace(bytes: Buffer, n: number): Buffer {
  assignOffset(new Batch(bytes, 0), 100 * n, n)
  return bytes
}

const TEXTS = ['', 'a', 'abc'.repeat(100), '\0'.repeat(5_000), ...ROWS.map(rows => JSON.stringify(rows))]

function packed(codec: Codec, text: string): Buffer {
  return Buffer.from(compress({ codec }, Buffer.from(text)))
}

/** Forms that partlog does not write. */
function streamsOfOthers(codec: Codec): Buffer[] {
  const texts: Partial<Record<Codec, readonly string[]>> = {
    snappy: ['06046162010204', '050061 0e0100', '0500610f01000000'],
    lz4: ['04224d18 7040ad 02000000 1061 7456 0d55 00000000', '04224d18604082 01000080 61 00000000'],
    zstd: ['28b52ffd200109000061', '28b52ffd20094b000061'],
  }
  return (texts[codec] ?? []).map(text => Buffer.from(text.replaceAll(' ', ''), 'hex'))
}
