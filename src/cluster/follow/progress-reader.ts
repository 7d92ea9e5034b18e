/*
 * What the owner of a folder says about its logs, and the news that it has said more. The folder is
 * watched; where the system cannot do that, the file is read after pauses. Now and then it is read
 * anyway: some file systems lose events, and a folder that nobody owns is not watched.
 *
 * Watching takes a descriptor of the process, which Node keeps when the watch ends.
 */

import type { Clock, Timer } from '../../base/clock.js'
import { readShared, watchFolder } from '../../disk/shared-file.js'
import {
  decodeHeader,
  decodeSlot,
  PROGRESS_FILE,
  slotPosition,
  type ProgressHeader,
  type ReplicaProgress,
} from '../../log/following/progress-slots.js'

/** Between two looks where the folder cannot be watched: half of it is what a record waits for. */
const POLL_MS = 20
/** Between two looks where it is watched, or nobody owns the folder. */
const LOOK_MS = 1_000

/** 4 KiB of slots. */
const COMPARED_SLOTS = 64

/** What an owner says, or has said. */
export interface Progress {
  readonly header: ProgressHeader
  /** Replicas by `progressKey`, as they were said last. */
  readonly replicas: ReadonlyMap<string, ReplicaProgress>
  /** Those that were not in the last progress, or were others. */
  readonly changed: readonly ReplicaProgress[]
}

/** The key of a replica among all. */
export function progressKey(topicId: string, partition: number, broker: number): string {
  return `${topicId}/${partition}/${broker}`
}

export interface ProgressReaderOptions {
  readonly dir: string
  readonly clock: Clock
  /** Called when the owner may have said something. */
  readonly onNews: () => void
  /** Watches a folder as `watchFolder` does; tests replace it. */
  readonly watch?: typeof watchFolder
}

export class ProgressReader {
  readonly #options: ProgressReaderOptions
  #last: Buffer = Buffer.alloc(0)
  readonly #replicas = new Map<string, ReplicaProgress>()
  /** The key of the replica in each slot. */
  readonly #keys: (string | undefined)[] = []
  #stopWatching: (() => void) | undefined
  #timer: Timer | undefined
  #pauseMs = LOOK_MS
  #isClosed = false

  constructor(options: ProgressReaderOptions) {
    this.#options = options
  }

  /** Begins to call `onNews` when an owner comes. */
  start(): void {
    this.#lookLater()
  }

  /** An owner is there: what it says is news at once. */
  follow(): void {
    if (this.#stopWatching !== undefined || this.#isClosed) return
    const { dir, onNews, watch = watchFolder } = this.#options
    const onFailure = (): void => {
      this.#stopWatching = undefined
      this.#pauseMs = POLL_MS
      this.#lookLater()
    }
    this.#stopWatching = watch(dir, onNews, onFailure)
    this.#pauseMs = this.#stopWatching === undefined ? POLL_MS : LOOK_MS
    this.#lookLater()
  }

  close(): void {
    this.#isClosed = true
    this.#stopWatching?.()
    this.#timer?.cancel()
  }

  #lookLater(): void {
    this.#timer?.cancel()
    if (this.#isClosed) return
    const { clock, onNews } = this.#options
    const onTime = (): void => {
      this.#lookLater()
      onNews()
    }
    this.#timer = clock.after(this.#pauseMs, onTime, 'background')
  }

  /** Undefined if nothing can be read at the moment, or nothing has changed since the last read. */
  read(): Progress | undefined {
    const bytes = readShared(`${this.#options.dir}/${PROGRESS_FILE}`)
    if (bytes === undefined || bytes.equals(this.#last)) return undefined
    const header = decodeHeader(bytes)
    if (header === undefined) return undefined
    const changed: ReplicaProgress[] = []
    for (const slot of this.#changedSlots(bytes, header.slots)) {
      const replica = decodeSlot(bytes, slotPosition(slot))
      this.#take(slot, replica)
      if (replica !== undefined) changed.push(replica)
    }
    this.#last = bytes
    return { header, replicas: this.#replicas, changed }
  }

  /** The next read gives everything as changed. */
  forget(): void {
    this.#last = Buffer.alloc(0)
  }

  #take(slot: number, replica: ReplicaProgress | undefined): void {
    const before = this.#keys[slot]
    if (before !== undefined) this.#replicas.delete(before)
    this.#keys[slot] = undefined
    if (replica === undefined) return
    const key = progressKey(replica.topicId, replica.partition, replica.broker)
    this.#keys[slot] = key
    this.#replicas.set(key, replica)
  }

  /** Most stay as they were, so many are compared at once. */
  *#changedSlots(bytes: Buffer, slots: number): Generator<number> {
    const most = Math.max(slots, this.#keys.length)
    for (let first = 0; first < most; first += COMPARED_SLOTS) {
      const end = Math.min(first + COMPARED_SLOTS, most)
      if (this.#isSame(bytes, first, end)) continue
      for (let slot = first; slot < end; slot++) {
        if (!this.#isSame(bytes, slot, slot + 1)) yield slot
      }
    }
  }

  #isSame(bytes: Buffer, first: number, end: number): boolean {
    const [from, to] = [slotPosition(first), slotPosition(end)]
    if (to > bytes.length || to > this.#last.length) return false
    return bytes.compare(this.#last, from, to, from, to) === 0
  }
}
