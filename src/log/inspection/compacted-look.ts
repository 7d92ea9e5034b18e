/*
 * Decides whether a log looks compacted. Needed when offsets are missing and no cleaner checkpoint
 * explains it: followers copy their leader's compacted batches, and people copy folders without
 * the files next to them.
 *
 * Compaction leaves gaps between batches of one file, each confirmed by the next batch, and keeps
 * no record without a key. A missing file leaves a gap between two files.
 */

import { join, type Disk } from '../../disk/disk.js'
import type { Batch } from '../../model/batch/batch.js'
import { isReadable } from '../../model/batch/compression.js'
import { RecordCursor } from '../../model/batch/record-cursor.js'
import type { Offset } from '../../model/units.js'
import { segmentFile } from '../format/files.js'
import { scanBatches } from '../format/scan.js'
import { segmentsOf } from './known-bounds.js'

export async function looksCompacted(disk: Disk, folder: string): Promise<boolean> {
  const look = new Look()
  for (const base of segmentsOf(disk, folder)) {
    const file = disk.open(join(folder, segmentFile(base, 'log')))
    try {
      look.nextFile(base)
      await scanBatches(file, batch => (look.take(batch) ? undefined : KEYLESS))
    } finally {
      file.close()
    }
    if (look.hasKeyless) return false
  }
  return look.hasGap
}

const KEYLESS = 'a record without a key'

class Look {
  hasGap = false
  hasKeyless = false
  #nextOffset: Offset = 0
  /** The last batch follows a gap; the next one shows whether its offset is right. */
  #isOpen = false

  nextFile(base: Offset): void {
    this.#confirm(base)
    this.#nextOffset = base
  }

  /** False for a batch that compaction would not have left. */
  take(batch: Batch): boolean {
    if (!batch.isControl && hasKeylessRecord(batch)) this.hasKeyless = true
    this.#confirm(batch.baseOffset)
    this.#isOpen = batch.baseOffset > this.#nextOffset
    this.#nextOffset = batch.nextOffset
    return !this.hasKeyless
  }

  #confirm(following: Offset): void {
    if (this.#isOpen && following >= this.#nextOffset) this.hasGap = true
    this.#isOpen = false
  }
}

function hasKeylessRecord(batch: Batch): boolean {
  if (!isReadable(batch.codec)) return false
  try {
    for (const cursor = new RecordCursor(batch); cursor.next();) {
      if (cursor.keyRange === undefined) return true
    }
  } catch {
    // Readers of the batch report the damage.
  }
  return false
}
