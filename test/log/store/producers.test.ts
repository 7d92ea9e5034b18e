/** The producers of a log after it was opened again, and the snapshots it keeps. */

import { describe, expect, it } from 'vitest'
import { DiskError } from '../../../src/disk/disk.js'
import type { Log } from '../../../src/log/store/log.js'
import { BatchBuilder } from '../../../src/model/batch/batch-builder.js'
import { Batch } from '../../../src/model/batch/batch.js'
import { create, FOLDER, open, world, type World } from '../helpers.js'

const SMALL = { 'internal.segment.bytes': 500, 'index.interval.bytes': 100 }

function batch(sequence: number, producerId = 7): Batch {
  const builder = new BatchBuilder(Buffer.alloc(4096))
  builder.tryAppend(Date.UTC(2026, 0, 1), null, `v${sequence}`, [])
  const options = { producerId, producerEpoch: 0, baseSequence: sequence }
  return new Batch(Buffer.from(builder.build(options)), 0)
}

/** Appends batches with the sequences `[from, to)`. */
function write(log: Log, from: number, to: number, producerId = 7): void {
  for (let sequence = from; sequence < to; sequence++) {
    const next = batch(sequence, producerId)
    log.append(next.buffer, [next], 0, 0)
  }
}

const snapshotsIn = ({ disk }: World): number[] =>
  disk
    .list(FOLDER)
    .filter(({ name }) => name.endsWith('.snapshot'))
    .map(({ name }) => Number.parseInt(name, 10))

const segmentsIn = ({ disk }: World): number[] =>
  disk
    .list(FOLDER)
    .filter(({ name }) => name.endsWith('.log'))
    .map(({ name }) => Number.parseInt(name, 10))

const pathOf = (offset: number): string => `${FOLDER}/${String(offset).padStart(20, '0')}.snapshot`

/** What the log expects next from the producer. */
function next(log: Log, producerId = 7): number | 'any' {
  for (let sequence = 0; sequence < 200; sequence++) {
    try {
      if (log.producers.check(batch(sequence, producerId)) === undefined) {
        return sequence === 0 && log.producers.check(batch(150, producerId)) === undefined
          ? 'any'
          : sequence
      }
    } catch {
      continue
    }
  }
  throw new Error('no sequence is right')
}

/** Files that are read while the log is opened. */
async function readsOfOpening(
  w: World,
  options: Parameters<typeof open>[1],
): Promise<{ log: Log; reads: string[] }> {
  const reads: string[] = []
  w.disk.beforeOperation = operation => {
    if (operation.kind === 'read') reads.push(operation.path.replace(`${FOLDER}/`, ''))
    return undefined
  }
  const { log } = await open(w, options)
  w.disk.beforeOperation = undefined
  return { log, reads }
}

describe('opening', () => {
  it('a clean opening reads the snapshot, the last segment and a header', async () => {
    const w = world(SMALL)
    const log = await create(w)
    write(log, 0, 30)
    await log.close()
    const clean = { recoveryPoint: 30, wasClosedCleanly: true }
    const { log: again, reads } = await readsOfOpening(w, clean)
    expect(next(again)).toBe(30)
    expect(again.producers.check(batch(29))).toMatchObject({ firstOffset: 29, lastOffset: 29 })
    const last = segmentsIn(w).at(-1) as number
    expect(
      new Set(reads.filter(name => name.endsWith('.log')).map(name => Number.parseInt(name))),
    ).toEqual(new Set([0, last]))
  })

  it.each([true, false])('opening without snapshots reads all batches (clean: %s)', async clean => {
    const w = world(SMALL)
    const log = await create(w)
    write(log, 0, 30)
    await log.close()
    for (const offset of snapshotsIn(w)) await w.disk.remove(pathOf(offset))
    const { log: again } = await open(w, { recoveryPoint: 30, wasClosedCleanly: clean })
    expect(next(again)).toBe(30)
    expect([25, 26, 27, 28, 29].map(n => again.producers.check(batch(n))?.firstOffset)).toEqual([
      25, 26, 27, 28, 29,
    ])
  })

  it('opening after a crash continues from the snapshot of the last segment', async () => {
    const w = world(SMALL)
    const log = await create(w)
    write(log, 0, 5, 8)
    write(log, 0, 30)
    await log.abandon()
    const { log: again } = await open(w)
    expect([next(again), next(again, 8)]).toEqual([30, 5])
  })

  it('opening skips damaged snapshots and removes them', async () => {
    const w = world(SMALL)
    const log = await create(w)
    write(log, 0, 30)
    await log.close()
    const offsets = snapshotsIn(w)
    for (const offset of offsets.slice(-2)) w.disk.open(pathOf(offset)).append(Buffer.from('x'))
    const { log: again } = await open(w, { recoveryPoint: 30, wasClosedCleanly: true })
    expect(next(again)).toBe(30)
    expect(snapshotsIn(w)).toEqual(offsets.slice(0, -2))
  })

  it('after a crash every snapshot above the recovery point is read, and removed if damaged', async () => {
    const w = world(SMALL)
    const log = await create(w)
    write(log, 0, 30)
    await log.close()
    const offsets = snapshotsIn(w)
    const [below, torn] = [offsets[1] as number, offsets[2] as number]
    for (const offset of [below, torn]) w.disk.open(pathOf(offset)).truncate(0)
    const { log: again } = await open(w, { recoveryPoint: below })
    expect(next(again)).toBe(30)
    const isDamaged = (offset: number): boolean => offset === torn || offset === below
    expect(snapshotsIn(w)).toEqual(offsets.filter(offset => !isDamaged(offset)))
  })

  it('after a crash the snapshots from the recovery point on are made durable', async () => {
    const w = world(SMALL)
    const log = await create(w)
    write(log, 0, 30)
    await log.abandon()
    const offsets = snapshotsIn(w)
    const synced: string[] = []
    w.disk.beforeOperation = ({ kind, path }) => {
      if (kind === 'sync' && path.endsWith('.snapshot')) synced.push(path)
      return undefined
    }
    const recoveryPoint = offsets[1] as number
    await open(w, { recoveryPoint })
    expect(synced.sort()).toEqual(offsets.slice(1).map(pathOf))
  })

  it('the removal of a damaged snapshot is durable once the log is open', async () => {
    const w = world(SMALL)
    const log = await create(w)
    write(log, 0, 30)
    await log.close()
    const [last] = snapshotsIn(w).slice(-1) as [number]
    w.disk.open(pathOf(last)).truncate(0)
    const operations: string[] = []
    w.disk.beforeOperation = ({ kind, path }) => {
      if (kind === 'remove' || kind === 'syncDirectory') operations.push(`${kind} ${path}`)
      return undefined
    }
    await open(w, { recoveryPoint: 30, wasClosedCleanly: true })
    expect(operations).toEqual([`remove ${pathOf(last)}`, `syncDirectory ${FOLDER}`])
  })

  it('a snapshot for which the disk had no room leaves no file', async () => {
    const w = world(SMALL)
    const log = await create(w)
    w.disk.beforeOperation = ({ kind, path }) => {
      if (kind !== 'append' || !path.endsWith('.snapshot')) return undefined
      throw new DiskError('ENOSPC', kind, path, { location: '' })
    }
    write(log, 0, 20)
    expect(snapshotsIn(w).length).toBeGreaterThan(1) // empty, where segments began
    w.disk.beforeOperation = undefined
    write(log, 20, 30)
    await log.close()
    const sizes = snapshotsIn(w).map(offset => w.disk.open(pathOf(offset)).size)
    expect(sizes.length).toBeGreaterThan(1)
    expect(sizes.filter(size => size === 0)).toEqual([])
  })

  it('opening removes snapshots above the log’s end, whose records are lost', async () => {
    const w = world(SMALL)
    const log = await create(w)
    write(log, 0, 10)
    await log.close()
    const above = w.disk.create(pathOf(15))
    above.append(await w.disk.open(pathOf(10)).read(0, 100))
    const { log: again } = await open(w)
    expect(snapshotsIn(w)).not.toContain(15)
    expect(w.disk.history.at(-1)).toMatchObject({ kind: 'syncDirectory' })
    expect(next(again)).toBe(10)
  })

  it('a log without producer ids costs ten bytes', async () => {
    const w = world(SMALL)
    const log = await create(w)
    write(log, -1, 0, -1)
    await log.close()
    expect(w.disk.open(pathOf(1)).size).toBe(10)
  })
})

describe('snapshots', () => {
  it('snapshots are written at each roll, checkpoint and close, and pruned', async () => {
    const w = world(SMALL)
    const log = await create(w)
    write(log, 0, 9)
    await log.checkpoint()
    expect(snapshotsIn(w)).toEqual([...segmentsIn(w).slice(1), 9])
    write(log, 9, 10)
    await log.checkpoint()
    expect(snapshotsIn(w)).toEqual([...segmentsIn(w).slice(1), 10])
    write(log, 10, 11)
    await log.close()
    expect(snapshotsIn(w)).toEqual([...segmentsIn(w).slice(1), 11])
  })

  it('snapshots are removed with their segments, except the newest', async () => {
    const w = world({ ...SMALL, 'retention.bytes': 500 })
    const log = await create(w)
    write(log, 0, 30)
    await log.deleteOldSegments(30)
    const segments = segmentsIn(w)
    expect(segments[0]).toBeGreaterThan(0)
    expect(snapshotsIn(w)).toEqual(segments)
    expect(next(log)).toBe(30) // the producer is known, whether its records are there or not
    await log.abandon()
    const { log: again } = await open(w, { recoveryPoint: segments[0] as number })
    expect(next(again)).toBe(30)
  })

  it('a full disk costs the snapshot, not the append', async () => {
    const w = world(SMALL)
    const log = await create(w)
    w.disk.beforeOperation = operation =>
      operation.kind === 'append' && operation.path.endsWith('.snapshot')
        ? { writtenBytes: 3, code: 'ENOSPC' }
        : undefined
    write(log, 0, 30)
    w.disk.beforeOperation = undefined
    await log.abandon()
    const { log: again } = await open(w)
    expect(next(again)).toBe(30)
  })
})

describe('after the end was moved back', () => {
  it('a truncation rebuilds the producers from the batches and drops later snapshots', async () => {
    const w = world(SMALL)
    const log = await create(w)
    write(log, 0, 20)
    await log.checkpoint()
    const cut = segmentsIn(w).at(-1) as number
    const file = w.disk.open(`${FOLDER}/${String(cut).padStart(20, '0')}.log`)
    await log.abandon()
    file.truncate(0)
    const { log: shorter } = await open(w, { recoveryPoint: 0 })
    expect([shorter.logEndOffset, next(shorter)]).toEqual([cut, cut])
    const late = w.disk.create(pathOf(cut + 3))
    late.append(await w.disk.open(pathOf(cut)).read(0, 1000))
    write(shorter, cut, cut + 1)
    await shorter.truncateTo(cut)
    expect(next(shorter)).toBe(cut)
    expect(snapshotsIn(w).at(-1)).toBe(cut)
    expect(w.disk.history.at(-1)).toMatchObject({ kind: 'syncDirectory' })
  })
})
