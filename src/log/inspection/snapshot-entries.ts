/* The entries of a producer snapshot, field by field, for those who look at the file. */

import { ByteReader } from '../../base/bytes.js'

/** int16 version │ uint32 CRC-32C │ int32 count │ entries; see producer-state.ts. */
const HEADER_BYTES = 10
const ENTRY_BYTES = 46

export interface SnapshotEntry {
  readonly producerId: number
  readonly producerEpoch: number
  readonly lastSequence: number
  readonly lastOffset: number
  readonly offsetDelta: number
  readonly timestamp: number
  readonly coordinatorEpoch: number
  readonly currentTxnFirstOffset: number
}

/** The whole entries of a file, whatever its count and its checksum say. */
export function snapshotEntries(bytes: Uint8Array): SnapshotEntry[] {
  const entries: SnapshotEntry[] = []
  for (let at = HEADER_BYTES; at + ENTRY_BYTES <= bytes.length; at += ENTRY_BYTES) {
    const reader = new ByteReader(bytes.subarray(at, at + ENTRY_BYTES))
    const [producerId, producerEpoch] = [reader.int64(), reader.int16()]
    const [lastSequence, lastOffset, offsetDelta] = [reader.int32(), reader.int64(), reader.int32()]
    const [timestamp, coordinatorEpoch] = [reader.int64(), reader.int32()]
    const batch = { lastSequence, lastOffset, offsetDelta, timestamp }
    const currentTxnFirstOffset = reader.int64()
    entries.push({ producerId, producerEpoch, ...batch, coordinatorEpoch, currentTxnFirstOffset })
  }
  return entries
}
