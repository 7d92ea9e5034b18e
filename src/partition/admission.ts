/**
 * Which batches a leader takes from a producer: Kafka's checks (LogValidator), all of them before
 * anything is written. Pure.
 */

import { asBuffer } from '../base/bytes.js'
import {
  Batch,
  BROKEN,
  frameAt,
  MAGIC_AT,
  packedAs,
  SHORT,
  unpacked,
  whyBroken,
  whyInvalid,
} from '../model/batch.js'
import {
  decompress,
  DECOMPRESSED_BYTES_MAX,
  growthMax,
  isSupported,
  type Codec,
} from '../model/compression.js'
import { isPartlogError, PartlogError, type ErrorCode } from '../model/errors.js'
import { RecordCursor } from '../model/record-cursor.js'
import type { Timestamp } from '../model/units.js'
import type { LogConfig } from '../log/config.js'

/** What is wrong with one record of a batch. */
export interface RecordError {
  /** Its place in the batch. */
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
  readonly origin?: Origin
}

/** Who has built a batch: `foreign` ones come over a wire, our own producers' are as they say. */
export type Origin = 'own' | 'foreign'

/** The one batch in `records`, if it may be appended. Throws a PartlogError that says why not. */
export function admit(records: Uint8Array, { config, now, origin = 'own' }: Circumstances): Batch {
  const batch = onlyBatch(asBuffer(records))
  checkSize(batch, config)
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
  if (origin === 'foreign') checkForeign(batch)
  if (config.timestampType === 'CreateTime') checkTimes(batch, config, now)
  if (config.isCompacted) checkKeys(batch)
  return batch
}

/** The batch as the topic wants it: itself, unless compression.type names another codec. */
export function inTopicsCodec(batch: Batch, config: LogConfig): Batch {
  if (config.codec === undefined || config.codec === batch.codec) return batch
  const packed = packedAs(config.codec, batch.codec === 'none' ? batch : unpackedSound(batch))
  checkSize(packed, config)
  return packed
}

/** What is compressed is looked into where it can be, else it stays opaque while it is kept so. */
function unpackedSound(batch: Batch): Batch {
  const plain = unpacked(batch, decompressed(batch))
  checkRecords(plain)
  return plain
}

/** Bounded by what a batch may grow to: more than that no consumer reads either. */
function decompressed({ codec, payload }: Batch): Uint8Array {
  try {
    return decompress(codec as Codec, payload)
  } catch (error) {
    if (!isPartlogError(error, 'CORRUPT_MESSAGE')) throw error
    throw invalidRecord(error.sentence)
  }
}

function checkForeign(batch: Batch): void {
  if (batch.baseOffset !== 0) {
    throw invalidRecord(`base offset ${batch.baseOffset}: the broker gives it`)
  }
  checkCount(batch)
  if (batch.codec === 'none') checkRecords(batch)
  else if (batch.codec !== undefined && isSupported(batch.codec)) unpackedSound(batch)
}

/** Length, attributes, two deltas, two lengths of nothing and the number of headers. */
const RECORD_BYTES_MIN = 7

/** Can so many records be in so many bytes? It is all that can be said of some codecs. */
function checkCount({ recordsCount, codec, payload }: Batch): void {
  const bytes = Math.min(payload.length * growthMax(codec ?? 'none'), DECOMPRESSED_BYTES_MAX)
  const most = Math.floor(bytes / RECORD_BYTES_MIN)
  if (recordsCount <= most) return
  const place = `${payload.length} bytes of ${codec}`
  throw invalidRecord(`${recordsCount} records are announced, ${place} hold ${most} at most`)
}

/** Are there as many records as the batch says, each whole and in its place? */
function checkRecords(batch: Batch): void {
  const cursor = new RecordCursor(batch)
  for (let index = 0; cursor.next(); index++) {
    const delta = cursor.offset - batch.baseOffset
    if (delta !== index) throw invalidRecord(`record ${index} has offset delta ${delta}`)
  }
}

function checkSize({ size }: Batch, { maxMessageBytes }: LogConfig): void {
  if (size <= maxMessageBytes) return
  throw new PartlogError(
    'MESSAGE_TOO_LARGE',
    `a batch of ${size} bytes is larger than max.message.bytes (${maxMessageBytes})`,
  )
}

/** The one batch these bytes are. Throws INVALID_RECORD or CORRUPT_MESSAGE. */
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

/** What the batch says of its producer; whether its sequence comes next is for the log to say. */
function checkProducer(batch: Batch): void {
  if (batch.isTransactional) {
    throw new PartlogError('INVALID_TXN_STATE', 'the records belong to no transaction known here')
  }
  const { producerId } = batch
  if (producerId < 0 || (batch.baseSequence >= 0 && batch.producerEpoch >= 0)) return
  const { producerEpoch, baseSequence } = batch
  throw invalidRecord(
    `producer ${producerId} sends epoch ${producerEpoch} and sequence ${baseSequence}`,
  )
}

function checkTimes(batch: Batch, config: LogConfig, now: Timestamp): void {
  const { timestampAfterMaxMs: after, timestampBeforeMaxMs: before } = config
  if (batch.maxTimestamp > now + after) {
    const time = batch.exactMaxTimestamp
    const late = `record time ${time} lies more than ${after} ms after the broker's`
    // The batch's own word is enough: nothing is unpacked to find the records.
    if (batch.codec === 'none') {
      refuse('INVALID_TIMESTAMP', batch, ({ timestamp }) =>
        timestamp > now + after ? late : undefined,
      )
    }
    throw new PartlogError('INVALID_TIMESTAMP', late)
  }
  if (before === Number.MAX_SAFE_INTEGER) return
  refuse('INVALID_TIMESTAMP', batch, ({ timestamp }) =>
    timestamp >= 0 && timestamp < now - before
      ? `record time ${timestamp} lies more than ${before} ms before the broker's`
      : undefined,
  )
}

function checkKeys(batch: Batch): void {
  refuse('INVALID_RECORD', batch, ({ key }) =>
    key === null ? 'records of a compacted topic need a key' : undefined,
  )
}

/** Refuses the batch for the records of which `reasonOf` says what is wrong. */
function refuse(
  code: ErrorCode,
  batch: Batch,
  reasonOf: (record: RecordCursor) => string | undefined,
): void {
  const recordErrors: RecordError[] = []
  const cursor = new RecordCursor(batch)
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

/** The messages of Kafka before 0.11, whole as far as that can be seen. */
function isOldFormat(bytes: Buffer): boolean {
  return bytes[MAGIC_AT] === 0 || bytes[MAGIC_AT] === 1
}

function invalidRecord(sentence: string): PartlogError {
  return new PartlogError('INVALID_RECORD', sentence)
}
