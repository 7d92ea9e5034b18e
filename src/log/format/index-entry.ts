/*
 * The entries of the two indexes, byte by byte. Offsets are relative to the segment's base offset.
 *
 *   .index       8 bytes:   int32 offset │ int32 position
 *   .timeindex   12 bytes:  int64 timestamp │ int32 offset
 */

import { ByteWriter, getInt64, putInt32, putInt64 } from '../../base/bytes.js'
import type { Position, Timestamp } from '../../model/units.js'

/** Reads a field of the entry that begins at a byte. */
export type EntryField = (bytes: Buffer, at: number) => number

export const OFFSET_ENTRY = {
  bytes: 8,
  offset: (bytes: Buffer, at: number): number => bytes.readInt32BE(at),
  position: (bytes: Buffer, at: number): Position => bytes.readInt32BE(at + 4),
  of: (offset: number, position: Position): Buffer =>
    new ByteWriter(8).int32(offset).int32(position).finish(),
} as const

export const TIME_ENTRY = {
  bytes: 12,
  /** The nearest number, if a time is outside the safe integers (nanoseconds, say, or damage). */
  timestamp: (bytes: Buffer, at: number): Timestamp => getInt64(bytes, at),
  offset: (bytes: Buffer, at: number): number => bytes.readInt32BE(at + 8),
  of: (timestamp: Timestamp, offset: number): Buffer =>
    timeEntry(timestamp, offset),
} as const

/** No number is 2^63 − 1, the largest int64: it is read as 2^63. */
const BEYOND_INT64 = 2 ** 63

/** An entry that gives back the number, also one outside the safe integers. */
function timeEntry(timestamp: Timestamp, offset: number): Buffer {
  const entry = Buffer.allocUnsafe(12)
  putInt64(entry, timestamp, 0)
  if (timestamp >= BEYOND_INT64) entry.fill(0xff, 1, 8).fill(0x7f, 0, 1)
  putInt32(entry, offset, 8)
  return entry
}
