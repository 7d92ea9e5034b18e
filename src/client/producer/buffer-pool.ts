/*
 * Reuses the buffers of batches. There are four sizes; a batch begins small and moves to a larger
 * buffer as it grows, so a thousand partitions with a record each do not take a thousand large
 * buffers.
 *
 * A buffer is released only when no code can read or write it any more.
 */

const SIZES = [4096, 16_384, 65_536, 262_144] as const
/**
 * Most bytes of free buffers kept of each size: as many as a send of 50,000 small messages needs.
 * Memory that is new to the process costs a fault for each page (5 to 10 % of such a send).
 */
const KEPT_BYTES_PER_SIZE = 6 * 1024 * 1024

export class BufferPool {
  readonly #free = new Map<number, Buffer[]>(SIZES.map(size => [size, []]))

  /** A buffer of at least `bytes`. It holds old content. */
  take(bytes: number): Buffer {
    const size = SIZES.find(candidate => candidate >= bytes)
    if (size === undefined) return Buffer.allocUnsafeSlow(bytes)
    return this.#free.get(size)?.pop() ?? Buffer.allocUnsafeSlow(size)
  }

  /** Returns a buffer to the pool; a buffer of another size is dropped. */
  release(buffer: Buffer): void {
    const free = this.#free.get(buffer.length)
    if (free !== undefined && free.length < KEPT_BYTES_PER_SIZE / buffer.length) free.push(buffer)
  }
}
