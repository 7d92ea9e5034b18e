/**
 * The only door to files.
 *
 * What survives what
 * - `append`, `truncate`, `rename`, `create`, `makeDirectory` and `remove` take effect at once for
 *   everybody who looks, and survive the death of the process. They do NOT survive a power cut.
 * - After `file.sync()` resolves, all bytes appended before the call survive a power cut, IF the
 *   file's name does: a new or renamed file needs `syncDirectory` of its folder, and a new folder
 *   that of its parent.
 * - Unsynced bytes may survive in any part: none, some first ones, or any 512-byte sectors, the
 *   lost ones reading as zeros. A name changes as a whole or not at all.
 * - After `sync` has failed, nothing appended since the last good sync may be believed, and no
 *   later sync makes it good: the pages count as written although they are not.
 *
 * What may block
 * - Calls that only touch the page cache are synchronous, so nothing can come between looking at
 *   a log and changing it, and an append costs a microsecond instead of a hop to another thread.
 *   Those that wait for the medium (`sync`, `syncDirectory`), move much (`read`) or may take long
 *   (`remove`) are asynchronous.
 *
 * Paths are relative to the disk's root, separated by '/'; '' is the root itself.
 */

export interface Disk {
  /** Where the root lies, for people: a folder's path, or a word for memory. */
  readonly location: string
  /** Opens a file that exists. Throws DiskError ENOENT when it does not. */
  open(path: string): DiskFile
  /** Makes a new, empty file. Throws DiskError EEXIST when the name is taken. */
  create(path: string): DiskFile
  /** What a folder holds, sorted by name. Throws DiskError ENOENT or ENOTDIR. */
  list(path: string): readonly DiskEntry[]
  /** Throws DiskError where it may not be looked at, which is not the same as not being there. */
  exists(path: string): boolean
  /** Makes a folder inside one that exists; one that is there already is fine. */
  makeDirectory(path: string): void
  /** Gives a file or folder another name; a file of that name is replaced in one step. */
  rename(from: string, to: string): void
  /** Removes a file, or a folder with everything in it. What is not there is fine. */
  remove(path: string): Promise<void>
  /** Makes the names in a folder survive a power cut. */
  syncDirectory(path: string): Promise<void>
}

export interface DiskEntry {
  readonly name: string
  readonly kind: 'file' | 'directory' | 'other'
}

/**
 * An open file that grows at its end. The handle stays good when the file is renamed, and for
 * reading what is already open when it is removed.
 */
export interface DiskFile {
  /** The file's path now; follows renames. */
  readonly path: string
  /** Bytes in the file, counting complete appends only. */
  readonly size: number
  /**
   * The bytes of `[position, position + length)`, fewer where the file ends. They belong to the
   * caller.
   */
  read(position: number, length: number): Promise<Buffer>
  /**
   * Writes behind the last byte. All or nothing: when it throws, `size` is as before, and what may
   * have been written is cut off before anything else is written.
   */
  append(bytes: Uint8Array): void
  /** Cuts the file to `size` bytes, which it must have. */
  truncate(size: number): void
  /**
   * Makes the file's bytes survive a power cut. Never call it again after the sync itself has
   * failed. If only opening the file failed (DiskError `isTransient`), nothing was synced and it
   * may be called again.
   */
  sync(): Promise<void>
  /** Gives the handle back. Calls after it throw. */
  close(): void
}

/** Something has run out that may come back: room, descriptors, a turn. */
const TRANSIENT = new Set(['ENOSPC', 'EDQUOT', 'EFBIG', 'EMFILE', 'ENFILE', 'EAGAIN', 'EINTR'])

/** What people know the commonest errors by. */
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
  EEXIST: 'it exists already',
  EIO: 'the device failed',
}

export interface DiskErrorOptions extends ErrorOptions {
  /** The disk's root, for the sentence: `path` itself is relative to it. */
  readonly location?: string
}

/** What a failed disk operation throws: the system's error code, and which file. */
export class DiskError extends Error {
  override readonly name = 'DiskError'

  constructor(
    /** The system's name for it: ENOENT, ENOSPC, EIO … */
    readonly code: string,
    /** What failed; operations that begin with 'sync' are those that wrote data to the medium. */
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
   * It passes when there is room again: refused now, the same call may succeed later. A failed sync
   * never does, whatever its code: what it left on the medium is not known.
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

/** The bytes of a small file, or undefined when there is none. Refuses more than `maxBytes`. */
export async function readSmallFile(
  disk: Disk,
  path: string,
  maxBytes: number,
): Promise<Buffer | undefined> {
  if (!disk.exists(path)) return undefined
  const file = disk.open(path)
  try {
    if (file.size > maxBytes) throw new DiskError('EFBIG', 'read', path)
    return await file.read(0, file.size)
  } finally {
    file.close()
  }
}

/**
 * Replaces a small file so that a crash at any moment leaves the old or the new one, whole:
 * temporary file, sync, rename, sync of the folder.
 */
export async function replaceSmallFile(disk: Disk, path: string, bytes: Uint8Array): Promise<void> {
  const temporary = `${path}.tmp`
  await disk.remove(temporary)
  const file = disk.create(temporary)
  try {
    file.append(bytes)
    await file.sync()
  } finally {
    file.close()
  }
  disk.rename(temporary, path)
  await disk.syncDirectory(parentOf(path))
}
