/*
 * Splits a stream of bytes into frames; each one starts with its size. An impossible size is
 * refused before any byte is buffered: the first bytes of HTTP or TLS look like frames of a
 * gigabyte.
 */

import { SIZE_BYTES } from '../protocol/framing.js'

/** socket.request.max.bytes */
export const FRAME_MAX_BYTES = 104_857_600

/** Chunks of at least this size are never copied. */
const SMALL_BYTES = 16_384

export class FrameError extends Error {
  override readonly name = 'FrameError'
}

/**
 * The frames of a stream, in order; ends with the stream. Throws {@link FrameError}. Calls
 * `onBytes` for every chunk.
 */
export async function* framesOf(
  stream: AsyncIterable<Uint8Array>,
  maxBytes = FRAME_MAX_BYTES,
  onBytes?: () => void,
): AsyncGenerator<Buffer, undefined> {
  const pending = new Pending()
  for await (const chunk of stream) {
    onBytes?.()
    pending.add(chunk)
    for (let size = pending.size; size !== undefined; size = pending.size) {
      if (size < 0 || size > maxBytes) {
        throw new FrameError(`a frame of ${size} bytes is too large: at most ${maxBytes} are read`)
      }
      const frame = pending.take(size)
      if (frame === undefined) break
      yield frame
    }
  }
  if (pending.length > 0) throw new FrameError(`the stream ends within a frame`)
}

/** Received bytes that are not a complete frame yet. */
class Pending {
  #chunks: Uint8Array[] = []
  length = 0

  add(chunk: Uint8Array): void {
    this.#chunks.push(chunk)
    this.length += chunk.byteLength
    this.#joinSmall()
  }

  /**
   * Joins small chunks, because a stream of single bytes would cost a hundred times its size. Small
   * chunks are kept in decreasing size, so each byte is copied only a few times.
   */
  #joinSmall(): void {
    for (;;) {
      const [before, last] = this.#chunks.slice(-2)
      if (before === undefined || last === undefined) return
      if (Math.max(before.byteLength, last.byteLength) >= SMALL_BYTES) return
      if (before.byteLength > last.byteLength) return
      this.#chunks.splice(-2, 2, Buffer.concat([before, last]))
    }
  }

  /** The size of the next frame; undefined if it was not received yet. */
  get size(): number | undefined {
    return this.length < SIZE_BYTES ? undefined : this.#head(SIZE_BYTES).readInt32BE(0)
  }

  /** The next frame; undefined if it is not complete yet. */
  take(size: number): Buffer | undefined {
    const end = SIZE_BYTES + size
    if (this.length < end) return undefined
    const all = this.#head(end)
    const rest = all.subarray(end)
    this.#chunks = rest.length > 0 ? [rest, ...this.#chunks.slice(1)] : this.#chunks.slice(1)
    this.length -= end
    return all.subarray(SIZE_BYTES, end)
  }

  /** Joins chunks so that the first one has at least `bytes` bytes; returns it. */
  #head(bytes: number): Buffer {
    let count = 0
    let size = 0
    while (size < bytes) size += (this.#chunks[count++] as Uint8Array).byteLength
    const head = count === 1 ? toBuffer(this.#chunks[0] as Uint8Array) : this.#joined(count)
    this.#chunks.splice(0, count, head)
    return head
  }

  #joined(count: number): Buffer {
    return Buffer.concat(this.#chunks.slice(0, count))
  }
}

function toBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
