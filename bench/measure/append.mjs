/** partlog: batches of records, `inFlight` sends at a time. */

import { timedWrites } from '../parts/cluster.mjs'
import { recordsFrom } from '../parts/records.mjs'

const BATCH_RECORDS = 1_000

export function measure({ inFlight = 1, batch = BATCH_RECORDS, kind, ...params }) {
  return timedWrites(params, producer => async (topic, count) => {
    let next = 0
    const send = async () => {
      while (next < count) {
        const messages = recordsFrom(next, Math.min(batch, count - next), kind)
        next += messages.length
        await producer.send({ topic, messages })
      }
    }
    await Promise.all(Array.from({ length: inFlight }, send))
  })
}
