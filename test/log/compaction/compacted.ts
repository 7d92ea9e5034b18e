/** Logs with keys, and what compaction leaves of them. */

import { expect } from 'vitest'
import type { Cleaned } from '../../../src/log/compaction/cleaning.js'
import { cleanerOf } from '../../../src/log/compaction/log-cleaner.js'
import type { Log } from '../../../src/log/store/log.js'
import { BatchBuilder, type BatchOptions } from '../../../src/model/batch/batch-builder.js'
import {
  Batch,
  batchesOf,
  type BatchHeader,
  BATCH_HEADER_BYTES,
  writeHeader,
} from '../../../src/model/batch/batch.js'
import { RecordCursor } from '../../../src/model/batch/record-cursor.js'
import { keyText, valueText } from '../../model/batch/records.js'
import { logBytesOf } from '../helpers.js'

export const T = Date.UTC(2026, 0, 1)
export const HIGHEST = Number.MAX_SAFE_INTEGER
/** Everything that is new is worth it. */
export const COMPACT = {
  'cleanup.policy': 'compact',
  'min.cleanable.dirty.ratio': 0,
  'internal.segment.bytes': 400,
  'index.interval.bytes': 100,
}

/** 'k=v' is a record, 'k' a tombstone, '=v' one without a key. */
export function batchOfPairs(
  pairs: readonly string[],
  options: BatchOptions = {},
  timestamp = T,
): Buffer {
  const builder = new BatchBuilder(Buffer.alloc(1024 * 1024))
  for (const [index, pair] of pairs.entries()) {
    const [key = '', value] = pair.split('=')
    builder.tryAppend(timestamp + index, key === '' ? null : key, value ?? null, [])
  }
  return Buffer.from(builder.build(options))
}

export function put(log: Log, ...pairs: string[]): number {
  return putBatch(log, batchOfPairs(pairs))
}

export function putBatch(log: Log, bytes: Buffer, now = T): number {
  return log.append(bytes, [new Batch(bytes, 0)], 0, now).firstOffset
}

/** Changes fields of a batch's header, as other writers may have set them. */
export function withHeader(bytes: Buffer, fields: Partial<BatchHeader>): Buffer {
  const batch = new Batch(bytes, 0)
  const { baseOffset, leaderEpoch, codec, lastOffsetDelta, baseTimestamp, maxTimestamp } = batch
  const { producerId, producerEpoch, baseSequence, recordsCount } = batch
  const place = { baseOffset, leaderEpoch, codec, lastOffsetDelta, baseTimestamp, maxTimestamp }
  const producer = { producerId, producerEpoch, baseSequence, recordsCount }
  writeHeader(bytes, 0, bytes.length, { ...place, ...producer, ...fields })
  return bytes
}

/** Closes the active segment: what comes next goes into a new one, and this may be cleaned. */
export async function rolled(log: Log): Promise<void> {
  const { segmentCount } = log
  for (let n = 0; log.segmentCount === segmentCount; n++) put(log, `roll=${'r'.repeat(60)}${n}`)
  await log.checkpoint()
}

export async function clean(log: Log, highWatermark = HIGHEST): Promise<Cleaned> {
  const cleaned = await cleanerOf(log).clean(highWatermark)
  expect(cleaned).toBeDefined()
  return cleaned as Cleaned
}

export async function batchesIn(log: Log): Promise<Batch[]> {
  return [...batchesOf(await logBytesOf(log))]
}

export interface LogRecord {
  readonly offset: number
  readonly key: string | null
  readonly value: string | null
  readonly timestamp: number
}

export async function recordsIn(log: Log): Promise<LogRecord[]> {
  const records: LogRecord[] = []
  for (const batch of await batchesIn(log)) {
    for (const cursor = new RecordCursor(batch); cursor.next();) {
      const { offset, timestamp } = cursor
      const [key, value] = [keyText(cursor), valueText(cursor)]
      records.push({ offset, key, value, timestamp })
    }
  }
  return records
}

/** `offset:key=value`, but for the records of `rolled`. */
export async function linesIn(log: Log): Promise<string[]> {
  return (await recordsIn(log))
    .filter(({ key }) => key !== 'roll')
    .map(({ offset, key, value }) => `${offset}:${key ?? ''}${value === null ? '' : `=${value}`}`)
}

/** `[base, last] count`, one per batch. */
export async function shapesIn(log: Log): Promise<string[]> {
  return (await batchesIn(log)).map(
    ({ baseOffset, lastOffset, recordsCount }) => `[${baseOffset}, ${lastOffset}] ${recordsCount}`,
  )
}

export function headerOnly(fields: BatchHeader): Buffer {
  const bytes = Buffer.alloc(BATCH_HEADER_BYTES)
  writeHeader(bytes, 0, bytes.length, fields)
  return bytes
}
