/**
 * The work of `partlog mirror`: reads the partitions of a topic elsewhere from where the copy ends,
 * and writes what it reads into the same partitions of the copy.
 *
 *   plan → poll → lanes → acknowledged → positions kept → poll …
 */

import { abortable } from '../../base/tasks.js'
import type { ConsumerRecord } from '../../client/consumer/consumer-record.js'
import type { Consumer } from '../../client/consumer/consumer-api.js'
import type { TopicPartition } from '../../model/names.js'
import { clock } from '../terminal/ending.js'
import { Lanes, ROUND_PRODUCER, type LaneReport } from './lanes.js'
import {
  isCopyOf,
  planMirror,
  type MirrorPlan,
  type PartitionPlan,
  type PlanParts,
  type PlanRequest,
} from './mirror-plan.js'
import type { MirrorPosition } from './mirror-positions.js'
import { isAnotherTopic } from './mirror-start.js'

export interface MirrorRequest extends PlanRequest {
  /** Go on when the end is reached. */
  readonly follow: boolean
  /** Ends the work after what is in hand. */
  readonly signal: AbortSignal
  /** Called once. */
  readonly onPlan: (plan: MirrorPlan) => void
  /** So many offsets of so many were read; of those seen at the beginning. */
  readonly onProgress: (done: number, total: number) => void
  /** Everything that was there at the beginning is copied. */
  readonly onCaughtUp: () => void
}

/** What has become of a partition, and how much higher the source's offsets are at its end. */
export interface MirrorReport extends LaneReport {
  readonly shift: number
}

const POLL_RECORDS_MAX = 5_000
const POLL_MS = 250
/** A crash makes the next run read again what came since the positions were kept. */
const KEEP_EVERY_MS = 1_000
/** Is the source still there, and with as many partitions? */
const LOOK_EVERY_MS = 3_000
/** How long the last look may take. */
const LAST_LOOK_MS = 3_000

/** One partition while it is read. */
interface Reading extends PartitionPlan {
  /** So many of the next records are in the copy already. */
  copied: number
  /** The offset behind what was taken: it is in the copy, or on its way there. */
  taken: number
  /** The offset behind what is settled. */
  next: number
  /** What is known to be kept. */
  kept: number | undefined
}

type Ending = 'end' | 'signal' | 'grown'

class AnotherTopicError extends Error {
  constructor(topic: string) {
    super(`${topic} is another topic by now`)
  }
}

export class Mirror {
  readonly #parts: PlanParts
  readonly #request: MirrorRequest
  readonly #lanes: Lanes
  #plan: MirrorPlan | undefined
  #readings = new Map<number, Reading>()
  #keptAtMs = -Infinity
  #lookedAtMs = 0
  #partitionsThere = 0
  #hasCaughtUp = false

  constructor(parts: PlanParts, request: MirrorRequest) {
    this.#parts = parts
    this.#request = request
    const producer = parts.target.producer(ROUND_PRODUCER)
    this.#lanes = new Lanes({ producer, topic: request.topic, keepPartitions: true })
  }

  /** Copies until the end, or until the signal: then it tells by `hasCaughtUp` how far it was. */
  async run(): Promise<void> {
    let ending: Ending
    do ending = await this.#runPlan()
    while (ending === 'grown')
  }

  /** Everything that was there at the beginning is copied. */
  get hasCaughtUp(): boolean {
    return this.#hasCaughtUp
  }

  get reports(): MirrorReport[] {
    const lanes = new Map(this.#lanes.reports.map(report => [report.partition, report]))
    return [...this.#readings.values()].map(({ partition, next, copied, targetEnd }) => {
      const nothing = { records: 0, source: undefined, target: undefined, next }
      const report = { partition, ...nothing, ...lanes.get(partition) }
      return { ...report, shift: next + copied - (report.target?.until ?? targetEnd) }
    })
  }

  async #runPlan(): Promise<Ending> {
    const { source, positions } = this.#parts
    const { from, onPlan } = this.#request
    const plan = await planMirror(this.#parts, this.#request)
    if (this.#plan === undefined) onPlan(plan)
    this.#plan = plan
    this.#readings = new Map(
      plan.partitions.map(each => {
        const known = positions.of(this.#request.topic, each.partition)
        const kept = known?.target.topicId === plan.targetId ? known.source.offset : undefined
        return [each.partition, { ...each, taken: each.start, next: each.start, kept }]
      }),
    )
    await using consumer = source.consumer({
      clientId: 'partlog-mirror',
      autoOffsetReset: 'none',
      allowAutoCreateTopics: false,
      maxPollRecords: POLL_RECORDS_MAX,
    })
    await consumer.assign(plan.partitions.map(({ partition }) => ({ topic: from, partition })))
    for (const { partition, start } of plan.partitions) {
      consumer.seek({ topic: from, partition, offset: start })
    }
    return await this.#readAll(consumer)
  }

  async #readAll(consumer: Consumer): Promise<Ending> {
    const { signal } = this.#request
    let ending: Ending = 'signal'
    try {
      ending = await this.#readUntilOver(consumer)
    } catch (error) {
      if (error !== signal.reason) {
        await this.#settle()
        await this.#keepLast().catch(() => undefined) // the first error is the one to tell
        throw await this.#whyOf(error)
      }
    }
    await this.#settle()
    await this.#keepLast()
    return ending
  }

  async #readUntilOver(consumer: Consumer): Promise<Ending> {
    const { signal } = this.#request
    await this.#keep(signal) // before the first record: else nobody would know where it came from
    while (!this.#isOver()) {
      signal.throwIfAborted() // poll would go on for as long as it has records at hand
      if (await this.#hasGrown()) return 'grown'
      const records = await consumer.poll({ timeoutMs: POLL_MS, signal })
      for (const record of records) await this.#take(consumer, record)
      await this.#passGaps(consumer) // only now: before, it is behind records that nobody took
      await this.#afterPoll(records.length === 0)
    }
    return 'end'
  }

  async #take(consumer: Consumer, record: ConsumerRecord): Promise<void> {
    const { follow } = this.#request
    const { partition, offset } = record
    const reading = this.#readings.get(partition) as Reading
    if (!follow && offset >= reading.end) return consumer.pause([this.#sourceOf(reading)])
    if (reading.copied > 0) this.#recognize(reading, record)
    else await this.#lanes.write(record)
    reading.taken = offset + 1
  }

  /** Every record that came is taken; behind them may be what are no records. */
  async #passGaps(consumer: Consumer): Promise<void> {
    for (const reading of this.#readings.values()) {
      const position = await consumer.position(this.#sourceOf(reading))
      reading.taken = this.#request.follow ? position : Math.min(position, reading.end)
    }
  }

  /** It is in the copy already: the last of these must be the copy's last one. */
  #recognize(reading: Reading, record: ConsumerRecord): void {
    const { copied, lastCopied } = reading
    const isFine = copied > 1 || lastCopied === undefined || isCopyOf(lastCopied, record)
    if (!isFine) throw this.#notTheSame(reading)
    reading.copied--
  }

  #notTheSame({ partition, targetEnd }: Reading): Error {
    const { topic } = this.#request
    return new Error(
      `${topic}-${partition}: the record at offset ${targetEnd - 1} is not that of the source: ` +
        'somebody else has written to it, or the source was compacted; say another --topic',
    )
  }

  async #afterPoll(isIdle: boolean): Promise<void> {
    const now = clock.monotonicMs()
    const isTime = now - this.#keptAtMs >= KEEP_EVERY_MS
    if (isIdle || isTime || this.#mayBeOver()) await this.#settle()
    if (isTime) await this.#keep(this.#request.signal)
    this.#tellProgress()
  }

  /** All that was asked for has come. */
  #mayBeOver(): boolean {
    if (this.#hasCaughtUp) return false
    return [...this.#readings.values()].every(({ taken, end }) => taken >= end)
  }

  /** Everything that was taken is in the copy. */
  async #settle(): Promise<void> {
    await this.#lanes.settle()
    for (const reading of this.#readings.values()) reading.next = reading.taken
  }

  /**
   * Keeps the positions that have changed; only after everything is acknowledged, and if what was
   * read until now is the topic they name.
   */
  async #keep(signal: AbortSignal): Promise<void> {
    const { topic } = this.#request
    const changed = this.#changed()
    if (changed.size > 0) await this.#look(signal)
    await this.#parts.positions.write(topic, changed)
    for (const [partition, { source }] of changed) {
      const reading = this.#readings.get(partition) as Reading
      reading.kept = source.offset
    }
    this.#keptAtMs = clock.monotonicMs()
  }

  /** A source that does not answer is not waited for: what is copied by now is found again. */
  async #keepLast(): Promise<void> {
    const ending = new AbortController()
    const timer = clock.after(LAST_LOOK_MS, () => ending.abort())
    try {
      await this.#keep(ending.signal)
    } catch (error) {
      if (error !== ending.signal.reason) throw error
    } finally {
      timer.cancel()
    }
  }

  /** A consumer stumbles over a topic that was made anew in its own ways: that is the reason. */
  async #whyOf(error: unknown): Promise<unknown> {
    const ending = new AbortController()
    const timer = clock.after(LAST_LOOK_MS, () => ending.abort())
    try {
      await this.#look(ending.signal)
      return error
    } catch (later) {
      return later instanceof AnotherTopicError ? later : error
    } finally {
      timer.cancel()
    }
  }

  #changed(): Map<number, MirrorPosition> {
    const { sourceId, targetId } = this.#plan as MirrorPlan
    const ends = new Map(this.#lanes.reports.map(each => [each.partition, each.target?.until]))
    const changed = new Map<number, MirrorPosition>()
    for (const { partition, next, copied, kept, targetEnd } of this.#readings.values()) {
      if (copied > 0 || next === kept) continue
      changed.set(partition, {
        source: { topic: this.#request.from, topicId: sourceId, offset: next },
        target: { topicId: targetId, offset: ends.get(partition) ?? targetEnd },
      })
    }
    return changed
  }

  /** Has everything been copied that there was? Goes on nevertheless when it follows. */
  #isOver(): boolean {
    const { follow, onCaughtUp } = this.#request
    if (this.#hasCaughtUp) return !follow
    const readings = [...this.#readings.values()]
    if (readings.some(({ next, end }) => next < end)) return false
    const odd = readings.find(({ copied }) => copied > 0)
    if (odd !== undefined) throw this.#notTheSame(odd)
    this.#hasCaughtUp = true
    onCaughtUp()
    return !follow
  }

  async #hasGrown(): Promise<boolean> {
    const { follow, signal } = this.#request
    if (clock.monotonicMs() - this.#lookedAtMs >= LOOK_EVERY_MS) await this.#look(signal)
    return follow && this.#partitionsThere > this.#readings.size
  }

  /** Looks at the source. Throws when it cannot be reached, or is another topic. */
  async #look(signal: AbortSignal): Promise<void> {
    const { sourceId } = this.#plan as MirrorPlan
    const { from } = this.#request
    signal.throwIfAborted()
    const looking = this.#parts.source.admin.describeTopic(from)
    const { topicId, partitions } = await abortable(looking, signal)
    if (isAnotherTopic(sourceId, topicId)) throw new AnotherTopicError(from)
    this.#partitionsThere = partitions.length
    this.#lookedAtMs = clock.monotonicMs()
  }

  #tellProgress(): void {
    let done = 0
    let total = 0
    for (const { start, next, end } of this.#readings.values()) {
      done += next - start
      total += end - start
    }
    this.#request.onProgress(done, total)
  }

  #sourceOf({ partition }: Reading): TopicPartition {
    return { topic: this.#request.from, partition }
  }
}
