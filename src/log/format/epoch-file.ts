/**
 * The leader epochs of a log in its folder. They are written when a leadership begins and, for
 * those that came with batches, before the batches are synced: what is durable has its epoch in the
 * file. What is not, recovery learns from the batches it scans.
 */

import { SerialQueue } from '../../base/tasks.js'
import { join, replaceSmallFile, type Disk } from '../../disk/disk.js'
import type { LeaderEpoch, Offset } from '../../model/units.js'
import { formatEpochs } from './checkpoints.js'
import { LEADER_EPOCH_CHECKPOINT } from './files.js'
import type { LeaderEpochs } from './leader-epochs.js'

export class EpochFile {
  readonly #disk: Disk
  readonly #path: string
  readonly #epochs: LeaderEpochs
  /** One write at a time: they share a temporary file. */
  readonly #writes = new SerialQueue()
  #isStale = false

  constructor(disk: Disk, folder: string, epochs: LeaderEpochs) {
    this.#disk = disk
    this.#path = join(folder, LEADER_EPOCH_CHECKPOINT)
    this.#epochs = epochs
  }

  /** Takes note of the epoch of a batch at `offset`. Written with the next flush. */
  note(epoch: LeaderEpoch, offset: Offset): void {
    if (epoch <= this.#epochs.latestEpoch) return
    this.#epochs.assign(epoch, offset)
    this.#isStale = true
  }

  /** Writes the epochs if some are only in memory. Durable when it resolves. */
  async flush(): Promise<void> {
    if (this.#isStale) await this.write()
  }

  /** Writes the epochs as they are when its turn comes. Durable when it resolves. */
  async write(): Promise<void> {
    await this.#writes.run(async () => {
      this.#isStale = false
      try {
        const text = formatEpochs(this.#epochs.entries)
        await replaceSmallFile(this.#disk, this.#path, Buffer.from(text))
      } catch (error) {
        this.#isStale = true
        throw error
      }
    })
  }
}
