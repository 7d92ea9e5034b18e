/*
 * One batch of a log that is cleaned: which keys go into the map, and which records stay. The rule
 * is in compaction-plan.ts. Bytes that stay are copied unchanged; base offset, last offset, epoch,
 * producer and sequence never change.
 */

import { putVarint, putVarlong, varintSize, varlongSize } from '../../base/bytes.js'
import {
  Batch,
  BATCH_HEADER_BYTES,
  unpacked,
  writeHeader,
  type BatchHeader,
} from '../../model/batch/batch.js'
import {
  compressAside,
  decompressAside,
  isReadable,
  type Codec,
} from '../../model/batch/compression.js'
import { RecordCursor } from '../../model/batch/record-cursor.js'
import { NONE, type Offset, type Timestamp } from '../../model/units.js'
import {
  countsForKeys,
  keepsEmpty,
  keepsRecord,
  mayDropTombstones,
  needsDeleteHorizon,
} from './compaction-plan.js'
import type { OffsetMap } from './offset-map.js'
import type { Pace } from './pace.js'

/** How many bytes more the length and deltas of a record may take than before. */
const RECORD_GROWTH_MAX = 14

/** The batch with its records decompressed; undefined if its codec cannot be read here. */
async function readable(batch: Batch, pace: Pace): Promise<Batch | undefined> {
  const { codec } = batch
  if (!isReadable(codec)) return undefined
  if (codec === 'none') return batch
  return unpacked(batch, await decompressAside(codec, batch.payload, () => pace.turn()))
}

/**
 * Adds the keys of a batch from offset `from` on to the map. Resolves with the offset up to which
 * all keys are in the map: the batch's end, or less if the map is full.
 */
export async function mapBatch(
  map: OffsetMap,
  batch: Batch,
  from: Offset,
  pace: Pace,
): Promise<Offset> {
  const plain = countsForKeys(batch) ? await readable(batch, pace) : undefined
  if (plain === undefined) return batch.nextOffset
  for (const cursor = new RecordCursor(plain); cursor.next();) {
    if (pace.isDue) await pace.turn()
    const { offset, keyRange } = cursor
    if (offset < from || keyRange === undefined) continue
    if (!map.put(cursor.bytes, keyRange, offset)) return offset
  }
  return batch.nextOffset
}

export interface FilterOptions {
  readonly map: OffsetMap
  /** Where this cleaning ends: below it the map has the newest offset of each key. */
  readonly endOffset: Offset
  readonly now: Timestamp
  readonly deleteRetentionMs: number
  readonly isLastOfProducer: (batch: Batch) => boolean
  readonly pace: Pace
}

/** The records that stay, in numbers. */
interface Kept {
  readonly count: number
  readonly hasTombstone: boolean
  readonly firstTimestamp: Timestamp
  readonly maxTimestamp: Timestamp
}

/** Filters the batches of a log in order. */
export class BatchFilter {
  readonly #options: FilterOptions
  /** For each record of the current batch: 1 if it stays. Grows with the largest batch. */
  #stays = new Uint8Array(1024)
  /** An earlier batch could not be read. */
  #isBehindUnread = false

  constructor(options: FilterOptions) {
    this.#options = options
  }

  /** The rest of a batch: the batch itself if nothing changes, undefined if nothing is left. */
  async filter(batch: Batch): Promise<Batch | undefined> {
    if (batch.isControl) return batch
    const plain = await readable(batch, this.#options.pace)
    if (plain === undefined) {
      this.#isBehindUnread = true
      return batch
    }
    const kept = await this.#choose(plain)
    if (kept.count === 0) return this.#emptied(batch)
    const isNewHorizon = needsDeleteHorizon(batch, kept.hasTombstone)
    if (kept.count === batch.recordsCount && !isNewHorizon) return batch
    const { now, deleteRetentionMs } = this.#options
    const horizon = isNewHorizon ? now + deleteRetentionMs : undefined
    return await this.#rewritten(batch, plain, kept, horizon)
  }

  /** Fills `#stays`. */
  async #choose(plain: Batch): Promise<Kept> {
    const { map, endOffset: mappedEnd, now, pace } = this.#options
    const isBehindUnread = this.#isBehindUnread
    const rules = {
      mappedEnd,
      mayDropTombstones: mayDropTombstones(plain, { now, isBehindUnread }),
    }
    let count = 0
    let hasTombstone = false
    let firstTimestamp: Timestamp = NONE
    let maxTimestamp: Timestamp = NONE
    const cursor = new RecordCursor(plain) // which checks that this many records fit into the batch
    this.#reserve(plain.recordsCount)
    for (let index = 0; cursor.next(); index++) {
      if (pace.isDue) await pace.turn()
      const { keyRange, hasValue, offset, timestamp } = cursor
      const hasKey = keyRange !== undefined
      const newestOffset = hasKey && offset < mappedEnd ? map.get(cursor.bytes, keyRange) : NONE
      const isKept = keepsRecord({ offset, hasKey, hasValue, newestOffset }, rules)
      this.#stays[index] = isKept ? 1 : 0
      if (!isKept) continue
      if (count++ === 0) firstTimestamp = timestamp
      if (timestamp > maxTimestamp) maxTimestamp = timestamp
      if (!hasValue) hasTombstone = true
    }
    return { count, hasTombstone, firstTimestamp, maxTimestamp }
  }

  #reserve(count: number): void {
    if (count > this.#stays.length)
      this.#stays = new Uint8Array(Math.max(count, 2 * this.#stays.length))
  }

  #emptied(batch: Batch): Batch | undefined {
    const { endOffset, isLastOfProducer } = this.#options
    const facts = { endOffset, isLastOfProducer: isLastOfProducer(batch) }
    if (!keepsEmpty(batch, facts)) return undefined
    if (batch.recordsCount === 0) return batch
    return sealed(Buffer.alloc(BATCH_HEADER_BYTES), batch, {
      baseTimestamp: NONE,
      maxTimestamp: batch.maxTimestamp,
      recordsCount: 0,
      hasDeleteHorizon: false,
      codec: 'none',
    })
  }

  /** A new delete horizon replaces the base timestamp. */
  async #rewritten(
    batch: Batch,
    plain: Batch,
    kept: Kept,
    newHorizon: Timestamp | undefined,
  ): Promise<Batch> {
    const oldHorizon = batch.hasDeleteHorizon ? batch.baseTimestamp : undefined
    const horizon = newHorizon ?? oldHorizon
    const baseTimestamp = horizon ?? kept.firstTimestamp
    const bytes = await this.#copyRecords(plain, kept.count, baseTimestamp)
    const codec = batch.codec as Codec
    const packed = codec === 'none' ? bytes : await packedRecords(bytes, codec, this.#options.pace)
    const { maxTimestamp, count: recordsCount } = kept
    const hasDeleteHorizon = horizon !== undefined
    const fields = { baseTimestamp, maxTimestamp, recordsCount, hasDeleteHorizon, codec }
    return sealed(packed, batch, fields)
  }

  /** The records that stay, after room for a header. */
  async #copyRecords(plain: Batch, count: number, baseTimestamp: Timestamp): Promise<Buffer> {
    const { pace } = this.#options
    const into = Buffer.allocUnsafe(plain.size + count * RECORD_GROWTH_MAX)
    let at = BATCH_HEADER_BYTES
    const cursor = new RecordCursor(plain)
    for (let index = 0; cursor.next(); index++) {
      if (pace.isDue) await pace.turn()
      if (this.#stays[index] === 0) continue
      at = putRecord(into, at, cursor, [
        cursor.timestamp - baseTimestamp,
        cursor.offset - plain.baseOffset,
      ])
    }
    return into.subarray(0, at)
  }
}

/** Writes the cursor's record with other deltas; returns the position after it. */
function putRecord(
  into: Buffer,
  at: number,
  cursor: RecordCursor,
  [timestampDelta, offsetDelta]: readonly [number, number],
): number {
  const { start, end } = cursor.fieldsRange
  const length = 1 + varlongSize(timestampDelta) + varintSize(offsetDelta) + end - start
  let next = putVarint(into, length, at)
  into[next++] = 0
  next = putVarlong(into, timestampDelta, next)
  next = putVarint(into, offsetDelta, next)
  cursor.bytes.copy(into, next, start, end)
  return next + end - start
}

/** Compressed as Kafka's cleaner does it: in the codec of the batch, at its default level. */
async function packedRecords(bytes: Buffer, codec: Codec, pace: Pace): Promise<Buffer> {
  const records = bytes.subarray(BATCH_HEADER_BYTES)
  const payload = await compressAside({ codec }, records, () => pace.turn())
  const packed = Buffer.allocUnsafe(BATCH_HEADER_BYTES + payload.byteLength)
  packed.set(payload, BATCH_HEADER_BYTES)
  return packed
}

type Changed = 'baseTimestamp' | 'maxTimestamp' | 'recordsCount' | 'hasDeleteHorizon' | 'codec'

/** Writes a header with the given fields, and all others from the batch `of`. */
function sealed(bytes: Buffer, of: Batch, fields: Pick<BatchHeader, Changed>): Batch {
  writeHeader(bytes, 0, bytes.length, {
    baseOffset: of.baseOffset,
    leaderEpoch: of.leaderEpoch,
    lastOffsetDelta: of.lastOffsetDelta,
    timestampType: of.timestampType,
    isTransactional: of.isTransactional,
    isControl: of.isControl,
    producerId: of.producerId,
    producerEpoch: of.producerEpoch,
    baseSequence: of.baseSequence,
    ...fields,
  })
  return new Batch(bytes, 0)
}
