/*
 * The only door to files.
 *
 * What survives a crash
 * - `append`, `truncate`, `rename`, `create`, `makeDirectory` and `remove` take effect at once for
 *   every reader and survive the death of the process. They do NOT survive a power cut.
 * - After `file.sync()` resolves, all bytes appended before the call survive a power cut, IF the
 *   file's name does: a new or renamed file needs `syncDirectory` of its folder, and a new folder
 *   that of its parent.
 * - Unsynced bytes may survive in any part: none, the first few, or any 512-byte sectors; lost
 *   sectors read as zeros. A name changes as a whole or not at all.
 * - After `sync` has failed, nothing appended since the last successful sync can be trusted, and no
 *   later sync repairs that: the system marks the pages as written although they are not.
 *
 * What may block
 * - Calls that only touch the page cache are synchronous, so nothing can come between looking at
 *   a log and changing it, and an append costs a microsecond instead of a hop to another thread.
 *   Calls that wait for the medium (`sync`, `syncDirectory`), move much data (`read`) or may take
 *   long (`remove`) are asynchronous. `readNow` is for few bytes, where a hop to another thread
 *   costs more than the read.
 *
 * Paths are relative to the disk's root, separated by '/'; '' is the root itself.
 */

export interface Disk {
  /** Where the root is, for error messages: a folder's path, or a word for memory. */
  readonly location: string
  /** Opens a file that exists. Throws DiskError ENOENT when it does not. */
  open(path: string): DiskFile
  /** Creates an empty file. Throws DiskError EEXIST when the name is taken. */
  create(path: string): DiskFile
  /** The entries of a folder, sorted by name. Throws DiskError ENOENT or ENOTDIR. */
  list(path: string): readonly DiskEntry[]
  /** Throws DiskError when the path may not be examined; that does not mean it does not exist. */
  exists(path: string): boolean
  /**
   * Which file has the name at the moment; undefined if none has. Another file of that name has
   * another identity. Only disks that are opened for reading have it.
   */
  identityOf?(path: string): string | undefined
  /** Creates a folder inside an existing one; does nothing if it exists. */
  makeDirectory(path: string): void
  /** Gives a file or folder another name; replaces a file of that name in one step. */
  rename(from: string, to: string): void
  /** Removes a file, or a folder with everything in it; does nothing if it does not exist. */
  remove(path: string): Promise<void>
  /** Makes the names in a folder survive a power cut. */
  syncDirectory(path: string): Promise<void>
}

export interface DiskEntry {
  readonly name: string
  readonly kind: 'file' | 'directory' | 'other'
}

/**
 * An open file that grows at its end. The handle stays valid when the file is renamed, and still
 * reads when the file is removed.
 */
export interface DiskFile {
  /** The file's current path; follows renames. */
  readonly path: string
  /** Bytes in the file; only complete appends count. */
  readonly size: number
  /**
   * Looks again how long the file is, because another process writes it, and returns its size. Only
   * files of a disk that is opened for reading have it.
   */
  look?(): number
  /**
   * The bytes of `[position, position + length)`, fewer where the file ends. The caller owns them.
   * They may be in `into`, a buffer of the caller's with at least `length` bytes.
   */
  read(position: number, length: number, into?: Buffer): Promise<Buffer>
  /**
   * Fills `into` with the bytes from `position` on, as far as the file goes, and returns how many
   * there were. For few bytes that are probably in the page cache: it blocks. Throws a transient
   * DiskError if all descriptors are in use at the moment; `read` waits then.
   */
  readNow(position: number, into: Uint8Array): number
  /**
   * Writes after the last byte. All or nothing: when it throws, `size` is as before, and the next
   * write first cuts off any bytes this one has left.
   */
  append(bytes: Uint8Array): void
  /** Cuts the file to `size` bytes, which it must have. Cuts off zeros ahead, too. */
  truncate(size: number): void
  /**
   * Zeros that were written after the last byte. They do not count as bytes of the file for this
   * handle; others, and a process that opens the file after a crash, see them.
   */
  readonly zerosAhead: number
  /**
   * Writes zeros after the last byte until there are `bytes` of them: syncs of what is appended
   * later need not write the file's size. Only a hint: if the disk refuses, there are fewer.
   */
  writeZerosAhead(bytes: number): void
  /**
   * Makes the file's bytes survive a power cut. Never call it again after the sync itself has
   * failed. If only opening the file failed (DiskError `isTransient`), nothing was synced, and it
   * may be called again.
   */
  sync(): Promise<void>
  /** Closes the handle. Later calls throw. */
  close(): void
}

/** Something has run out that may become available again: room, descriptors, a turn. */
const TRANSIENT = new Set(['ENOSPC', 'EDQUOT', 'EFBIG', 'EMFILE', 'ENFILE', 'EAGAIN', 'EINTR'])

/** The commonest errors in words. */
const WORDS: Readonly<Record<string, string>> = {
  ENOSPC: 'no space left on the disk',
  EDQUOT: 'the disk quota is used up',
  EFBIG: 'the file would be larger than the system allows',
  EMFILE: 'the process has too many open files',
  ENFILE: 'the system has too many open files',
  EROFS: 'the file system is read-only',
  EACCES: 'permission denied',
  EPERM: 'not permitted',
  ENOENT: 'no such file or folder',
  ENOTDIR: 'not a folder',
  EEXIST: 'it already exists',
  ESTALE: 'another file has its name now',
  EIO: 'the device failed',
}

export interface DiskErrorOptions extends ErrorOptions {
  /** The disk's root, to which `path` is relative, for the sentence. */
  readonly location?: string
}

/** A failed disk operation: the system's error code and the file. */
export class DiskError extends Error {
  override readonly name = 'DiskError'

  constructor(
    /** The system's name for it: ENOENT, ENOSPC, EIO … */
    readonly code: string,
    /** What failed; an operation that begins with 'sync' was writing data to the medium. */
    readonly operation: string,
    readonly path: string,
    options: DiskErrorOptions = {},
  ) {
    const { location, ...rest } = options
    const words = WORDS[code]
    const reason = words === undefined ? code : `${code} (${words})`
    super(`${operation} ${shownPath(path, location)}: ${reason}`, rest)
  }

  /**
   * True if the same call may succeed later, when there is room again. False for every failed sync,
   * whatever its code: what it left on the medium is unknown.
   */
  get isTransient(): boolean {
    return TRANSIENT.has(this.code) && !this.operation.startsWith('sync')
  }
}

function shownPath(path: string, location: string | undefined): string {
  if (location === undefined) return path === '' ? '(root)' : path
  return path === '' ? location : `${location}/${path}`
}

export function isDiskError(error: unknown, code?: string): error is DiskError {
  return error instanceof DiskError && (code === undefined || error.code === code)
}

/**
 * Waits for all of them, even if one fails. Throws a failed sync before a fault that passes: what
 * is tried again after the latter must not repeat the former.
 */
export async function allSynced(syncs: Iterable<Promise<void>>): Promise<void> {
  const errors: unknown[] = []
  for (const each of await Promise.allSettled(syncs)) {
    if (each.status === 'rejected') errors.push(each.reason)
  }
  const passes = (error: unknown): boolean => isDiskError(error) && error.isTransient
  if (errors.length > 0) throw errors.find(error => !passes(error)) ?? errors[0]
}

/** `join('a', 'b')` is 'a/b'; with the root, just 'b'. */
export function join(folder: string, name: string): string {
  return folder === '' ? name : `${folder}/${name}`
}

/** The folder a path lies in: '' for the root's own entries. */
export function parentOf(path: string): string {
  const slash = path.lastIndexOf('/')
  return slash < 0 ? '' : path.slice(0, slash)
}

// ── whole small files ────────────────────────────────────────────────────────────────────

/** A small file that is read at once: it costs less than a hop to another thread. */
const READ_NOW_BYTES = 16 * 1024

/** The bytes of a small file; undefined if it does not exist. Refuses more than `maxBytes`. */
export async function readSmallFile(
  disk: Disk,
  path: string,
  maxBytes: number,
): Promise<Buffer | undefined> {
  const file = openIfThere(disk, path)
  if (file === undefined) return undefined
  try {
    if (file.size > maxBytes) throw new DiskError('EFBIG', 'read', path)
    if (file.size > READ_NOW_BYTES) return await file.read(0, file.size)
    const bytes = Buffer.allocUnsafe(file.size)
    return bytes.subarray(0, file.readNow(0, bytes))
  } finally {
    file.close()
  }
}

/** Without a look before: of 10,000 partitions each has such a file. */
function openIfThere(disk: Disk, path: string): DiskFile | undefined {
  try {
    return disk.open(path)
  } catch (error) {
    if (isDiskError(error, 'ENOENT')) return undefined
    throw error
  }
}

/**
 * Replaces a small file so that a crash at any moment leaves the whole old or the whole new one:
 * temporary file, sync, rename, sync of the folder.
 */
export async function replaceSmallFile(disk: Disk, path: string, bytes: Uint8Array): Promise<void> {
  await prepareFile(disk, path, bytes)
  await putInPlace(disk, [path])
}

/** The first half of `replaceSmallFile`: the new bytes are durable under a temporary name. */
export async function prepareFile(disk: Disk, path: string, bytes: Uint8Array): Promise<void> {
  const temporary = path + TEMPORARY
  if (disk.exists(temporary)) await disk.remove(temporary)
  const file = disk.create(temporary)
  try {
    file.append(bytes)
    await file.sync()
  } finally {
    file.close()
  }
}

/** The second half, for files of one folder, which is synced once. */
export async function putInPlace(disk: Disk, paths: readonly string[]): Promise<void> {
  for (const path of paths) disk.rename(path + TEMPORARY, path)
  await disk.syncDirectory(parentOf(paths[0] as string))
}

const TEMPORARY = '.tmp'
