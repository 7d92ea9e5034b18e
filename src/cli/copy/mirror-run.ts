/*
 * The work of `partlog mirror`: reads the partitions of a remote topic from where the copy ends,
 * and writes the records to the same partitions of the copy.
 *
 *   plan → poll → lanes → acknowledged → positions stored → poll …
 */

import { STORE_INTERVAL_MS } from '../../events/import/import-ledger.js'
import { abortable } from '../../base/tasks.js'
import type { Consumer } from '../../client/consumer/consumer-api.js'
import type { ConsumerRecord } from '../../client/consumer/consumer-record.js'
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
import { isAnotherTopic } from './mirror-resume.js'

export interface MirrorRequest extends PlanRequest {
  /** Continue when the end is reached. */
  readonly follow: boolean
  /** Ends the work once the records that were read are acknowledged. */
  readonly signal: AbortSignal
  /** Called once, with the first plan. */
  readonly onPlan: (plan: MirrorPlan) => void
  /** `done` of `total` offsets are copied; `total` goes up to the ends at the start. */
  readonly onProgress: (done: number, total: number) => void
  /** All records that existed at the start are copied. */
  readonly onCaughtUp: () => void
}

/** What was copied of a partition, and how much higher the offsets of the source are at its end. */
export interface MirrorReport extends LaneReport {
  readonly shift: number
}

const POLL_RECORDS_MAX = 5_000
const POLL_MS = 250
/** How often positions are stored: after a crash the next run reads again from there. */
/** How often the source is checked for deletion and for new partitions. */
const CHECK_INTERVAL_MS = 3_000
/** How long the last check may take. */
const LAST_CHECK_MS = 3_000

/** One partition while it is read. */
interface Reading extends PartitionPlan {
  /** How many of the next records are in the copy already. */
  copied: number
  /** The offset after the last record that was taken: it is in the copy, or being sent there. */
  taken: number
  /** The offset after the last record that is acknowledged. */
  next: number
  /** The offset of the stored position; undefined: none is stored. */
  stored: number | undefined
}

type Ending = 'end' | 'signal' | 'grown'

class AnotherTopicError extends Error {
  constructor(topic: string) {
    super(`${topic} was deleted and recreated at the source: mirror it with another --topic`)
  }
}

export class Mirror {
  readonly #parts: PlanParts
  readonly #request: MirrorRequest
  readonly #lanes: Lanes
  #plan: MirrorPlan | undefined
  #readings = new Map<number, Reading>()
  #storedAtMs = -Infinity
  #checkedAtMs = 0
  #sourcePartitions = 0
  #hasCaughtUp = false

  constructor(parts: PlanParts, request: MirrorRequest) {
    this.#parts = parts
    this.#request = request
    const producer = parts.target.producer(ROUND_PRODUCER)
    this.#lanes = new Lanes({ producer, topic: request.topic, keepPartitions: true })
  }

  /** Copies until the end, or until the signal; `hasCaughtUp` tells if the end was reached. */
  async run(): Promise<void> {
    let ending: Ending
    do ending = await this.#runPlan()
    while (ending === 'grown')
  }

  /** All records that existed at the start are copied. */
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
        const stored = known?.target.topicId === plan.targetId ? known.source.offset : undefined
        return [each.partition, { ...each, taken: each.start, next: each.start, stored }]
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
        await this.#storeLast().catch(() => undefined) // the first error is the one to report
        throw await this.#causeOf(error)
      }
    }
    await this.#settle()
    await this.#storeLast()
    return ending
  }

  async #readUntilOver(consumer: Consumer): Promise<Ending> {
    const { signal } = this.#request
    await this.#store(signal) // before the first record, so that its source is known after a crash
    while (!this.#isOver()) {
      signal.throwIfAborted() // poll ignores the signal while it has records in its buffer
      if (await this.#hasGrown()) return 'grown'
      const records = await consumer.poll({ timeoutMs: POLL_MS, signal })
      for (const record of records) await this.#take(consumer, record)
      await this.#passGaps(consumer) // not earlier: the position is after records not yet taken
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

  /** Moves `taken` over offsets without records. All records of the poll must be taken before. */
  async #passGaps(consumer: Consumer): Promise<void> {
    for (const reading of this.#readings.values()) {
      const position = await consumer.position(this.#sourceOf(reading))
      reading.taken = this.#request.follow ? position : Math.min(position, reading.end)
    }
  }

  /** Skips a record that is in the copy already; the last one must equal the copy's last record. */
  #recognize(reading: Reading, record: ConsumerRecord): void {
    const { copied, lastCopied } = reading
    const isFine = copied > 1 || lastCopied === undefined || isCopyOf(lastCopied, record)
    if (!isFine) throw this.#notTheSame(reading)
    reading.copied--
  }

  #notTheSame({ partition, targetEnd }: Reading): Error {
    const { topic } = this.#request
    return new Error(
      `${topic}-${partition}: the record at offset ${targetEnd - 1} is not the one of the ` +
        'source: another program wrote to the copy, or the source was compacted; ' +
        'use another --topic',
    )
  }

  async #afterPoll(isIdle: boolean): Promise<void> {
    const now = clock.monotonicMs()
    const isDue = now - this.#storedAtMs >= STORE_INTERVAL_MS
    if (isIdle || isDue || this.#mayBeOver()) await this.#settle()
    if (isDue) await this.#store(this.#request.signal)
    this.#reportProgress()
  }

  /** Every record up to the ends has been taken. */
  #mayBeOver(): boolean {
    if (this.#hasCaughtUp) return false
    return [...this.#readings.values()].every(({ taken, end }) => taken >= end)
  }

  /** Waits until all records that were taken are in the copy. */
  async #settle(): Promise<void> {
    await this.#lanes.settle()
    for (const reading of this.#readings.values()) reading.next = reading.taken
  }

  /**
   * Stores the positions that have changed. All records up to them must be acknowledged. Checks
   * first that the source is still the topic they name.
   */
  async #store(signal: AbortSignal): Promise<void> {
    const { topic } = this.#request
    const changed = this.#changed()
    if (changed.size > 0) await this.#check(signal)
    await this.#parts.positions.write(topic, changed)
    for (const [partition, { source }] of changed) {
      const reading = this.#readings.get(partition) as Reading
      reading.stored = source.offset
    }
    this.#storedAtMs = clock.monotonicMs()
  }

  /**
   * Stores the last positions, unless the source does not answer in time: the next run then
   * recognizes the records that are copied already.
   */
  async #storeLast(): Promise<void> {
    const ending = new AbortController()
    const timer = clock.after(LAST_CHECK_MS, () => ending.abort())
    try {
      await this.#store(ending.signal)
    } catch (error) {
      if (error !== ending.signal.reason) throw error
    } finally {
      timer.cancel()
    }
  }

  /** AnotherTopicError if the source was recreated, since a consumer fails in many ways then. */
  async #causeOf(error: unknown): Promise<unknown> {
    const ending = new AbortController()
    const timer = clock.after(LAST_CHECK_MS, () => ending.abort())
    try {
      await this.#check(ending.signal)
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
    for (const { partition, next, copied, stored, targetEnd } of this.#readings.values()) {
      if (copied > 0 || next === stored) continue
      changed.set(partition, {
        source: { topic: this.#request.from, topicId: sourceId, offset: next },
        target: { topicId: targetId, offset: ends.get(partition) ?? targetEnd },
      })
    }
    return changed
  }

  /** Is everything copied that existed at the start? A mirror that follows is never over. */
  #isOver(): boolean {
    const { follow, onCaughtUp } = this.#request
    if (this.#hasCaughtUp) return !follow
    const readings = [...this.#readings.values()]
    if (readings.some(({ next, end }) => next < end)) return false
    const surplus = readings.find(({ copied }) => copied > 0)
    if (surplus !== undefined) throw this.#notTheSame(surplus)
    this.#hasCaughtUp = true
    onCaughtUp()
    return !follow
  }

  async #hasGrown(): Promise<boolean> {
    const { follow, signal } = this.#request
    if (clock.monotonicMs() - this.#checkedAtMs >= CHECK_INTERVAL_MS) await this.#check(signal)
    return follow && this.#sourcePartitions > this.#readings.size
  }

  /** Checks the source. Throws if it cannot be reached, or was recreated. */
  async #check(signal: AbortSignal): Promise<void> {
    const { sourceId } = this.#plan as MirrorPlan
    const { from } = this.#request
    signal.throwIfAborted()
    const describing = this.#parts.source.admin.describeTopic(from)
    const { topicId, partitions } = await abortable(describing, signal)
    if (isAnotherTopic(sourceId, topicId)) throw new AnotherTopicError(from)
    this.#sourcePartitions = partitions.length
    this.#checkedAtMs = clock.monotonicMs()
  }

  #reportProgress(): void {
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
