/* `partlog topics [TOPIC]`: lists topics, partitions and copies, with their offsets. */

import type { Cluster } from '../cluster/cluster.js'
import type { PartitionView, ReplicaView } from '../cluster/describe.js'
import { DIR_OPTION, JSON_OPTION, show, WATCH_OPTION, type Shown } from './command-options.js'
import { command, toggle } from './command.js'
import { table } from './terminal/table.js'
import { UsageError } from './terminal/usage-error.js'

interface PartitionRow {
  readonly topic: string
  readonly partition: number
  readonly leader: number
  readonly firstOffset: number
  readonly endOffset: number
  readonly records: number
}

export const topicsCommand = command({
  name: 'topics',
  summary: 'Lists topics, or the partitions of one.',
  args: ['[TOPIC]'],
  options: {
    dir: DIR_OPTION,
    internal: toggle('list internal topics, too'),
    describe: toggle('show leader, ISR and every copy of each partition'),
    watch: WATCH_OPTION,
    json: JSON_OPTION,
  },
  examples: ['partlog topics', 'partlog topics orders --json', 'partlog topics --describe --watch'],
  run: async ({ args, options, output }) => {
    const [topic] = args
    if (topic !== undefined && options.internal) {
      throw new UsageError('partlog topics: --internal: not with a TOPIC')
    }
    await show(options, output, async cluster => {
      if (options.describe) return await describeAll(cluster, topic, options)
      if (topic !== undefined) {
        const rows = await partitionRows(cluster, topic)
        return { objects: rows, table: partitionTable(rows) }
      }
      const names = await cluster.admin.listTopics({ includeInternal: options.internal })
      const rows = []
      for (const name of names) rows.push(topicRow(name, await partitionRows(cluster, name)))
      return { objects: rows, table: topicTable(rows) }
    })
    return 0
  },
})

/** One row per copy, to see what replication is doing. */
async function describeAll(
  cluster: Cluster,
  topic: string | undefined,
  { internal }: { readonly internal: boolean },
): Promise<Shown> {
  if (topic !== undefined) await cluster.admin.describeTopic(topic) // throws if it does not exist
  const { topics } = cluster.describe()
  const wanted = topics.filter(each =>
    topic === undefined ? internal || !each.isInternal : each.topic === topic,
  )
  const rows = wanted.flatMap(({ topic: name, partitions }) =>
    partitions.flatMap(({ copies, ...partition }) =>
      copies.map(copy => ({ topic: name, ...partition, ...copy })),
    ),
  )
  return { objects: rows, table: copyTable(rows) }
}

type CopyRow = Omit<PartitionView, 'copies'> & ReplicaView & { readonly topic: string }

function copyTable(rows: readonly CopyRow[]): string {
  return table(
    ['PARTITION', 'LEADER', 'EPOCH', 'ISR', 'BROKER', 'STATE', 'FIRST', 'COMMITTED', 'END'],
    rows.map(each => [
      `${each.topic}-${each.partition}`,
      each.leader < 0 ? 'none' : each.leader,
      each.leaderEpoch,
      each.isr.join(','),
      each.broker,
      each.state,
      each.logStartOffset,
      each.highWatermark,
      each.logEndOffset,
    ]),
  )
}

async function partitionRows(cluster: Cluster, topic: string): Promise<PartitionRow[]> {
  const { partitions } = await cluster.admin.describeTopic(topic)
  const first = await cluster.admin.listOffsets(topic, 'earliest')
  const end = await cluster.admin.listOffsets(topic, 'latest')
  return partitions.map(({ partition, leader }, index) => {
    const firstOffset = first[index]?.offset ?? 0
    const endOffset = end[index]?.offset ?? 0
    return { topic, partition, leader, firstOffset, endOffset, records: endOffset - firstOffset }
  })
}

function topicRow(topic: string, partitions: readonly PartitionRow[]) {
  const records = partitions.reduce((sum, each) => sum + each.records, 0)
  return { topic, partitions: partitions.length, records }
}

function topicTable(rows: readonly ReturnType<typeof topicRow>[]): string {
  return table(
    ['TOPIC', 'PARTITIONS', 'RECORDS'],
    rows.map(({ topic, partitions, records }) => [topic, partitions, records]),
  )
}

function partitionTable(rows: readonly PartitionRow[]): string {
  return table(
    ['PARTITION', 'LEADER', 'FIRST', 'END', 'RECORDS'],
    rows.map(each => [each.partition, each.leader, each.firstOffset, each.endOffset, each.records]),
  )
}
