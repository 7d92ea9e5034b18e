/* `partlog groups GROUP --reset-offsets`: moves the committed offsets of a group. */

import type { OptionType } from '../base/options.js'
import type {
  ResetOffset,
  ResetGroupOffsetsRequest,
  ResetTarget,
} from '../client/admin/group-admin-options.js'
import type { Cluster } from '../cluster/cluster.js'
import { isTopicName, type TopicPartition } from '../model/names.js'
import { reading, writing } from './command-options.js'
import type { Output } from './terminal/output.js'
import { table } from './terminal/table.js'
import { UsageError } from './terminal/usage-error.js'

/** A topic, or some of its partitions. */
export interface TopicPlace {
  readonly topics?: readonly string[]
  readonly partitions?: readonly TopicPartition[]
}

const TOPIC_PLACE = /^([^:]+)(?::(\d{1,5}(?:,\d{1,5})*))?$/

/** `orders`, `orders:0` or `orders:0,2`. */
export const topicPlace: OptionType<TopicPlace> = {
  expected: 'a topic, or a topic and partitions like orders:0,2',
  parse: () => undefined,
  parseText: given => {
    const [, topic = '', numbers] = TOPIC_PLACE.exec(given) ?? []
    if (!isTopicName(topic)) return undefined
    if (numbers === undefined) return { topics: [topic] }
    return { partitions: numbers.split(',').map(each => ({ topic, partition: Number(each) })) }
  },
}

export interface ResetOptions {
  readonly dir: string
  readonly json: boolean
  readonly topic: readonly TopicPlace[]
  readonly execute: boolean
  readonly 'dry-run': boolean
  readonly 'to-earliest': boolean
  readonly 'to-latest': boolean
  readonly 'to-offset': number | undefined
  readonly 'to-datetime': Date | undefined
  readonly 'shift-by': number | undefined
}

const TARGETS = ['to-earliest', 'to-latest', 'to-offset', 'to-datetime', 'shift-by'] as const

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== false && !(Array.isArray(value) && value.length === 0)
}

/** Refuses options that would be ignored. */
export function checkNoReset(options: ResetOptions): void {
  const given = [...TARGETS, 'topic', 'dry-run', 'execute'] as const
  const stray = given.find(name => isGiven(options[name]))
  if (stray === undefined) return
  throw new UsageError(`partlog groups: --${stray}: only with --reset-offsets`)
}

function targetOf(options: ResetOptions): ResetTarget {
  const given = TARGETS.filter(name => isGiven(options[name]))
  if (given.length !== 1) {
    const known = TARGETS.map(name => `--${name}`).join(', ')
    const got = given.length === 0 ? 'none' : given.map(name => `--${name}`).join(' and ')
    throw new UsageError(`partlog groups: --reset-offsets: expected one of ${known}, got ${got}`)
  }
  const { 'to-offset': offset, 'to-datetime': timestamp, 'shift-by': shiftBy } = options
  if (offset !== undefined) return { offset }
  if (timestamp !== undefined) return { timestamp }
  if (shiftBy !== undefined) return { shiftBy }
  return options['to-earliest'] ? 'earliest' : 'latest'
}

/** Merges the values of several --topic options. */
function allOf(places: readonly TopicPlace[]): TopicPlace {
  const topics = places.flatMap(each => each.topics ?? [])
  const partitions = places.flatMap(each => each.partitions ?? [])
  return {
    ...(topics.length === 0 ? {} : { topics }),
    ...(partitions.length === 0 ? {} : { partitions }),
  }
}

export async function resetGroup(
  group: string,
  options: ResetOptions,
  output: Output,
): Promise<void> {
  const { dir, execute, topic, json } = options
  if (execute && options['dry-run']) {
    throw new UsageError('partlog groups: expected --dry-run or --execute, not both')
  }
  const request: ResetGroupOffsetsRequest = {
    groupId: group,
    to: targetOf(options),
    ...allOf(topic),
    dryRun: !execute,
    // With --execute this process owns the folder, so members of earlier processes are dead.
    evenIfActive: true,
  }
  const reset = ({ admin }: Cluster): Promise<ResetOffset[]> => admin.resetGroupOffsets(request)
  const rows = await (execute ? writing(dir, output, reset) : reading(dir, reset))
  if (json) for (const row of rows) await output.json({ group, ...row })
  else await output.line(resetTable(group, rows))
  if (!execute) output.note('partlog: dry run, nothing was changed; --execute commits the offsets')
}

function resetTable(group: string, rows: readonly ResetOffset[]): string {
  const cells = rows.map(each => [group, each.topic, each.partition, each.before, each.offset])
  return table(['GROUP', 'TOPIC', 'PARTITION', 'CURRENT-OFFSET', 'NEW-OFFSET'], cells)
}
