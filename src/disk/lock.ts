/*
 * One owner per folder, by a lock that the kernel releases when the process dies.
 *
 * Node has no flock. A file with a pid in it fails under contention: nothing compares and swaps on
 * a file's existence, and two processes that find a stale file can both take it over. So partlog
 * uses what the kernel releases when a process dies, whatever kills it:
 *
 *   Linux          an abstract Unix socket, named after the folder's device and inode: it depends
 *                  on no file that could be removed. Holds within one network namespace.
 *   macOS, BSD     open of `.lock` with O_EXLOCK: there, removing `.lock` lets a second process in
 *   Windows        open of `.lock` with share mode 0, which also keeps it from being removed
 *
 * Within one process a registry is checked first. Next to the lock is a note about the holder: it
 * is for the sentence of the error, never a reason to take or break the lock.
 */

import {
  closeSync,
  constants,
  existsSync,
  linkSync,
  openSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import type { Server } from 'node:net'
import { hostname } from 'node:os'
import { identityIn } from './file-facts.js'
import { asDiskError } from './system-errors.js'

/** The owner of a folder, according to the note next to the lock. */
export interface LockHolder {
  readonly pid: number
  readonly host: string
  /** ISO time at which the folder was opened. */
  readonly since: string
}

export class LockedError extends Error {
  override readonly name = 'LockedError'

  constructor(
    readonly folder: string,
    readonly holder: LockHolder | undefined,
  ) {
    super(`${folder} is owned by ${describe(holder)}`)
  }
}

export class LockUnavailableError extends Error {
  override readonly name = 'LockUnavailableError'
}

export interface FolderLock {
  release(): Promise<void>
}

const LOCK_FILE = '.lock'
const HOLDER_FILE = '.lock-holder'

/** The files of the lock, for code that lists the folder. */
export const LOCK_FILES: readonly string[] = [LOCK_FILE, HOLDER_FILE]

/** Folders this process owns; every copy of the package in it shares the set. */
const REGISTRY_KEY = Symbol.for('partlog.lockedFolders')
const registry = ((globalThis as Record<symbol, unknown>)[REGISTRY_KEY] ??=
  new Set<string>()) as Set<string>

/**
 * Locks `folder` until it is released or this process ends. Throws LockedError at once if the
 * folder is locked, LockUnavailableError if the platform has no such lock, DiskError if the folder
 * cannot be written. `now` is the wall time for the note about the holder.
 */
export async function lockFolder(folder: string, now: number): Promise<FolderLock> {
  try {
    return await lock(folder, now)
  } catch (error) {
    throw asDiskError(error, { operation: 'lock', path: '', location: folder })
  }
}

async function lock(folder: string, now: number): Promise<FolderLock> {
  const path = realpathSync(folder)
  const identity = identityIn(statSync(path, { bigint: true }))
  if (registry.has(identity)) throw new LockedError(path, readHolder(path))
  registry.add(identity)
  try {
    const release = await kernelLock(path, identity)
    await writeHolder(path, now, release)
    let released: Promise<void> | undefined
    return { release: () => (released ??= unlock(path, identity, release)) }
  } catch (error) {
    registry.delete(identity)
    throw error
  }
}

/**
 * Whether a process owns the folder, as far as this one can see. Only a hint: an owner may come or
 * go at any moment, and one in another network namespace is not seen.
 */
export function isLocked(folder: string): boolean {
  try {
    const identity = identityIn(statSync(folder, { bigint: true }))
    if (registry.has(identity)) return true
    if (process.platform !== 'linux') return isAlive(readHolder(folder))
    const bound = boundSockets()
    return currentNames(identity).some(name => bound.has(name))
  } catch {
    return false // the folder cannot be looked at
  }
}

/** Asks the system about the process in the note. */
function isAlive(holder: LockHolder | undefined): boolean {
  if (holder?.host !== hostname()) return false
  process.kill(holder.pid, 0) // throws if there is none
  return true
}

type Release = () => Promise<void>

async function unlock(path: string, identity: string, release: Release): Promise<void> {
  try {
    rmSync(`${path}/${HOLDER_FILE}`, { force: true })
  } catch {
    // the note is for people: if it cannot be removed, the folder must still be unlocked
  }
  await release()
  registry.delete(identity)
}

function kernelLock(path: string, identity: string): Promise<Release> | Release {
  switch (process.platform) {
    case 'linux':
      return lockBySocket(path, identity)
    case 'darwin':
    case 'freebsd':
    case 'openbsd':
    case 'netbsd':
      return lockByOpenFlag(path, BSD_O_EXLOCK | constants.O_NONBLOCK)
    case 'win32':
      return lockByOpenFlag(path, WINDOWS_EXLOCK)
    default:
      throw new LockUnavailableError(`no kernel lock is known for ${process.platform}`)
  }
}

// ── Linux ────────────────────────────────────────────────────────────────────────────────
//
// All runtimes must derive the same name from a folder, but they cut names differently:
//
//   Node 20             pads each name with NULs to 108 bytes
//   Node 22 and newer   bind the bytes they are given, up to 108
//   Bun                 binds the bytes it is given, up to 107
//
// So the name is padded to 108 bytes, which is the same for every Node and Deno, and Bun binds the
// first 107 of them. Each looks for the other's form after binding its own: of two that bind at the
// same moment, at least one sees the other.
//
// Version 0.1.0 named its socket after the inode and an id kept in `.lock`. Its names are bound
// too, as far as this runtime can bind them: this version cannot lock a folder that 0.1.0 has
// locked, and 0.1.0 cannot lock one that this version has locked on the same runtime.

const NAME_BYTES = 108
const IS_BUN = process.versions['bun'] !== undefined
/** Every name is padded with NULs: its two forms look the same and cannot both be bound. */
const PADS_NAMES = process.versions.node.startsWith('20.') && !IS_BUN
const SOCKETS = '/proc/net/unix'

interface SocketNames {
  /** Bound in this order; the process that holds the first owns the folder. */
  readonly own: readonly string[]
  /** Names that other runtimes bind and this one cannot. */
  readonly others: readonly string[]
}

function socketNames(path: string, identity: string): SocketNames {
  const [long, short] = currentNames(identity)
  const before = namesOfVersion010(path, identity)
  if (IS_BUN) return { own: [short, ...before.exact], others: [long, ...before.padded] }
  if (PADS_NAMES) return { own: [long, ...before.padded], others: [short, ...before.exact] }
  return { own: [long, ...before.exact, ...before.padded], others: [short] }
}

/** The name of this version, as Node and as Bun bind it. */
function currentNames(identity: string): readonly [string, string] {
  const long = `\0partlog-${identity}`.padEnd(NAME_BYTES, '.')
  return [long, long.slice(0, NAME_BYTES - 1)]
}

interface NameForms {
  readonly exact: readonly string[]
  readonly padded: readonly string[]
}

/** No names if `.lock` holds no id: then 0.1.0 has never opened the folder. */
function namesOfVersion010(path: string, identity: string): NameForms {
  const id = folderId(path)
  if (!/^[0-9a-f]{32}$/.test(id)) return { exact: [], padded: [] }
  const name = `\0partlog-${identity}-${id}`
  return { exact: [name], padded: [name.padEnd(NAME_BYTES, '\0')] }
}

async function lockBySocket(path: string, identity: string): Promise<Release> {
  const { own, others } = socketNames(path, identity)
  const servers: Server[] = []
  const release: Release = async () => void (await Promise.all(servers.map(closed)))
  try {
    for (const name of own) servers.push(await listen(name))
    const bound = boundSockets()
    if (others.some(name => bound.has(name))) throw new LockedError(path, readHolder(path))
    return release
  } catch (error) {
    await release()
    const isTaken = (error as NodeJS.ErrnoException).code === 'EADDRINUSE'
    throw isTaken ? new LockedError(path, readHolder(path)) : error
  }
}

function listen(path: string): Promise<Server> {
  // Loaded here: a cluster in memory takes no lock.
  const { createServer } = process.getBuiltinModule('node:net')
  const server = createServer(socket => socket.destroy())
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    // Without `exclusive`, the workers of node:cluster would share one socket and so the lock.
    server.listen({ path, exclusive: true }, () => {
      server.unref()
      resolve(server)
    })
  })
}

function closed(server: Server): Promise<void> {
  return new Promise(resolve => server.close(() => resolve()))
}

/**
 * The names of all abstract sockets of this network namespace. The kernel shows each NUL as '@'.
 * Without /proc, only binding a name shows that it is taken; that is not enough for Bun, which
 * cannot bind what Node binds.
 */
function boundSockets(): ReadonlySet<string> {
  let table: string
  try {
    table = readFileSync(SOCKETS, 'latin1')
  } catch (error) {
    if (!IS_BUN) return new Set()
    throw new LockUnavailableError(`${SOCKETS} cannot be read: ${(error as Error).message}`)
  }
  const names = table.matchAll(/ (@\S+)$/gm)
  return new Set(Array.from(names, ([, name]) => (name as string).replaceAll('@', '\0')))
}

/** The id in `.lock`, written by the first owner: 128 random bits as 32 hexadecimal digits. */
function folderId(path: string): string {
  const file = `${path}/${LOCK_FILE}`
  if (!existsSync(file)) makeFolderId(file)
  try {
    return readFileSync(file, 'latin1')
  } catch {
    return '' // a folder of that name, or removed just now: the lock does not depend on it
  }
}

function makeFolderId(file: string): void {
  const { randomBytes } = process.getBuiltinModule('node:crypto')
  const { threadId } = process.getBuiltinModule('node:worker_threads')
  const draft = `${file}-${process.pid}-${threadId}`
  writeFileSync(draft, randomBytes(16).toString('hex'), { mode: 0o600 })
  try {
    linkSync(draft, file) // unlike a rename, a link never replaces another process's file
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  } finally {
    rmSync(draft, { force: true })
  }
}

// ── macOS, BSD, Windows ──────────────────────────────────────────────────────────────────

const BSD_O_EXLOCK = 0x20
/** libuv's UV_FS_O_EXLOCK: share mode 0. */
const WINDOWS_EXLOCK = 0x1000_0000
const TAKEN = new Set(['EWOULDBLOCK', 'EAGAIN', 'EBUSY', 'EPERM', 'EACCES'])

function lockByOpenFlag(path: string, flag: number): Release {
  const flags = constants.O_RDWR | constants.O_CREAT | flag
  try {
    const descriptor = openSync(`${path}/${LOCK_FILE}`, flags, 0o600)
    return async () => closeSync(descriptor)
  } catch (error) {
    const isTaken = TAKEN.has((error as NodeJS.ErrnoException).code ?? '')
    throw isTaken ? new LockedError(path, readHolder(path)) : error
  }
}

// ── the note about the holder ────────────────────────────────────────────────────────────

/** If the note cannot be written, the lock is released: no error could name its holder. */
async function writeHolder(path: string, now: number, release: Release): Promise<void> {
  const holder: LockHolder = {
    pid: process.pid,
    host: hostname(),
    since: new Date(now).toISOString(),
  }
  try {
    writeFileSync(`${path}/${HOLDER_FILE}`, JSON.stringify(holder), { mode: 0o600 })
  } catch (error) {
    await release()
    throw error
  }
}

function readHolder(path: string): LockHolder | undefined {
  try {
    const note: unknown = JSON.parse(readFileSync(`${path}/${HOLDER_FILE}`, 'utf8'))
    return isHolder(note) ? note : undefined
  } catch {
    return undefined // the holder is opening or closing, or wrote no note
  }
}

function isHolder(note: unknown): note is LockHolder {
  const { pid, host, since } = (note ?? {}) as Partial<LockHolder>
  return typeof pid === 'number' && typeof host === 'string' && typeof since === 'string'
}

function describe(holder: LockHolder | undefined): string {
  if (holder === undefined) return 'another process'
  const { pid, host, since } = holder
  const owner = pid === process.pid && host === hostname() ? 'this process' : `process ${pid}`
  return `${owner} on ${host} since ${since}`
}
