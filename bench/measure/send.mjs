/** partlog: one record per send, each sender awaiting before it sends the next. */

import { timedWrites } from '../parts/cluster.mjs'
import { recordAt } from '../parts/records.mjs'

export function measure({ senders = 1, ...params }) {
  return timedWrites(params, producer => async (topic, count) => {
    let next = 0
    const sender = async () => {
      while (next < count) await producer.send({ topic, messages: [recordAt(next++)] })
    }
    await Promise.all(Array.from({ length: senders }, sender))
  })
}
