/* ConsumerGroupHeartbeat and ConsumerGroupDescribe: groups with the consumer protocol (KIP-848). */

import { paced } from '../../base/tasks.js'
import { randomUuid } from '../../base/uuid.js'
import type { HeartbeatAnswer } from '../../coordinator/consumer-groups/consumer-coordinator.js'
import type { ConsumerGroup } from '../../coordinator/consumer-groups/consumer-group.js'
import type { ConsumerHeartbeat } from '../../coordinator/consumer-groups/heartbeat-check.js'
import { listed, type TopicPartitions } from '../../coordinator/consumer-groups/partition-sets.js'
import { preferredAssignor } from '../../coordinator/consumer-groups/server-assignors.js'
import type { GroupCoordinator } from '../../coordinator/groups/group-coordinator.js'
import type {
  ConsumerGroupDescribeRequest,
  ConsumerGroupDescribeResponse,
  ConsumerGroupHeartbeatRequest,
  ConsumerGroupHeartbeatResponse,
} from '../../protocol/messages/consumer-groups.js'
import { errorFields, NO_ERROR } from '../node/answer-errors.js'
import { operationsOn } from '../node/authorized.js'
import type { BrokerContext } from '../node/context.js'
import { holdBeat } from './held-beat.js'

/** A member's type in a description: it uses the consumer protocol. */
const CONSUMER_MEMBER = 1

export async function consumerGroupHeartbeat(
  broker: BrokerContext,
  request: ConsumerGroupHeartbeatRequest,
  signal?: AbortSignal,
): Promise<ConsumerGroupHeartbeatResponse> {
  const { groupId } = request
  const beat = beatOf(broker, request)
  try {
    const coordinator = await broker.groups.of(groupId)
    const answer = await answered(broker, coordinator, { request, beat, signal })
    const { assignment, epoch: memberEpoch, memberId, heartbeatIntervalMs } = answer
    return {
      ...NO_ERROR,
      memberId,
      memberEpoch,
      heartbeatIntervalMs,
      assignment: assignment === null ? null : { topicPartitions: assignment },
    }
  } catch (error) {
    return errorFields(error)
  }
}

function beatOf(
  { random }: BrokerContext,
  request: ConsumerGroupHeartbeatRequest,
): ConsumerHeartbeat {
  const { memberId, memberEpoch: epoch, hasOwnId = true } = request
  const isNameless = memberId === '' && epoch === 0 && !hasOwnId
  return {
    memberId: isNameless ? randomUuid(random) : memberId,
    epoch,
    instanceId: request.instanceId ?? null,
    rackId: request.rackId ?? null,
    clientId: request.clientId ?? '',
    clientHost: request.clientHost ?? '',
    rebalanceTimeoutMs: request.rebalanceTimeoutMs ?? -1,
    topics: request.subscribedTopicNames ?? null,
    pattern: request.subscribedTopicRegex ?? null,
    assignor: request.serverAssignor ?? null,
    owned: request.topicPartitions ?? null,
  }
}

interface HeldHeartbeat {
  readonly request: ConsumerGroupHeartbeatRequest
  readonly beat: ConsumerHeartbeat
  readonly signal: AbortSignal | undefined
}

/** Answers at once if the member has something to do; otherwise it may hold the request. */
async function answered(
  broker: BrokerContext,
  { consumers }: GroupCoordinator,
  { request, beat, signal }: HeldHeartbeat,
): Promise<HeartbeatAnswer> {
  const { groupId, maxWaitMs = 0 } = request
  const { clock } = broker
  const isOutdated = consumers.arrived(groupId, beat.memberId)
  if (maxWaitMs <= 0 || beat.epoch <= 0) return await consumers.heartbeat(groupId, beat)
  const startedAtMs = clock.monotonicMs()
  const prolong = (agoMs: number): void => consumers.prolong(groupId, beat.memberId, agoMs)
  for (;;) {
    const news = consumers.news(groupId)
    let hasNews = false
    const stop = news.watch(() => (hasNews = true))
    const answer = await consumers.heartbeat(groupId, beat).finally(stop)
    const hasWaited = clock.monotonicMs() - startedAtMs >= maxWaitMs
    const isForMember = answer.assignment !== null || answer.epoch !== beat.epoch
    if (isForMember || hasWaited) return answer
    // News that came while the heartbeat was written count at once.
    if (!hasNews) await holdBeat(broker, request, { news, beat: prolong, signal })
    if (signal?.aborted === true || isOutdated()) return answer
  }
}

// ── descriptions ─────────────────────────────────────────────────────────────────────────

type DescribedGroup = ConsumerGroupDescribeResponse['groups'][number]

export async function consumerGroupDescribe(
  broker: BrokerContext,
  { groupIds, includeAuthorizedOperations = false }: ConsumerGroupDescribeRequest,
): Promise<ConsumerGroupDescribeResponse> {
  const groups: DescribedGroup[] = []
  const authorizedOperations = operationsOn('group', includeAuthorizedOperations)
  for await (const groupId of paced(groupIds, broker.clock)) {
    try {
      const group = (await broker.groups.of(groupId)).describeConsumers(groupId)
      groups.push({ ...NO_ERROR, ...described(broker, group), authorizedOperations })
    } catch (error) {
      groups.push({ ...NOTHING_KNOWN, ...errorFields(error), groupId })
    }
  }
  return { groups }
}

const NOTHING_KNOWN = {
  groupState: '',
  groupEpoch: 0,
  assignmentEpoch: 0,
  assignorName: '',
  members: [],
}

function described(broker: BrokerContext, group: ConsumerGroup) {
  const named = (lists: readonly TopicPartitions[]) => ({
    topicPartitions: lists.flatMap(({ topicId, partitions }) => {
      const topicName = broker.controller.image.topicById(topicId)?.name
      return topicName === undefined ? [] : { topicId, topicName, partitions }
    }),
  })
  return {
    groupId: group.groupId,
    groupState: group.state,
    groupEpoch: group.epoch,
    assignmentEpoch: group.assignmentEpoch,
    assignorName: preferredAssignor(group.members.values()).name,
    members: [...group.members.values()].map(member => ({
      memberId: member.memberId,
      instanceId: member.instanceId,
      rackId: member.rackId,
      memberEpoch: member.epoch,
      clientId: member.clientId,
      clientHost: member.clientHost,
      subscribedTopicNames: member.topics,
      subscribedTopicRegex: member.pattern === '' ? null : member.pattern,
      assignment: named(listed(member.assigned)),
      targetAssignment: named(listed(group.targetOf(member.memberId))),
      memberType: CONSUMER_MEMBER,
    })),
  }
}
