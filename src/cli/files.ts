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

const NEWLINE = 0x0a
const CARRIAGE_RETURN = 0x0d

/** A line longer than this is not a line: nobody keeps a whole file in memory by mistake. */
const LINE_BYTES_MAX = 16 * 1024 * 1024

/** Certificates of all who are trusted by anybody take a quarter of this. */
const TEXT_BYTES_MAX = 1024 * 1024

export interface LineReader {
  /** Bytes read of the file so far, as it lies on the disk. */
  readonly bytesRead: number
  /** The file's size, undefined for a stream. */
  readonly size: number | undefined
  /** The lines, without their ends, many at a time. */
  lines(): AsyncGenerator<readonly Buffer[]>
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

/** Opens a file, or standard input for '-'. Throws the system's error when that fails. */
export function openLines(path: string): LineReader {
  const size = sizeOf(path)
  const file: ReadStream | undefined = path === '-' ? undefined : createReadStream(path)
  const source: Readable = file ?? process.stdin
  const plain: Readable = path.endsWith('.gz') ? gunzipped(source) : source
  return {
    size,
    get bytesRead() {
      return file?.bytesRead ?? 0
    },
    lines: () => splitLines(plain),
  }
}

function gunzipped(source: Readable): Readable {
  const gunzip = createGunzip()
  source.on('error', error => gunzip.destroy(error))
  return source.pipe(gunzip)
}

async function* splitLines(source: Readable): AsyncGenerator<readonly Buffer[]> {
  let rest: Buffer = Buffer.alloc(0)
  for await (const chunk of source as AsyncIterable<Buffer>) {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    const lines: Buffer[] = []
    let from = 0
    for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, from)) {
      lines.push(withoutReturn(bytes.subarray(from, at)))
      from = at + 1
    }
    rest = bytes.subarray(from)
    if (rest.length > LINE_BYTES_MAX)
      throw new Error(`a line is longer than ${LINE_BYTES_MAX} bytes`)
    if (lines.length > 0) yield lines
  }
  if (rest.length > 0) yield [withoutReturn(rest)]
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
