/**
 * A disk whose files rot while they are open, as those of a real disk do: handles that are open and
 * handles that are opened later read the same wrong bytes. What is written afterwards is right: it
 * lies behind the rot, or replaces the file.
 */

import type { Disk, DiskEntry, DiskFile } from '../../src/disk/disk.js'
import { DiskError } from '../../src/disk/disk.js'
import type { MemoryDisk } from '../../src/disk/memory-disk.js'

export class RottingDisk implements Disk {
  readonly location = 'memory'
  readonly #disk: MemoryDisk
  /** The first bytes of a file as they are read from now on, by its present path. */
  readonly #rotten = new Map<string, Buffer>()
  /** Names that are gone; handles that are open still read. */
  readonly #gone = new Set<string>()

  constructor(disk: MemoryDisk) {
    this.#disk = disk
  }

  /** Changes what is read of a file; undefined removes its name. */
  rot(path: string, bytes: Buffer | undefined): void {
    if (bytes === undefined) this.#gone.add(path)
    else this.#rotten.set(path, bytes)
  }

  rottenAt(path: string): Buffer | undefined {
    return this.#rotten.get(path)
  }

  /** A file is no longer what it was: its rot has gone with it, or is cut. */
  cut(path: string, size: number): void {
    const rotten = this.#rotten.get(path)
    if (rotten !== undefined) this.#rotten.set(path, rotten.subarray(0, size))
  }

  open(path: string): DiskFile {
    if (this.#gone.has(path)) throw new DiskError('ENOENT', 'open', path)
    return new RottingFile(this.#disk.open(path), this)
  }

  create(path: string): DiskFile {
    this.#forget(path)
    return new RottingFile(this.#disk.create(path), this)
  }

  list(path: string): readonly DiskEntry[] {
    const prefix = path === '' ? '' : `${path}/`
    return this.#disk.list(path).filter(({ name }) => !this.#gone.has(prefix + name))
  }

  exists(path: string): boolean {
    return !this.#gone.has(path) && this.#disk.exists(path)
  }

  makeDirectory(path: string): void {
    this.#disk.makeDirectory(path)
  }

  rename(from: string, to: string): void {
    if (this.#gone.has(from)) throw new DiskError('ENOENT', 'rename', from)
    this.#disk.rename(from, to)
    const isBelow = (path: string): boolean => path === from || path.startsWith(`${from}/`)
    const moved = [...this.#rotten].filter(([path]) => isBelow(path))
    this.#forget(to)
    for (const [path, bytes] of moved) {
      this.#rotten.delete(path)
      this.#rotten.set(to + path.slice(from.length), bytes)
    }
  }

  async remove(path: string): Promise<void> {
    await this.#disk.remove(path)
    for (const each of [...this.#rotten.keys()]) {
      if (each === path || each.startsWith(`${path}/`)) this.#forget(each)
    }
    this.#gone.delete(path)
  }

  async syncDirectory(path: string): Promise<void> {
    await this.#disk.syncDirectory(path)
  }

  /** The name is taken by a new file: an old one that had lost its name is really gone. */
  #forget(path: string): void {
    this.#rotten.delete(path)
    if (this.#gone.delete(path)) void this.#disk.remove(path)
  }
}

class RottingFile implements DiskFile {
  readonly #file: DiskFile
  readonly #disk: RottingDisk

  constructor(file: DiskFile, disk: RottingDisk) {
    this.#file = file
    this.#disk = disk
  }

  get path(): string {
    return this.#file.path
  }

  get size(): number {
    return this.#file.size
  }

  get zerosAhead(): number {
    return this.#file.zerosAhead
  }

  async read(position: number, length: number): Promise<Buffer> {
    const bytes = await this.#file.read(position, length)
    this.#spoil(bytes, position)
    return bytes
  }

  readNow(position: number, into: Uint8Array): number {
    const count = this.#file.readNow(position, into)
    this.#spoil(into.subarray(0, count), position)
    return count
  }

  #spoil(bytes: Uint8Array, position: number): void {
    const rotten = this.#disk.rottenAt(this.path)
    if (rotten !== undefined) bytes.set(rotten.subarray(position, position + bytes.length))
  }

  append(bytes: Uint8Array): void {
    this.#file.append(bytes)
  }

  truncate(size: number): void {
    this.#file.truncate(size)
    this.#disk.cut(this.path, size)
  }

  writeZerosAhead(bytes: number): void {
    this.#file.writeZerosAhead(bytes)
  }

  async sync(): Promise<void> {
    await this.#file.sync()
  }

  close(): void {
    this.#file.close()
  }
}
