/** A rebalance waits for records that members have in hand: what ends that, and which member is named. */

import { describe, expect, it } from 'vitest'
import type { Consumer } from '../../../src/client/consumer/consumer-api.js'
import { isPending, settle, world } from '../world.js'

async function twoMembers(options: object = {}) {
  const warnings: string[] = []
  const warn = (what: string): void => void warnings.push(what)
  const logger = { debug() {}, info() {}, error() {}, warn }
  const all = await world(2, { logger })
  await all.write(0, 'a', 'b')
  await all.write(1, 'c', 'd')
  const member = (clientId: string): Consumer => {
    const common = { groupId: 'g', autoOffsetReset: 'earliest', clientId } as const
    return all.cluster.consumer({ ...common, ...options })
  }
  const one = member('billing-1')
  await one.subscribe(['orders'])
  await settle(all.clock)
  /** Another one joins; pending while it has to wait for the first. */
  const joining = () => member('billing-2').subscribe(['orders'])
  return { ...all, one, joining, warnings }
}

describe.each([true, false])('after a poll, with enableAutoCommit %s', enableAutoCommit => {
  it.each(['all', 'the records', 'their offsets'] as const)('a commit of %s lets the rebalance begin', async what => {
    const { one, joining, clock, warnings } = await twoMembers({ enableAutoCommit })
    const records = await one.poll()
    expect(records).toHaveLength(4)
    if (what === 'all') await one.commit()
    else if (what === 'the records') await one.commit({ records })
    else {
      const at = (partition: number) => ({ topic: 'orders', partition, offset: 2 })
      await one.commit({ offsets: [at(0), at(1)] })
    }
    expect(await isPending(joining(), clock)).toBe(false)
    expect(one.assignment()).toHaveLength(1)
    expect(warnings).toEqual([])
  })

  it('another poll lets the rebalance begin', async () => {
    const { one, joining, clock } = await twoMembers({ enableAutoCommit })
    await one.poll()
    const joined = joining()
    expect(await isPending(joined, clock)).toBe(true)
    void one.poll({ timeoutMs: 0 })
    expect(await isPending(joined, clock)).toBe(false)
  })

  it('a commit of a part of the records does not let the rebalance begin', async () => {
    const { one, joining, clock } = await twoMembers({ enableAutoCommit })
    const records = await one.poll()
    await one.commit({ records: records.slice(0, 3) })
    const joined = joining()
    expect(await isPending(joined, clock)).toBe(true)
    await one.commit({ records })
    expect(await isPending(joined, clock)).toBe(false)
  })

  it('a commit of the previous poll does not let the rebalance begin', async () => {
    const { one, joining, clock, write } = await twoMembers({ enableAutoCommit })
    await one.poll()
    const late = one.commit()
    await write(0, 'e')
    const polling = one.poll()
    await settle(clock)
    await late
    expect(await polling).toHaveLength(1)
    expect(await isPending(joining(), clock)).toBe(true)
  })
})

it('in a loop the record in hand is finished before a rebalance, even if it was committed first', async () => {
  const { one, joining, clock } = await twoMembers()
  const loop = one[Symbol.asyncIterator]()
  await loop.next()
  await one.commit()
  const joined = joining()
  expect(await isPending(joined, clock)).toBe(true)
  void loop.next()
  expect(await isPending(joined, clock)).toBe(false)
})

it('in run the record in hand is finished before a rebalance, not all that were fetched', async () => {
  const { one, joining, clock } = await twoMembers()
  const held: (() => void)[] = []
  void one.run({ eachRecord: () => new Promise<void>(resolve => void held.push(resolve)) })
  await settle(clock)
  const joined = joining()
  expect(await isPending(joined, clock)).toBe(true)
  held[0]?.()
  expect(await isPending(joined, clock)).toBe(false)
  expect(held.length).toBeLessThan(4)
})

it('the next poll does not commit an offset below the committed one', async () => {
  const { cluster, one } = await twoMembers()
  await one.poll()
  await one.commit()
  await one.poll({ timeoutMs: 0 })
  await one.close()
  const committed = await cluster.admin.listGroupOffsets('g')
  expect(committed.map(({ offset }) => offset)).toEqual([2, 2])
})

it('a consumer that delays a rebalance is named once, after three seconds', async () => {
  const { one, joining, clock, warnings } = await twoMembers()
  await one.poll()
  const joined = joining()
  await clock.advance(2_900)
  expect(warnings).toEqual([])
  await clock.advance(200)
  expect(warnings).toHaveLength(1)
  const [warning] = warnings
  expect(warning).toContain('the rebalance of group g waits for this consumer')
  expect(warning).toContain(`client billing-1, member "${one.groupMetadata().memberId}"`)
  expect(warning).toContain('maxPollIntervalMs (300000 ms)')
  await clock.advance(60_000)
  expect(warnings).toHaveLength(1)
  await one.close()
  await clock.advance(0)
  await joined
})
