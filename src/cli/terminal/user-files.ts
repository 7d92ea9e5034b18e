/* The user's files: small ones that are read, and those that are written (gzip by .gz). */

import { createWriteStream, existsSync, mkdirSync, readFileSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Writable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import type { NamedStream } from '../../events/source/event-files.js'


/** The bundle of all public certificate authorities takes a quarter of this. */
const TEXT_BYTES_MAX = 1024 * 1024

/** Throws if the file does not exist or is a folder; standard input ('-') is always fine. */
export function checkReadable(path: string): void {
  if (path !== '-' && statSync(path).isDirectory()) {
    throw new Error(`${path}: expected a file, this is a folder`)
  }
}

/** Is there a file at this path, not a folder? */
export function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true
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

/** Standard input, as a source of events. */
export function standardInput(): NamedStream {
  return { name: 'standard input', bytes: process.stdin }
}

export interface FileSink {
  write(data: string | Uint8Array): Promise<void>
  /** Resolves when everything is in the file. May be called more than once. */
  end(): Promise<void>
}

/**
 * Creates or empties a file, or appends to it, and makes its folder if needed; gzip if the name
 * ends in .gz.
 */
export function openSink(path: string, { append = false } = {}): FileSink {
  mkdirSync(dirname(path), { recursive: true })
  const file = createWriteStream(path, { flags: append ? 'a' : 'w' })
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
