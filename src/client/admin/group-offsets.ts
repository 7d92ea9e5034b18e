/*
 * The committed offsets of groups: lists them with their lag, sets, resets and deletes them.
 *
 * Only a group without members accepts offsets from a client that is not a member. For an active
 * group the members are removed and the offsets committed at the same time: the members join again
 * automatically, normally after the commit. If a member was faster, it is removed again.
 */

import { PartlogError, toPartlogError } from '../../model/errors.js'
import {
  checkGroupId,
  compareTopicPartitions,
  partitionName,
  type TopicPartition,
} from '../../model/names.js'
import { EARLIEST_TIMESTAMP, LATEST_TIMESTAMP } from '../../protocol/messages/offsets.js'
import {
  checkFields,
  checkFlag,
  checkPartitions,
  invalidArgument,
} from '../line/client-arguments.js'
import { noPartition } from '../line/client-errors.js'
import { CoordinatorLine } from '../line/coordinator-line.js'
import { commitOffsets, groupOffset, type GroupOffset } from '../line/offset-commit.js'
import { byTopic } from '../line/requests.js'
import { mayPassIfExists } from '../line/retry.js'
import type { AdminRequests } from './admin-requests.js'
import type {
  DeleteGroupOffsetsRequest,
  GroupDescription,
  GroupLag,
  GroupOffsetListing,
  PartitionLag,
  ResetOffset,
  ResetGroupOffsetsRequest,
  AlterGroupOffsetsRequest,
} from './group-admin-options.js'
import { describeGroup, leaveGroup, leavingMembers } from './group-admin.js'
import { checkNoneTwice, checkReset, resetOffset, resetTime } from './offset-reset.js'

/** The committed offset of a partition. */
interface Committed extends TopicPartition {
  readonly offset: number
  readonly metadata: string
}

type Reader = NonNullable<PartitionLag['member']>

export class GroupOffsets {
  readonly #requests: AdminRequests

  constructor(requests: AdminRequests) {
    this.#requests = requests
  }

  // ── reading ────────────────────────────────────────────────────────────────────────────

  async list(groupId: string): Promise<GroupOffsetListing[]> {
    checkGroupId(groupId)
    const committed = await this.#existing(await this.#committed(this.#lineTo(groupId)))
    const ends = await this.#offsetsOf(committed, LATEST_TIMESTAMP)
    return committed.map((each, index) => {
      const endOffset = ends[index] as number
      return { ...each, endOffset, lag: Math.max(endOffset - each.offset, 0) }
    })
  }

  async lag(groupId: string): Promise<GroupLag> {
    checkGroupId(groupId)
    const line = this.#lineTo(groupId)
    const group = await this.#requests.retrying(() => describeGroup(line))
    const committed = keyed(await this.#committed(line))
    const readers = readersOf(group)
    const all = sortedOnce([...committed.values(), ...readers.values()])
    const ends = await this.#knownEnds(all)
    const partitions = all.map(place => {
      const key = partitionName(place)
      const { offset = null, metadata = '' } = committed.get(key) ?? {}
      const endOffset = ends.get(key) ?? null
      const isKnown = offset !== null && endOffset !== null
      const lag = isKnown ? Math.max(endOffset - offset, 0) : null
      return {
        ...place,
        offset,
        metadata,
        endOffset,
        lag,
        member: readers.get(key)?.member ?? null,
      }
    })
    const totalLag = partitions.reduce((sum, { lag }) => sum + (lag ?? 0), 0)
    return { groupId, state: group.state, partitions, totalLag }
  }

  // ── changing ───────────────────────────────────────────────────────────────────────────

  async set(request: AlterGroupOffsetsRequest): Promise<void> {
    checkFields(request, 'alterGroupOffsets', ['groupId', 'offsets', 'evenIfActive'])
    const { groupId, offsets, evenIfActive = false } = request
    checkGroupId(groupId)
    checkFlag(evenIfActive, 'evenIfActive')
    if (!Array.isArray(offsets)) throw invalidArgument('offsets', 'an array', offsets)
    const wanted = request.offsets.map(groupOffset)
    checkNoneTwice(wanted)
    await this.#checkExist(wanted)
    await this.#commit(this.#lineTo(groupId), wanted, evenIfActive)
  }

  async reset(request: ResetGroupOffsetsRequest): Promise<ResetOffset[]> {
    checkReset(request)
    const { groupId, dryRun = false, evenIfActive = false } = request
    const line = this.#lineTo(groupId)
    const group = await this.#find(line)
    if (group === undefined && namesNothing(request)) throw noGroup(groupId)
    if (!evenIfActive && group !== undefined && group.state !== 'Empty') throw inUse(group)
    const committed = await this.#existing(await this.#committed(line))
    const places = await this.#plan(request, committed)
    const offsets = places.map(each => ({ ...each, metadata: '', leaderEpoch: -1 }))
    if (!dryRun) await this.#commit(line, offsets, evenIfActive)
    return places
  }

  async delete(request: DeleteGroupOffsetsRequest): Promise<void> {
    checkFields(request, 'deleteGroupOffsets', ['groupId', 'partitions'])
    const { groupId, partitions } = request
    checkGroupId(groupId)
    checkPartitions(partitions)
    const line = this.#lineTo(groupId)
    const topics = byTopic(partitions, ({ partition }) => ({ partitionIndex: partition }))
    await this.#requests.retrying(async () => {
      const answer = await line.ask('OffsetDelete', { groupId, topics })
      line.check(answer, `offsets of group ${groupId}`)
      for (const { name, partitions: answers } of answer.topics) {
        for (const each of answers) {
          line.check(each, `offset of ${name}-${each.partitionIndex} in group ${groupId}`)
        }
      }
    }, mayPassIfExists)
  }

  // ── committing for a group ─────────────────────────────────────────────────────────────

  async #commit(
    line: CoordinatorLine,
    offsets: readonly GroupOffset[],
    evenIfActive: boolean,
  ): Promise<void> {
    if (offsets.length === 0) return
    const attempt = async (): Promise<void> => {
      const group = evenIfActive ? await describedIfAny(line) : undefined
      const gone = group === undefined ? undefined : leaveGroup(line, leavingMembers(group))
      // Not in sequence: a removed member must not join again before the commit.
      const [committed] = await Promise.allSettled([commitOffsets(line, offsets), gone])
      if (committed.status === 'rejected') throw committed.reason
    }
    const wasFaster = (error: PartlogError): boolean => error.code === 'UNKNOWN_MEMBER_ID'
    const isRetriable = (error: PartlogError): boolean =>
      error.retriable || (evenIfActive && wasFaster(error))
    try {
      await this.#requests.retrying(attempt, isRetriable)
    } catch (thrown) {
      const error = toPartlogError(thrown)
      if (!wasFaster(error)) throw error
      const { groupId } = line
      const sentence = evenIfActive
        ? `members of group ${groupId} joined again faster than the offsets could be committed: ` +
          'close its consumers, or try again'
        : activeSentence(`group ${groupId} has members`)
      throw new PartlogError('NON_EMPTY_GROUP', sentence, { cause: error })
    }
  }

  // ── targets ────────────────────────────────────────────────────────────────────────────

  async #plan(
    request: ResetGroupOffsetsRequest,
    committed: readonly Committed[],
  ): Promise<ResetOffset[]> {
    const wanted = await this.#wanted(request, committed)
    const time = resetTime(request.to)
    const starts = await this.#offsetsOf(wanted, EARLIEST_TIMESTAMP)
    const ends = await this.#offsetsOf(wanted, LATEST_TIMESTAMP)
    const times = time === undefined ? [] : await this.#offsetsOf(wanted, time)
    const known = keyed(committed)
    return wanted.map((place, index) =>
      resetOffset(request.to, {
        ...place,
        start: starts[index] as number,
        end: ends[index] as number,
        atTime: times[index] ?? -1,
        committed: known.get(partitionName(place))?.offset ?? null,
      }),
    )
  }

  /** Each partition once, sorted. Throws UNKNOWN_TOPIC_OR_PARTITION. */
  async #wanted(
    request: ResetGroupOffsetsRequest,
    committed: readonly Committed[],
  ): Promise<TopicPartition[]> {
    const { topics = [], partitions = [], to } = request
    const named = typeof to === 'object' && 'offsets' in to ? to.offsets : partitions
    const given = namesNothing(request) ? committed : named
    const known = await this.#requests.topics([...topics, ...given.map(({ topic }) => topic)])
    checkAmong(known, given)
    const ofTopics = topics.flatMap(topic => {
      const found = known.get(topic)
      if (found === undefined) throw noTopic(topic)
      return found.partitions.map(({ partition }) => ({ topic, partition }))
    })
    return sortedOnce([...ofTopics, ...given])
  }

  // ── inside ─────────────────────────────────────────────────────────────────────────────

  #lineTo(groupId: string): CoordinatorLine {
    return new CoordinatorLine(this.#requests.channel, groupId)
  }

  async #find(line: CoordinatorLine): Promise<GroupDescription | undefined> {
    return await this.#requests.retrying(() => describedIfAny(line))
  }

  /** Sorted by topic and partition. */
  async #committed(line: CoordinatorLine): Promise<Committed[]> {
    const committed = await this.#requests.retrying(() => committedBy(line))
    return committed.sort(compareTopicPartitions)
  }

  /** Fails at once when a partition does not exist: waiting does not create it. */
  async #checkExist(partitions: readonly TopicPartition[]): Promise<void> {
    checkAmong(await this.#requests.topics(partitions.map(({ topic }) => topic)), partitions)
  }

  /** Leaves out deleted topics: their committed offsets are about to be deleted, too. */
  async #existing<T extends TopicPartition>(places: readonly T[]): Promise<T[]> {
    const topics = await this.#requests.topics(places.map(({ topic }) => topic))
    return places.filter(
      ({ topic, partition }) => topics.get(topic)?.partitions[partition] !== undefined,
    )
  }

  async #offsetsOf(partitions: readonly TopicPartition[], timestamp: number): Promise<number[]> {
    const queries = partitions.map(({ topic, partition }) => ({ topic, partition, timestamp }))
    return (await this.#requests.listOffsets(queries)).map(({ offset }) => offset)
  }

  /** Leaves out partitions that have no leader or do not exist, so that the rest can be shown. */
  async #knownEnds(partitions: readonly TopicPartition[]): Promise<Map<string, number>> {
    const topics = await this.#requests.topics(partitions.map(({ topic }) => topic))
    const led = partitions.filter(({ topic, partition }) => {
      const leaderId = topics.get(topic)?.partitions[partition]?.leaderId ?? -1
      return leaderId >= 0
    })
    const ends = await this.#offsetsOf(led, LATEST_TIMESTAMP)
    return new Map(led.map((each, index) => [partitionName(each), ends[index] as number]))
  }
}

// ── requests without retries ─────────────────────────────────────────────────────────────

async function describedIfAny(line: CoordinatorLine): Promise<GroupDescription | undefined> {
  try {
    return await describeGroup(line)
  } catch (error) {
    if (toPartlogError(error).code === 'GROUP_ID_NOT_FOUND') return undefined
    throw error
  }
}

async function committedBy(line: CoordinatorLine): Promise<Committed[]> {
  const { groupId } = line
  const { groups } = await line.ask('OffsetFetch', { groups: [{ groupId, topics: null }] })
  const committed = groups.flatMap(({ errorCode = 0, errorMessage = null, topics }) => {
    line.check({ errorCode, errorMessage }, `offsets of group ${groupId}`)
    return topics.flatMap(({ name: topic, partitions }) =>
      partitions.map(({ partitionIndex, committedOffset, metadata }) => ({
        topic,
        partition: partitionIndex,
        offset: committedOffset,
        metadata: metadata ?? '',
      })),
    )
  })
  return committed.sort(compareTopicPartitions)
}

// ── helpers ──────────────────────────────────────────────────────────────────────────────

function keyed<T extends TopicPartition>(places: readonly T[]): Map<string, T> {
  return new Map(places.map(each => [partitionName(each), each]))
}

/** Each partition once. */
function sortedOnce(places: readonly TopicPartition[]): TopicPartition[] {
  const plain = places.map(({ topic, partition }) => ({ topic, partition }))
  return [...keyed(plain).values()].sort(compareTopicPartitions)
}

/** The member that reads each partition. */
function readersOf({
  members,
}: GroupDescription): Map<string, TopicPartition & { member: Reader }> {
  return keyed(
    members.flatMap(({ topics: _topics, partitions, ...member }) =>
      partitions.map(place => ({ ...place, member })),
    ),
  )
}

function namesNothing({ topics, partitions, to }: ResetGroupOffsetsRequest): boolean {
  if (typeof to === 'object' && 'offsets' in to) return false
  return topics === undefined && partitions === undefined
}

function checkAmong(
  topics: Awaited<ReturnType<AdminRequests['topics']>>,
  partitions: readonly TopicPartition[],
): void {
  for (const each of partitions) {
    const topic = topics.get(each.topic)
    if (topic === undefined) throw noTopic(each.topic)
    if (topic.isInternal) {
      const sentence = `topic ${each.topic} is internal: groups cannot commit offsets for it`
      throw new PartlogError('INVALID_TOPIC_EXCEPTION', sentence)
    }
    if (topic.partitions[each.partition] === undefined) throw noPartition(each)
  }
}

function noTopic(topic: string): PartlogError {
  return new PartlogError('UNKNOWN_TOPIC_OR_PARTITION', `topic ${topic} does not exist`)
}

function noGroup(groupId: string): PartlogError {
  return new PartlogError('GROUP_ID_NOT_FOUND', `group ${groupId} does not exist`)
}

function inUse({ groupId, state, members }: GroupDescription): PartlogError {
  const sentence = activeSentence(`group ${groupId} is ${state}, with ${members.length} members`)
  return new PartlogError('NON_EMPTY_GROUP', sentence)
}

function activeSentence(what: string): string {
  return (
    `${what}: close its consumers first, or set evenIfActive: true, which removes them and ` +
    'lets them join again at the new offsets'
  )
}
