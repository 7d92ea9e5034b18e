/*
 * Maps offsets to positions in the file: sparse, one entry about every 4 KiB of records.
 *
 * The offset of an entry is the LAST one of a batch, the position is where that batch starts. So a
 * scan forward from the greatest entry at or below an offset finds the offset.
 *
 * Invariant: offsets and positions both ascend strictly. The file has no checksum: entries are
 * checked against the log before they are used, and wrong ones are rebuilt from it. (Kafka before
 * 4.0 wrote one entry per append: the last offset of all its batches, the position of the first.
 * If these are not the same batch, the index is rebuilt.)
 */

import { assert } from '../../base/assert.js'
import type { Offset, Position } from '../../model/units.js'
import { OFFSET_ENTRY } from './index-entry.js'
import { IndexError, type IndexEntries, type IndexFileOptions } from './index-file.js'
import { SparseIndex, type EntryLayout } from './sparse-index.js'

const RELATIVE_MAX = 2 ** 31 - 1

export interface OffsetIndexEntry {
  readonly offset: Offset
  readonly position: Position
}

/** The greatest entry at or below an offset, or the start of the segment; and the one after it. */
export interface EntriesAround {
  readonly entry: OffsetIndexEntry
  readonly next: OffsetIndexEntry | undefined
}

const LAYOUT: EntryLayout<OffsetIndexEntry> = {
  bytes: OFFSET_ENTRY.bytes,
  offset: OFFSET_ENTRY.offset,
  read: (entries, index, baseOffset) => ({
    offset: baseOffset + entries.read(index, OFFSET_ENTRY.offset),
    position: entries.read(index, OFFSET_ENTRY.position),
  }),
  check: checkAscending,
}

export class OffsetIndex extends SparseIndex<OffsetIndexEntry> {
  constructor(
    baseOffset: Offset,
    maxBytes: number,
    options: Omit<IndexFileOptions, 'entryBytes' | 'check'>,
  ) {
    super(LAYOUT, baseOffset, maxBytes, options)
  }

  get isFull(): boolean {
    return this.file.count >= this.entriesMax
  }

  append(offset: Offset, position: Position): void {
    const relative = offset - this.baseOffset
    assert(relative >= 0 && relative <= RELATIVE_MAX, 'relative offset fits', { offset })
    assert(this.last === undefined || offset > this.last.offset, 'index ascends', { offset })
    this.add(OFFSET_ENTRY.of(relative, position), { offset, position })
  }

  /** The greatest entry at or below `target`, or the start of the segment. */
  async lookup(target: Offset): Promise<OffsetIndexEntry> {
    return this.#floor(await this.file.entries(), target)
  }

  /** The same and the entry after it, if the index is in memory; otherwise undefined. */
  lookupNow(target: Offset): EntriesAround | undefined {
    const entries = this.file.entriesNow()
    if (entries === undefined) return undefined
    const index = this.#floorIndex(entries, target)
    return {
      entry: this.#entryOrStart(entries, index),
      next: index + 1 < entries.count ? this.entryAt(entries, index + 1) : undefined,
    }
  }

  #floor(entries: IndexEntries, target: Offset): OffsetIndexEntry {
    return this.#entryOrStart(entries, this.#floorIndex(entries, target))
  }

  #floorIndex(entries: IndexEntries, target: Offset): number {
    const relative = target - this.baseOffset
    return entries.lastIndex(at => entries.read(at, OFFSET_ENTRY.offset) <= relative)
  }

  #entryOrStart(entries: IndexEntries, index: number): OffsetIndexEntry {
    return this.entryAt(entries, index) ?? { offset: this.baseOffset, position: 0 }
  }
}

function checkAscending(entries: Buffer, path: string): void {
  let offset = -1
  // No entry points to a segment's first batch, but zeros of a lost sector would.
  let position = 0
  for (let at = 0; at < entries.length; at += OFFSET_ENTRY.bytes) {
    const nextOffset = OFFSET_ENTRY.offset(entries, at)
    const nextPosition = OFFSET_ENTRY.position(entries, at)
    if (nextOffset <= offset || nextPosition <= position) {
      throw new IndexError(`${path} does not ascend at byte ${at}`)
    }
    offset = nextOffset
    position = nextPosition
  }
}
