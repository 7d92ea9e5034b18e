/** Batches and records in the shapes that tests compare. */

import { BatchBuilder } from '../../../src/model/batch/batch-builder.js'
import { BATCH_HEADER_BYTES } from '../../../src/model/batch/batch.js'
import type { BytesIn, HeaderIn } from '../../../src/model/batch/record.js'
import type { RecordCursor } from '../../../src/model/batch/record-cursor.js'
import { recordSizeMax } from '../../../src/model/batch/record-writer.js'
import type { Timestamp } from '../../../src/model/units.js'

/** A batch of one record, in a buffer of its own. */
export function singleRecordBatch(
  timestamp: Timestamp,
  key: BytesIn,
  value: BytesIn,
  headers: readonly HeaderIn[] = [],
): Buffer {
  const size = BATCH_HEADER_BYTES + recordSizeMax(key, value, headers)
  const builder = new BatchBuilder(Buffer.allocUnsafe(size))
  builder.tryAppend(timestamp, key, value, headers)
  return builder.build()
}

/** The value as UTF-8 text, null for a tombstone. */
export const valueText = ({ value }: RecordCursor): string | null => textOf(value)

/** The key as UTF-8 text, null for no key. */
export const keyText = ({ key }: RecordCursor): string | null => textOf(key)

function textOf(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : Buffer.from(bytes).toString()
}
