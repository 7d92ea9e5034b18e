/**
 * What can be wrong with a batch that has come over a wire only: our own producers build theirs
 * record by record. Of what the log looks at as well nothing is said here; what is compressed stays
 * opaque.
 */

import type { Batch } from '../model/batch.js'
import { PartlogError, toPartlogError } from '../model/errors.js'
import { RecordCursor } from '../model/record-cursor.js'

/** Throws UNSUPPORTED_COMPRESSION_TYPE or INVALID_RECORD. */
export function checkForeignBatch(
  batch: Batch,
  { mayBeZstd = true }: { readonly mayBeZstd?: boolean },
): void {
  if (!mayBeZstd && batch.codec === 'zstd') {
    throw new PartlogError('UNSUPPORTED_COMPRESSION_TYPE', 'zstd came with version 7 of Produce')
  }
  if (batch.baseOffset !== 0) {
    throw invalid(`base offset ${batch.baseOffset}: the broker gives it`)
  }
  if (batch.hasValidCrc && batch.codec === 'none') checkEach(batch)
}

/** Are there as many records as the batch says, each whole and in its place? */
function checkEach(batch: Batch): void {
  try {
    const cursor = new RecordCursor(batch)
    for (let index = 0; cursor.next(); index++) {
      if (cursor.offset !== index) throw invalid(`record ${index} has offset ${cursor.offset}`)
    }
  } catch (error) {
    // To be told apart from bytes that rotted on their way: those may be sent again.
    throw invalid(toPartlogError(error).sentence)
  }
}

function invalid(sentence: string): PartlogError {
  return new PartlogError('INVALID_RECORD', sentence)
}
