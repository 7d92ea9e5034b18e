/* What a heartbeat must look like, and who sends it (Kafka's GroupMetadataManager). Pure. */

import { PartlogError, type ErrorCode } from '../../model/errors.js'
import {
  AWAY_EPOCH,
  JOINING_EPOCH,
  LEAVING_EPOCH,
} from '../../protocol/messages/consumer-groups.js'
import type { ConsumerGroup } from './consumer-group.js'
import { newMember, type ConsumerMember } from './consumer-member.js'
import { areOwned, type TopicPartitions } from './partition-sets.js'
import { SERVER_ASSIGNORS } from './server-assignors.js'

/** The epochs of members that go. */
const GOING: readonly number[] = [LEAVING_EPOCH, AWAY_EPOCH]

/** A heartbeat; null and −1: as in the one before. */
export interface ConsumerHeartbeat {
  readonly memberId: string
  readonly epoch: number
  readonly instanceId: string | null
  readonly rackId: string | null
  readonly clientId: string
  readonly clientHost: string
  readonly rebalanceTimeoutMs: number
  readonly topics: readonly string[] | null
  readonly pattern: string | null
  readonly assignor: string | null
  /** What the member owns. */
  readonly owned: readonly TopicPartitions[] | null
}

/** Throws INVALID_REQUEST, INVALID_GROUP_ID or UNSUPPORTED_ASSIGNOR. */
export function checkHeartbeat(groupId: string, beat: ConsumerHeartbeat): void {
  checkNotEmpty(groupId, 'GroupId')
  checkNotEmpty(beat.memberId, 'MemberId')
  checkNotEmpty(beat.instanceId, 'InstanceId')
  checkNotEmpty(beat.rackId, 'RackId')
  if (beat.epoch === JOINING_EPOCH) checkJoining(beat)
  if (beat.epoch === AWAY_EPOCH && beat.instanceId === null) {
    throw invalid("InstanceId can't be null.")
  }
  if (beat.epoch < JOINING_EPOCH && !GOING.includes(beat.epoch)) {
    throw invalid(`MemberEpoch is invalid: ${beat.epoch}.`)
  }
  if (beat.assignor === null || SERVER_ASSIGNORS.has(beat.assignor)) return
  const supported = [...SERVER_ASSIGNORS.keys()].join(', ')
  const which = `ServerAssignor ${beat.assignor} is not supported.`
  throw new PartlogError('UNSUPPORTED_ASSIGNOR', `${which} Supported assignors: ${supported}.`)
}

function checkJoining({ rebalanceTimeoutMs, owned, topics, pattern }: ConsumerHeartbeat): void {
  if (rebalanceTimeoutMs === -1) {
    throw invalid('RebalanceTimeoutMs must be provided in first request.')
  }
  if (owned === null || owned.length > 0) {
    throw invalid('TopicPartitions must be empty when (re-)joining.')
  }
  // A client that matches names itself may know of none yet.
  if (topics === null && pattern === null) {
    throw invalid(
      'Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.',
    )
  }
}

function checkNotEmpty(text: string | null, what: string): void {
  if (text === '') throw invalid(`${what} can't be empty.`)
}

function invalid(sentence: string): PartlogError {
  return new PartlogError('INVALID_REQUEST', sentence)
}

/** The member that a heartbeat is from, and the static member whose place it takes. */
export interface Sender {
  readonly member: ConsumerMember
  readonly replaces?: ConsumerMember
}

/**
 * Finds the sender. Throws UNKNOWN_MEMBER_ID, FENCED_MEMBER_EPOCH, FENCED_INSTANCE_ID or
 * UNRELEASED_INSTANCE_ID.
 */
export function senderOf(group: ConsumerGroup, beat: ConsumerHeartbeat): Sender {
  const { memberId, instanceId, epoch } = beat
  if (instanceId === null) {
    const member = group.members.get(memberId)
    if (member === undefined && epoch !== JOINING_EPOCH) throw unknownMember(group, memberId)
    if (member !== undefined) checkEpoch(member, beat)
    return { member: member ?? newMember(memberId) }
  }
  const known = group.staticMember(instanceId)
  if (epoch !== JOINING_EPOCH) {
    const member = staticSender(group, beat)
    checkEpoch(member, beat)
    return { member }
  }
  if (known === undefined) return { member: newMember(memberId) }
  if (known.epoch !== AWAY_EPOCH) {
    const sentence = `instance "${instanceId}" is member "${known.memberId}", not "${memberId}"`
    throw refusal('UNRELEASED_INSTANCE_ID', group, sentence)
  }
  return { member: { ...known, memberId, epoch: 0, previousEpoch: 0 }, replaces: known }
}

/** The member that leaves. Throws UNKNOWN_MEMBER_ID or FENCED_INSTANCE_ID. */
export function leaverOf(group: ConsumerGroup, beat: ConsumerHeartbeat): ConsumerMember {
  if (beat.instanceId !== null) return staticSender(group, beat)
  const member = group.members.get(beat.memberId)
  if (member === undefined) throw unknownMember(group, beat.memberId)
  return member
}

function staticSender(
  group: ConsumerGroup,
  { memberId, instanceId }: Pick<ConsumerHeartbeat, 'memberId' | 'instanceId'>,
): ConsumerMember {
  const known = group.staticMember(instanceId as string)
  if (known === undefined) {
    throw refusal('UNKNOWN_MEMBER_ID', group, `it has no instance "${instanceId}"`)
  }
  if (known.memberId === memberId) return known
  const sentence = `instance "${instanceId}" is "${known.memberId}" now, not "${memberId}"`
  throw refusal('FENCED_INSTANCE_ID', group, sentence)
}

/**
 * A member may be an epoch behind: the answer that told it the new one may be lost. Then it owns
 * nothing that it does not have.
 */
function checkEpoch(member: ConsumerMember, { epoch, owned }: ConsumerHeartbeat): void {
  if (epoch === member.epoch) return
  const isPrevious = epoch < member.epoch && epoch === member.previousEpoch
  if (isPrevious && owned !== null && areOwned(owned, member.assigned)) return
  // A member that joins anew, with epoch 0 and without partitions, has forgotten what it had.
  if (epoch === JOINING_EPOCH) return
  const how = epoch > member.epoch ? 'greater' : 'smaller'
  const sentence =
    `The consumer group member has a ${how} member epoch (${epoch}) than the one known by the ` +
    `group coordinator (${member.epoch}). The member must abandon all its partitions and rejoin.`
  throw new PartlogError('FENCED_MEMBER_EPOCH', sentence)
}

function unknownMember(group: ConsumerGroup, memberId: string): PartlogError {
  return refusal('UNKNOWN_MEMBER_ID', group, `it has no member "${memberId}"`)
}

function refusal(code: ErrorCode, { groupId }: ConsumerGroup, sentence: string): PartlogError {
  return new PartlogError(code, `group ${groupId}: ${sentence}`)
}
