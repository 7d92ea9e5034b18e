/* The journal of a coordinator: a partition of an internal topic. */

import type { Clock } from '../../base/clock.js'
import type { Journal, JournalRecord } from '../../coordinator/fold/journal.js'
import { batchesOf, BATCH_HEADER_BYTES, type Batch } from '../../model/batch/batch.js'
import { BatchBuilder } from '../../model/batch/batch-builder.js'
import { controlTypeOf, coordinatorEpochOf, markerBatch } from '../../model/batch/control.js'
import { recordSizeMax } from '../../model/batch/record-writer.js'
import { RecordCursor } from '../../model/batch/record-cursor.js'
import type { Offset } from '../../model/units.js'
import type { Partition } from '../../partition/partition.js'

const READ_BYTES = 1024 * 1024

export class PartitionJournal implements Journal {
  readonly #partition: Partition
  readonly #clock: Clock
  /** Where the next read continues. */
  #next: Offset = 0

  constructor(partition: Partition, clock: Clock) {
    this.#partition = partition
    this.#clock = clock
  }

  /** Not async: a refused append must throw before the coordinator applies the records. */
  append(records: readonly JournalRecord[]): Promise<void> {
    const { lastOffset } = this.#partition.append(this.#batchOf(records), true)
    return this.#partition.committed(lastOffset + 1)
  }

  async settled(): Promise<void> {
    await this.#partition.committed(this.#partition.log.logEndOffset)
  }

  async *read(): AsyncGenerator<JournalRecord> {
    const { log } = this.#partition
    // A new leader learns only gradually that the records it has are committed.
    await this.#partition.committed(log.logEndOffset)
    this.#next = log.logStartOffset
    yield* this.readOn()
  }

  async *readOn(): AsyncGenerator<JournalRecord> {
    const { highWatermark } = this.#partition
    const bounds = { maxBytes: READ_BYTES, minOneBatch: true }
    while (this.#next < highWatermark) {
      const { records } = await this.#partition.read(this.#next, bounds)
      if (records.length === 0) return
      for (const batch of batchesOf(records)) {
        this.#next = batch.nextOffset
        yield* recordsOf(batch)
      }
    }
  }

  #batchOf(records: readonly JournalRecord[]): Buffer {
    const size = records.reduce((sum, { key, value }) => sum + recordSizeMax(key, value, []), 0)
    const builder = new BatchBuilder(Buffer.allocUnsafe(BATCH_HEADER_BYTES + size))
    const now = this.#clock.now()
    const [first] = records
    if (first?.end !== undefined) return markerBatch(first.end, now)
    for (const { key, value } of records) builder.tryAppend(now, key, value, [])
    return builder.build(first?.transaction && { ...first.transaction, isTransactional: true })
  }
}

function* recordsOf(batch: Batch): Generator<JournalRecord> {
  const { producerId, producerEpoch } = batch
  if (batch.isControl) {
    const type = controlTypeOf(batch)
    if (type !== 'COMMIT' && type !== 'ABORT') return
    const coordinatorEpoch = coordinatorEpochOf(batch)
    const isCommit = type === 'COMMIT'
    const end = { producerId, producerEpoch, coordinatorEpoch, isCommit }
    yield { key: null, value: null, end }
    return
  }
  const transaction = batch.isTransactional ? { producerId, producerEpoch } : undefined
  for (const cursor = new RecordCursor(batch); cursor.next();) {
    yield { key: cursor.key, value: cursor.value, transaction }
  }
}
