/*
 * Follows the partitions that one other broker leads, with the Fetch requests that consumers use:
 * one request for all of them, which the leader holds until it has records.
 *
 *   fetch from the own log end, with the epoch of the last record
 *     ├─ records    append them unchanged, make them durable, fetch again
 *     ├─ diverging  truncate what the leader does not have, fetch again
 *     └─ error, or an answer that should change the log but does not:
 *                   back off from the partition
 *
 * Even if a leader keeps answering at once without progress, the event loop gets a turn after every
 * 16 such requests.
 *
 * A fetch from X says that this broker has everything below X, so it fetches only when what it has
 * appended is as durable as the cluster promises.
 */

import { Alarm } from '../../base/alarm.js'
import { asBuffer, NO_BYTES } from '../../base/bytes.js'
import type { Clock } from '../../base/clock.js'
import type { Logger } from '../../base/logger.js'
import { abortable, Signal } from '../../base/tasks.js'
import { baseOfBatchAround } from '../../log/store/follower-batches.js'
import type { Log } from '../../log/store/log.js'
import { errorOf, toPartlogError } from '../../model/errors.js'
import type { LeaderEpoch } from '../../model/units.js'
import { copyNow } from '../../partition/copy-now.js'
import type { Partition } from '../../partition/partition.js'
import type { Channel } from '../../protocol/channel.js'
import type {
  FetchPartition,
  FetchRequest,
  FetchResponse,
  PartitionFetchResponse,
} from '../../protocol/messages/fetch.js'
import {
  FETCH_MAX_WAIT_MS,
  REPLICA_FETCH_BACKOFF_MS,
  REPLICA_FETCH_MAX_BYTES,
  REPLICA_FETCH_RESPONSE_MAX_BYTES,
  REPLICA_FETCH_WAIT_MAX_MS,
} from '../broker-config.js'

export interface Truncation {
  readonly partition: Partition
  readonly fromOffset: number
  readonly toOffset: number
  /** Files in the partition's folder that keep the truncated records. */
  readonly keptIn: readonly string[]
  /** The high watermark that this broker knew before. */
  readonly highWatermark: number
}

export interface ReplicaFetcherOptions {
  readonly brokerId: number
  readonly leaderId: number
  readonly channel: Channel
  readonly clock: Clock
  readonly logger: Logger
  readonly onTruncated: (truncation: Truncation) => void
}

interface Target {
  readonly partition: Partition
  readonly epoch: LeaderEpoch
  readonly log: Log
}

export class ReplicaFetcher {
  readonly #options: ReplicaFetcherOptions
  readonly #changes = new Signal()
  readonly #notBeforeMs = new Map<Partition, number>()
  /**
   * Partitions whose last fetch, in this epoch, was answered without records: they know all there
   * is. If no answer came, the leader may believe that they know what was on its way.
   */
  readonly #upToDate = new Map<Partition, LeaderEpoch>()
  #partitions: readonly Partition[] = []
  #underWay: AbortController | undefined
  readonly #alarm: Alarm
  #isPaused = false
  #isStopped = false
  readonly #running: Promise<void>

  constructor(options: ReplicaFetcherOptions) {
    this.#options = options
    this.#alarm = new Alarm(options.clock, () => this.#wake(), 'background')
    this.#running = this.#run()
  }

  /** Sets the partitions to follow from now on. */
  assign(partitions: readonly Partition[]): void {
    const isSame =
      partitions.length === this.#partitions.length &&
      partitions.every((partition, index) => partition === this.#partitions[index])
    this.#partitions = partitions
    for (const each of this.#notBeforeMs.keys()) {
      if (!partitions.includes(each)) this.#notBeforeMs.delete(each)
    }
    for (const each of this.#upToDate.keys()) {
      if (!partitions.includes(each)) this.#upToDate.delete(each)
    }
    if (!isSame) this.#wake()
  }

  /** The leader may have changed or returned: ends all back-offs. */
  retryNow(): void {
    if (this.#notBeforeMs.size === 0) return
    this.#notBeforeMs.clear()
    this.#wake()
  }

  set isPaused(isPaused: boolean) {
    this.#isPaused = isPaused
    this.#wake()
  }

  /** Resolves when the fetcher writes nothing more. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#wake()
    await this.#running
  }

  #wake(): void {
    this.#underWay?.abort()
    this.#changes.notify()
  }

  async #run(): Promise<void> {
    let idleRounds = 0
    while (!this.#isStopped) {
      const targets = this.#isPaused ? [] : this.#targets()
      if (targets.length === 0) await this.#changes.wait()
      else idleRounds = (await this.#copy(targets)) ? 0 : idleRounds + 1
      if (idleRounds % IDLE_ROUNDS_MAX === IDLE_ROUNDS_MAX - 1) await this.#options.clock.turn()
    }
    this.#alarm.cancel()
  }

  /** Partitions that may be fetched now; sets the alarm for those that have to wait. */
  #targets(): Target[] {
    const now = this.#options.clock.monotonicMs()
    const targets: Target[] = []
    let nextMs = Infinity
    for (const partition of this.#partitions) {
      const { leaderEpoch: epoch, replicaLog: log } = partition
      const notBefore = this.#notBeforeMs.get(partition) ?? 0
      if (notBefore > now) nextMs = Math.min(nextMs, notBefore)
      else if (log !== undefined && partition.isFollowing(epoch)) {
        if (partition.settled.isAll) targets.push({ partition, epoch, log })
        else nextMs = Math.min(nextMs, now + REPLICA_FETCH_BACKOFF_MS)
      }
    }
    this.#alarm.set(nextMs - now)
    return targets
  }

  /** Sends one fetch for all targets. True if a log has grown or was truncated. */
  async #copy(targets: readonly Target[]): Promise<boolean> {
    const { channel, leaderId } = this.#options
    this.#underWay = new AbortController()
    const { signal } = this.#underWay
    try {
      const sent = channel.send(leaderId, 'Fetch', this.#request(targets), signal)
      for (const { partition } of targets) this.#upToDate.delete(partition)
      const response = await abortable(Promise.resolve(sent), signal)
      if (this.#isStopped || this.#isPaused) return false
      const answers = answersOf(response)
      const taken = targets.map(target => this.#take(target, answers(target)))
      return (await Promise.all(taken)).includes(true)
    } catch (error) {
      if (signal.aborted) return false
      this.#options.logger.debug(`the fetch from broker ${leaderId} failed`, { error })
      for (const { partition } of targets) this.#backOff(partition)
      return false
    } finally {
      this.#underWay = undefined
    }
  }

  #request(targets: readonly Target[]): FetchRequest {
    const underWay = this.#underWay as AbortController
    const isCurrent = (): boolean => this.#underWay === underWay && !underWay.signal.aborted
    const wanted = (
      { epoch, log, partition: replica }: Target,
      partition: number,
    ): FetchPartition => ({
      partition,
      currentLeaderEpoch: epoch,
      fetchOffset: log.logEndOffset,
      lastFetchedEpoch: log.epochs.latestEpoch,
      logStartOffset: replica.settled.logStart,
      partitionMaxBytes: REPLICA_FETCH_MAX_BYTES,
      take: handed => isCurrent() && copyNow(replica, epoch, handed),
    })
    return {
      replicaId: this.#options.brokerId,
      maxWaitMs: REPLICA_FETCH_WAIT_MAX_MS,
      idleWaitMs: targets.every(target => this.#knowsAll(target)) ? FETCH_MAX_WAIT_MS : 0,
      minBytes: 1,
      maxBytes: REPLICA_FETCH_RESPONSE_MAX_BYTES,
      topics: [...targetsByTopic(targets)].map(([topic, ofTopic]) => ({
        topic,
        partitions: [...ofTopic].map(([partition, target]) => wanted(target, partition)),
      })),
    }
  }

  /**
   * True if this replica and its leader know of each other what they can. A log start that could
   * not be saved yet is tried again, and told, with the next fetch.
   */
  #knowsAll({ partition, epoch, log }: Target): boolean {
    const isStartKnown = partition.settled.logStart >= log.logStartOffset
    return isStartKnown && this.#upToDate.get(partition) === epoch
  }

  /** Applies an answer. True if the log has grown or was truncated. */
  async #take(target: Target, answer: PartitionFetchResponse | undefined): Promise<boolean> {
    const { partition, epoch, log } = target
    if (!partition.isFollowing(epoch)) return false
    try {
      if (answer === undefined) return this.#backOff(partition)
      const { divergingEpoch: diverging } = answer
      if (answer.errorCode !== 0) return await this.#onError(target, answer)
      if (diverging !== undefined && diverging.epoch >= 0) {
        return await this.#truncate(target, commonEnd(log, diverging))
      }
      return await this.#append(target, answer)
    } catch (error) {
      const { topic, partition: number } = partition.topicPartition
      const reason = toPartlogError(error)
      this.#options.logger.warn(`${topic}-${number} cannot follow`, { error: reason })
      return this.#backOff(partition)
    }
  }

  async #append(target: Target, answer: PartitionFetchResponse): Promise<boolean> {
    const { partition, epoch, log } = target
    const records = asBuffer(answer.records ?? NO_BYTES)
    if (log.logStartOffset === log.logEndOffset) {
      // Begins with the whole batch that the leader's log starts in, as Kafka does.
      const base = baseOfBatchAround(records, log.logEndOffset)
      if (base !== undefined) {
        await partition.restartAt(base)
        if (!partition.isFollowing(epoch)) return true
      }
    }
    const { highWatermark, logStartOffset = 0 } = answer
    partition.appendFromLeader({ records, highWatermark, logStartOffset })
    if (records.length > 0) await partition.settled.settle()
    // If the log start cannot be saved, the leader is not told yet, and following continues.
    await partition.settled.settleLogStart().catch(() => undefined)
    if (records.length === 0) this.#upToDate.set(partition, epoch)
    return records.length > 0
  }

  async #onError(target: Target, answer: PartitionFetchResponse): Promise<boolean> {
    const { partition, log } = target
    const { logStartOffset = -1, highWatermark } = answer
    if (errorOf(answer.errorCode) !== 'OFFSET_OUT_OF_RANGE' || logStartOffset < 0) {
      return this.#backOff(partition)
    }
    if (logStartOffset <= log.logEndOffset) return await this.#truncate(target, highWatermark)
    const { logEndOffset } = log
    const keptIn = await partition.restartAt(logStartOffset)
    const what = `restarts at ${logStartOffset}, its log ended at ${logEndOffset}`
    this.#logTruncation(partition, what, keptIn)
    return true
  }

  async #truncate({ partition, log }: Target, offset: number): Promise<boolean> {
    const fromOffset = log.logEndOffset
    const { latestEpoch } = log.epochs
    const { highWatermark } = partition
    const keptIn = await partition.truncateTo(offset)
    const toOffset = log.logEndOffset
    if (toOffset >= fromOffset) {
      // An epoch without records may have been removed; if not, the answer would repeat forever.
      return log.epochs.latestEpoch === latestEpoch ? this.#backOff(partition) : true
    }
    this.#logTruncation(partition, `is truncated from ${fromOffset} to ${toOffset}`, keptIn)
    this.#options.onTruncated({ partition, fromOffset, toOffset, keptIn, highWatermark })
    return true
  }

  #logTruncation({ topicPartition }: Partition, what: string, keptIn: readonly string[]): void {
    if (keptIn.length === 0) return
    const { topic, partition } = topicPartition
    const { leaderId } = this.#options
    const sentence = `${topic}-${partition} ${what}, to match its leader, broker ${leaderId}`
    this.#options.logger.warn(sentence, { keptIn })
  }

  #backOff(partition: Partition): false {
    const untilMs = this.#options.clock.monotonicMs() + REPLICA_FETCH_BACKOFF_MS
    this.#notBeforeMs.set(partition, untilMs)
    return false
  }
}

/** How many fetches without progress may follow each other before the event loop gets a turn. */
const IDLE_ROUNDS_MAX = 16

function targetsByTopic(targets: readonly Target[]): Map<string, Map<number, Target>> {
  const topics = new Map<string, Map<number, Target>>()
  for (const target of targets) {
    const { topic, partition } = target.partition.topicPartition
    const ofTopic = topics.get(topic)
    if (ofTopic === undefined) topics.set(topic, new Map([[partition, target]]))
    else ofTopic.set(partition, target)
  }
  return topics
}

/** Returns a function that finds the answer for a target. */
function answersOf({ responses }: FetchResponse) {
  const topics = new Map<string | undefined, Map<number, PartitionFetchResponse>>()
  for (const { topic, partitions } of responses) {
    const ofTopic = topics.get(topic) ?? new Map<number, PartitionFetchResponse>()
    for (const answer of partitions) ofTopic.set(answer.partitionIndex, answer)
    topics.set(topic, ofTopic)
  }
  return ({ partition: { topicPartition } }: Target): PartitionFetchResponse | undefined =>
    topics.get(topicPartition.topic)?.get(topicPartition.partition)
}

/** How far the own log can match the leader's: found by epochs, never by the high watermark. */
function commonEnd(
  log: Log,
  diverging: { readonly epoch: LeaderEpoch; readonly endOffset: number },
): number {
  const own = log.epochs.endOffsetFor(diverging.epoch, log.logEndOffset)
  if (own.epoch === diverging.epoch) return Math.min(own.endOffset, diverging.endOffset)
  return own.endOffset
}
