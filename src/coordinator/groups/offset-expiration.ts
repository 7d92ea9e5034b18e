/**
 * When committed offsets end (Kafka's OffsetMetadataManager, KIP-211): some time after their group
 * has become empty; those of a group that lives, when it has not subscribed to their topic for as
 * long. Pure.
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

/** Which offsets of a group have ended; undefined for a group that nobody ever joined. */
export function expirationOf(
  membership: Membership | undefined,
  { now, retentionMs }: ExpirationRules,
): (offset: CommittedOffset) => boolean {
  const baseOf = baseIn(membership)
  return offset => {
    const since = baseOf(offset)
    if (since === undefined) return false
    return offset.expiresAt >= 0 ? now >= offset.expiresAt : now - since >= retentionMs
  }
}

/** From when on it counts; undefined: it is in use. */
function baseIn(
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

/** When a commit ends whose client has said how long it is kept; −1 when it has not. */
export function expiryOf(committedAt: Timestamp, retentionTimeMs: number): Timestamp {
  if (retentionTimeMs === NONE) return NONE
  return Math.min(committedAt + retentionTimeMs, Number.MAX_SAFE_INTEGER)
}
