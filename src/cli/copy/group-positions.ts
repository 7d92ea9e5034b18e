/*
 * Committed offsets of groups, carried over with the records of a topic. They are read from the
 * records of `__consumer_offsets`, so the folder may be one of a Kafka broker; and each is
 * committed in the target at the copy of the record that it stands for.
 */

import type { Admin } from '../../client/admin/admin-api.js'
import { isPartlogError } from '../../model/errors.js'
import { OFFSETS_TOPIC, partitionKey } from '../../model/names.js'
import {
  decodeVersioned,
  kindOf,
  OFFSET_COMMIT_KIND,
  offsetCommitKey,
  offsetCommitValue,
} from '../../protocol/messages/group-records.js'
import type { Output } from '../terminal/output.js'
import { sourceTopic } from './source.js'

/** What a group has committed in a partition of the topic. */
export interface GroupPosition {
  readonly group: string
  readonly partition: number
  readonly offset: number
  readonly metadata: string
}

/** The last commits of all groups in a topic, as the folder has them. */
export async function positionsIn(dir: string, topic: string): Promise<GroupPosition[]> {
  const { partitions } = await sourceTopic(dir, OFFSETS_TOPIC, [])
  const found = new Map<string, GroupPosition>()
  for (const each of partitions) {
    for await (const { key, value } of each.records({ isolationLevel: 'read_committed' })) {
      const kind = kindOf(key)
      if (key === null || kind === undefined || kind > OFFSET_COMMIT_KIND) continue
      const name = decodeVersioned(offsetCommitKey, key)
      if (name.topic !== topic) continue
      const { group, partition } = name
      const id = `${partitionKey(topic, partition)} ${group}`
      if (value === null) found.delete(id)
      else {
        const { offset, metadata } = decodeVersioned(offsetCommitValue, value)
        found.set(id, { group, partition, offset, metadata })
      }
    }
  }
  return [...found.values()]
}

/** The offset in the target for a source offset; undefined: nothing of the partition was copied. */
export type TargetOffset = (partition: number, offset: number) => number | undefined

export interface CarriedPositions {
  /** The target topic. */
  readonly topic: string
  readonly positions: readonly GroupPosition[]
  readonly targetOf: TargetOffset
}

/** Commits the positions in the target. False if one group's could not be. */
export async function carryOver(
  admin: Pick<Admin, 'alterGroupOffsets' | 'listOffsets'>,
  { topic, positions, targetOf }: CarriedPositions,
  output: Output,
): Promise<boolean> {
  const ends = await admin.listOffsets(topic)
  const endOf = (partition: number): number =>
    ends.find(each => each.partition === partition)?.offset ?? 0
  const groups = byGroup(positions)
  let carried = 0
  for (const [groupId, own] of groups) {
    const offsets = own.map(({ partition, offset, metadata }) => ({
      topic,
      partition,
      metadata,
      offset: targetOf(partition, offset) ?? endOf(partition),
    }))
    try {
      await admin.alterGroupOffsets({ groupId, offsets })
      carried++
    } catch (error) {
      if (!isPartlogError(error)) throw error
      output.note(`partlog: offsets of group ${groupId} are not carried over: ${error.sentence}`)
    }
  }
  output.note(`partlog: offsets of ${carried} groups are carried over`)
  return carried === groups.size
}

function byGroup(positions: readonly GroupPosition[]): Map<string, GroupPosition[]> {
  const groups = new Map<string, GroupPosition[]>()
  for (const each of positions) groups.set(each.group, [...(groups.get(each.group) ?? []), each])
  return groups
}
