/** kafkajs in a process of its own: sends or reads all records, prints the milliseconds. */

import { createRequire } from 'node:module'
import { join } from 'node:path'
import { Reading, textAt } from '../parts/records.mjs'

const [, , what, words] = process.argv
const { address, topic, records, compat } = JSON.parse(words)
const { Kafka, logLevel, Partitioners } = createRequire(join(compat, 'package.json'))('kafkajs')

const BATCH_RECORDS = 1_000
const WARM_UP = 5

const kafka = new Kafka({ clientId: 'bench', brokers: [address], logLevel: logLevel.ERROR })

/** The first partition alone: what is read has one order. */
async function send() {
  const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner })
  await producer.connect()
  const sendAll = async (partition, count) => {
    for (let start = 0; start < count; start += BATCH_RECORDS) {
      const messages = Array.from({ length: BATCH_RECORDS }, (_, n) => ({
        value: textAt(start + n),
        partition,
      }))
      await producer.send({ topic, messages, acks: -1 })
    }
  }
  await sendAll(1, WARM_UP * BATCH_RECORDS)
  const startedAt = performance.now()
  await sendAll(0, records)
  const ms = performance.now() - startedAt
  await producer.disconnect()
  return ms
}

async function read() {
  const consumer = kafka.consumer({ groupId: `bench-${process.pid}` })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  const reading = new Reading()
  let startedAt
  await new Promise((resolve, reject) => {
    const eachBatch = async ({ batch }) => {
      startedAt ??= performance.now()
      if (batch.partition !== 0) return
      for (const { value } of batch.messages) reading.takeBytes(value)
      if (reading.count >= records) resolve()
    }
    consumer.run({ eachBatch }).catch(reject)
  })
  const ms = performance.now() - startedAt
  reading.finish(records)
  await consumer.disconnect()
  return ms
}

console.log(await { send, read }[what]())
process.exit(0)
