/** Where compaction goes on, and where a log with gaps ends, after it was cut or opened again. */

import { describe, expect, it } from 'vitest'
import { silentLogger } from '../../../src/base/logger.js'
import { seededRandom } from '../../../src/base/random.js'
import { VirtualClock } from '../../../src/base/virtual-clock.js'
import { MemoryDisk } from '../../../src/disk/memory-disk.js'
import { logConfig } from '../../../src/log/format/log-config.js'
import { LogManager } from '../../../src/log/log-manager.js'
import type { Log } from '../../../src/log/store/log.js'
import { parseTopicConfig } from '../../../src/model/topic-settings.js'
import { clean, COMPACT, put, rolled } from '../compaction/compacted.js'
import { createEmpty, expected, history, open, readAll, TOPIC_ID, world } from '../helpers.js'

const CHECKPOINT = 'broker-1/cleaner-offset-checkpoint'
const OTHER_ID = 'BSNFZ4mrze8RIjNEVWZ3iA'

async function manager(disk: MemoryDisk, warnings: string[] = []): Promise<LogManager> {
  return await LogManager.open({
    disk,
    root: 'broker-1',
    clusterId: 'cluster',
    nodeId: 1,
    clock: new VirtualClock(),
    random: seededRandom(1),
    logger: { ...silentLogger, warn: sentence => void warnings.push(sentence) },
    onCorruption: 'offline',
  })
}

function known(settings: object = COMPACT, topicId = TOPIC_ID) {
  const current = logConfig(parseTopicConfig(settings))
  return { topic: 'orders', partition: 0, topicId, settings: { current } }
}

async function text(disk: MemoryDisk): Promise<string> {
  return (await disk.open(CHECKPOINT).read(0, 1000)).toString()
}

async function cleanedOnce(disk: MemoryDisk): Promise<{ logs: LogManager; log: Log; end: number }> {
  const logs = await manager(disk)
  const log = await logs.load(known())
  for (let n = 0; n < 20; n++) put(log, `a=${n}`)
  await rolled(log)
  const { endOffset: end } = await clean(log)
  return { logs, log, end }
}

describe('where compaction goes on', () => {
  it('the first dirty offset is in its own checkpoint and is read at opening', async () => {
    const disk = new MemoryDisk()
    const { logs, end } = await cleanedOnce(disk)
    expect(await text(disk)).toBe(`0\n1\norders 0 ${end}\n`)
    await logs.close()
    const again = await manager(disk)
    expect((await again.load(known())).firstDirtyOffset).toBe(end)
  })

  it('the first dirty offset is written only for logs that are or were compacted', async () => {
    const disk = new MemoryDisk()
    const logs = await manager(disk)
    await logs.load(known({}))
    await logs.writeCheckpoints()
    expect(disk.exists(CHECKPOINT)).toBe(false)
    await logs.close()
    const again = await manager(disk)
    const current = logConfig({}, true)
    await again.load({ ...known(), settings: { current } })
    await again.writeCheckpoints()
    expect(await text(disk)).toBe('0\n1\norders 0 0\n')
  })

  it('the first dirty offset is 0 if the checkpoint cannot be read', async () => {
    const disk = new MemoryDisk()
    const { logs } = await cleanedOnce(disk)
    await logs.close()
    await disk.remove(CHECKPOINT)
    await disk.remove(`${CHECKPOINT}.sealed`)
    disk.create(CHECKPOINT).append(Buffer.from('nonsense'))
    const warnings: string[] = []
    const again = await manager(disk, warnings)
    expect((await again.load(known())).firstDirtyOffset).toBe(0)
    expect(warnings).toEqual(['broker-1: checkpoint-ignored'])
    expect(again.findings[0]?.file).toBe(CHECKPOINT)
    expect(again.wasClosedCleanly).toBe(true)
  })

  it('the first dirty offset is not that of an older topic with the same name', async () => {
    const disk = new MemoryDisk()
    const { logs } = await cleanedOnce(disk)
    await logs.close()
    await disk.remove('broker-1/orders-0')
    const again = await manager(disk)
    const log = await again.create(known(COMPACT, OTHER_ID))
    expect(log.firstDirtyOffset).toBe(0)
    expect(await text(disk)).toBe('0\n0\n')
  })

  it('a truncation lowers the first dirty offset in the file first', async () => {
    const disk = new MemoryDisk()
    const { log, end } = await cleanedOnce(disk)
    let before = ''
    disk.beforeOperation = operation => {
      if (operation.kind === 'truncate' && before === '') before = operation.path
      return undefined
    }
    const cutting = log.truncateTo(end - 1)
    await cutting
    expect(before).toContain('.log')
    expect(log.firstDirtyOffset).toBeLessThan(end)
    expect(await text(disk)).toBe(`0\n1\norders 0 ${log.firstDirtyOffset}\n`)
    await log.truncateFullyAndStartAt(3)
    expect(log.firstDirtyOffset).toBeLessThanOrEqual(3)
  })
})

describe('a log that was cut in a gap', () => {
  it.each([80, 20, 7, 59])('a log truncated in a gap at %i keeps its end', async offset => {
    for (const how of ['closed', 'crashed'] as const) {
      const w = world({ 'cleanup.policy': 'compact', 'internal.segment.bytes': 400 })
      const log = await createEmpty(w)
      const bytes = [history(0, 7, 0), history(50, 9, 0), history(90, 1, 0)]
      log.appendAsFollower(Buffer.concat(bytes))
      await log.checkpoint()
      await log.truncateTo(offset)
      expect(log.logEndOffset).toBe(offset)
      await log.checkpoint()
      const { recoveryPoint } = log
      expect(recoveryPoint).toBe(offset)
      if (how === 'closed') await log.close()
      else await log.abandon()
      const again = await open(w, { recoveryPoint, wasClosedCleanly: how === 'closed' })
      expect(again.log.logEndOffset).toBe(offset)
      again.log.appendAsFollower(history(offset, 1, 1))
      const kept = [...expected(7), ...expected(59, 50)]
      const below = kept.filter(line => Number(line.split(':')[0]) < offset)
      expect(await readAll(again.log)).toEqual([...below, `${offset}:v${offset}`])
    }
  })
})
