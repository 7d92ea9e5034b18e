/*
 * A topic as the target of a replay, in the same folder or on a remote cluster: chooses the
 * partition of each record, counts what is copied, and says how to continue after an early end.
 */

import type { Admin } from '../../client/admin/admin-api.js'
import type { Producer, ProducerOptions } from '../../client/producer/producer-api.js'
import { isPartlogError } from '../../model/errors.js'
import { type Closable, endingSignal } from '../terminal/ending.js'
import type { Output } from '../terminal/output.js'
import { UsageError } from '../terminal/usage-error.js'
import { arrivedOf } from './arrived.js'
import { carryOver, type GroupPosition } from './group-positions.js'
import { Lanes, ROUND_PRODUCER } from './lanes.js'
import type { OpenTarget } from './open-target.js'
import { placeText, type PlaceIn } from '../../events/replay/places.js'
import type { SourceTopic } from './source.js'

/** Do records keep their partitions, or do their keys choose new ones? */
export type Placement = 'keep' | 'by-key'

export interface TopicTargetOptions {
  /** The target topic. */
  readonly topic: string
  /** How many partitions the target topic has. */
  readonly partitions: number
  readonly placement: Placement
  /** Tell the user if records keep their partitions? */
  readonly notesKeep: boolean
  readonly from: PlaceIn | undefined
  readonly until: PlaceIn | undefined
  readonly producer: ProducerOptions
  /** Committed offsets to carry over. */
  readonly positions: readonly GroupPosition[]
}

type Writable = Closable & {
  readonly admin: Pick<Admin, 'alterGroupOffsets' | 'listOffsets'>
  producer(options: ProducerOptions): Pick<Producer, 'send'>
}

export function topicTarget(
  cluster: Writable,
  options: TopicTargetOptions,
  source: SourceTopic,
  output: Output,
): OpenTarget {
  const { topic, partitions, placement } = options
  const keepPartitions = placement === 'keep'
  const needed = Math.max(...source.partitions.map(each => each.partition)) + 1
  if (keepPartitions && partitions < needed) {
    throw new UsageError(
      `partlog replay: --to: expected a topic of at least ${needed} partitions, ` +
        `${topic} has ${partitions} (--partitions by-key distributes the records by key)`,
    )
  }
  if (options.positions.length > 0 && !keepPartitions) {
    throw new UsageError(
      'partlog replay: --groups: needs --partitions keep, because an offset of one partition ' +
        'means nothing in the partitions that keys choose',
    )
  }
  if (placement === 'by-key' || options.notesKeep) output.note(placementText(options, source))
  const producer = cluster.producer({ ...ROUND_PRODUCER, ...options.producer })
  const lanes = new Lanes({ producer, topic, keepPartitions, marks: marksOf(options.positions) })
  const rest = (): string => restOf(lanes, options, source)
  return {
    target: {
      isClosed: false,
      write: record => lanes.write(record),
      async writeAll(records) {
        for (const record of records) await lanes.write(record)
      },
      flush: () => lanes.flush(),
      end: () => lanes.settle(),
    },
    close: () => cluster.close(),
    arrived: () => arrivedOf(lanes.reports),
    explain: error => explained(error, lanes, rest),
    ending: endingSignal(output),
    rest,
    carryGroups: async () => await carryGroups(cluster, lanes, options, output),
  }
}

function marksOf(positions: readonly GroupPosition[]): Map<number, Set<number>> {
  const marks = new Map<number, Set<number>>()
  for (const { partition, offset } of positions) {
    const own = marks.get(partition) ?? new Set()
    marks.set(partition, own.add(offset))
  }
  return marks
}

async function carryGroups(
  { admin }: Writable,
  lanes: Lanes,
  { topic, positions, partitions }: TopicTargetOptions,
  output: Output,
): Promise<boolean> {
  if (positions.length === 0) return true
  const targetOf = (partition: number, offset: number) => lanes.targetOf(partition, offset)
  const there = positions.filter(({ partition }) => partition < partitions)
  return await carryOver(admin, { topic, positions: there, targetOf }, output)
}

// ── sentences ────────────────────────────────────────────────────────────────────────────

function placementText(
  { topic, partitions, placement }: TopicTargetOptions,
  { count }: SourceTopic,
): string {
  if (placement === 'keep') return `partlog: records keep their partitions in ${topic}`
  return (
    `partlog: ${topic} has ${partitions} partitions, the source has ${count}: ` +
    'keys choose the partitions, records without a key rotate'
  )
}

/** Sends what was read before the error, if possible; adds how to send the rest. */
async function explained(error: unknown, lanes: Lanes, rest: () => string): Promise<Error> {
  const failure = (await lanes.settle().then(
    () => error,
    (later: unknown) => later,
  )) as Error
  const twice =
    isPartlogError(failure) && failure.outcomeUnknown
      ? ' (some of these records may be written already, and would be written twice)'
      : ''
  return new Error(`${failure.message}; continue with ${rest()}${twice}`, { cause: failure })
}

/** The options that send the records that are not acknowledged. */
function restOf(
  lanes: Lanes,
  { from, until, placement }: TopicTargetOptions,
  { partitions, count }: SourceTopic,
): string {
  const reports = new Map(lanes.reports.map(each => [each.partition, each]))
  const end = until === undefined ? '' : ` --until ${placeText(until)}`
  const begins = partitions.map(({ partition, logStartOffset }) => {
    const given = from instanceof Map ? from.get(partition) : from
    const begin = reports.get(partition)?.next ?? given ?? logStartOffset
    return { partition, begin: placeText(begin) }
  })
  if (placement === 'keep' || begins.length === 1) {
    return begins
      .map(({ partition, begin }) => `--partition ${partition} --from ${begin}${end}`)
      .join(', then ')
  }
  // One call for all partitions: several may hold records of one key, whose order matters.
  const only = begins.length === count ? '' : begins.map(each => ` --partition ${each.partition}`)
  const all = begins.map(({ partition, begin }) => `${partition}:${begin}`).join(',')
  return `--from ${all}${end}${only === '' ? '' : (only as string[]).join('')}`
}
