/*
 * A file of fixed-width entries that grows at its end: the common part of offset and time index.
 *
 * Entries wait in memory (the tail) until there are enough to write. A crash may lose them without
 * harm: an index above the recovery point is always rebuilt from its log. A look-up reads the file
 * as a whole, checks it, and keeps it in a cache of bounded size.
 */

import { assert } from '../../base/assert.js'
import { isDiskError, type Disk, type DiskFile } from '../../disk/disk.js'
import type { EntryField } from './index-entry.js'

/** The tail is written when it reaches this size: one small write per quarter MiB of records. */
const TAIL_BYTES = 512

/** An index that contradicts itself or its log: it must be rebuilt. */
export class IndexError extends Error {
  override readonly name = 'IndexError'
}

export interface IndexFileOptions {
  readonly disk: Disk
  readonly path: string
  readonly entryBytes: number
  readonly cache: IndexCache
  /** The file does not exist: the first entry creates it. */
  readonly isMissing?: boolean
  /** Throws IndexError if the entries cannot belong to this segment. */
  readonly check: (entries: Buffer) => void
}

export class IndexFile {
  readonly #options: IndexFileOptions
  readonly #tail: number[] = []
  /** The tail as bytes, made when a look-up needs it. */
  #tailBytes: Buffer | undefined
  #file: DiskFile | undefined
  /** Entries in the file; unknown until the file is first read or reset. */
  #persisted: number | undefined
  #loaded: Buffer | undefined
  /** The file has changed since it was synced. */
  #isDirty = false
  /** Counts the changes of the file: bytes read before a change are stale. */
  #changes = 0

  constructor(options: IndexFileOptions) {
    this.#options = options
    if (options.isMissing === true) this.#persisted = 0
  }

  get path(): string {
    return this.#file?.path ?? this.#options.path
  }

  /** Entries in file and tail. The file must be new or have been loaded once. */
  get count(): number {
    assert(this.#persisted !== undefined, 'index is known', { path: this.path })
    return this.#persisted + this.#tail.length / this.#options.entryBytes
  }

  /** Empties the index and the file, if one exists. */
  reset(): void {
    const { disk, path, isMissing = false } = this.#options
    const isThere = this.#file !== undefined || (!isMissing && disk.exists(path))
    if (isThere) this.#open().truncate(0)
    this.#clearTail()
    this.#changed(0)
  }

  /**
   * Adds an entry, given as its bytes. If the disk refuses the write, the append of the records
   * still succeeds: the entry waits in memory and the next one tries again.
   */
  append(entry: Uint8Array): void {
    assert(entry.length === this.#options.entryBytes, 'entry has its width')
    this.#tail.push(...entry)
    this.#tailBytes = undefined
    if (this.#tail.length < TAIL_BYTES) return
    try {
      this.spill()
    } catch (error) {
      if (!isDiskError(error)) throw error
    }
  }

  /** Writes the tail to the file; creates the file even if the tail is empty. */
  spill(): void {
    const file = this.#open()
    if (this.#tail.length === 0) return
    const tail = Buffer.from(this.#tail)
    file.append(tail)
    const { count } = this
    const loaded = this.#loaded
    this.#clearTail()
    this.#changed(count)
    if (loaded !== undefined) this.#keep(Buffer.concat([loaded, tail])) // someone reads beside
  }

  /** Keeps the first `count` entries. */
  truncateTo(count: number): void {
    this.spill()
    this.#open().truncate(count * this.#options.entryBytes)
    this.#changed(count)
  }

  /** All entries, including the tail's. Throws IndexError if the file is damaged. */
  async entries(): Promise<IndexEntries> {
    return this.#entriesOf(await this.#load())
  }

  /** The same, if the file's entries are in memory; otherwise undefined. */
  entriesNow(): IndexEntries | undefined {
    if (this.#loaded === undefined) return undefined
    this.#options.cache.touch(this, this.#loaded.length)
    return this.#entriesOf(this.#loaded)
  }

  #entriesOf(loaded: Buffer): IndexEntries {
    this.#tailBytes ??= Buffer.from(this.#tail)
    return new IndexEntries(loaded, this.#tailBytes, this.#options.entryBytes)
  }

  /** Makes everything appended so far survive a power cut. */
  async sync(): Promise<void> {
    this.spill()
    if (!this.#isDirty) return
    this.#isDirty = false
    try {
      await this.#file?.sync()
    } catch (error) {
      this.#isDirty = true
      throw error
    }
  }

  /** Opens the file, if it exists: an open file stays the same when it is renamed. */
  hold(): void {
    if (this.#options.disk.exists(this.#options.path)) this.#open()
  }

  /** Drops the cached bytes of the file. */
  forget(): void {
    if (this.#loaded !== undefined) this.#options.cache.remove(this)
    this.#loaded = undefined
  }

  close(): void {
    this.forget()
    this.#file?.close()
  }

  async #load(): Promise<Buffer> {
    const { entryBytes, check, cache } = this.#options
    while (this.#loaded === undefined) {
      const changesBefore = this.#changes
      const bytes = await this.#readFile()
      if (this.#changes !== changesBefore) continue
      if (bytes.length % entryBytes !== 0) {
        const { length } = bytes
        throw new IndexError(`${this.path} has ${length} bytes, not a multiple of ${entryBytes}`)
      }
      check(bytes)
      this.#persisted = bytes.length / entryBytes
      this.#loaded = bytes
    }
    cache.touch(this, this.#loaded.length)
    return this.#loaded
  }

  #clearTail(): void {
    this.#tail.length = 0
    this.#tailBytes = undefined
  }

  #keep(loaded: Buffer): void {
    this.#loaded = loaded
    this.#options.cache.touch(this, loaded.length)
  }

  #changed(persisted: number): void {
    this.#changes++
    this.#isDirty = true
    this.#persisted = persisted
    this.forget()
  }

  /** A look-up never creates a file: a missing file counts as empty. */
  async #readFile(): Promise<Buffer> {
    const { disk, path, isMissing = false } = this.#options
    if (this.#file === undefined && (isMissing || !disk.exists(path))) return NO_ENTRIES
    const file = this.#open()
    return await file.read(0, file.size)
  }

  #open(): DiskFile {
    const { disk, path } = this.#options
    if (this.#file !== undefined) return this.#file
    const isThere = disk.exists(path)
    if (!isThere) this.#isDirty = false // nothing to sync: a missing file counts as empty
    this.#file = isThere ? disk.open(path) : disk.create(path)
    return this.#file
  }
}

const NO_ENTRIES = Buffer.alloc(0)

/** The entries of an index at one moment: first the file's, then the tail's. */
export class IndexEntries {
  readonly count: number
  readonly #loaded: Buffer
  readonly #tail: Buffer
  readonly #entryBytes: number

  constructor(loaded: Buffer, tail: Buffer, entryBytes: number) {
    this.#loaded = loaded
    this.#tail = tail
    this.#entryBytes = entryBytes
    this.count = (loaded.length + tail.length) / entryBytes
  }

  /** A field of an entry, which lies in the file or in the tail. */
  read(index: number, field: EntryField): number {
    const at = index * this.#entryBytes
    const { length } = this.#loaded
    return at < length ? field(this.#loaded, at) : field(this.#tail, at - length)
  }

  /** The last index for which `holds` (true first, false later) is true; −1: none. */
  lastIndex(holds: (index: number) => boolean): number {
    let low = -1
    let high = this.count
    while (high - low > 1) {
      const middle = (low + high) >>> 1
      if (holds(middle)) low = middle
      else high = middle
    }
    return low
  }
}

/** Limits loaded indexes to `maxBytes` of memory: the most recently used ones stay. */
export class IndexCache {
  readonly #sizes = new Map<IndexFile, number>()
  #bytes = 0

  constructor(readonly maxBytes: number) {}

  get bytes(): number {
    return this.#bytes
  }

  touch(index: IndexFile, bytes: number): void {
    this.remove(index)
    this.#sizes.set(index, bytes)
    this.#bytes += bytes
    for (const oldest of this.#sizes.keys()) {
      if (this.#bytes <= this.maxBytes || oldest === index) return
      oldest.forget()
    }
  }

  remove(index: IndexFile): void {
    this.#bytes -= this.#sizes.get(index) ?? 0
    this.#sizes.delete(index)
  }
}
