/**
 * Segments that are no longer part of a log and whose files are still there: whoever is reading
 * them may finish. The files go under another name at once and away after a while; what is left
 * when the log is closed goes when it is opened again.
 */

import type { Clock, Timer } from '../base/clock.js'
import type { Logger } from '../base/logger.js'
import type { Disk } from '../disk/disk.js'
import type { Segment } from './segment.js'

export interface DeletedSegmentsContext {
  readonly disk: Disk
  readonly folder: string
  readonly clock: Clock
  readonly logger: Logger
}

export class DeletedSegments {
  readonly #context: DeletedSegmentsContext
  readonly #removals = new Map<Segment, Timer>()

  constructor(context: DeletedSegmentsContext) {
    this.#context = context
  }

  /**
   * Renames the files of segments, the oldest first; removes them after `delayMs`. Each is gone for
   * good before the next one goes: a power cut leaves no hole.
   */
  async addInOrder(segments: readonly Segment[], delayMs: number): Promise<void> {
    const { disk, folder } = this.#context
    for (const segment of segments) {
      this.add(segment, delayMs)
      await disk.syncDirectory(folder)
    }
  }

  close(): void {
    for (const [segment, timer] of this.#removals) {
      timer.cancel()
      segment.close()
    }
    this.#removals.clear()
  }

  /** Renames the segment's files now, removes them after `delayMs`. */
  add(segment: Segment, delayMs: number): void {
    const paths = segment.markDeleted()
    const onTime = (): void => {
      this.#removals.delete(segment)
      segment.close()
      this.#remove(paths).catch((error: unknown) => {
        this.#context.logger.warn('a deleted segment stays for now', { paths, error })
      })
    }
    this.#removals.set(segment, this.#context.clock.after(delayMs, onTime, 'background'))
  }

  async #remove(paths: readonly string[]): Promise<void> {
    for (const path of paths) await this.#context.disk.remove(path)
  }
}
