/* A topic as a request names it: by its name, or by its id in newer versions (KIP-516). */

import { PartlogError } from '../../model/errors.js'
import type { BrokerContext } from './context.js'

export interface TopicKey {
  /** Empty in versions with ids. */
  readonly name?: string
  /** Empty in versions with names. */
  readonly topicId?: string
}

/** The topic's name; '' if no topic has the id. */
export function topicNameOf({ controller }: BrokerContext, key: TopicKey): string {
  const { name = '', topicId = '' } = key
  return name === '' && topicId !== '' ? (controller.image.topicById(topicId)?.name ?? '') : name
}

/** Throws UNKNOWN_TOPIC_ID if the topic is named by an id that no topic has. */
export function checkTopicId(topic: string, { topicId = '' }: TopicKey): void {
  if (topic === '' && topicId !== '') throw unknownTopicId(topicId)
}

export function unknownTopicId(topicId: string): PartlogError {
  return new PartlogError('UNKNOWN_TOPIC_ID', `no topic has the id ${topicId}`)
}
