/*
 * What each codec does, and how work on bytes is cut into steps. A codec that Node has works in
 * another thread when it is asked to; those in partlog's own code work in steps instead, so that
 * other work gets its turn in between. Both give the same bytes.
 */

import { PartlogError } from '../errors.js'

/**
 * How many bytes are written in one step of unpacking: one to two milliseconds of work. A single
 * match or literal may exceed it: that is one memory copy.
 */
export const STEP_BYTES = 256 * 1024
/** How many bytes are read in one step of packing: as much work, or 10 ms at lz4's levels. */
export const PACK_STEP_BYTES = 64 * 1024
/** How many blocks are read in one step: they may be empty. */
export const STEP_BLOCKS = 4_096

/** Lets other work have a turn; resolves after it. */
export type Turn = () => Promise<void>

/** Work that can pause between two steps. It throws {@link GrowsTooLarge} or CORRUPT_MESSAGE. */
export type Steps<T> = Generator<undefined, T, undefined>

/**
 * One codec. The caller checks the level. `unpack` throws {@link GrowsTooLarge}, or
 * CORRUPT_MESSAGE for a damaged stream.
 */
export interface CodecWork {
  /** `level`: default Kafka's. */
  readonly pack: (bytes: Buffer, level?: number) => Uint8Array
  readonly packAside: (
    bytes: Buffer,
    level: number | undefined,
    turn: Turn,
  ) => Promise<Uint8Array>
  /** `bytesMax`: the result is not larger. */
  readonly unpack: (bytes: Buffer, bytesMax: number) => Uint8Array
  readonly unpackAside: (bytes: Buffer, bytesMax: number, turn: Turn) => Promise<Uint8Array>
  /** The size that a stream announces: a hint. 0 when it announces none. */
  readonly announcedSize: (bytes: Buffer) => number
}

/** The records are larger than may be unpacked. */
export class GrowsTooLarge extends Error {
  override readonly name = 'GrowsTooLarge'
}

export function damaged(codec: string, why: string, cause?: unknown): PartlogError {
  const sentence = `${codec} stream is damaged: ${why}`
  return new PartlogError('CORRUPT_MESSAGE', sentence, cause === undefined ? {} : { cause })
}

/** Does all steps at once. */
export function finished<T>(steps: Steps<T>): T {
  for (;;) {
    const { done, value } = steps.next()
    if (done === true) return value
  }
}

/** Does the steps in sequence; other work gets a turn between two steps. */
export function finishedInTurns<T>(steps: Steps<T>, turn: Turn): Promise<T> {
  return new Promise((resolve, reject) => {
    const goOn = (): void => {
      try {
        const { done, value } = steps.next()
        if (done === true) resolve(value)
        else turn().then(goOn, reject)
      } catch (error) {
        reject(error as Error)
      }
    }
    goOn()
  })
}

/** A block that is being unpacked, and where its content goes. `at` and `out` move on. */
export interface BlockWork {
  readonly bytes: Buffer
  at: number
  readonly end: number
  readonly into: Buffer
  readonly outStart: number
  out: number
  /** Where the largest block of its kind would end. */
  readonly outEnd: number
}

// ── copies ───────────────────────────────────────────────────────────────────────────────

/** Up to this length a loop is faster than a call into the engine. */
export const LOOP_BYTES = 48

/**
 * Copies `length` bytes that begin `distance` bytes before `out`; returns the position after them.
 * When they reach beyond `out`, what was just copied is copied again: distance 1 repeats one byte.
 */
export function copyMatch(into: Buffer, out: number, distance: number, length: number): number {
  const end = out + length
  let from = out - distance
  let to = out
  if (length > LOOP_BYTES) {
    // Each copy doubles what can be copied next.
    while (to < end) {
      const count = Math.min(to - from, end - to)
      into.copyWithin(to, from, from + count)
      to += count
    }
    return end
  }
  // Four at a time, one after the other: a third faster than one by one.
  for (; to < end - 3; to += 4, from += 4) {
    into[to] = into[from] as number
    into[to + 1] = into[from + 1] as number
    into[to + 2] = into[from + 2] as number
    into[to + 3] = into[from + 3] as number
  }
  while (to < end) into[to++] = into[from++] as number
  return end
}
