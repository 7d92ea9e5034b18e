/*
 * A small file that one process writes in place while others read it, and the watch that wakes
 * them. Nothing in it outlives the writer: it is never synced.
 *
 * A reader may see half of a write, so what is in the file needs checksums.
 */

import {
  closeSync,
  constants,
  ftruncateSync,
  openSync,
  readFileSync,
  watch,
  writeSync,
} from 'node:fs'
import { FILE_MODE } from './file-facts.js'
import { attempt } from './system-errors.js'

export class SharedFile {
  readonly #path: string
  readonly #descriptor: number

  /** Opens the file to write it; creates it if it does not exist. Throws DiskError. */
  constructor(path: string) {
    this.#path = path
    const flags = constants.O_RDWR | constants.O_CREAT | (constants.O_NOFOLLOW ?? 0)
    this.#descriptor = attempt(this.#place('open'), () => openSync(path, flags, FILE_MODE))
  }

  /** Throws DiskError. */
  write(bytes: Uint8Array, position: number): void {
    attempt(this.#place('write'), () => {
      for (let done = 0; done < bytes.byteLength;) {
        const left = bytes.byteLength - done
        done += writeSync(this.#descriptor, bytes, done, left, position + done)
      }
    })
  }

  /** Cuts the file to `size` bytes, or fills it with zeros up to there. Throws DiskError. */
  resize(size: number): void {
    attempt(this.#place('truncate'), () => ftruncateSync(this.#descriptor, size))
  }

  close(): void {
    closeSync(this.#descriptor)
  }

  #place(operation: string) {
    return { operation, path: '', location: this.#path }
  }
}

/** The bytes of a shared file; undefined if it cannot be read: there may be none. */
export function readShared(path: string): Buffer | undefined {
  try {
    return readFileSync(path)
  } catch {
    return undefined
  }
}

/**
 * Calls `onChange` when a file in the folder has changed, until the returned function is called.
 * Keeps no process alive. Undefined if the system cannot watch; `onFailure` is called when it can
 * no longer: nothing comes after that.
 */
export function watchFolder(
  folder: string,
  onChange: () => void,
  onFailure: () => void,
): (() => void) | undefined {
  try {
    const watcher = watch(folder, { persistent: false }, onChange)
    watcher.on('error', () => {
      watcher.close()
      onFailure()
    })
    return () => watcher.close()
  } catch {
    return undefined // too many watches, or a file system that has none
  }
}
