/**
 * A crash at every operation of transactions, of their coordinator and of their end markers: each
 * transaction counts as a whole or not at all, with its offsets; one whose commit was acknowledged
 * counts; one that was left open does not stay open.
 */

import { describe, expect, it, vi } from 'vitest'
import type { Cluster } from '../../src/cluster/cluster.js'
import { enumerateCrashes, type World } from './harness.js'

/** Thousands of openings, on a machine that may have other work. */
vi.setConfig({ testTimeout: 600_000 })

const PLACES = [0, 1].map(partition => ({ topic: 'orders', partition }))
const GROUP = 'billing'

/** What was asked of each transaction, and what was answered. */
interface Promised {
  readonly asked: ('commit' | 'abort')[]
  answered: number
}

/** Lets time pass until it is done: coordinators pause between two attempts. */
async function passing<T>({ clock }: World<unknown>, work: Promise<T>): Promise<T> {
  let isOver = false
  const done = work.finally(() => (isOver = true))
  done.catch(() => undefined)
  while (!isOver) await clock.advance(20)
  return await done
}

async function transact(world: World<Promised>): Promise<void> {
  const { cluster, promised } = world
  const producer = cluster.producer({ transactionalId: 'shop' })
  for (const end of ['abort', 'commit'] as const) {
    const number = promised.asked.length
    await producer.begin()
    const messages = PLACES.map(({ partition }) => ({ value: `${number}`, partition }))
    await producer.send({ topic: 'orders', messages })
    const offsets = [{ topic: 'orders', partition: 0, offset: number + 1 }]
    await producer.sendOffsets({ groupId: GROUP, offsets })
    promised.asked.push(end)
    await (end === 'commit' ? producer.commit() : producer.abort())
    promised.answered = promised.asked.length
  }
}

/** The transactions that readers see in a partition. */
async function committedIn(cluster: Cluster, place: (typeof PLACES)[number]): Promise<number[]> {
  const consumer = cluster.consumer({ isolationLevel: 'read_committed', valueDeserializer: 'string' })
  await consumer.assign([place])
  await consumer.seek({ ...place, offset: 0 })
  const [stable] = await consumer.endOffsets([place])
  const [end] = await cluster.admin.listOffsets({ topic: place.topic, at: 'latest' })
  if (place.partition === 0) expect(stable?.offset).toBe(end?.offset)
  const found: number[] = []
  while ((await consumer.position(place)) < (stable?.offset ?? 0)) {
    found.push(...(await consumer.poll()).map(({ value }) => Number(value)))
  }
  await consumer.close()
  return found
}

async function check(world: World<Promised>): Promise<void> {
  const { cluster, promised } = world
  const producer = cluster.producer({ transactionalId: 'shop' })
  await passing(world, producer.init()) // what was left open is aborted
  const [first = [], second = []] = await Promise.all(
    PLACES.map(place => passing(world, committedIn(cluster, place))),
  )
  expect(second).toEqual(first)
  const commits = promised.asked.flatMap((end, number) => (end === 'commit' ? [number] : []))
  expect(first).toEqual(commits.slice(0, first.length))
  expect(first).toEqual(
    expect.arrayContaining(commits.filter(number => number < promised.answered)),
  )
  const [offset] = await cluster.admin.listGroupOffsets(GROUP)
  expect(offset?.offset).toBe(first.length === 0 ? undefined : (first.at(-1) as number) + 1)
  await passing(world, producer.close())
}

describe('crashes', () => {
  it('no crash during transactions breaks a promise', async () => {
    const { crashes, opened, openedTwice } = await enumerateCrashes<Promised>({
      promises: () => ({ asked: [], answered: 0 }),
      prepare: async world => {
        await world.cluster.admin.createTopic({ topic: 'orders', partitions: PLACES.length })
        await passing(world, world.cluster.producer({ transactionalId: 'shop' }).init())
      },
      act: world => passing(world, transact(world)),
      check,
    })
    expect(crashes).toBeGreaterThan(20)
    expect(opened).toBeGreaterThan(crashes)
    expect(openedTwice).toBeGreaterThan(crashes)
  })
})
