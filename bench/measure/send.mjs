/** partlog: one record per send, each sender awaiting before it sends the next. */

import { timedWrites } from '../parts/cluster.mjs'
import { recordsFrom } from '../parts/records.mjs'

export function measure({ senders = 1, kind, ...params }) {
  return timedWrites(params, producer => async (topic, count) => {
    let next = 0
    const sender = async () => {
      while (next < count) await producer.send({ topic, messages: recordsFrom(next++, 1, kind) })
    }
    await Promise.all(Array.from({ length: senders }, sender))
  })
}
