/**
 * A file of fixed-width entries that grows at its end: what offset and time index share.
 *
 * Entries wait in memory (the tail) until a page of them is written. Nothing is lost with them: an
 * index above the recovery point is always rebuilt from its log. What is in the file is read as a
 * whole when somebody looks something up, checked, and kept in a cache of bounded size.
 */

import { assert } from '../../base/assert.js'
import { getInt64 } from '../../base/bytes.js'
import { isDiskError, type Disk, type DiskFile } from '../../disk/disk.js'

/** The tail is written when it holds this much: one small write per quarter MiB of records. */
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
  /** Throws IndexError when the entries cannot be those of this segment. */
  readonly check: (entries: Buffer) => void
}

export class IndexFile {
  readonly #options: IndexFileOptions
  readonly #tail: number[] = []
  #file: DiskFile | undefined
  /** Entries in the file; unknown until it has been looked at. */
  #persisted: number | undefined
  #loaded: Buffer | undefined
  /** Counts the changes of the file: what was read before one is not what is there now. */
  #changes = 0

  constructor(options: IndexFileOptions) {
    this.#options = options
  }

  get path(): string {
    return this.#file?.path ?? this.#options.path
  }

  /** Entries in file and tail. The file must be known: fresh, or loaded once. */
  get count(): number {
    assert(this.#persisted !== undefined, 'index is known', { path: this.path })
    return this.#persisted + this.#tail.length / this.#options.entryBytes
  }

  /** Starts empty, whatever a file of this name may hold. */
  reset(): void {
    const { disk, path } = this.#options
    if (this.#file !== undefined || disk.exists(path)) this.#open().truncate(0)
    this.#tail.length = 0
    this.#changed(0)
  }

  /**
   * Adds an entry, given as its bytes. A disk that refuses it does not fail the append of the
   * records it points to: the entry waits in memory and the next one tries again.
   */
  append(entry: readonly number[]): void {
    assert(entry.length === this.#options.entryBytes, 'entry has its width')
    this.#tail.push(...entry)
    if (this.#tail.length < TAIL_BYTES) return
    try {
      this.spill()
    } catch (error) {
      if (!isDiskError(error)) throw error
    }
  }

  /** Writes the tail to the file, which exists afterwards even if there is nothing to write. */
  spill(): void {
    const file = this.#open()
    if (this.#tail.length === 0) return
    file.append(Buffer.from(this.#tail))
    const { count } = this
    this.#tail.length = 0
    this.#changed(count)
  }

  /** Keeps the first `count` entries. */
  truncateTo(count: number): void {
    this.spill()
    this.#open().truncate(count * this.#options.entryBytes)
    this.#changed(count)
  }

  /** All entries, those of the tail too. Throws IndexError when the file cannot be believed. */
  async entries(): Promise<IndexEntries> {
    const loaded = await this.#load()
    return new IndexEntries(loaded, Buffer.from(this.#tail), this.#options.entryBytes)
  }

  /** Makes everything appended so far survive a power cut. */
  async sync(): Promise<void> {
    this.spill()
    await this.#file?.sync()
  }

  /** Opens the file, if there is one: from now on it is this one, whatever its name will be. */
  hold(): void {
    if (this.#options.disk.exists(this.#options.path)) this.#open()
  }

  /** Drops what was read from the file; it can be read again. */
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
        throw new IndexError(`${this.path} has ${bytes.length} bytes, no multiple of ${entryBytes}`)
      }
      check(bytes)
      this.#persisted = bytes.length / entryBytes
      this.#loaded = bytes
    }
    cache.touch(this, this.#loaded.length)
    return this.#loaded
  }

  #changed(persisted: number): void {
    this.#changes++
    this.#persisted = persisted
    this.forget()
  }

  /** Looking something up never makes a file: one that is not there is empty. */
  async #readFile(): Promise<Buffer> {
    const { disk, path } = this.#options
    if (this.#file === undefined && !disk.exists(path)) return Buffer.alloc(0)
    const file = this.#open()
    return await file.read(0, file.size)
  }

  #open(): DiskFile {
    const { disk, path } = this.#options
    this.#file ??= disk.exists(path) ? disk.open(path) : disk.create(path)
    return this.#file
  }
}

/** The entries of an index at one moment: those in the file, then those of the tail. */
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

  /** The int32 at a byte of an entry. */
  int32(index: number, byte: number): number {
    const at = index * this.#entryBytes + byte
    const { length } = this.#loaded
    return at < length ? this.#loaded.readInt32BE(at) : this.#tail.readInt32BE(at - length)
  }

  /** The int64 at the start of an entry. */
  int64(index: number): number {
    const at = index * this.#entryBytes
    const { length } = this.#loaded
    return at < length ? getInt64(this.#loaded, at) : getInt64(this.#tail, at - length)
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

/** Lets loaded indexes take at most `maxBytes` of memory: the ones used last stay. */
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
