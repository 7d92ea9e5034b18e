/*
 * The producer: `send` appends messages to batches at once. At the end of the event-loop turn all
 * of them are sent, one batch per partition.
 *
 *   send → rows of batches (accumulator) → one Produce request per leader (sender) → send resolves
 *
 * Order: records of one partition are written in the order of their sends, also when a batch is
 * sent again, because a partition has at most one batch in flight. A batch whose answer was lost is
 * sent again with the same sequence, so the broker recognises it and writes it once.
 */

import type { Clock, Timer } from '../../base/clock.js'
import { silentLogger, type Logger } from '../../base/logger.js'
import { show } from '../../base/options.js'
import type { Random } from '../../base/random.js'
import { abortable } from '../../base/tasks.js'
import { BATCH_HEADER_BYTES } from '../../model/batch/batch.js'
import { PartlogError, toPartlogError } from '../../model/errors.js'
import type { Channel } from '../../protocol/channel.js'
import { checkFields, checkSignal, invalidArgument } from '../line/client-arguments.js'
import { clientSettings } from '../line/client-config.js'
import { closedError } from '../line/client-errors.js'
import { MetadataCache, type KnownTopic } from '../line/metadata-cache.js'
import { withRetries } from '../line/retry.js'
import { Accumulator, type BatchOwner } from './accumulator.js'
import { BufferPool } from './buffer-pool.js'
import { checkTopicMessages, type Message, type RecordMetadata } from './messages.js'
import { Partitioner, type PartitionerFunction } from './partitioner.js'
import type { Producer, ProducerOptions, SendRequest } from './producer-api.js'
import { PRODUCER_OPTIONS, type ProducerSettings } from './producer-config.js'
import { SendCall, type RecordLimit } from './send-call.js'
import { Sender } from './sender.js'
import { ShortWay } from './short-way.js'
import { Transaction } from './transaction.js'

export interface ProducerContext {
  readonly channel: Channel
  readonly clock: Clock
  readonly random: Random
  /** Gets a warning when something is retried for long. Default: none. */
  readonly logger?: Logger
  readonly onClose: () => void
}

/** With more topics than this, idle ones are forgotten. */
const TOPICS_MAX = 1_000
/** Waiting sends hold at most this many times bufferMemory. */
const WAITING_FACTOR = 8
/** After this many messages in one call the event loop gets a turn before they are sent. */
const MESSAGES_PER_TURN = 8_192
const SEND_FIELDS = ['topic', 'messages']

interface Blocked {
  readonly call: SendCall
  readonly timer: Timer
}

/** The {@link Producer} of `cluster.producer()`. */
export class ProducerClient implements Producer {
  readonly #settings: ProducerSettings
  readonly #context: ProducerContext
  readonly #metadata: MetadataCache
  readonly #accumulator: Accumulator
  readonly #sender: Sender
  readonly #shortWay: ShortWay
  readonly #partitioner = new Partitioner()
  readonly #recordLimit: RecordLimit
  /** Calls that wait for their topic's metadata, in order. */
  readonly #byTopic = new Map<string, SendCall[]>()
  /** Calls that wait for memory, in order. */
  readonly #blocked: Blocked[] = []
  /** Bytes held by calls that had to wait and are not settled. */
  #heldBytes = 0
  readonly #onReleased = (bytes: number): void => void (this.#heldBytes -= bytes)
  readonly #givingUp = new AbortController()
  #closing: Promise<void> | undefined
  #flushes = 0
  /** Of a transactional producer. */
  readonly transaction: Transaction | undefined

  constructor(context: ProducerContext, options: ProducerOptions = {}) {
    const { channel, clock, random, logger = silentLogger } = context
    this.#context = context
    this.#settings = clientSettings(PRODUCER_OPTIONS, options, 'producer option')
    this.#recordLimit = recordLimit(this.#settings)
    const { batchSize, metadataMaxAgeMs: maxAgeMs, transactionalId } = this.#settings
    this.#metadata = new MetadataCache({ channel, clock, maxAgeMs, mayCreate: true })
    this.#metadata.onForgotten = topic => this.#partitioner.forget(topic)
    this.#accumulator = new Accumulator({ batchSize, pool: new BufferPool() })
    this.transaction =
      transactionalId === undefined
        ? undefined
        : new Transaction({
            channel,
            clock,
            random,
            logger,
            settings: this.#settings,
            transactionalId,
          })
    this.#sender = new Sender({
      channel,
      clock,
      random,
      logger,
      settings: this.#settings,
      accumulator: this.#accumulator,
      metadata: this.#metadata,
      gate: this.transaction,
      onSettled: () => this.#onRoom(),
      isShortOfMemory: () => this.#blocked.length > 0,
    })
    this.#shortWay = new ShortWay({
      channel,
      clock,
      settings: this.#settings,
      metadata: this.#metadata,
      accumulator: this.#accumulator,
      partitioner: this.#partitioner,
      identity: this.#sender.identity,
    })
    if (this.transaction !== undefined) this.#hostTransaction(this.transaction)
  }

  send(request: SendRequest): Promise<RecordMetadata[]> {
    try {
      this.#check(request)
      return this.#sendShort(request) ?? this.#admit(this.#callOf(request)).promise
    } catch (error) {
      return Promise.reject(toPartlogError(error))
    }
  }

  async sendBatch(request: {
    readonly topicMessages: readonly SendRequest[]
  }): Promise<RecordMetadata[]> {
    checkFields(request, 'sendBatch', ['topicMessages'])
    const { topicMessages } = request
    if (!Array.isArray(topicMessages)) {
      throw invalidArgument('topicMessages', 'an array', topicMessages)
    }
    const calls = (topicMessages as readonly SendRequest[]).map(each => {
      this.#check(each)
      return this.#callOf(each)
    })
    const outcomes = await Promise.allSettled(calls.map(call => this.#admit(call).promise))
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
    return outcomes.flatMap(outcome => (outcome.status === 'fulfilled' ? outcome.value : []))
  }

  async flush(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    if (this.#closing !== undefined) throw closedError('producer')
    checkFields(options, 'flush', ['signal'])
    checkSignal(options.signal)
    await abortable(this.#settleAll(), options.signal)
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  // ── appending messages ─────────────────────────────────────────────────────────────────

  /** Checks everything of a request but its messages. */
  #check(request: SendRequest): void {
    if (this.#closing !== undefined) throw closedError('producer')
    checkFields(request, 'send', SEND_FIELDS)
    checkTopicMessages(request.topic, request.messages)
  }

  /** Checks the messages, and makes a call of them. Changes nothing else. */
  #callOf({ topic, messages }: SendRequest): SendCall {
    const call = new SendCall(topic, messages, this.#onReleased)
    call.check(this.#recordLimit)
    return call
  }

  /** Undefined if the send has to go the long way. */
  #sendShort({ topic, messages }: SendRequest): Promise<RecordMetadata[]> | undefined {
    if (messages.length !== 1 || this.#blocked.length > 0) return undefined
    if (this.transaction !== undefined) return undefined
    if (this.#byTopic.has(topic)) return undefined
    return this.#shortWay.send(topic, messages[0] as Message)
  }

  #admit(call: SendCall): SendCall {
    const { topic } = call
    if (this.#byTopic.has(topic)) this.#waitForTopic(call)
    else this.#appendOrBlock(call)
    return call
  }

  /** Holds a copy of a waiting call; false if the waiting calls hold too much already. */
  #mayWait(call: SendCall): boolean {
    if (call.heldBytes > 0) return true
    call.hold()
    const others = this.#heldBytes
    this.#heldBytes += call.heldBytes
    const limit = WAITING_FACTOR * this.#settings.bufferMemory
    if (others === 0 || this.#heldBytes <= limit) return true
    const sentence =
      `waiting sends hold ${others} bytes already; the limit is ${limit} bytes, ` +
      `${WAITING_FACTOR} times bufferMemory: await sends before making more`
    const outcomeUnknown = call.appendedCount > 0
    call.fail(new PartlogError('BUFFER_EXHAUSTED', sentence, { outcomeUnknown }))
    return false
  }

  async #loadTopic(topic: string): Promise<void> {
    const { clock, random, logger } = this.#context
    const { signal: closing } = this.#givingUp
    const { maxBlockMs: timeoutMs } = this.#settings
    const common = { ...this.#settings, clock, random, timeoutMs, closing }
    const options = { ...common, logger, what: `topic ${topic} is not known yet` }
    let failure: PartlogError | undefined
    try {
      await withRetries(() => this.#metadata.refresh(topic), options)
    } catch (error) {
      failure = toPartlogError(error)
    }
    const calls = this.#byTopic.get(topic) ?? []
    this.#byTopic.delete(topic)
    for (const call of calls) {
      if (failure === undefined) this.#appendOrBlock(call)
      else call.fail(failure)
    }
  }

  #appendOrBlock(call: SendCall): void {
    if (this.#blocked.length === 0 && this.#append(call)) return
    if (!this.#mayWait(call)) return
    const { maxBlockMs, bufferMemory } = this.#settings
    const onTime = (): void => {
      this.#blocked.splice(
        this.#blocked.findIndex(blocked => blocked.call === call),
        1,
      )
      const done = call.appendedCount
      const sentence =
        `no room in bufferMemory (${bufferMemory} bytes) within ${maxBlockMs} ms for ` +
        `${call.messages.length - done} of ${call.messages.length} messages`
      call.fail(new PartlogError('BUFFER_EXHAUSTED', sentence, { outcomeUnknown: done > 0 }))
    }
    this.#blocked.push({ call, timer: this.#context.clock.after(maxBlockMs, onTime) })
  }

  /** Appends messages to batches while there is memory; true when all are appended. */
  #append(call: SendCall): boolean {
    const { clock } = this.#context
    const { bufferMemory } = this.#settings
    const nowMs = clock.monotonicMs()
    const topic = this.#metadata.known(call.topic, nowMs)
    if (topic === undefined) {
      this.#waitForTopic(call)
      return true
    }
    call.begin(clock.now())
    try {
      if (!this.#choosePartitions(topic, call)) {
        this.#waitForTopic(call)
        return true
      }
      const rows = this.#accumulator.rowsOf(call.topic, topic.partitions.length)
      if (!this.#accumulator.append(call, rows, nowMs, bufferMemory)) {
        this.#sender.wake() // sends the appended records, which makes room for the rest
        return false
      }
      call.allAppended()
    } catch (error) {
      call.fail(toPartlogError(error))
    }
    // The sequences of a transactional producer are those of its epoch, which it does not choose.
    if (this.transaction === undefined && this.#accumulator.prune(TOPICS_MAX)) {
      this.#sender.forgetSequences()
    }
    const isLong = call.messages.length > MESSAGES_PER_TURN
    this.#sender.wake(isLong || this.#shortWay.isTurnDue)
    return true
  }

  /** Calls wait in order; the first call that waits for a topic loads its metadata. */
  #waitForTopic(call: SendCall): void {
    call.hasAskedForTopic = true
    if (!this.#mayWait(call)) return
    const { topic } = call
    const waiting = this.#byTopic.get(topic)
    if (waiting !== undefined) {
      waiting.push(call)
    } else {
      this.#byTopic.set(topic, [call])
      void this.#loadTopic(topic)
    }
  }

  /** Keeps the order: calls blocked after a call that waits for their topic wait for it, too. */
  #moveBehind({ topic }: SendCall): void {
    const behind = this.#blocked.filter(({ call }) => call.topic === topic)
    for (const each of behind) {
      each.timer.cancel()
      this.#blocked.splice(this.#blocked.indexOf(each), 1)
      this.#waitForTopic(each.call)
    }
  }

  /**
   * Chooses the partitions of all messages before the first is appended: one invalid choice refuses
   * the call. False when the topic may have grown since its metadata was fetched.
   */
  #choosePartitions({ name: topic, partitions }: KnownTopic, call: SendCall): boolean {
    if (call.isPlaced) return true
    const partitionCount = partitions.length
    const { partitioner } = this.#settings
    const { messages } = call
    if (partitioner === undefined) {
      if (call.highestPartition >= partitionCount) return this.#mayHaveGrown(call, partitionCount)
      call.partitions = this.#partitioner.chooseAll(topic, messages, partitionCount)
      return (call.isPlaced = true)
    }
    const chosen = messages.map(
      message =>
        message.partition ?? askPartitioner(partitioner, { topic, message, partitionCount }),
    )
    for (const partition of chosen) {
      if (Number.isInteger(partition) && partition >= 0 && partition < partitionCount) continue
      return this.#mayHaveGrown(call, partitionCount, partition)
    }
    call.partitions = chosen
    return (call.isPlaced = true)
  }

  /** False if the call has yet to ask for the topic's metadata; otherwise throws. */
  #mayHaveGrown(call: SendCall, partitionCount: number, partition = call.highestPartition): false {
    if (Number.isInteger(partition) && partition > 0 && !call.hasAskedForTopic) return false
    throw new PartlogError(
      'INVALID_PARTITIONS',
      `partition ${show(partition)} of topic ${call.topic} does not exist: ` +
        `the topic has ${partitionCount} partitions`,
    )
  }

  /** Batches were settled: calls that wait for memory may continue. */
  #onRoom(): void {
    for (let first = this.#blocked[0]; first !== undefined; first = this.#blocked[0]) {
      if (this.#accumulator.bytes >= this.#settings.bufferMemory) return
      if (!this.#append(first.call)) return
      first.timer.cancel()
      this.#blocked.shift()
      if (this.#byTopic.has(first.call.topic)) this.#moveBehind(first.call)
    }
  }

  // ── transactions ───────────────────────────────────────────────────────────────────────

  #hostTransaction(transaction: Transaction): void {
    transaction.host = {
      identify: (producerId, epoch) => this.#sender.identity?.set(producerId, epoch),
      wake: () => this.#sender.wake(),
      failWaiting: error => this.#failWaiting(error),
    }
  }

  /** Fails every call and batch that is not in flight. */
  #failWaiting(error: PartlogError): void {
    for (const calls of this.#byTopic.values()) for (const call of calls) call.fail(error)
    for (const { call, timer } of this.#blocked.splice(0)) {
      timer.cancel()
      call.fail(error)
    }
    this.#sender.failWaiting(error)
  }

  // ── the end ────────────────────────────────────────────────────────────────────────────

  async #settleAll(): Promise<void> {
    this.#flushes++
    this.#sender.isFlushing = true
    try {
      await Promise.allSettled(this.#unsettled().map(({ promise }) => promise))
    } finally {
      this.#flushes--
      if (this.#flushes === 0) this.#sender.isFlushing = false
    }
  }

  /** An unsettled call waits for its topic, for memory or for batches. */
  #unsettled(): BatchOwner[] {
    const waiting = [...this.#byTopic.values()].flat()
    const blocked = this.#blocked.map(({ call }) => call)
    return [...waiting, ...blocked, ...this.#accumulator.owners()]
  }

  async #close(): Promise<void> {
    this.#givingUp.abort()
    await this.#settleAll()
    this.#sender.stop(closedError('producer'))
    this.#context.onClose()
  }
}

/** A record must fit into a request, and into the memory for batches. */
function recordLimit({ maxRequestSize, bufferMemory }: ProducerSettings): RecordLimit {
  return {
    bytes: Math.min(maxRequestSize, bufferMemory) - BATCH_HEADER_BYTES,
    error: (index, bytes) =>
      new PartlogError(
        'MESSAGE_TOO_LARGE',
        `message ${index} takes up to ${bytes + BATCH_HEADER_BYTES} bytes, more than ` +
          `maxRequestSize (${maxRequestSize}) or bufferMemory (${bufferMemory})`,
      ),
  }
}

function askPartitioner(
  partitioner: PartitionerFunction,
  input: Parameters<PartitionerFunction>[0],
): number {
  try {
    return partitioner(input)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    const sentence = `the partitioner threw for a message of topic ${input.topic}: ${reason}`
    throw new PartlogError('INVALID_ARGUMENT', sentence, { cause })
  }
}
