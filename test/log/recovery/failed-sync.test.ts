import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../src/base/random.js'
import { DiskError } from '../../../src/disk/disk.js'
import type { DiskOperation } from '../../../src/disk/memory-disk.js'
import { afterPowerCut } from '../../../src/testing/simulation/power-cut.js'
import { append, create, expected, FOLDER, open, readAll, world, type World } from '../helpers.js'

const MARKER = `${FOLDER}/sync-failed`

/** A log with five durable records and five whose sync has failed; then its process has died. */
async function afterFailedSync(settings: Record<string, unknown> = {}): Promise<World> {
  const w = world(settings)
  const log = await create(w)
  for (let n = 0; n < 5; n++) append(log, [`v${n}`])
  await log.flush()
  await w.disk.syncDirectory('')
  for (let n = 5; n < 10; n++) append(log, [`v${n}`])
  failOnce(w, ({ kind, path }) => kind === 'sync' && path.endsWith('.log'))
  await expect(log.flush()).rejects.toThrow('EIO')
  await log.abandon()
  return w
}

function failOnce({ disk }: World, isIt: (operation: DiskOperation) => boolean): void {
  disk.beforeOperation = operation => {
    if (!isIt(operation)) return undefined
    disk.beforeOperation = undefined
    throw new DiskError('EIO', operation.kind, operation.path)
  }
}

/** What the next opening finds after the power has gone out. */
async function recordsAfterPowerCut(w: World): Promise<string[]> {
  const disk = afterPowerCut(w.disk.history, 'synced', seededRandom(1))
  const { log } = await open({ ...w, disk })
  return await readAll(log)
}

describe('a log whose sync has failed', () => {
  it('a log whose sync has failed is marked for its next opening', async () => {
    const { disk } = await afterFailedSync()
    expect(disk.exists(MARKER)).toBe(true)
  })

  it('a log whose sync has failed survives a power cut after it was opened again with all that it shows', async () => {
    const w = await afterFailedSync()
    const { log } = await open(w)
    expect(await readAll(log)).toEqual(expected(10))
    expect(log.durableEndOffset).toBe(10)
    await log.abandon()
    expect(await recordsAfterPowerCut(w)).toEqual(expected(10))
    expect(w.disk.exists(MARKER)).toBe(false)
  })

  it('a log whose sync has failed is written again from the segment with the recovery point on', async () => {
    const w = await afterFailedSync({ 'internal.segment.bytes': 150, 'index.interval.bytes': 1 })
    const copies: string[] = []
    w.disk.beforeOperation = ({ kind, path }) => {
      if (kind === 'create' && path.endsWith('.copy')) copies.push(path)
      return undefined
    }
    const { log } = await open(w, { recoveryPoint: 5 })
    expect(await readAll(log)).toEqual(expected(10))
    const bases = copies.map(path => Number(path.slice(FOLDER.length + 1, -'.log.copy'.length)))
    expect(bases.at(-1)).toBeGreaterThan(5)
    expect(bases.filter(base => base <= 5)).toHaveLength(1)
  })

  it('a log whose sync has failed keeps its marker when a sync fails again while it is written', async () => {
    const w = await afterFailedSync()
    failOnce(w, ({ kind, path }) => kind === 'sync' && path.endsWith('.copy'))
    await expect(open(w)).rejects.toThrow('EIO')
    expect(w.disk.exists(MARKER)).toBe(true)
    const { log } = await open(w)
    await log.abandon()
    expect(await recordsAfterPowerCut(w)).toEqual(expected(10))
    expect(w.disk.list(FOLDER).filter(({ name }) => name.endsWith('.copy'))).toEqual([])
  })

  it('a log whose sync has failed has no marker when only an append has failed', async () => {
    const w = world()
    const log = await create(w)
    append(log, ['v0'])
    failOnce(w, ({ kind }) => kind === 'append')
    expect(() => append(log, ['v1'])).toThrow('EIO')
    expect(w.disk.exists(MARKER)).toBe(false)
  })
})
