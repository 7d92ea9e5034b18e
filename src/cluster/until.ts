/*
 * Waits until a cluster has reached a state, without polling: the condition is checked again when
 * something has changed.
 */

import type { Clock } from '../base/clock.js'
import { hasMethods, show } from '../base/options.js'
import { abortable, Signal } from '../base/tasks.js'
import type { CommittedOffset } from '../coordinator/groups/group-journal.js'
import type { GroupView } from '../coordinator/groups/group-view.js'
import { PartlogError } from '../model/errors.js'
import {
  checkGroupId,
  checkTopicName,
  partitionKey,
  partitionName,
  type TopicPartition,
} from '../model/names.js'
import type { Partition } from '../partition/partition.js'
import { decodeAssignment, CONSUMER_PROTOCOL } from '../protocol/messages/consumer-protocol.js'
import type { Nodes } from './nodes.js'

/** The conditions of {@link Cluster.until}. */
export type Condition =
  | {
      /** The group is stable: every member has its partitions. */
      readonly group: string
      readonly stable: true
      /** The exact number of members. Default: at least one. */
      readonly members?: number | undefined
    }
  | {
      /** The group has committed all records, except at most `lag` of them. */
      readonly group: string
      readonly lag: number
    }
  | {
      /** The topic has at least `records` records that consumers can read. */
      readonly topic: string
      readonly records: number
    }

/** Options of {@link Cluster.until}. */
export interface UntilOptions {
  /** Ends the wait; the error says what is still missing. Default: waits without limit. */
  readonly signal?: AbortSignal | undefined
}

export interface UntilContext {
  readonly brokers: Nodes
  readonly clock: Clock
  /**
   * Notified when a group has changed, an application has processed records, or a broker has
   * applied the metadata: there may be new partitions to watch then.
   */
  readonly news: Signal
  /** Makes the consumers of this process commit what their applications have processed. */
  readonly commitProcessed: (groupId: string) => void
}

/** How many partitions an error lists. */
const LISTED_MAX = 5

/** Throws INVALID_ARGUMENT. */
export function checkCondition(given: unknown): asserts given is Condition {
  if (typeof given !== 'object' || given === null) throw invalid('an object', given)
  const fields = given as Readonly<Record<string, unknown>>
  const names = Object.keys(fields).filter(name => fields[name] !== undefined)
  const isNumber = (value: unknown): boolean => Number.isSafeInteger(value) && Number(value) >= 0
  const has = (...allowed: string[]): boolean => names.every(name => allowed.includes(name))
  if (fields.topic !== undefined && isNumber(fields.records) && has('topic', 'records')) {
    return checkTopicName(fields.topic)
  }
  checkGroupId(fields.group)
  const { stable, members = 1, lag } = fields
  if (stable === true && isNumber(members) && has('group', 'stable', 'members')) return
  if (isNumber(lag) && has('group', 'lag')) return
  const expected = '{ group, stable: true }, { group, lag } or { topic, records }'
  throw invalid(expected, given)
}

function invalid(expected: string, given: unknown): PartlogError {
  return new PartlogError('INVALID_ARGUMENT', `until: expected ${expected}, got ${show(given)}`)
}

export function checkUntilOptions(given: unknown): asserts given is UntilOptions {
  const { signal } = (given ?? {}) as UntilOptions
  if (signal === undefined || hasMethods('addEventListener', 'removeEventListener')(signal)) return
  throw new PartlogError('INVALID_ARGUMENT', `signal: expected an AbortSignal, got ${show(signal)}`)
}

export async function until(
  condition: Condition,
  { signal }: UntilOptions,
  context: UntilContext,
): Promise<void> {
  for (;;) {
    const changed = nextChange(context)
    const missing = await missingFor(condition, context)
    if (missing === undefined) return changed.forget()
    try {
      await abortable(changed.promise, signal)
    } catch (cause) {
      const sentence = `gave up waiting: ${missing}`
      throw new PartlogError('REQUEST_TIMED_OUT', sentence, { cause })
    } finally {
      changed.forget()
    }
    await context.clock.turn() // several changes may come in one turn
  }
}

/** Resolves at the next change of a group or a partition. */
function nextChange({ brokers, news }: UntilContext) {
  let forget = (): void => undefined
  const promise = new Promise<void>(resolve => {
    const stops = [...brokers.running].flatMap(({ replicas }) =>
      [...replicas.partitions()].map(partition => partition.changes.watch(resolve)),
    )
    forget = () => stops.forEach(stop => stop())
    void news.wait().then(resolve)
  })
  return { promise, forget }
}

/** What is missing, as a sentence; undefined if the condition holds. */
async function missingFor(
  condition: Condition,
  context: UntilContext,
): Promise<string | undefined> {
  const { brokers } = context
  if ('topic' in condition) return missingRecords(brokers, condition.topic, condition.records)
  const { group: groupId } = condition
  const found = await groupOf(brokers, groupId)
  if (found === undefined) return `group ${groupId} does not exist`
  if ('stable' in condition) return missingStability(found.view, condition.members)
  context.commitProcessed(groupId)
  return missingLag(brokers, found, condition.lag)
}

function missingRecords(brokers: Nodes, topic: string, wanted: number): string | undefined {
  const partitions = brokers.controller.image.topics.get(topic)?.partitions
  if (partitions === undefined) return `topic ${topic} does not exist`
  const records = partitions.reduce((sum, { partition }) => {
    const leader = leaderOf(brokers, { topic, partition })
    return sum + (leader === undefined ? 0 : leader.highWatermark - leader.log.logStartOffset)
  }, 0)
  return records >= wanted ? undefined : `topic ${topic} has ${records} of ${wanted} records`
}

function missingStability(
  { groupId, state, members }: GroupView,
  wanted: number | undefined,
): string | undefined {
  const isEnough = wanted === undefined ? members.length > 0 : members.length === wanted
  if (state === 'Stable' && isEnough) return undefined
  const of = wanted === undefined ? '' : ` of ${wanted}`
  return `group ${groupId} is ${state} with ${members.length}${of} members`
}

function missingLag(
  brokers: Nodes,
  { view, offsets }: FoundGroup,
  allowed: number,
): string | undefined {
  const { groupId, state } = view
  if (state !== 'Stable' && state !== 'Empty') return `group ${groupId} is ${state}`
  const places = placesOf(view, offsets)
  if (places.size === 0) return `group ${groupId} has neither partitions nor commits`
  const { topics } = brokers.controller.image
  let total = 0
  const behind: string[] = []
  for (const [name, { place, committed }] of places) {
    // A deleted topic has nothing left to read, even if a member is still assigned to it.
    if (topics.get(place.topic)?.partitions[place.partition] === undefined) continue
    const partition = leaderOf(brokers, place)
    if (partition === undefined) return `${name} has no leader`
    const from = committed ?? partition.log.logStartOffset
    const lag = Math.max(partition.highWatermark - from, 0)
    total += lag
    if (lag === 0) continue
    const commit = committed === undefined ? 'nothing' : String(committed)
    behind.push(`${name} (committed ${commit} of ${partition.highWatermark})`)
  }
  if (total <= allowed) return undefined
  const more = behind.length > LISTED_MAX ? ` and ${behind.length - LISTED_MAX} more` : ''
  const listed = behind.slice(0, LISTED_MAX).join(', ')
  return `group ${groupId} has a lag of ${total} records: ${listed}${more}`
}

interface Place {
  readonly place: TopicPartition
  readonly committed: number | undefined
}

/** The partitions that the group has committed or is assigned. */
function placesOf(view: GroupView, offsets: readonly CommittedOffset[]): Map<string, Place> {
  const places = new Map<string, Place>()
  const assigned =
    view.protocolType === CONSUMER_PROTOCOL
      ? view.members.flatMap(({ assignment }) => decodeAssignment(assignment).partitions)
      : []
  for (const place of assigned) {
    places.set(partitionName(place), { place, committed: undefined })
  }
  for (const { topic, partition, offset: committed } of offsets) {
    places.set(partitionKey(topic, partition), { place: { topic, partition }, committed })
  }
  return places
}

interface FoundGroup {
  readonly view: GroupView
  readonly offsets: readonly CommittedOffset[]
}

async function groupOf(brokers: Nodes, groupId: string): Promise<FoundGroup | undefined> {
  for (const { groups } of brokers.running) {
    for (const coordinator of groups.loaded) {
      if (coordinator.view(groupId) === undefined) continue
      const offsets = await coordinator.committedOffsets(groupId)
      const view = coordinator.view(groupId) // again: it may have changed while this waited
      if (view !== undefined) return { view, offsets }
    }
  }
  return undefined
}

function leaderOf(
  brokers: Nodes,
  { topic, partition: number }: TopicPartition,
): Partition | undefined {
  for (const { replicas } of brokers.running) {
    const partition = replicas.find(topic, number)
    if (partition?.isLeader === true) return partition
  }
  return undefined
}
