/**
 * Fake timers of vitest do not stop the library, whichever clock it was given: it has taken hold of
 * the real ones. Those of node:test, and fakes that came first, are tried in processes of their own
 * (test/process/fake-timers.test.ts), those of Jest and sinon by test/compat.
 */

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Cluster, connect, virtualClock, type Clock } from '../../src/index.js'

/** A send, a group of two members and a client at a port. */
async function session(clock?: Clock): Promise<unknown[]> {
  const cluster = await Cluster.memory(clock === undefined ? {} : { clock })
  await cluster.admin.createTopic({ topic: 't', partitions: 2 })
  await cluster.producer().send({ topic: 't', messages: [{ partition: 0, value: 'x' }] })
  const text = { autoOffsetReset: 'earliest', valueDeserializer: 'string' } as const
  const members = [1, 2].map(() => cluster.consumer({ ...text, groupId: 'g' }))
  await Promise.all(members.map(member => member.subscribe(['t'])))
  await Promise.all(members.map(member => member.ready()))
  const assigned = members.map(member => member.assignment().length)
  const polled: unknown[] = []
  if (clock === undefined) {
    const { bootstrap } = await cluster.listen({ port: 0 })
    const remote = await connect({ bootstrapServers: bootstrap })
    const consumer = remote.consumer(text)
    await consumer.assign([{ topic: 't', partition: 0 }])
    polled.push(...(await consumer.poll()).map(({ value }) => value))
    await remote.close()
  }
  await cluster.close()
  return [assigned, polled]
}

describe.each([
  ['vi.useFakeTimers()', undefined],
  ['more than vitest replaces by itself', ['setTimeout', 'setImmediate', 'Date', 'performance']],
] as const)('under %s', (_, toFake) => {
  beforeEach(() => {
    vi.useFakeTimers(toFake === undefined ? {} : { toFake: [...toFake] })
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  it('a session works with the default clock under fake timers', async () => {
    expect(await session()).toEqual([[1, 1], ['x']])
  })

  it('a session works with a virtual clock under fake timers', async () => {
    expect(await session(virtualClock())).toEqual([[1, 1], []])
  })
})
