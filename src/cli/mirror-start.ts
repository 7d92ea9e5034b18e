/** Where a mirror begins to read a partition, so that no record is missing and none comes twice. */

import type { MirrorPosition } from './mirror-positions.js'

/** What is known of a partition before it is mirrored. */
export interface PartitionFacts {
  /** For sentences, e.g. `orders-0`. */
  readonly name: string
  /** undefined: it was never mirrored. */
  readonly position: MirrorPosition | undefined
  /** What the source has: [from, until). */
  readonly source: { readonly topicId: string; readonly from: number; readonly until: number }
  /** Where the copy ends. */
  readonly target: { readonly topicId: string; readonly until: number }
  /** Where a first run begins. Default: with the first record there is. */
  readonly first: number | undefined
  /** Go on behind records that are gone at the source, instead of failing. */
  readonly skipDeleted: boolean
}

export interface MirrorStart {
  /** The offset to read from. */
  readonly offset: number
  /** So many records from there on are in the copy already. */
  readonly copied: number
}

/** Throws an Error that says what to do when there is no such place. */
export function startOf(facts: PartitionFacts): MirrorStart {
  const { name, position, source, target, first } = facts
  // A copy that was deleted and made again has none of what the position speaks of.
  if (position === undefined || position.target.topicId !== target.topicId) {
    if (target.until > 0) throw new Error(`${name} has records of others: say another --topic`)
    return { offset: within(first ?? source.from, source), copied: 0 }
  }
  const { topicId, offset } = position.source
  if (topicId !== source.topicId) {
    throw new Error(`${name} mirrors a topic that is another one by now: say another --topic`)
  }
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
  return startBehindDeleted(facts, next)
}

/** The source has deleted records from the position on. */
function startBehindDeleted({ name, source, skipDeleted }: PartitionFacts, next: number) {
  const { from } = source
  if (from <= next) return { offset: from, copied: next - from }
  if (skipDeleted) return { offset: from, copied: 0 }
  throw new Error(
    `${name}: the source has deleted offsets ${next} to ${from - 1} before they were mirrored; ` +
      '--skip-deleted goes on behind them',
  )
}

function within(offset: number, { from, until }: PartitionFacts['source']): number {
  return Math.min(Math.max(offset, from), until)
}
