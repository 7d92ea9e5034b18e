/* Commits offsets for a group: as a member, or without one while the group has no members. */

import { isPartlogError, type PartlogError } from '../../model/errors.js'
import { checkOffset, type TopicPartition } from '../../model/names.js'
import type { Request } from '../../protocol/api.js'
import { checkText, checkTopicPartition, invalidArgument } from './client-arguments.js'
import type { CoordinatorLine } from './coordinator-line.js'
import { byTopic } from './requests.js'

/** An offset to commit: the next one to read. */
export interface OffsetToCommit extends TopicPartition {
  readonly offset: number
  /** Stored with the offset, up to 4,096 bytes. Default ''. */
  readonly metadata?: string | undefined
  /**
   * The leader epoch of the record before the offset (a record's `leaderEpoch`): a consumer that
   * begins there detects that the log was truncated meanwhile (KIP-320). Default: the epoch that
   * this consumer has read there, otherwise none.
   */
  readonly leaderEpoch?: number | undefined
}

/** An offset as the coordinator stores it. */
export interface GroupOffset extends TopicPartition {
  /** The next offset to read. */
  readonly offset: number
  readonly metadata: string
  /** Leader epoch of the record before it; −1 when unknown. */
  readonly leaderEpoch: number
  /** Id of the topic that was read: the topic may have been recreated. Brokers here compare it. */
  readonly topicId?: string | undefined
}

/** Checks an offset to commit and fills in its defaults. */
export function groupOffset(given: OffsetToCommit): GroupOffset {
  checkTopicPartition(given)
  const { topic, partition, offset, metadata = '', leaderEpoch = -1 } = given
  checkOffset(offset)
  checkText(metadata, 'metadata')
  checkEpoch(leaderEpoch)
  return { topic, partition, offset, metadata, leaderEpoch }
}

/** Checks a leader epoch; −1 means none. */
export function checkEpoch(given: unknown): void {
  if (Number.isSafeInteger(given) && Number(given) >= -1 && Number(given) < 2 ** 31) return
  throw invalidArgument('leaderEpoch', 'a whole number', given)
}

/** An offset that was not committed, and why. */
export interface RefusedOffset {
  readonly offset: GroupOffset
  readonly error: PartlogError
}

/** The member that commits; without one only a group without members accepts the commit. */
export type Committing = Pick<
  Request<'OffsetCommit'>,
  'memberId' | 'generationIdOrMemberEpoch' | 'groupInstanceId'
>

/** Commits without retries. Throws the first error of any partition. */
export async function commitOffsets(
  line: CoordinatorLine,
  offsets: readonly GroupOffset[],
  member: Committing = {},
): Promise<void> {
  const [refused] = await tryCommitOffsets(line, offsets, member)
  if (refused !== undefined) throw refused.error
}

/** Commits without retries. Returns the offsets that were refused; all others are committed. */
export async function tryCommitOffsets(
  line: CoordinatorLine,
  offsets: readonly GroupOffset[],
  member: Committing = {},
): Promise<RefusedOffset[]> {
  const { groupId } = line
  const { topics } = await line.ask('OffsetCommit', {
    groupId,
    ...member,
    topics: byTopic(offsets, ({ partition, offset, metadata, leaderEpoch, topicId = '' }) => ({
      partitionIndex: partition,
      committedOffset: offset,
      committedLeaderEpoch: leaderEpoch,
      committedMetadata: metadata,
      topicId,
    })),
  })
  const refused: RefusedOffset[] = []
  for (const { name, partitions } of topics) {
    for (const answer of partitions) {
      try {
        line.check(answer, `commit for ${name}-${answer.partitionIndex} in group ${groupId}`)
      } catch (error) {
        if (!isPartlogError(error)) throw error
        const isIt = ({ topic, partition }: GroupOffset): boolean =>
          topic === name && partition === answer.partitionIndex
        const offset = offsets.findLast(isIt)
        if (offset !== undefined) refused.push({ offset, error })
      }
    }
  }
  return refused
}
