/** Replays of topics by the library, of a cluster in memory. */

import { expect, it, onTestFinished } from 'vitest'
import { Cluster, type ReplayOptions } from '../../src/index.js'

async function world(): Promise<Cluster> {
  const cluster = await Cluster.memory()
  onTestFinished(() => cluster.close())
  await cluster.admin.createTopic({ topic: 't', partitions: 2, config: { 'retention.ms': -1 } })
  const messages = [...'abcdef'].map((key, n) => ({
    key,
    value: JSON.stringify({ n }),
    partition: n % 2,
    timestamp: 1_000 + n,
  }))
  await cluster.producer().send({ topic: 't', messages })
  return cluster
}

async function keysOf(cluster: Cluster, options?: ReplayOptions): Promise<string> {
  const keys: string[] = []
  for await (const { key } of cluster.replay('t', options)) keys.push(String(key))
  return keys.join('')
}

it.each<[ReplayOptions, string]>([
  [{}, 'abcdef'],
  [{ from: 1 }, 'cdef'],
  [{ until: 2 }, 'abcd'],
  [{ from: new Date(1_002), until: new Date(1_005) }, 'cde'],
  [{ from: new Date(9_999) }, ''],
  [{ partitions: [1] }, 'bdf'],
  [{ where: 'n > 1 and n != 4', limit: 2 }, 'cd'],
  [{ limit: 0 }, ''],
  [{ speed: 1_000, maxGapMs: 1 }, 'abcdef'],
])('a replay with %j', async (options, expected) => {
  expect(await keysOf(await world(), options)).toBe(expected)
})

it('a replay leaves out what was aborted, and ends before what is open', async () => {
  const cluster = await world()
  const producer = cluster.producer({ transactionalId: 'x' })
  await producer.init()
  const send = (key: string) =>
    producer.send({ topic: 't', messages: [{ key, value: 'v', partition: 0, timestamp: 2_000 }] })
  await producer.begin()
  await send('g')
  await producer.abort()
  await producer.begin()
  await send('h')
  expect(await keysOf(cluster)).toBe('abcdef')
  await producer.commit()
  expect(await keysOf(cluster)).toBe('abcdefh')
  expect(await keysOf(cluster, { isolationLevel: 'read_uncommitted' })).toBe('abcdefgh')
})

it('a replay follows, until its signal or its reader ends it', async () => {
  const cluster = await world()
  const ending = new AbortController()
  const keys: string[] = []
  for await (const { key } of cluster.replay('t', { follow: true, signal: ending.signal })) {
    keys.push(String(key))
    if (keys.length === 6) {
      await cluster.producer().send({ topic: 't', messages: [{ key: 'new', value: 'v' }] })
    }
    if (keys.length === 7) ending.abort()
  }
  expect(keys.at(-1)).toBe('new')
  for await (const _ of cluster.replay('t', { follow: true })) break
})

it('a replay tells how far it is', async () => {
  const told: string[] = []
  const cluster = await world()
  await keysOf(cluster, {
    where: 'n > 2',
    onProgress: ({ records, read, offsets }) =>
      told.push(`${records} of ${read}, on at ${[...offsets].sort().join(' ')}`),
  })
  expect(told.at(-1)).toBe('3 of 6, on at 0,3 1,3')
  const onProgress = (): void => {
    throw new Error('enough')
  }
  await expect(keysOf(cluster, { onProgress })).rejects.toThrow('enough')
})

it.each<[object, string]>([
  [{ nope: 1 }, 'INVALID_CONFIG: replay option "nope" does not exist'],
  [{ speed: 0 }, 'INVALID_CONFIG: replay option speed'],
  [{ onProgress: 1 }, 'INVALID_CONFIG: replay option onProgress: expected a function'],
  [{ where: 'a >' }, 'INVALID_ARGUMENT: expected an expression'],
])('%j is refused', async (options, sentence) => {
  await expect(keysOf(await world(), options)).rejects.toThrow(sentence)
})
