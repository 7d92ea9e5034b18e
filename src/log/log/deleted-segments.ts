/**
 * Segments that are no longer part of a log and whose files are still there: whoever is reading
 * them may finish. The files go under another name at once and away after a while; what is left
 * when the log is closed goes when it is opened again.
 */

import type { Clock, Timer } from '../../base/clock.js'
import type { Logger } from '../../base/logger.js'
import type { Disk } from '../../disk/disk.js'
import type { Offset } from '../../model/units.js'
import type { SegmentFileKind } from '../format/files.js'
import type { Segment } from './segment.js'

export interface DeletedSegmentsContext {
  readonly disk: Disk
  readonly folder: string
  readonly clock: Clock
  readonly logger: Logger
}

interface Removal {
  readonly segment: Segment
  readonly timer: Timer
  readonly paths: readonly string[]
}

export class DeletedSegments {
  readonly #context: DeletedSegmentsContext
  /** By base offset: a log that is compacted often has several that were called the same. */
  readonly #removals = new Map<Offset, Removal>()

  constructor(context: DeletedSegmentsContext) {
    this.#context = context
  }

  close(): void {
    for (const { segment, timer } of this.#removals.values()) {
      timer.cancel()
      segment.close()
    }
    this.#removals.clear()
  }

  /**
   * Renames the segment's files now, all of them by default, and removes them after `delayMs`. One
   * of the same base offset that still waits makes room: whoever reads it has to begin again.
   */
  add(segment: Segment, delayMs: number, kinds?: readonly SegmentFileKind[]): void {
    const { baseOffset } = segment
    const before = this.#removals.get(baseOffset)
    before?.timer.cancel()
    before?.segment.close()
    const paths = [...new Set([...(before?.paths ?? []), ...segment.markDeleted(kinds)])]
    const onTime = (): void => {
      this.#removals.delete(baseOffset)
      segment.close()
      this.#remove(paths).catch((error: unknown) => {
        this.#context.logger.warn('a deleted segment stays for now', { paths, error })
      })
    }
    const timer = this.#context.clock.after(delayMs, onTime, 'background')
    this.#removals.set(baseOffset, { segment, timer, paths })
  }

  async #remove(paths: readonly string[]): Promise<void> {
    const { disk, folder } = this.#context
    // Else an index might come back under its old name, and its segment be missed.
    await disk.syncDirectory(folder)
    for (const path of paths) await disk.remove(path)
  }
}
