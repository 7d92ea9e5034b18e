/*
 * Which batches a leader accepts from a producer: Kafka's checks (LogValidator), all of them before
 * anything is written. A batch is unpacked once, however many checks need its records. Pure.
 */

import { assert } from '../base/assert.js'
import { asBuffer } from '../base/bytes.js'
import type { LogConfig } from '../log/format/log-config.js'
import {
  Batch,
  BATCH_HEADER_BYTES,
  BROKEN,
  frameAt,
  MAGIC_AT,
  packedAs,
  SHORT,
  whyBroken,
  whyInvalid,
} from '../model/batch/batch.js'
import { DECOMPRESSED_BYTES_MAX, growthMax, isReadable } from '../model/batch/compression.js'
import { RECORD_BYTES_MIN, RecordCursor } from '../model/batch/record-cursor.js'
import { PartlogError, type ErrorCode } from '../model/errors.js'
import type { Timestamp } from '../model/units.js'
import {
  checkPlace,
  unlimited,
  unpackedNow,
  type Contents,
  type RecordFacts,
  type Unpacking,
} from './contents.js'

/** The reason why one record of a batch is refused. */
export interface RecordError {
  /** The record's index in the batch, from 0. */
  readonly batchIndex: number
  readonly batchIndexErrorMessage: string
}

/** A batch is refused because of some of its records. */
export class RefusedRecords extends PartlogError {
  readonly recordErrors: readonly RecordError[]

  constructor(code: ErrorCode, sentence: string, recordErrors: readonly RecordError[]) {
    super(code, sentence)
    this.recordErrors = recordErrors
  }
}

export interface Circumstances {
  readonly config: LogConfig
  readonly now: Timestamp
  /** Default: 'foreign'. */
  readonly origin?: Origin
  /** Default: no limit. */
  readonly unpacking?: Unpacking | undefined
}

/** Where a batch comes from: partlog's own producer, which is trusted, or a wire (`foreign`). */
export type Origin = 'own' | 'foreign'

/** A batch that may be appended. Every append creates one, so its fields are plain. */
class Admitted {
  private unpackedContents: Contents | undefined = undefined

  constructor(
    readonly batch: Batch,
    private readonly unpacking: Unpacking,
    private readonly recordBytesMax: number,
  ) {}

  /** The contents of a compressed batch; unpacked on first use. */
  get contents(): Contents {
    const { batch, unpacking, recordBytesMax } = this
    this.unpackedContents ??= unpackedNow(batch, unpacking, recordBytesMax)
    return this.unpackedContents
  }

  /** Its records, decompressed. */
  get records(): Uint8Array {
    return this.batch.codec === 'none' ? this.batch.payload : this.contents.records
  }
}

/**
 * The one batch in `records`, if it may be appended. Throws a PartlogError with the reason if not,
 * or TooMuchAtOnce if the batch must be unpacked first. A batch of partlog's own producer was built
 * and summed a moment ago in this process: its form is not checked again (a checksum of 110 kB
 * takes 6 % of an append).
 */
export function admit(records: Uint8Array, circumstances: Circumstances): Admitted {
  const { config, now, origin = 'foreign', unpacking = unlimited() } = circumstances
  const buffer = asBuffer(records)
  const batch = origin === 'own' ? new Batch(buffer, 0) : onlyBatch(buffer)
  assert(batch.size === buffer.length, 'records are one batch')
  checkSize(batch.size, config)
  const admitted = new Admitted(batch, unpacking, config.recordBytesMax)
  if (origin === 'foreign') checkForeign(admitted)
  if (config.timestampType === 'CreateTime') checkTimes(admitted, config, now)
  if (config.isCompacted) checkKeys(admitted)
  return admitted
}

/** True if a batch of partlog's own producer is admitted as it is, by its header alone. */
export function isPlain(batch: Batch, config: LogConfig, now: Timestamp): boolean {
  if (config.isCompacted || config.timestampType !== 'CreateTime') return false
  if ((config.compression?.codec ?? 'none') !== 'none') return false
  if (batch.isTransactional) return false
  if (config.timestampBeforeMaxMs !== Number.MAX_SAFE_INTEGER) return false
  const isDue = batch.maxTimestamp <= now + config.timestampAfterMaxMs
  return isDue && batch.size <= config.maxMessageBytes
}

/**
 * The batch in the codec of compression.type: itself, unless the topic names another codec. A
 * marker is never compressed.
 */
export function inTopicsCodec(admitted: Admitted, config: LogConfig): Batch {
  const { batch } = admitted
  const { compression } = config
  if (compression === undefined || compression.codec === batch.codec || batch.isControl) {
    return batch
  }
  const { records } = admitted
  if (compression.codec === 'none') checkSize(BATCH_HEADER_BYTES + records.length, config)
  const packed = packedAs(compression, batch, records)
  checkSize(packed.size, config)
  return packed
}

/**
 * What Kafka checks of a batch that came over a wire. Compressed records are checked if their codec
 * is supported; if not, they stay opaque.
 */
function checkForeign(admitted: Admitted): void {
  const { batch } = admitted
  const invalid = whyInvalid(batch)
  if (invalid !== undefined) {
    const code = batch.hasValidCrc ? 'INVALID_RECORD' : 'CORRUPT_MESSAGE'
    throw new PartlogError(code, `the batch is refused: ${invalid}`)
  }
  if (batch.isControl) throw invalidRecord('producers write no control batches')
  if (batch.timestampType === 'LogAppendTime') {
    throw new PartlogError('INVALID_TIMESTAMP', 'append time is for the broker to set')
  }
  checkProducer(batch)
  const { recordsCount, lastOffsetDelta } = batch
  if (recordsCount === 0 || recordsCount !== lastOffsetDelta + 1) {
    throw invalidRecord(`${recordsCount} records for ${lastOffsetDelta + 1} offsets`)
  }
  if (batch.baseOffset !== 0) {
    throw invalidRecord(`base offset ${batch.baseOffset} instead of 0: the broker assigns offsets`)
  }
  checkCount(batch)
  if (batch.codec === 'none') checkRecords(batch)
  else if (isReadable(batch.codec)) void admitted.contents
}

/** Throws INVALID_RECORD if the payload cannot hold that many records, whatever its codec. */
function checkCount({ recordsCount, codec, payload }: Batch): void {
  const bytes = Math.min(payload.length * growthMax(codec ?? 'none'), DECOMPRESSED_BYTES_MAX)
  const most = Math.floor(bytes / RECORD_BYTES_MIN)
  if (recordsCount <= most) return
  const place = `${payload.length} bytes of ${codec}`
  throw invalidRecord(`${recordsCount} records are announced, ${place} hold ${most} at most`)
}

/** Checks that the batch holds as many records as it says, each whole and in its place. */
function checkRecords(batch: Batch): void {
  const cursor = new RecordCursor(batch)
  for (let index = 0; cursor.next(); index++) checkPlace(cursor, batch, index)
}

function checkSize(size: number, { maxMessageBytes }: LogConfig): void {
  if (size <= maxMessageBytes) return
  throw new PartlogError(
    'MESSAGE_TOO_LARGE',
    `a batch of ${size} bytes is larger than max.message.bytes (${maxMessageBytes})`,
  )
}

/** The single batch in `bytes`. Throws INVALID_RECORD or CORRUPT_MESSAGE. */
export function onlyBatch(bytes: Buffer): Batch {
  const size = frameAt(bytes, 0, bytes.length)
  if (size === BROKEN) {
    const code = isOldFormat(bytes) ? 'INVALID_RECORD' : 'CORRUPT_MESSAGE'
    throw new PartlogError(code, whyBroken(bytes, 0))
  }
  if (size === SHORT || size > bytes.length) {
    throw invalidRecord(`${bytes.length} bytes hold no whole batch`)
  }
  if (size < bytes.length) {
    throw invalidRecord('a request brings one batch per partition, not several')
  }
  return new Batch(bytes, 0)
}

/** Checks the producer fields of the batch; the log checks whether its sequence comes next. */
function checkProducer(batch: Batch): void {
  const { producerId } = batch
  if (batch.isTransactional && producerId < 0) {
    throw invalidRecord(`a transaction of producer ${producerId}: it has no id`)
  }
  if (producerId < 0 || (batch.baseSequence >= 0 && batch.producerEpoch >= 0)) return
  const { producerEpoch, baseSequence } = batch
  throw invalidRecord(
    `producer ${producerId} sends epoch ${producerEpoch} and sequence ${baseSequence}`,
  )
}

function checkTimes(admitted: Admitted, config: LogConfig, now: Timestamp): void {
  const { batch } = admitted
  const { timestampAfterMaxMs: after, timestampBeforeMaxMs: before } = config
  if (batch.maxTimestamp > now + after) {
    const time = batch.exactMaxTimestamp
    const late = `record time ${time} lies more than ${after} ms after the broker's`
    // The batch header is enough: a compressed batch is not unpacked to find the records.
    if (batch.codec === 'none') {
      refuse('INVALID_TIMESTAMP', new RecordCursor(batch), ({ timestamp }) =>
        timestamp > now + after ? late : undefined,
      )
    }
    throw new PartlogError('INVALID_TIMESTAMP', late)
  }
  if (before === Number.MAX_SAFE_INTEGER) return
  refuseRecords('INVALID_TIMESTAMP', admitted, {
    worst: ({ oldest }) => oldest,
    reasonOf: ({ timestamp }) =>
      timestamp >= 0 && timestamp < now - before
        ? `record time ${timestamp} lies more than ${before} ms before the broker's`
        : undefined,
  })
}

function checkKeys(admitted: Admitted): void {
  refuseRecords('INVALID_RECORD', admitted, {
    worst: ({ keyless }) => keyless,
    reasonOf: ({ hasKey }) => (hasKey ? undefined : 'records of a compacted topic need a key'),
  })
}

/** A check of each record of a batch. */
interface Question {
  /** The record that fails the check if any record does. */
  readonly worst: (contents: Contents) => RecordFacts | undefined
  readonly reasonOf: (record: Pick<RecordFacts, 'timestamp' | 'hasKey'>) => string | undefined
}

/** Refuses the batch if records fail the check; for a large batch, only the worst is reported. */
function refuseRecords(code: ErrorCode, admitted: Admitted, { worst, reasonOf }: Question): void {
  const { batch } = admitted
  if (batch.codec === 'none') return refuse(code, new RecordCursor(batch), reasonOf)
  const { contents } = admitted
  const record = worst(contents)
  const reason = record === undefined ? undefined : reasonOf(record)
  if (record === undefined || reason === undefined) return
  if (!contents.isLarge) return refuse(code, contents.cursor(), reasonOf)
  const error = { batchIndex: record.index, batchIndexErrorMessage: reason }
  throw new RefusedRecords(code, reason, [error])
}

/** Refuses the batch if `reasonOf` finds a fault in any record; the error lists all of them. */
function refuse(
  code: ErrorCode,
  cursor: RecordCursor,
  reasonOf: (record: RecordCursor) => string | undefined,
): void {
  const recordErrors: RecordError[] = []
  for (let batchIndex = 0; cursor.next(); batchIndex++) {
    const reason = reasonOf(cursor)
    if (reason === undefined) continue
    recordErrors.push({ batchIndex, batchIndexErrorMessage: reason })
  }
  const [first] = recordErrors
  if (first !== undefined) {
    throw new RefusedRecords(code, first.batchIndexErrorMessage, recordErrors)
  }
}

/** Messages in a format of Kafka before 0.11 (magic 0 or 1). */
function isOldFormat(bytes: Buffer): boolean {
  return bytes[MAGIC_AT] === 0 || bytes[MAGIC_AT] === 1
}

function invalidRecord(sentence: string): PartlogError {
  return new PartlogError('INVALID_RECORD', sentence)
}
