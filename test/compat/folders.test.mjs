/** What kafkajs writes through partlog, Kafka's tool reads; what a real broker wrote, partlog reads. */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { connect } from './clients/kafkajs.mjs'
import { startBroker } from './kafka/broker.mjs'
import { CLASSPATH, missingKafka } from './kafka/jars.mjs'
import { Cluster, openLogDirectory } from './partlog.mjs'

const TOPIC = 'orders'
const MESSAGES = Array.from({ length: 30 }, (_, n) => ({
  key: `customer-${n % 7}`,
  value: `value-${n}`,
  headers: { trace: `t${n}` },
}))

const skip = process.env.COMPAT_NO_KAFKA ?? missingKafka()
const pairs = records => records.map(({ key, value }) => `${key}=${value}`).sort()

async function produce(place) {
  const client = connect(place)
  await client.createTopic(TOPIC, 2, 1)
  await client.produce(TOPIC, MESSAGES)
  await client.close()
}

test("Kafka's tool reads what kafkajs wrote through partlog", { skip }, async t => {
  const dir = mkdtempSync(join(tmpdir(), 'partlog-compat-'))
  t.after(() => rmSync(dir, { recursive: true, force: true }))
  const cluster = await Cluster.open({ dir })
  await produce(cluster)
  await cluster.close()
  const dumps = [0, 1].map(partition => dump(join(dir, 'broker-1', `${TOPIC}-${partition}`)))
  for (const text of dumps) {
    assert.match(text, /isvalid: true/)
    assert.doesNotMatch(text, /isvalid: false|Found|mismatch/i)
  }
  const found = dumps.flatMap(text => [
    ...text.matchAll(/\| offset: .* key: (\S+) payload: (\S+)/g),
  ])
  assert.deepEqual(pairs(found.map(([, key, value]) => ({ key, value }))), pairs(MESSAGES))
})

/** What DumpLogSegments says of a partition's first segment and its indexes. */
function dump(folder) {
  const files = ['log', 'index', 'timeindex'].map(end => join(folder, `${'0'.repeat(20)}.${end}`))
  const tool = ['kafka.tools.DumpLogSegments', '--deep-iteration', '--print-data-log']
  const args = [...CLASSPATH, ...tool, '--files', files.join(',')]
  const { status, stdout, stderr } = spawnSync('java', args, { encoding: 'utf8' })
  assert.equal(status, 0, stderr)
  return stdout
}

test('partlog reads what kafkajs wrote into a real broker', { skip }, async () => {
  const broker = await startBroker()
  try {
    await produce({ bootstrap: [broker.address] })
    await broker.stop({ remove: false })
    const { partitions } = await openLogDirectory(broker.logs)
    const records = []
    for (const each of partitions) {
      if (each.topic !== TOPIC) continue
      for await (const { key, value, headers, offset } of each.records()) {
        const [header] = headers
        records.push({
          key: textOf(key),
          value: textOf(value),
          offset,
          trace: textOf(header.value),
        })
      }
    }
    assert.deepEqual(pairs(records), pairs(MESSAGES))
    for (const { value, trace } of records) assert.equal(trace, value.replace('value-', 't'))
  } finally {
    broker.remove()
  }
})

const textOf = bytes => Buffer.from(bytes).toString()
