/*
 * The bytes that events are read from: files by their paths, patterns of paths, or a stream. Each
 * source is read once, from its beginning.
 */

import { createReadStream, existsSync, readdirSync, realpathSync, statSync } from 'node:fs'
import { PartlogError } from '../../model/errors.js'

/** Where events are read from: a file, or any stream of bytes. */
export type EventSource = string | NamedStream

/** A stream of bytes, and its name in sentences. */
export interface NamedStream {
  readonly name: string
  readonly bytes: AsyncIterable<Uint8Array | string>
}

/** A source that is ready to be read. */
export interface OpenSource {
  readonly name: string
  /** The file's place without links; undefined for a stream. */
  readonly path: string | undefined
  /** The file's size in bytes, packed or not; undefined for a stream. */
  readonly size: number | undefined
  /** How many bytes were read so far. */
  readonly bytesRead: number
  bytes(): AsyncIterable<Uint8Array | string>
  /** Ends the reading at once. */
  destroy(): void
}

/** Enough for one read of a disk; small enough to stay in the processor's cache. */
const READ_BYTES = 128 * 1024

/** Throws if a file does not exist or is a folder. */
export function checkReadable(path: string): void {
  if (statSync(path).isDirectory()) throw new Error(`${path}: expected a file, this is a folder`)
}

export function openSource(source: EventSource): OpenSource {
  return typeof source === 'string' ? openFile(source) : openStream(source)
}

function openFile(path: string): OpenSource {
  checkReadable(path)
  const { size } = statSync(path)
  const stream = createReadStream(path, { highWaterMark: READ_BYTES })
  stream.on('error', () => undefined) // whoever reads the bytes is told
  return {
    name: path,
    path: realpathSync(path),
    size,
    get bytesRead() {
      return stream.bytesRead
    },
    bytes: () => stream as AsyncIterable<Buffer>,
    destroy: () => void stream.destroy(),
  }
}

interface Destroyable {
  readonly destroy?: () => void
}

function openStream({ name, bytes }: NamedStream): OpenSource {
  let bytesRead = 0
  async function* counted(): AsyncGenerator<Uint8Array | string> {
    for await (const chunk of bytes) {
      bytesRead += chunk.length
      yield chunk
    }
  }
  return {
    name,
    path: undefined,
    size: undefined,
    get bytesRead() {
      return bytesRead
    },
    bytes: counted,
    destroy: () => (bytes as Destroyable).destroy?.(),
  }
}

// ── patterns ─────────────────────────────────────────────────────────────────────────────

const PATTERN = /[*?]/
const FILES_MAX = 100_000

/**
 * The files that a path names: itself, or those that match its `*`, `?` and `**`, in the order of
 * their names (2 before 10). Throws INVALID_ARGUMENT if a pattern matches no file.
 */
export function filesOf(path: string): string[] {
  if (!PATTERN.test(path) || existsSync(path)) return [path]
  const parts = path.split('/')
  const isAbsolute = parts[0] === ''
  const found: string[] = []
  expand(isAbsolute ? '/' : '', isAbsolute ? parts.slice(1) : parts, found)
  if (found.length === 0) {
    throw new PartlogError('INVALID_ARGUMENT', `no file matches ${JSON.stringify(path)}`)
  }
  return found
}

function expand(folder: string, parts: readonly string[], found: string[]): void {
  const [part, ...rest] = parts
  if (part === undefined || found.length >= FILES_MAX) return
  if (part === '**') expand(folder, rest, found)
  const isLast = rest.length === 0
  const pattern = part === '**' ? /^[^.]/ : patternOf(part)
  for (const { name, isFolder } of entriesOf(folder, part)) {
    if (!pattern.test(name)) continue
    const path = folder === '' || folder.endsWith('/') ? `${folder}${name}` : `${folder}/${name}`
    if (isFolder && !isLast) expand(path, part === '**' ? parts : rest, found)
    if (!isFolder && isLast && part !== '**') found.push(path)
  }
}

function entriesOf(folder: string, part: string): { name: string; isFolder: boolean }[] {
  if (!PATTERN.test(part)) {
    const path = folder === '' || folder.endsWith('/') ? `${folder}${part}` : `${folder}/${part}`
    if (!existsSync(path)) return []
    return [{ name: part, isFolder: statSync(path).isDirectory() }]
  }
  const from = folder === '' ? '.' : folder
  return readdirSync(from, { withFileTypes: true })
    .map(entry => ({ name: entry.name, isFolder: entry.isDirectory() }))
    .sort((a, b) => byName(a.name, b.name))
}

const ORDER = new Intl.Collator('en', { numeric: true })

function byName(a: string, b: string): number {
  return ORDER.compare(a, b) || (a < b ? -1 : 1)
}

/** Each `*` stands for any characters of one name; a dot at its start has to be written. */
function patternOf(part: string): RegExp {
  const source = part
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replace(/\*+/g, '[^/]*')
    .replace(/\?/g, '[^/]')
  return new RegExp(`^${/^[*?]/.test(part) ? '(?!\\.)' : ''}${source}$`, 'u')
}
