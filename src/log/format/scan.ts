/*
 * Walks the batches of a segment file from front to back. Each step has one of three outcomes: a
 * whole valid batch, the exact end, or a break (bytes that are not a valid batch). Never more than
 * a window of the file is in memory, and every length is compared with the bytes left before it is
 * used.
 */

import { isDiskError, type DiskFile } from '../../disk/disk.js'
import {
  Batch,
  BATCH_HEADER_BYTES,
  frameAt,
  SHORT,
  whyBroken,
  whyInvalid,
} from '../../model/batch/batch.js'
import type { Offset, Position } from '../../model/units.js'

export const SCAN_WINDOW_BYTES = 1024 * 1024
/** Enough bytes to include a batch's magic. */
const FRAME_BYTES = 17

/** Where a walk ended: at the exact end if there is no reason. */
export interface ScanEnd {
  /** Position after the last valid batch. */
  readonly position: Position
  /** Why the bytes at that position are not a valid batch. */
  readonly reason?: string
  /** The file ends inside what may be a batch. */
  readonly isShort?: boolean
}

/** Sees each batch; stops the walk there if it returns a reason why the batch is wrong. */
export type BatchVisitor = (batch: Batch, position: Position) => string | undefined

export interface ScanOptions {
  readonly from?: Position
  /** The position at which to stop. Default: the end of the file. */
  readonly to?: Position
  /** Whether to compare checksums. Default true. */
  readonly checksCrc?: boolean
  /** How much of the file to read at a time, unless a batch is larger. Default 1 MiB. */
  readonly windowBytes?: number
  /**
   * No batch is used after its visit. Then the file is read into two buffers in turn: one is read
   * while the batches of the other are checked. Default false.
   */
  readonly isPassing?: boolean
}

export async function scanBatches(
  file: DiskFile,
  visit: BatchVisitor,
  options: ScanOptions = {},
): Promise<ScanEnd> {
  const { from = 0, to = file.size, checksCrc = true } = options
  const { windowBytes: usualBytes = SCAN_WINDOW_BYTES, isPassing = false } = options
  const windows = new Windows(file, to, isPassing)
  let position = from
  let windowBytes = usualBytes
  while (position < to) {
    const wanted = Math.min(windowBytes, to - position)
    const window = await windows.read(position, wanted)
    if (isPassing) windows.readAhead(window, position, usualBytes)
    const step = walkWindow(window, position, { visit, checksCrc })
    if (step.reason !== undefined) return step
    if (step.position === position) {
      // The file may have been truncated meanwhile: then it ends where the read ended.
      const end = window.length < wanted ? position + window.length : to
      const needed = neededBytes(window, position, end)
      if (needed === undefined)
        return { position, reason: shortReason(end - position), isShort: true }
      windowBytes = needed
    } else {
      windowBytes = usualBytes
    }
    position = step.position
  }
  return { position }
}

/** Reads windows of a file; with `isKept` into buffers that are used again, the next one ahead. */
class Windows {
  readonly #file: DiskFile
  readonly #to: Position
  readonly #isKept: boolean
  #buffer: Buffer | undefined
  #spare: Buffer | undefined
  #ahead: { readonly position: Position; readonly window: Promise<Buffer> } | undefined

  constructor(file: DiskFile, to: Position, isKept: boolean) {
    this.#file = file
    this.#to = to
    this.#isKept = isKept
  }

  async read(position: Position, wanted: number): Promise<Buffer> {
    const ahead = this.#ahead
    this.#ahead = undefined
    const window = await ahead?.window
    if (window !== undefined && ahead?.position === position) return window
    return await this.#read(position, wanted)
  }

  /** Begins to read what follows the whole batches of a window. */
  readAhead(window: Buffer, windowAt: Position, bytes: number): void {
    const whole = wholeBytes(window)
    const position = windowAt + whole
    if (whole === 0 || position >= this.#to) return
    const reading = this.#read(position, Math.min(bytes, this.#to - position))
    reading.catch(() => undefined) // a read there gets the error
    this.#ahead = { position, window: reading }
  }

  #read(position: Position, wanted: number): Promise<Buffer> {
    if (!this.#isKept) return this.#file.read(position, wanted)
    const free = this.#spare
    this.#spare = this.#buffer
    const isEnough = free !== undefined && free.length >= wanted
    this.#buffer = isEnough ? free : Buffer.allocUnsafeSlow(wanted)
    return this.#file.read(position, wanted, this.#buffer)
  }
}

/** The bytes of the whole batches that a window begins with. */
function wholeBytes(window: Buffer): number {
  let at = 0
  while (at < window.length) {
    const size = frameAt(window, at, window.length)
    if (size <= 0 || at + size > window.length) break
    at += size
  }
  return at
}

const HEADERS_WINDOW_BYTES = 64 * 1024
/** Of larger batches only the header is read; none of them is a control batch. */
const LARGE_BATCH_BYTES = 16 * 1024
/** Windows that are read before other work gets a turn: about half a millisecond. */
const WINDOWS_PER_TURN = 64

/**
 * Like `scanBatches` without checksums, for a visitor that needs no records and keeps no batch: of
 * large batches only the header is read.
 */
export async function scanHeaders(
  file: DiskFile,
  visit: BatchVisitor,
  { from, turn }: { readonly from: Position; readonly turn: () => Promise<void> },
): Promise<ScanEnd> {
  const left = Math.max(0, file.size - from)
  const buffer = Buffer.allocUnsafe(Math.min(HEADERS_WINDOW_BYTES, left))
  let position = from
  for (let count = 1; position < file.size; count++) {
    if (count % WINDOWS_PER_TURN === 0) await turn()
    const window = await readHeadersWindow(file, position, buffer)
    const step = walkHeaders(window, position, { visit, end: file.size })
    if (step.reason !== undefined) return step
    if (step.position === position) {
      return { position, reason: shortReason(file.size - position), isShort: true }
    }
    position = step.position
  }
  return { position }
}

async function readHeadersWindow(
  file: DiskFile,
  position: Position,
  buffer: Buffer,
): Promise<Buffer> {
  try {
    return buffer.subarray(0, file.readNow(position, buffer))
  } catch (error) {
    if (!isDiskError(error) || !error.isTransient) throw error
    return await file.read(position, buffer.length) // waits for a descriptor
  }
}

function walkHeaders(
  window: Buffer,
  windowAt: Position,
  { visit, end }: { readonly visit: BatchVisitor; readonly end: Position },
): ScanEnd {
  let at = 0
  while (at + BATCH_HEADER_BYTES <= window.length) {
    const position = windowAt + at
    const size = frameAt(window, at, window.length)
    if (size < 0) return { position, reason: whyBroken(window, at) }
    const isThere = size > LARGE_BATCH_BYTES ? position + size <= end : at + size <= window.length
    if (!isThere) break
    const reason = visit(new Batch(window, at), position)
    if (reason !== undefined) return { position, reason }
    at += size
  }
  return { position: windowAt + at }
}

/**
 * The valid batches of a file, as many at a time as fit into a window. Returns whether it ended at
 * the exact end or at a break. The batches are views that stay valid.
 */
export async function* readBatches(
  file: DiskFile,
  options: ScanOptions = {},
): AsyncGenerator<readonly Batch[], ScanEnd> {
  const end = options.to ?? file.size
  for (let from = options.from ?? 0; ;) {
    const batches: Batch[] = []
    let next = from
    const scan = await scanBatches(
      file,
      (batch, position) => {
        if (position + batch.size - from > SCAN_WINDOW_BYTES && batches.length > 0) return PAUSED
        batches.push(batch)
        next = position + batch.size
        return undefined
      },
      { ...options, from, to: end },
    )
    if (batches.length > 0) yield batches
    if (scan.reason !== PAUSED) return scan
    from = next
  }
}

/** A reason to pause, not to stop: enough batches are in memory. */
const PAUSED = 'paused'

interface WindowWalk {
  readonly visit: BatchVisitor
  readonly checksCrc: boolean
}

/** Visits the whole batches in a window; ends at the first that is cut off or broken. */
function walkWindow(window: Buffer, windowAt: Position, walk: WindowWalk): ScanEnd {
  let at = 0
  while (at < window.length) {
    const position = windowAt + at
    const size = frameAt(window, at, window.length)
    if (size === SHORT || at + size > window.length) break
    if (size < 0) return { position, reason: whyBroken(window, at) }
    const batch = new Batch(window, at)
    const reason = (walk.checksCrc ? whyInvalid(batch) : undefined) ?? walk.visit(batch, position)
    if (reason !== undefined) return { position, reason }
    at += size
  }
  return { position: windowAt + at }
}

/**
 * The bytes to read for the whole batch at the window's start; undefined if the file is too short.
 */
function neededBytes(window: Buffer, position: Position, to: Position): number | undefined {
  const size = frameAt(window, 0, window.length)
  return size > window.length && size <= to - position ? size : undefined
}

function shortReason(left: number): string {
  return `the file ends ${left} bytes into a batch`
}

/**
 * True if only zeros are from a position on, as they are written ahead of records: more of them
 * than any batch begins with.
 */
export async function isUnwritten(file: DiskFile, from: Position): Promise<boolean> {
  return file.size - from >= FRAME_BYTES && (await zerosFrom(file, from)) === from
}

/**
 * True if a valid batch is at a position. Where a scan has just found none, another process has
 * written one meanwhile, over zeros.
 */
export async function isBatchNow(file: DiskFile, position: Position): Promise<boolean> {
  const header = await file.read(position, BATCH_HEADER_BYTES)
  const size = frameAt(header, 0, header.length)
  if (size < BATCH_HEADER_BYTES || size > file.size - position) return false
  const bytes = await file.read(position, size)
  return bytes.length === size && whyInvalid(new Batch(bytes, 0)) === undefined
}

/** False if the file does not end in zeros that are written ahead of records. */
export async function mayEndInZeros(file: DiskFile): Promise<boolean> {
  return file.size >= FRAME_BYTES && (await isUnwritten(file, file.size - FRAME_BYTES))
}

/**
 * The position at or after `from` from which on the file holds only zeros: its end if the last byte
 * is not zero. Searches from the end.
 */
export async function zerosFrom(file: DiskFile, from: Position): Promise<Position> {
  for (let end = file.size; end > from;) {
    const start = Math.max(from, end - SCAN_WINDOW_BYTES)
    const bytes = await file.read(start, end - start)
    for (let at = bytes.length; at > 0; at--) if (bytes[at - 1] !== 0) return start + at
    end = start
  }
  return from
}

// ── after a break ────────────────────────────────────────────────────────────────────────

/**
 * The first position at or after `from` where a valid batch begins: its header is sound, its CRC
 * matches and its offset is not below `minOffset`. Tries every byte.
 */
export async function findBatch(
  file: DiskFile,
  from: Position,
  minOffset: Offset,
): Promise<Position | undefined> {
  for (let position = from; position < file.size;) {
    const window = await file.read(position, SCAN_WINDOW_BYTES)
    const last = window.length - FRAME_BYTES
    for (let at = 0; at <= last; at++) {
      if (window[at + FRAME_BYTES - 1] !== 2) continue
      if (await isBatchAt(file, window, { at, windowAt: position, minOffset })) return position + at
    }
    if (position + window.length >= file.size) return undefined
    position += last + 1
  }
  return undefined
}

async function isBatchAt(
  file: DiskFile,
  window: Buffer,
  place: { readonly at: number; readonly windowAt: Position; readonly minOffset: Offset },
): Promise<boolean> {
  const { at, windowAt, minOffset } = place
  const size = frameAt(window, at, window.length)
  if (size < BATCH_HEADER_BYTES || windowAt + at + size > file.size) return false
  const isWhole = at + size <= window.length
  const bytes = isWhole ? window.subarray(at, at + size) : await file.read(windowAt + at, size)
  const batch = new Batch(bytes, 0)
  return batch.baseOffset >= minOffset && whyInvalid(batch) === undefined
}
