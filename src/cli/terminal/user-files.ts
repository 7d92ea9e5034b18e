/**
 * The user's own files, in and out: lines of text, gzip by extension, '-' for the standard streams.
 */

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

/** A line longer than this is not a line: nobody keeps a whole file in memory by mistake. */
const LINE_BYTES_MAX = 16 * 1024 * 1024

/** Certificates of all who are trusted by anybody take a quarter of this. */
const TEXT_BYTES_MAX = 1024 * 1024

/** Stands for a line that was too long to be kept. */
export class LineTooLong extends Error {
  constructor() {
    super(`it is longer than ${LINE_BYTES_MAX} bytes`)
  }
}

export interface LineReader {
  /** Bytes read of the file so far, as it lies on the disk. */
  readonly bytesRead: number
  /** The file's size, undefined for a stream. */
  readonly size: number | undefined
  /** The lines, without their ends, many at a time. Ends early when the signal aborts. */
  lines(): AsyncGenerator<readonly (Buffer | LineTooLong)[]>
}

export interface OpenLinesOptions {
  readonly signal?: AbortSignal | undefined
  /** Every line has to be text in UTF-8. Default false: any bytes will do. */
  readonly isText?: boolean
}

/** Throws when there is no such file to read; standard input ('-') is always there. */
export function checkReadable(path: string): void {
  if (path !== '-' && statSync(path).isDirectory()) {
    throw new Error(`${path}: expected a file, this is a folder`)
  }
}

/** A text file that is small when it is the right one. Throws the system's error, or that. */
export function readText(path: string): string {
  checkReadable(path)
  const { size } = statSync(path)
  if (size > TEXT_BYTES_MAX) {
    throw new Error(`${path}: ${size} bytes are more than the ${TEXT_BYTES_MAX} expected at most`)
  }
  return readFileSync(path, 'utf8')
}

/** Bytes of a file; undefined for standard input ('-'). */
export function sizeOf(path: string): number | undefined {
  return path === '-' ? undefined : statSync(path).size
}

/**
 * Opens a file, or standard input for '-'. A byte order mark of UTF-8 is no part of the first line;
 * UTF-16 is an error of the reading. Throws the system's error when opening fails.
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

/** A stream that nothing comes from must not keep a signal waiting. */
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

/** Looks at the first bytes: they may tell of an encoding. */
async function* withoutMark(source: Readable, isText: boolean): AsyncGenerator<Buffer> {
  let head: Buffer | undefined = Buffer.alloc(0)
  for await (const chunk of source as AsyncIterable<Buffer>) {
    if (head === undefined) {
      yield chunk
      continue
    }
    head = Buffer.concat([head, chunk])
    if (head.length < MARK_BYTES) continue
    yield behindMark(head, isText)
    head = undefined
  }
  if (head !== undefined && head.length > 0) yield behindMark(head, isText)
}

/** Throws for text in an encoding of wider units. */
function behindMark(head: Buffer, isText: boolean): Buffer {
  const wide = wideEncodingOf(head, isText)
  if (wide !== undefined) {
    const how = `iconv -f ${wide} -t UTF-8`
    throw new Error(`it is in ${wide}, expected UTF-8 (${how} makes it so)`)
  }
  return head.subarray(0, 3).equals(UTF8_MARK) ? head.subarray(3) : head
}

const UTF8_MARK = Buffer.of(0xef, 0xbb, 0xbf)

/** By its mark; JSON also by the zeros in every other byte, since it begins with ASCII. */
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
  /** The line at hand is too long: its bytes are let go. */
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
  /** Resolves when everything is in the file. May be called again. */
  end(): Promise<void>
}

/** A new file, or an old one emptied; gzip by extension. */
export function openSink(path: string): FileSink {
  mkdirSync(dirname(path), { recursive: true })
  const file = createWriteStream(path)
  const gzip = path.endsWith('.gz') ? createGzip() : undefined
  gzip?.pipe(file)
  const target: Writable = gzip ?? file
  const done = finished(file)
  done.catch(() => undefined) // told by write or end
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

/** Does this name mean a file rather than a topic? */
export function isFileName(target: string): boolean {
  return target.includes('/') || /\.(jsonl|ndjson|json|txt|log)(\.gz)?$/.test(target)
}

/** `path`, or the first of `path-2`, `path-3` … that is not there yet. */
export function freshPath(path: string): string {
  if (!existsSync(path)) return path
  let number = 2
  while (existsSync(`${path}-${number}`)) number++
  return `${path}-${number}`
}
