/**
 * What a coordinator asks for: somewhere to append records and read all of them back, in order. A
 * partition of an internal topic is one; an array is one in tests.
 */

export interface JournalRecord {
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
}

export interface Journal {
  /**
   * Appends the records, all or none of them, before it returns; throws when it cannot. The promise
   * resolves when they are committed. It rejects with KAFKA_STORAGE_ERROR when that takes until the
   * disk has room again: they are there nevertheless.
   */
  append(records: readonly JournalRecord[]): Promise<void>
  /** Resolves when everything appended is committed. Rejects as the promise of `append` does. */
  settled(): Promise<void>
  /** Every committed record, the oldest first. */
  read(): AsyncIterable<JournalRecord>
}

/** A journal in an array, for tests. */
export class ArrayJournal implements Journal {
  constructor(readonly records: JournalRecord[] = []) {}

  async append(records: readonly JournalRecord[]): Promise<void> {
    this.records.push(...records)
  }

  async settled(): Promise<void> {}

  async *read(): AsyncGenerator<JournalRecord> {
    yield* this.records
  }
}
