/** Unforeseen files and offsets end in typed errors, never in an assertion. */

import { describe, expect, it } from 'vitest'
import { MemoryDisk } from '../../../src/disk/memory-disk.js'
import { cleanerOf } from '../../../src/log/compaction/log-cleaner.js'
import { IndexCache } from '../../../src/log/format/index-file.js'
import { TimeIndex } from '../../../src/log/format/time-index.js'
import type { OpenedLog } from '../../../src/log/recovery/open-log.js'
import { COMPACT, HIGHEST, put, rolled } from '../compaction/compacted.js'
import { append, appendMany, create, createEmpty, expected, history } from '../helpers.js'
import { logBytesOf, open, readAll, world } from '../helpers.js'

const SMALL = { 'internal.segment.bytes': 500, 'index.interval.bytes': 100 }

describe('a file of records in the folder', () => {
  it('a file of records where the next segment begins refuses the append by its name', async () => {
    const w = world(SMALL)
    const log = await create(w)
    appendMany(log, 7)
    const stray = 'orders-0/00000000000000000007.log'
    const file = w.disk.create(stray)
    file.append(history(7, 2, 0))
    file.close()
    const appending = (): unknown => append(log, ['v7'])
    expect(appending).toThrow(`${stray} at position 0: a new segment already holds records`)
    expect(await readAll(log)).toEqual(expected(7))
    await w.disk.remove(stray)
    expect(append(log, ['v7'])).toBe(7)
  })

  it.each([
    ['a copy of the second under a later offset', 7, 9],
    ['a copy of the second under an earlier offset', 7, 3],
    ['a copy of the first beyond the end', 0, 1_000],
    ['a copy of the last beyond the end', 14, 16],
    ['a copy of the second as the first of all, without the first', 7, 0],
  ])('records in the folder are reported: %s', async (_, from, to) => {
    for (const policy of ['delete', 'compact']) {
      for (const isIndexed of [false, true]) {
        for (const wasClosedCleanly of [true, false]) {
          const w = world({ ...SMALL, 'cleanup.policy': policy })
          const log = await create(w)
          appendMany(log, 17)
          await log.close()
          for (const kind of isIndexed ? ['log', 'index', 'timeindex'] : ['log']) {
            await copy(w.disk, from, to, kind)
          }
          const options = {
            wasClosedCleanly,
            recoveryPoint: 17,
            isReplicated: false,
            isSealed: { recoveryPoints: true, logStarts: true },
          }
          const reading = open(w, options).then(opened => seenIn(opened))
          const seen = await reading.catch((error: Error) => error.message)
          expect(seen).toMatch(/^CORRUPT_LOG.*orders-0\/\d{20}\.log at position \d+|^kept aside/)
        }
      }
    }
  })

  /** Where nothing is missing, what is too much may be cut off, and told. */
  async function seenIn({ log, findings }: OpenedLog): Promise<string> {
    expect(await readAll(log)).toEqual(expected(17))
    expect(findings.flatMap(({ keptIn }) => keptIn).length).toBeGreaterThan(0)
    return 'kept aside'
  }

  async function copy(disk: MemoryDisk, from: number, to: number, kind: string): Promise<void> {
    const path = (base: number): string => `orders-0/${String(base).padStart(20, '0')}.${kind}`
    const file = disk.open(path(from))
    const bytes = await file.read(0, file.size)
    file.close()
    await disk.remove(path(to))
    disk.create(path(to)).append(bytes)
  }
})

describe('compaction', () => {
  it('compaction of a segment that lost its end between two batches is refused', async () => {
    const w = world({ ...COMPACT, 'cleanup.policy': 'compact' })
    const log = await createEmpty(w)
    for (let n = 0; n < 12; n++) put(log, `k${n}=v`)
    await rolled(log)
    await log.close()
    const path = 'orders-0/00000000000000000000.log'
    const file = w.disk.open(path)
    const bytes = await file.read(0, file.size)
    let end = 0
    for (let at = 0; at < bytes.length; at += 12 + bytes.readInt32BE(at + 8)) end = at
    file.truncate(end)
    file.close()
    const { log: again } = await open(w, { wasClosedCleanly: true, recoveryPoint: log.logEndOffset })
    await expect(cleanerOf(again).clean(HIGHEST)).rejects.toMatchObject({
      code: 'CORRUPT_LOG',
      message: expect.stringContaining(`${path} at position ${end}`),
    })
  })
})

describe('offsets', () => {
  it('offsets further apart than an index can store begin a new segment', async () => {
    const w = world({ ...SMALL, 'cleanup.policy': 'compact', 'internal.segment.bytes': 100_000 })
    const log = await createEmpty(w)
    const far = 2 ** 31 + 5
    log.appendAsFollower(Buffer.concat([history(0, 3, 0), history(far, 3, 0)]))
    expect(log.segmentCount).toBe(2)
    expect(log.logEndOffset).toBe(far + 3)
    expect(await logBytesOf(log)).toEqual(
      Buffer.concat([history(0, 3, 0), history(far, 3, 0)]),
    )
  })
})

describe('a time index', () => {
  it('a time index with later offsets still accepts a newer time', async () => {
    const cache = new IndexCache(1024)
    const index = new TimeIndex(0, 1024, { disk: new MemoryDisk(), path: 't', cache })
    index.reset()
    index.appendIfNewer(100, 50)
    index.appendIfNewer(200, 20)
    expect(await index.lookupBefore(150)).toEqual({ timestamp: 100, offset: 50 })
    expect(await index.lookupBefore(300)).toEqual({ timestamp: 200, offset: 50 })
  })
})
