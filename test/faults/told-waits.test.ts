/**
 * Faults that pass are tried again for minutes. The operator of the process learns of it from the
 * logger, once per fault, long before anything is given up.
 */

import { describe, expect, it, onTestFinished } from 'vitest'
import { silentLogger, type Logger, type LogFields } from '../../src/base/logger.js'
import { seededRandom } from '../../src/base/random.js'
import { VirtualClock } from '../../src/base/virtual-clock.js'
import { Cluster } from '../../src/cluster/cluster.js'
import { DiskError } from '../../src/disk/disk.js'
import { MemoryDisk } from '../../src/disk/memory-disk.js'

interface Told {
  readonly sentence: string
  readonly fields: LogFields
}

async function world(brokers = 1) {
  const clock = new VirtualClock()
  const told: Told[] = []
  const warn: Logger['warn'] = (sentence, fields = {}) => void told.push({ sentence, fields })
  const disk = new MemoryDisk()
  const options = { brokers, clock, random: seededRandom(5), logger: { ...silentLogger, warn } }
  const cluster = await Cluster.onDisk(disk, options)
  onTestFinished(() => cluster.close())
  const fill = (code: string, where = ''): void => {
    disk.beforeOperation = ({ kind, path }) => {
      if (kind === 'append' && path.includes(where)) throw new DiskError(code, kind, path)
      return undefined
    }
  }
  const free = (): void => void (disk.beforeOperation = undefined)
  /** Those that say for how long something is tried again. */
  const waits = (): string[] =>
    told.filter(({ fields }) => 'retriedForMs' in fields).map(({ sentence }) => sentence)
  /** Those that name what the disk refuses. */
  const refusals = (): string[] =>
    told.filter(({ sentence }) => sentence.includes('waits for its disk')).map(each => each.sentence)
  return { cluster, clock, fill, free, waits, refusals }
}

const send = (cluster: Cluster) =>
  cluster.producer().send({ topic: 'orders', messages: [{ partition: 0, value: 'v' }] })

describe.each(['ENOSPC', 'EDQUOT', 'EFBIG', 'EMFILE'])('%s', code => {
  it('a full disk is logged once, soon, and the send continues when it has room', async () => {
    const { cluster, clock, fill, free, waits, refusals } = await world()
    await cluster.admin.createTopic({ topic: 'orders' })
    fill(code, 'orders-0/')
    const sent = send(cluster)
    await clock.advance(2_000)
    expect(waits()).toHaveLength(1)
    expect(waits()[0]).toMatch(/^orders-0 does not take records, tried again for up to 11\d s: /)
    expect(waits()[0]).toMatch(new RegExp(`append .*orders-0/0{20}\\.log: ${code} \\(`))
    await clock.advance(60_000)
    expect(waits()).toHaveLength(1)
    expect(refusals()).toHaveLength(1)
    free()
    await clock.advance(2_000)
    await sent
  })
})

describe('a disk without room', () => {
  it('a disk that is full once more is logged again', async () => {
    const { cluster, clock, fill, free, waits, refusals } = await world()
    await cluster.admin.createTopic({ topic: 'orders' })
    for (let time = 1; time <= 2; time++) {
      fill('ENOSPC', 'orders-0/')
      const sent = send(cluster)
      await clock.advance(5_000)
      expect([waits().length, refusals().length]).toEqual([time, time])
      free()
      await clock.advance(100_000)
      await sent
    }
  })

  it('a producer logs that it waits for its id', async () => {
    const { cluster, clock, fill, free, waits } = await world()
    await cluster.admin.createTopic({ topic: 'orders' })
    fill('ENOSPC')
    const sent = send(cluster)
    await clock.advance(2_000)
    expect(waits()).toHaveLength(1)
    expect(waits()[0]).toMatch(/^orders-0 does not take records, .*ENOSPC/)
    free()
    await clock.advance(2_000)
    await sent
  })

  it('the admin client logs what it retries', async () => {
    const { cluster, clock, fill, free, waits } = await world()
    await cluster.admin.createTopic({ topic: 'orders' })
    const group = { groupId: 'g', offsets: [{ topic: 'orders', partition: 0, offset: 0 }] }
    await cluster.admin.alterGroupOffsets(group)
    fill('ENOSPC')
    const set = cluster.admin.alterGroupOffsets(group)
    await clock.advance(2_000)
    expect(waits()).toHaveLength(1)
    expect(waits()[0]).toMatch(/^a call of the admin fails, tried again for up to 5\d s: .*ENOSPC/)
    free()
    await clock.advance(2_000)
    await set
  })

  it('full disks of all three brokers are logged by name', async () => {
    const { cluster, clock, fill, free, waits } = await world(3)
    await clock.advance(1_000)
    const made = cluster.admin.createTopic({ topic: 'orders' })
    await clock.advance(1_000)
    await made
    fill('ENOSPC', 'orders-0/')
    const sent = send(cluster)
    await clock.advance(3_000)
    expect(waits().filter(each => each.includes('ENOSPC'))).toHaveLength(1)
    free()
    await clock.advance(20_000)
    await sent
  })
})

it('a moving leader is not logged', async () => {
  const { cluster, clock, waits } = await world(3)
  const made = cluster.admin.createTopic({ topic: 'orders' })
  await clock.advance(1_000)
  await made
  const leader = cluster.describe().topics.find(({ topic }) => topic === 'orders')?.partitions[0]
  const killed = cluster.broker(leader?.leader as number).kill()
  const sent = send(cluster)
  await clock.advance(5_000)
  await Promise.all([killed, sent])
  expect(waits()).toEqual([])
})
