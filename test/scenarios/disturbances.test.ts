/** What is disturbed on purpose, and how the cluster takes it: each story in a file beside this. */

import { expect, it } from 'vitest'
import { DiskError } from '../../src/disk/disk.js'
import { flipBit } from '../faults/damage.js'
import { Story } from './story.js'

const PLACE = { topic: 'orders', partition: 0 }
const LOG = 'orders-0/00000000000000000000.log'

async function orders(options: Parameters<typeof Story.begin>[0] = {}): Promise<Story> {
  const story = await Story.begin(options)
  await story.act('topic orders on brokers 1, 2, 3', () =>
    story.cluster.admin.createTopic({ topic: 'orders', assignment: [[1, 2, 3]] }),
  )
  return story
}

function noteUnused(story: Story): void {
  const unused = story.cluster.faults.unused().map(({ api, effect }) => `${api}: ${effect}`)
  story.note(`rules that never fired: ${unused.join(', ') || 'none'}`)
}

it('faults by rule fail, delay and lose requests', async () => {
  const story = await orders()
  const { faults } = story.cluster
  const producer = story.cluster.producer()
  await story.act('the next three writes are refused, a deletion would be lost', () => {
    faults.on('produce', { topic: 'orders' }).error('NOT_ENOUGH_REPLICAS').times(3)
    faults.on('deleteRecords', { topic: 'orders' }).drop()
  })
  noteUnused(story)
  const sent = await story.send(producer, 'a')
  await story.wait(2_000)
  expect(await sent.outcome()).toContain('acknowledged')
  noteUnused(story)
  await story.act('the rules are taken away', () => faults.clear())
  noteUnused(story)
  await story.send(producer, 'b')
  await story.read()
  await story.end('faults-by-rule')
})

it('a batch whose answer was lost is in the log once', async () => {
  const story = await orders()
  const producer = story.cluster.producer()
  await story.act('the next two answers to writes are lost', () =>
    story.cluster.faults.on('produce', { topic: 'orders' }).dropAnswer().times(2),
  )
  const sent = await story.send(producer, 'a')
  await story.wait(1_000)
  expect(await sent.outcome()).toContain('acknowledged')
  noteUnused(story)
  await story.send(producer, 'b')
  await story.showBatches(1)
  await story.read()
  await story.end('a-lost-answer')
})

it('a batch that was given up never arrives; the next one restarts the sequence', async () => {
  const story = await orders()
  const producer = story.cluster.producer({ deliveryTimeoutMs: 3_000, requestTimeoutMs: 3_000 })
  await story.send(producer, 'a')
  await story.act('the next write takes 20 s on its way', () =>
    story.cluster.faults.on('produce', { topic: 'orders' }).delay(20_000),
  )
  await story.send(producer, 'b')
  await story.wait(19_000)
  await story.read()
  const sent = await story.send(producer, 'c')
  expect(await sent.outcome()).toContain('acknowledged')
  await story.wait(2_000)
  await story.showBatches(1)
  await story.read()
  await story.end('a-late-batch')
})

it('after a loss leaves a gap in the sequence, the producer restarts it', async () => {
  const story = await Story.begin()
  const { cluster } = story
  const config = { 'unclean.leader.election.enable': true }
  await story.act('topic orders on brokers 1, 2', () =>
    cluster.admin.createTopic({ topic: 'orders', assignment: [[1, 2]], config }),
  )
  const producer = cluster.producer()
  await story.send(producer, 'a')
  await story.act('broker 2 is killed', () => cluster.broker(2).kill())
  await story.send(producer, 'b')
  await story.act('broker 1 is killed, broker 2 starts', async () => {
    await cluster.broker(1).kill()
    await cluster.broker(2).start()
  })
  const sent = await story.send(producer, 'c')
  await story.wait(2_000)
  expect(await sent.outcome()).toContain('acknowledged')
  await story.showBatches(2)
  await story.read()
  await story.end('a-gap-in-the-numbers')
})

it('events show how a follower stops and returns', async () => {
  const story = await orders({ racks: ['a', 'b', 'c'] })
  const { cluster } = story
  const producer = cluster.producer()
  await story.send(producer, 'a')
  story.showBrokers()
  story.show()
  await story.act('broker 2 is stopped', () => cluster.broker(2).stop())
  await story.send(producer, 'b')
  story.showBrokers()
  story.show()
  await story.act('broker 2 starts', () => cluster.broker(2).start())
  await story.wait(1_000)
  story.showBrokers()
  story.show()
  await story.end('a-follower-stops')
})

it('a full disk delays a send until it has room', async () => {
  const story = await orders()
  const { cluster, disk } = story
  const producer = cluster.producer()
  await story.send(producer, 'a')
  await story.act('the disk of broker 1 is full', () => {
    disk.beforeOperation = ({ kind, path }) => {
      const isFull = kind === 'append' && path === `broker-1/${LOG}`
      if (isFull) throw new DiskError('ENOSPC', kind, path)
      return undefined
    }
  })
  const sent = await story.send(producer, 'b')
  await story.wait(60_000)
  expect(await sent.outcome()).toContain('acknowledged')
  story.show()
  await story.act('there is room again', () => (disk.beforeOperation = undefined))
  await story.wait(2_000)
  story.show()
  await story.read()
  await story.end('a-full-disk')
})

it('rotten bytes are repaired from another replica', async () => {
  const story = await orders()
  const { cluster, disk } = story
  const producer = cluster.producer()
  for (const value of ['a', 'b', 'c']) await story.send(producer, value)
  await story.act('broker 1 is stopped, a bit of b flips, it starts', async () => {
    await cluster.broker(1).stop()
    await flipBit(disk, `broker-1/${LOG}`, 70)
    await cluster.broker(1).start()
  })
  await story.wait(1_000)
  story.show()
  await story.ask('the preferred leader is elected', () =>
    cluster.admin.electLeaders({ type: 'preferred', partitions: [PLACE] }),
  )
  await story.read()
  await story.wait(3_000)
  story.show()
  await story.read()
  await story.end('rotten-bytes')
})

it('the preferred leader leads again when it is in sync', async () => {
  const story = await orders()
  const { cluster } = story
  const elect = (): Promise<void> =>
    story.ask('the preferred leader is to be elected', () =>
      cluster.admin.electLeaders({ type: 'preferred', partitions: [PLACE] }),
    )
  await elect()
  await story.act('broker 1 is killed', () => cluster.broker(1).kill())
  await elect()
  await story.act('broker 1 starts', () => cluster.broker(1).start())
  await story.wait(1_000)
  story.show()
  await elect()
  story.show()
  await story.ask('all preferred leaders are to be elected', () =>
    cluster.admin.electLeaders({ type: 'preferred' }),
  )
  await story.end('the-preferred-leader')
})

it('all brokers die and recover', async () => {
  const story = await orders()
  const { cluster } = story
  const producer = cluster.producer({ deliveryTimeoutMs: 60_000 })
  await story.send(producer, 'a')
  await story.act('all brokers are killed: 1, 2, 3', async () => {
    for (const broker of cluster.brokers) await broker.kill()
  })
  story.showBrokers()
  story.show()
  const sent = await story.send(producer, 'b')
  await story.act('broker 1 starts', () => cluster.broker(1).start())
  story.show()
  await story.act('broker 3 starts, the last that was in sync', () => cluster.broker(3).start())
  await story.wait(5_000)
  expect(await sent.outcome()).toContain('acknowledged')
  await story.act('broker 2 starts', () => cluster.broker(2).start())
  await story.wait(1_000)
  story.showBrokers()
  story.show()
  await story.read()
  await story.end('all-brokers-die')
})
