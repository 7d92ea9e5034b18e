/*
 * Records of control batches, which the system writes between users' records.
 * Key: int16 version, int16 type. They take an offset and are never delivered.
 * The value of a transaction's end marker: int16 version, int32 epoch of the coordinator.
 */

import { ByteReader, BytesError, ByteWriter } from '../../base/bytes.js'
import { isPartlogError } from '../errors.js'
import { NONE, type Timestamp } from '../units.js'
import { BATCH_HEADER_BYTES, type Batch } from './batch.js'
import { BatchBuilder } from './batch-builder.js'
import { RecordCursor } from './record-cursor.js'
import { recordSizeMax } from './record-writer.js'

const TYPES = [
  'ABORT',
  'COMMIT',
  'LEADER_CHANGE',
  'SNAPSHOT_HEADER',
  'SNAPSHOT_FOOTER',
  'KRAFT_VERSION',
  'KRAFT_VOTERS',
] as const

export type ControlType = (typeof TYPES)[number] | 'UNKNOWN'

/** The type of the marker in a control batch; UNKNOWN for a type of a newer Kafka. */
export function controlTypeOf(batch: Batch): ControlType {
  const cursor = new RecordCursor(batch)
  if (!cursor.next() || cursor.key === null || cursor.key.byteLength < 4) return 'UNKNOWN'
  const reader = new ByteReader(cursor.key)
  reader.int16()
  return TYPES[reader.int16()] ?? 'UNKNOWN'
}

/** The epoch of the coordinator that wrote a transaction's end marker; −1 without one. */
export function coordinatorEpochOf(batch: Batch): number {
  try {
    const cursor = new RecordCursor(batch)
    if (!cursor.next() || cursor.value === null) return NONE
    const reader = new ByteReader(cursor.value)
    reader.int16()
    return reader.int32()
  } catch (error) {
    if (error instanceof BytesError || isPartlogError(error)) return NONE
    throw error
  }
}

/** How a transaction has ended, and which coordinator says so. */
export interface EndMarker {
  readonly producerId: number
  readonly producerEpoch: number
  readonly coordinatorEpoch: number
  readonly isCommit: boolean
}

const MARKER_VERSION = 0

/** The control batch that ends a transaction, of 78 bytes. */
export function markerBatch(marker: EndMarker, timestamp: Timestamp): Buffer {
  const { producerId, producerEpoch, coordinatorEpoch, isCommit } = marker
  const type = TYPES.indexOf(isCommit ? 'COMMIT' : 'ABORT')
  const key = new ByteWriter(4).int16(MARKER_VERSION).int16(type).finish()
  const value = new ByteWriter(6).int16(MARKER_VERSION).int32(coordinatorEpoch).finish()
  const size = BATCH_HEADER_BYTES + recordSizeMax(key, value, [])
  const builder = new BatchBuilder(Buffer.alloc(size))
  builder.tryAppend(timestamp, key, value, [])
  return builder.build({ producerId, producerEpoch, isTransactional: true, isControl: true })
}
