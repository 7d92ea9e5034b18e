/**
 * Files of the operating system, through node:fs.
 *
 * Descriptors are a bounded cache: a handle opens its file when it is used and may lose the
 * descriptor to another one in between, so ten thousand logs can be open in one process.
 */

import {
  closeSync,
  constants,
  existsSync,
  fdatasync,
  fstatSync,
  fsync,
  ftruncateSync,
  mkdirSync,
  openSync,
  read,
  readdirSync,
  renameSync,
  rm,
  writeSync,
  type Dirent,
} from 'node:fs'
import { dirname, resolve } from 'node:path'
import { promisify } from 'node:util'
import { assert } from '../base/assert.js'
import { Limiter } from '../base/tasks.js'
import { DiskError, type Disk, type DiskEntry, type DiskFile } from './disk.js'

const fdatasyncAsync = promisify(fdatasync)
const fsyncAsync = promisify(fsync)
const rmAsync = promisify(rm)

/** Only the owner may read what is stored. */
const FILE_MODE = 0o600
const DIRECTORY_MODE = 0o700

/** Windows has no such flag. */
const NO_FOLLOW = constants.O_NOFOLLOW ?? 0

/**
 * Node gives the whole process four threads for files, zlib and names. Slow syncs must not take
 * all of them from the host application.
 */
const CONCURRENT_SYNCS = 2

const DESCRIPTORS_MAX = 512

export interface NodeDiskOptions {
  /** Refuse every change (EROFS). Default false. */
  readonly readOnly?: boolean
  /** How many descriptors may be open at a time. Default 512. */
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
    this.#descriptors = new Descriptors(options.descriptorsMax ?? DESCRIPTORS_MAX)
  }

  open(path: string): DiskFile {
    const flags = this.#readOnly ? constants.O_RDONLY : constants.O_RDWR
    return this.#handle(path, flags | NO_FOLLOW, 'open')
  }

  create(path: string): DiskFile {
    this.#refuseIfReadOnly('create', path)
    const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | NO_FOLLOW
    return this.#handle(path, flags, 'create')
  }

  list(path: string): readonly DiskEntry[] {
    return attempt('list', path, () =>
      readdirSync(this.#absolute(path), { withFileTypes: true })
        .map(entry => ({ name: entry.name, kind: kindOf(entry) }))
        .sort((a, b) => (a.name < b.name ? -1 : 1)),
    )
  }

  exists(path: string): boolean {
    return existsSync(this.#absolute(path))
  }

  makeDirectory(path: string): void {
    this.#refuseIfReadOnly('mkdir', path)
    attempt('mkdir', path, () => {
      try {
        mkdirSync(this.#absolute(path), { mode: DIRECTORY_MODE })
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      }
    })
  }

  rename(from: string, to: string): void {
    this.#refuseIfReadOnly('rename', from)
    attempt('rename', from, () => renameSync(this.#absolute(from), this.#absolute(to)))
    for (const file of this.#files) file.follow(from, to)
  }

  async remove(path: string): Promise<void> {
    this.#refuseIfReadOnly('remove', path)
    await attemptAsync('remove', path, () =>
      rmAsync(this.#absolute(path), { recursive: true, force: true }),
    )
  }

  async syncDirectory(path: string): Promise<void> {
    if (process.platform === 'win32') return // a folder cannot be opened there, nor needs it
    await attemptAsync('sync directory', path, () =>
      this.#syncs.run(async () => {
        const descriptor = openSync(this.#absolute(path), constants.O_RDONLY)
        try {
          await fsyncAsync(descriptor)
        } finally {
          closeSync(descriptor)
        }
      }),
    )
  }

  #handle(path: string, flags: number, operation: string): NodeFile {
    const file = new NodeFile(path, {
      flags: flags & ~(constants.O_CREAT | constants.O_EXCL),
      absolute: relative => this.#absolute(relative),
      descriptors: this.#descriptors,
      syncs: this.#syncs,
      onClose: closed => this.#files.delete(closed),
    })
    attempt(operation, path, () => file.openNow(flags))
    this.#files.add(file)
    return file
  }

  #absolute(path: string): string {
    return path === '' ? this.location : `${this.location}/${path}`
  }

  #refuseIfReadOnly(operation: string, path: string): void {
    if (this.#readOnly) throw new DiskError('EROFS', operation, path)
  }
}

/** Makes a folder, with those above it, so that they survive a power cut. Throws DiskError. */
export async function makeFolder(path: string): Promise<void> {
  const target = resolve(path)
  const first = attempt('mkdir', path, () =>
    mkdirSync(target, { recursive: true, mode: DIRECTORY_MODE }),
  )
  if (first === undefined) return // it was there
  for (let made = target; made.length >= first.length; made = dirname(made)) {
    await new NodeDisk(dirname(made)).syncDirectory('')
  }
}

function kindOf(entry: Dirent): DiskEntry['kind'] {
  if (entry.isFile()) return 'file'
  return entry.isDirectory() ? 'directory' : 'other'
}

// ── one file ─────────────────────────────────────────────────────────────────────────────

interface FileContext {
  readonly flags: number
  readonly absolute: (path: string) => string
  readonly descriptors: Descriptors
  readonly syncs: Limiter
  readonly onClose: (file: NodeFile) => void
}

class NodeFile implements DiskFile {
  /** The descriptor, while the cache lets the file have one. */
  descriptor: number | undefined
  /** Operations on their way in another thread: the descriptor must stay. */
  pins = 0
  #path: string
  #size = 0
  #isClosed = false
  /** A failed append may have left bytes behind `size`. */
  #hasLeftover = false

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

  /** The first opening: with the flags of `create`, and the size as it is on disk. */
  openNow(flags: number): void {
    this.context.descriptors.open(this, flags)
    this.#size = fstatSync(this.descriptor as number).size
  }

  reopen(): void {
    this.context.descriptors.open(this, this.context.flags)
  }

  openWith(flags: number): void {
    this.descriptor = openSync(this.context.absolute(this.#path), flags, FILE_MODE)
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
    attempt('append', this.#path, () => {
      const descriptor = this.#use()
      if (this.#hasLeftover) this.#cutLeftover(descriptor)
      this.#hasLeftover = true
      for (let done = 0; done < bytes.byteLength;) {
        const left = bytes.byteLength - done
        const written = writeSync(descriptor, bytes, done, left, this.#size + done)
        if (written === 0) throw new DiskError('EIO', 'append', this.#path)
        done += written
      }
      this.#hasLeftover = false
      this.#size += bytes.byteLength
    })
  }

  truncate(size: number): void {
    assert(size <= this.#size, 'a file is cut, not grown', { size, was: this.#size })
    attempt('truncate', this.#path, () => {
      ftruncateSync(this.#use(), size)
      this.#size = size
      this.#hasLeftover = false
    })
  }

  async read(position: number, length: number): Promise<Buffer> {
    const wanted = Math.max(0, Math.min(length, this.#size - position))
    const buffer = Buffer.allocUnsafeSlow(wanted)
    const done = await this.#pinned('read', descriptor => readFully(descriptor, buffer, position))
    return done === wanted ? buffer : buffer.subarray(0, done)
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
  }

  #use(): number {
    if (this.#isClosed) throw new DiskError('EBADF', 'use closed file', this.#path)
    return this.context.descriptors.use(this)
  }

  async #pinned<T>(operation: string, task: (descriptor: number) => Promise<T>): Promise<T> {
    const descriptor = attempt(operation, this.#path, () => this.#use())
    this.pins++
    try {
      return await attemptAsync(operation, this.#path, () => task(descriptor))
    } finally {
      this.pins--
      if (this.#isClosed && this.pins === 0) this.context.descriptors.forget(this)
    }
  }
}

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

// ── descriptors ──────────────────────────────────────────────────────────────────────────

/** Which files hold a descriptor: at most `limit`, the ones used last. */
class Descriptors {
  readonly #open = new Set<NodeFile>()
  #latest: NodeFile | undefined

  constructor(readonly limit: number) {}

  use(file: NodeFile): number {
    if (file.descriptor === undefined) file.reopen()
    else if (this.#latest !== file) this.#touch(file)
    return file.descriptor as number
  }

  open(file: NodeFile, flags: number): void {
    this.#evict(this.#open.size - this.limit + 1)
    try {
      file.openWith(flags)
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code !== 'EMFILE' && code !== 'ENFILE') throw error
      this.#evict(Math.ceil(this.#open.size / 2))
      file.openWith(flags)
    }
    this.#touch(file)
  }

  forget(file: NodeFile): void {
    this.#open.delete(file)
    if (this.#latest === file) this.#latest = undefined
    file.dropDescriptor()
  }

  #touch(file: NodeFile): void {
    this.#open.delete(file)
    this.#open.add(file)
    this.#latest = file
  }

  /** Closes up to `count` descriptors that nothing is using, the longest unused first. */
  #evict(count: number): void {
    let left = count
    for (const file of this.#open) {
      if (left <= 0) return
      if (file.pins > 0) continue
      this.forget(file)
      left--
    }
  }
}

// ── errors ───────────────────────────────────────────────────────────────────────────────

function attempt<T>(operation: string, path: string, call: () => T): T {
  try {
    return call()
  } catch (error) {
    throw asDiskError(error, operation, path)
  }
}

async function attemptAsync<T>(
  operation: string,
  path: string,
  call: () => Promise<T>,
): Promise<T> {
  try {
    return await call()
  } catch (error) {
    throw asDiskError(error, operation, path)
  }
}

function asDiskError(error: unknown, operation: string, path: string): unknown {
  if (error instanceof DiskError) return error
  const { code } = error as NodeJS.ErrnoException
  if (typeof code !== 'string') return error
  return new DiskError(code, operation, path, { cause: error })
}
