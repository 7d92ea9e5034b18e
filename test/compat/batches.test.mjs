/** kafkajs reads the log files that partlog writes. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CASES, textOf } from './cases.mjs'
import { crcIsRight, decodeAll } from './kafkajs.mjs'
import { logsAfter } from './partlog.mjs'

const messages = CASES.flatMap(({ records }) => records).map(({ key, value, ...rest }) => ({
  ...rest,
  key: textOf(key),
  value: textOf(value),
}))

for (const compression of ['none', 'gzip']) {
  test(`records come out as they went in: ${compression}`, async () => {
    const logs = await logsAfter(async cluster => {
      await cluster.admin.createTopic({
        topic: 'orders',
        partitions: 1,
        config: {
          'segment.bytes': 2 << 20,
          'max.message.bytes': 2 << 20,
          'message.timestamp.after.max.ms': Number.MAX_SAFE_INTEGER,
        },
      })
      const producer = cluster.producer({ compression, maxRequestSize: 2 << 20 })
      for (let at = 0; at < messages.length; at += 7) {
        await producer.send({ topic: 'orders', messages: messages.slice(at, at + 7) })
      }
    })
    const batches = await batchesIn(logs.get('orders-0'))
    assert.ok(batches.length > 40)
    const records = batches.flatMap(each => each.records)
    assert.deepEqual(records.map(textRecord), messages.map(expected))
  })
}

test('log-append time', async () => {
  const before = Date.now()
  const logs = await logsAfter(async cluster => {
    const config = { 'message.timestamp.type': 'LogAppendTime' }
    await cluster.admin.createTopic({ topic: 'orders', partitions: 1, config })
    await cluster.producer().send({
      topic: 'orders',
      messages: [
        { value: 'a', timestamp: 1_000 },
        { value: 'b', timestamp: 2_000 },
      ],
    })
  })
  const [batch] = await batchesIn(logs.get('orders-0'))
  assert.ok(Number(batch.maxTimestamp) >= before)
  for (const { timestamp } of batch.records) assert.equal(timestamp, batch.maxTimestamp)
})

test('what partlog keeps for itself has the form of every log', async () => {
  const logs = await logsAfter(async cluster => {
    await cluster.producer().send({ topic: 'orders', messages: [{ value: 'a' }] })
    const consumer = cluster.consumer({ groupId: 'billing', autoOffsetReset: 'earliest' })
    await consumer.subscribe(['orders'])
    for await (const _ of consumer) break
    await consumer.commit()
  })
  const batches = await batchesIn(logs.get('__consumer_offsets-0'))
  const keys = batches.flatMap(each => each.records).map(({ key }) => key.toString('latin1'))
  assert.ok(keys.some(key => key.includes('billing') && key.includes('orders')))
})

/** The batches of a log: one behind the other, without gaps, each with the right CRC. */
async function batchesIn(log) {
  const batches = await decodeAll(log)
  let next = 0
  for (const { firstOffset, lastOffsetDelta, records } of batches) {
    assert.equal(Number(firstOffset), next)
    next += lastOffsetDelta + 1
    assert.equal(records.length, lastOffsetDelta + 1)
  }
  for (let at = 0; at < log.length; at += log.readInt32BE(at + 8) + 12) {
    assert.ok(crcIsRight(log.subarray(at)), `the CRC of the batch at byte ${at}`)
  }
  return batches
}

/** A record of kafkajs with text for bytes. */
function textRecord({ timestamp, offset, key, value, headers }) {
  const texts = Object.entries(headers).map(([name, content]) => [
    name,
    Array.isArray(content) ? content.map(String) : String(content),
  ])
  return {
    offset: Number(offset),
    timestamp: Number(timestamp),
    key: key?.toString() ?? null,
    value: value?.toString() ?? null,
    headers: Object.fromEntries(texts),
  }
}

function expected({ timestamp, key, value, headers }, offset) {
  return { offset, timestamp, key, value, headers }
}
