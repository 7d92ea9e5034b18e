/**
 * Keeps a consumer's partitions fetched: while one chunk of a partition is being taken from, the
 * next one is on its way or there. A partition has at most one fetch under way.
 *
 * A fetch waits at the broker for fetchMinBytes or fetchMaxWaitMs, so an idle consumer asks twice a
 * second and is woken by an append; nothing here looks again and again.
 */

import { backoffMs } from '../base/backoff.js'
import type { Clock, Timer } from '../base/clock.js'
import type { Random } from '../base/random.js'
import { Signal } from '../base/tasks.js'
import { toPartlogError, type PartlogError } from '../model/errors.js'
import type { Channel } from '../protocol/channel.js'
import type { FetchResponse, PartitionFetchResponse } from '../protocol/messages/fetch.js'
import type { ConsumerSettings } from './config.js'
import { RecordChunk, type ConsumerRecord, type Deserializers } from './consumer-record.js'
import { errorFrom, throwIfError } from './errors.js'
import type { MetadataCache } from './metadata-cache.js'
import type { PartitionState } from './partition-state.js'

/** One chunk being taken from, one waiting. */
const CHUNKS_PER_PARTITION = 2

export interface FetcherOptions {
  readonly channel: Channel
  readonly clock: Clock
  readonly random: Random
  readonly settings: ConsumerSettings
  readonly metadata: MetadataCache
  readonly deserializers: Deserializers
  /** A partition's position is outside of its log. */
  readonly onOutOfRange: (state: PartitionState, error: PartlogError) => void
  /** The application was told that a partition has no position: it may have one by now. */
  readonly onLost: (state: PartitionState) => void
}

/** What was asked for a partition. */
interface Asked {
  readonly state: PartitionState
  readonly version: number
  readonly from: number
}

interface FetchUnderWay {
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
  /** Notified when there may be something to take. */
  readonly arrivals = new Signal()
  readonly #options: FetcherOptions
  readonly #requests = new Set<FetchUnderWay>()
  #isStopped = false
  #timer: Timer | undefined
  #timerAtMs = Infinity
  /** In the order in which they are served; the first one has its turn. */
  #states: PartitionState[] = []
  #isScheduled = false

  constructor(options: FetcherOptions) {
    this.#options = options
  }

  get isStopped(): boolean {
    return this.#isStopped
  }

  assign(states: readonly PartitionState[]): void {
    this.#states = [...states]
    this.wake()
  }

  /** Something has changed: ask for what is missing, at the end of this turn. */
  wake(): void {
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

  /** A fetch for a position that was left since need not be waited for. */
  #abortOutdated(): void {
    for (const { asked, controller } of this.#requests) {
      if (asked.some(({ state, version }) => state.version !== version)) controller.abort()
    }
  }

  stop(): void {
    this.#isStopped = true
    for (const request of this.#requests) request.controller.abort()
    this.#timer?.cancel()
    this.arrivals.notify()
  }

  /**
   * Up to `max` records of one partition that is not paused, or undefined when none are there.
   * Throws what a partition's fetch or next record has failed with.
   */
  take(max: number): Taken | undefined {
    for (let turns = this.#states.length; turns > 0; turns--) {
      const state = this.#states[0] as PartitionState
      if (!state.isPaused) {
        this.#throwErrorOf(state)
        const taken = this.#takeFrom(state, max)
        if (taken !== undefined) return taken
        if (state.chunks.length > 0) turns = this.#states.length + 1 // once more round to it
      }
      this.#states.push(this.#states.shift() as PartitionState)
    }
    return undefined
  }

  /** Once: then the partition is asked again, after a pause in which the others have their turn. */
  #throwErrorOf(state: PartitionState): void {
    const { error } = state
    if (error === undefined) return
    state.error = undefined
    if (state.position === undefined) {
      state.isLost = true
      this.#delay(state)
    }
    throw error
  }

  /** Of one chunk only: whoever has more waits for its next turn. */
  #takeFrom(state: PartitionState, max: number): Taken | undefined {
    const chunk = state.chunks[0]
    if (chunk === undefined) return undefined
    const records = chunk.take(max)
    state.position = chunk.nextOffset
    if (records.length > 0) return { state, version: state.version, records }
    state.chunks.shift()
    // Control records and gaps only: there is nothing to process in them.
    if (state.delivered === state.processed) state.processed = state.position
    state.delivered = state.position
    // Now, not at the end of this turn: the disk reads while the application works on what is here.
    this.#fetchMissing()
    return undefined
  }

  // ── asking ─────────────────────────────────────────────────────────────────────────────

  #fetchMissing(): void {
    if (this.isStopped) return
    const now = this.#options.clock.monotonicMs()
    const byLeader = new Map<number, PartitionState[]>()
    for (const state of this.#fetchable(now)) {
      const leader = this.#leaderOf(state)
      if (leader === undefined) continue
      const states = byLeader.get(leader)
      if (states === undefined) byLeader.set(leader, [state])
      else states.push(state)
    }
    for (const [leader, states] of byLeader) void this.#fetch(leader, states)
  }

  #fetchable(now: number): PartitionState[] {
    const buffered = this.#states.reduce((sum, state) => sum + state.bufferedBytes, 0)
    const isFull = buffered >= this.#options.settings.fetchMaxBytes
    return this.#states.filter(state => {
      if (state.isFetching || state.isPaused || state.error !== undefined) return false
      if (state.position === undefined && !state.isLost) return false
      if (state.notBeforeMs > now) {
        this.#wakeAfter(state.notBeforeMs - now)
        return false
      }
      if (state.position === undefined) {
        state.isLost = false
        this.#options.onLost(state)
        return false
      }
      const limit = isFull ? 1 : CHUNKS_PER_PARTITION
      return state.chunks.length < limit
    })
  }

  #leaderOf(state: PartitionState): number | undefined {
    const { metadata } = this.#options
    const leader = metadata.known(state.topic)?.partitions[state.partition]?.leaderId ?? -1
    if (leader >= 0) return leader
    metadata.refresh(state.topic).then(
      topic => {
        if ((topic.partitions[state.partition]?.leaderId ?? -1) >= 0) this.wake()
        else this.#delay(state)
      },
      (error: unknown) => this.#onError(state, toPartlogError(error)),
    )
    return undefined
  }

  async #fetch(leader: number, states: readonly PartitionState[]): Promise<void> {
    const { channel, settings } = this.#options
    const asked = states.map(state => ({ state, version: state.version, from: nextFetch(state) }))
    const request = { asked, controller: new AbortController() }
    this.#requests.add(request)
    for (const state of states) state.isFetching = true
    try {
      const response = await channel.send(
        leader,
        'Fetch',
        {
          // At least something: answers without records, one after the other, would be a busy loop.
          maxWaitMs: Math.max(settings.fetchMaxWaitMs, 1),
          minBytes: Math.max(settings.fetchMinBytes, 1),
          maxBytes: settings.fetchMaxBytes,
          topics: this.#topics(asked),
        },
        request.controller.signal,
      )
      throwIfError({ errorCode: response.errorCode ?? 0 }, `broker ${leader} refuses to be read`)
      let answers = 0
      for (const { topic = '', partitions } of response.responses) {
        for (const answer of partitions) this.#onAnswer(asked, topic, answer)
        answers += partitions.length
      }
      if (answers < asked.length) this.#delayUnanswered(asked, response)
    } catch (error) {
      for (const { state, version } of asked) {
        if (state.version === version) this.#onError(state, toPartlogError(error))
      }
    }
    this.#requests.delete(request)
    for (const state of states) state.isFetching = false
    this.arrivals.notify()
    this.#fetchMissing()
  }

  #topics(asked: readonly Asked[]) {
    const { maxPartitionFetchBytes: partitionMaxBytes } = this.#options.settings
    const byTopic = new Map<
      string,
      { partition: number; fetchOffset: number; partitionMaxBytes: number }[]
    >()
    for (const { state, from } of asked) {
      const wanted = { partition: state.partition, fetchOffset: from, partitionMaxBytes }
      const topic = byTopic.get(state.topic)
      if (topic === undefined) byTopic.set(state.topic, [wanted])
      else topic.push(wanted)
    }
    return [...byTopic].map(([topic, partitions]) => ({ topic, partitions }))
  }

  /** A broker that says nothing about a partition is not asked again and again. */
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
    state.failures = 0
    state.highWatermark = answer.highWatermark
    if (answer.records === null || answer.records.byteLength === 0) return
    const { deserializers, settings } = this.#options
    const { checkCrcs } = settings
    const options = { topic, partition: state.partition, from, checkCrcs, deserializers }
    state.chunks.push(new RecordChunk(answer.records, options))
  }

  #onError(state: PartitionState, error: PartlogError): void {
    if (this.isStopped) return
    if (error.code === 'OFFSET_OUT_OF_RANGE') return this.#options.onOutOfRange(state, error)
    this.#options.metadata.invalidate(state.topic)
    // Retriable by its number, but the same bytes come every time: Kafka's consumer throws it, too.
    if (!error.retriable || error.code === 'CORRUPT_MESSAGE') {
      state.error = error
      this.arrivals.notify()
    }
    this.#delay(state)
  }

  #delay(state: PartitionState): void {
    const { clock, settings, random } = this.#options
    const delayMs = backoffMs(settings, ++state.failures, random)
    state.notBeforeMs = clock.monotonicMs() + delayMs
    this.#wakeAfter(delayMs)
  }

  #wakeAfter(delayMs: number): void {
    const { clock } = this.#options
    const atMs = clock.monotonicMs() + delayMs
    if (atMs >= this.#timerAtMs || this.isStopped) return
    this.#timer?.cancel()
    this.#timerAtMs = atMs
    this.#timer = clock.after(delayMs, () => {
      this.#timerAtMs = Infinity
      this.wake()
    })
  }
}

/** Where the next fetch of a partition begins: behind what is fetched already. */
function nextFetch(state: PartitionState): number {
  return state.chunks.at(-1)?.endOffset ?? (state.position as number)
}
