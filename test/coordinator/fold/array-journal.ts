/** A journal in an array. */

import type { Journal, JournalRecord } from '../../../src/coordinator/fold/journal.js'

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
