import { describe, expect, it } from 'vitest'
import type { Logger } from '../../src/base/logger.js'
import { seededRandom } from '../../src/base/random.js'
import { VirtualClock } from '../../src/base/virtual-clock.js'
import { DiskError } from '../../src/disk/disk.js'
import { MemoryDisk } from '../../src/disk/memory-disk.js'
import { logConfig } from '../../src/log/format/log-config.js'
import {
  LogManager,
  type KnownPartition,
  type LogManagerOptions,
} from '../../src/log/log-manager.js'
import type { Log } from '../../src/log/store/log.js'
import { parseTopicConfig } from '../../src/model/topic-settings.js'
import { afterPowerCut, DAMAGES } from '../../src/testing/simulation/power-cut.js'
import { append, appendMany, expected, history, readAll, TOPIC_ID } from './helpers.js'

const ROOT = 'broker-1'
const MARKER = `${ROOT}/.kafka_cleanshutdown`
const RECOVERY_POINTS = `${ROOT}/recovery-point-offset-checkpoint`
const LOG_STARTS = `${ROOT}/log-start-offset-checkpoint`
const OTHER_ID = 'BSNFZ4mrze8RIjNEVWZ3iA'

interface House {
  disk: MemoryDisk
  readonly clock: VirtualClock
  readonly warnings: string[]
}

function house(): House {
  const disk = new MemoryDisk({ recordsHistory: true })
  return { disk, clock: new VirtualClock(), warnings: [] }
}

async function openHouse(h: House, some: Partial<LogManagerOptions> = {}): Promise<LogManager> {
  const logger: Logger = {
    debug: () => undefined,
    info: () => undefined,
    warn: sentence => void h.warnings.push(sentence),
    error: () => undefined,
  }
  return await LogManager.open({
    disk: h.disk,
    root: ROOT,
    clusterId: 'cluster',
    nodeId: 1,
    clock: h.clock,
    random: seededRandom(1),
    logger,
    onCorruption: 'offline',
    ...some,
  })
}

function known(partition: number, topicId = TOPIC_ID): KnownPartition {
  const config = logConfig(
    parseTopicConfig({ 'internal.segment.bytes': 500, 'index.interval.bytes': 150 }),
  )
  return { topic: 'orders', partition, topicId, settings: { current: config } }
}

async function textOf(disk: MemoryDisk, path: string): Promise<string> {
  const file = disk.open(path)
  return (await file.read(0, file.size)).toString()
}

async function overwrite(disk: MemoryDisk, path: string, text: string): Promise<void> {
  await disk.remove(path)
  disk.create(path).append(Buffer.from(text))
}

const names = (disk: MemoryDisk, path = ROOT): string[] => disk.list(path).map(entry => entry.name)

/** A folder with orders-0 of 20 records and orders-1 of 3, closed or left as a crash leaves it. */
async function filled(how: 'closed' | 'abandoned' = 'closed'): Promise<House> {
  const h = house()
  const manager = await openHouse(h)
  const [zero, one] = [await manager.create(known(0)), await manager.create(known(1))]
  await zero.assignEpoch(0)
  await one.assignEpoch(0)
  await manager.syncNames()
  appendMany(zero, 20)
  appendMany(one, 3)
  if (how === 'closed') await manager.close()
  else await manager.abandon()
  return h
}

describe('a log with files that were never synced', () => {
  it.each(['closed', 'abandoned'] as const)('%s: they are, with its first records', async how => {
    const h = house()
    const manager = await openHouse(h)
    await manager.create(known(0))
    await manager.syncNames()
    await (how === 'closed' ? manager.close() : manager.abandon())
    const again = await openHouse(h)
    const log = await again.load(known(0))
    appendMany(log, 3)
    await log.checkpoint()
    await again.syncNames()
    await again.writeCheckpoints()
    const left = { ...h, disk: afterPowerCut(h.disk.history, 'synced', seededRandom(1)) }
    const last = await openHouse(left)
    expect(await readAll(await last.load(known(0)))).toEqual(expected(3))
    expect(last.findings.map(({ kind }) => kind)).not.toContain('torn-tail')
  })

  it('files that were never synced are synced before a checkpoint says that recovered records are durable', async () => {
    const h = house()
    const manager = await openHouse(h)
    appendMany(await manager.create(known(0)), 3)
    await manager.syncNames()
    await manager.abandon() // the process dies, the page cache has everything
    const again = await openHouse(h)
    await again.load(known(0))
    await again.syncNames()
    await again.writeCheckpoints()
    const left = { ...h, disk: afterPowerCut(h.disk.history, 'synced', seededRandom(1)) }
    const last = await openHouse(left)
    expect(await readAll(await last.load(known(0)))).toEqual(expected(3))
  })
})

describe('a data folder', () => {
  it('a new data folder is created with meta.properties', async () => {
    const h = house()
    const manager = await openHouse(h)
    expect(names(h.disk)).toEqual(['meta.properties'])
    expect(await textOf(h.disk, `${ROOT}/meta.properties`)).toMatch(/cluster\.id=cluster\n/)
    expect(manager.wasClosedCleanly).toBe(true)
    await manager.close()
    const meta = await textOf(h.disk, `${ROOT}/meta.properties`)
    await (await openHouse(h)).close()
    expect(await textOf(h.disk, `${ROOT}/meta.properties`)).toBe(meta)
  })

  it.each([
    [{ nodeId: 2 }, 'belongs to node 1 of cluster cluster, not to node 2'],
    [{ clusterId: 'other' }, 'not to node 1 of cluster other'],
  ])('a data folder of another node or cluster is refused: %j', async (other, sentence) => {
    const h = await filled()
    const before = h.disk.history.length
    await expect(openHouse(h, other)).rejects.toMatchObject({
      code: 'INVALID_CONFIG',
      message: expect.stringContaining(sentence),
    })
    expect(h.disk.history.length).toBe(before)
  })

  it('a folder that the metadata does not know is reported, never touched', async () => {
    const h = await filled()
    for (const name of [
      'stray-0',
      'lost+found',
      'orders-1.0123456789abcdef0123456789abcdef-delete',
    ]) {
      h.disk.makeDirectory(`${ROOT}/${name}`)
      h.disk.create(`${ROOT}/${name}/x`)
    }
    const manager = await openHouse(h)
    expect(manager.unknownFolders([known(0), known(1)])).toEqual(['lost+found', 'stray-0'])
    expect(manager.unknownFolders([known(0)])).toEqual(['lost+found', 'orders-1', 'stray-0'])
    await manager.removeDeletedFolders()
    await manager.close()
    expect(names(h.disk)).toEqual(
      expect.arrayContaining(['lost+found', 'stray-0', 'orders-0', 'orders-1']),
    )
    expect(names(h.disk).join()).not.toContain('-delete')
  })
})

describe('closing and opening again', () => {
  it('a clean close keeps all records, and opening does not scan', async () => {
    const h = await filled()
    expect(names(h.disk)).toContain('.kafka_cleanshutdown')
    expect(await textOf(h.disk, RECOVERY_POINTS)).toBe('0\n2\norders 0 20\norders 1 3\n')
    const manager = await openHouse(h)
    expect(manager.wasClosedCleanly).toBe(true)
    let reads = 0
    h.disk.beforeOperation = operation => {
      if (operation.kind === 'read' && operation.path.endsWith('.log')) reads++
      return undefined
    }
    const log = await manager.load(known(0))
    expect(reads).toBeLessThanOrEqual(6)
    h.disk.beforeOperation = undefined
    expect(await readAll(log)).toEqual(expected(20))
    expect(manager.findings).toEqual([])
    expect([...manager.logs]).toEqual([log])
  })

  it('the clean-shutdown marker is durably removed before any log is touched', async () => {
    const h = await filled()
    const start = h.disk.history.length
    const manager = await openHouse(h)
    expect(h.disk.exists(MARKER)).toBe(false)
    const steps = h.disk.history.slice(start).map(({ kind, path }) => `${kind} ${path}`)
    expect(steps).toEqual([`remove ${MARKER}`, `syncDirectory ${ROOT}`])
    await manager.load(known(0))
    await manager.abandon()
    expect((await openHouse(h)).wasClosedCleanly).toBe(false)
  })

  it.each(DAMAGES)('after a power cut (%s) no flushed record is missing', async damage => {
    const h = house()
    const manager = await openHouse(h)
    const log = await manager.create(known(0))
    await log.assignEpoch(0)
    await manager.syncNames()
    appendMany(log, 20)
    await log.flush()
    await manager.writeCheckpoints()
    append(log, ['v20'])
    await manager.abandon()
    for (let seed = 0; seed < 20; seed++) {
      const disk = afterPowerCut(h.disk.history, damage, seededRandom(seed))
      const again = await openHouse({ ...h, disk })
      expect(again.wasClosedCleanly).toBe(false)
      const back = await again.load(known(0))
      expect((await readAll(back)).slice(0, 20), `seed ${seed}`).toEqual(expected(20))
    }
  })

  it('a damaged checkpoint is reported and counts as an unclean close', async () => {
    const h = await filled()
    await overwrite(h.disk, RECOVERY_POINTS, '0\n9\norders 0 20\n')
    await h.disk.remove(`${RECOVERY_POINTS}.sealed`)
    const manager = await openHouse(h)
    expect(manager.wasClosedCleanly).toBe(false)
    expect(h.warnings).toEqual([`${ROOT}: checkpoint-ignored`])
    const reason = '9 lines announced, 1 found'
    expect(manager.findings).toMatchObject([{ file: RECOVERY_POINTS, reason }])
    expect(await readAll(await manager.load(known(0)))).toEqual(expected(20))
  })

  it('a log that went offline makes the close unclean', async () => {
    const h = house()
    const manager = await openHouse(h)
    const log = await manager.create(known(0))
    append(log, ['v0'])
    h.disk.beforeOperation = operation => {
      if (operation.kind === 'sync' && operation.path.endsWith('.log')) {
        throw new DiskError('EIO', 'sync', operation.path)
      }
      return undefined
    }
    await expect(log.flush()).rejects.toMatchObject({ code: 'LOG_OFFLINE' })
    await manager.close()
    expect(h.disk.exists(MARKER)).toBe(false)
  })
})

describe('checkpoints', () => {
  it('checkpoints hold recovery points, and log starts inside a segment', async () => {
    const h = house()
    const manager = await openHouse(h)
    const log = await manager.create(known(0))
    await log.assignEpoch(0)
    appendMany(log, 20)
    await manager.checkpointAll()
    expect(await textOf(h.disk, RECOVERY_POINTS)).toBe('0\n1\norders 0 20\n')
    expect(h.disk.exists(LOG_STARTS)).toBe(false) // it would hold no line
    append(log, ['v20'])
    log.deleteRecordsBefore(5)
    await manager.writeCheckpoints()
    expect(await textOf(h.disk, RECOVERY_POINTS)).toBe('0\n1\norders 0 20\n')
    expect(await textOf(h.disk, LOG_STARTS)).toBe('0\n1\norders 0 5\n')
    await manager.abandon()
    const back = await (await openHouse(h)).load(known(0))
    expect(await readAll(back)).toEqual(expected(21, 5))
  })

  it('several requests for checkpoints at once become one write', async () => {
    const h = await filled()
    const manager = await openHouse(h)
    const start = h.disk.history.length
    for (let n = 0; n < 10; n++) manager.requestCheckpoint()
    await manager.writeCheckpoints()
    await manager.abandon()
    const renames = h.disk.history.slice(start).filter(({ kind }) => kind === 'rename')
    // The wishes are one write, the explicit call has nothing to add: a checkpoint and its copy.
    expect(renames).toHaveLength(2)
  })

  it('lines of a log that was deleted never meet its successor', async () => {
    const h = await filled()
    const manager = await openHouse(h)
    await manager.load(known(0))
    await manager.delete(known(0), 0)
    h.disk.beforeOperation = operation => {
      if (operation.kind === 'create') throw new DiskError('ENOSPC', 'create', operation.path)
      return undefined
    }
    await expect(manager.writeCheckpoints()).rejects.toMatchObject({ code: 'ENOSPC' })
    for (let count = 0; count < 2; count++) {
      const made = manager.create(known(0, OTHER_ID))
      await expect(made).rejects.toMatchObject({ code: 'KAFKA_STORAGE_ERROR' })
    }
    h.disk.beforeOperation = undefined
    await manager.abandon()
    // The next process has what the disk has.
    const next = await openHouse(h)
    const log = await next.load(known(0, OTHER_ID))
    expect(log.logEndOffset).toBe(0)
  })

  it('checkpoints that cannot be written are written later', async () => {
    const h = await filled()
    const manager = await openHouse(h)
    await manager.load(known(0))
    h.disk.beforeOperation = operation => {
      if (operation.kind === 'create') throw new DiskError('ENOSPC', 'create', operation.path)
      return undefined
    }
    manager.requestCheckpoint()
    await expect(manager.writeCheckpoints()).rejects.toMatchObject({ code: 'ENOSPC' })
    expect(h.warnings).toEqual(['checkpoints could not be written, will be tried again'])
    h.disk.beforeOperation = undefined
    manager.requestCheckpoint()
    await manager.abandon()
    expect(await textOf(h.disk, RECOVERY_POINTS)).toBe('0\n1\norders 0 20\n')
  })

  it('checkpoints of high watermarks have their own file', async () => {
    const h = await filled()
    const manager = await openHouse(h)
    await manager.writeHighWatermarks([{ topic: 'orders', partition: 0, offset: 17 }])
    const path = `${ROOT}/replication-offset-checkpoint`
    expect(await textOf(h.disk, path)).toBe('0\n1\norders 0 17\n')
  })

  it('checkpoints keep the lines of a partition that could not be opened', async () => {
    const h = await filled()
    const file = h.disk.open(`${ROOT}/orders-0/00000000000000000014.log`)
    file.truncate(100)
    const manager = await openHouse(h)
    await expect(manager.load(known(0))).rejects.toMatchObject({ code: 'CORRUPT_LOG' })
    await manager.load(known(1))
    await manager.writeCheckpoints()
    const lines = (await textOf(h.disk, RECOVERY_POINTS)).split('\n')
    expect(lines).toEqual(expect.arrayContaining(['orders 0 20', 'orders 1 3']))
    await manager.close()
    expect(h.disk.exists(MARKER)).toBe(false)
  })
})

describe('a partition that the metadata knows', () => {
  it('a partition is created if a crash came before its folder', async () => {
    const h = await filled()
    const log = await (await openHouse(h)).load(known(2))
    expect([log.logStartOffset, log.logEndOffset]).toEqual([0, 0])
    expect(await textOf(h.disk, `${ROOT}/orders-2/partition.metadata`)).toContain(TOPIC_ID)
  })

  it('a partition without its folder is refused if it held records', async () => {
    const h = await filled()
    await h.disk.remove(`${ROOT}/orders-0`)
    const manager = await openHouse(h)
    await expect(manager.load(known(0))).rejects.toMatchObject({
      code: 'CORRUPT_LOG',
      message: expect.stringContaining('orders-0 is missing, it held records up to offset 20'),
    })
    expect(h.disk.exists(`${ROOT}/orders-0`)).toBe(false)
  })

  it('a partition without segments is refused if it held records', async () => {
    const h = await filled()
    for (const name of names(h.disk, `${ROOT}/orders-1`)) {
      if (/\.(log|index|timeindex)$/.test(name)) await h.disk.remove(`${ROOT}/orders-1/${name}`)
    }
    await expect((await openHouse(h)).load(known(1))).rejects.toMatchObject({
      code: 'CORRUPT_LOG',
      message: expect.stringContaining('held records up to offset 3, it has no segment'),
    })
  })

  it('a missing segment whose index exists is refused, wherever it was', async () => {
    const logs = names((await filled()).disk, `${ROOT}/orders-0`).filter(name => /log$/.test(name))
    expect(logs.length).toBeGreaterThan(2)
    for (const name of logs) {
      const h = await filled()
      await h.disk.remove(`${ROOT}/orders-0/${name}`)
      await expect((await openHouse(h)).load(known(0))).rejects.toMatchObject({
        code: 'CORRUPT_LOG',
        message: expect.stringContaining(`orders-0/${name} at position 0: the file is missing`),
      })
    }
  })

  it('a folder that belongs to another topic with the same name is refused', async () => {
    const h = await filled()
    const manager = await openHouse(h)
    expect(await manager.topicIdOf('orders-0')).toBe(TOPIC_ID)
    expect(await manager.topicIdOf('notes')).toBeUndefined()
    await expect(manager.load(known(0, OTHER_ID))).rejects.toMatchObject({
      code: 'INCONSISTENT_TOPIC_ID',
    })
    expect(await readAll(await manager.load(known(0)))).toEqual(expected(20))
  })

  it('a folder with records and a damaged topic id is refused', async () => {
    const h = await filled()
    const path = `${ROOT}/orders-0/partition.metadata`
    await overwrite(h.disk, path, 'version: 0\ntopic')
    for (let time = 0; time < 2; time++) {
      const manager = await openHouse(h)
      await expect(manager.load(known(0))).rejects.toMatchObject({
        code: 'CORRUPT_LOG',
        message: expect.stringContaining(`${path} is damaged`),
      })
      expect(await textOf(h.disk, path)).toBe('version: 0\ntopic')
      await manager.close()
    }
  })

  it('a torn topic id is written again if there are no records', async () => {
    const h = house()
    const first = await openHouse(h)
    await first.create(known(0))
    await first.abandon()
    await overwrite(h.disk, `${ROOT}/orders-0/partition.metadata`, 'version: 0\ntopic')
    const manager = await openHouse(h)
    expect(await readAll(await manager.load(known(0)))).toEqual([])
    expect(await manager.topicIdOf('orders-0')).toBe(TOPIC_ID)
  })

  it('a disk failure takes the log offline with a PartlogError', async () => {
    const h = await filled()
    const manager = await openHouse(h)
    h.disk.beforeOperation = operation => {
      if (operation.kind === 'read') throw new DiskError('EIO', 'read', operation.path)
      return undefined
    }
    await expect(manager.load(known(0))).rejects.toMatchObject({ code: 'LOG_OFFLINE' })
  })

  it('the findings of recovery are reported', async () => {
    const h = await filled('abandoned')
    h.disk.open(`${ROOT}/orders-1/00000000000000000000.log`).append(Buffer.from('torn'))
    const manager = await openHouse(h)
    await manager.load(known(1))
    expect(manager.findings).toMatchObject([{ kind: 'torn-tail', bytes: 4 }])
    expect(h.warnings).toEqual([`${ROOT}/orders-1: torn-tail`])
  })
})

describe('a topic that is deleted', () => {
  const deleted = /^orders-0\.[0-9a-f]{32}-delete$/

  it('the folder of a deleted topic is renamed at once and removed after the delay', async () => {
    const h = await filled()
    const manager = await openHouse(h)
    await manager.load(known(0))
    await manager.load(known(1))
    await manager.delete(known(0), 60_000)
    await manager.writeCheckpoints()
    expect(names(h.disk).filter(name => deleted.test(name))).toHaveLength(1)
    expect(h.disk.exists(`${ROOT}/orders-0`)).toBe(false)
    expect(await textOf(h.disk, RECOVERY_POINTS)).toBe('0\n1\norders 1 3\n')
    await h.clock.advance(59_999)
    expect(names(h.disk).filter(name => deleted.test(name))).toHaveLength(1)
    await h.clock.advance(1)
    expect(names(h.disk).filter(name => deleted.test(name))).toEqual([])
    expect([...manager.logs].map(log => log.name)).toEqual(['orders-1'])
  })

  it('a topic can be created again after deletion, and is empty', async () => {
    const h = await filled()
    const manager = await openHouse(h)
    await manager.load(known(0))
    await manager.delete(known(0), 60_000)
    await manager.writeCheckpoints()
    const log: Log = await manager.create(known(0, OTHER_ID))
    expect([log.logStartOffset, log.logEndOffset]).toEqual([0, 0])
    await manager.close()
    const again = await (await openHouse(h)).load(known(0, OTHER_ID))
    expect(again.logEndOffset).toBe(0)
  })

  it('a deleted topic leaves no checkpoint line for the next one of that name', async () => {
    const h = await filled()
    await h.disk.remove(`${ROOT}/orders-0`)
    const manager = await openHouse(h)
    const log = await manager.create(known(0, OTHER_ID))
    expect(log.logEndOffset).toBe(0)
    expect(await textOf(h.disk, RECOVERY_POINTS)).not.toContain('orders 0 20')
  })

  it('the folder of a deleted topic is removed at the next start at the latest', async () => {
    const h = await filled()
    const manager = await openHouse(h)
    await manager.load(known(0))
    await manager.delete(known(0), 60_000)
    await manager.writeCheckpoints()
    await manager.close()
    await h.clock.advance(120_000)
    expect(names(h.disk).filter(name => deleted.test(name))).toHaveLength(1)
    const again = await openHouse(h)
    await again.removeDeletedFolders()
    expect(names(h.disk).filter(name => deleted.test(name))).toEqual([])
  })

  it('deleting a topic without a folder is no error', async () => {
    const h = await filled()
    const manager = await openHouse(h)
    const before = names(h.disk)
    await manager.delete(known(7), 0)
    await manager.writeCheckpoints()
    expect(names(h.disk)).toEqual(before)
  })
})

describe('a log that is cut', () => {
  it('a truncation lowers the recovery point in the file, so a crash is no damage', async () => {
    const h = house()
    const manager = await openHouse(h)
    const log = await manager.create(known(0))
    log.appendAsFollower(history(0, 30, 0))
    await manager.checkpointAll()
    const linesOf = async (path: string): Promise<string> =>
      (await h.disk.open(path).read(0, 100)).toString()
    expect(await linesOf(RECOVERY_POINTS)).toBe('0\n1\norders 0 30\n')
    await log.truncateTo(12)
    expect(await linesOf(RECOVERY_POINTS)).toBe('0\n1\norders 0 12\n')
    await manager.abandon()
    const again = await openHouse(h)
    expect(await readAll(await again.load(known(0)))).toEqual(expected(12))
    expect(again.findings).toEqual([])
  })

  it('a fully truncated log starts below its old log start, also after a crash', async () => {
    const h = house()
    const manager = await openHouse(h)
    const log = await manager.create(known(0))
    log.appendAsFollower(history(0, 30, 0))
    log.deleteRecordsBefore(25)
    await manager.checkpointAll()
    await log.truncateTo(4)
    log.appendAsFollower(history(4, 30, 1, 'w'))
    await log.flush()
    const disk = afterPowerCut(h.disk.history, 'synced', seededRandom(1))
    await manager.abandon()
    const again = await (await openHouse({ ...h, disk })).load(known(0))
    expect(await readAll(again)).toEqual(expected(34, 4, 'w'))
  })
})
