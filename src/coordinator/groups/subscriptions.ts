/** What the members of a group read, if they say so in words that are known here. Pure. */

import {
  CONSUMER_PROTOCOL,
  decodeSubscribedTopics,
} from '../../protocol/messages/consumer-protocol.js'
import type { Membership } from './membership.js'

/** undefined: nobody can tell. */
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

/** Consumers of whom nobody can tell what they read may read anything. */
export function mayRead(membership: Membership | undefined, topic: string): boolean {
  if (membership?.protocolType !== CONSUMER_PROTOCOL) return false
  return topicsReadBy(membership)?.has(topic) ?? true
}
