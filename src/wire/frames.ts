/*
 * Splits a stream of bytes into frames; each one starts with its size. An impossible size is
 * refused before any byte is buffered: the first bytes of HTTP or TLS look like frames of a
 * gigabyte.
 */

import type { Writable } from 'node:stream'
import { SIZE_BYTES, type Frame } from '../protocol/framing.js'

/** socket.request.max.bytes */
const FRAME_MAX_BYTES = 104_857_600

/** Chunks of at least this size are never copied. */
const SMALL_BYTES = 16_384

export class FrameError extends Error {
  override readonly name = 'FrameError'
}

/** Frames of this size are put together in a buffer that may be kept. */
const KEPT_BYTES_MIN = 16_384
const KEPT_BYTES_MAX = 2 * 1024 * 1024
/** Of all connections together: a thousand idle ones must not keep buffers each. */
const FREE_MAX = 4

/**
 * Buffers in which frames are put together. The buffer of a frame is used again if it is released,
 * and nothing refers to its bytes any more. (The engine collects garbage for every 32 MB of
 * buffers, which took 39 % of the time of a server that only receives.)
 */
export class FrameBuffers {
  readonly #free: Buffer[] = []
  /** The buffers of frames that may be released. */
  readonly #used = new WeakMap<Buffer, Buffer>()

  /** A frame of `size` bytes, with any content. */
  take(size: number): Buffer {
    if (size < KEPT_BYTES_MIN || size > KEPT_BYTES_MAX) return Buffer.allocUnsafe(size)
    const place = this.#free.findIndex(({ length }) => length >= size)
    const [buffer = Buffer.allocUnsafeSlow(roundedUp(size))] =
      place < 0 ? [] : this.#free.splice(place, 1)
    const frame = buffer.subarray(0, size)
    this.#used.set(frame, buffer)
    return frame
  }

  /** Nothing refers to the bytes of the frame any more. */
  release(frame: Buffer): void {
    const buffer = this.#used.get(frame)
    if (buffer === undefined) return
    this.#used.delete(frame)
    if (this.#free.length >= FREE_MAX) this.#free.shift()
    this.#free.push(buffer)
  }
}

function roundedUp(size: number): number {
  let rounded = KEPT_BYTES_MIN
  while (rounded < size) rounded *= 2
  return rounded
}

export interface FramesOptions {
  /** The largest frame. Default {@link FRAME_MAX_BYTES}. */
  readonly maxBytes?: number
  /** Called for every chunk. */
  readonly onBytes?: () => void
  /** Default: no buffer is used again. */
  readonly buffers?: FrameBuffers
}

/** The frames of a stream, in order; ends with the stream. Throws {@link FrameError}. */
export async function* framesOf(
  stream: AsyncIterable<Uint8Array>,
  { maxBytes = FRAME_MAX_BYTES, onBytes, buffers = new FrameBuffers() }: FramesOptions = {},
): AsyncGenerator<Buffer, undefined> {
  const pending = new Pending(buffers)
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

/** Sends a frame in one go. Returns false if the stream is full, as `stream.write` does. */
export function writeFrame(
  stream: Writable,
  frame: Frame,
  onTaken?: (error?: Error | null) => void,
): boolean {
  if (frame.length > 1) stream.cork()
  let isRoom = true
  for (const [index, part] of frame.entries()) {
    isRoom = stream.write(part, index === frame.length - 1 ? onTaken : undefined)
  }
  if (frame.length > 1) stream.uncork()
  return isRoom
}

/** Received bytes that are not a complete frame yet. */
class Pending {
  readonly #buffers: FrameBuffers
  #chunks: Uint8Array[] = []
  length = 0

  constructor(buffers: FrameBuffers) {
    this.#buffers = buffers
  }

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
    const first = this.#chunks[0] as Uint8Array
    if (first.byteLength < end) return this.#joined(size)
    this.length -= end
    if (first.byteLength === end) this.#chunks.shift()
    else this.#chunks[0] = first.subarray(end)
    return toBuffer(first).subarray(SIZE_BYTES, end)
  }

  /** A frame that lies in several chunks. */
  #joined(size: number): Buffer {
    const frame = this.#buffers.take(size)
    let skipped = SIZE_BYTES
    let filled = 0
    while (filled < size) {
      const chunk = this.#chunks[0] as Uint8Array
      const taken = chunk.subarray(skipped, skipped + size - filled)
      frame.set(taken, filled)
      filled += taken.byteLength
      const used = skipped + taken.byteLength
      if (used === chunk.byteLength) this.#chunks.shift()
      else this.#chunks[0] = chunk.subarray(used)
      skipped = Math.max(0, skipped - chunk.byteLength)
    }
    this.length -= SIZE_BYTES + size
    return frame
  }

  /** Joins chunks so that the first one has at least `bytes` bytes; returns it. */
  #head(bytes: number): Buffer {
    let count = 0
    let size = 0
    while (size < bytes) size += (this.#chunks[count++] as Uint8Array).byteLength
    if (count === 1) return toBuffer(this.#chunks[0] as Uint8Array)
    const head = Buffer.concat(this.#chunks.slice(0, count))
    this.#chunks.splice(0, count, head)
    return head
  }
}

function toBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
