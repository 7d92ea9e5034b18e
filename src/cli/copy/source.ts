/* A topic in a folder: one copy of each partition, and its settings. */

import type { TopicSettingValue } from '../../client/admin/admin-api.js'
import { Cluster } from '../../cluster/cluster.js'
import { brokerFolder } from '../../log/format/files.js'
import { openLogDirectory } from '../../log/inspection/open-log-directory.js'
import type { PartitionDirectory } from '../../log/inspection/partition-directory.js'
import { isPartlogError } from '../../model/errors.js'

export interface SourceTopic {
  /** The partitions to read, one copy of each. */
  readonly partitions: readonly PartitionDirectory[]
  /** How many partitions the topic has, going by the folders. */
  readonly count: number
  /** All copies of all partitions of all topics in the folder. */
  readonly all: readonly PartitionDirectory[]
}

/** Finds a topic, or only some of its partitions; no partitions if the topic does not exist. */
export async function sourceTopic(
  dir: string,
  topic: string,
  only: readonly number[],
): Promise<SourceTopic> {
  const { partitions: all } = await openLogDirectory(dir)
  const copies = all.filter(each => each.topic === topic)
  const count = copies.reduce((most, each) => Math.max(most, each.partition + 1), 0)
  const wanted = copies.filter(each => only.length === 0 || only.includes(each.partition))
  return { partitions: await oneCopyEach(dir, topic, wanted), count, all }
}

/** With several simulated brokers each partition has several copies: the leader's one is read. */
async function oneCopyEach(
  dir: string,
  topic: string,
  all: readonly PartitionDirectory[],
): Promise<PartitionDirectory[]> {
  const copies = all.filter(each => hasData(each) || !all.some(other => isFullCopy(each, other)))
  const chosen = new Map(copies.map(each => [each.partition, each]))
  if (chosen.size === copies.length) return [...copies]
  for (const { partition, leader } of (await describe(dir, topic))?.partitions ?? []) {
    const copy = copies.find(
      each => each.partition === partition && each.folder.startsWith(`${brokerFolder(leader)}/`),
    )
    if (copy !== undefined) chosen.set(partition, copy)
  }
  return [...chosen.values()]
}

function hasData({ segments }: PartitionDirectory): boolean {
  return segments.length > 0
}

/** Is `other` another copy of the same partition, with data? */
function isFullCopy(copy: PartitionDirectory, other: PartitionDirectory): boolean {
  return copy !== other && copy.partition === other.partition && hasData(other)
}

/** The settings of the topic; undefined for a folder of Kafka, which does not hold them. */
export async function settingsOf(
  dir: string,
  topic: string,
): Promise<readonly TopicSettingValue[] | undefined> {
  return (await describe(dir, topic))?.settings
}

async function describe(dir: string, topic: string) {
  try {
    await using cluster = await Cluster.open({ dir, readOnly: true })
    const { partitions } = await cluster.admin.describeTopic(topic)
    return { partitions, settings: await cluster.admin.describeConfig(topic) }
  } catch (error) {
    if (isPartlogError(error)) return undefined // the records can still be read
    throw error
  }
}
