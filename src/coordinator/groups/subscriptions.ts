/* The topics that the members of a group read, if their protocol is the consumers'. Pure. */

import {
  CONSUMER_PROTOCOL,
  decodeSubscribedTopics,
} from '../../protocol/messages/consumer-protocol.js'
import type { Membership } from './membership.js'

/** Returns undefined when the topics are unknown. */
export function topicsReadBy(membership: Membership): ReadonlySet<string> | undefined {
  if (membership.protocolType !== CONSUMER_PROTOCOL) return undefined
  const topics = new Set<string>()
  try {
    for (const member of membership.members) {
      const metadata = member.metadataFor(membership.protocolName)
      for (const topic of decodeSubscribedTopics(metadata)) topics.add(topic)
    }
  } catch {
    return undefined
  }
  return topics
}

/** True if consumers of the group read the topic, or if it is unknown which topics they read. */
export function mayRead(membership: Membership | undefined, topic: string): boolean {
  if (membership?.protocolType !== CONSUMER_PROTOCOL) return false
  return topicsReadBy(membership)?.has(topic) ?? true
}
