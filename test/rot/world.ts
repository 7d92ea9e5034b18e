/**
 * Clusters that rot is tried on: a topic with records, one that was compacted, commits of a group,
 * topics that came and went, and perhaps a broker that lags and is in no ISR but its own. Each is
 * made once, and then it is files.
 */

import { silentLogger } from '../../src/base/logger.js'
import { seededRandom } from '../../src/base/random.js'
import { VirtualClock } from '../../src/base/virtual-clock.js'
import { Cluster } from '../../src/cluster/cluster.js'
import type { Disk } from '../../src/disk/disk.js'
import { fillDisk, MemoryDisk } from '../../src/disk/memory-disk.js'
import type { Files } from './damage.js'

export const NOW = Date.UTC(2026, 0, 1)
const MINUTE_MS = 60_000
export const GROUP = 'billing'
const SMALL = { 'internal.segment.bytes': 700, 'index.interval.bytes': 150 }
const ORDERS = { ...SMALL, 'retention.ms': 60 * MINUTE_MS }
const TABLE = {
  ...SMALL,
  'cleanup.policy': 'compact',
  'min.cleanable.dirty.ratio': 0.01,
}

export interface Base {
  readonly name: string
  readonly brokers: number
  /** As they were closed, or as the death of the process left them. */
  readonly files: Files
  /** Some records, commits and topics before. */
  readonly earlier: Files
  readonly directories: readonly string[]
  readonly wasKilled: boolean
  /** What each broker's copy of a partition is, by folder: `broker-1/orders-0`. */
  readonly roles: ReadonlyMap<string, Role>
}

/** What a copy is to its partition, or `node` for the files of a broker or the cluster. */
export type Role = 'single copy' | 'leader' | 'follower' | 'out of the ISR' | 'node'

/** How a base is left. */
export interface Left {
  readonly brokers: number
  readonly wasKilled: boolean
  /** The last broker copies nothing for its last minutes. */
  readonly hasLaggard?: boolean
}

export interface Opened {
  readonly cluster: Cluster
  readonly clock: VirtualClock
  /** Lets time pass until it is done. */
  readonly passing: <T>(done: Promise<T>) => Promise<T>
}

export async function openOn(disk: Disk, brokers: number): Promise<Opened> {
  const clock = new VirtualClock(NOW)
  const passing = passingOn(clock)
  const options = { brokers, clock, random: seededRandom(5), logger: silentLogger }
  return { cluster: await passing(Cluster.onDisk(disk, options)), clock, passing }
}

function passingOn(clock: VirtualClock) {
  return async <T>(done: Promise<T>): Promise<T> => {
    let isOver = false
    const noted = done.finally(() => (isOver = true))
    noted.catch(() => undefined)
    while (!isOver) await clock.advance(100)
    return noted
  }
}

export async function filesOf(disk: MemoryDisk): Promise<{ files: Files; directories: string[] }> {
  const files: Files = new Map()
  const directories: string[] = []
  const walk = async (folder: string): Promise<void> => {
    for (const { name, kind } of disk.list(folder)) {
      const path = folder === '' ? name : `${folder}/${name}`
      if (kind === 'directory') {
        directories.push(path)
        await walk(path)
        continue
      }
      const file = disk.open(path)
      files.set(path, await file.read(0, file.size))
      file.close()
    }
  }
  await walk('')
  return { files, directories }
}

export function diskOf(directories: readonly string[], files: Files): MemoryDisk {
  const disk = new MemoryDisk()
  fillDisk(disk, directories, files)
  return disk
}

/** `first` to `last − 1` of each topic, a record a second, and a commit now and then. */
async function write({ cluster, passing }: Opened, first: number, last: number): Promise<void> {
  const producer = cluster.producer()
  for (let n = first; n < last; n++) {
    const timestamp = NOW - 10 * MINUTE_MS + 1_000 * n
    const value = `order ${n} `.padEnd(20 + (n % 5) * 9, '.')
    await passing(producer.send({ topic: 'orders', messages: [{ value, timestamp }] }))
    const key = `k${n % 6}`
    const row = { key, value: n % 11 === 10 ? null : `row ${n}`, timestamp }
    await passing(producer.send({ topic: 'table', messages: [row] }))
    if (n % 4 === 3) {
      const offsets = [{ topic: 'orders', partition: 0, offset: n - 2 }]
      await passing(cluster.admin.alterGroupOffsets({ groupId: GROUP, offsets }))
    }
  }
  await producer.close()
}

function rolesIn({ cluster }: Opened): Map<string, Role> {
  const roles = new Map<string, Role>()
  for (const { topic, partitions } of cluster.describe().topics) {
    for (const { partition, leader, replicas, isr } of partitions) {
      for (const id of replicas) {
        const isAlone = replicas.length === 1
        const role = isAlone ? 'single copy' : id === leader ? 'leader' : 'follower'
        const folder = `broker-${id}/${topic}-${partition}`
        roles.set(folder, isr.includes(id) ? role : 'out of the ISR')
      }
    }
  }
  return roles
}

/** Makes a base: closed cleanly, or as a process leaves it that dies. */
export async function makeBase({ brokers, wasKilled, hasLaggard = false }: Left): Promise<Base> {
  const disk = new MemoryDisk()
  const first = await openOn(disk, brokers)
  const { admin } = first.cluster
  await first.passing(admin.createTopic({ topic: 'orders', config: ORDERS }))
  await first.passing(admin.createTopic({ topic: 'table', config: TABLE }))
  await first.passing(admin.createTopic({ topic: 'gone' }))
  await write(first, 0, 16)
  await first.clock.advance(20_000)
  await first.passing(first.cluster.close())
  const { files: earlier } = await filesOf(disk)

  const second = await openOn(disk, brokers)
  await second.passing(second.cluster.admin.deleteTopic('gone'))
  await second.passing(second.cluster.admin.createTopic({ topic: 'later' }))
  await write(second, 16, 28)
  const cut = { topic: 'orders', partition: 0, offset: 5 }
  await second.passing(second.cluster.admin.deleteRecords(cut))
  if (hasLaggard) second.cluster.broker(brokers).pauseReplication()
  await write(second, 28, 40)
  await second.clock.advance(90_000)
  const roles = rolesIn(second)
  const before = await filesOf(disk)
  await second.passing(second.cluster.close())
  const left = wasKilled ? before : await filesOf(disk)
  const laggard = hasLaggard ? ', one lags' : ''
  const name = `${brokers} broker(s), ${wasKilled ? 'killed' : 'closed'}${laggard}`
  return { name, brokers, earlier, wasKilled, roles, ...left }
}
