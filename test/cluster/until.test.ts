import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { virtualClock } from '../../src/base/virtual-clock.js'
import { Cluster } from '../../src/cluster/cluster.js'

async function shop(partitions = 2) {
  const clock = virtualClock()
  const cluster = await Cluster.memory({ clock })
  onTestFinished(() => cluster.close())
  await cluster.admin.createTopic({ topic: 'orders', partitions })
  const producer = cluster.producer()
  const write = async (...values: string[]): Promise<void> => {
    await producer.send({ topic: 'orders', messages: values.map(value => ({ value })) })
  }
  const billing = (options: object = {}) =>
    cluster.consumer({ groupId: 'billing', autoOffsetReset: 'earliest', ...options })
  return { cluster, clock, write, billing }
}

/** What `promise` comes to, if it comes to something without time passing. */
async function outcome(promise: Promise<void>, clock: { advance(ms: number): Promise<void> }) {
  let result: unknown = 'waits'
  promise.then(
    () => (result = 'done'),
    (error: unknown) => (result = (error as Error).message),
  )
  for (let turn = 0; turn < 20; turn++) await clock.advance(0)
  return result
}

describe('until', () => {
  it('until: a group has no lag in a deleted topic', async () => {
    const { cluster, clock, write, billing } = await shop()
    await write('a', 'b', 'c')
    const consumer = billing()
    await consumer.subscribe(['orders'])
    const caughtUp = cluster.until({ group: 'billing', lag: 0 })
    expect(await outcome(caughtUp, clock)).toBe('waits')
    await cluster.admin.deleteTopic('orders')
    expect(await outcome(caughtUp, clock)).toBe('done')
  })

  it('until: a topic has a number of records', async () => {
    const { cluster, clock, write } = await shop()
    const two = cluster.until({ topic: 'orders', records: 2 })
    await write('a')
    expect(await outcome(two, clock)).toBe('waits')
    await write('b')
    expect(await outcome(two, clock)).toBe('done')
    await cluster.until({ topic: 'orders', records: 2 })
  })

  it('until: a topic that is created later has a number of records', async () => {
    const { cluster, clock } = await shop()
    const first = cluster.until({ topic: 'later', records: 1 })
    const second = cluster.until({ topic: 'later', records: 2 })
    expect(await outcome(first, clock)).toBe('waits')
    const producer = cluster.producer()
    const write = (partition: number) =>
      producer.send({ topic: 'later', messages: [{ partition, value: 'x' }] })
    await cluster.admin.createTopic({ topic: 'later', partitions: 1 })
    expect(await outcome(first, clock)).toBe('waits')
    await write(0)
    expect(await outcome(first, clock)).toBe('done')
    await cluster.admin.createPartitions({ topic: 'later', partitions: 2 })
    expect(await outcome(second, clock)).toBe('waits')
    await write(1)
    expect(await outcome(second, clock)).toBe('done')
  })

  it('until: a topic has a number of records when its broker has returned', async () => {
    const { cluster, clock, write } = await shop()
    await write('a')
    await cluster.broker(1).kill()
    const waiting = cluster.until({ topic: 'orders', records: 1 })
    expect(await outcome(waiting, clock)).toBe('waits')
    await cluster.broker(1).start()
    expect(await outcome(waiting, clock)).toBe('done')
  })

  it('until: a group has processed everything when its coordinator has returned', async () => {
    const { cluster, clock, write, billing } = await shop()
    await write('a')
    const consumer = billing()
    await consumer.subscribe(['orders'])
    expect(await consumer.poll()).toHaveLength(1)
    await consumer.commit()
    await consumer.close()
    await cluster.broker(1).kill()
    const waiting = cluster.until({ group: 'billing', lag: 0 })
    expect(await outcome(waiting, clock)).toBe('waits')
    await cluster.broker(1).start()
    expect(await outcome(waiting, clock)).toBe('done')
  })

  it('until: a group is found when its coordinator has loaded it', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'partlog-until-'))
    onTestFinished(() => rmSync(dir, { recursive: true }))
    const cluster = await Cluster.open({ dir, durability: 'process' })
    onTestFinished(() => cluster.close())
    await cluster.admin.createTopic({ topic: 'orders', partitions: 1 })
    const consumer = cluster.consumer({ groupId: 'billing' })
    await consumer.subscribe(['orders'])
    while (consumer.assignment().length === 0) await consumer.poll({ timeoutMs: 10 })
    const place = { topic: 'orders', partition: 0, offset: 0, metadata: 'x'.repeat(4_000) }
    for (let at = 0; at < 20; at++) await consumer.commit({ offsets: [place] })
    await consumer.close()
    await cluster.broker(1).kill()
    const waiting = cluster.until(
      { group: 'billing', lag: 0 },
      { signal: AbortSignal.timeout(5_000) },
    )
    await cluster.broker(1).start()
    await waiting
  })

  it('until: a group is stable with a number of members', async () => {
    const { cluster, clock, billing } = await shop()
    const any = cluster.until({ group: 'billing', stable: true })
    const two = cluster.until({ group: 'billing', stable: true, members: 2 })
    expect(await outcome(any, clock)).toBe('waits')
    const one = billing()
    await one.subscribe(['orders'])
    expect(await outcome(any, clock)).toBe('done')
    expect(await outcome(two, clock)).toBe('waits')
    await billing().subscribe(['orders'])
    expect(await outcome(two, clock)).toBe('done')
    await one.close()
    expect(
      await outcome(cluster.until({ group: 'billing', stable: true, members: 2 }), clock),
    ).toBe('waits')
  })

  it('until: a group has processed everything, without an automatic commit', async () => {
    const { cluster, clock, write, billing } = await shop()
    await write('a', 'b', 'c')
    const consumer = billing({ valueDeserializer: 'string' })
    await consumer.subscribe(['orders'])
    const done = cluster.until({ group: 'billing', lag: 0 })
    expect(await outcome(done, clock)).toBe('waits')
    const seen: unknown[] = []
    let release = (): void => undefined
    void consumer.run({
      eachRecord: async ({ value }) => {
        seen.push(value)
        if (seen.length === 3) await new Promise<void>(resolve => (release = resolve))
      },
    })
    expect(await outcome(done, clock)).toBe('waits')
    expect(seen).toHaveLength(3)
    release()
    expect(await outcome(done, clock)).toBe('done')
    await write('d')
    await cluster.until({ group: 'billing', lag: 1 })
    await cluster.until({ group: 'billing', lag: 0 })
    expect(seen).toHaveLength(4)
  })

  it('until: an application commits itself, if it wants to', async () => {
    const { cluster, clock, write, billing } = await shop(1)
    await write('a', 'b')
    const consumer = billing({ enableAutoCommit: false })
    await consumer.subscribe(['orders'])
    expect(await consumer.poll()).toHaveLength(2)
    const done = cluster.until({ group: 'billing', lag: 0 })
    await consumer.poll({ timeoutMs: 0 })
    expect(await outcome(done, clock)).toBe('waits')
    await consumer.commit()
    expect(await outcome(done, clock)).toBe('done')
  })

  it.each([
    [{ topic: 'orders', records: 9 }, 'topic orders has 3 of 9 records'],
    [{ topic: 'none', records: 1 }, 'topic none does not exist'],
    [{ group: 'none', stable: true }, 'group none does not exist'],
    [{ group: 'billing', stable: true, members: 2 }, 'group billing is Stable with 1 of 2 members'],
    [
      { group: 'billing', lag: 0 },
      'group billing has a lag of 3 records: orders-0 (committed nothing of 2), orders-1 ' +
        '(committed nothing of 1)',
    ],
  ] as const)(
    'until gives up when it is told to, and says what is missing: %o',
    async (what, sentence) => {
      const { cluster, clock, billing } = await shop()
      const messages = [0, 0, 1].map(partition => ({ partition, value: 'x' }))
      await cluster.producer().send({ topic: 'orders', messages })
      await billing({ enableAutoCommit: false }).subscribe(['orders'])
      const giveUp = new AbortController()
      const waiting = cluster.until(what, { signal: giveUp.signal })
      expect(await outcome(waiting, clock)).toBe('waits')
      giveUp.abort()
      expect(await outcome(waiting, clock)).toBe(`REQUEST_TIMED_OUT: gave up waiting: ${sentence}`)
    },
  )

  it('until: a wait ends with the cluster', async () => {
    const { cluster, clock } = await shop()
    const waiting = cluster.until({ topic: 'orders', records: 1 })
    const end = outcome(waiting, clock)
    await cluster.close()
    expect(await end).toBe('CLOSED: the cluster is closed')
    await expect(cluster.until({ topic: 'orders', records: 0 })).rejects.toThrow('CLOSED')
  })

  it.each([
    [undefined],
    [{}],
    [{ group: 'g' }],
    [{ group: '', lag: 0 }],
    [{ group: 'g', lag: -1 }],
    [{ group: 'g', stable: false }],
    [{ group: 'g', stable: true, members: 0.5 }],
    [{ group: 'g', stable: true, lag: 0 }],
    [{ topic: 'orders' }],
    [{ topic: 'a b', records: 1 }],
  ])('until: an invalid condition is refused: %o', async condition => {
    const { cluster } = await shop()
    const waiting = cluster.until(condition as never)
    await expect(waiting).rejects.toMatchObject({
      code: expect.stringMatching(/^INVALID_(ARGUMENT|GROUP_ID|TOPIC_EXCEPTION)$/),
    })
  })
})
