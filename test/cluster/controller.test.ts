/** What brokers and programs see of the controller's decisions. */

import { expect, it } from 'vitest'
import { DiskError } from '../../src/disk/disk.js'
import { world } from './world.js'

it('a decision that is not durable yet is not shown', async () => {
  const w = await world()
  const { cluster, disk, clock, passing } = w
  await passing(cluster.admin.createTopic({ topic: 'first' }))
  const { leader } = cluster.describe().topics[0]?.partitions[0] ?? {}
  disk.beforeOperation = ({ kind, path }) => {
    if (kind !== 'sync' || !path.includes('__cluster_metadata')) return undefined
    throw new DiskError('ENOSPC', 'fsync', path)
  }
  const created = cluster.admin.createTopic({ topic: 'second' })
  await expect(passing(created)).rejects.toMatchObject({ code: 'KAFKA_STORAGE_ERROR' })
  await passing(cluster.broker(leader as number).kill().catch(() => undefined))
  const shown = cluster.describe().topics
  expect(shown.map(({ topic }) => topic)).toEqual(['first'])
  expect(shown[0]?.partitions[0]).toMatchObject({ leader, leaderEpoch: 0 })
  expect(await passing(cluster.admin.listTopics())).toEqual(['first'])

  disk.beforeOperation = undefined
  await clock.advance(5_000)
  expect(cluster.describe().topics.map(({ topic }) => topic)).toEqual(['first', 'second'])
  expect(w.leader('first')).not.toBe(leader)
})
