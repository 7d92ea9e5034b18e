/*
 * Files of the operating system, through node:fs. A handle opens its file when it is used and may
 * lose the descriptor to another file in between (descriptors.ts).
 */

import {
  closeSync,
  constants,
  fdatasync,
  fstatSync,
  fsync,
  ftruncateSync,
  mkdirSync,
  openSync,
  read,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rm,
  statSync,
  unlink,
  writeSync,
  type Dirent,
  type Stats,
} from 'node:fs'
import { dirname, resolve } from 'node:path'
import { assert } from '../base/assert.js'
import { Limiter } from '../base/tasks.js'
import { Descriptors, isOutOfDescriptors, type DescriptorHolder } from './descriptors.js'
import { DiskError, join, type Disk, type DiskEntry, type DiskFile } from './disk.js'
import { FILE_MODE, identityIn } from './file-facts.js'
import { asDiskError, attempt, attempted, diskError, type Place } from './system-errors.js'

// Not by import: that would run every getter of the module, and open stderr on Node 22 and newer.
const { promisify } = process.getBuiltinModule('node:util')
const fdatasyncAsync = promisify(fdatasync)
const fsyncAsync = promisify(fsync)
const rmAsync = promisify(rm)
const unlinkAsync = promisify(unlink)

const DIRECTORY_MODE = 0o700

/** Windows has no such flag. */
const NO_FOLLOW = constants.O_NOFOLLOW ?? 0

/**
 * Node gives the whole process four threads for files, zlib and names. Slow syncs must not take
 * all of them from the host application.
 */
const CONCURRENT_SYNCS = 2

/** So many files are open at once before the limit of the process is looked up. */
const DESCRIPTORS_SURE = 16
/** The limit where the system does not name one. */
const OPEN_FILES_DEFAULT = 1_024
/** The kernel's memory for an open file is about 1 KiB. */
const DESCRIPTORS_MAX = 65_536

/** One cache for all disks of the process, because they share its limit. */
const ofProcess = new Descriptors({ sure: DESCRIPTORS_SURE, find: descriptorsMax })

export interface NodeDiskOptions {
  /** Refuses every change (EROFS). Default false. */
  readonly readOnly?: boolean
  /**
   * How many descriptors this disk may have open at once. Default: all disks together half of what
   * the process may open.
   */
  readonly descriptorsMax?: number
}

export class NodeDisk implements Disk {
  readonly location: string
  readonly #readOnly: boolean
  readonly #descriptors: Descriptors
  readonly #syncs = new Limiter(CONCURRENT_SYNCS)
  readonly #files = new Set<NodeFile>()

  constructor(root: string, options: NodeDiskOptions = {}) {
    this.location = resolve(root)
    this.#readOnly = options.readOnly ?? false
    const { descriptorsMax } = options
    this.#descriptors = descriptorsMax === undefined ? ofProcess : new Descriptors(descriptorsMax)
  }

  open(path: string): DiskFile {
    const flags = this.#readOnly ? constants.O_RDONLY : constants.O_RDWR | NO_FOLLOW
    return this.#handle(path, flags, 'open')
  }

  create(path: string): DiskFile {
    this.#refuseIfReadOnly('create', path)
    const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | NO_FOLLOW
    return this.#handle(path, flags, 'create')
  }

  list(path: string): readonly DiskEntry[] {
    const read = (): Dirent[] => readdirSync(this.#absolute(path), { withFileTypes: true })
    return this.#attempt('list', path, () => this.#descriptors.withRoom(read))
      .map(entry => ({ name: entry.name, kind: this.#kindOf(path, entry) }))
      .sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  exists(path: string): boolean {
    const look = (): unknown => statSync(this.#absolute(path), { throwIfNoEntry: false })
    return this.#attempt('look at', path, look) !== undefined
  }

  identityOf(path: string): string | undefined {
    const look = () => statSync(this.#absolute(path), { bigint: true, throwIfNoEntry: false })
    const found = this.#attempt('look at', path, look)
    return found && identityIn(found)
  }

  makeDirectory(path: string): void {
    this.#refuseIfReadOnly('mkdir', path)
    this.#attempt('mkdir', path, () => {
      try {
        mkdirSync(this.#absolute(path), { mode: DIRECTORY_MODE })
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      }
    })
  }

  rename(from: string, to: string): void {
    this.#refuseIfReadOnly('rename', from)
    this.#attempt('rename', from, () => renameSync(this.#absolute(from), this.#absolute(to)))
    for (const file of this.#files) file.follow(from, to)
  }

  async remove(path: string): Promise<void> {
    this.#refuseIfReadOnly('remove', path)
    await attempted(this.#place('remove', path), () =>
      this.#descriptors.withRoomAsync(() => removeFileOrFolder(this.#absolute(path))),
    )
  }

  async syncDirectory(path: string): Promise<void> {
    if (process.platform === 'win32') return // it cannot open a folder, and need not
    await this.#syncs.run(async () => {
      const open = (): number => openSync(this.#absolute(path), constants.O_RDONLY)
      const descriptor = this.#attempt('open', path, () => this.#descriptors.withRoom(open))
      try {
        await attempted(this.#place('sync directory', path), () => fsyncAsync(descriptor))
      } finally {
        closeSync(descriptor)
      }
    })
  }

  #handle(path: string, flags: number, operation: string): NodeFile {
    const file = new NodeFile(path, {
      flags: flags & ~(constants.O_CREAT | constants.O_EXCL),
      location: this.location,
      descriptors: this.#descriptors,
      syncs: this.#syncs,
      isShared: this.#readOnly,
      onClose: closed => this.#files.delete(closed),
    })
    this.#attempt(operation, path, () => file.openNow(flags))
    this.#files.add(file)
    return file
  }

  /** Follows links as Kafka does: to folders always, to files only on a read-only disk. */
  #kindOf(folder: string, entry: Dirent): DiskEntry['kind'] {
    if (!entry.isSymbolicLink()) return kindOf(entry)
    const target = targetOf(this.#absolute(join(folder, entry.name)))
    if (target === undefined) return 'other'
    return target.isFile() && !this.#readOnly ? 'other' : kindOf(target)
  }

  #absolute(path: string): string {
    return path === '' ? this.location : `${this.location}/${path}`
  }

  #refuseIfReadOnly(operation: string, path: string): void {
    const { location } = this
    if (this.#readOnly) throw new DiskError('EROFS', operation, path, { location })
  }

  #place(operation: string, path: string): Place {
    return { operation, path, location: this.location }
  }

  #attempt<T>(operation: string, path: string, call: () => T): T {
    return attempt(this.#place(operation, path), call)
  }
}

/** Most are files: `rm` looks first, which costs three hops to another thread more. */
async function removeFileOrFolder(path: string): Promise<void> {
  try {
    await unlinkAsync(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    await rmAsync(path, { recursive: true, force: true })
  }
}

/** Creates a folder and its parents so that they survive a power cut. Throws DiskError. */
export async function makeFolder(path: string): Promise<void> {
  const target = resolve(path)
  const first = attempt({ operation: 'mkdir', path: '', location: path }, () =>
    mkdirSync(target, { recursive: true, mode: DIRECTORY_MODE }),
  )
  if (first === undefined) return // it already exists
  for (let made = target; made.length >= first.length; made = dirname(made)) {
    await new NodeDisk(dirname(made)).syncDirectory('')
  }
}

// ── how many files may be open ───────────────────────────────────────────────────────────

/** Half of what the process may open: the other half belongs to the host application. */
function descriptorsMax(): number {
  return Math.min(Math.floor((openFilesLimit() ?? OPEN_FILES_DEFAULT) / 2), DESCRIPTORS_MAX)
}

/** The process' own limit; undefined if the system does not name one. */
function openFilesLimit(): number | undefined {
  return toLimit(limitOfLinux()) ?? toLimit(limitInReport())
}

function toLimit(text: string | undefined): number | undefined {
  if (text === 'unlimited') return Infinity
  const limit = Number(text)
  return Number.isSafeInteger(limit) && limit > 0 ? limit : undefined
}

/** `Max open files            1024                 524288               files` */
function limitOfLinux(): string | undefined {
  try {
    return /^Max open files +(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]
  } catch {
    return undefined // another system
  }
}

/** Node's diagnostic report has the limits of every Unix. It costs 5 ms. */
function limitInReport(): string | undefined {
  try {
    const { userLimits } = process.report.getReport() as Report
    return userLimits?.open_files?.soft.toString()
  } catch {
    return undefined // another runtime
  }
}

interface Report {
  /** Absent on Windows. */
  readonly userLimits?: { readonly open_files?: { readonly soft: number | string } }
}

/** The target of a link; undefined if it does not exist. */
function targetOf(path: string): Stats | undefined {
  try {
    return statSync(path)
  } catch {
    return undefined
  }
}

function kindOf(entry: Dirent | Stats): DiskEntry['kind'] {
  if (entry.isFile()) return 'file'
  return entry.isDirectory() ? 'directory' : 'other'
}

// ── one file ─────────────────────────────────────────────────────────────────────────────

interface FileContext {
  readonly flags: number
  readonly location: string
  readonly descriptors: Descriptors
  readonly syncs: Limiter
  /** Another process may replace the file by another one of its name. */
  readonly isShared: boolean
  readonly onClose: (file: NodeFile) => void
}

class NodeFile implements DiskFile, DescriptorHolder {
  /** The descriptor; undefined while the file has none. */
  descriptor: number | undefined
  /** Operations under way in another thread: while there are any, the descriptor must stay open. */
  pins = 0
  #path: string
  #size = 0
  #isClosed = false
  /** A failed append may have left bytes after `size`. */
  #hasLeftover = false
  #zerosAhead = 0
  /** Of a shared file. */
  #identity: string | undefined

  constructor(
    path: string,
    readonly context: FileContext,
  ) {
    this.#path = path
  }

  get path(): string {
    return this.#path
  }

  get size(): number {
    return this.#size
  }

  get zerosAhead(): number {
    return this.#zerosAhead
  }

  /** Opens the file for the first time, with its own flags, and reads its size. */
  openNow(flags: number): void {
    this.context.descriptors.open(this, flags)
    this.#size = fstatSync(this.descriptor as number).size
  }

  openWith(flags: number): void {
    this.descriptor = openSync(`${this.context.location}/${this.#path}`, flags, FILE_MODE)
    if (!this.context.isShared) return
    const identity = identityIn(fstatSync(this.descriptor, { bigint: true }))
    this.#identity ??= identity
    if (identity === this.#identity) return
    this.dropDescriptor() // the file that was read so far is gone
    throw diskError('ESTALE', this.#place('open'))
  }

  look(): number {
    const descriptor = this.#use()
    this.#size = attempt(this.#place('look at'), () => fstatSync(descriptor).size)
    return this.#size
  }

  dropDescriptor(): void {
    if (this.descriptor !== undefined) closeSync(this.descriptor)
    this.descriptor = undefined
  }

  follow(from: string, to: string): void {
    if (this.#path === from) this.#path = to
    else if (this.#path.startsWith(`${from}/`)) this.#path = to + this.#path.slice(from.length)
  }

  append(bytes: Uint8Array): void {
    const descriptor = this.#use()
    try {
      if (this.#hasLeftover) this.#cutLeftover(descriptor)
      this.#hasLeftover = true
      this.#write(descriptor, bytes)
    } catch (error) {
      throw asDiskError(error, this.#place('append'))
    }
    this.#hasLeftover = false
    this.#size += bytes.byteLength
    if (this.#zerosAhead > 0) this.#zerosAhead = Math.max(0, this.#zerosAhead - bytes.byteLength)
  }

  writeZerosAhead(bytes: number): void {
    if (this.#hasLeftover) return // the next append cuts it off, and zeros with it
    zeros ??= Buffer.alloc(ZEROS_BYTES)
    try {
      const descriptor = this.#use()
      while (this.#zerosAhead < bytes) {
        const count = Math.min(bytes - this.#zerosAhead, ZEROS_BYTES)
        const at = this.#size + this.#zerosAhead
        this.#zerosAhead += writeSync(descriptor, zeros, 0, count, at)
      }
    } catch {
      // no room for them: an append says so, if it has none either
    }
  }

  #write(descriptor: number, bytes: Uint8Array): void {
    for (let done = 0; done < bytes.byteLength;) {
      const left = bytes.byteLength - done
      const written = writeSync(descriptor, bytes, done, left, this.#size + done)
      if (written === 0) throw diskError('EIO', this.#place('append'))
      done += written
    }
  }

  truncate(size: number): void {
    assert(size <= this.#size, 'a file is cut, not grown', { size, was: this.#size })
    const descriptor = this.#use()
    attempt(this.#place('truncate'), () => {
      ftruncateSync(descriptor, size)
      this.#size = size
      this.#hasLeftover = false
      this.#zerosAhead = 0
    })
  }

  async read(position: number, length: number, into?: Buffer): Promise<Buffer> {
    const wanted = Math.max(0, Math.min(length, this.#size - position))
    const buffer = into?.subarray(0, wanted) ?? Buffer.allocUnsafeSlow(wanted)
    const done = await this.#pinned('read', descriptor => readFully(descriptor, buffer, position))
    return done === wanted ? buffer : buffer.subarray(0, done)
  }

  readNow(position: number, into: Uint8Array): number {
    const descriptor = this.#use()
    const wanted = Math.max(0, Math.min(into.byteLength, this.#size - position))
    return attempt(this.#place('read'), () => {
      let done = 0
      while (done < wanted) {
        const count = readSync(descriptor, into, done, wanted - done, position + done)
        if (count === 0) break
        done += count
      }
      return done
    })
  }

  async sync(): Promise<void> {
    await this.#pinned('sync', descriptor =>
      this.context.syncs.run(() => fdatasyncAsync(descriptor)),
    )
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    if (this.pins === 0) this.context.descriptors.forget(this)
    this.context.onClose(this)
  }

  #cutLeftover(descriptor: number): void {
    ftruncateSync(descriptor, this.#size)
    this.#hasLeftover = false
    this.#zerosAhead = 0
  }

  #place(operation: string): Place {
    return { operation, path: this.#path, location: this.context.location }
  }

  /** If it fails, the error names the operation 'open', whatever the descriptor is for. */
  #use(): number {
    if (this.#isClosed) throw diskError('EBADF', this.#place('use closed file'))
    if (this.descriptor === undefined) {
      attempt(this.#place('open'), () => this.context.descriptors.open(this, this.context.flags))
    }
    return this.context.descriptors.use(this)
  }

  async #pinned<T>(operation: string, task: (descriptor: number) => Promise<T>): Promise<T> {
    let descriptor = this.#useIfAny()
    while (descriptor === undefined) {
      await Descriptors.released.wait()
      descriptor = this.#useIfAny()
    }
    Descriptors.pinned++
    this.pins++
    try {
      return await attempted(this.#place(operation), () => task(descriptor))
    } finally {
      Descriptors.pinned--
      this.pins--
      if (this.#isClosed && this.pins === 0) this.context.descriptors.forget(this)
      Descriptors.released.notify()
    }
  }

  /** Undefined if no descriptor is left until an operation under way has ended. */
  #useIfAny(): number | undefined {
    try {
      return this.#use()
    } catch (error) {
      if (Descriptors.pinned > 0 && isOutOfDescriptors(error)) return undefined
      throw error
    }
  }
}

/** Written ahead of records at a time. */
const ZEROS_BYTES = 256 * 1024
let zeros: Buffer | undefined

/** Reads until the buffer is full or the file ends; resolves with the bytes read. */
function readFully(descriptor: number, buffer: Buffer, position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const readOn = (done: number): void => {
      if (done === buffer.length) return resolve(done)
      const left = buffer.length - done
      read(descriptor, buffer, done, left, position + done, (error, count) => {
        if (error) reject(error)
        else if (count === 0) resolve(done)
        else readOn(done + count)
      })
    }
    readOn(0)
  })
}
