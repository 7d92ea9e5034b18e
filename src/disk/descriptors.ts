/**
 * File descriptors as a bounded cache: a file has one while it is used and may lose it to another
 * one in between, so ten thousand logs can be open in one process.
 */

import { assert } from '../base/assert.js'
import { Signal } from '../base/tasks.js'
import { DiskError } from './disk.js'
import { nameOf } from './system-errors.js'

/** A file that has a descriptor while the cache lets it. */
export interface DescriptorHolder {
  readonly path: string
  /** The descriptor, if it has one. */
  readonly descriptor: number | undefined
  /** Operations on their way in another thread: the descriptor must stay. */
  readonly pins: number
  /** Opens the file. Throws what the system throws. */
  openWith(flags: number): void
  /** Closes its descriptor. */
  dropDescriptor(): void
}

/**
 * Which files hold a descriptor: at most `limit`, the ones used last. Where the system has none
 * left the caches of all disks in this process give back half of theirs; reads and syncs wait for
 * others to end.
 */
export class Descriptors {
  /** Those that hold descriptors. */
  static readonly #all = new Set<Descriptors>()
  /** Operations under way in other threads, each with a descriptor, and the end of one. */
  static pinned = 0
  static readonly released = new Signal()
  readonly #open = new Set<DescriptorHolder>()
  #latest: DescriptorHolder | undefined

  constructor(readonly limit: number) {}

  use(file: DescriptorHolder): number {
    assert(file.descriptor !== undefined, 'an open file is used')
    if (this.#latest !== file) this.#touch(file)
    return file.descriptor
  }

  open(file: DescriptorHolder, flags: number): void {
    this.#evict(this.#open.size - this.limit + 1)
    this.withRoom(() => file.openWith(flags))
    this.#touch(file)
  }

  /** Calls again, once, after making room, when there is no descriptor for it. */
  withRoom<T>(call: () => T): T {
    try {
      return call()
    } catch (error) {
      if (!isOutOfDescriptors(error) || !Descriptors.#giveBackHalf()) throw error
      return call()
    }
  }

  /** As `withRoom`, for calls that take a descriptor in another thread. */
  async withRoomAsync<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await call()
    } catch (error) {
      if (!isOutOfDescriptors(error) || !Descriptors.#giveBackHalf()) throw error
      return await call()
    }
  }

  /** False when there was nothing to give back. */
  static #giveBackHalf(): boolean {
    let count = 0
    for (const cache of [...Descriptors.#all]) count += cache.#evict(cache.#open.size / 2)
    return count > 0
  }

  forget(file: DescriptorHolder): void {
    this.#open.delete(file)
    if (this.#open.size === 0) Descriptors.#all.delete(this)
    if (this.#latest === file) this.#latest = undefined
    file.dropDescriptor()
  }

  #touch(file: DescriptorHolder): void {
    this.#open.delete(file)
    this.#open.add(file)
    this.#latest = file
    Descriptors.#all.add(this)
  }

  /**
   * Closes up to `count` descriptors that nothing is using, the longest unused first; returns how
   * many that were.
   */
  #evict(count: number): number {
    let closed = 0
    for (const file of this.#open) {
      if (closed >= count) break
      if (file.pins > 0) continue
      this.forget(file)
      closed++
    }
    return closed
  }
}

/** The process, or the system, has no descriptor left. */
export function isOutOfDescriptors(error: unknown): boolean {
  const code = error instanceof DiskError ? error.code : nameOf(error as NodeJS.ErrnoException)
  return code === 'EMFILE' || code === 'ENFILE'
}
