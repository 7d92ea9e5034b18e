import { describe, expect, it } from 'vitest'
import {
  groupSegments,
  keepsEmpty,
  keepsRecord,
  mayDropTombstones,
  needsDeleteHorizon,
  needsTimes,
  planCompaction,
  type CompactionMarks,
  type CompactionSegment,
} from '../../../src/log/compaction/compaction-plan.js'
import { logConfig } from '../../../src/log/format/log-config.js'
import { Batch } from '../../../src/model/batch/batch.js'
import { parseTopicConfig } from '../../../src/model/topic-settings.js'
import { headerOnly } from './compacted.js'

const NOW = 1_000_000

/** Segments of ten offsets and 100 bytes each, the last of which is the active one. */
function segments(count: number, change: Partial<CompactionSegment> = {}): CompactionSegment[] {
  return Array.from({ length: count }, (_, index) => ({
    baseOffset: 10 * index,
    endOffset: 10 * index + 10,
    bytes: 100,
    firstTimestamp: NOW - 100 * (count - index),
    newestTimestamp: NOW - 100 * (count - index) + 50,
    ...change,
  }))
}

function planned(
  count: number,
  settings: object = {},
  marks: Partial<CompactionMarks> = {},
): string | undefined {
  const config = logConfig(parseTopicConfig({ 'cleanup.policy': 'compact', ...settings }))
  const end = 10 * count
  const all = { logStartOffset: 0, logEndOffset: end, firstDirtyOffset: 0, settledOffset: end }
  const plan = planCompaction(segments(count), { ...all, ...marks }, config, NOW)
  if (plan === undefined) return undefined
  return `[${plan.firstDirtyOffset}, ${plan.endOffset}) ${plan.dirtyRatio.toFixed(2)}`
}

describe('a plan', () => {
  it('a plan begins where the last cleaning ended and leaves out the active segment', () => {
    expect(planned(1)).toBeUndefined()
    expect(planned(2)).toBe('[0, 10) 1.00')
    expect(planned(6)).toBe('[0, 50) 1.00')
    expect(planned(6, {}, { firstDirtyOffset: 20 })).toBe('[20, 50) 0.60')
    // In the middle of a segment: the keys did not fit into the map.
    expect(planned(6, {}, { firstDirtyOffset: 25 })).toBe('[25, 50) 0.60')
    expect(planned(6, {}, { firstDirtyOffset: 50 })).toBeUndefined()
    expect(planned(6, {}, { firstDirtyOffset: 60 })).toBeUndefined()
  })

  it('a plan begins at the log start if the log was truncated or recreated', () => {
    expect(planned(6, {}, { firstDirtyOffset: 61 })).toBe('[0, 50) 1.00')
    expect(planned(6, {}, { firstDirtyOffset: 7, logStartOffset: 8 })).toBe('[8, 50) 1.00')
  })

  it('a plan ends with the last segment that is committed and synced', () => {
    expect(planned(6, {}, { settledOffset: 40 })).toBe('[0, 40) 1.00')
    expect(planned(6, {}, { settledOffset: 39 })).toBe('[0, 30) 1.00')
    expect(planned(6, {}, { settledOffset: 9 })).toBeUndefined()
  })

  it('a plan waits until more than min.cleanable.dirty.ratio is dirty', () => {
    const half = { logEndOffset: 50, firstDirtyOffset: 20 }
    expect(planned(5, {}, half)).toBeUndefined()
    expect(planned(5, { 'min.cleanable.dirty.ratio': 0.49 }, half)).toBe('[20, 40) 0.50')
    expect(planned(6, {}, { firstDirtyOffset: 20 })).toBe('[20, 50) 0.60')
    expect(planned(6, { 'min.cleanable.dirty.ratio': 1 })).toBeUndefined()
    expect(planned(6, { 'min.cleanable.dirty.ratio': 0 }, { firstDirtyOffset: 40 })).toBe(
      '[40, 50) 0.20',
    )
  })

  it('a plan leaves out records younger than min.compaction.lag.ms', () => {
    // The newest of the segments are 550, 450 … ms old.
    expect(planned(6, { 'min.compaction.lag.ms': 150 })).toBe('[0, 50) 1.00')
    expect(planned(6, { 'min.compaction.lag.ms': 151 })).toBe('[0, 40) 1.00')
    expect(planned(6, { 'min.compaction.lag.ms': 551 })).toBeUndefined()
  })

  it('a plan does not wait if records are older than max.compaction.lag.ms', () => {
    const late = { 'min.cleanable.dirty.ratio': 1, 'max.compaction.lag.ms': 399 }
    expect(planned(6, late, { firstDirtyOffset: 20 })).toBe('[20, 50) 0.60')
    expect(planned(6, late, { firstDirtyOffset: 30 })).toBeUndefined()
    expect(planned(6, { ...late, 'max.compaction.lag.ms': 400 }, { firstDirtyOffset: 20 })).toBe(
      undefined,
    )
  })

  it('a plan needs times only for the compaction lags', () => {
    const needed = (settings: object): boolean => needsTimes(logConfig(parseTopicConfig(settings)))
    expect(needed({})).toBe(false)
    expect(needed({ 'min.compaction.lag.ms': 1 })).toBe(true)
    expect(needed({ 'max.compaction.lag.ms': 1 })).toBe(true)
  })
})

describe('segments that become one', () => {
  const limits = { segmentBytes: 300, segmentIndexBytes: 10_000, indexIntervalBytes: 100 }
  const grouped = (count: number, change: object = {}, more: object = {}): string =>
    groupSegments(segments(count, more), { ...limits, ...change })
      .map(group => group.map(({ baseOffset }) => baseOffset).join('+'))
      .join(' ')

  it('grouped segments fit into one segment together', () => {
    expect(grouped(7)).toBe('0+10+20 30+40+50 60')
    expect(grouped(7, { segmentBytes: 299 })).toBe('0+10 20+30 40+50 60')
    expect(grouped(3, { segmentBytes: 50 })).toBe('0 10 20')
    expect(grouped(4, {}, { bytes: 0 })).toBe('0+10+20+30')
  })

  it('grouped segments have no more entries than an index may hold', () => {
    // One about every 100 bytes, and each takes up to 12.
    expect(grouped(6, { segmentIndexBytes: 36 })).toBe('0+10 20+30 40+50')
    expect(grouped(6, { segmentIndexBytes: 35 })).toBe('0 10 20 30 40 50')
    expect(grouped(4, { segmentIndexBytes: 60, indexIntervalBytes: 0 })).toBe('0+10 20+30')
  })

  it('grouped segments span no more offsets than an index can store', () => {
    const at = (baseOffset: number, endOffset: number) => ({ baseOffset, endOffset, bytes: 10 })
    const groups = (end: number) =>
      groupSegments([at(5, 10), at(10, end), at(end, end + 1)], limits).map(({ length }) => length)
    expect(groups(2 ** 31 + 4)).toEqual([3])
    expect(groups(2 ** 31 + 5)).toEqual([2, 1])
    expect(groups(2 ** 31 + 6)).toEqual([1, 2])
  })
})

describe('a record', () => {
  const record = { offset: 10, hasKey: true, hasValue: true, newestOffset: 10 }
  const rules = { mappedEnd: 20, mayDropTombstones: false }

  it.each([
    ['is the newest of its key', {}, {}, true],
    ['is not', { newestOffset: 11 }, {}, false],
    ['is newer than all that is mapped', { newestOffset: 5 }, {}, true],
    ['has a key that is not in the map', { newestOffset: -1 }, {}, true],
    ['has no key', { hasKey: false, newestOffset: -1 }, {}, false],
    ['is not mapped', { newestOffset: 11, hasKey: false }, { mappedEnd: 10 }, true],
    ['is a tombstone', { hasValue: false }, {}, true],
    ['is a tombstone that is over', { hasValue: false }, { mayDropTombstones: true }, false],
    ['is the newest when tombstones are over', {}, { mayDropTombstones: true }, true],
    [
      'is a tombstone, not mapped',
      { hasValue: false },
      { mayDropTombstones: true, mappedEnd: 9 },
      true,
    ],
  ])('a record that %s: %j %j stays: %s', (_, some, others, stays) => {
    expect(keepsRecord({ ...record, ...some }, { ...rules, ...others })).toBe(stays)
  })
})

describe('a batch', () => {
  const fields = { baseOffset: 10, lastOffsetDelta: 4, recordsCount: 0, maxTimestamp: 7 }
  const batch = (some: object = {}): Batch =>
    new Batch(headerOnly({ ...fields, baseTimestamp: 100, ...some }), 0)

  it('a batch keeps its tombstones until its delete horizon', () => {
    const horizon = batch({ hasDeleteHorizon: true })
    const at = (now: number, of = horizon, isBehindUnread = false): boolean =>
      mayDropTombstones(of, { now, isBehindUnread })
    expect([at(99), at(100)]).toEqual([false, true])
    expect(at(1000, batch())).toBe(false)
    expect(at(1000, horizon, true)).toBe(false)
    expect(at(1000, batch({ hasDeleteHorizon: true, isTransactional: true }))).toBe(false)
  })

  it('the first cleaning that keeps tombstones sets the delete horizon of their batch', () => {
    expect(needsDeleteHorizon(batch(), true)).toBe(true)
    expect(needsDeleteHorizon(batch(), false)).toBe(false)
    expect(needsDeleteHorizon(batch({ hasDeleteHorizon: true }), true)).toBe(false)
    expect(needsDeleteHorizon(batch({ isTransactional: true }), true)).toBe(false)
  })

  it('an empty batch stays where its header is needed', () => {
    const kept = (endOffset: number, isLastOfProducer = false, some: object = {}): boolean =>
      keepsEmpty(batch(some), { endOffset, isLastOfProducer })
    expect(kept(15)).toBe(true)
    expect([kept(14), kept(16)]).toEqual([false, false])
    expect(kept(99, true)).toBe(true)
    expect(kept(99, false, { isTransactional: true })).toBe(true)
  })
})
