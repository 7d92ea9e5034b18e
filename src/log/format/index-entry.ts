/*
 * The entries of the two indexes, byte by byte. Offsets are relative to the segment's base offset.
 *
 *   .index       8 bytes:   int32 offset │ int32 position
 *   .timeindex   12 bytes:  int64 timestamp │ int32 offset
 */

import { ByteWriter, getInt64 } from '../../base/bytes.js'
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
  /** May be outside the safe integers if the entry is damaged. */
  timestamp: (bytes: Buffer, at: number): Timestamp => getInt64(bytes, at),
  offset: (bytes: Buffer, at: number): number => bytes.readInt32BE(at + 8),
  of: (timestamp: Timestamp, offset: number): Buffer =>
    new ByteWriter(12).int64(timestamp).int32(offset).finish(),
} as const
