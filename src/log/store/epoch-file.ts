/*
 * The file of a log's leader epochs. An epoch is written before its first batch is synced, so the
 * epoch of every durable batch is in the file. Recovery reads all other epochs from the batches it
 * scans. An epoch without batches is not written: opening a log drops it anyway.
 */

import { SerialQueue } from '../../base/tasks.js'
import { join, replaceSmallFile, type Disk } from '../../disk/disk.js'
import type { LeaderEpoch, Offset } from '../../model/units.js'
import { formatEpochs } from '../format/checkpoints.js'
import { LEADER_EPOCH_CHECKPOINT } from '../format/files.js'
import type { LeaderEpochs } from '../format/leader-epochs.js'

export class EpochFile {
  readonly #disk: Disk
  readonly #path: string
  readonly #epochs: LeaderEpochs
  /** One write at a time: writes share a temporary file. */
  readonly #writes = new SerialQueue()
  #isStale = false
  /** The last write has failed: the file may name offsets that are deleted. */
  #hasFailed = false

  get hasFailed(): boolean {
    return this.#hasFailed
  }

  constructor(disk: Disk, folder: string, epochs: LeaderEpochs) {
    this.#disk = disk
    this.#path = join(folder, LEADER_EPOCH_CHECKPOINT)
    this.#epochs = epochs
  }

  /** Notes the epoch of a batch at `offset`. The next flush writes it. */
  note(epoch: LeaderEpoch, offset: Offset): void {
    if (epoch > this.#epochs.latestEpoch) this.assign(epoch, offset)
  }

  /** Notes that a leadership begins at `offset`. The next flush writes it. */
  assign(epoch: LeaderEpoch, offset: Offset): void {
    if (this.#epochs.assign(epoch, offset)) this.#isStale = true
  }

  /** The file lacks epochs. */
  get isStale(): boolean {
    return this.#isStale
  }

  /** Writes the epochs if the file lacks some. Durable when it resolves. */
  async flush(): Promise<void> {
    if (this.#isStale) await this.write()
  }

  /** Writes the epochs that are current when its turn comes. Durable when it resolves. */
  async write(): Promise<void> {
    await this.#writes.run(async () => {
      this.#isStale = false
      try {
        const text = formatEpochs(this.#epochs.entries)
        await replaceSmallFile(this.#disk, this.#path, Buffer.from(text))
        this.#hasFailed = false
      } catch (error) {
        this.#isStale = true
        this.#hasFailed = true
        throw error
      }
    })
  }
}
