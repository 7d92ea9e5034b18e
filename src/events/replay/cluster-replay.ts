/*
 * A replay of a topic through consumers, one for each partition: up to where the partition ended
 * when the replay began, or came to with `follow`.
 */

import { sleep, SystemClock } from '../../base/clock.js'
import {
  instance,
  integer,
  oneOf,
  option,
  optional,
  ratio,
  readOptions,
  text,
  type OptionValues,
} from '../../base/options.js'
import type { ConsumerRecord } from '../../client/consumer/consumer-record.js'
import type { Consumer } from '../../client/consumer/consumer-api.js'
import type { KafkaCluster } from '../../client/kafka-cluster.js'
import { checkedConfig } from '../../model/errors.js'
import type { TopicPartition } from '../../model/names.js'
import type { ReplayProgress } from './replay-progress.js'
import { mergedByTime, type RecordStream } from './merge.js'
import { RecordFilter } from './record-filter.js'
import { Pace } from './replay-pace.js'
import { parseWhere } from './where.js'

type Replayed = ConsumerRecord<Uint8Array, Uint8Array>

const isPlace = (value: unknown): boolean =>
  value instanceof Date ? !Number.isNaN(value.getTime()) : Number.isSafeInteger(value)
const place = instance<number | Date>('an offset or a Date', isPlace)
const numbers = instance<readonly number[]>(
  'a list of partitions',
  value => Array.isArray(value) && value.every(each => Number.isSafeInteger(each)),
)

const OPTIONS = {
  from: optional(place),
  until: optional(place),
  partitions: optional(numbers),
  isolationLevel: option(oneOf('read_uncommitted', 'read_committed'), 'read_committed'),
  where: optional(text),
  limit: optional(integer(0)),
  speed: optional(ratio(0.000_001, 1_000_000)),
  maxGapMs: optional(integer(0)),
  follow: option(instance<boolean>('true or false', value => typeof value === 'boolean'), false),
  onProgress: optional(
    instance<(progress: ReplayProgress) => void>('a function', each => typeof each === 'function'),
  ),
  signal: optional(instance<AbortSignal>('an AbortSignal', value => value instanceof AbortSignal)),
}

type Settings = OptionValues<typeof OPTIONS>

/** How often a replay that follows looks for new records. */
const LOOK_INTERVAL_MS = 100

/** Rejects with INVALID_CONFIG or INVALID_ARGUMENT for wrong options. */
export async function* replayFrom(
  cluster: KafkaCluster,
  topic: string,
  options: object,
): AsyncGenerator<Replayed, void> {
  const settings = checkedConfig(() => readOptions(OPTIONS, options, 'replay option'))
  const { where, partitions: wanted, signal, speed: factor, maxGapMs } = settings
  const filter = new RecordFilter({ where: where === undefined ? undefined : parseWhere(where) })
  const clock = new SystemClock()
  const pace = new Pace(clock, { factor, maxGapMs })
  const { partitions } = await cluster.admin.describeTopic(topic)
  const readers = partitions
    .filter(({ partition }) => wanted === undefined || wanted.includes(partition))
    .map(({ partition }) => new PartitionReader(cluster, { topic, partition }, settings))
  const limit = settings.limit ?? Infinity
  const progress = new Progress(settings.onProgress)
  try {
    for await (const records of roundsOf(readers, settings)) {
      for (const record of filter.chosen(records)) {
        if (progress.records >= limit) return
        const waitMs = pace.next(record.timestamp)
        if (waitMs > 1) await sleep(clock, waitMs, signal).catch(() => undefined)
        if (signal?.aborted === true) return
        progress.records++
        yield record
      }
      progress.tell(records)
      if (progress.records >= limit) return
    }
  } finally {
    for (const reader of readers) await reader.close()
  }
}

class Progress {
  /** Records that were given. */
  records = 0
  #read = 0
  readonly #offsets = new Map<number, number>()
  readonly #onProgress: Settings['onProgress']

  constructor(onProgress: Settings['onProgress']) {
    this.#onProgress = onProgress
  }

  /** These records were read, and given if they are chosen. */
  tell(read: readonly Replayed[]): void {
    this.#read += read.length
    if (this.#onProgress === undefined) return
    for (const { partition, offset } of read) this.#offsets.set(partition, offset + 1)
    const { records } = this
    this.#onProgress({ records, read: this.#read, offsets: new Map(this.#offsets) })
  }
}

async function* roundsOf(
  readers: readonly PartitionReader[],
  { follow, signal }: Settings,
): RecordStream<Replayed> {
  const clock = new SystemClock()
  while (signal?.aborted !== true) {
    yield* mergedByTime(readers.map(reader => reader.upToEnd()))
    if (!follow) return
    await sleep(clock, LOOK_INTERVAL_MS, signal).catch(() => undefined)
  }
}

class PartitionReader {
  readonly #place: TopicPartition
  readonly #settings: Settings
  readonly #consumer: Consumer<Uint8Array, Uint8Array>
  #isReady = false

  constructor(cluster: KafkaCluster, place: TopicPartition, settings: Settings) {
    this.#place = place
    this.#settings = settings
    const { isolationLevel } = settings
    this.#consumer = cluster.consumer({ autoOffsetReset: 'earliest', isolationLevel })
  }

  /** The records up to where the partition ends now; the next call goes on behind them. */
  async *upToEnd(): RecordStream<Replayed> {
    if (!this.#isReady) await this.#begin()
    const { until, signal } = this.#settings
    const [end] = await this.#consumer.endOffsets([this.#place])
    const last = Math.min(end?.offset ?? 0, typeof until === 'number' ? until : Infinity)
    while (signal?.aborted !== true && (await this.#consumer.position(this.#place)) < last) {
      const records = (await this.#consumer.poll()).filter(each => this.#isWanted(each, last))
      if (records.length > 0) yield records
    }
  }

  #isWanted({ offset, timestamp }: Replayed, last: number): boolean {
    const { from, until } = this.#settings
    if (from instanceof Date && timestamp < from.getTime()) return false
    if (until instanceof Date && timestamp >= until.getTime()) return false
    return typeof until !== 'number' || offset < last
  }

  async #begin(): Promise<void> {
    const consumer = this.#consumer
    const { from } = this.#settings
    await consumer.assign([this.#place])
    const [start] = await consumer.beginningOffsets([this.#place])
    const first = start?.offset ?? 0
    const offset = typeof from === 'number' ? Math.max(from, first) : first
    const [end] = from instanceof Date ? await this.#found(from) : []
    consumer.seek({ ...this.#place, offset: end ?? offset })
    this.#isReady = true
  }

  /** The offset of the first record of this time, or the end. */
  async #found(timestamp: Date): Promise<readonly number[]> {
    const [found] = await this.#consumer.offsetsForTimes([{ ...this.#place, timestamp }])
    if (found?.offset !== undefined && found.offset !== null) return [found.offset]
    return (await this.#consumer.endOffsets([this.#place])).map(({ offset }) => offset)
  }

  async close(): Promise<void> {
    await this.#consumer.close()
  }
}
