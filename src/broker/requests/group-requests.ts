/*
 * FindCoordinator (v4–v6), JoinGroup, SyncGroup, Heartbeat and LeaveGroup. The broker that leads a
 * group's partition of `__consumer_offsets` coordinates it.
 */

import { paced } from '../../base/tasks.js'
import { MemberIdRequired } from '../../coordinator/groups/member.js'
import { checkTransactionalId } from '../../coordinator/transactions/transaction-coordinator.js'
import { isPartlogError, PartlogError } from '../../model/errors.js'
import {
  GROUP_KEY,
  TRANSACTION_KEY,
  type FindCoordinatorRequest,
  type FindCoordinatorResponse,
  type HeartbeatRequest,
  type HeartbeatResponse,
  type JoinGroupRequest,
  type JoinGroupResponse,
  type LeaveGroupRequest,
  type LeaveGroupResponse,
  type SyncGroupRequest,
  type SyncGroupResponse,
} from '../../protocol/messages/groups.js'
import { errorFields, NO_ERROR } from '../node/answer-errors.js'
import type { BrokerContext } from '../node/context.js'
import { holdBeat } from './held-beat.js'

export async function findCoordinator(
  broker: BrokerContext,
  request: FindCoordinatorRequest,
): Promise<FindCoordinatorResponse> {
  const coordinators: FindCoordinatorResponse['coordinators'][number][] = []
  for await (const key of paced(request.coordinatorKeys, broker.clock)) {
    try {
      const { keyType = GROUP_KEY } = request
      if (keyType === TRANSACTION_KEY) checkTransactionalId(key)
      else if (keyType !== GROUP_KEY) throw noCoordinators(keyType)
      const kind = keyType === TRANSACTION_KEY ? broker.transactions : broker.groups
      const nodeId = await kind.brokerOf(key)
      const { host = '', port = -1 } = broker.brokers.find(each => each.nodeId === nodeId) ?? {}
      // Kafka sends an empty message here, not null.
      coordinators.push({ key, nodeId, host, port, errorCode: 0, errorMessage: '' })
    } catch (error) {
      coordinators.push({ key, nodeId: -1, host: '', port: -1, ...errorFields(error) })
    }
  }
  return { coordinators }
}

function noCoordinators(keyType: number): PartlogError {
  const sentence = `key type ${keyType} is not supported: expected 0 (group) or 1 (transaction)`
  return new PartlogError('INVALID_REQUEST', sentence)
}

export async function joinGroup(
  broker: BrokerContext,
  request: JoinGroupRequest,
): Promise<JoinGroupResponse> {
  const { groupId, groupInstanceId = null, clientId = '', clientHost = '' } = request
  const { sessionTimeoutMs, rebalanceTimeoutMs = -1, requiresMemberId = true } = request
  const { memberId, protocolType, protocols, reason } = request
  try {
    const coordinator = await broker.groups.of(groupId)
    const answer = await coordinator.join(groupId, {
      memberId,
      groupInstanceId,
      clientId,
      clientHost,
      requiresMemberId,
      protocolType,
      protocols,
      sessionTimeoutMs,
      reason: reason ?? '',
      // A member that sends no rebalance time-out (v0) gets its session time-out.
      rebalanceTimeoutMs: rebalanceTimeoutMs < 0 ? sessionTimeoutMs : rebalanceTimeoutMs,
    })
    return { ...NO_ERROR, ...answer }
  } catch (error) {
    const empty = { protocolName: null, leader: '', members: [] }
    return { ...errorFields(error), ...empty, memberId: idAfter(error, memberId) }
  }
}

/** The id with which the member must retry. */
function idAfter(error: unknown, memberId: string): string {
  if (error instanceof MemberIdRequired) return error.memberId
  return isPartlogError(error, 'GROUP_MAX_SIZE_REACHED') ? '' : memberId
}

export async function syncGroup(
  broker: BrokerContext,
  request: SyncGroupRequest,
): Promise<SyncGroupResponse> {
  const { groupId, groupInstanceId = null, protocolType = null, protocolName = null } = request
  try {
    const coordinator = await broker.groups.of(groupId)
    const given = { ...request, groupInstanceId, protocolType, protocolName }
    return { ...NO_ERROR, ...(await coordinator.sync(groupId, given)) }
  } catch (error) {
    return { ...errorFields(error), assignment: new Uint8Array(0) }
  }
}

export async function heartbeat(
  broker: BrokerContext,
  request: HeartbeatRequest,
  signal?: AbortSignal,
): Promise<HeartbeatResponse> {
  const { groupId, memberId, generationId, groupInstanceId = null, maxWaitMs = 0 } = request
  const member = { memberId, generationId, groupInstanceId }
  try {
    const coordinator = await broker.groups.of(groupId)
    coordinator.heartbeat(groupId, member)
    if (maxWaitMs <= 0) return NO_ERROR
    // So that the member learns of a rebalance at once.
    const news = coordinator.news(groupId)
    const beat = (agoMs: number): void => coordinator.heartbeat(groupId, member, agoMs)
    if (news !== undefined) await holdBeat(broker, request, { news, beat, signal })
    if (signal?.aborted !== true) beat(0)
    return NO_ERROR
  } catch (error) {
    return errorFields(error)
  }
}

export async function leaveGroup(
  broker: BrokerContext,
  request: LeaveGroupRequest,
): Promise<LeaveGroupResponse> {
  try {
    const coordinator = await broker.groups.of(request.groupId)
    const leaving = request.members.map(({ memberId, groupInstanceId = null, reason }) => {
      return { memberId, groupInstanceId, reason: reason ?? '' }
    })
    const outcomes = coordinator.leave(request.groupId, leaving)
    const members = leaving.map(({ memberId, groupInstanceId }, index) => {
      const error = outcomes[index]
      const errorCode = error === undefined ? 0 : errorFields(error).errorCode
      return { memberId, groupInstanceId, errorCode }
    })
    return { ...NO_ERROR, members }
  } catch (error) {
    return { ...errorFields(error), members: [] }
  }
}
