import { describe, expect, it } from 'vitest'
import {
  deletableSegments,
  type RetentionRules,
  type RetentionSegment,
} from '../../../src/log/store/retention.js'

const NOW = 1_000_000

/** Segments of ten records and 100 bytes each, of these ages in milliseconds. */
function segments(...ages: readonly number[]): RetentionSegment[] {
  return ages.map((age, index) => ({
    nextOffset: 10 * (index + 1),
    bytes: 100,
    newestTimestamp: NOW - age,
  }))
}

function rules(some: Partial<RetentionRules>): RetentionRules {
  return {
    logStartOffset: 0,
    highWatermark: 1_000_000,
    retentionBytes: -1,
    retentionMs: -1,
    now: NOW,
    ...some,
  }
}

const NOTHING = { count: 0, reason: undefined }

describe('without limits', () => {
  it('without limits everything stays forever', () => {
    expect(deletableSegments(segments(NOW, NOW, NOW), rules({}))).toEqual(NOTHING)
    expect(deletableSegments([], rules({}))).toEqual(NOTHING)
  })
})

describe('by time', () => {
  const byTime = (ages: readonly number[], some: Partial<RetentionRules> = {}): number =>
    deletableSegments(segments(...ages), rules({ retentionMs: 1000, ...some })).count

  it('retention.ms deletes older segments, not those of exactly the limit', () => {
    expect(byTime([1001, 5])).toBe(1)
    expect(byTime([1000, 5])).toBe(0)
    expect(byTime([999, 5])).toBe(0)
  })

  it('retention.ms deletes the oldest first and stops at the first that must stay', () => {
    expect(byTime([3000, 2000, 10, 2000, 5])).toBe(2)
    expect(byTime([10, 3000, 3000])).toBe(0)
  })

  it('retention.ms deletes everything, also the active segment, if all of it is old', () => {
    expect(byTime([3000, 2000, 1001])).toBe(3)
  })

  it('retention.ms 0 keeps records of the current millisecond', () => {
    expect(byTime([5, 1, 0], { retentionMs: 0 })).toBe(2)
  })

  it('records without a time stay, and all segments after them', () => {
    const list = segments(3000, 3000, 3000)
    list[1] = { ...(list[1] as RetentionSegment), newestTimestamp: Infinity }
    expect(deletableSegments(list, rules({ retentionMs: 1 })).count).toBe(1)
  })

  it('records from the future stay', () => {
    expect(byTime([-50_000, 3000, 3000])).toBe(0)
  })

  it('the reason of retention by time is retention.ms', () => {
    expect(deletableSegments(segments(2000, 1), rules({ retentionMs: 1000 }))).toEqual({
      count: 1,
      reason: 'retention.ms',
    })
  })
})

describe('by size', () => {
  const bySize = (retentionBytes: number, count = 5): number =>
    deletableSegments(segments(...Array<number>(count).fill(0)), rules({ retentionBytes })).count

  it('retention.bytes keeps at least the limit', () => {
    const table = [600, 500, 499, 401, 400, 399, 301, 300, 299, 1, 0].map(limit => [
      limit,
      bySize(limit),
    ])
    expect(table).toEqual([
      [600, 0],
      [500, 0],
      [499, 0],
      [401, 0],
      [400, 1],
      [399, 1],
      [301, 1],
      [300, 2],
      [299, 2],
      [1, 4],
      [0, 5],
    ])
  })

  it('a large segment that must stay protects the small ones after it', () => {
    const list = segments(0, 0, 0)
    list[0] = { ...(list[0] as RetentionSegment), bytes: 10_000 }
    expect(deletableSegments(list, rules({ retentionBytes: 300 })).count).toBe(0)
    expect(deletableSegments(list, rules({ retentionBytes: 200 })).count).toBe(1)
  })

  it('the reason of retention by size is retention.bytes', () => {
    expect(deletableSegments(segments(0, 0), rules({ retentionBytes: 100 }))).toEqual({
      count: 1,
      reason: 'retention.bytes',
    })
  })
})

describe('below the log start', () => {
  it.each([
    [0, 0],
    [9, 0],
    [10, 1],
    [19, 1],
    [25, 2],
    [30, 3],
  ])('a log start at %i allows %i segments to be deleted', (logStartOffset, count) => {
    const reason = count === 0 ? undefined : 'below log start'
    const decision = deletableSegments(segments(0, 0, 0), rules({ logStartOffset }))
    expect(decision).toEqual({ count, reason })
  })
})

describe('whatever the reason', () => {
  const ALL: Partial<RetentionRules> = { retentionMs: 1, retentionBytes: 0, logStartOffset: 30 }

  it.each([
    [30, 3],
    [29, 2],
    [20, 2],
    [19, 1],
    [10, 1],
    [9, 0],
    [0, 0],
  ])('no segment above the high watermark %i is deleted', (highWatermark, count) => {
    const decision = deletableSegments(segments(5000, 5000, 5000), rules({ ...ALL, highWatermark }))
    expect(decision.count).toBe(count)
  })

  it('an empty active segment stays', () => {
    const list = segments(5000, 5000, 5000)
    list[2] = { nextOffset: 20, bytes: 0, newestTimestamp: Infinity }
    expect(deletableSegments(list, rules(ALL)).count).toBe(2)
    const alone = [{ nextOffset: 0, bytes: 0, newestTimestamp: -1 }]
    expect(deletableSegments(alone, rules(ALL))).toEqual(NOTHING)
  })

  it('the reason that allows most deletions decides', () => {
    const list = segments(5000, 5000, 0, 0)
    const decide = (some: Partial<RetentionRules>): unknown => deletableSegments(list, rules(some))
    expect(decide({ retentionMs: 1000, retentionBytes: 300 })).toEqual({
      count: 2,
      reason: 'retention.ms',
    })
    expect(decide({ retentionMs: 1000, retentionBytes: 100 })).toEqual({
      count: 3,
      reason: 'retention.bytes',
    })
    expect(decide({ retentionMs: 1000, retentionBytes: 300, logStartOffset: 35 })).toEqual({
      count: 3,
      reason: 'below log start',
    })
  })
})
