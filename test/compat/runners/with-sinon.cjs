/** sinon's fake timers, which replace all there is: no test runner goes on beside them. */

'use strict'

const assert = require('node:assert/strict')
const FakeTimers = require('@sinonjs/fake-timers')
const { Cluster, virtualClock } = require('../../../dist/index.cjs')

async function session(clock) {
  const cluster = await Cluster.memory(clock === undefined ? {} : { clock })
  await cluster.admin.createTopic({ topic: 'orders', partitions: 2 })
  await cluster.producer().send({ topic: 'orders', messages: [{ value: 'x' }] })
  const consumers = [1, 2].map(() => cluster.consumer({ groupId: 'billing' }))
  await Promise.all(consumers.map(consumer => consumer.subscribe(['orders'])))
  await Promise.all(consumers.map(consumer => consumer.ready()))
  assert.deepEqual(
    consumers.map(consumer => consumer.assignment().length),
    [1, 1],
  )
  await cluster.close()
}

async function main() {
  for (const clock of [undefined, virtualClock()]) {
    const fakes = FakeTimers.install()
    try {
      await session(clock)
    } finally {
      fakes.uninstall()
    }
  }
  console.log('passed')
}

main()
