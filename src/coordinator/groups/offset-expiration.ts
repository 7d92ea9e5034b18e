/*
 * When committed offsets expire (Kafka's OffsetMetadataManager, KIP-211): the retention time after
 * their group has become empty, or after the commit if a group with members does not subscribe to
 * their topic. Pure.
 */

import { NONE, type Timestamp } from '../../model/units.js'
import { CONSUMER_PROTOCOL } from '../../protocol/messages/consumer-protocol.js'
import type { CommittedOffset } from './group-journal.js'
import type { Membership } from './membership.js'
import { topicsReadBy } from './subscriptions.js'

export interface ExpirationRules {
  readonly now: Timestamp
  /** offsets.retention.minutes */
  readonly retentionMs: number
}

/** Returns whether an offset has expired. `membership` is undefined if no member ever joined. */
export function expirationOf(
  membership: Membership | undefined,
  { now, retentionMs }: ExpirationRules,
): (offset: CommittedOffset) => boolean {
  const unusedSince = unusedSinceIn(membership)
  return offset => {
    const since = unusedSince(offset)
    if (since === undefined) return false
    return offset.expiresAt >= 0 ? now >= offset.expiresAt : now - since >= retentionMs
  }
}

/** The same for a group with the consumer protocol, which reads these topics. */
export function expirationOfTopics(
  topics: ReadonlySet<string>,
  { now, retentionMs }: ExpirationRules,
): (offset: CommittedOffset) => boolean {
  return ({ topic, committedAt, expiresAt }) => {
    if (topics.has(topic)) return false
    return expiresAt >= 0 ? now >= expiresAt : now - committedAt >= retentionMs
  }
}

/** Since when an offset is unused; undefined when it is in use. */
function unusedSinceIn(
  membership: Membership | undefined,
): (offset: CommittedOffset) => Timestamp | undefined {
  if (membership === undefined || membership.protocolType === null) {
    return ({ committedAt }) => committedAt
  }
  const { state, stateSince, protocolType } = membership
  if (state === 'Empty') return ({ committedAt }) => (stateSince < 0 ? committedAt : stateSince)
  const isKnown = protocolType === CONSUMER_PROTOCOL && state === 'Stable'
  const topics = isKnown ? topicsReadBy(membership) : undefined
  if (topics === undefined) return () => undefined
  return ({ topic, committedAt }) => (topics.has(topic) ? undefined : committedAt)
}

/** When a commit with its own retention time expires; −1 for a commit without one. */
export function expiryOf(committedAt: Timestamp, retentionTimeMs: number): Timestamp {
  if (retentionTimeMs === NONE) return NONE
  return Math.min(committedAt + retentionTimeMs, Number.MAX_SAFE_INTEGER)
}
