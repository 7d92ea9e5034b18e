/** Commits offsets for a group: as a member of it, or, while it has none, as nobody. */

import { isPartlogError, type PartlogError } from '../../model/errors.js'
import { checkOffset, type TopicPartition } from '../../model/names.js'
import type { Request } from '../../protocol/api.js'
import { checkText, checkTopicPartition, invalidArgument } from './client-arguments.js'
import type { CoordinatorLine } from './coordinator-line.js'
import { byTopic } from './requests.js'

/** An offset to commit: the next one to read. */
export interface OffsetToCommit extends TopicPartition {
  readonly offset: number
  /** Kept with the offset, up to 4,096 bytes. Default ''. */
  readonly metadata?: string | undefined
  /**
   * The leader epoch of the record before (a record's `leaderEpoch`): one who begins there notices
   * when the log was cut meanwhile (KIP-320). Default: what this consumer has read, else none.
   */
  readonly leaderEpoch?: number | undefined
}

/** An offset as a group keeps it. */
export interface GroupOffset extends TopicPartition {
  /** The next offset to read. */
  readonly offset: number
  readonly metadata: string
  /** Of the record before it; −1 when that is not known. */
  readonly leaderEpoch: number
  /** Of the topic that was read: another one may have its name by now. Brokers here compare it. */
  readonly topicId?: string | undefined
}

/** One offset as it is committed. */
export function groupOffset(given: OffsetToCommit): GroupOffset {
  checkTopicPartition(given)
  const { topic, partition, offset, metadata = '', leaderEpoch = -1 } = given
  checkOffset(offset)
  checkText(metadata, 'metadata')
  checkEpoch(leaderEpoch)
  return { topic, partition, offset, metadata, leaderEpoch }
}

/** −1 stands for none. */
export function checkEpoch(given: unknown): void {
  if (Number.isSafeInteger(given) && Number(given) >= -1 && Number(given) < 2 ** 31) return
  throw invalidArgument('leaderEpoch', 'a whole number', given)
}

/** An offset that was not committed, and why. */
export interface RefusedOffset {
  readonly offset: GroupOffset
  readonly error: PartlogError
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
  const [refused] = await tryCommitOffsets(line, offsets, member)
  if (refused !== undefined) throw refused.error
}

/** Asks once. Those that are not named in the answer are committed. */
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
