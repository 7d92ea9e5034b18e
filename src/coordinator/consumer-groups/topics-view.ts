/* What a coordinator of groups knows about topics: the broker shows it its metadata. */

import { halfSipHash, type HashKey } from '../../base/half-siphash.js'
import { namePattern } from '../../model/name-patterns.js'

export interface KnownTopic {
  readonly name: string
  readonly topicId: string
  readonly partitionCount: number
}

/** The topics as they are now. */
export interface TopicsView {
  /** Another number when topics or partitions have come or gone. */
  readonly version: number
  find(name: string): KnownTopic | undefined
  findById(topicId: string): KnownTopic | undefined
  /** The names of all topics that a subscription by expression may find. */
  readonly names: Iterable<string>
}

/** Knows no topic. */
export const NO_TOPICS: TopicsView = {
  version: 0,
  find: () => undefined,
  findById: () => undefined,
  names: [],
}

/** Those of the names that are topics. */
export function topicsNamed(view: TopicsView, names: Iterable<string>): KnownTopic[] {
  return [...names].flatMap(name => view.find(name) ?? [])
}

/** The names that an expression matches, sorted. Throws INVALID_REGULAR_EXPRESSION. */
export function namesMatching(text: string, names: Iterable<string>): string[] {
  const pattern = namePattern(text, 'SubscribedTopicRegex')
  return [...names].filter(name => pattern.test(name)).sort()
}

/** The digest of no topics. */
export const NO_DIGEST = '0000000000000000'
const KEY: HashKey = [0x70617274, 0x6c6f6721]

/**
 * A digest of topics, as 16 hexadecimal digits: it changes when one of them appears, is deleted,
 * is made anew or gets partitions. Kafka keeps such a digest by another rule, and compares it only
 * with its own.
 */
export function digestOf(topics: readonly KnownTopic[]): string {
  if (topics.length === 0) return NO_DIGEST
  const lines = topics.map(({ name, topicId, partitionCount }) => {
    return `${name} ${topicId} ${partitionCount}`
  })
  const bytes = Buffer.from(lines.sort().join('\n'))
  const words = new Int32Array(2)
  halfSipHash(KEY, bytes, { start: 0, end: bytes.length }, { words, at: 0 })
  return Buffer.from(words.buffer).toString('hex')
}
