/**
 * When committed offsets end (Kafka's OffsetMetadataManager, KIP-211): some time after their group
 * has become empty; those of a group that lives, when it has not subscribed to their topic for as
 * long. Pure.
 */

import type { Timestamp } from '../model/units.js'
import { CONSUMER_PROTOCOL } from '../protocol/messages/consumer-protocol.js'
import type { CommittedOffset } from './group-journal.js'
import type { Membership } from './membership.js'

export interface ExpirationRules {
  readonly now: Timestamp
  /** offsets.retention.minutes */
  readonly retentionMs: number
}

export interface GroupLife {
  readonly membership: Membership | undefined
  /** What its members read; undefined when that is not known. */
  readonly topics: ReadonlySet<string> | undefined
}

export function hasExpired(
  offset: CommittedOffset,
  { membership, topics }: GroupLife,
  { now, retentionMs }: ExpirationRules,
): boolean {
  if (offset.expiresAt >= 0) return now >= offset.expiresAt
  const since = baseOf(offset, membership, topics)
  return since !== undefined && now - since >= retentionMs
}

/** From when on it counts; undefined: it is in use. */
function baseOf(
  { topic, committedAt }: CommittedOffset,
  membership: Membership | undefined,
  topics: ReadonlySet<string> | undefined,
): Timestamp | undefined {
  if (membership === undefined || membership.protocolType === null) return committedAt
  const { state, stateSince, protocolType } = membership
  if (state === 'Empty') return stateSince
  const isKnown = protocolType === CONSUMER_PROTOCOL && state === 'Stable'
  if (!isKnown || topics === undefined) return undefined
  return topics.has(topic) ? undefined : committedAt
}
