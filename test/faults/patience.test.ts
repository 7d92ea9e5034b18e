/** Clients do not wait for ever for an answer, in one process as over a network. */

import { expect, it } from 'vitest'
import { valuesOf, world } from '../cluster/world.js'

const LATE_MS = 60_000

it('a batch that is delayed too long is sent again, and is in the log once', async () => {
  const w = await world()
  const { cluster, clock, passing } = w
  await passing(cluster.admin.createTopic({ topic: 'orders' }))
  const producer = cluster.producer({ requestTimeoutMs: 10_000 })
  const send = (value: string) => producer.send({ topic: 'orders', messages: [{ value }] })
  await passing(send('first'))
  cluster.faults.on('produce').delay(LATE_MS)
  const before = clock.monotonicMs()
  await passing(send('second'))
  const took = clock.monotonicMs() - before
  expect(took).toBeGreaterThan(10_000)
  expect(took).toBeLessThan(15_000)
  await passing(send('third'))
  await clock.advance(LATE_MS) // the one that was held up went with its connection
  expect(await valuesOf(w, 3)).toEqual(['first', 'second', 'third'])
})

it('a fetch that is delayed too long is sent again', async () => {
  const w = await world()
  const { cluster, clock, passing } = w
  await passing(cluster.admin.createTopic({ topic: 'orders' }))
  await passing(cluster.producer().send({ topic: 'orders', messages: [{ value: 'a' }] }))
  cluster.faults.on('fetch').delay(LATE_MS)
  const before = clock.monotonicMs()
  const options = { autoOffsetReset: 'earliest', requestTimeoutMs: 5_000 } as const
  const consumer = cluster.consumer(options)
  await passing(consumer.assign([{ topic: 'orders', partition: 0 }]))
  expect(await passing(consumer.poll({ timeoutMs: LATE_MS / 2 }))).toHaveLength(1)
  expect(clock.monotonicMs() - before).toBeLessThan(8_000)
  await clock.advance(LATE_MS)
  expect(await passing(consumer.poll({ timeoutMs: 100 }))).toEqual([]) // and not read twice
})

it('a request whose answer a later rule delays is sent again', async () => {
  const { cluster, clock, passing, settle } = await world()
  await passing(cluster.admin.createTopic({ topic: 'orders' }))
  const consumer = cluster.consumer({ autoOffsetReset: 'earliest', requestTimeoutMs: 2_000 })
  await passing(consumer.assign([{ topic: 'orders', partition: 0 }]))
  const polled = consumer.poll({ timeoutMs: LATE_MS }) // its fetch waits at the broker
  await settle()
  cluster.network.delay(LATE_MS, { answers: true, api: 'fetch', from: 'client' })
  await passing(cluster.producer().send({ topic: 'orders', messages: [{ value: 'a' }] }))
  const before = clock.monotonicMs()
  await clock.advance(1_000)
  cluster.network.delay(0, { answers: true, api: 'fetch', from: 'client' })
  expect(await passing(polled)).toHaveLength(1)
  expect(clock.monotonicMs() - before).toBeLessThan(5_000)
})

it('an attempt that was given up does not arrive later with reused memory', async () => {
  const w = await world()
  const { cluster, clock, passing } = w
  await passing(cluster.admin.createTopic({ topic: 'orders', partitions: 3 }))
  const producer = cluster.producer({ requestTimeoutMs: 1_000, enableIdempotence: false })
  const sent: string[][] = [[], [], []]
  for (let at = 0; at < 60; at++) {
    if (at % 4 === 0) cluster.faults.on('produce').delay(1_500)
    const partition = at % 3
    const value = `message ${at + 100}` // all of one size: one could pass for another
    sent[partition]?.push(value)
    await passing(producer.send({ topic: 'orders', messages: [{ partition, value }] }))
  }
  await clock.advance(LATE_MS)
  for (const [partition, values] of sent.entries()) {
    expect(await valuesOf(w, values.length, partition)).toEqual(values)
  }
})

it('the default request time-out is 30 seconds', async () => {
  const { cluster, clock, passing } = await world()
  await passing(cluster.admin.createTopic({ topic: 'orders' }))
  const producer = cluster.producer()
  const send = () => passing(producer.send({ topic: 'orders', messages: [{ value: 'a' }] }))
  await send()
  cluster.faults.on('produce').delay(LATE_MS)
  const before = clock.monotonicMs()
  await send()
  const took = clock.monotonicMs() - before
  expect([took >= 30_000, took < 35_000]).toEqual([true, true])
})
