/**
 * Records of control batches: what the system writes for itself between users' records.
 * Key: int16 version, int16 type. They take an offset and are never delivered.
 */

import { ByteReader } from '../base/bytes.js'
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

/** The type of the marker in a control batch; UNKNOWN for one from a newer Kafka. */
export function controlTypeOf(batch: Batch): ControlType {
  const cursor = new RecordCursor(batch)
  if (!cursor.next() || cursor.key === null || cursor.key.byteLength < 4) return 'UNKNOWN'
  const reader = new ByteReader(cursor.key)
  reader.int16()
  return TYPES[reader.int16()] ?? 'UNKNOWN'
}
