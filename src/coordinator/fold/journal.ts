/*
 * The log a coordinator needs: it appends records and reads all of them back, in order. A
 * partition of an internal topic is a journal; tests use an array.
 */

import type { EndMarker } from '../../model/batch/control.js'

export interface JournalRecord {
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  /** The transaction that the record belongs to. All records of one append belong to the same. */
  readonly transaction?: Pick<EndMarker, 'producerId' | 'producerEpoch'> | undefined
  /** The end of a transaction; such a record has no key and no value, and comes alone. */
  readonly end?: EndMarker | undefined
}

export interface Journal {
  /**
   * Appends all of the records or none before it returns; throws when it cannot. The promise
   * resolves when they are committed. It rejects with KAFKA_STORAGE_ERROR when the disk is full:
   * the records are appended and are committed once the disk has room again.
   */
  append(records: readonly JournalRecord[]): Promise<void>
  /** Resolves when all appended records are committed. Rejects for the reasons `append` does. */
  settled(): Promise<void>
  /** Every committed record, the oldest first. */
  read(): AsyncIterable<JournalRecord>
  /**
   * The committed records after the last one that was read: another process has appended them.
   * Absent where only this process appends.
   */
  readOn?(): AsyncIterable<JournalRecord>
}
