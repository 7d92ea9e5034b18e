/** A child: one member of a group on a cluster elsewhere. Notes what it reads in a common file. */

import { appendFileSync, writeSync } from 'node:fs'
import { connect } from '../../dist/index.js'

const { address, member, common, sessionMs } = JSON.parse(process.argv[2])
const say = line => writeSync(1, `${line}\n`)
const silent = { debug() {}, info() {}, warn() {}, error() {} }

const cluster = await connect({ bootstrapServers: address, logger: silent })
const consumer = cluster.consumer({
  groupId: 'g', clientId: member, autoOffsetReset: 'earliest', enableAutoCommit: false,
  sessionTimeoutMs: sessionMs, heartbeatIntervalMs: sessionMs / 5, valueDeserializer: 'string',
  maxPollRecords: 20,
})
await consumer.subscribe(['log'], {
  onPartitionsAssigned: partitions => say(`has ${partitions.length}`),
  onPartitionsLost: partitions => say(`lost ${partitions.length}`),
})
let count = 0
for (;;) {
  try {
    for await (const record of consumer) {
      const { partition, offset, value } = record
      appendFileSync(common, `n ${partition} ${offset} ${value.trimEnd()}\n`)
      say('reads')
      if (++count % 5 === 0) await consumer.commit({ records: [record] })
    }
  } catch (error) {
    say(`refused ${error.code ?? error.stack}`)
  }
}
