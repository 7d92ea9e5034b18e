/*
 * Maps times to offsets: sparse, next to the offset index.
 *
 * No record of the segment up to an entry's offset is newer than its timestamp. The offset is the
 * last one of the batch that first reached the timestamp. A closed segment's last entry holds its
 * newest time.
 *
 * Invariant: timestamps ascend strictly, offsets do not descend.
 */

import type { Offset, Timestamp } from '../../model/units.js'
import { TIME_ENTRY } from './index-entry.js'
import { IndexError, type IndexFileOptions } from './index-file.js'
import { SparseIndex, type EntryLayout } from './sparse-index.js'

export interface TimeIndexEntry {
  readonly timestamp: Timestamp
  readonly offset: Offset
}

const LAYOUT: EntryLayout<TimeIndexEntry> = {
  bytes: TIME_ENTRY.bytes,
  offset: TIME_ENTRY.offset,
  read: (entries, index, baseOffset) => ({
    timestamp: entries.read(index, TIME_ENTRY.timestamp),
    offset: baseOffset + entries.read(index, TIME_ENTRY.offset),
  }),
  check: checkAscending,
}

export class TimeIndex extends SparseIndex<TimeIndexEntry> {
  constructor(
    baseOffset: Offset,
    maxBytes: number,
    options: Omit<IndexFileOptions, 'entryBytes' | 'check'>,
  ) {
    super(LAYOUT, baseOffset, maxBytes, options)
  }

  /** One slot is reserved for the entry that closes the segment. */
  get isFull(): boolean {
    return this.file.count >= this.entriesMax - 1
  }

  /** Adds the newest time so far, if it is newer than the last entry. */
  appendIfNewer(timestamp: Timestamp, offset: Offset): void {
    const { last } = this
    if (timestamp < 0) return
    if (last !== undefined && timestamp <= last.timestamp) return
    // If another program's last entry has a higher offset, the time holds up to that one too.
    const upTo = Math.max(offset, last?.offset ?? offset)
    this.add(TIME_ENTRY.of(timestamp, upTo - this.baseOffset), { timestamp, offset: upTo })
  }

  /** The greatest entry older than `target`: every record up to its offset is older too. */
  async lookupBefore(target: Timestamp): Promise<TimeIndexEntry | undefined> {
    const entries = await this.file.entries()
    const index = entries.lastIndex(at => entries.read(at, TIME_ENTRY.timestamp) < target)
    return this.entryAt(entries, index)
  }
}

function checkAscending(entries: Buffer, path: string): void {
  let timestamp = -1
  let offset = 0
  for (let at = 0; at < entries.length; at += TIME_ENTRY.bytes) {
    const nextTimestamp = TIME_ENTRY.timestamp(entries, at)
    const nextOffset = TIME_ENTRY.offset(entries, at)
    if (!(nextTimestamp > timestamp) || nextOffset < offset) {
      throw new IndexError(`${path} does not ascend at byte ${at}`)
    }
    timestamp = nextTimestamp
    offset = nextOffset
  }
}
