/* Where a mirror starts to read a partition, so that no record is lost and none copied twice. */

import { ZERO_UUID } from '../../base/uuid.js'
import type { MirrorPosition } from './mirror-positions.js'

/** What is known about a partition before it is mirrored. */
export interface PartitionFacts {
  /** The name of the copy in errors, e.g. `orders-0`. */
  readonly name: string
  /** The stored position; undefined: it was never mirrored. */
  readonly position: MirrorPosition | undefined
  /** The offsets of the source: [from, until). */
  readonly source: {
    readonly topic: string
    readonly topicId: string
    readonly from: number
    readonly until: number
  }
  /** Where the copy ends. */
  readonly target: { readonly topicId: string; readonly until: number }
  /** Where a first run begins. Default: at the first record. */
  readonly first: number | undefined
  /** Continue after records that the source has deleted, instead of failing. */
  readonly skipDeleted: boolean
  /** Searches the source for the last record of the copy; resolves with its offset. */
  readonly findLastCopied: (search: Search) => Promise<number | undefined>
}

export interface Search {
  /** The first offset to search. */
  readonly from: number
  /** How many records to search. */
  readonly records: number
}

export interface MirrorStart {
  /** The offset to read from. */
  readonly offset: number
  /** How many records from there on are in the copy already. */
  readonly copied: number
}

/** Throws an Error that says what to do if no start is safe. */
export async function startOf(facts: PartitionFacts): Promise<MirrorStart> {
  const { name, position, source, target, first } = facts
  // A position is void if the copy was deleted and recreated since.
  if (position === undefined || position.target.topicId !== target.topicId) {
    if (target.until > 0) {
      const last = target.until - 1
      throw new Error(
        `${name} has records up to offset ${last} that no mirror wrote: use another --topic`,
      )
    }
    return { offset: within(first ?? source.from, source), copied: 0 }
  }
  checkSameSource(name, position.source, source)
  const { offset } = position.source
  const copied = target.until - position.target.offset
  if (copied < 0) {
    throw new Error(`${name} has lost ${-copied} mirrored records: use another --topic`)
  }
  const next = offset + copied
  if (next > source.until) {
    throw new Error(
      `${name} is mirrored up to offset ${next}, and the source ends at ${source.until}: ` +
        'the source has lost records; use another --topic',
    )
  }
  if (source.from <= offset) return { offset, copied }
  return { offset: await afterDeleted(facts, { offset, copied }), copied: 0 }
}

interface SourceName {
  readonly topic: string
  readonly topicId: string
}

function checkSameSource(name: string, known: SourceName, { topic, topicId }: SourceName): void {
  if (known.topic !== topic) {
    throw new Error(`${name} mirrors ${known.topic}, not ${topic}: use another --topic`)
  }
  if (isAnotherTopic(known.topicId, topicId)) {
    throw new Error(
      `${name} mirrors a topic ${topic} that was deleted and recreated since: use another --topic`,
    )
  }
}

/** Brokers before Kafka 2.8 send no topic ids: without two ids the topics count as the same. */
export function isAnotherTopic(known: string, topicId: string): boolean {
  return known !== topicId && known !== ZERO_UUID && topicId !== ZERO_UUID
}

/**
 * Where to start if the source has deleted records after the position. Offsets may have gaps, so
 * the records in the copy cannot be counted at the source; but its last record can be found there.
 */
async function afterDeleted(facts: PartitionFacts, position: MirrorStart): Promise<number> {
  const { name, source, skipDeleted } = facts
  const { copied } = position
  const next = position.offset + copied // without gaps; with gaps the right offset is higher
  if (copied > 0) {
    const search = { from: Math.max(next - 1, source.from), records: copied }
    const last = await facts.findLastCopied(search)
    if (last !== undefined) return last + 1
  }
  if (next > source.from) {
    throw new Error(
      `${name}: its last record is not in the source from offset ${source.from} on: another ` +
        'program wrote to the copy, or the source was compacted; use another --topic',
    )
  }
  if (next === source.from || skipDeleted) return source.from
  throw new Error(
    `${name}: the source has deleted offsets ${next} to ${source.from - 1} before they were ` +
      `mirrored${copied > 0 ? ', if they were records' : ''}; --skip-deleted continues after them`,
  )
}

function within(offset: number, { from, until }: PartitionFacts['source']): number {
  return Math.min(Math.max(offset, from), until)
}
