/** `partlog replay TOPIC --to kafka://…`: the records of a folder into a topic of a cluster. */

import type { Admin } from '../client/admin.js'
import { isPartlogError } from '../model/errors.js'
import { arrivedOf } from './arrived.js'
import { carriedSettings, ensureCarried } from './carried-topic.js'
import { IMPORTED, OF_ANY_TIME } from './import.js'
import { connectTo, parseKafkaAddress, type KafkaOptions } from './kafka-address.js'
import { Lanes, ROUND_PRODUCER } from './lanes.js'
import type { Output } from './output.js'
import { lanesTarget, type OpenTarget } from './replay-target.js'
import { endingSignal } from './shared.js'
import { settingsOf, type SourceTopic } from './source.js'

export interface KafkaTargetOptions extends KafkaOptions {
  readonly dir: string
  /** The topic that is read. */
  readonly topic: string
  readonly to: string
  readonly from: number | Date | undefined
  readonly until: number | Date | undefined
}

export async function openKafkaTarget(
  options: KafkaTargetOptions,
  source: SourceTopic,
  output: Output,
): Promise<OpenTarget> {
  const address = parseKafkaAddress('partlog replay: --to', options.to)
  const cluster = await connectTo(address, 'replay', options)
  try {
    const { topic } = address
    const partitions = await readyTopic(cluster.admin, topic, options, source)
    const keepPartitions = partitions === source.count
    if (!keepPartitions) output.note(placedAnew(topic, partitions, source.count))
    const producer = cluster.producer({ ...ROUND_PRODUCER, clientId: 'partlog-replay' })
    const lanes = new Lanes({ producer, topic, keepPartitions })
    const rest = (): string => restOf(lanes, options, source)
    return {
      target: lanesTarget(lanes),
      close: () => cluster.close(),
      arrived: () => arrivedOf(lanes.reports),
      explain: error => explained(error, lanes, rest),
      ending: endingSignal(output),
      rest,
    }
  } catch (error) {
    await cluster.close()
    throw error
  }
}

/** The target topic, made if it is not there; gives how many partitions it has. */
async function readyTopic(
  admin: Admin,
  topic: string,
  { dir, topic: sourceName }: KafkaTargetOptions,
  { count }: SourceTopic,
): Promise<number> {
  const settings = await settingsOf(dir, sourceName)
  const config =
    settings === undefined ? IMPORTED : { ...carriedSettings(settings), ...OF_ANY_TIME }
  return await ensureCarried(admin, { topic, partitions: count, config })
}

function placedAnew(topic: string, partitions: number, count: number): string {
  return (
    `partlog: ${topic} has ${partitions} partitions there and ${count} here: ` +
    'records go where their keys say, those without a key in turns'
  )
}

// ── words ────────────────────────────────────────────────────────────────────────────────

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
  { from, until }: KafkaTargetOptions,
  { partitions }: SourceTopic,
): string {
  const reports = new Map(lanes.reports.map(each => [each.partition, each]))
  const end = until === undefined ? '' : ` --until ${placeText(until)}`
  return partitions
    .map(({ partition, logStartOffset }) => {
      const begin = reports.get(partition)?.next ?? placeText(from ?? logStartOffset)
      return `--partition ${partition} --from ${begin}${end}`
    })
    .join(', then ')
}

function placeText(place: number | Date): string {
  return place instanceof Date ? place.toISOString() : String(place)
}
