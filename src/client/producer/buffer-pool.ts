/**
 * Buffers for batches, used again and again. Four sizes; a batch begins small and moves to a larger
 * one as it grows, so a thousand partitions with a record each do not take a thousand large
 * buffers.
 *
 * A buffer comes back only when nobody can be writing or reading it any more.
 */

const SIZES = [4096, 16_384, 65_536, 262_144] as const
/** Buffers kept of each size, at most so many bytes together. */
const KEPT_BYTES_PER_SIZE = 1024 * 1024

export class BufferPool {
  readonly #free = new Map<number, Buffer[]>(SIZES.map(size => [size, []]))

  /** A buffer of at least `bytes`. What is in it is left over from before. */
  take(bytes: number): Buffer {
    const size = SIZES.find(candidate => candidate >= bytes)
    if (size === undefined) return Buffer.allocUnsafeSlow(bytes)
    return this.#free.get(size)?.pop() ?? Buffer.allocUnsafeSlow(size)
  }

  /** Gives a buffer back; one of no pooled size is forgotten. */
  release(buffer: Buffer): void {
    const free = this.#free.get(buffer.length)
    if (free !== undefined && free.length < KEPT_BYTES_PER_SIZE / buffer.length) free.push(buffer)
  }
}
