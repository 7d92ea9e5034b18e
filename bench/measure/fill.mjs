/**
 * partlog: fills a folder with `bytes` bytes in `partitions` partitions. Then it closes the folder
 * or, with `stayBusy`, continues to write until it is killed.
 */

import { Cluster } from '../../dist/index.js'
import { TOPIC } from '../parts/topic.mjs'

const VALUE = Buffer.alloc(1_000, 'partlog ')
const SEND_RECORDS = 500

export async function measure({ dir, bytes, partitions, stayBusy }) {
  const cluster = await Cluster.open({ dir })
  await cluster.admin.createTopic({ topic: TOPIC, partitions })
  const producer = cluster.producer()
  let partition = 0
  const send = () => {
    partition = (partition + 1) % partitions
    const messages = Array.from({ length: records }, () => ({ value: VALUE, partition }))
    return producer.send({ topic: TOPIC, messages })
  }
  const records = Math.min(SEND_RECORDS, Math.ceil(bytes / partitions / VALUE.length))
  for (let written = 0; written < bytes; written += records * VALUE.length) await send()
  if (stayBusy) {
    process.send('busy')
    for (;;) await send()
  }
  await cluster.close()
  return {}
}
