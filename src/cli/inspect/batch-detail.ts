/* A batch as one line of inspect. */

import type { Batch } from '../../model/batch/batch.js'

export function batchDetail(batch: Batch, position: number): object {
  return {
    entry: 'batch',
    position,
    baseOffset: batch.baseOffset,
    lastOffset: batch.lastOffset,
    records: batch.recordsCount,
    bytes: batch.size,
    codec: batch.codec ?? 'unknown',
    leaderEpoch: batch.leaderEpoch,
    maxTimestamp: exactly(batch.maxTimestamp, () => batch.exactMaxTimestamp),
    timestampType: batch.timestampType,
    producerId: exactly(batch.producerId, () => batch.exactProducerId),
    producerEpoch: batch.producerEpoch,
    baseSequence: batch.baseSequence,
    isControl: batch.isControl,
    isTransactional: batch.isTransactional,
    crc: batch.crc,
    ...(batch.hasDeleteHorizon ? { deleteHorizonMs: batch.baseTimestamp } : {}),
  }
}

/** An int64: as text if a number would lose digits. */
function exactly(value: number, exact: () => bigint): number | string {
  return Number.isSafeInteger(value) ? value : String(exact())
}
