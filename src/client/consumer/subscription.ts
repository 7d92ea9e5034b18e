/* What a consumer subscribes to: topics by name, or every topic whose name matches. */

import { checkTopicName } from '../../model/names.js'
import { ANY_NODE, type Channel } from '../../protocol/channel.js'
import { invalidArgument } from '../line/client-arguments.js'
import type { MetadataCache } from '../line/metadata-cache.js'

export type TopicsWanted = readonly string[] | RegExp

/** Returns the names without duplicates, or the pattern without state. Throws INVALID_ARGUMENT. */
export function checkedTopics(given: unknown): TopicsWanted {
  if (given instanceof RegExp) return new RegExp(given.source, given.flags.replace(/[gy]/g, ''))
  if (!Array.isArray(given)) throw invalidArgument('topics', 'an array or a pattern', given)
  for (const topic of given) checkTopicName(topic)
  return [...new Set(given as readonly string[])]
}

export interface SubscriptionContext {
  readonly channel: Channel
  readonly metadata: MetadataCache
}

/**
 * The topics at present, sorted. Named topics that do not exist are created if allowed; otherwise
 * it throws. A pattern creates none.
 */
export async function topicsToSubscribe(
  wanted: TopicsWanted,
  mayCreate: boolean,
  { channel, metadata }: SubscriptionContext,
): Promise<string[]> {
  if (wanted instanceof RegExp) return await matching(wanted, channel)
  for (const topic of wanted) await metadata.refresh(topic, { mayCreate })
  return [...wanted].sort()
}

/** The same for later refreshes: the name of a deleted topic stays subscribed. */
export async function topicsSubscribed(wanted: TopicsWanted, channel: Channel): Promise<string[]> {
  return wanted instanceof RegExp ? await matching(wanted, channel) : [...wanted].sort()
}

async function matching(pattern: RegExp, channel: Channel): Promise<string[]> {
  const { topics } = await channel.send(ANY_NODE, 'Metadata', { topics: null })
  return topics
    .filter(({ name, isInternal = false }) => !isInternal && name !== null && pattern.test(name))
    .map(({ name }) => name as string)
    .sort()
}
