/** What a consumer subscribes to: topics by name, or every topic whose name matches. */

import { checkTopicName } from '../model/names.js'
import { ANY_NODE, type Channel } from '../protocol/channel.js'
import { invalidArgument } from './arguments.js'
import type { MetadataCache } from './metadata-cache.js'

export type TopicsWanted = readonly string[] | RegExp

/** Names, each once, or a pattern without a memory. Throws what is wrong about it. */
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

/** The topics as they are now, sorted. Throws for a name that is not there and may not be made. */
export async function topicsWanted(
  wanted: TopicsWanted,
  { channel, metadata }: SubscriptionContext,
): Promise<string[]> {
  if (wanted instanceof RegExp) return await matching(wanted, channel)
  for (const topic of wanted) await metadata.refresh(topic)
  return [...wanted].sort()
}

async function matching(pattern: RegExp, channel: Channel): Promise<string[]> {
  const { topics } = await channel.send(ANY_NODE, 'Metadata', { topics: null })
  return topics
    .filter(({ name, isInternal = false }) => !isInternal && name !== null && pattern.test(name))
    .map(({ name }) => name as string)
    .sort()
}
