/** Commits offsets for a group: as a member of it, or, while it has none, as nobody. */

import type { TopicPartition } from '../model/names.js'
import type { Request } from '../protocol/api.js'
import type { CoordinatorLine } from './coordinator-line.js'
import { byTopic } from './requests.js'

/** An offset as a group keeps it. */
export interface GroupOffset extends TopicPartition {
  /** The next offset to read. */
  readonly offset: number
  readonly metadata: string
  readonly leaderEpoch: number
}

/** As whom; without it as nobody, which only a group without members allows. */
export type Committing = Pick<
  Request<'OffsetCommit'>,
  'memberId' | 'generationIdOrMemberEpoch' | 'groupInstanceId'
>

/** Asks once. Throws the first error of any partition. */
export async function commitOffsets(
  line: CoordinatorLine,
  offsets: readonly GroupOffset[],
  member: Committing = {},
): Promise<void> {
  const { groupId } = line
  const { topics } = await line.ask('OffsetCommit', {
    groupId,
    ...member,
    topics: byTopic(offsets, ({ partition, offset, metadata, leaderEpoch }) => ({
      partitionIndex: partition,
      committedOffset: offset,
      committedLeaderEpoch: leaderEpoch,
      committedMetadata: metadata,
    })),
  })
  for (const { name, partitions } of topics) {
    for (const answer of partitions) {
      line.check(answer, `commit for ${name}-${answer.partitionIndex} in group ${groupId}`)
    }
  }
}
