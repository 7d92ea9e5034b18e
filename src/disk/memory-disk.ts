/*
 * A disk in memory, with the same contract as files, for unit tests and for `Cluster.memory`.
 *
 * With `recordsHistory` the disk also records every operation, so that a power cut can be simulated
 * (testing/simulation/power-cut.ts). `beforeOperation` is called with each operation before it
 * takes effect: it may throw to make the operation fail, or return how many bytes of an append
 * reach the file before it fails. `latency` makes an operation take time, if it may on a real disk.
 */

import { assert } from '../base/assert.js'
import { DiskError, join, parentOf, type Disk, type DiskEntry, type DiskFile } from './disk.js'

/** One operation. `file` numbers files in order of creation and, unlike a name, never changes. */
export type DiskOperation =
  | { readonly kind: 'create'; readonly path: string; readonly file: number }
  | { readonly kind: 'makeDirectory'; readonly path: string }
  | {
      readonly kind: 'append'
      readonly path: string
      readonly file: number
      readonly position: number
      readonly bytes: Uint8Array
    }
  | {
      readonly kind: 'truncate'
      readonly path: string
      readonly file: number
      readonly size: number
    }
  | {
      readonly kind: 'sync'
      readonly path: string
      readonly file: number
      /** Covers the operations before this index of the history; absent: all so far. */
      readonly covers?: number
    }
  /** Whatever this sync should have covered, no later one covers either. */
  | { readonly kind: 'syncFailed'; readonly path: string; readonly file: number }
  | {
      readonly kind: 'rename'
      readonly path: string
      readonly to: string
      /** Undefined for a folder. */
      readonly file: number | undefined
    }
  | { readonly kind: 'remove'; readonly path: string }
  | { readonly kind: 'syncDirectory'; readonly path: string; readonly covers?: number }
  | { readonly kind: 'read'; readonly path: string; readonly file: number }

/** Throws to fail the operation; returns a ShortWrite to let an append write only a beginning. */
export type OperationHook = (operation: DiskOperation) => undefined | ShortWrite

/** An append that writes only its first bytes and then fails with `code`. */
export interface ShortWrite {
  readonly writtenBytes: number
  readonly code: string
}

/** Operations that take time on a real disk. */
export type SlowOperation = 'read' | 'sync' | 'remove' | 'syncDirectory'

/** Resolves when the operation may go on; undefined: at once. */
export type Latency = (kind: SlowOperation, path: string) => Promise<void> | undefined

export interface MemoryDiskOptions {
  readonly recordsHistory?: boolean
  readonly beforeOperation?: OperationHook
  readonly latency?: Latency
}

export class MemoryDisk implements Disk {
  readonly location = 'memory'
  readonly history: DiskOperation[] = []
  /** May be replaced while the disk is in use: this is how tests inject faults. */
  beforeOperation: OperationHook | undefined
  /** May be replaced like `beforeOperation`. */
  latency: Latency | undefined
  readonly #recordsHistory: boolean
  readonly #nodes = new Map<string, Node>([['', emptyDirectory()]])
  #filesMade = 0

  constructor(options: MemoryDiskOptions = {}) {
    this.#recordsHistory = options.recordsHistory ?? false
    this.beforeOperation = options.beforeOperation
    this.latency = options.latency
  }

  open(path: string): DiskFile {
    const node = this.#nodes.get(path)
    if (node === undefined) throw new DiskError('ENOENT', 'open', path)
    if (node.kind !== 'file') throw new DiskError('EISDIR', 'open', path)
    return new MemoryFile(node, this)
  }

  create(path: string): DiskFile {
    this.#checkParent('create', path)
    if (this.#nodes.has(path)) throw new DiskError('EEXIST', 'create', path)
    const id = this.#filesMade++
    const content = new Content()
    const node: FileNode = { kind: 'file', id, path, content, hasLeftover: false }
    this.perform({ kind: 'create', path, file: node.id })
    this.#put(path, node)
    return new MemoryFile(node, this)
  }

  list(path: string): readonly DiskEntry[] {
    const node = this.#nodes.get(path)
    if (node === undefined) throw new DiskError('ENOENT', 'list', path)
    if (node.kind !== 'directory') throw new DiskError('ENOTDIR', 'list', path)
    const kindOf = (name: string) => (this.#nodes.get(join(path, name)) as Node).kind
    return [...node.names].sort().map(name => ({ name, kind: kindOf(name) }))
  }

  exists(path: string): boolean {
    return this.#nodes.has(path)
  }

  makeDirectory(path: string): void {
    this.#checkParent('mkdir', path)
    if (this.#nodes.has(path)) return
    this.perform({ kind: 'makeDirectory', path })
    this.#put(path, emptyDirectory())
  }

  rename(from: string, to: string): void {
    const node = this.#nodes.get(from)
    if (node === undefined) throw new DiskError('ENOENT', 'rename', from)
    this.#checkParent('rename', to)
    const file = node.kind === 'file' ? node.id : undefined
    this.perform({ kind: 'rename', path: from, to, file })
    if (from === to) return
    const below = this.#under(from)
    this.#drop(to)
    this.#drop(from)
    this.#put(to, node)
    for (const [path, moved] of below) {
      const target = to + path.slice(from.length)
      this.#nodes.set(target, moved)
      if (moved.kind === 'file') moved.path = target
    }
  }

  async remove(path: string): Promise<void> {
    if (!this.#nodes.has(path)) return
    if (this.latency !== undefined) {
      await this.latency('remove', path)
      if (!this.#nodes.has(path)) return // it was removed or renamed meanwhile
    }
    this.perform({ kind: 'remove', path })
    this.#drop(path)
  }

  async syncDirectory(path: string): Promise<void> {
    if (!this.#nodes.has(path)) throw new DiskError('ENOENT', 'sync directory', path)
    const covers = this.history.length
    if (this.latency !== undefined) await this.latency('syncDirectory', path)
    this.perform({ kind: 'syncDirectory', path, covers })
  }

  /**
   * From now on a folder has what another disk has there, all of it durable, at once and without
   * the hook. Handles that are open keep what they had.
   */
  replaceFolder(path: string, from: MemoryDisk): void {
    const { beforeOperation } = this
    this.beforeOperation = undefined
    this.perform({ kind: 'remove', path })
    this.#drop(path)
    for (const [each, node] of from.#under(path)) {
      if (node.kind === 'directory') this.makeDirectory(each)
      else fillDisk(this, [], [[each, node.content.read(0, node.content.size)]])
      this.perform({ kind: 'syncDirectory', path: parentOf(each) })
      const copied = this.#nodes.get(each)
      if (copied?.kind === 'file') this.perform({ kind: 'sync', path: each, file: copied.id })
    }
    this.perform({ kind: 'syncDirectory', path: parentOf(path) })
    this.beforeOperation = beforeOperation
  }

  /** Calls the hook, then records the operation. Internal: files call it too. */
  perform(operation: DiskOperation): ShortWrite | undefined {
    const fault = this.#faultOf(operation)
    if (!this.#recordsHistory || operation.kind === 'read') return fault
    if (fault === undefined || operation.kind !== 'append') this.history.push(operation)
    else this.history.push(cutAppend(operation, fault))
    return fault
  }

  #faultOf(operation: DiskOperation): ShortWrite | undefined {
    try {
      return this.beforeOperation?.(operation)
    } catch (error) {
      if (operation.kind === 'sync' && this.#recordsHistory) {
        this.history.push({ ...operation, kind: 'syncFailed' })
      }
      throw error
    }
  }

  /** Whether anything takes note of operations; if not, an append makes no object for one. */
  get isObserved(): boolean {
    return this.#recordsHistory || this.beforeOperation !== undefined
  }

  get hasHistory(): boolean {
    return this.#recordsHistory
  }

  /** A copy of `bytes` if the history needs one: callers reuse their buffers. */
  forHistory(bytes: Uint8Array): Uint8Array {
    return this.#recordsHistory ? Uint8Array.from(bytes) : bytes
  }

  /** The node of a path and all nodes below it; none if the path does not exist. */
  #under(path: string): [string, Node][] {
    const node = this.#nodes.get(path)
    if (node === undefined) return []
    const names = node.kind === 'directory' ? [...node.names] : []
    return [[path, node], ...names.flatMap(name => this.#under(join(path, name)))]
  }

  #put(path: string, node: Node): void {
    this.#nodes.set(path, node)
    this.#namesIn(parentOf(path)).add(nameOf(path))
  }

  #drop(path: string): void {
    for (const [gone] of this.#under(path)) this.#nodes.delete(gone)
    this.#namesIn(parentOf(path)).delete(nameOf(path))
  }

  #namesIn(path: string): Set<string> {
    return (this.#nodes.get(path) as DirectoryNode).names
  }

  #checkParent(operation: string, path: string): void {
    const parent = this.#nodes.get(parentOf(path))
    if (parent === undefined) throw new DiskError('ENOENT', operation, path)
    if (parent.kind !== 'directory') throw new DiskError('ENOTDIR', operation, path)
  }
}

function cutAppend(
  operation: Extract<DiskOperation, { kind: 'append' }>,
  fault: ShortWrite,
): DiskOperation {
  return { ...operation, bytes: operation.bytes.subarray(0, fault.writtenBytes) }
}

type Node = DirectoryNode | FileNode

/** A directory holds its entries, so work in one folder costs nothing in others. */
interface DirectoryNode {
  readonly kind: 'directory'
  readonly names: Set<string>
}

const emptyDirectory = (): DirectoryNode => ({ kind: 'directory', names: new Set() })

const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1)

interface FileNode {
  readonly kind: 'file'
  readonly id: number
  path: string
  readonly content: Content
  /** A failed append has left bytes after the end. */
  hasLeftover: boolean
}

class MemoryFile implements DiskFile {
  readonly #node: FileNode
  readonly #disk: MemoryDisk
  #zerosAhead = 0
  #isClosed = false

  constructor(node: FileNode, disk: MemoryDisk) {
    this.#node = node
    this.#disk = disk
  }

  get path(): string {
    return this.#node.path
  }

  get size(): number {
    return this.#node.content.size - this.#zerosAhead
  }

  get zerosAhead(): number {
    return this.#zerosAhead
  }

  /** They make no sync of memory faster; with a history they are written, so that crashes show. */
  writeZerosAhead(bytes: number): void {
    this.#checkOpen('write zeros to')
    if (!this.#disk.hasHistory || this.#node.hasLeftover || bytes <= this.#zerosAhead) return
    const { path } = this
    const zeros = Buffer.alloc(bytes - this.#zerosAhead)
    const position = this.#node.content.size
    const file = this.#node.id
    try {
      if (this.#disk.perform({ kind: 'append', path, file, position, bytes: zeros })) return
    } catch {
      return // an append says so, if it fails too
    }
    this.#node.content.append(zeros)
    this.#zerosAhead = bytes
  }

  async read(position: number, length: number): Promise<Buffer> {
    this.#checkOpen('read')
    if (this.#disk.latency !== undefined) await this.#disk.latency('read', this.path)
    this.#disk.perform({ kind: 'read', path: this.path, file: this.#node.id })
    return this.#node.content.read(position, Math.min(length, this.size - position))
  }

  readNow(position: number, into: Uint8Array): number {
    this.#checkOpen('read')
    this.#disk.perform({ kind: 'read', path: this.path, file: this.#node.id })
    const wanted = into.subarray(0, Math.max(0, this.size - position))
    return this.#node.content.readInto(position, wanted)
  }

  append(bytes: Uint8Array): void {
    this.#checkOpen('append')
    const { path, size: position } = this
    if (this.#node.hasLeftover) this.truncate(position)
    if (this.#disk.isObserved) {
      const kept = this.#disk.forHistory(bytes)
      const file = this.#node.id
      const fault = this.#disk.perform({ kind: 'append', path, file, position, bytes: kept })
      if (fault !== undefined) {
        this.#node.hasLeftover = true
        throw new DiskError(fault.code, 'append', path)
      }
    }
    const zeros = Buffer.alloc(Math.max(0, this.#zerosAhead - bytes.byteLength))
    if (this.#zerosAhead > 0) this.#node.content.truncate(position)
    this.#node.content.append(bytes)
    this.#node.content.append(zeros)
    this.#zerosAhead = zeros.length
  }

  truncate(size: number): void {
    this.#checkOpen('truncate')
    assert(size <= this.size, 'a file is cut, not grown', { size, was: this.size })
    this.#disk.perform({ kind: 'truncate', path: this.path, file: this.#node.id, size })
    this.#node.content.truncate(size)
    this.#node.hasLeftover = false
    this.#zerosAhead = 0
  }

  async sync(): Promise<void> {
    this.#checkOpen('sync')
    const covers = this.#disk.history.length
    if (this.#disk.latency !== undefined) await this.#disk.latency('sync', this.path)
    this.#disk.perform({ kind: 'sync', path: this.path, file: this.#node.id, covers })
  }

  close(): void {
    this.#isClosed = true
  }

  #checkOpen(operation: string): void {
    if (this.#isClosed) throw new DiskError('EBADF', `${operation} closed file`, this.path)
  }
}

// ── bytes of a file ──────────────────────────────────────────────────────────────────────

/** Small files stay small: the first chunk doubles up to this size; all others have it. */
const CHUNK_BYTES = 256 * 1024
const FIRST_CHUNK_BYTES = 256

class Content {
  #chunks: Buffer[] = []
  #size = 0

  get size(): number {
    return this.#size
  }

  append(bytes: Uint8Array): void {
    for (let done = 0; done < bytes.byteLength;) {
      const end = this.#size
      const chunk = this.#chunkFor(end, bytes.byteLength - done)
      const at = end % CHUNK_BYTES
      const count = Math.min(bytes.byteLength - done, chunk.length - at)
      chunk.set(count === bytes.byteLength ? bytes : bytes.subarray(done, done + count), at)
      done += count
      this.#size += count
    }
  }

  truncate(size: number): void {
    this.#size = size
    this.#chunks.length = Math.ceil(size / CHUNK_BYTES)
  }

  /** A copy: changes the caller makes to it must not change the file. */
  read(position: number, length: number): Buffer {
    const buffer = Buffer.allocUnsafeSlow(Math.max(0, Math.min(length, this.#size - position)))
    this.readInto(position, buffer)
    return buffer
  }

  readInto(position: number, into: Uint8Array): number {
    const wanted = Math.max(0, Math.min(into.byteLength, this.#size - position))
    for (let done = 0; done < wanted;) {
      const chunk = this.#chunks[Math.floor((position + done) / CHUNK_BYTES)] as Buffer
      const at = (position + done) % CHUNK_BYTES
      done += chunk.copy(into, done, at, at + Math.min(wanted - done, CHUNK_BYTES - at))
    }
    return wanted
  }

  #chunkFor(position: number, more: number): Buffer {
    const index = Math.floor(position / CHUNK_BYTES)
    const chunk = this.#chunks[index]
    if (chunk !== undefined && position % CHUNK_BYTES < chunk.length) return chunk
    const needed = (position % CHUNK_BYTES) + more
    const size = index > 0 ? CHUNK_BYTES : firstChunkSize(needed)
    const grown = Buffer.alloc(size)
    chunk?.copy(grown)
    this.#chunks[index] = grown
    return grown
  }
}

function firstChunkSize(needed: number): number {
  let size = FIRST_CHUNK_BYTES
  while (size < needed && size < CHUNK_BYTES) size *= 2
  return size
}

/** Fills an empty disk with folders, then with files. For simulated power cuts and tests. */
export function fillDisk(
  disk: MemoryDisk,
  directories: Iterable<string>,
  files: Iterable<readonly [path: string, bytes: Uint8Array]>,
): void {
  for (const path of directories) disk.makeDirectory(path)
  for (const [path, bytes] of files) {
    const file = disk.create(path)
    file.append(bytes)
    file.close()
  }
}
