/* `partlog mirror`: copies a topic of a Kafka cluster into a folder, and continues on each run. */

import { text } from '../base/options.js'
import { checkTopicName } from '../model/names.js'
import { DIR_OPTION, JSON_OPTION } from './command-options.js'
import { command, optionalValue, type OptionsOf, toggle } from './command.js'
import { arrivedOf, arrivedTable } from './copy/arrived.js'
import { MirrorPositions, POSITIONS_TOPIC } from './copy/mirror-positions.js'
import { Mirror, type MirrorReport, type MirrorRequest } from './copy/mirror-run.js'
import { offsetOrTime, takenForTime } from '../events/replay/places.js'
import { openToWrite } from './copy/waits.js'
import {
  connectTo,
  KAFKA_OPTIONS,
  parseKafkaAddress,
  type KafkaAddress,
} from './kafka-address.js'
import { clock, closing, endingSignal } from './terminal/ending.js'
import type { Output } from './terminal/output.js'
import { Progress } from './terminal/progress.js'
import { grouped, secondsText } from './terminal/table.js'
import { UsageError } from './terminal/usage-error.js'

const OPTIONS = {
  from: optionalValue(text, 'ADDRESS', 'the source, kafka://host:port/topic (required)'),
  dir: DIR_OPTION,
  topic: optionalValue(text, 'NAME', 'the name of the copy (default: the name of the source)'),
  'from-offset': optionalValue(
    offsetOrTime,
    'OFFSET|TIME',
    'where the first run begins (default: the first record); later runs continue where it ended',
  ),
  follow: toggle('keep copying new records, until SIGINT or SIGTERM'),
  'skip-deleted': toggle('skip records that the source deleted before they were mirrored'),
  ...KAFKA_OPTIONS,
  json: JSON_OPTION,
}

type MirrorOptions = OptionsOf<typeof OPTIONS>

export const mirrorCommand = command({
  name: 'mirror',
  summary: 'Copies a topic of a Kafka cluster into a folder; continues where the last run ended.',
  args: [],
  options: OPTIONS,
  examples: [
    'partlog mirror --from kafka://kafka-1:9092,kafka-2:9092/orders --dir ./data',
    'partlog mirror --from kafka://kafka-1:9092/orders --follow',
  ],
  run: async ({ options, output }) => {
    const { from, dir } = options
    if (from === undefined) throw new UsageError('partlog mirror: --from: expected an address')
    const address = parseKafkaAddress('partlog mirror: --from', from)
    const topic = options.topic ?? address.topic
    checkTopicName(topic)
    if (topic === POSITIONS_TOPIC) {
      throw new UsageError(
        `partlog mirror: --topic: expected another name, ${topic} holds the positions of mirrors`,
      )
    }
    const source = await connectTo(address, { command: 'mirror', output }, options)
    return await closing(source, async () => {
      await source.admin.describeTopic(address.topic) // throws before a folder is created
      const target = await openToWrite({ dir }, output)
      return await closing(target, async () => {
        const positions = await MirrorPositions.read(target)
        return await mirror({ source, target, positions }, { ...options, address, topic }, output)
      })
    })
  },
})

interface Wanted extends MirrorOptions {
  readonly address: KafkaAddress
  /** The name of the copy. */
  readonly topic: string
}

async function mirror(
  parts: ConstructorParameters<typeof Mirror>[0],
  wanted: Wanted,
  output: Output,
): Promise<number> {
  const started = clock.monotonicMs()
  const progress = new Progress(output, clock, 'mirroring')
  const work = new Mirror(parts, requestOf(wanted, endingSignal(output), progress, output))
  try {
    await work.run()
  } finally {
    progress.end()
    await printSummary(wanted, work.reports, clock.monotonicMs() - started, output)
  }
  if (wanted.follow || work.hasCaughtUp) return 0
  output.note('partlog: not finished: the same command continues')
  return 1
}

function requestOf(
  wanted: Wanted,
  signal: AbortSignal,
  progress: Progress,
  output: Output,
): MirrorRequest {
  const { address, topic, follow, 'from-offset': first } = wanted
  return {
    from: address.topic,
    topic,
    first,
    follow,
    signal,
    skipDeleted: wanted['skip-deleted'],
    onPlan: ({ isFirst, firstAsTime }) => {
      if (isFirst && firstAsTime !== undefined) {
        output.note(takenForTime('from-offset', firstAsTime))
      }
      if (isFirst || first === undefined) return
      output.note(
        `partlog: ${topic} continues where the last run ended; --from-offset is for a first run`,
      )
    },
    onProgress: (done, total) => progress.show(done, total, `${grouped(done)} records`),
    onCaughtUp: () => {
      if (follow) output.note(`${topic} has all records up to now; following until Ctrl-C`)
    },
  }
}

async function printSummary(
  { address, topic, json }: Wanted,
  reports: readonly MirrorReport[],
  ms: number,
  output: Output,
): Promise<void> {
  if (reports.length === 0) return // it failed before the first plan
  const records = reports.reduce((sum, each) => sum + each.records, 0)
  const partitions = arrivedOf(reports)
  if (json) {
    const shifted = partitions.map((each, n) => ({ ...each, shift: reports[n]?.shift ?? 0 }))
    const summary = { from: address.topic, topic, records, seconds: ms / 1000 }
    return await output.json({ ...summary, partitions: shifted })
  }
  await output.line(arrivedTable(partitions))
  output.note(`${grouped(records)} records into ${topic} in ${secondsText(ms)}; ${shifts(reports)}`)
}

/** A copy has no gaps and begins at 0, so its offsets may be lower than those of the source. */
function shifts(reports: readonly MirrorReport[]): string {
  const shifted = reports.filter(({ shift }) => shift !== 0)
  if (shifted.length === 0) return 'offsets are the same as in the source'
  const each = shifted.map(({ partition, shift }) => `${shift} in partition ${partition}`)
  return `offsets in the source are now higher, by ${each.join(', ')}`
}
