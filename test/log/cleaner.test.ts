import { describe, expect, it } from 'vitest'
import type { Log } from '../../src/log/log.js'
import {
  batchesIn,
  batchOfPairs,
  clean,
  COMPACT,
  HIGHEST,
  linesIn,
  put,
  putBatch,
  recordsIn,
  rolled,
  shapesIn,
  T,
} from './compacted.js'
import { create, open, readAll, world, type World } from './helpers.js'

const DAY_MS = 86_400_000

async function compacted(settings: object = {}): Promise<{ w: World; log: Log }> {
  const w = world({ ...COMPACT, ...settings })
  return { w, log: await create(w) }
}

describe('a log that is compacted', () => {
  it('keeps the newest record of each key, at its offset', async () => {
    const { log } = await compacted()
    put(log, 'a=1', 'b=1', 'c=1')
    put(log, 'a=2')
    put(log, 'b=2', 'b=3', 'd=1')
    await rolled(log)
    const { logStartOffset, logEndOffset } = log
    const cleaned = await clean(log)
    expect(await linesIn(log)).toEqual(['2:c=1', '3:a=2', '5:b=3', '6:d=1'])
    expect([log.logStartOffset, log.logEndOffset]).toEqual([logStartOffset, logEndOffset])
    expect(cleaned.bytesAfter).toBeLessThan(cleaned.bytesBefore)
    expect(log.firstDirtyOffset).toBe(cleaned.endOffset)
    expect((await shapesIn(log)).slice(0, 3)).toEqual(['[0, 2] 1', '[3, 3] 1', '[4, 6] 2'])
  })
})
