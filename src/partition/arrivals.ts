/*
 * Keeps the order of batches on their way into one partition. An append is one synchronous step,
 * but a batch may have to wait before it while another thread unpacks it. Later batches for the
 * same partition wait behind it, as Kafka's appends wait for the lock of a log.
 */

import { SerialQueue } from '../base/tasks.js'

export class Arrivals {
  /** Created when a batch first has to wait: most partitions never need it. */
  #turns: SerialQueue | undefined
  #count = 0

  /** If true, a batch may be appended at once. */
  get isEmpty(): boolean {
    return this.#count === 0
  }

  /** Runs `append` after all earlier ones have succeeded or failed. */
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
