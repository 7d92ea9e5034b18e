/*
 * File descriptors as a bounded cache: a file has one while it is in use and may lose it to another
 * file in between, so one process can have ten thousand logs open, whatever its limit.
 */

import { assert } from '../base/assert.js'
import { Signal } from '../base/tasks.js'
import { DiskError } from './disk.js'
import { nameOf } from './system-errors.js'

/** A file that holds a descriptor until the cache takes it. */
export interface DescriptorHolder {
  readonly path: string
  /** The descriptor, if it has one. */
  readonly descriptor: number | undefined
  /** Operations under way in another thread: while there are any, the descriptor must stay open. */
  readonly pins: number
  /** Opens the file. Throws the system's error. */
  openWith(flags: number): void
  /** Closes its descriptor. */
  dropDescriptor(): void
}

/** How many files may be open at once. */
export interface DescriptorLimit {
  /** So many may be open without asking. */
  readonly sure: number
  /** The limit; called at most once, when more than `sure` files are used. */
  find(): number
}

/**
 * Which files hold a descriptor: at most the limit, the most recently used ones. When the system
 * has none left, all caches of this process close half of theirs; reads and syncs wait for others
 * to end.
 */
export class Descriptors {
  /** The caches that hold descriptors. */
  static readonly #all = new Set<Descriptors>()
  /** Operations under way in other threads, each with a descriptor. */
  static pinned = 0
  /** Notified when one of these operations ends. */
  static readonly released = new Signal()
  readonly #open = new Set<DescriptorHolder>()
  #latest: DescriptorHolder | undefined
  /** The number that may be open; while it is only the sure part, there is `#find`. */
  #limit: number
  #find: (() => number) | undefined

  constructor(limit: number | DescriptorLimit) {
    this.#limit = typeof limit === 'number' ? limit : limit.sure
    this.#find = typeof limit === 'number' ? undefined : () => limit.find()
  }

  use(file: DescriptorHolder): number {
    assert(file.descriptor !== undefined, 'an open file is used')
    if (this.#latest !== file) this.#touch(file)
    return file.descriptor
  }

  open(file: DescriptorHolder, flags: number): void {
    if (this.#open.size >= this.#limit) this.#makeRoom()
    this.withRoom(() => file.openWith(flags))
    this.#touch(file)
  }

  /** Calls; if no descriptor was left, makes room and calls once more. */
  withRoom<T>(call: () => T): T {
    try {
      return call()
    } catch (error) {
      if (!isOutOfDescriptors(error) || !Descriptors.#closeHalf()) throw error
      return call()
    }
  }

  /** Like `withRoom`, for calls that take a descriptor in another thread. */
  async withRoomAsync<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await call()
    } catch (error) {
      if (!isOutOfDescriptors(error) || !Descriptors.#closeHalf()) throw error
      return await call()
    }
  }

  /** Returns false when there was nothing to close. */
  static #closeHalf(): boolean {
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

  #makeRoom(): void {
    if (this.#find !== undefined) {
      this.#limit = Math.max(this.#limit, this.#find())
      this.#find = undefined
    }
    this.#evict(this.#open.size - this.#limit + 1)
  }

  #touch(file: DescriptorHolder): void {
    this.#open.delete(file)
    this.#open.add(file)
    this.#latest = file
    Descriptors.#all.add(this)
  }

  /**
   * Closes up to `count` descriptors that no operation uses, the longest unused first; returns the
   * number closed.
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

/** True when the process or the system has no descriptor left. */
export function isOutOfDescriptors(error: unknown): boolean {
  const code = error instanceof DiskError ? error.code : nameOf(error as NodeJS.ErrnoException)
  return code === 'EMFILE' || code === 'ENFILE'
}
