/*
 * Records of control batches, which the system writes between users' records.
 * Key: int16 version, int16 type. They take an offset and are never delivered.
 */

import { ByteReader, BytesError } from '../../base/bytes.js'
import { isPartlogError } from '../errors.js'
import { NONE } from '../units.js'
import type { Batch } from './batch.js'
import { RecordCursor } from './record-cursor.js'

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
