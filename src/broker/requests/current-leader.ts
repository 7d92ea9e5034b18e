/*
 * The current leader in an answer (KIP-951): a broker that does not lead a partition names the
 * broker that does, so that the client need not ask for metadata first.
 */

import { errorOf, type ErrorCode } from '../../model/errors.js'
import type { BrokerContext, BrokerEndpoint } from '../node/context.js'

/** Errors with which Produce names the current leader. */
export const PRODUCE_LED_ELSEWHERE: readonly ErrorCode[] = ['NOT_LEADER_OR_FOLLOWER']

/** Errors with which Fetch names the current leader. */
export const FETCH_LED_ELSEWHERE: readonly ErrorCode[] = [
  'NOT_LEADER_OR_FOLLOWER',
  'FENCED_LEADER_EPOCH',
]

export interface CurrentLeader {
  readonly leaderId: number
  readonly leaderEpoch: number
}

/** The `currentLeader` field of a partition's answer, if its error is one of `codes`. */
export function currentLeader(
  { controller }: BrokerContext,
  place: { readonly topic: string; readonly partition: number; readonly errorCode: number },
  codes: readonly ErrorCode[],
): { readonly currentLeader?: CurrentLeader } {
  if (place.errorCode === 0 || !codes.includes(errorOf(place.errorCode))) return {}
  const image = controller.image.topics.get(place.topic)?.partitions[place.partition]
  const { leader: leaderId = -1, leaderEpoch = -1 } = image ?? {}
  return { currentLeader: { leaderId, leaderEpoch } }
}

/** Host and port of the leaders that the answers name. */
export function nodeEndpoints(
  { brokers, controller }: BrokerContext,
  answers: Iterable<{ readonly currentLeader?: CurrentLeader }>,
): (BrokerEndpoint & { readonly rack: string | null })[] {
  const leaders = new Set<number>()
  for (const answer of answers) {
    if (answer.currentLeader !== undefined) leaders.add(answer.currentLeader.leaderId)
  }
  return brokers
    .filter(({ nodeId }) => leaders.has(nodeId))
    .map(each => ({ ...each, rack: controller.image.brokers.get(each.nodeId)?.rack ?? null }))
}
