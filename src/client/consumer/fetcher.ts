/*
 * Prefetches a consumer's partitions: while records are taken from one chunk of a partition, the
 * next chunk is being fetched or is buffered. A partition has at most one fetch under way.
 *
 * A fetch waits at the broker for fetchMinBytes or fetchMaxWaitMs, so an idle consumer sends two
 * fetches a second, and an append answers them; nothing here polls.
 */

import { Alarm } from '../../base/alarm.js'
import { assert } from '../../base/assert.js'
import { backoffMs } from '../../base/backoff.js'
import type { Clock } from '../../base/clock.js'
import { grouped } from '../../base/grouped.js'
import type { Random } from '../../base/random.js'
import { Watchers } from '../../base/watchers.js'
import { isChecked } from '../../model/batch/checked-bytes.js'
import { toPartlogError, type ErrorCode, type PartlogError } from '../../model/errors.js'
import { NONE } from '../../model/units.js'
import type { Channel } from '../../protocol/channel.js'
import {
  READ_COMMITTED,
  type FetchPartition,
  type FetchResponse,
  type PartitionFetchResponse,
} from '../../protocol/messages/fetch.js'
import { AbortedFilter } from '../line/aborted-filter.js'
import { errorFrom, throwIfError } from '../line/client-errors.js'
import type { EpochEnd } from '../line/epoch-trail.js'
import type { MetadataCache } from '../line/metadata-cache.js'
import { isolationOf, type ConsumerSettings } from './consumer-config.js'
import { RecordChunk, type ConsumerRecord, type Deserializers } from './consumer-record.js'
import type { PartitionState } from './partition-state.js'

/** The topic was deleted or recreated. */
const GONE: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'UNKNOWN_TOPIC_OR_PARTITION',
  'UNKNOWN_TOPIC_ID',
])

/**
 * How long a broker in this process may hold a fetch while nothing can have changed. A virtual hour
 * with an idle consumer: 7,200 fetches → 12.
 */
const IDLE_WAIT_MS = 300_000

/**
 * A broker in this process reads this much at once. Larger pieces come from another thread, and are
 * far from the processor when they are decoded: 200 → 150 ns per record of the processor.
 */
const NOW_BYTES = 256 * 1024

/** The current chunk and the next one. */
const CHUNKS_PER_PARTITION = 2

export interface FetcherOptions {
  readonly channel: Channel
  readonly clock: Clock
  readonly random: Random
  readonly settings: ConsumerSettings
  readonly metadata: MetadataCache
  readonly deserializers: Deserializers
  /** Handles positions that cannot be read from. */
  readonly onTrouble: PositionTrouble
}

/** Handlers of the problems that a fetch can find with a position. */
export interface PositionTrouble {
  /** The position is outside of its log. */
  outOfRange(state: PartitionState, error: PartlogError): Promise<void>
  /** The leader's log diverges from the records that were read; they agree at most up to `end`. */
  diverged(state: PartitionState, end: EpochEnd): void
  /** The topic was recreated: the position belongs to the deleted topic. */
  recreated(state: PartitionState): Promise<void>
  /** The topic does not exist any more. */
  gone(state: PartitionState): void
  /** The partition had no position, which was reported: there may be one by now. */
  lost(state: PartitionState): Promise<void>
}

/** A fetch of one partition, as it was requested. */
interface Asked {
  readonly state: PartitionState
  readonly version: number
  readonly from: number
  readonly leaderEpoch: number
}

interface FetchUnderWay {
  readonly leader: number
  readonly asked: readonly Asked[]
  readonly controller: AbortController
}

/** Records of one partition, in order. */
export interface Taken {
  readonly state: PartitionState
  /** The state's version when they were taken. */
  readonly version: number
  readonly records: readonly ConsumerRecord<unknown, unknown>[]
}

export class Fetcher {
  /** Notified when there may be records to take. */
  readonly arrivals = new Watchers()
  /** Called when records are taken, a position may have been moved, or a reader waits. */
  onActive: () => void = () => undefined
  readonly #options: FetcherOptions
  readonly #requests = new Set<FetchUnderWay>()
  #isStopped = false
  readonly #alarm: Alarm
  /** In the order in which they are served; the first is next. */
  #states: PartitionState[] = []
  #isScheduled = false
  /** Of a fetch that was answered at once: nothing listens to it. */
  #unused: AbortController | undefined
  /** There is room for another chunk since the last fetch. */
  #isChunkUsedUp = false

  constructor(options: FetcherOptions) {
    this.#options = options
    this.#alarm = new Alarm(options.clock, () => this.wake())
  }

  get isStopped(): boolean {
    return this.#isStopped
  }

  assign(states: readonly PartitionState[]): void {
    this.#states = [...states]
    this.wake()
  }

  /** Fetches what is missing at the end of this event-loop turn. */
  wake(): void {
    this.onActive()
    if (this.#isScheduled || this.isStopped) return
    this.#isScheduled = true
    this.#options.clock.soon(() => {
      this.#isScheduled = false
      this.#abortOutdated()
      this.#fetchMissing()
    })
  }

  /** A position has changed. */
  moved(): void {
    this.wake()
    this.arrivals.notify()
  }

  /** Aborts fetches for positions that were moved since, or of leaders that lead no more. */
  #abortOutdated(): void {
    for (const { leader, asked, controller } of this.#requests) {
      if (asked.some(each => this.#isOutdated(each, leader))) controller.abort()
    }
  }

  #isOutdated({ state, version }: Asked, leader: number): boolean {
    if (state.version !== version) return true
    const topic = this.#options.metadata.known(state.topic)
    if (topic === undefined) return false // what is known next decides
    const { leaderId = leader } = topic.partitions[state.partition] ?? {}
    return topic.topicId !== state.topicId || leaderId !== leader
  }

  stop(): void {
    this.#isStopped = true
    for (const request of this.#requests) request.controller.abort()
    this.#alarm.cancel()
    this.arrivals.notify()
  }

  /**
   * Up to `max` records of one partition that is not paused, or undefined when none are buffered.
   * Throws the error of a partition's fetch or next record.
   */
  take(max: number): Taken | undefined {
    const taken = this.#takeBuffered(max)
    if (taken !== undefined) this.onActive()
    if (taken !== undefined && !this.#isChunkUsedUp) return taken
    // Now, not at the end of this turn: the broker reads while the application processes records.
    this.#isChunkUsedUp = false
    this.#abortOutdated()
    const isAnswered = this.#fetchMissing()
    return taken ?? (isAnswered ? this.#takeBuffered(max) : undefined)
  }

  #takeBuffered(max: number): Taken | undefined {
    for (let turns = this.#states.length; turns > 0; turns--) {
      const state = this.#states[0] as PartitionState
      if (!state.isPaused) {
        this.#throwErrorOf(state)
        const taken = this.#takeFrom(state, max)
        if (taken !== undefined) return taken
        if (state.chunks.length > 0) turns = this.#states.length + 1 // to reach it once more
      }
      this.#states.push(this.#states.shift() as PartitionState)
    }
    return undefined
  }

  /** Throws an error once; the partition is fetched again after a pause. */
  #throwErrorOf(state: PartitionState): void {
    const error = state.takeError()
    if (error === undefined) return
    if (state.state === 'lost') this.#delay(state)
    throw error
  }

  /** Takes records of one chunk only: the next chunk of the partition waits for its turn. */
  #takeFrom(state: PartitionState, max: number): Taken | undefined {
    const chunk = state.chunks[0]
    if (chunk === undefined) return undefined
    const records = chunk.take(max)
    state.advanceTo(chunk.nextOffset)
    if (records.length > 0) {
      if (state.noteTaken()) this.wake()
      return { state, version: state.version, records }
    }
    state.chunks.shift()?.close()
    // Control records and gaps only: there is nothing to process in them.
    if (state.delivered === state.processed) state.processed = state.position
    state.delivered = state.position
    this.#isChunkUsedUp = true
    return undefined
  }

  // ── fetching ───────────────────────────────────────────────────────────────────────────

  /** True if there was an answer at once. */
  #fetchMissing(): boolean {
    if (this.isStopped) return false
    const now = this.#options.clock.monotonicMs()
    const fetchable = this.#fetchable(now)
    if (fetchable.length === 0) return false
    let isAnswered = false
    for (const [leader, states] of grouped(fetchable, state => this.#leaderOf(state))) {
      if (leader !== undefined && this.#fetch(leader, states)) isAnswered = true
    }
    return isAnswered
  }

  #fetchable(now: number): PartitionState[] {
    const buffered = this.#states.reduce((sum, state) => sum + state.bufferedBytes, 0)
    const isFull = buffered >= this.#options.settings.fetchMaxBytes
    return this.#states.filter(state => {
      if (state.isFetching || state.isPaused) return false
      if (state.state !== 'ready' && state.state !== 'lost') return false
      if (state.notBeforeMs > now) {
        this.#wakeAfter(state.notBeforeMs - now)
        return false
      }
      if (state.state === 'lost') {
        state.search()
        void this.#options.onTrouble.lost(state)
        return false
      }
      return state.chunks.length < (isFull || !mayReadOn(state) ? 1 : CHUNKS_PER_PARTITION)
    })
  }

  #leaderOf(state: PartitionState): number | undefined {
    const { metadata, onTrouble } = this.#options
    const topic = metadata.known(state.topic)
    if (topic !== undefined && topic.topicId !== state.topicId) {
      const isAnother = state.topicId !== ''
      state.topicId = topic.topicId
      if (isAnother) {
        void onTrouble.recreated(state)
        return undefined
      }
    }
    const leader = topic?.partitions[state.partition]?.leaderId ?? -1
    if (leader >= 0) return leader
    metadata.refresh(state.topic).then(
      ({ partitions }) => {
        if ((partitions[state.partition]?.leaderId ?? -1) >= 0) this.wake()
        else this.#delay(state)
      },
      (error: unknown) => this.#onError(state, toPartlogError(error)),
    )
    return undefined
  }

  /** Sends one fetch. True if it was answered at once, as a broker in this process may. */
  #fetch(leader: number, states: readonly PartitionState[]): boolean {
    const asked = states.map(state => this.#asked(state))
    const controller = this.#unused ?? new AbortController()
    const response = this.#send(leader, asked, controller.signal)
    this.#unused = response instanceof Promise ? undefined : controller
    if (response instanceof Promise) {
      void this.#await({ leader, asked, controller }, response)
      return false
    }
    this.#onResponse(leader, asked, response)
    this.arrivals.notify()
    this.wake() // not at once: a broker without news must not make this a loop
    return true
  }

  #send(
    leader: number,
    asked: readonly Asked[],
    signal: AbortSignal,
  ): FetchResponse | Promise<FetchResponse> {
    const { channel, settings } = this.#options
    const request = {
      // Never 0: empty answers in quick succession would be a busy loop.
      maxWaitMs: Math.max(settings.fetchMaxWaitMs, 1),
      minBytes: Math.max(settings.fetchMinBytes, 1),
      idleWaitMs: settings.fetchMinBytes > 1 ? 0 : IDLE_WAIT_MS,
      nowBytes: NOW_BYTES,
      maxBytes: settings.fetchMaxBytes,
      isolationLevel: isolationOf(settings),
      topics: this.#topics(asked),
    }
    try {
      return channel.send(leader, 'Fetch', request, signal)
    } catch (error) {
      return Promise.reject(toPartlogError(error))
    }
  }

  async #await(request: FetchUnderWay, response: Promise<FetchResponse>): Promise<void> {
    const { leader, asked, controller } = request
    this.#requests.add(request)
    for (const { state } of asked) {
      const { topic, partition, isFetching } = state
      assert(!isFetching, 'one fetch at a time', { topic, partition })
      state.isFetching = true
    }
    try {
      this.#onResponse(leader, asked, await response)
    } catch (error) {
      if (!controller.signal.aborted) this.#onFailure(asked, error)
    }
    this.#requests.delete(request)
    for (const { state } of asked) state.isFetching = false
    this.arrivals.notify()
    this.#fetchMissing()
  }

  #onFailure(asked: readonly Asked[], error: unknown): void {
    for (const { state, version } of asked) {
      if (state.version === version) this.#onError(state, toPartlogError(error))
    }
  }

  #onResponse(leader: number, asked: readonly Asked[], response: FetchResponse): void {
    try {
      throwIfError({ errorCode: response.errorCode ?? 0 }, `broker ${leader} refused the fetch`)
      let answers = 0
      for (const { topic = '', partitions } of response.responses) {
        for (const answer of partitions) this.#onAnswer(asked, topic, answer)
        answers += partitions.length
      }
      if (answers < asked.length) this.#delayUnanswered(asked, response)
    } catch (error) {
      this.#onFailure(asked, error)
    }
  }

  #asked(state: PartitionState): Asked {
    const { topic, partition, version } = state
    const known = this.#options.metadata.known(topic)?.partitions[partition]
    return { state, version, from: nextFetch(state), leaderEpoch: known?.leaderEpoch ?? -1 }
  }

  /** A leader of another epoch refuses the fetch; one with a diverging log returns its end. */
  #topics(asked: readonly Asked[]) {
    const { maxPartitionFetchBytes } = this.#options.settings
    const wanted = ({ state, from, leaderEpoch }: Asked): FetchPartition => ({
      partition: state.partition,
      fetchOffset: from,
      partitionMaxBytes: state.fetchBytes(maxPartitionFetchBytes),
      currentLeaderEpoch: leaderEpoch,
      lastFetchedEpoch: state.epochs.before(from),
    })
    const byTopic = grouped(asked, ({ state }) => state.topic)
    return [...byTopic].map(([topic, ofTopic]) => {
      const { topicId = '' } = ofTopic[0]?.state ?? {}
      return { topic, topicId, partitions: ofTopic.map(wanted) }
    })
  }

  /** Pauses before the next fetch of partitions that the answer does not cover. */
  #delayUnanswered(asked: readonly Asked[], { responses }: FetchResponse): void {
    for (const { state } of asked) {
      const isAnswered = responses.some(
        ({ topic, partitions }) =>
          topic === state.topic && partitions.some(each => each.partitionIndex === state.partition),
      )
      if (!isAnswered) this.#delay(state)
    }
  }

  #onAnswer(asked: readonly Asked[], topic: string, answer: PartitionFetchResponse): void {
    const found = asked.find(
      ({ state }) => state.topic === topic && state.partition === answer.partitionIndex,
    )
    if (found === undefined || found.state.version !== found.version) return // it was moved since
    const { state, from } = found
    const error = errorFrom(answer, `${topic}-${state.partition} cannot be read`)
    if (error !== undefined) return this.#onError(state, error)
    // A read_committed consumer has read everything when it is at the last stable offset.
    const isStable = isolationOf(this.#options.settings) === READ_COMMITTED
    const { highWatermark, lastStableOffset: stableEnd = NONE } = answer
    state.highWatermark = isStable && stableEnd >= 0 ? stableEnd : highWatermark
    const { divergingEpoch: end } = answer
    if (end !== undefined && end.endOffset >= 0) return this.#options.onTrouble.diverged(state, end)
    state.failures = 0
    if (answer.records === null || answer.records.byteLength === 0) return
    const { deserializers, settings } = this.#options
    const checkCrcs = settings.checkCrcs && !isChecked(answer.records)
    const { partition, epochs } = state
    const ranges = answer.abortedTransactions ?? []
    const aborted = ranges.length === 0 ? undefined : new AbortedFilter(ranges)
    const options = { topic, partition, from, checkCrcs, deserializers, epochs, aborted }
    state.addChunk(new RecordChunk(answer.records, options))
  }

  #onError(state: PartitionState, error: PartlogError): void {
    if (this.isStopped) return
    const { onTrouble, metadata } = this.#options
    if (error.code === 'OFFSET_OUT_OF_RANGE') return void onTrouble.outOfRange(state, error)
    if (GONE.has(error.code)) onTrouble.gone(state)
    metadata.invalidate(state.topic)
    // A retriable code, but every fetch returns the same bytes. Kafka's consumer throws it, too.
    if (!error.retriable || error.code === 'CORRUPT_MESSAGE') {
      state.fail(error)
      this.arrivals.notify()
    }
    this.#delay(state)
  }

  /** Pauses fetches of a partition whose problem may recur, so that others are read meanwhile. */
  delay(state: PartitionState): void {
    this.#delay(state)
  }

  #delay(state: PartitionState): void {
    const { clock, settings, random } = this.#options
    const delayMs = backoffMs(settings, ++state.failures, random)
    state.notBeforeMs = clock.monotonicMs() + delayMs
    this.#wakeAfter(delayMs)
  }

  #wakeAfter(delayMs: number): void {
    if (!this.isStopped) this.#alarm.setEarlier(delayMs)
  }
}

/** Where the next fetch of a partition begins: after the buffered chunks. */
function nextFetch(state: PartitionState): number {
  return state.chunks.at(-1)?.endOffset ?? (state.position as number)
}

/**
 * Whether to fetch ahead: when the reader reads on, and when there is nothing to fetch yet, so that
 * partitions whose readers wait for records share one fetch.
 */
function mayReadOn(state: PartitionState): boolean {
  return state.readsOn || nextFetch(state) >= state.highWatermark
}
