/*
 * A segment's transaction index: the aborted transactions whose end marker is in the segment.
 * Kafka's file (TransactionIndex, AbortedTxn):
 *
 *   int16 version 0 │ int64 producerId │ int64 firstOffset │ int64 lastOffset: of the marker
 *   │ int64 lastStableOffset: up to where transactions were decided when this one ended
 *
 * The last offsets ascend. There is no file until a transaction is aborted. Pure.
 */

import { ByteReader, BytesError, ByteWriter } from '../../base/bytes.js'
import type { Offset, Position } from '../../model/units.js'

export interface AbortedTransaction {
  readonly producerId: number
  readonly firstOffset: Offset
  /** The offset of its end marker. */
  readonly lastOffset: Offset
  readonly lastStableOffset: Offset
}

const ENTRY = { version: 0, bytes: 34 } as const

/** The size of a file with this many entries. */
export function transactionIndexBytes(entries: number): number {
  return entries * ENTRY.bytes
}

export function encodeAborted(transactions: readonly AbortedTransaction[]): Buffer {
  const writer = new ByteWriter(transactionIndexBytes(transactions.length))
  for (const { producerId, firstOffset, lastOffset, lastStableOffset } of transactions) {
    writer.int16(ENTRY.version).int64(producerId)
    writer.int64(firstOffset).int64(lastOffset).int64(lastStableOffset)
  }
  return writer.finish()
}

/** The entries of a file; `onProblem` gets each one that cannot be right. */
export function decodeAborted(
  bytes: Uint8Array,
  onProblem: (position: Position, problem: string) => void,
): AbortedTransaction[] {
  const found: AbortedTransaction[] = []
  for (let at = 0; at < bytes.length; at += ENTRY.bytes) {
    if (at + ENTRY.bytes > bytes.length) {
      onProblem(at, 'the file ends inside an entry')
      break
    }
    const before = found.at(-1)?.lastOffset ?? -1
    const entry = entryAt(bytes.subarray(at, at + ENTRY.bytes), before, problem =>
      onProblem(at, problem),
    )
    if (entry !== undefined) found.push(entry)
  }
  return found
}

function entryAt(
  bytes: Uint8Array,
  before: Offset,
  wrong: (problem: string) => void,
): AbortedTransaction | undefined {
  const reader = new ByteReader(bytes)
  const version = reader.int16()
  if (version !== ENTRY.version) return void wrong(`version ${version} is not known`)
  try {
    const [producerId, firstOffset] = [reader.int64(), reader.int64()]
    const [lastOffset, lastStableOffset] = [reader.int64(), reader.int64()]
    const numbers = [producerId, firstOffset, lastOffset, lastStableOffset]
    if (numbers.some(number => number < 0)) return void wrong('a number is impossible')
    // The last is the marker's, so a sector that was never written is no entry.
    if (firstOffset >= lastOffset) {
      return void wrong(`offset ${lastOffset} does not come after ${firstOffset}`)
    }
    if (lastOffset <= before) return void wrong('offsets do not ascend')
    return { producerId, firstOffset, lastOffset, lastStableOffset }
  } catch (error) {
    if (error instanceof BytesError) return void wrong('a number is impossible')
    throw error
  }
}
