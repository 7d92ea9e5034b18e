/** Replication as a reader can follow it: each scenario tells its story in a file beside this. */

import { expect, it } from 'vitest'
import { Story } from './story.js'

const RF3 = { topic: 'orders', assignment: [[1, 2, 3]] }

async function orders(config: Record<string, string | number | boolean> = {}): Promise<Story> {
  const story = await Story.begin()
  await story.act('topic orders on brokers 1, 2, 3', () =>
    story.cluster.admin.createTopic({ ...RF3, config }),
  )
  return story
}

it('a write is appended, replicated and becomes visible', async () => {
  const story = await orders()
  const { cluster } = story
  const producer = cluster.producer()
  await story.send(producer, 'a')
  story.show()
  await story.act('brokers 2 and 3 stop following', () => {
    cluster.broker(2).pauseReplication()
    cluster.broker(3).pauseReplication()
  })
  const sent = await story.send(producer, 'b')
  story.show()
  await story.read()
  await story.act('broker 2 follows again', () => cluster.broker(2).resumeReplication())
  story.show()
  await story.read()
  await story.act('broker 3 follows again', () => cluster.broker(3).resumeReplication())
  expect(await sent.outcome()).toContain('acknowledged')
  story.show()
  await story.read()
  await story.end('a-write')
})

it('a leader dies, and follows when it returns', async () => {
  const story = await orders()
  const { cluster } = story
  const producer = cluster.producer()
  await story.send(producer, 'a')
  await story.act('broker 1 is killed', () => cluster.broker(1).kill())
  story.show()
  const sent = await story.send(producer, 'b')
  await story.wait(1_000)
  expect(await sent.outcome()).toContain('acknowledged')
  await story.act('broker 1 starts', () => cluster.broker(1).start())
  await story.wait(1_000)
  story.show()
  await story.act('the preferred leader is elected', () =>
    cluster.admin.electLeaders({
      type: 'preferred',
      partitions: [{ topic: 'orders', partition: 0 }],
    }),
  )
  await story.wait(1_000)
  story.show()
  await story.read()
  await story.end('a-leader-dies')
})

it('a lagging follower leaves the ISR and joins it again', async () => {
  const story = await orders()
  const { cluster } = story
  const producer = cluster.producer({ requestTimeoutMs: 60_000 })
  await story.act('broker 3 stops following', () => cluster.broker(3).pauseReplication())
  const sent = await story.send(producer, 'a')
  await story.wait(46_000)
  expect(await sent.outcome()).toContain('acknowledged')
  story.show()
  await story.send(producer, 'b')
  await story.act('broker 3 follows again', () => cluster.broker(3).resumeReplication())
  await story.wait(600)
  story.show()
  await story.end('a-follower-lags')
})

it('too few in-sync replicas refuse writes', async () => {
  const story = await orders({ 'min.insync.replicas': 2 })
  const { cluster } = story
  const all = cluster.producer({ deliveryTimeoutMs: 3_000, requestTimeoutMs: 1_000 })
  const one = cluster.producer({ acks: 1 })
  await story.send(all, 'a')
  await story.act('broker 2 is killed', () => cluster.broker(2).kill())
  await story.send(all, 'b')
  await story.act('broker 3 is killed', () => cluster.broker(3).kill())
  const refused = await story.send(all, 'c')
  await story.wait(4_000)
  expect(await refused.outcome()).toContain('DELIVERY_TIMED_OUT')
  await story.send(one, 'd')
  story.show()
  await story.read()
  await story.act('broker 3 starts', () => cluster.broker(3).start())
  await story.wait(1_000)
  await story.read()
  await story.end('too-few-in-sync')
})

it('a partition waits for its last in-sync replica', async () => {
  const story = await orders()
  const { cluster } = story
  const producer = cluster.producer({ deliveryTimeoutMs: 60_000 })
  await story.send(producer, 'a')
  await story.act('brokers 2 and 3 are killed', async () => {
    await cluster.broker(2).kill()
    await cluster.broker(3).kill()
  })
  await story.send(producer, 'b')
  await story.act('broker 1 is killed', () => cluster.broker(1).kill())
  await story.act('brokers 2 and 3 start', async () => {
    await cluster.broker(2).start()
    await cluster.broker(3).start()
  })
  story.show()
  const sent = await story.send(producer, 'c')
  await story.wait(5_000)
  await story.act('broker 1 starts', () => cluster.broker(1).start())
  await story.wait(5_000)
  expect(await sent.outcome()).toContain('acknowledged')
  story.show()
  await story.read()
  await story.end('the-last-in-sync-replica')
})

it('an unclean election loses records', async () => {
  const story = await orders({ 'unclean.leader.election.enable': true })
  const { cluster } = story
  const producer = cluster.producer()
  await story.send(producer, 'a')
  await story.act('brokers 2 and 3 are killed', async () => {
    await cluster.broker(2).kill()
    await cluster.broker(3).kill()
  })
  await story.send(producer, 'b')
  await story.act('broker 1 is killed', () => cluster.broker(1).kill())
  await story.act('broker 2 starts', () => cluster.broker(2).start())
  const sent = await story.send(producer, 'c')
  await story.wait(2_000)
  expect(await sent.outcome()).toContain('acknowledged')
  await story.act('broker 1 starts', () => cluster.broker(1).start())
  await story.wait(2_000)
  story.show()
  await story.read()
  await story.end('an-unclean-election')
})

it('a separated leader steps down when the network heals', async () => {
  const story = await orders()
  const { cluster } = story
  const producer = cluster.producer({ acks: 1 })
  await story.send(producer, 'a')
  await story.act('broker 1 is cut off from the others and the controller', () =>
    cluster.network.partition([1], ['controller', 2, 3]),
  )
  await story.send(producer, 'only on broker 1')
  await story.wait(10_000)
  story.show()
  await story.act('a client that knows better writes', () => undefined)
  await story.send(cluster.producer(), 'b')
  await story.act('the network heals', () => cluster.network.heal())
  await story.wait(2_000)
  story.show()
  await story.read()
  await story.end('a-leader-is-cut-off')
})
