/* Computes the new offsets of a reset, as Kafka's kafka-consumer-groups --reset-offsets does. */

import { assert } from '../../base/assert.js'
import { show } from '../../base/options.js'
import { PartlogError } from '../../model/errors.js'
import {
  checkGroupId,
  checkOffset,
  checkTopicName,
  partitionKey,
  partitionName,
} from '../../model/names.js'
import {
  checkedTime,
  checkFields,
  checkFlag,
  checkPartitions,
  invalidArgument,
} from '../line/client-arguments.js'
import type { ResetOffset, ResetGroupOffsetsRequest, ResetTarget } from './group-admin-options.js'

/** A partition to reset. Its log holds the offsets `[start, end)`. */
export interface ResetPlace {
  readonly topic: string
  readonly partition: number
  readonly start: number
  readonly end: number
  /** The committed offset; null when there is none. */
  readonly committed: number | null
  /** The first record that is not older than the target time; −1 when there is none. */
  readonly atTime: number
}

/** The new offset, limited to the log: the wanted one may be deleted or not yet written. */
export function resetOffset(to: ResetTarget, place: ResetPlace): ResetOffset {
  const { topic, partition, start, end, committed } = place
  const offset = Math.min(Math.max(wantedOffset(to, place), start), end)
  return { topic, partition, before: committed, offset }
}

function wantedOffset(to: ResetTarget, place: ResetPlace): number {
  if (to === 'earliest') return place.start
  if (to === 'latest') return place.end
  if ('timestamp' in to) return place.atTime < 0 ? place.end : place.atTime
  if ('offset' in to) return to.offset
  const name = partitionName(place)
  if ('shiftBy' in to) {
    if (place.committed !== null) return place.committed + to.shiftBy
    const sentence = `shiftBy: no offset is committed for ${name} to start from; use another target`
    throw new PartlogError('NO_OFFSET_FOR_PARTITION', sentence)
  }
  const found = to.offsets.find(each => partitionName(each) === name)
  assert(found !== undefined, `no offset for ${name}`)
  return found.offset
}

/** The target time, if there is one. */
export function resetTime(to: ResetTarget): number | undefined {
  return typeof to === 'object' && 'timestamp' in to ? checkedTime(to.timestamp) : undefined
}

const REQUEST_FIELDS = ['groupId', 'to', 'topics', 'partitions', 'dryRun', 'evenIfActive']
const TARGET_FIELDS = ['timestamp', 'offset', 'shiftBy', 'offsets'] as const
const TARGETS = "'earliest', 'latest', { timestamp }, { offset }, { shiftBy } or { offsets: [...] }"

export function checkReset(request: ResetGroupOffsetsRequest): void {
  checkFields(request, 'resetGroupOffsets', REQUEST_FIELDS)
  const { groupId, to, topics, partitions, dryRun, evenIfActive } = request
  checkGroupId(groupId)
  checkFlag(dryRun, 'dryRun')
  checkFlag(evenIfActive, 'evenIfActive')
  if (topics !== undefined && !Array.isArray(topics)) {
    throw invalidArgument('topics', 'an array', topics)
  }
  for (const topic of topics ?? []) checkTopicName(topic)
  if (partitions !== undefined) checkPartitions(partitions)
  checkTarget(to)
  if (typeof to === 'string' || !('offsets' in to)) return
  checkNoneTwice(to.offsets)
  if (topics === undefined && partitions === undefined) return
  const sentence = 'to.offsets names its partitions: leave out topics and partitions'
  throw new PartlogError('INVALID_ARGUMENT', sentence)
}

function checkTarget(to: unknown): void {
  if (to === 'earliest' || to === 'latest') return
  if (typeof to !== 'object' || to === null) throw invalidArgument('to', TARGETS, to)
  checkFields(to, 'to', TARGET_FIELDS)
  const given = TARGET_FIELDS.filter(name => Object.hasOwn(to, name))
  if (given.length !== 1) throw invalidArgument('to', TARGETS, to)
  const { timestamp, offset, shiftBy, offsets } = to as Record<string, unknown>
  switch (given[0]) {
    case 'timestamp':
      checkedTime(timestamp)
      return
    case 'offset':
      return checkOffset(offset, 'to.offset')
    case 'shiftBy':
      if (Number.isSafeInteger(shiftBy)) return
      throw invalidArgument('to.shiftBy', 'a whole number', shiftBy)
    default:
      checkPartitions(offsets)
      for (const each of offsets) checkOffset((each as { readonly offset?: unknown }).offset)
  }
}

/** Refuses two offsets for one partition: it is unclear which is meant. */
export function checkNoneTwice(
  partitions: readonly { readonly topic: string; readonly partition: number }[],
): void {
  const seen = new Set<string>()
  for (const { topic, partition } of partitions) {
    const key = partitionKey(topic, partition)
    if (seen.has(key)) throw invalidArgument('offsets', 'each partition once', show(key))
    seen.add(key)
  }
}
