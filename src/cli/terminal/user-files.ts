/* Reads and writes the user's files: lines, gzip by the extension .gz, '-' for standard input. */

import {
  createReadStream,
  createWriteStream,
  existsSync,
  mkdirSync,
  readFileSync,
  statSync,
  type ReadStream,
} from 'node:fs'
import { dirname } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { createGunzip, createGzip } from 'node:zlib'
import { whenAborted } from '../../base/tasks.js'

const NEWLINE = 0x0a
export const CARRIAGE_RETURN = 0x0d

/** A longer line is refused, so that a file without line breaks does not fill the memory. */
const LINE_BYTES_MAX = 16 * 1024 * 1024

/** The bundle of all public certificate authorities takes a quarter of this. */
const TEXT_BYTES_MAX = 1024 * 1024

/** Takes the place of a line that is too long to be read. */
export class LineTooLong extends Error {
  constructor() {
    super(`it is longer than ${LINE_BYTES_MAX} bytes`)
  }
}

export interface LineReader {
  /** Bytes read so far, before gzip is unpacked. */
  readonly bytesRead: number
  /** The file's size, undefined for a stream. */
  readonly size: number | undefined
  /** The lines without their line ends, many at a time. Ends early when the signal aborts. */
  lines(): AsyncGenerator<readonly (Buffer | LineTooLong)[]>
}

export interface OpenLinesOptions {
  readonly signal?: AbortSignal | undefined
  /** Lines must be UTF-8, so UTF-16 without a mark is refused too. Default false: any bytes. */
  readonly isText?: boolean
}

/** Throws if the file does not exist or is a folder; standard input ('-') is always fine. */
export function checkReadable(path: string): void {
  if (path !== '-' && statSync(path).isDirectory()) {
    throw new Error(`${path}: expected a file, this is a folder`)
  }
}

/** Reads a small text file. Throws the system's error, or that it is a folder or too large. */
export function readText(path: string): string {
  checkReadable(path)
  const { size } = statSync(path)
  if (size > TEXT_BYTES_MAX) {
    throw new Error(`${path}: ${size} bytes are more than the ${TEXT_BYTES_MAX} expected at most`)
  }
  return readFileSync(path, 'utf8')
}

/** The size of a file in bytes; undefined for standard input ('-'). */
export function sizeOf(path: string): number | undefined {
  return path === '-' ? undefined : statSync(path).size
}

/**
 * Opens a file, or standard input for '-'. A UTF-8 byte order mark is dropped from the first line;
 * reading UTF-16 or UTF-32 throws. Throws the system's error if the file cannot be opened.
 */
export function openLines(path: string, options: OpenLinesOptions = {}): LineReader {
  const size = sizeOf(path)
  const file: ReadStream | undefined = path === '-' ? undefined : createReadStream(path)
  const source: Readable = file ?? process.stdin
  const plain: Readable = path.endsWith('.gz') ? gunzipped(source) : source
  return {
    size,
    get bytesRead() {
      return file?.bytesRead ?? 0
    },
    lines: () => untilAborted(plain, options),
  }
}

/** Stops reading at once when the signal aborts, even if the stream delivers nothing. */
async function* untilAborted(source: Readable, { signal, isText = false }: OpenLinesOptions) {
  const forget = whenAborted(signal, () => void source.destroy())
  const isAborted = (): boolean => signal?.aborted === true
  if (isAborted()) return
  try {
    yield* splitLines(withoutMark(source, isText))
  } catch (error) {
    if (!isAborted()) throw error
  } finally {
    forget()
  }
}

const MARK_BYTES = 4

/** Checks the encoding by the first bytes, and drops a byte order mark. */
async function* withoutMark(source: Readable, isText: boolean): AsyncGenerator<Buffer> {
  let head: Buffer | undefined = Buffer.alloc(0)
  for await (const chunk of source as AsyncIterable<Buffer>) {
    if (head === undefined) {
      yield chunk
      continue
    }
    head = Buffer.concat([head, chunk])
    if (head.length < MARK_BYTES) continue
    yield afterMark(head, isText)
    head = undefined
  }
  if (head !== undefined && head.length > 0) yield afterMark(head, isText)
}

/** The first bytes without a UTF-8 mark. Throws if they are UTF-16 or UTF-32. */
function afterMark(head: Buffer, isText: boolean): Buffer {
  const wide = wideEncodingOf(head, isText)
  if (wide !== undefined) {
    const how = `iconv -f ${wide} -t UTF-8`
    throw new Error(`it is in ${wide}, expected UTF-8 (${how} converts it)`)
  }
  return head.subarray(0, 3).equals(UTF8_MARK) ? head.subarray(3) : head
}

const UTF8_MARK = Buffer.of(0xef, 0xbb, 0xbf)

/**
 * The encoding by its byte order mark. JSON begins with ASCII, so UTF-16 without a mark shows as a
 * zero in every other byte.
 */
function wideEncodingOf(head: Buffer, isText: boolean): string | undefined {
  const [a, b, c, d] = head
  if (a === 0xff && b === 0xfe) return c === 0 && d === 0 ? 'UTF-32' : 'UTF-16'
  if (a === 0xfe && b === 0xff) return 'UTF-16'
  if (a === 0 && b === 0 && c === 0xfe && d === 0xff) return 'UTF-32'
  if (!isText || head.length < MARK_BYTES) return undefined
  if (a !== 0 && b === 0 && c !== 0 && d === 0) return 'UTF-16LE'
  return a === 0 && b !== 0 && c === 0 && d !== 0 ? 'UTF-16BE' : undefined
}

function gunzipped(source: Readable): Readable {
  const gunzip = createGunzip()
  source.on('error', error => gunzip.destroy(error))
  return source.pipe(gunzip)
}

async function* splitLines(
  source: AsyncIterable<Buffer>,
): AsyncGenerator<readonly (Buffer | LineTooLong)[]> {
  let rest: Buffer = Buffer.alloc(0)
  /** The current line is too long: its bytes are dropped. */
  let isTooLong = false
  for await (const chunk of source) {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    const lines: (Buffer | LineTooLong)[] = []
    let from = 0
    for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, from)) {
      const isLong = isTooLong || at - from > LINE_BYTES_MAX
      lines.push(isLong ? new LineTooLong() : withoutReturn(bytes.subarray(from, at)))
      isTooLong = false
      from = at + 1
    }
    rest = bytes.subarray(from)
    if (rest.length > LINE_BYTES_MAX) isTooLong = true
    if (isTooLong) rest = Buffer.alloc(0)
    if (lines.length > 0) yield lines
  }
  if (isTooLong) yield [new LineTooLong()]
  else if (rest.length > 0) yield [withoutReturn(rest)]
}

function withoutReturn(line: Buffer): Buffer {
  return line.at(-1) === CARRIAGE_RETURN ? line.subarray(0, -1) : line
}

export interface FileSink {
  write(data: string | Uint8Array): Promise<void>
  /** Resolves when everything is in the file. May be called more than once. */
  end(): Promise<void>
}

/** Creates or empties a file, and its folder if needed; gzip if the name ends in .gz. */
export function openSink(path: string): FileSink {
  mkdirSync(dirname(path), { recursive: true })
  const file = createWriteStream(path)
  const gzip = path.endsWith('.gz') ? createGzip() : undefined
  gzip?.pipe(file)
  const target: Writable = gzip ?? file
  const done = finished(file)
  done.catch(() => undefined) // write or end rejects with it
  return {
    async write(data) {
      if (target.write(data)) return
      await Promise.race([new Promise(resolve => target.once('drain', resolve)), done])
    },
    async end() {
      if (!target.writableEnded) target.end()
      await done
    },
  }
}

/** Is this name a file, rather than a topic? */
export function isFileName(target: string): boolean {
  return target.includes('/') || /\.(jsonl|ndjson|json|txt|log)(\.gz)?$/.test(target)
}

/** `path`, or the first of `path-2`, `path-3` … that does not exist. */
export function freshPath(path: string): string {
  if (!existsSync(path)) return path
  let number = 2
  while (existsSync(`${path}-${number}`)) number++
  return `${path}-${number}`
}
