/**
 * A topic as what a replay writes to, in the same folder or on a cluster elsewhere: where records
 * go, how far they are, and how to go on when the replay ends early.
 */

import type { Producer, ProducerOptions } from '../../client/producer/producer-api.js'
import { isPartlogError } from '../../model/errors.js'
import { type Closable, endingSignal } from '../terminal/ending.js'
import type { Output } from '../terminal/output.js'
import { UsageError } from '../terminal/usage-error.js'
import { arrivedOf } from './arrived.js'
import { Lanes, ROUND_PRODUCER } from './lanes.js'
import type { OpenTarget } from './open-target.js'
import { placeText, type Place, type PlaceIn } from './places.js'
import type { SourceTopic } from './source.js'

/** Do records keep their partitions, or do their keys decide anew? */
export type Placement = 'keep' | 'by-key'

export interface TopicTargetOptions {
  /** The topic that is written. */
  readonly topic: string
  /** How many partitions it has. */
  readonly partitions: number
  readonly placement: Placement
  /** Is it worth a word that partitions are kept? */
  readonly saysKept: boolean
  readonly from: PlaceIn | undefined
  readonly until: Place | undefined
  readonly producer: ProducerOptions
}

type Writable = Closable & { producer(options: ProducerOptions): Pick<Producer, 'send'> }

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
        `${topic} has ${partitions} (--partitions by-key places the records anew)`,
    )
  }
  if (placement === 'by-key' || options.saysKept) output.note(placementText(options, source))
  const producer = cluster.producer({ ...ROUND_PRODUCER, ...options.producer })
  const lanes = new Lanes({ producer, topic, keepPartitions })
  const rest = (): string => restOf(lanes, options, source)
  return {
    target: {
      isClosed: false,
      write: record => lanes.write(record),
      flush: () => lanes.flush(),
      end: () => lanes.settle(),
    },
    close: () => cluster.close(),
    arrived: () => arrivedOf(lanes.reports),
    explain: error => explained(error, lanes, rest),
    ending: endingSignal(output),
    rest,
  }
}

// ── words ────────────────────────────────────────────────────────────────────────────────

function placementText(
  { topic, partitions, placement }: TopicTargetOptions,
  { count }: SourceTopic,
): string {
  if (placement === 'keep') return `partlog: records keep their partitions in ${topic}`
  return (
    `partlog: ${topic} has ${partitions} partitions, the source has ${count}: ` +
    'records go where their keys say, those without a key in turns'
  )
}

/** What went wrong, and how to send the rest. What was read before it is still sent if it can. */
async function explained(error: unknown, lanes: Lanes, rest: () => string): Promise<Error> {
  const failure = (await lanes.settle().then(
    () => error,
    (later: unknown) => later,
  )) as Error
  const twice =
    isPartlogError(failure) && failure.outcomeUnknown
      ? ' (some of the records behind that may be there, too: they come twice then)'
      : ''
  return new Error(`${failure.message}; go on with ${rest()}${twice}`, { cause: failure })
}

/** The words that send what is not acknowledged. */
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
  // All at once: the records of a key may stand in several of them, and their order counts.
  const only = begins.length === count ? '' : begins.map(each => ` --partition ${each.partition}`)
  const all = begins.map(({ partition, begin }) => `${partition}:${begin}`).join(',')
  return `--from ${all}${end}${only === '' ? '' : (only as string[]).join('')}`
}
