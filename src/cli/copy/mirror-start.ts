/** Where a mirror begins to read a partition, so that no record is missing and none comes twice. */

import { ZERO_UUID } from '../../base/uuid.js'
import type { MirrorPosition } from './mirror-positions.js'

/** What is known of a partition before it is mirrored. */
export interface PartitionFacts {
  /** For sentences, e.g. `orders-0`. */
  readonly name: string
  /** undefined: it was never mirrored. */
  readonly position: MirrorPosition | undefined
  /** What the source has: [from, until). */
  readonly source: {
    readonly topic: string
    readonly topicId: string
    readonly from: number
    readonly until: number
  }
  /** Where the copy ends. */
  readonly target: { readonly topicId: string; readonly until: number }
  /** Where a first run begins. Default: with the first record there is. */
  readonly first: number | undefined
  /** Go on behind records that are gone at the source, instead of failing. */
  readonly skipDeleted: boolean
  /** Looks at the source, from its first record on, for the record the copy ends with. */
  readonly findLastCopied: (search: Search) => Promise<number | undefined>
}

export interface Search {
  /** No offset before this one can be that of the record. */
  readonly from: number
  /** It is among so many records. */
  readonly records: number
}

export interface MirrorStart {
  /** The offset to read from. */
  readonly offset: number
  /** So many records from there on are in the copy already. */
  readonly copied: number
}

/** Throws an Error that says what to do when there is no such place. */
export async function startOf(facts: PartitionFacts): Promise<MirrorStart> {
  const { name, position, source, target, first } = facts
  // A copy that was deleted and made again has none of what the position speaks of.
  if (position === undefined || position.target.topicId !== target.topicId) {
    if (target.until > 0) throw new Error(`${name} has records of others: say another --topic`)
    return { offset: within(first ?? source.from, source), copied: 0 }
  }
  checkSameSource(name, position.source, source)
  const { offset } = position.source
  const copied = target.until - position.target.offset
  if (copied < 0) {
    throw new Error(`${name} has lost ${-copied} records that were mirrored: say another --topic`)
  }
  const next = offset + copied
  if (next > source.until) {
    throw new Error(
      `${name} is mirrored up to offset ${next}, and the source ends at ${source.until}: ` +
        'it has lost records; say another --topic',
    )
  }
  if (source.from <= offset) return { offset, copied }
  return { offset: await behindDeleted(facts, { offset, copied }), copied: 0 }
}

interface SourceName {
  readonly topic: string
  readonly topicId: string
}

function checkSameSource(name: string, known: SourceName, { topic, topicId }: SourceName): void {
  if (known.topic !== topic) {
    throw new Error(`${name} mirrors ${known.topic}, not ${topic}: say another --topic`)
  }
  if (isAnotherTopic(known.topicId, topicId)) {
    throw new Error(`${name} mirrors a topic that is another one by now: say another --topic`)
  }
}

/** Brokers before Kafka 2.8 do not tell ids: then nothing is known, also after they got newer. */
export function isAnotherTopic(known: string, topicId: string): boolean {
  return known !== topicId && known !== ZERO_UUID && topicId !== ZERO_UUID
}

/**
 * The source has deleted records from the position on. How many of those that came into the copy
 * after it, nobody can count: offsets may have gaps. But the last of them is known by what it says.
 */
async function behindDeleted(facts: PartitionFacts, position: MirrorStart): Promise<number> {
  const { name, source, skipDeleted } = facts
  const { copied } = position
  const next = position.offset + copied // if there are no gaps, else it is higher
  if (copied > 0) {
    const search = { from: Math.max(next - 1, source.from), records: copied }
    const last = await facts.findLastCopied(search)
    if (last !== undefined) return last + 1
  }
  if (next > source.from) {
    throw new Error(
      `${name}: its last record is not among those of the source from offset ${source.from} on: ` +
        'somebody else has written to it, or the source was compacted; say another --topic',
    )
  }
  if (next === source.from || skipDeleted) return source.from
  throw new Error(
    `${name}: the source has deleted offsets ${next} to ${source.from - 1} before they were ` +
      `mirrored${copied > 0 ? ', if they were records' : ''}; --skip-deleted goes on behind them`,
  )
}

function within(offset: number, { from, until }: PartitionFacts['source']): number {
  return Math.min(Math.max(offset, from), until)
}
