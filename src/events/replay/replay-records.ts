/*
 * The records of topics in the order of their times: those that are there, and with `follow` those
 * that come.
 *
 *   partitions ─▶ merged by time ─▶ chosen ─▶ at most `limit`
 */

import { sleep, type Clock } from '../../base/clock.js'
import type { PartitionDirectory, RecordRange } from '../../log/inspection/partition-directory.js'
import type { StoredTopicRecord } from '../../log/inspection/stored-row.js'
import { mergedByTime, type RecordStream } from './merge.js'
import type { RecordFilter } from './record-filter.js'

/** How often a folder is looked at for new records. */
export const FOLLOW_INTERVAL_MS = 500

/** A folder that is followed beside its owner. */
export interface Following {
  /** The end of what is committed of each partition: nothing beyond it is read. */
  ends(): Promise<ReadonlyMap<PartitionDirectory, number>>
  /** Resolves when there may be more, or the signal aborts. */
  changed(signal: AbortSignal | undefined): Promise<void>
}

export interface ReplayWork {
  /** Which records of each partition. */
  readonly rangeOf: (partition: PartitionDirectory) => RecordRange
  readonly filter: RecordFilter
  /** The number of chosen records to leave out at the start. Default: 0. */
  readonly skip?: number
  readonly limit?: number | undefined
  readonly follow?: boolean
  /** Who says how far to follow. Default: what is whole is read, and looked for in intervals. */
  readonly following?: Following | undefined
  readonly clock: Clock
  readonly signal?: AbortSignal | undefined
}

/** The chosen records, some at a time. */
export async function* chosenRecords(
  partitions: readonly PartitionDirectory[],
  work: ReplayWork,
): RecordStream<StoredTopicRecord> {
  let skip = work.skip ?? 0
  let left = work.limit ?? Infinity
  if (left === 0) return
  for await (const records of allRecords(partitions, work)) {
    let chosen = work.filter.isOpen ? records : work.filter.chosen(records)
    if (skip > 0) {
      const skipped = Math.min(skip, chosen.length)
      skip -= skipped
      chosen = chosen.slice(skipped)
    }
    if (chosen.length > left) chosen = chosen.slice(0, left)
    left -= chosen.length
    if (chosen.length > 0) yield chosen
    if (left === 0) return
  }
}

async function* allRecords(
  partitions: readonly PartitionDirectory[],
  { rangeOf, follow = false, following, clock, signal }: ReplayWork,
): RecordStream<StoredTopicRecord> {
  const next = new Map<PartitionDirectory, number>()
  for (;;) {
    const committed = await following?.ends()
    const boundOf = (each: PartitionDirectory): number => committed?.get(each) ?? Infinity
    const ends = follow && next.size === 0 ? await endsBefore(partitions) : []
    const streams = partitions.map(each => {
      const from = next.get(each)
      const range = from === undefined ? rangeOf(each) : { ...rangeOf(each), from }
      const records = upTo(boundOf(each), each.recordBatches(range))
      return noted(records, offset => next.set(each, offset))
    })
    yield* mergedByTime(streams)
    if (!follow) return
    // Without records of its own a partition is read on from where it ended.
    for (const [each, end] of ends) {
      if (!next.has(each)) next.set(each, Math.min(end, boundOf(each)))
    }
    if (following !== undefined) await following.changed(signal)
    else await sleep(clock, FOLLOW_INTERVAL_MS, signal).catch(() => undefined)
    if (signal?.aborted === true) return
  }
}

async function endsBefore(partitions: readonly PartitionDirectory[]) {
  const ends: (readonly [PartitionDirectory, number])[] = []
  for (const each of partitions) ends.push([each, await each.endOffset()])
  return ends
}

/** The records below a bound. */
async function* upTo(
  bound: number,
  stream: RecordStream<StoredTopicRecord>,
): RecordStream<StoredTopicRecord> {
  for await (const records of stream) {
    const isBelow = (records.at(-1)?.offset ?? 0) < bound
    const below = isBelow ? records : records.filter(({ offset }) => offset < bound)
    if (below.length > 0) yield below
    if (!isBelow) return
  }
}

async function* noted(
  stream: RecordStream<StoredTopicRecord>,
  note: (next: number) => void,
): RecordStream<StoredTopicRecord> {
  for await (const records of stream) {
    const last = records.at(-1)
    if (last !== undefined) note(last.offset + 1)
    yield records
  }
}

/**
 * How many chosen records to leave out so that the last `count` remain, and from which offsets on
 * that is so.
 */
export async function lastOf(
  partitions: readonly PartitionDirectory[],
  count: number,
  work: ReplayWork,
): Promise<{ readonly skip: number; readonly from: ReadonlyMap<PartitionDirectory, number> }> {
  const ends = new Map(await endsBefore(partitions))
  for (let reach = count; ; reach *= 8) {
    const from = new Map(
      partitions.map(each => [each, Math.max(each.logStartOffset, (ends.get(each) ?? 0) - reach)]),
    )
    const rangeOf = (each: PartitionDirectory): RecordRange => ({
      ...work.rangeOf(each),
      from: from.get(each),
    })
    let found = 0
    const { clock, filter } = work
    for await (const records of chosenRecords(partitions, { rangeOf, filter, clock })) {
      found += records.length
    }
    const isAll = partitions.every(each => from.get(each) === each.logStartOffset)
    if (found >= count || isAll) return { skip: Math.max(0, found - count), from }
  }
}
