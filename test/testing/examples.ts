/** Two applications that are wrong in a common way, and right when they are mended. */

import type { Scenario } from '../../src/testing/index.js'

/**
 * A worker charges each payment that it reads. When it dies between charging and committing it gets
 * the payment again: unless it remembers what it has charged, the customer pays twice.
 */
export function payments({ isIdempotent }: { readonly isIdempotent: boolean }): Scenario {
  return async world => {
    const charges = new Map<string | null, number>() // the bank: it outlives the worker
    await world.cluster.admin.createTopic({ topic: 'payments', partitions: 2 })
    world.process('worker', async ({ cluster, sleep }) => {
      const consumer = cluster.consumer({
        groupId: 'workers',
        autoOffsetReset: 'earliest',
        valueDeserializer: 'string',
      })
      await consumer.subscribe(['payments'])
      await consumer.run({
        eachRecord: async ({ value }) => {
          if (isIdempotent && charges.has(value)) return
          charges.set(value, (charges.get(value) ?? 0) + 1)
          await sleep(200) // the bank takes its time to answer
        },
      })
    })
    world.invariant(() => {
      for (const [payment, times] of charges) {
        if (times > 1) throw new Error(`payment ${payment} was charged ${times} times`)
      }
    })
    const producer = world.cluster.producer()
    for (let payment = 1; payment <= 8; payment++) {
      await producer.send({ topic: 'payments', messages: [{ value: String(payment) }] })
      await world.sleep(1_000)
    }
    await world.eventually(() => charges.size === 8)
  }
}

/**
 * A relay publishes the rows of a database table, three at a time, and commits that they are
 * published: before the broker has acknowledged them, which loses rows, or after, which may publish
 * a row twice.
 */
export function outbox({ commits }: { readonly commits: 'before' | 'after' }): Scenario {
  return async world => {
    const rows = Array.from({ length: 12 }, (_, id) => ({ id, isPublished: false })) // the database
    const next = () => rows.filter(({ isPublished }) => !isPublished).slice(0, 3)
    const commit = (done: typeof rows): void => done.forEach(row => (row.isPublished = true))
    await world.cluster.admin.createTopic({ topic: 'events' })
    world.process('relay', async ({ cluster, sleep }) => {
      const producer = cluster.producer()
      for (let taken = next(); taken.length > 0; taken = next()) {
        if (commits === 'before') commit(taken)
        for (const { id } of taken) {
          await producer.send({ topic: 'events', messages: [{ value: String(id) }] })
          await sleep(1_000)
        }
        commit(taken)
      }
    })
    const published = new Set<string | null>()
    const consumer = world.cluster.consumer({
      groupId: 'readers',
      autoOffsetReset: 'earliest',
      valueDeserializer: 'string',
    })
    await consumer.subscribe(['events'])
    void consumer.run({ eachRecord: ({ value }) => void published.add(value) })
    await world.eventually(() => published.size === rows.length)
  }
}
