/** A cluster of three brokers on a virtual clock, and what tests ask of it again and again. */

import { expect, onTestFinished } from 'vitest'
import { seededRandom } from '../../src/base/random.js'
import { VirtualClock } from '../../src/base/virtual-clock.js'
import type { ClusterOptions } from '../../src/cluster/cluster-options.js'
import { Cluster } from '../../src/cluster/cluster.js'
import { MemoryDisk } from '../../src/disk/memory-disk.js'

export async function world(options: ClusterOptions = {}, disk = new MemoryDisk()) {
  const clock = new VirtualClock()
  const random = seededRandom(5)
  const cluster = await Cluster.onDisk(disk, { brokers: 3, clock, random, ...options })
  onTestFinished(() => cluster.close())
  /** Lets time pass until it is done. */
  const passing = async <T>(done: Promise<T>): Promise<T> => {
    let isOver = false
    const noted = done.finally(() => (isOver = true))
    noted.catch(() => undefined)
    while (!isOver) await clock.advance(50)
    return noted
  }
  const leader = (topic = 'orders', partition = 0): number =>
    cluster.describe().topics.find(each => each.topic === topic)?.partitions[partition]?.leader ??
    -1
  const isFull = (): boolean =>
    cluster
      .describe()
      .topics.every(({ partitions }) =>
        partitions.every(({ isr, replicas }) => isr.length === replicas.length),
      )
  /** Lets everything run that needs no time. */
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 20; turn++) await clock.advance(0)
  }
  return { cluster, clock, disk, passing, leader, isFull, settle }
}

export type World = Awaited<ReturnType<typeof world>>

export async function valuesOf(
  { cluster, passing }: World,
  count: number,
  partition = 0,
): Promise<string[]> {
  const consumer = cluster.consumer({ autoOffsetReset: 'earliest', valueDeserializer: 'string' })
  await passing(consumer.assign([{ topic: 'orders', partition }]))
  const seen: string[] = []
  while (seen.length < count) {
    const records = await passing(consumer.poll({ timeoutMs: 1_000 }))
    if (records.length === 0) break
    seen.push(...records.map(({ value }) => value as string))
  }
  expect(await passing(consumer.poll({ timeoutMs: 100 }))).toEqual([])
  await passing(consumer.close())
  return seen
}
