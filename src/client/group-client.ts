/**
 * A consumer's line to the coordinator of its group: finds it, commits offsets and reads them back.
 * A coordinator that has moved is looked for again.
 */

import { PartlogError, toPartlogError } from '../model/errors.js'
import type { TopicPartition } from '../model/names.js'
import type { ApiName, Request, Response } from '../protocol/api.js'
import { ANY_NODE, type Channel } from '../protocol/channel.js'
import { GROUP_KEY } from '../protocol/messages/groups.js'
import { errorFrom, throwIfError, type ErrorFields } from './errors.js'
import { byTopic } from './requests.js'
import { withRetries, type RetryOptions } from './retry.js'

/** An offset as a group keeps it. */
export interface GroupOffset extends TopicPartition {
  /** The next offset to read. */
  readonly offset: number
  readonly metadata: string
  readonly leaderEpoch: number
}

/** Who a consumer is in its group. */
export interface MemberIdentity {
  /** Empty: it is no member. */
  readonly memberId: string
  readonly generationId: number
}

export const NO_MEMBER: MemberIdentity = { memberId: '', generationId: -1 }

export interface GroupClientOptions {
  readonly channel: Channel
  readonly groupId: string
  readonly groupInstanceId: string | null
  readonly retry: RetryOptions
  /** Does this consumer read the partition now? */
  readonly owns: (partition: TopicPartition) => boolean
}

const COORDINATOR_MOVED = new Set(['NOT_COORDINATOR', 'COORDINATOR_NOT_AVAILABLE'])

export class GroupClient {
  readonly #options: GroupClientOptions
  #coordinator: number | undefined
  identity: MemberIdentity = NO_MEMBER
  /** It has subscribed: only as a member may it commit. */
  isMemberOnly = false

  constructor(options: GroupClientOptions) {
    this.#options = options
  }

  get groupId(): string {
    return this.#options.groupId
  }
  get groupInstanceId(): string | null {
    return this.#options.groupInstanceId
  }

  // ── committed offsets ──────────────────────────────────────────────────────────────────

  /**
   * Commits offsets; resolves when the coordinator has them. Throws the first error. A commit that
   * meets a rebalance goes through in the new generation, if the partitions are still owned.
   */
  async commit(offsets: readonly GroupOffset[]): Promise<void> {
    if (offsets.length === 0) return
    const { generationId: generationAtCall } = this.identity
    let sentAs = this.identity
    const isRetriable = ({ code, retriable }: PartlogError): boolean => {
      if (retriable || code === 'REBALANCE_IN_PROGRESS') return true
      const isOutdated = code === 'ILLEGAL_GENERATION' || code === 'UNKNOWN_MEMBER_ID'
      return isOutdated && this.identity !== sentAs && this.identity.memberId !== ''
    }
    const attempt = async (): Promise<void> => {
      sentAs = this.identity
      if (sentAs.generationId !== generationAtCall) this.#checkOwned(offsets)
      if (this.isMemberOnly && sentAs.memberId === '') throw this.#notAMember()
      await this.#commitAs(sentAs, offsets)
    }
    await withRetries(attempt, { ...this.#options.retry, isRetriable })
  }

  async #commitAs(identity: MemberIdentity, offsets: readonly GroupOffset[]): Promise<void> {
    const { groupId, groupInstanceId } = this.#options
    const { topics } = await this.ask('OffsetCommit', {
      groupId,
      memberId: identity.memberId,
      generationIdOrMemberEpoch: identity.generationId,
      ...(identity.memberId === '' ? {} : { groupInstanceId }),
      topics: byTopic(offsets, ({ partition, offset, metadata, leaderEpoch }) => ({
        partitionIndex: partition,
        committedOffset: offset,
        committedLeaderEpoch: leaderEpoch,
        committedMetadata: metadata,
      })),
    })
    for (const { name, partitions } of topics) {
      for (const answer of partitions) {
        this.check(answer, `commit for ${name}-${answer.partitionIndex} in group ${groupId}`)
      }
    }
  }

  #checkOwned(offsets: readonly GroupOffset[]): void {
    const foreign = offsets.find(offset => !this.#options.owns(offset))
    if (foreign === undefined) return
    const { topic, partition } = foreign
    const sentence =
      `group ${this.groupId} has rebalanced, and ${topic}-${partition} belongs to this consumer ` +
      'no more: its records since the last commit come again, elsewhere'
    throw new PartlogError('ILLEGAL_GENERATION', sentence)
  }

  #notAMember(): PartlogError {
    const sentence = `this consumer is no member of group ${this.groupId} at present`
    return new PartlogError('UNKNOWN_MEMBER_ID', sentence)
  }

  /** What the group has committed for these partitions; those without a commit are left out. */
  async committed(partitions: readonly TopicPartition[]): Promise<GroupOffset[]> {
    const { groupId, retry } = this.#options
    return await withRetries(async () => {
      const topics = byTopic(partitions, ({ partition }) => partition).map(topic => ({
        name: topic.name,
        partitionIndexes: topic.partitions,
      }))
      const response = await this.ask('OffsetFetch', { groups: [{ groupId, topics }] })
      const group = response.groups.find(candidate => candidate.groupId === groupId)
      if (group === undefined) throw new PartlogError('UNKNOWN_SERVER_ERROR', 'no answer')
      const { errorCode = 0, errorMessage = null } = group
      this.check({ errorCode, errorMessage }, `offsets of group ${groupId}`)
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

  // ── the line ───────────────────────────────────────────────────────────────────────────

  /** Asks the coordinator, which is looked for first if it is not known. */
  async ask<A extends ApiName>(
    api: A,
    request: Request<A>,
    signal?: AbortSignal,
  ): Promise<Response<A>> {
    this.#coordinator ??= await this.#findCoordinator()
    try {
      return await this.#options.channel.send(this.#coordinator, api, request, signal)
    } catch (error) {
      if (signal?.aborted !== true) this.#coordinator = undefined
      throw toPartlogError(error)
    }
  }

  /** Throws the error of an answer; one that says so makes the coordinator be looked for again. */
  check(answer: ErrorFields, what: string): void {
    const error = errorFrom(answer, what)
    if (error === undefined) return
    if (COORDINATOR_MOVED.has(error.code)) this.#coordinator = undefined
    throw error
  }

  async #findCoordinator(): Promise<number> {
    const { channel, groupId } = this.#options
    const { coordinators } = await channel.send(ANY_NODE, 'FindCoordinator', {
      keyType: GROUP_KEY,
      coordinatorKeys: [groupId],
    })
    const found = coordinators.find(({ key }) => key === groupId)
    if (found === undefined) {
      throw new PartlogError('COORDINATOR_NOT_AVAILABLE', `group ${groupId} has no coordinator`)
    }
    throwIfError(found, `the coordinator of group ${groupId}`)
    return found.nodeId
  }
}
