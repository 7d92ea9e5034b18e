/*
 * Maps times to offsets: sparse, next to the offset index.
 *
 * No record of the segment up to an entry's offset is newer than its timestamp. The offset is the
 * last one of the batch that first reached the timestamp. A closed segment's last entry holds its
 * newest time.
 *
 * Invariant: timestamps ascend strictly, offsets do not descend.
 */

import type { Offset, Timestamp } from '../../model/units.js'
import { TIME_ENTRY } from './index-entry.js'
import { IndexError, IndexFile, type IndexEntries, type IndexFileOptions } from './index-file.js'

export interface TimeIndexEntry {
  readonly timestamp: Timestamp
  readonly offset: Offset
}

export class TimeIndex {
  readonly file: IndexFile
  readonly #baseOffset: Offset
  readonly #entriesMax: number
  #last: TimeIndexEntry | undefined

  constructor(
    baseOffset: Offset,
    maxBytes: number,
    options: Omit<IndexFileOptions, 'entryBytes' | 'check'>,
  ) {
    this.#baseOffset = baseOffset
    this.#entriesMax = Math.floor(maxBytes / TIME_ENTRY.bytes)
    const check = (entries: Buffer): void => this.#check(entries)
    this.file = new IndexFile({ ...options, entryBytes: TIME_ENTRY.bytes, check })
  }

  /** One slot is reserved for the entry that closes the segment. */
  get isFull(): boolean {
    return this.file.count >= this.#entriesMax - 1
  }

  /** The entry added last; known for a new or loaded index. */
  get last(): TimeIndexEntry | undefined {
    return this.#last
  }

  /** Adds the newest time so far, if it is newer than the last entry. */
  appendIfNewer(timestamp: Timestamp, offset: Offset): void {
    if (timestamp < 0) return
    if (this.#last !== undefined && timestamp <= this.#last.timestamp) return
    // If another program's last entry has a higher offset, the time holds up to that one too.
    const upTo = Math.max(offset, this.#last?.offset ?? offset)
    this.file.append(TIME_ENTRY.of(timestamp, upTo - this.#baseOffset))
    this.#last = { timestamp, offset: upTo }
  }

  /** The greatest entry older than `target`: every record up to its offset is older too. */
  async lookupBefore(target: Timestamp): Promise<TimeIndexEntry | undefined> {
    const entries = await this.file.entries()
    const index = entries.lastIndex(at => entries.read(at, TIME_ENTRY.timestamp) < target)
    return this.#entryAt(entries, index)
  }

  /** Reads the file, so that entries can be added. */
  async load(): Promise<void> {
    const entries = await this.file.entries()
    this.#last = this.#entryAt(entries, entries.count - 1)
  }

  /** Keeps the entries below `offset`. */
  async truncateTo(offset: Offset): Promise<void> {
    const entries = await this.file.entries()
    const relative = offset - this.#baseOffset
    const last = entries.lastIndex(at => entries.read(at, TIME_ENTRY.offset) < relative)
    this.file.truncateTo(last + 1)
    this.#last = this.#entryAt(entries, last)
  }

  reset(): void {
    this.file.reset()
    this.#last = undefined
  }

  #check(entries: Buffer): void {
    let timestamp = -1
    let offset = 0
    for (let at = 0; at < entries.length; at += TIME_ENTRY.bytes) {
      const nextTimestamp = TIME_ENTRY.timestamp(entries, at)
      const nextOffset = TIME_ENTRY.offset(entries, at)
      if (!(nextTimestamp > timestamp) || nextOffset < offset) {
        throw new IndexError(`${this.file.path} does not ascend at byte ${at}`)
      }
      timestamp = nextTimestamp
      offset = nextOffset
    }
  }

  #entryAt(entries: IndexEntries, index: number): TimeIndexEntry | undefined {
    if (index < 0) return undefined
    const offset = this.#baseOffset + entries.read(index, TIME_ENTRY.offset)
    return { timestamp: entries.read(index, TIME_ENTRY.timestamp), offset }
  }
}
