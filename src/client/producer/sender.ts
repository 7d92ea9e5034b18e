/*
 * Takes ready batches from the accumulator and sends them to their leaders. It settles them with
 * offsets or an error, or sends them again after a pause.
 *
 * One drain serves everything that became ready in a turn. A drain sends one request per leader, or
 * more when they would be larger than maxRequestSize.
 */

import { Alarm } from '../../base/alarm.js'
import { backoffMs } from '../../base/backoff.js'
import type { Clock } from '../../base/clock.js'
import type { Logger } from '../../base/logger.js'
import { INT_MAX } from '../../base/options.js'
import type { Random } from '../../base/random.js'
import type { BatchOptions } from '../../model/batch/batch-builder.js'
import {
  errorId,
  isPartlogError,
  PartlogError,
  toPartlogError,
  withUnknownOutcome,
  type ErrorCode,
} from '../../model/errors.js'
import { NONE } from '../../model/units.js'
import { ANY_NODE, type Channel } from '../../protocol/channel.js'
import type { PartitionProduceResponse, ProduceResponse } from '../../protocol/messages/produce.js'
import { describedError, throwIfError } from '../line/client-errors.js'
import type { MetadataCache } from '../line/metadata-cache.js'
import { RetryNews } from '../line/retry-news.js'
import type { Accumulator, PendingBatch, Row } from './accumulator.js'
import { type Acks, compressionOf, isIdempotent, type ProducerSettings } from './producer-config.js'
import { ProducerIdentity } from './producer-identity.js'
import type { SendGate } from './transaction.js'

const ACKS_ON_WIRE: Readonly<Record<Acks, number>> = { all: -1, 1: 1, 0: 0 }

/**
 * After these errors the records are likely in the log although the request failed. Only an
 * idempotent producer sends them again: otherwise they could be written twice unnoticed.
 */
const LIKELY_APPENDED: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'REQUEST_TIMED_OUT',
  'NOT_ENOUGH_REPLICAS_AFTER_APPEND',
  'LOG_OFFLINE',
  'UNKNOWN_SERVER_ERROR',
])

/**
 * These mostly come before anything is appended, and every producer sends again, as Kafka's do. But
 * a leader also answers so when it loses the partition or its disk while the records wait for
 * replicas or for the sync: the next leader may have them.
 */
const PERHAPS_APPENDED: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'NOT_LEADER_OR_FOLLOWER',
  'KAFKA_STORAGE_ERROR',
])

/** The last error, for the message of a send that ran out of time. */
function becauseOf(error: Error | undefined): string {
  return error === undefined ? '' : `; last error: ${error.message}`
}

const DUPLICATE = errorId('DUPLICATE_SEQUENCE_NUMBER')
interface TopicData {
  readonly name: string
  readonly partitionData: { readonly index: number; readonly records: Buffer }[]
}

/** The batches for one leader in one drain. */
interface Load {
  readonly leader: number
  readonly batches: PendingBatch[]
}

function load(loads: Load[], leader: number, batch: PendingBatch): void {
  for (const each of loads) if (each.leader === leader) return void each.batches.push(batch)
  loads.push({ leader, batches: [batch] })
}

export interface SenderOptions {
  readonly channel: Channel
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly settings: ProducerSettings
  readonly accumulator: Accumulator
  readonly metadata: MetadataCache
  /** Of a transactional producer. */
  readonly gate?: SendGate | undefined
  /** Batches were settled: there may be room again. */
  readonly onSettled: () => void
  /** Whether sends wait for memory: then batches must not linger. */
  readonly isShortOfMemory: () => boolean
}

export class Sender {
  readonly #options: SenderOptions
  #isScheduled = false
  readonly #onWake = (): void => {
    this.#isScheduled = false
    this.#drain()
  }
  /** The foreground alarm keeps the process alive because a batch must be sent. */
  readonly #alarms: { readonly foreground: Alarm; readonly background: Alarm }
  /** A flush is under way: lingerMs is ignored. */
  #isFlushing = false

  readonly #batchOptions: BatchOptions
  /** Undefined without idempotence. */
  readonly identity: ProducerIdentity | undefined
  #isAskingForId = false
  #idFailures = 0
  readonly #news: RetryNews

  constructor(options: SenderOptions) {
    this.#options = options
    const { settings, clock, logger } = options
    const { requestTimeoutMs, retryBackoffMaxMs } = settings
    const drain = (): void => this.#drain()
    this.#alarms = {
      foreground: new Alarm(clock, drain),
      background: new Alarm(clock, drain, 'background'),
    }
    const faultGapMs = requestTimeoutMs + 2 * retryBackoffMaxMs
    this.#news = new RetryNews({ clock, logger, faultGapMs })
    const isTransactional = options.gate !== undefined
    this.#batchOptions = { ...compressionOf(settings), isTransactional }
    this.identity = isIdempotent(settings) ? new ProducerIdentity(this.#batchOptions) : undefined
  }

  /** Rows were forgotten with their sequences: the next epoch begins. */
  forgetSequences(): void {
    this.identity?.beginNextEpoch()
  }

  /** A batch may be ready: drains at the end of this turn, or when others have had a turn. */
  wake(afterOthers = false): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    const { clock } = this.#options
    if (!afterOthers) return clock.soon(this.#onWake)
    // Twice: the first may come before the timers of this turn.
    void clock
      .turn()
      .then(() => clock.turn())
      .then(this.#onWake)
  }

  set isFlushing(isFlushing: boolean) {
    this.#isFlushing = isFlushing
    if (isFlushing) this.wake()
  }

  /** Stops the timers; remaining batches fail. */
  stop(error: Error): void {
    for (const alarm of Object.values(this.#alarms)) alarm.cancel()
    for (const row of [...this.#options.accumulator.active]) {
      for (const batch of [...row.batches]) {
        this.#options.accumulator.settle(batch, error, batch.state !== 'inFlight')
      }
    }
  }

  /** Fails what is not in flight. */
  failWaiting(error: PartlogError): void {
    const { accumulator, onSettled } = this.#options
    for (const { batches } of [...accumulator.active]) {
      for (const batch of batches.filter(({ state }) => state !== 'inFlight')) {
        accumulator.settle(batch, this.#outcomeOf(batch, error), true)
      }
    }
    onSettled()
  }

  #drain(): void {
    const { accumulator, clock, settings, isShortOfMemory } = this.#options
    const now = clock.monotonicMs()
    const lingerMs = this.#isFlushing || isShortOfMemory() ? 0 : settings.lingerMs
    const loads: Load[] = []
    let isIdMissing = false
    for (const row of accumulator.active) {
      if (row.batches.length === 0) {
        accumulator.rest(row)
        continue
      }
      this.#expire(row, now)
      const batch = accumulator.ready(row, now, lingerMs)
      if (batch !== undefined && this.#options.gate?.admits(row) === false) {
        this.#wakeAt(batch.createdAtMs + settings.deliveryTimeoutMs, 'background')
        continue
      }
      if (batch !== undefined && this.#needsId(batch)) {
        isIdMissing = true
        this.#wakeAt(batch.createdAtMs + settings.deliveryTimeoutMs, 'background')
        continue
      }
      const leader = batch === undefined ? this.#wakeFor(row, lingerMs) : this.#leaderOf(row)
      if (batch !== undefined && leader !== undefined) load(loads, leader, batch)
    }
    for (const { leader, batches } of loads) this.#sendAll(leader, batches)
    if (isIdMissing) void this.#askForId()
    // If no answer comes, a drain must expire the batches when their time is over.
    if (loads.length > 0) this.#wakeAt(now + settings.deliveryTimeoutMs, 'background')
  }

  #needsId(batch: PendingBatch): boolean {
    return this.identity !== undefined && !this.identity.isKnown && !batch.isSealed
  }

  async #askForId(): Promise<void> {
    if (this.#isAskingForId) return
    this.#isAskingForId = true
    let failure: PartlogError | undefined
    try {
      const request = { transactionalId: null, transactionTimeoutMs: INT_MAX }
      const answer = await this.#options.channel.send(ANY_NODE, 'InitProducerId', request)
      throwIfError(answer, 'the broker assigned no producer id')
      this.identity?.set(answer.producerId, answer.producerEpoch)
    } catch (error) {
      failure = toPartlogError(error)
    }
    this.#isAskingForId = false
    if (failure !== undefined) return this.#onIdRefused(failure)
    this.#idFailures = 0
    this.wake()
  }

  /** Retries while the error may pass; the batches have their deadlines. */
  #onIdRefused(error: PartlogError): void {
    const { accumulator, clock, settings, random, onSettled } = this.#options
    for (const { batches } of [...accumulator.active]) {
      for (const batch of batches.filter(each => this.#needsId(each))) {
        if (error.retriable) this.#noteFailure(batch, error)
        else accumulator.settle(batch, this.#outcomeOf(batch, error), true)
      }
    }
    this.#idFailures++
    const waitMs = backoffMs(settings, this.#idFailures, random)
    if (error.retriable) this.#wakeAt(clock.monotonicMs() + waitMs, 'foreground')
    else onSettled()
  }

  /** Fails batches that have waited for too long, also the one in flight. */
  #expire(row: Row, now: number): void {
    const { accumulator, settings } = this.#options
    const createdBeforeMs = now - settings.deliveryTimeoutMs
    const oldest = row.batches[0]
    if (oldest === undefined || oldest.createdAtMs > createdBeforeMs) return
    const isOverdue = (batch: PendingBatch): boolean => batch.createdAtMs <= createdBeforeMs
    // What waited behind a refused batch was never tried: the refusal is its reason too.
    let reason = oldest.lastError
    for (const batch of row.batches.filter(isOverdue)) {
      const isInFlight = batch.state === 'inFlight'
      reason = batch.lastError ?? reason
      const sentence =
        `${batch.count} records for ${row.topic}-${row.partition} were not ` +
        `acknowledged within ${settings.deliveryTimeoutMs} ms${becauseOf(reason)}`
      const error = new PartlogError('DELIVERY_TIMED_OUT', sentence, {
        outcomeUnknown: batch.outcomeUnknown || isInFlight,
        ...(reason === undefined ? {} : { cause: reason }),
      })
      if (!isInFlight) this.#giveUp(batch)
      accumulator.settle(batch, error, !isInFlight)
    }
    const next = row.batches[0]
    if (next !== undefined) next.lastError ??= reason
    this.#options.onSettled()
  }

  /** The partition's leader; undefined while the metadata is being fetched. */
  #leaderOf(row: Row): number | undefined {
    const { metadata, settings, random, clock } = this.#options
    const partition = metadata.known(row.topic)?.partitions[row.partition]
    if (partition !== undefined && partition.leaderId >= 0) return partition.leaderId
    const later = (): void => {
      this.#wakeAt(clock.monotonicMs() + backoffMs(settings, 1, random), 'foreground')
    }
    metadata.refresh(row.topic).then(
      topic => ((topic.partitions[row.partition]?.leaderId ?? -1) >= 0 ? this.wake() : later()),
      (error: unknown) => {
        const first = row.batches[0]
        if (first !== undefined) this.#noteFailure(first, toPartlogError(error))
        later()
      },
    )
    return undefined
  }

  /** Schedules a drain for when the row's first batch has lingered, waited or lived long enough. */
  #wakeFor(row: Row, lingerMs: number): undefined {
    const { deliveryTimeoutMs } = this.#options.settings
    const first = row.batches[0]
    if (first === undefined) return undefined
    const { createdAtMs, notBeforeMs } = first
    if (row.underWay !== undefined) this.#wakeAt(createdAtMs + deliveryTimeoutMs, 'background')
    else this.#wakeAt(Math.max(createdAtMs + lingerMs, notBeforeMs), 'foreground')
    return undefined
  }

  #wakeAt(atMs: number, kind: 'foreground' | 'background'): void {
    this.#alarms[kind].ringBy(atMs)
  }

  // ── sending ────────────────────────────────────────────────────────────────────────────

  #sendAll(leader: number, batches: readonly PendingBatch[]): void {
    const { maxRequestSize } = this.#options.settings
    let request: PendingBatch[] = []
    let bytes = 0
    for (const batch of batches) {
      const { size } = batch.builder
      if (request.length > 0 && bytes + size > maxRequestSize) {
        this.#send(leader, request)
        request = []
        bytes = 0
      }
      request.push(batch)
      bytes += size
    }
    this.#send(leader, request)
  }

  #send(leader: number, batches: readonly PendingBatch[]): void {
    const { channel, settings, clock } = this.#options
    const now = clock.monotonicMs()
    for (const batch of batches) {
      batch.row.send(batch)
      batch.triedSinceMs ??= now
      batch.attempts++
    }
    const acks = ACKS_ON_WIRE[settings.acks]
    const { requestTimeoutMs: timeoutMs } = settings
    try {
      const topicData = this.#topicData(batches)
      const { transactionalId = null, brokersAdd: addsToTransaction = true } =
        this.#options.gate ?? {}
      const request = { transactionalId, acks, timeoutMs, topicData, addsToTransaction }
      const answer = channel.send(leader, 'Produce', request)
      if (!(answer instanceof Promise)) return this.#settle(batches, answer)
      answer.then(
        response => this.#settle(batches, response),
        (error: unknown) => this.#settleFailed(batches, error),
      )
    } catch (error) {
      this.#settleFailed(batches, error)
    }
  }

  #settle(batches: readonly PendingBatch[], response: ProduceResponse): void {
    if (this.#options.settings.acks === 0) this.#settleUnanswered(batches, response)
    else this.#settleAnswered(batches, response)
  }

  /** No answer arrived; the broker may have received the request nevertheless. */
  #settleFailed(batches: readonly PendingBatch[], thrown: unknown): void {
    const error = toPartlogError(thrown)
    for (const batch of batches) {
      if (error.outcomeUnknown || !isPartlogError(thrown)) batch.outcomeUnknown = true
      this.#onError(batch, error)
    }
    this.#afterAnswer()
  }

  /** An answer may have made room in memory, and rows may be free for their next batch. */
  #afterAnswer(): void {
    this.#options.onSettled()
    if (!this.#options.accumulator.isEmpty) this.wake()
  }

  #topicData(batches: readonly PendingBatch[]): TopicData[] {
    const topics: TopicData[] = []
    for (const batch of batches) {
      const records = this.identity?.seal(batch) ?? batch.seal(this.#batchOptions)
      let topic = topics.find(candidate => candidate.name === batch.topic)
      if (topic === undefined) topics.push((topic = { name: batch.topic, partitionData: [] }))
      topic.partitionData.push({ index: batch.partition, records })
    }
    return topics
  }

  /**
   * With acks 0 a send is done once the request is sent. A broker in this process answers
   * nevertheless: the application does not see the answer, but an error refreshes the metadata.
   */
  #settleUnanswered(batches: readonly PendingBatch[], response: ProduceResponse): void {
    const { accumulator, metadata } = this.#options
    for (const batch of batches) {
      batch.row.answered(batch)
      const { errorCode = 0 } = answerFor(response, batch.topic, batch.partition) ?? {}
      if (errorCode !== 0) metadata.invalidate(batch.topic)
      batch.written(NONE)
      accumulator.settle(batch, undefined, false)
    }
    this.#afterAnswer()
  }

  #settleAnswered(batches: readonly PendingBatch[], response: ProduceResponse): void {
    for (const batch of batches) {
      const answer = answerFor(response, batch.topic, batch.partition)
      if (answer === undefined) {
        const place = `${batch.topic}-${batch.partition}`
        const sentence = `the broker's answer does not cover ${place}`
        this.#onError(batch, new PartlogError('UNKNOWN_SERVER_ERROR', sentence))
        continue
      }
      // A duplicate is in the log even if the broker no longer knows its offset.
      if (answer.errorCode === 0 || answer.errorCode === DUPLICATE) this.#onSuccess(batch, answer)
      else {
        const sentence = `${batch.topic}-${batch.partition} refused the records`
        this.#onError(batch, describedError(answer, sentence))
      }
    }
    this.#afterAnswer()
  }

  #onSuccess(batch: PendingBatch, answer: PartitionProduceResponse): void {
    const { baseOffset, logAppendTimeMs } = answer
    batch.row.answered(batch)
    batch.written(baseOffset, logAppendTimeMs)
    this.#options.accumulator.settle(batch, undefined, true)
  }

  #onError(batch: PendingBatch, error: PartlogError): void {
    const { accumulator, metadata, settings, clock, random } = this.#options
    batch.row.answered(batch)
    if (batch.state === 'settled') return this.#giveUp(batch)
    const isLikelyWritten = LIKELY_APPENDED.has(error.code)
    if (isLikelyWritten || PERHAPS_APPENDED.has(error.code)) batch.outcomeUnknown = true
    if (error.code === 'MESSAGE_TOO_LARGE' && batch.count > 1) {
      this.identity?.takeBack(batch)
      return accumulator.split(batch)
    }
    const isLost = error.code === 'OUT_OF_ORDER_SEQUENCE_NUMBER' && this.#hasOwnEpochs
    if (isLost) {
      // An unclean election lost acknowledged records: continue in a new epoch.
      this.#giveUp(batch)
      batch.unseal()
    } else if (!error.retriable || (isLikelyWritten && this.identity === undefined)) {
      this.#giveUp(batch)
      return accumulator.settle(batch, this.#outcomeOf(batch, error), true)
    }
    this.#noteFailure(batch, error)
    batch.enter('waiting')
    batch.notBeforeMs = clock.monotonicMs() + backoffMs(settings, batch.attempts, random)
    metadata.invalidate(batch.topic)
  }

  /** Notes a failure that will be retried, and logs it when it lasts. */
  #noteFailure(batch: PendingBatch, error: PartlogError): void {
    const { clock, settings } = this.#options
    batch.lastError = error
    batch.triedSinceMs ??= clock.monotonicMs()
    this.#news.failed({
      what: `${batch.topic}-${batch.partition} does not take records`,
      error,
      sinceMs: batch.triedSinceMs,
      untilMs: batch.createdAtMs + settings.deliveryTimeoutMs,
    })
  }

  /** A sent batch is not sent again: the broker may or may not have its sequence. */
  #giveUp(batch: PendingBatch): void {
    if (batch.isSealed && this.#hasOwnEpochs) this.identity?.giveUp(batch.row)
  }

  /** It continues in a new epoch by itself. The epochs of a transactional producer are given. */
  get #hasOwnEpochs(): boolean {
    return this.identity !== undefined && this.#options.gate === undefined
  }

  #outcomeOf(batch: PendingBatch, error: PartlogError): PartlogError {
    return batch.outcomeUnknown ? withUnknownOutcome(error) : error
  }
}

function answerFor(
  { responses }: ProduceResponse,
  topic: string,
  partition: number,
): PartitionProduceResponse | undefined {
  for (const { name, partitionResponses } of responses) {
    if (name !== topic) continue
    for (const answer of partitionResponses) if (answer.index === partition) return answer
  }
  return undefined
}
