/** A child that opens the folder beside its owner, reads the last records of each partition, ends. */

import { Cluster } from '../../dist/index.js'

const LAST = 100
const silent = { debug() {}, info() {}, warn() {}, error() {} }
const cluster = await Cluster.open({ dir: process.argv[2], readOnly: true, logger: silent })
const consumer = cluster.consumer({ maxPollRecords: LAST })
for (const { partition, offset } of await cluster.admin.listOffsets({ topic: 'table', at: 'latest' })) {
  const place = { topic: 'table', partition }
  await consumer.assign([place])
  consumer.seek({ ...place, offset: Math.max(0, offset - LAST) })
  if (offset > 0) await consumer.poll({ timeoutMs: 1_000 })
}
await cluster.close()
