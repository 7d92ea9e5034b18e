/** Consumer groups as a reader can follow them: each scenario has its story in a file beside. */

import { expect, it } from 'vitest'
import { GroupStory } from './group-story.js'
import type { Story } from './story.js'

const COOPERATIVE = { partitionAssignmentStrategy: ['cooperative-sticky'] } as const
const EAGER = { partitionAssignmentStrategy: ['range'] } as const

/** The one partition of the groups' topic with records. */
function partitionOfGroup(story: Story) {
  const all = [0, 1, 2].map(partition => story.partition('__consumer_offsets', partition))
  const found = all.filter(({ copies }) => copies.some(({ logEndOffset }) => logEndOffset > 0))
  expect(found).toHaveLength(1)
  return found[0] as (typeof all)[number]
}

it('a partition has one owner, whichever members join and leave', async () => {
  const group = await GroupStory.begin(4)
  const { story } = group
  const quiet = { isQuiet: true }
  await group.join('m-1', quiet)
  group.shares('m-1')
  await group.join('m-2', quiet)
  group.shares('m-1', 'm-2')
  for (const name of ['m-3', 'm-4', 'm-5']) await group.join(name, quiet)
  group.shares('m-1', 'm-2', 'm-3', 'm-4', 'm-5')
  await group.leave('m-1')
  group.shares('m-2', 'm-3', 'm-4', 'm-5')
  await group.silence('m-2', 'm-2 is killed')
  await story.wait(12_000)
  group.shares('m-3', 'm-4', 'm-5')
  await group.leave('m-5')
  await group.leave('m-3')
  group.shares('m-4')
  await story.end('one-owner')
})

it('these changes set off a rebalance', async () => {
  const group = await GroupStory.begin(2)
  const { story, cluster } = group
  const options = { metadataMaxAgeMs: 10_000, maxPollIntervalMs: 30_000 }
  const joining = { topics: /^ord/, options, isQuiet: true }
  await group.join('m-1', joining)
  await group.join('m-2', joining)
  await group.read('m-1')
  await group.leave('m-2')
  await group.join('m-3', joining)
  await group.silence('m-3', 'm-3 is killed')
  await story.wait(12_000)
  await story.act('orders gets a third partition', () =>
    cluster.admin.createPartitions({ topic: 'orders', partitions: 3 }),
  )
  await story.wait(10_000)
  await story.act('topic ordnance is made', () => cluster.admin.createTopic({ topic: 'ordnance' }))
  await story.wait(10_000)
  await group.join('m-4', joining)
  await group.read('m-4')
  await group.subscribe('m-4', ['ordnance'])
  await story.act('m-1 wants it', () => group.member('m-1').enforceRebalance('it feels like it'))
  group.makeBusy('m-1')
  await group.write([0, 'a'])
  await story.wait(33_000)
  await group.finish('m-1')
  await story.end('what-sets-off-a-rebalance')
})

it('an eager rebalance differs from a cooperative one', async () => {
  const group = await GroupStory.begin(4)
  const { story } = group
  const groups = { eager: EAGER, coop: COOPERATIVE }
  for (const [name, options] of Object.entries(groups)) {
    await group.join(`${name}-1`, { group: name, options })
    await group.join(`${name}-2`, { group: name, options })
  }
  await group.read('eager-1', 'eager-2', 'coop-1', 'coop-2')
  await story.act('the first of each will take its time', () => {
    group.makeBusy('eager-1')
    group.makeBusy('coop-1')
  })
  await group.write([0, 'a'], [1, 'b'], [2, 'c'], [3, 'd'])
  for (const [name, options] of Object.entries(groups)) {
    await group.join(`${name}-3`, { group: name, options })
  }
  await story.wait(3_000)
  await group.write([0, 'e'], [1, 'f'], [2, 'g'], [3, 'h'])
  await group.finish('eager-1')
  await group.finish('coop-1')
  await group.read('eager-3', 'coop-3')
  group.shares('eager-1', 'eager-2', 'eager-3')
  group.shares('coop-1', 'coop-2', 'coop-3')
  await story.end('eager-and-cooperative')
})

it('a static member restarts without a rebalance', async () => {
  const group = await GroupStory.begin(4)
  const { story } = group
  const as = (groupInstanceId: string) => ({ options: { groupInstanceId } })
  await group.join('m-1', as('i-1'))
  await group.join('m-2', as('i-2'))
  await group.leave('m-2')
  await story.wait(3_000)
  group.shares('m-1')
  await group.join('m-2', as('i-2'))
  group.shares('m-1', 'm-2')
  await group.leave('m-2')
  await story.wait(12_000)
  group.shares('m-1')
  await story.end('a-static-member-restarts')
})

it('a zombie member is fenced', async () => {
  const group = await GroupStory.begin(2)
  const { story, cluster } = group
  const commit = (name: string) => () =>
    group.member(name).commit({ offsets: [{ topic: 'orders', partition: 0, offset: 1 }] })
  await group.join('m-1')
  await group.join('m-2')
  await group.silence('m-1', 'm-1 is cut off')
  await story.wait(12_000)
  story.note(`m-1 believes that it has ${group.member('m-1').assignment().length} partition`)
  await story.act('m-1 is back', () => cluster.faults.clear())
  await story.ask('m-1 commits at once', commit('m-1'))
  await story.wait(3_000)
  await story.ask('m-1 commits again', commit('m-1'))
  group.shares('m-1', 'm-2')
  const twin = { group: 'static', options: { groupInstanceId: 'i-1' } }
  await group.join('twin-1', twin)
  await group.read('twin-1')
  await story.act('heartbeats of twin-1 are lost', () =>
    cluster.faults.on('heartbeat', { client: 'twin-1' }).drop().always(),
  )
  await story.wait(3_000)
  await group.join('twin-2', twin)
  group.shares('twin-2')
  await story.ask('twin-1 commits', commit('twin-1'))
  await story.ask('twin-2 commits', commit('twin-2'))
  await story.act('heartbeats arrive again', () => cluster.faults.clear())
  await story.wait(3_000)
  group.shares('twin-1', 'twin-2')
  await story.end('a-zombie-is-fenced')
})

it('a group continues when its coordinator dies', async () => {
  const group = await GroupStory.begin(4, { brokers: 3 })
  const { story, cluster } = group
  await group.join('m-1')
  await group.join('m-2')
  await group.read('m-1', 'm-2')
  await group.write([0, 'a'], [1, 'b'], [2, 'c'], [3, 'd'])
  await story.wait(5_000)
  const { leader, partition } = partitionOfGroup(story)
  story.show('__consumer_offsets', partition)
  await story.act(`broker ${leader}, which coordinates, is killed`, () =>
    cluster.broker(leader).kill(),
  )
  await story.wait(5_000)
  group.shares('m-1', 'm-2')
  await group.write([0, 'e'])
  await group.join('m-3')
  await story.wait(1_000)
  group.shares('m-1', 'm-2', 'm-3')
  story.show('__consumer_offsets', partition)
  const committed = await cluster.admin.listGroupOffsets('g')
  expect(committed.map(({ offset }) => offset)).toEqual([2, 1, 1, 1])
  await story.end('the-coordinator-dies')
})

it('two services that share a group id are reported', async () => {
  const group = await GroupStory.begin(2)
  const { story, cluster } = group
  await cluster.admin.createTopic({ topic: 'payments' })
  await group.join('billing-1')
  await group.read('billing-1')
  await group.join('shipping-1')
  await group.read('shipping-1')
  await group.write([0, 'a'], [1, 'b'])
  await group.leave('shipping-1')
  await group.join('shipping-2', { topics: ['payments'] })
  await story.end('two-services-share-a-group')
})
