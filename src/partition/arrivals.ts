/**
 * The order of batches on their way into one partition. An append is one step; only before that
 * may a batch have to wait, while it is unpacked in another thread. What comes meanwhile for the
 * same partition waits behind it, as Kafka's appends wait for the lock of a log.
 */

import { SerialQueue } from '../base/tasks.js'

export class Arrivals {
  /** There is none as long as nothing ever had to wait: partitions are many. */
  #turns: SerialQueue | undefined
  #count = 0

  /** Nothing waits: what comes now may be appended at once. */
  get isEmpty(): boolean {
    return this.#count === 0
  }

  /** Runs `append` when those before it have ended, in whatever way. */
  async run<T>(append: () => Promise<T> | T): Promise<T> {
    this.#turns ??= new SerialQueue()
    this.#count++
    try {
      return await this.#turns.run(append)
    } finally {
      this.#count--
    }
  }
}
