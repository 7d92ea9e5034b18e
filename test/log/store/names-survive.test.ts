/**
 * The syncs of folders, one by one: what was acknowledged, or kept aside, must not vanish with its
 * name. Each case cuts the power right after the promise and keeps nothing but what was synced.
 */

import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../src/base/random.js'
import { DiskError } from '../../../src/disk/disk.js'
import { fillDisk, MemoryDisk } from '../../../src/disk/memory-disk.js'
import { LogManager } from '../../../src/log/log-manager.js'
import { afterPowerCut } from '../../../src/testing/simulation/power-cut.js'
import {
  append,
  appendMany,
  contextOf,
  create,
  expected,
  open,
  readAll,
  world,
} from '../helpers.js'
import type { World } from '../helpers.js'

const LOG_0 = 'orders-0/00000000000000000000.log'

function powerCut(w: World): World {
  return { ...w, disk: afterPowerCut(w.disk.history, 'synced', seededRandom(1)) }
}

/** Everything that is there now is there to stay. */
async function makeDurable(disk: MemoryDisk): Promise<void> {
  for (const { name } of disk.list('orders-0')) {
    const file = disk.open(`orders-0/${name}`)
    await file.sync()
    file.close()
  }
  await disk.syncDirectory('orders-0')
  await disk.syncDirectory('')
}

async function bytesOf(disk: MemoryDisk, path: string): Promise<Buffer> {
  const file = disk.open(path)
  const bytes = await file.read(0, file.size)
  file.close()
  return bytes
}

describe('records', () => {
  it('records in the first segment of an empty folder survive a power cut', async () => {
    const w = world()
    w.disk.makeDirectory('orders-0')
    await makeDurable(w.disk)
    const { log } = await open(w, { wasClosedCleanly: true })
    append(log, ['v0'])
    await log.flush()
    const { log: after } = await open(powerCut(w))
    expect(await readAll(after)).toEqual(expected(1))
  })

  it('records in a segment that begins after deleted records survive a power cut', async () => {
    const w = world()
    const log = await create(w)
    appendMany(log, 3)
    await log.close()
    await makeDurable(w.disk)
    // The records that were deleted are the ones a crash has lost.
    const isSealed = { recoveryPoints: true, logStarts: true }
    const { log: again } = await open(w, { logStartOffset: 10, isSealed })
    expect(append(again, ['v10'])).toBe(10)
    await again.flush()
    const { log: after } = await open(powerCut(w), { isSealed, logStartOffset: 10 })
    expect(await readAll(after)).toEqual(['10:v10'])
  })

  it('records in a segment begun by rolling survive a power cut', async () => {
    const w = world({ 'internal.segment.bytes': 100 })
    const log = await create(w)
    await makeDurable(w.disk)
    appendMany(log, 4)
    await log.flush()
    const { log: after } = await open(powerCut(w))
    expect(await readAll(after)).toEqual(expected(4))
  })
})

describe('what recovery has found', () => {
  it('recovered records survive a power cut, however little the process had synced', async () => {
    const w = world({ 'internal.segment.bytes': 100 })
    const log = await create(w)
    await makeDurable(w.disk)
    appendMany(log, 4)
    await log.abandon()
    const { log: found } = await open(w)
    expect(found.durableEndOffset).toBe(4)
    const { log: after } = await open(powerCut(w), { recoveryPoint: found.recoveryPoint })
    expect(await readAll(after)).toEqual(expected(4))
  })
})

describe('what recovery cuts off', () => {
  it('bytes that recovery cuts off are in the log or kept, whenever the power fails', async () => {
    const w = world({ 'internal.segment.bytes': 300 })
    const log = await create(w)
    appendMany(log, 12)
    await log.close()
    const files = new Map<string, Buffer>()
    for (const { name } of w.disk.list('orders-0')) {
      files.set(`orders-0/${name}`, await bytesOf(w.disk, `orders-0/${name}`))
    }
    const damaged = Buffer.from(files.get(LOG_0) as Buffer)
    damaged[100] = (damaged[100] as number) ^ 1 // in the second batch
    files.set(LOG_0, damaged)
    const logs = [...files].filter(([path]) => path.endsWith('.log'))
    const cut = [damaged.subarray(70), ...logs.slice(1).map(([, bytes]) => bytes)]

    let operations = 0
    for (let at = 0; at <= operations; at++) {
      const disk = new MemoryDisk({ recordsHistory: true })
      fillDisk(disk, ['orders-0'], files)
      await makeDurable(disk)
      operations = 0
      disk.beforeOperation = operation => {
        if (operation.kind === 'read') return undefined
        if (operations++ >= at) throw new DiskError('EIO', operation.kind, operation.path)
        return undefined
      }
      await open({ ...w, disk }, { onCorruption: 'truncate' }).catch(() => undefined)
      const left = afterPowerCut(disk.history, 'synced', seededRandom(1))
      const kept: Buffer[] = []
      for (const { name } of left.list('orders-0')) {
        if (/\.log|\.kept/.test(name)) kept.push(await bytesOf(left, `orders-0/${name}`))
      }
      const isCut = left.open(LOG_0).size < damaged.length
      const isLonger = left.list('orders-0').some(({ name }) => /[1-9].*\.log$/.test(name))
      expect(isCut && isLonger, `power cut at operation ${at}: a hole`).toBe(false)
      for (const bytes of cut) {
        const isThere = kept.some(candidate => candidate.includes(bytes))
        expect(isThere, `power cut at operation ${at}: ${bytes.length} bytes are gone`).toBe(true)
      }
    }
    expect(operations).toBeGreaterThan(10)
  })
})

describe('the mark of a clean close', () => {
  it('the clean-shutdown marker is durably removed before anything is written', async () => {
    const w = world()
    const options = {
      ...contextOf(w),
      root: 'broker-1',
      nodeId: 1,
      clusterId: 'A',
      onCorruption: 'offline',
    } as const
    await (await LogManager.open(options)).close()
    const again = await LogManager.open(options)
    expect(again.wasClosedCleanly).toBe(true)
    const { disk } = powerCut(w)
    const after = await LogManager.open({ ...options, disk })
    expect(after.wasClosedCleanly).toBe(false)
  })
})
