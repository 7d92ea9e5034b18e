/**
 * A consumer's side of its group: finds the coordinator, joins and leaves, commits offsets and
 * reads them back. A coordinator that has moved is looked for again.
 */

import { PartlogError, toPartlogError } from '../model/errors.js'
import type { TopicPartition } from '../model/names.js'
import type { ApiName, Request, Response } from '../protocol/api.js'
import { ANY_NODE, type Channel } from '../protocol/channel.js'
import { GROUP_KEY } from '../protocol/messages/groups.js'
import { errorFrom, throwIfError } from './errors.js'
import { byTopic } from './requests.js'
import { withRetries, type RetryOptions } from './retry.js'

/** An offset as a group keeps it. */
export interface GroupOffset extends TopicPartition {
  /** The next offset to read. */
  readonly offset: number
  readonly metadata: string
  readonly leaderEpoch: number
}

export interface GroupClientOptions {
  readonly channel: Channel
  readonly groupId: string
  readonly clientId: string
  readonly retry: RetryOptions
}

/** Classic group protocol, as Kafka's consumers name it. */
const PROTOCOL_TYPE = 'consumer'
const SESSION_TIMEOUT_MS = 45_000

const COORDINATOR_MOVED = new Set(['NOT_COORDINATOR', 'COORDINATOR_NOT_AVAILABLE'])

export class GroupClient {
  readonly #options: GroupClientOptions
  #coordinator: number | undefined
  /** The coordinator was lost: the next one may not know this member. */
  #hasMoved = false
  #memberId = ''
  #generationId = -1

  constructor(options: GroupClientOptions) {
    this.#options = options
  }

  /** Becomes a member; does nothing when it is one already. */
  async join(): Promise<void> {
    if (this.#memberId !== '') return
    await withRetries(() => this.#join(), this.#options.retry)
  }

  async #join(): Promise<void> {
    const { groupId, clientId } = this.#options
    const response = await this.#ask('JoinGroup', {
      groupId,
      clientId,
      sessionTimeoutMs: SESSION_TIMEOUT_MS,
      memberId: '',
      protocolType: PROTOCOL_TYPE,
      protocols: [{ name: 'range', metadata: new Uint8Array(0) }],
    })
    this.#throwIfError(errorFrom(response, `joining group ${groupId}`))
    this.#memberId = response.memberId
    this.#generationId = response.generationId ?? -1
  }

  /** Stops being a member, if it is one. */
  async leave(): Promise<void> {
    if (this.#memberId === '') return
    const members = [{ memberId: this.#memberId }]
    this.#memberId = ''
    this.#generationId = -1
    await this.#ask('LeaveGroup', { groupId: this.#options.groupId, members })
  }

  /** Commits offsets; resolves when the coordinator has them. Throws the first error. */
  async commit(offsets: readonly GroupOffset[]): Promise<void> {
    if (offsets.length === 0) return
    const isMember = this.#memberId !== ''
    await withRetries(async () => {
      const { groupId } = this.#options
      // The coordinator has moved, and the new one does not know its members yet.
      if (isMember && this.#memberId === '') await this.#join()
      const response = await this.#ask('OffsetCommit', {
        groupId,
        memberId: this.#memberId,
        generationIdOrMemberEpoch: this.#generationId,
        topics: byTopic(offsets, ({ partition, offset, metadata, leaderEpoch }) => ({
          partitionIndex: partition,
          committedOffset: offset,
          committedLeaderEpoch: leaderEpoch,
          committedMetadata: metadata,
        })),
      })
      for (const { name, partitions } of response.topics) {
        for (const answer of partitions) {
          const what = `commit for ${name}-${answer.partitionIndex} in group ${groupId}`
          this.#throwIfError(errorFrom(answer, what))
        }
      }
    }, this.#options.retry)
  }

  /** What the group has committed for these partitions; those without a commit are left out. */
  async committed(partitions: readonly TopicPartition[]): Promise<GroupOffset[]> {
    const { groupId } = this.#options
    return await withRetries(async () => {
      const topics = byTopic(partitions, ({ partition }) => partition).map(topic => ({
        name: topic.name,
        partitionIndexes: topic.partitions,
      }))
      const response = await this.#ask('OffsetFetch', { groups: [{ groupId, topics }] })
      const group = response.groups.find(candidate => candidate.groupId === groupId)
      if (group === undefined) throw new PartlogError('UNKNOWN_SERVER_ERROR', 'no answer')
      const code = { errorCode: group.errorCode ?? 0, errorMessage: group.errorMessage ?? null }
      this.#throwIfError(errorFrom(code, `offsets of group ${groupId}`))
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
    }, this.#options.retry)
  }

  async #ask<A extends ApiName>(api: A, request: Request<A>): Promise<Response<A>> {
    const { channel, retry } = this.#options
    this.#coordinator ??= await withRetries(() => this.#findCoordinator(), retry)
    try {
      return await channel.send(this.#coordinator, api, request)
    } catch (error) {
      this.#coordinator = undefined
      this.#hasMoved = true
      throw toPartlogError(error)
    }
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

  #throwIfError(error: PartlogError | undefined): void {
    if (error === undefined) return
    if (COORDINATOR_MOVED.has(error.code)) {
      this.#coordinator = undefined
      this.#hasMoved = true
    }
    if (error.code !== 'UNKNOWN_MEMBER_ID' || !this.#hasMoved || this.#memberId === '') throw error
    this.#hasMoved = false
    this.#memberId = ''
    this.#generationId = -1
    throw new PartlogError('NOT_COORDINATOR', error.message, { cause: error }) // tried again
  }
}
