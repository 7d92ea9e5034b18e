/**
 * A log that Kafka 4.1 has compacted twice: how it was before and after each time. Compacted here,
 * at the same moment, it has the same bytes.
 */

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { VirtualClock } from '../../src/base/virtual-clock.js'
import { cleanerOf } from '../../src/log/compaction/log-cleaner.js'
import { inspectPartition } from '../../src/log/inspection/verify-log.js'
import { openLog } from '../../src/log/recovery/open-log.js'
import { batchesOf } from '../../src/model/batch/batch.js'
import { contextOf, FOLDER, world, type World } from '../log/helpers.js'

const GOLDEN = fileURLToPath(new URL('./compacted', import.meta.url))
const DELETE_RETENTION_MS = 4000

function filesOf(state: string): Map<string, Buffer> {
  const folder = join(GOLDEN, state)
  return new Map(readdirSync(folder).map(name => [name, readFileSync(join(folder, name))]))
}

function segmentsOf(files: ReadonlyMap<string, Buffer>): [string, string][] {
  const logs = [...files].filter(([name]) => name.endsWith('.log'))
  return logs.map(([name, bytes]) => [name, bytes.toString('hex')])
}

/** When Kafka was at it, by the horizons it has written. */
function timeOf(before: ReadonlyMap<string, Buffer>, after: ReadonlyMap<string, Buffer>): number {
  const horizonsIn = (files: ReadonlyMap<string, Buffer>): number[] =>
    [...files]
      .filter(([name]) => name.endsWith('.log'))
      .flatMap(([, bytes]) => [...batchesOf(bytes)])
      .filter(({ hasDeleteHorizon }) => hasDeleteHorizon)
      .map(({ baseTimestamp }) => baseTimestamp)
  const known = new Set(horizonsIn(before))
  const fresh = horizonsIn(after).find(horizon => !known.has(horizon))
  return (fresh ?? Math.max(...known) + 60_000) - DELETE_RETENTION_MS
}

function worldOf(files: ReadonlyMap<string, Buffer>, now: number): World {
  const w = world({
    'cleanup.policy': 'compact',
    'internal.segment.bytes': 3000,
    'min.cleanable.dirty.ratio': 0.01,
    'delete.retention.ms': DELETE_RETENTION_MS,
  })
  w.clock = new VirtualClock(now)
  w.disk.makeDirectory(FOLDER)
  for (const [name, bytes] of files) w.disk.create(`${FOLDER}/${name}`).append(bytes)
  return w
}

describe('what Kafka has compacted', () => {
  it.each([
    ['before1', 'after1', 0, 24],
    ['before2', 'after2', 24, 125],
  ])('from %s to %s', async (before, after, firstDirtyOffset, end) => {
    const expected = filesOf(after)
    const w = worldOf(filesOf(before), timeOf(filesOf(before), expected))
    const options = { recoveryPoint: 0, logStartOffset: undefined, wasClosedCleanly: false }
    const { log } = await openLog(contextOf(w), {
      ...options,
      firstDirtyOffset,
      onCorruption: 'offline',
    })
    expect((await cleanerOf(log).clean(Number.MAX_SAFE_INTEGER))?.endOffset).toBe(end)
    await log.close()
    const left = new Map<string, Buffer>()
    for (const { name } of w.disk.list(FOLDER)) {
      left.set(name, await w.disk.open(`${FOLDER}/${name}`).read(0, 1_000_000))
    }
    expect(segmentsOf(left)).toEqual(segmentsOf(expected))
  })

  it.each(['after1', 'after2'])('a log that Kafka has compacted is read without an error: %s', async state => {
    const w = worldOf(filesOf(state), 0)
    const checkpoint = w.disk.create('cleaner-offset-checkpoint')
    checkpoint.append(Buffer.from('0\n1\norders 0 24\n'))
    const { problems, segments } = await inspectPartition(w.disk, FOLDER)
    expect(problems).toEqual([])
    expect(segments.some(({ missingOffsets }) => missingOffsets > 0)).toBe(true)
    const bytes = [...filesOf(state).values()].flatMap(file => [...batchesOf(file)])
    expect(bytes.some(({ recordsCount }) => recordsCount === 0)).toBe(true)
    expect(bytes.some(({ hasDeleteHorizon }) => hasDeleteHorizon)).toBe(state === 'after1')
  })
})
