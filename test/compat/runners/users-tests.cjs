/**
 * What a user's unit tests look like, for any runner: each is a name and a function that fails by
 * throwing. It asks only for partlog, as this runner imports it.
 */

'use strict'

const assert = require('node:assert/strict')
const { mkdtempSync, rmSync } = require('node:fs')
const { tmpdir } = require('node:os')
const { join } = require('node:path')
const { Kafka, logLevel } = require('kafkajs')

const MESSAGES = Array.from({ length: 10 }, (_, n) => ({ key: `k${n}`, value: `order ${n}` }))
const VALUES = MESSAGES.map(({ value }) => value)

exports.usersTests = ({ Cluster, isPartlogError, virtualClock }) => ({
  'kafkajs without a port: a group that reads what is sent': async () => {
    const cluster = await Cluster.memory({ brokers: 3 })
    const { bootstrap: brokers, socketFactory } = cluster
    const kafka = new Kafka({ brokers, socketFactory, logLevel: logLevel.NOTHING })
    const producer = kafka.producer()
    const consumer = kafka.consumer({ groupId: 'billing', maxWaitTimeInMs: 100 })
    await producer.connect()
    await producer.send({ topic: 'orders', messages: MESSAGES })
    await consumer.connect()
    await consumer.subscribe({ topic: 'orders', fromBeginning: true })
    const seen = []
    const all = new Promise(resolve => {
      const eachMessage = async ({ message }) => {
        if (seen.push(message.value.toString()) === MESSAGES.length) resolve()
      }
      consumer.run({ eachMessage })
    })
    await all
    assert.deepEqual(seen.sort(), VALUES)
    await consumer.disconnect()
    await producer.disconnect()
    await cluster.until({ group: 'billing', lag: 0 })
    await cluster.close()
  },

  'our own clients, in a folder that is opened again': async () => {
    const dir = mkdtempSync(join(tmpdir(), 'partlog-runner-'))
    const first = await Cluster.open({ dir })
    await first.producer().send({ topic: 'orders', messages: MESSAGES })
    await first.close()
    const cluster = await Cluster.open({ dir })
    const consumer = cluster.consumer({
      groupId: 'billing',
      autoOffsetReset: 'earliest',
      valueDeserializer: 'string',
    })
    await consumer.subscribe(['orders'])
    const seen = []
    for await (const { value } of consumer) {
      if (seen.push(value) === MESSAGES.length) break
    }
    assert.deepEqual(seen.sort(), VALUES)
    await cluster.close()
    rmSync(dir, { recursive: true })
  },

  'errors are told apart by their code': async () => {
    const cluster = await Cluster.memory()
    await cluster.admin.createTopic({ topic: 'orders' })
    const again = cluster.admin.createTopic({ topic: 'orders' })
    await assert.rejects(again, error => isPartlogError(error, 'TOPIC_ALREADY_EXISTS'))
    const nowhere = Cluster.open({ dir: __filename })
    await assert.rejects(nowhere, error => isPartlogError(error))
    await cluster.close()
  },

  'time is the test’s own': async () => {
    const clock = virtualClock()
    const cluster = await Cluster.memory({ clock })
    const producer = cluster.producer({ lingerMs: 60_000 })
    const sent = producer.send({ topic: 'orders', messages: MESSAGES })
    await clock.advance(60_000)
    assert.equal((await sent).length, MESSAGES.length)
    await cluster.close()
  },
})
