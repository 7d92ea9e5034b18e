/* A consumer's connection to its group: its identity, and the offsets it commits and fetches. */

import { PartlogError } from '../../model/errors.js'
import type { TopicPartition } from '../../model/names.js'
import type { ApiName, Request, Response } from '../../protocol/api.js'
import type { Channel } from '../../protocol/channel.js'
import type { ErrorFields } from '../line/client-errors.js'
import { CoordinatorLine } from '../line/coordinator-line.js'
import {
  tryCommitOffsets,
  type Committing,
  type GroupOffset,
  type RefusedOffset,
} from '../line/offset-commit.js'
import { byTopic } from '../line/requests.js'
import { withRetries, type RetryOptions } from '../line/retry.js'

/** The identity of a consumer in its group. */
export interface MemberIdentity {
  /** Empty while it is not a member. */
  readonly memberId: string
  readonly generationId: number
}

export const NO_MEMBER: MemberIdentity = { memberId: '', generationId: -1 }

export interface GroupClientOptions {
  readonly channel: Channel
  readonly groupId: string
  readonly groupInstanceId: string | null
  readonly retry: RetryOptions
  /** Whether to wait for offsets that an open transaction commits (read_committed). */
  readonly requireStable?: boolean
  /** Whether the partition is assigned to this consumer now. */
  readonly owns: (partition: TopicPartition) => boolean
  /** Whether the partition exists according to the brokers. */
  readonly exists: (offset: GroupOffset) => Promise<boolean>
}

export class GroupClient {
  readonly #options: GroupClientOptions
  readonly #line: CoordinatorLine
  #identity: MemberIdentity = NO_MEMBER
  #stay = 0
  /** It has subscribed, so it may commit only as a member. */
  isMemberOnly = false

  constructor(options: GroupClientOptions) {
    this.#options = options
    this.#line = new CoordinatorLine(options.channel, options.groupId)
  }

  get identity(): MemberIdentity {
    return this.#identity
  }
  set identity(identity: MemberIdentity) {
    // Without a generation it is out of the group, as far as it knows.
    if (this.#identity.generationId < 0 !== identity.generationId < 0) this.#stay++
    this.#identity = identity
  }

  /**
   * Changes whenever the consumer enters or leaves the group. Records processed in one stay are not
   * committed in another: meanwhile another member may have read further, or an admin may have
   * reset the group's offsets.
   */
  get stay(): number {
    return this.#stay
  }

  get groupId(): string {
    return this.#options.groupId
  }
  get groupInstanceId(): string | null {
    return this.#options.groupInstanceId
  }

  // ── committed offsets ──────────────────────────────────────────────────────────────────

  /**
   * Commits offsets; resolves when the coordinator has stored them, with the offsets of partitions
   * that do not exist any more. Throws the first error. A commit during a rebalance is sent again
   * in the new generation if the partitions are still assigned and `stay` has not changed.
   */
  async commit(offsets: readonly GroupOffset[], stay = this.stay): Promise<GroupOffset[]> {
    const gone: GroupOffset[] = []
    if (offsets.length === 0) return gone
    let left = offsets
    const { generationId: generationAtCall } = this.identity
    let sentAs = this.identity
    const isRetriable = ({ code, retriable }: PartlogError): boolean => {
      if (retriable || code === 'REBALANCE_IN_PROGRESS') return true
      // The next heartbeat tells the epoch that is wanted.
      if (code === 'STALE_MEMBER_EPOCH') return true
      const isOutdated = code === 'ILLEGAL_GENERATION' || code === 'UNKNOWN_MEMBER_ID'
      return isOutdated && this.identity !== sentAs && this.identity.memberId !== ''
    }
    const attempt = async (): Promise<void> => {
      sentAs = this.identity
      if (this.isMemberOnly && sentAs.memberId === '') throw this.#notAMember()
      if (stay !== this.stay) throw this.#wasAway()
      if (sentAs.generationId !== generationAtCall) this.#checkOwned(left)
      const refused = await tryCommitOffsets(this.#line, left, this.#signature)
      const failed: RefusedOffset[] = []
      for (const each of refused) {
        if (await this.#isGone(each)) gone.push(each.offset)
        else failed.push(each)
      }
      left = failed.map(({ offset }) => offset)
      if (failed[0] !== undefined) throw failed[0].error
    }
    await withRetries(attempt, { ...this.#options.retry, isRetriable })
    return gone
  }

  /** The coordinator may not know a new topic yet: another broker is asked, too. */
  async #isGone({ offset, error }: RefusedOffset): Promise<boolean> {
    if (error.code !== 'UNKNOWN_TOPIC_OR_PARTITION') return false
    return !(await this.#options.exists(offset))
  }

  /** The member fields of a commit. */
  get #signature(): Committing {
    const { memberId, generationId: generationIdOrMemberEpoch } = this.identity
    const { groupInstanceId } = memberId === '' ? { groupInstanceId: null } : this
    return { memberId, generationIdOrMemberEpoch, groupInstanceId }
  }

  #checkOwned(offsets: readonly GroupOffset[]): void {
    const foreign = offsets.find(offset => !this.#options.owns(offset))
    if (foreign === undefined) return
    const { topic, partition } = foreign
    const sentence =
      `group ${this.groupId} has rebalanced, and ${topic}-${partition} is no longer assigned to ` +
      'this consumer: another member reads its records since the last commit again'
    throw new PartlogError('ILLEGAL_GENERATION', sentence)
  }

  #wasAway(): PartlogError {
    const sentence =
      `this consumer was out of group ${this.groupId} meanwhile: records it processed before are ` +
      'not committed, because other members may have read further; they may be delivered again'
    return new PartlogError('ILLEGAL_GENERATION', sentence)
  }

  #notAMember(): PartlogError {
    const sentence =
      `this consumer is not a member of group ${this.groupId} at present: ` +
      'wait for ready() before the commit'
    return new PartlogError('UNKNOWN_MEMBER_ID', sentence)
  }

  /** The committed offsets for these partitions; those without a commit are left out. */
  async committed(partitions: readonly TopicPartition[]): Promise<GroupOffset[]> {
    const { groupId, retry, requireStable = false } = this.#options
    return await withRetries(async () => {
      const topics = byTopic(partitions, ({ partition }) => partition).map(topic => ({
        name: topic.name,
        partitionIndexes: topic.partitions,
      }))
      const groups = [{ groupId, topics }]
      const response = await this.ask('OffsetFetch', { groups, requireStable })
      const group = response.groups.find(candidate => candidate.groupId === groupId)
      if (group === undefined) {
        const sentence = `the coordinator's answer does not name group ${groupId}`
        throw new PartlogError('UNKNOWN_SERVER_ERROR', sentence)
      }
      const { errorCode = 0, errorMessage = null } = group
      this.check({ errorCode, errorMessage }, `offsets of group ${groupId}`)
      for (const { name, partitions: answers } of group.topics) {
        for (const { partitionIndex, errorCode: code } of answers) {
          const failed = { errorCode: code, errorMessage: null }
          this.check(failed, `the offset of group ${groupId} for ${name}-${partitionIndex}`)
        }
      }
      return group.topics.flatMap(({ name: topic, partitions: answers }) =>
        answers
          .filter(({ committedOffset }) => committedOffset >= 0)
          .map(answer => ({
            topic,
            partition: answer.partitionIndex,
            offset: answer.committedOffset,
            metadata: answer.metadata ?? '',
            leaderEpoch: answer.committedLeaderEpoch ?? -1,
          })),
      )
    }, retry)
  }

  // ── requests ───────────────────────────────────────────────────────────────────────────

  /** Sends a request to the coordinator, and finds the coordinator first if it is unknown. */
  async ask<A extends ApiName>(
    api: A,
    request: Request<A>,
    signal?: AbortSignal,
  ): Promise<Response<A>> {
    return await this.#line.ask(api, request, signal)
  }

  /** Throws the error of an answer, and forgets the coordinator if the error says it has moved. */
  check(answer: ErrorFields, what: string): void {
    this.#line.check(answer, what)
  }
}
