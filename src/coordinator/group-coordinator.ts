/**
 * All groups of one partition of `__consumer_offsets`: their committed offsets are folded from that
 * partition's records, and every commit is appended there before it is answered.
 */

import type { Clock } from '../base/clock.js'
import type { Random } from '../base/random.js'
import { uuidHex, randomUuid } from '../base/uuid.js'
import { PartlogError } from '../model/errors.js'
import { checkGroupId, type TopicPartition } from '../model/names.js'
import type { LeaderEpoch, Offset } from '../model/units.js'
import {
  decodeVersioned,
  encodeVersioned,
  kindOf,
  OFFSET_COMMIT_KIND,
  OFFSET_COMMIT_VALUE_VERSION,
  offsetCommitKey,
  offsetCommitValue,
} from '../protocol/messages/group-records.js'
import { Group, type CommittedOffset, type Member } from './group.js'
import type { Journal, JournalRecord } from './journal.js'
import { StateMachine, type Decision, type Fold } from './state-machine.js'

/** Kafka's offset.metadata.max.bytes. */
const METADATA_MAX_BYTES = 4096
const GROUPS_MAX = 100_000

export interface OffsetToCommit extends TopicPartition {
  readonly offset: Offset
  readonly leaderEpoch: LeaderEpoch
  readonly metadata: string
}

export interface CommitRequest {
  readonly groupId: string
  readonly memberId: string
  readonly generationId: number
  readonly offsets: readonly OffsetToCommit[]
}

/** The fold over `__consumer_offsets`. */
export class GroupsState implements Fold {
  readonly #groups = new Map<string, Group>()

  get groups(): IterableIterator<Group> {
    return this.#groups.values()
  }

  find(groupId: string): Group | undefined {
    return this.#groups.get(groupId)
  }

  ensure(groupId: string): Group {
    let group = this.#groups.get(groupId)
    if (group === undefined) this.#groups.set(groupId, (group = new Group(groupId)))
    return group
  }

  /** Throws when this would be one group too many. */
  checkRoomFor(groupId: string): void {
    if (this.#groups.has(groupId) || this.#groups.size < GROUPS_MAX) return
    throw new PartlogError('POLICY_VIOLATION', `a coordinator keeps at most ${GROUPS_MAX} groups`)
  }

  forgetIfEmpty(group: Group): void {
    if (group.isForgotten) this.#groups.delete(group.groupId)
  }

  replay({ key, value }: JournalRecord): void {
    const kind = kindOf(key)
    if (key === null || kind === undefined || kind > OFFSET_COMMIT_KIND) return
    const { group: groupId, topic, partition } = decodeVersioned(offsetCommitKey, key)
    const group = this.ensure(groupId)
    if (value === null) {
      group.drop(topic, partition)
      return this.forgetIfEmpty(group)
    }
    const {
      offset,
      leaderEpoch = -1,
      metadata,
      commitTimestamp: committedAt,
    } = decodeVersioned(offsetCommitValue, value)
    group.keep({ topic, partition, offset, leaderEpoch, metadata, committedAt })
  }
}

export class GroupCoordinator {
  readonly #machine: StateMachine<GroupsState>
  readonly #clock: Clock
  readonly #random: Random

  private constructor(machine: StateMachine<GroupsState>, clock: Clock, random: Random) {
    this.#machine = machine
    this.#clock = clock
    this.#random = random
  }

  static async load(journal: Journal, clock: Clock, random: Random): Promise<GroupCoordinator> {
    const machine = await StateMachine.load(journal, new GroupsState())
    return new GroupCoordinator(machine, clock, random)
  }

  get groups(): IterableIterator<Group> {
    return this.#machine.state.groups
  }

  /** A member joins; without an id it gets one. */
  join(groupId: string, memberId: string, clientId: string, protocolType: string): Member {
    checkGroupId(groupId)
    const { state } = this.#machine
    state.checkRoomFor(groupId)
    const group = state.ensure(groupId)
    const id = memberId === '' ? `${clientId}-${uuidHex(randomUuid(this.#random))}` : memberId
    return group.join(id, clientId, protocolType)
  }

  leave(groupId: string, memberId: string): void {
    const group = this.#machine.state.find(groupId)
    if (group === undefined) {
      throw new PartlogError('UNKNOWN_MEMBER_ID', `group ${groupId} has no member "${memberId}"`)
    }
    group.leave(memberId)
    this.#machine.state.forgetIfEmpty(group)
  }

  /** Commits offsets, all or none; resolves when they are committed in the log. */
  async commit(request: CommitRequest): Promise<void> {
    await this.#machine.run(state => this.#decideCommit(state, request))
  }

  /** What a group has committed, once all of it is committed in the log. */
  async committedOffsets(groupId: string): Promise<readonly CommittedOffset[]> {
    return await this.#machine.run(state => ({
      records: [],
      answer: [...(state.find(groupId)?.offsets ?? [])],
    }))
  }

  /** Takes back every commit for topics that are no more. */
  async forgetTopics(isGone: (topic: string) => boolean): Promise<void> {
    await this.#machine.run(state => {
      const records = [...state.groups].flatMap(group =>
        [...group.offsets]
          .filter(({ topic }) => isGone(topic))
          .map(({ topic, partition }) => ({
            key: keyOf(group.groupId, topic, partition),
            value: null,
          })),
      )
      return { records, answer: undefined }
    })
  }

  #decideCommit(state: GroupsState, request: CommitRequest): Decision<undefined> {
    const { groupId, memberId, generationId, offsets } = request
    checkGroupId(groupId)
    state.checkRoomFor(groupId)
    const group = state.find(groupId) ?? new Group(groupId)
    group.checkCommit(memberId, generationId)
    const commitTimestamp = this.#clock.now()
    const records = offsets.map(({ topic, partition, offset, leaderEpoch, metadata }) => {
      checkMetadata(metadata)
      const value = { offset, leaderEpoch, metadata, commitTimestamp }
      return {
        key: keyOf(groupId, topic, partition),
        value: encodeVersioned(offsetCommitValue, value, OFFSET_COMMIT_VALUE_VERSION),
      }
    })
    return { records, answer: undefined }
  }
}

function keyOf(group: string, topic: string, partition: number): Buffer {
  return encodeVersioned(offsetCommitKey, { group, topic, partition }, OFFSET_COMMIT_KIND)
}

function checkMetadata(metadata: string): void {
  const size = Buffer.byteLength(metadata)
  if (size <= METADATA_MAX_BYTES) return
  throw new PartlogError(
    'OFFSET_METADATA_TOO_LARGE',
    `metadata of a commit: ${size} bytes, at most ${METADATA_MAX_BYTES} are kept`,
  )
}
