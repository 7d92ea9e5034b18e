/** A cluster that commands reach by TCP, and records to compare on both sides. */

import { onTestFinished } from 'vitest'
import {
  Cluster,
  openLogDirectory,
  seededRandom,
  type Message,
  type ClusterOptions,
} from '../../src/index.js'

/** The cluster elsewhere: in this process, behind a port. */
export async function elsewhere(options: ClusterOptions = {}) {
  const cluster = await Cluster.memory({ autoCreateTopics: false, ...options })
  onTestFinished(() => cluster.close())
  const { bootstrap } = await cluster.listen({ port: 0 })
  const at = (topic: string): string => `kafka://${bootstrap.join(',')}/${topic}`
  return { cluster, at }
}

/** Everything that may get lost on the way: bytes, nulls, headers, times out of order. */
export function oddMessages(count: number, partitions: number): Message[] {
  const random = seededRandom(7)
  return Array.from({ length: count }, (_, n) => ({
    partition: random.int(partitions),
    timestamp: 1_600_000_000_000 + random.int(1_000_000),
    key: n % 3 === 0 ? null : random.bytes(random.int(4)),
    value: n % 7 === 0 ? null : Buffer.from(`${n} ${'x'.repeat(random.int(200))}`),
    headers:
      n % 5 === 0
        ? [
            ['n', String(n)],
            ['n', null],
            ['', random.bytes(3)],
          ]
        : [],
  }))
}

export interface PlainRecord {
  readonly partition: number
  readonly offset: number
  readonly timestamp: number
  readonly key: string | null
  readonly value: string | null
  readonly headers: readonly (readonly [string, string | null])[]
}

interface AnyRecord {
  readonly partition: number
  readonly offset: number
  readonly timestamp: number
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: readonly { readonly key: string; readonly value: Uint8Array | null }[]
}

const hex = (bytes: Uint8Array | null): string | null =>
  bytes === null ? null : Buffer.from(bytes).toString('hex')

function plain({ partition, offset, timestamp, key, value, headers }: AnyRecord): PlainRecord {
  const pairs = headers.map(header => [header.key, hex(header.value)] as const)
  return { partition, offset, timestamp, key: hex(key), value: hex(value), headers: pairs }
}

/** All records of a topic, partition after partition. */
export async function recordsOf(cluster: Cluster, topic: string): Promise<PlainRecord[]> {
  await using consumer = cluster.consumer({ autoOffsetReset: 'earliest' })
  const { partitions } = await cluster.admin.describeTopic(topic)
  const assigned = partitions.map(({ partition }) => ({ topic, partition }))
  await consumer.assign(assigned)
  const ends = await consumer.endOffsets(assigned)
  const records: PlainRecord[] = []
  for (const { offset, ...partition } of ends) {
    while ((await consumer.position(partition)) < offset) {
      records.push(...(await consumer.poll()).map(plain))
    }
  }
  return records.sort((a, b) => a.partition - b.partition || a.offset - b.offset)
}

/** All records of a topic as they lie in a folder, partition after partition. */
export async function storedRecords(dir: string, topic: string): Promise<PlainRecord[]> {
  const { partitions } = await openLogDirectory(dir)
  const records: PlainRecord[] = []
  for (const each of partitions.filter(candidate => candidate.topic === topic)) {
    for await (const record of each.records()) records.push(plain(record))
  }
  return records
}

/** How many records a folder has of a topic; none when it is not there yet. */
export async function storedCount(dir: string, topic: string): Promise<number> {
  return await storedRecords(dir, topic).then(
    records => records.length,
    () => 0,
  )
}
