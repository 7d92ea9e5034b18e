/* The events of a cluster as lines of a story. */

import type { ClusterEvents, EventName } from '../../cluster/events.js'
import type { TopicPartition } from '../../model/names.js'

type Words = { readonly [E in EventName]: (event: ClusterEvents[E]) => string }

const nameOf = ({ topic, partition }: TopicPartition): string => `${topic}-${partition}`

const WORDS: Words = {
  leader: event => {
    const { previousLeader, leader, leaderEpoch, isUnclean } = event
    const how = isUnclean ? ', unclean' : ''
    return `${nameOf(event)}: leader ${previousLeader} → ${leader}, epoch ${leaderEpoch}${how}`
  },
  isr: event => `${nameOf(event)}: in sync ${event.previousIsr.join(' ')} → ${event.isr.join(' ')}`,
  truncation: event =>
    `${nameOf(event)}: broker ${event.broker} cuts its log from ${event.fromOffset} ` +
    `to ${event.toOffset}`,
  dataLoss: event => `${nameOf(event)}: [${event.fromOffset}, ${event.toOffset}) is lost`,
  repair: event => `${nameOf(event)}: broker ${event.broker} copies its damaged replica again`,
  rebalance: ({ groupId, generationId, reason, members }) => {
    const shares = members.map(
      ({ clientId, after }) => `; ${clientId} has ${after.map(nameOf).join(' ') || 'nothing'}`,
    )
    return `${groupId}: generation ${generationId}, ${reason}${shares.join('')}`
  },
  sharedGroup: ({ groupId, reason }) => `${groupId}: ${reason}`,
}

export function wordsOf<E extends EventName>(name: E, event: ClusterEvents[E]): string {
  return WORDS[name](event)
}
