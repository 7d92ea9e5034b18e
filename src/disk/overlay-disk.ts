/*
 * A disk that reads another disk and keeps every change in memory. The disk below is never changed:
 * this is how a folder is opened while its writer runs, and how a Kafka broker's folder is read.
 * Recovery, rebuilt indexes and checkpoints happen only here.
 *
 * A file below keeps the size it had when it was first opened. It is open below only while it is
 * open here.
 *
 * A disk that follows the one below: when bytes are appended that another process has appended to
 * the file below, the file here is that much longer, and they take no memory.
 */

import { assert } from '../base/assert.js'
import { DiskError, join, parentOf, type Disk, type DiskEntry, type DiskFile } from './disk.js'
import { MemoryDisk } from './memory-disk.js'

export interface OverlayOptions {
  /** Whether files grow here as those below do. Default false. */
  readonly isFollowing?: boolean
}

export class OverlayDisk implements Disk {
  readonly location: string
  readonly #below: Disk
  /** Files and folders created here. */
  readonly #above = new MemoryDisk()
  /** Files of the disk below that were opened or renamed here, by their path here. */
  readonly #nodes = new Map<string, OverlayNode>()
  /** Paths below that were removed or renamed here. */
  readonly #hidden = new Set<string>()
  readonly #isFollowing: boolean

  constructor(below: Disk, { isFollowing = false }: OverlayOptions = {}) {
    this.#below = below
    this.location = below.location
    this.#isFollowing = isFollowing
  }

  open(path: string): DiskFile {
    const known = this.#nodes.get(path)
    if (known !== undefined) return new OverlayFile(known)
    if (this.#above.exists(path)) return this.#above.open(path)
    if (this.#isHidden(path)) throw new DiskError('ENOENT', 'open', path)
    const node = this.#nodeOf(path)
    const file = new OverlayFile(node)
    this.#nodes.set(path, node)
    return file
  }

  /** A file below that has become longer, or new, begins here without bytes. */
  beginEmpty(path: string): void {
    const node = this.#nodeOf(path)
    node.begin()
    this.#nodes.set(path, node)
  }

  /** Shows a file below as it is now, whatever was done to it here. It must not be open here. */
  forget(path: string): void {
    this.#nodes.delete(path)
    this.#hidden.delete(path)
  }

  create(path: string): DiskFile {
    if (this.exists(path)) throw new DiskError('EEXIST', 'create', path)
    this.#makeParents(path)
    return this.#above.create(path)
  }

  list(path: string): readonly DiskEntry[] {
    if (!this.exists(path)) throw new DiskError('ENOENT', 'list', path)
    const entries = new Map<string, DiskEntry>()
    if (this.#isBelow(path)) {
      for (const entry of this.#below.list(path)) {
        if (!this.#isHidden(join(path, entry.name))) entries.set(entry.name, entry)
      }
    }
    if (this.#above.exists(path)) {
      for (const entry of this.#above.list(path)) entries.set(entry.name, entry)
    }
    for (const node of this.#nodes.keys()) {
      if (parentOf(node) !== path) continue
      const name = path === '' ? node : node.slice(path.length + 1)
      entries.set(name, { name, kind: 'file' })
    }
    return [...entries.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  exists(path: string): boolean {
    return this.#nodes.has(path) || this.#above.exists(path) || this.#isBelow(path)
  }

  makeDirectory(path: string): void {
    if (this.exists(path)) return
    this.#makeParents(path)
    this.#above.makeDirectory(path)
  }

  rename(from: string, to: string): void {
    if (!this.exists(from)) throw new DiskError('ENOENT', 'rename', from)
    if (this.#isFolder(from)) return this.#renameFolder(from, to)
    this.#makeParents(to)
    const node = this.#nodes.get(from) ?? this.#adopt(from)
    this.#forget(to)
    if (node === undefined) return this.#above.rename(from, to)
    // A file created here would show again when the file that replaces it is renamed. The removal
    // is immediate: a disk in memory does nothing later.
    void this.#above.remove(to)
    this.#nodes.delete(from)
    this.#hidden.add(from)
    node.path = to
    this.#nodes.set(to, node)
  }

  async remove(path: string): Promise<void> {
    if (!this.exists(path)) return
    for (const node of [...this.#nodes.keys()]) {
      if (node === path || node.startsWith(`${path}/`)) this.#nodes.delete(node)
    }
    await this.#above.remove(path)
    this.#hidden.add(path)
  }

  async syncDirectory(path: string): Promise<void> {
    if (!this.exists(path)) throw new DiskError('ENOENT', 'sync directory', path)
  }

  #renameFolder(from: string, to: string): void {
    this.makeDirectory(to)
    for (const { name } of this.list(from)) this.rename(join(from, name), join(to, name))
    void this.#above.remove(from) // empty by now; immediate, as the disk is in memory
    this.#hidden.add(from)
  }

  /** A node for a file below that is about to be renamed. */
  #adopt(path: string): OverlayNode | undefined {
    if (this.#above.exists(path)) return undefined
    const node = this.#nodeOf(path)
    new OverlayFile(node).close() // fixes its size
    return node
  }

  #nodeOf(path: string): OverlayNode {
    return new OverlayNode(path, () => this.#below.open(path), this.#isFollowing)
  }

  #forget(path: string): void {
    this.#nodes.delete(path)
    if (this.#isBelow(path)) this.#hidden.add(path)
  }

  /** Creates the parent folders here, so that something can be created in them. */
  #makeParents(path: string): void {
    const parent = parentOf(path)
    if (parent === '' || this.#above.exists(parent)) return
    if (!this.exists(parent)) throw new DiskError('ENOENT', 'create', path)
    this.#makeParents(parent)
    this.#above.makeDirectory(parent)
  }

  #isFolder(path: string): boolean {
    const entry = this.list(parentOf(path)).find(each => join(parentOf(path), each.name) === path)
    return entry?.kind === 'directory'
  }

  #isBelow(path: string): boolean {
    return !this.#isHidden(path) && this.#below.exists(path)
  }

  #isHidden(path: string): boolean {
    for (let each = path; each !== ''; each = parentOf(each)) {
      if (this.#hidden.has(each)) return true
    }
    return false
  }
}

/** The first bytes of a file below, followed by the bytes appended here. */
class OverlayNode {
  /** Bytes of the file below that still count; unknown until it is first opened. */
  #keptBytes: number | undefined
  readonly #tail: DiskFile
  /** Handles that are open. */
  #handles = 0
  /** The file below, shared by all handles. */
  #file: DiskFile | undefined

  constructor(
    public path: string,
    readonly openBelow: () => DiskFile,
    readonly isFollowing: boolean,
  ) {
    this.#tail = new MemoryDisk().create('tail')
  }

  get size(): number {
    return this.#kept + this.#tail.size
  }

  get #kept(): number {
    return this.#keptBytes ?? 0
  }

  open(): void {
    this.#file ??= this.openBelow()
    this.#keptBytes ??= this.#file.size
    this.#handles++
  }

  close(): void {
    assert(this.#handles > 0, 'only what is open is closed', { path: this.path })
    if (--this.#handles > 0) return
    this.#file?.close()
    this.#file = undefined
  }

  /** None of the bytes below count. */
  begin(): void {
    this.#keptBytes = 0
  }

  append(bytes: Uint8Array): void {
    if (this.isFollowing && this.#isBelow(bytes)) this.#keptBytes = this.#kept + bytes.byteLength
    else this.#tail.append(bytes)
  }

  #isBelow(bytes: Uint8Array): boolean {
    const [file, kept] = [this.#file, this.#kept]
    if (this.#tail.size > 0 || file?.look === undefined) return false
    if (file.look() < kept + bytes.byteLength) return false
    const there = Buffer.allocUnsafe(bytes.byteLength)
    return file.readNow(kept, there) === bytes.byteLength && there.equals(bytes)
  }

  truncate(size: number): void {
    assert(size <= this.size, 'a file is cut, not grown', { size, was: this.size })
    this.#tail.truncate(Math.max(0, size - this.#kept))
    this.#keptBytes = Math.min(size, this.#kept)
  }

  async read(position: number, length: number): Promise<Buffer> {
    const end = Math.min(position + length, this.size)
    const kept = this.#kept
    const below = this.#file as DiskFile
    const fromBelow = Math.max(0, Math.min(end, kept) - position)
    const first = fromBelow > 0 ? await below.read(position, fromBelow) : Buffer.alloc(0)
    if (end <= kept) return first
    const tailAt = Math.max(0, position - kept)
    const second = await this.#tail.read(tailAt, end - kept - tailAt)
    return first.length === 0 ? second : Buffer.concat([first, second])
  }

  readNow(position: number, into: Uint8Array): number {
    const kept = this.#kept
    const below = this.#file as DiskFile
    const fromBelow = Math.max(0, Math.min(into.byteLength, kept - position))
    const done = fromBelow > 0 ? below.readNow(position, into.subarray(0, fromBelow)) : 0
    if (done < fromBelow) return done
    return done + this.#tail.readNow(Math.max(0, position - kept), into.subarray(done))
  }
}

class OverlayFile implements DiskFile {
  readonly #node: OverlayNode
  #isClosed = false

  constructor(node: OverlayNode) {
    node.open()
    this.#node = node
  }

  get path(): string {
    return this.#node.path
  }
  get size(): number {
    return this.#node.size
  }

  async read(position: number, length: number): Promise<Buffer> {
    this.#checkOpen('read')
    return await this.#node.read(position, length)
  }

  readNow(position: number, into: Uint8Array): number {
    this.#checkOpen('read')
    return this.#node.readNow(position, into)
  }

  append(bytes: Uint8Array): void {
    this.#checkOpen('append')
    this.#node.append(bytes)
  }

  get zerosAhead(): number {
    return 0
  }

  /** Nothing here is ever synced. */
  writeZerosAhead(): void {
    this.#checkOpen('write zeros to')
  }

  truncate(size: number): void {
    this.#checkOpen('truncate')
    this.#node.truncate(size)
  }

  async sync(): Promise<void> {
    this.#checkOpen('sync')
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#node.close()
  }

  #checkOpen(operation: string): void {
    if (this.#isClosed) throw new DiskError('EBADF', `${operation} closed file`, this.path)
  }
}
