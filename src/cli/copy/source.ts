/** A topic as it lies in a folder: one copy of each partition, and what the cluster says of it. */

import type { TopicSettingValue } from '../../client/admin/admin-api.js'
import { Cluster } from '../../cluster/cluster.js'
import { brokerFolder } from '../../log/format/files.js'
import { openLogDirectory } from '../../log/inspection/open-log-directory.js'
import type { PartitionDirectory } from '../../log/inspection/partition-directory.js'
import { isPartlogError } from '../../model/errors.js'

export interface SourceTopic {
  /** Those that were asked for, one copy each. */
  readonly partitions: readonly PartitionDirectory[]
  /** How many partitions the topic has, as far as the folder shows it. */
  readonly count: number
  /** All there is in the folder. */
  readonly all: readonly PartitionDirectory[]
}

/** The topic, or only some of its partitions. None of them when the folder does not have it. */
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

/** Several simulated brokers keep a copy each: the one of the leader is the topic. */
async function oneCopyEach(
  dir: string,
  topic: string,
  all: readonly PartitionDirectory[],
): Promise<PartitionDirectory[]> {
  const copies = all.filter(each => isThere(each) || !all.some(other => isCopy(each, other)))
  const chosen = new Map(copies.map(each => [each.partition, each]))
  if (chosen.size === copies.length) return [...copies]
  for (const { partition, leader } of (await lookInto(dir, topic))?.partitions ?? []) {
    const copy = copies.find(
      each => each.partition === partition && each.folder.startsWith(`${brokerFolder(leader)}/`),
    )
    if (copy !== undefined) chosen.set(partition, copy)
  }
  return [...chosen.values()]
}

function isThere({ segments }: PartitionDirectory): boolean {
  return segments.length > 0
}

/** Another copy of the same partition, with something in it. */
function isCopy(copy: PartitionDirectory, other: PartitionDirectory): boolean {
  return copy !== other && copy.partition === other.partition && isThere(other)
}

/** The settings of the topic; undefined for a folder of Kafka, which does not show them. */
export async function settingsOf(
  dir: string,
  topic: string,
): Promise<readonly TopicSettingValue[] | undefined> {
  return (await lookInto(dir, topic))?.settings
}

async function lookInto(dir: string, topic: string) {
  try {
    await using cluster = await Cluster.open({ dir, readOnly: true })
    const { partitions } = await cluster.admin.describeTopic(topic)
    return { partitions, settings: await cluster.admin.describeConfig(topic) }
  } catch (error) {
    if (isPartlogError(error)) return undefined // the records can be read nevertheless
    throw error
  }
}
