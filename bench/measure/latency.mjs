/**
 * partlog: from the send of a record to the hands of a consumer that waits for it. Beside it
 * (`bare`): the same bytes written by `fs.write`, and read again in its callback.
 */

import { closeSync, openSync, read, write } from 'node:fs'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { promisify } from 'node:util'
import { Cluster } from '../../dist/index.js'
import { bytesAt } from '../parts/records.mjs'
import { percentile } from '../parts/stats.mjs'
import { TOPIC } from '../parts/topic.mjs'

/** A batch of one record of 100 bytes. */
const RECORD_BYTES = 168

const READERS = {
  async forAwait(consumer, arrived) {
    for await (const record of consumer) arrived(record)
  },
  eachRecord: (consumer, arrived) => consumer.run({ eachRecord: arrived }),
}

/** The times of `count` records, each sent when the last one has arrived. */
async function delivered(dir, way, count) {
  const cluster = await Cluster.open({ dir, durability: 'process' })
  await cluster.admin.createTopic({ topic: TOPIC })
  const producer = cluster.producer()
  const consumer = cluster.consumer({ autoOffsetReset: 'earliest' })
  await consumer.assign([{ topic: TOPIC, partition: 0 }])
  let arrive
  const reading = READERS[way](consumer, record => arrive(record.offset))
  const times = []
  for (let index = 0; index < count; index++) {
    const arrival = new Promise(resolve => (arrive = resolve))
    const startedAt = performance.now()
    const sent = producer.send({ topic: TOPIC, messages: [{ value: bytesAt(index) }] })
    const offset = await arrival
    times.push((performance.now() - startedAt) * 1_000)
    if (offset !== index) throw new Error(`record ${offset} arrived, ${index} was sent`)
    await sent
    await turn() // the consumer waits again
  }
  await cluster.close()
  await reading
  return times
}

async function bare(dir, count) {
  const fd = openSync(join(dir, 'bare'), 'w+')
  const [writing, reading] = [promisify(write), promisify(read)]
  const bytes = Buffer.alloc(RECORD_BYTES, 'p')
  const target = Buffer.alloc(RECORD_BYTES)
  const times = []
  for (let index = 0; index < count; index++) {
    const startedAt = performance.now()
    await writing(fd, bytes, 0, RECORD_BYTES, index * RECORD_BYTES)
    await reading(fd, target, 0, RECORD_BYTES, index * RECORD_BYTES)
    times.push((performance.now() - startedAt) * 1_000)
    await turn()
  }
  closeSync(fd)
  return times
}

export async function measure({ dir, way, count, warmUp }) {
  const all = way === 'bare' ? bare(dir, warmUp + count) : delivered(dir, way, warmUp + count)
  const times = (await all).slice(warmUp)
  const [us, p90, p99] = [0.5, 0.9, 0.99].map(share => percentile(times, share))
  return { us, p90, p99, modes: p90 / us }
}
