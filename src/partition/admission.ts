/**
 * Which batches a leader takes from a producer: Kafka's checks (LogValidator), all of them before
 * anything is written. Pure.
 */

import { asBuffer } from '../base/bytes.js'
import { Batch, BROKEN, frameAt, SHORT, whyBroken, whyInvalid } from '../model/batch.js'
import { PartlogError } from '../model/errors.js'
import { RecordCursor } from '../model/record-cursor.js'
import type { Timestamp } from '../model/units.js'
import type { LogConfig } from '../log/config.js'

/** The one batch in `records`, if it may be appended. Throws a PartlogError that says why not. */
export function admit(records: Uint8Array, config: LogConfig, now: Timestamp): Batch {
  const batch = onlyBatch(asBuffer(records))
  if (batch.size > config.maxMessageBytes) {
    throw new PartlogError(
      'MESSAGE_TOO_LARGE',
      `a batch of ${batch.size} bytes is larger than max.message.bytes (${config.maxMessageBytes})`,
    )
  }
  const invalid = whyInvalid(batch)
  if (invalid !== undefined)
    throw new PartlogError('CORRUPT_MESSAGE', `the batch is refused: ${invalid}`)
  if (batch.isControl) throw invalidRecord('producers write no control batches')
  if (batch.timestampType === 'LogAppendTime') {
    throw new PartlogError('INVALID_TIMESTAMP', 'append time is for the broker to set')
  }
  checkProducer(batch)
  const { recordsCount, lastOffsetDelta } = batch
  if (recordsCount === 0 || recordsCount !== lastOffsetDelta + 1) {
    throw invalidRecord(`${recordsCount} records for ${lastOffsetDelta + 1} offsets`)
  }
  if (config.timestampType === 'CreateTime') checkTimes(batch, config, now)
  if (config.isCompacted) checkKeys(batch)
  return batch
}

function onlyBatch(bytes: Buffer): Batch {
  const size = frameAt(bytes, 0, bytes.length)
  if (size === BROKEN) throw new PartlogError('CORRUPT_MESSAGE', whyBroken(bytes, 0))
  if (size === SHORT || size > bytes.length) {
    throw new PartlogError('CORRUPT_MESSAGE', `${bytes.length} bytes hold no whole batch`)
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
    throw invalidTimestamp(batch.maxTimestamp, `${after} ms after`)
  }
  if (before === Number.MAX_SAFE_INTEGER) return
  for (const cursor = new RecordCursor(batch); cursor.next();) {
    const { timestamp } = cursor
    if (timestamp >= 0 && timestamp < now - before) {
      throw invalidTimestamp(timestamp, `${before} ms before`)
    }
  }
}

function checkKeys(batch: Batch): void {
  for (const cursor = new RecordCursor(batch); cursor.next();) {
    if (cursor.key === null) throw invalidRecord('records of a compacted topic need a key')
  }
}

function invalidTimestamp(timestamp: Timestamp, limit: string): PartlogError {
  return new PartlogError(
    'INVALID_TIMESTAMP',
    `record time ${timestamp} lies more than ${limit} the broker's`,
  )
}

function invalidRecord(sentence: string): PartlogError {
  return new PartlogError('INVALID_RECORD', sentence)
}
