/**
 * The short way of a read gives what the long way gives, or leaves the read to it. What it reads is
 * counted in bytes.
 */

import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../src/base/random.js'
import { MemoryDisk } from '../../../src/disk/memory-disk.js'
import { createLog } from '../../../src/log/recovery/open-log.js'
import type { Log } from '../../../src/log/store/log.js'
import { Cursors, type ReadBounds } from '../../../src/log/store/read-parts.js'
import { ShortReads } from '../../../src/log/store/short-reads.js'
import { batchesOf } from '../../../src/model/batch/batch.js'
import { countingDisk } from '../../disk/counting.js'
import { append, contextOf, create, TOPIC_ID, world } from '../helpers.js'

const WHOLE: ReadBounds = { upTo: Infinity, maxBytes: 1, minOneBatch: true }

/** Appends batches of `values` values of `bytes` bytes. */
function fill(log: Log, batches: number, { values = 10, bytes = 100 } = {}): void {
  const load = Array.from({ length: values }, () => 'v'.repeat(bytes))
  for (let n = 0; n < batches; n++) append(log, load)
}

const offsetsOf = (bytes: Buffer | undefined): number[] =>
  bytes === undefined ? [] : [...batchesOf(bytes)].map(batch => batch.baseOffset)

describe('the short way of a read', () => {
  it.each([
    { values: 1, bytes: 10 },
    { values: 7, bytes: 100 },
    { values: 200, bytes: 100 },
  ])('agrees with the long way at every offset: batches of %j', async size => {
    const log = await create(world({ 'internal.segment.bytes': 60_000 }))
    fill(log, Math.ceil(300_000 / (size.values * (size.bytes + 10))), size)
    const end = log.logEndOffset
    for (let from = 0; from < end; from += Math.ceil(end / 20)) await log.read(from, WHOLE)
    const below = seededRandom(5)
    let short = 0
    for (let n = 0; n < 300; n++) {
      const from = below.int(end)
      const maxBytes = [1, 500, 16_384, 400_000][n % 4] as number
      const upTo = n % 3 === 0 ? from + below.int(50) : end
      const bounds = { upTo, maxBytes, minOneBatch: n % 5 !== 0 }
      const now = log.readNow(from, bounds)
      if (now === undefined) continue
      short++
      expect(now.equals(await log.read(from, bounds)), `from ${from}, ${n}`).toBe(true)
    }
    expect(short).toBeGreaterThan(100)
  })

  it('a short read of large batches reads one header and the batch, not what lies around it', async () => {
    const { disk, counts } = countingDisk(new MemoryDisk())
    const log = await createLog(contextOf({ ...world(), disk }), TOPIC_ID)
    await log.assignEpoch(0)
    fill(log, 200, { values: 100 })
    await log.read(0, WHOLE)
    await log.read(5_000, WHOLE) // loads the index
    for (const from of [12_345, 3_456, 19_998, 100]) {
      counts.calls = counts.bytes = 0
      const [base = -1] = offsetsOf(log.readNow(from, WHOLE))
      expect(base).toBe(from - (from % 100))
      expect(counts.calls).toBe(2)
      expect(counts.bytes).toBeLessThan(12_000)
    }
  })

  it('a short read of small batches reads what lies between two entries of the index, and the batch', async () => {
    const { disk, counts } = countingDisk(new MemoryDisk())
    const log = await createLog(contextOf({ ...world(), disk }), TOPIC_ID)
    await log.assignEpoch(0)
    fill(log, 2_000, { values: 1 })
    await log.read(0, WHOLE)
    await log.read(500, WHOLE) // loads the index
    for (const from of [77, 1_234, 1_998, 100]) {
      counts.calls = counts.bytes = 0
      expect(offsetsOf(log.readNow(from, WHOLE))).toEqual([from])
      expect(counts.calls).toBe(2)
      expect(counts.bytes).toBeLessThan(8_192 + 200)
    }
  })

  it('and so does the long way', async () => {
    const { disk, counts } = countingDisk(new MemoryDisk())
    const log = await createLog(contextOf({ ...world(), disk }), TOPIC_ID)
    await log.assignEpoch(0)
    fill(log, 200, { values: 100 })
    counts.calls = counts.bytes = 0
    expect(offsetsOf(await log.read(12_345, WHOLE))).toEqual([12_300])
    expect(counts.bytes).toBeLessThan(60_000)
  })

  it('the index stays in memory while the log grows', async () => {
    const { disk, counts } = countingDisk(new MemoryDisk(), '.index')
    const settings = { 'index.interval.bytes': 100 }
    const log = await createLog(contextOf({ ...world(settings), disk }), TOPIC_ID)
    await log.assignEpoch(0)
    fill(log, 100)
    await log.read(500, WHOLE)
    const { calls } = counts
    for (let n = 100; n < 600; n++) {
      fill(log, 1)
      expect(offsetsOf(log.readNow(10 * n + 5, WHOLE))).toEqual([10 * n])
    }
    expect(counts.calls).toBe(calls)
  })

  it('nothing comes of it while the log is closed, or outside of the log', async () => {
    const log = await create(world())
    fill(log, 1)
    expect(log.readNow(0, WHOLE)?.length).toBeGreaterThan(0)
    expect(log.readNow(0, { ...WHOLE, upTo: 0 })?.length).toBe(0)
    expect(log.readNow(10, { ...WHOLE, upTo: 10 })?.length).toBe(0)
    expect(log.readNow(11, WHOLE)).toBeUndefined()
    await log.close()
    expect(log.readNow(0, WHOLE)).toBeUndefined()
  })

  it('reads take the long way for a while after the disk was slow', async () => {
    const log = await create(world())
    fill(log, 10)
    let now = 0
    const clock = { monotonicMs: () => (now += 3) } // each look at it is 3 ms later
    const { segments, logEndOffset, epochs, context } = log.state
    const slowLog = { segments, logEndOffset, epochs, context: { ...context, clock } }
    const slow = new ShortReads(slowLog as never, new Cursors())
    expect(slow.read(0, WHOLE)).toBeDefined()
    expect(slow.read(0, WHOLE)).toBeDefined() // one may have waited for the processor
    expect(slow.read(0, WHOLE)).toBeUndefined()
    now += 1_000
    expect(slow.read(0, WHOLE)).toBeDefined()
    expect(slow.read(0, WHOLE)).toBeUndefined()
  })

  it('the short way reads no large piece at once', async () => {
    const log = await create(world())
    fill(log, 100, { values: 100 })
    expect(log.readNow(0, { ...WHOLE, maxBytes: 200_000 })?.length).toBeGreaterThan(180_000)
    expect(log.readNow(0, { ...WHOLE, maxBytes: 300_000 })).toBeUndefined()
  })
})
