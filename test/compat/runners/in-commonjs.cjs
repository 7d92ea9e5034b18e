/** By a runner whose `test` is global. */

'use strict'

const partlog = require('../../../dist/index.cjs')
const { usersTests } = require('./users-tests.cjs')

for (const [name, run] of Object.entries(usersTests(partlog))) test(name, run)

test("Jest's own fake timers", async () => {
  for (const clock of [undefined, partlog.virtualClock()]) {
    jest.useFakeTimers()
    try {
      const cluster = await partlog.Cluster.memory(clock === undefined ? {} : { clock })
      const sent = cluster.producer().send({ topic: 'orders', messages: [{ value: 'x' }] })
      expect(await sent).toMatchObject([{ offset: 0 }])
      await cluster.close()
    } finally {
      jest.useRealTimers()
    }
  }
})
