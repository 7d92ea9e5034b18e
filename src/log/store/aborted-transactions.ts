/*
 * The aborted transactions of one segment, in memory, and the segment's transaction index.
 *
 * Appending only notes an aborted transaction here; the file is written when the indexes are
 * synced, before the recovery point passes its end marker. What a crash takes of it, opening finds
 * again in the batches above the last snapshot of the producers.
 */

import { readSmallFile, parentOf, type Disk, type DiskFile } from '../../disk/disk.js'
import type { Offset } from '../../model/units.js'
import {
  decodeAborted,
  encodeAborted,
  transactionIndexBytes,
  type AbortedTransaction,
} from '../format/transaction-index.js'

const FILE_BYTES_MAX = 64 * 1024 * 1024
/** The name of the segment's file of batches, whatever suffix it has at the moment. */
const LOG_NAME = /\.log(?=(\.\w+)?$)/

export class AbortedTransactions {
  readonly #disk: Disk
  readonly #log: Pick<DiskFile, 'path'>
  #entries: AbortedTransaction[] = []
  /** How many entries the file has. */
  #written = 0

  /** `log`: the segment's file of batches, which is renamed together with the index. */
  constructor(disk: Disk, log: Pick<DiskFile, 'path'>) {
    this.#disk = disk
    this.#log = log
  }

  get path(): string {
    return this.#log.path.replace(LOG_NAME, '.txnindex')
  }

  get all(): readonly AbortedTransaction[] {
    return this.#entries
  }

  /** Reads the file. False if it is damaged: then it has to be made again from the batches. */
  async load(): Promise<boolean> {
    const bytes = await readSmallFile(this.#disk, this.path, FILE_BYTES_MAX)
    let isWhole = true
    this.#entries = decodeAborted(bytes ?? Buffer.alloc(0), () => (isWhole = false))
    this.#written = this.#entries.length
    return isWhole
  }

  /** Notes a transaction; one that is known already is ignored. */
  add(transaction: AbortedTransaction): void {
    const last = this.#entries.at(-1)?.lastOffset ?? -1
    if (transaction.lastOffset > last) this.#entries.push(transaction)
  }

  /** Forgets the transactions whose end marker is at `end` or above. Durable after `sync`. */
  async truncateTo(end: Offset): Promise<void> {
    this.#entries = this.#entries.filter(({ lastOffset }) => lastOffset < end)
    const isLonger = this.#disk.exists(this.path) && this.#written > this.#entries.length
    this.#written = Math.min(this.#written, this.#entries.length)
    if (isLonger) await this.#write(() => undefined)
  }

  /** Makes the file hold every entry, and survive a power cut. */
  async sync(): Promise<void> {
    if (this.#written === this.#entries.length) return
    const count = this.#entries.length
    const fresh = encodeAborted(this.#entries.slice(this.#written))
    await this.#write(file => file.append(fresh))
    this.#written = count
  }

  /** Cuts what is not known to be right, writes, syncs. */
  async #write(change: (file: DiskFile) => void): Promise<void> {
    const { path } = this
    const isNew = !this.#disk.exists(path)
    const file = isNew ? this.#disk.create(path) : this.#disk.open(path)
    try {
      const known = transactionIndexBytes(this.#written)
      if (file.size > known) file.truncate(known)
      change(file)
      await file.sync()
    } finally {
      file.close()
    }
    if (isNew) await this.#disk.syncDirectory(parentOf(path))
  }
}
