/*
 * Segments that are no longer part of a log while their files still exist, so that reads under way
 * can finish. The files are renamed at once and removed after a delay; the next opening removes
 * files that are left when the log is closed.
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
  /** By base offset: a log that is compacted often has several with the same file names. */
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
   * Renames the segment's files now, all of them by default, and removes them after `delayMs`. A
   * waiting segment with the same base offset is closed: its readers have to start over.
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
        this.#context.logger.warn('a deleted segment could not be removed yet', { paths, error })
      })
    }
    const timer = this.#context.clock.after(delayMs, onTime, 'background')
    this.#removals.set(baseOffset, { segment, timer, paths })
  }

  async #remove(paths: readonly string[]): Promise<void> {
    const { disk, folder } = this.#context
    // Otherwise a power cut could bring an index back under its old name, without its segment.
    await disk.syncDirectory(folder)
    for (const path of paths) await disk.remove(path)
  }
}
