/*
 * The transactions of one producer: its identity from the coordinator, the partitions that belong
 * to the open transaction, and its end (Kafka's TransactionManager). The cluster's
 * transaction.version decides how:
 *
 *                                   1 (before Kafka 4)            2 (KIP-890)
 *   a partition is added            before its first batch        by the broker that gets the batch
 *   a group is added                before its offsets            by the broker that gets them
 *   the next epoch comes            after an abort, on request    with the end of each transaction
 *
 * After an abort it must be another epoch: it is unknown which sequences of the given-up batches
 * were used.
 */

import type { Clock } from '../../base/clock.js'
import type { Logger } from '../../base/logger.js'
import type { Random } from '../../base/random.js'
import { checkStep } from '../../base/states.js'
import { isPartlogError, PartlogError, toPartlogError, type ErrorCode } from '../../model/errors.js'
import { ownLevelOf, TRANSACTION_VERSION } from '../../model/features.js'
import { partitionKey, type TopicPartition } from '../../model/names.js'
import { NONE } from '../../model/units.js'
import type { Channel } from '../../protocol/channel.js'
import { TRANSACTION_KEY } from '../../protocol/messages/groups.js'
import { CoordinatorLine } from '../line/coordinator-line.js'
import type { GroupOffset } from '../line/offset-commit.js'
import { byTopic } from '../line/requests.js'
import { withRetries } from '../line/retry.js'
import type { ProducerSettings } from './producer-config.js'
import { TRANSACTION_STEPS, type TransactionStep } from './transaction-steps.js'

/** After these errors the producer can only be closed. */
const FENCING: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'PRODUCER_FENCED',
  'INVALID_PRODUCER_EPOCH',
  'INVALID_PRODUCER_ID_MAPPING',
  'TRANSACTIONAL_ID_AUTHORIZATION_FAILED',
  'UNSUPPORTED_VERSION',
])

/** What a sender asks before it sends. */
export interface SendGate {
  readonly transactionalId: string
  /** Whether brokers add partitions by themselves: transaction.version 2. */
  readonly brokersAdd: boolean
  /** True if the partition may be written to now; if not, the sender is woken when it may. */
  admits(place: TopicPartition): boolean
}

/** The producer that sends the records. */
export interface TransactionHost {
  /** From now on batches have this identity, and sequences from 0. */
  identify(producerId: number, producerEpoch: number): void
  /** Partitions were added: their batches may be sent. */
  wake(): void
  /** Fails everything that is not in flight. */
  failWaiting(error: PartlogError): void
}

/** The group for which offsets are committed, and its member that has read the records. */
export interface CommittingGroup {
  readonly groupId: string
  readonly generationId: number
  readonly memberId: string
  readonly groupInstanceId: string | null
}

export interface TransactionContext {
  readonly channel: Channel
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly settings: ProducerSettings
  readonly transactionalId: string
}

export class Transaction implements SendGate {
  readonly transactionalId: string
  readonly #context: TransactionContext
  readonly #line: CoordinatorLine
  readonly #closing = new AbortController()
  readonly #groups = new Map<string, CoordinatorLine>()
  #host: TransactionHost | undefined
  #step: TransactionStep = 'idle'
  #producerId = NONE
  #producerEpoch = NONE
  /** transaction.version of the cluster, as of when the producer got its epoch. */
  #version = 1
  /** The producer is being given its epoch. */
  #identifying: Promise<void> | undefined
  /** Partitions of the open transaction, by name. */
  readonly #added = new Set<string>()
  /** Partitions that have to be added. */
  readonly #wanted = new Map<string, TopicPartition>()
  #isAdding = false
  /** Something was added: the coordinator has to write the end. */
  #hasBegun = false
  /** Why the transaction has failed, or the producer is fenced. */
  #reason: PartlogError | undefined

  constructor(context: TransactionContext) {
    const { channel, transactionalId } = context
    this.#context = context
    this.transactionalId = transactionalId
    this.#line = new CoordinatorLine(channel, transactionalId, TRANSACTION_KEY)
  }

  set host(host: TransactionHost) {
    this.#host = host
  }

  get brokersAdd(): boolean {
    return this.#version >= 2
  }

  get step(): TransactionStep {
    return this.#step
  }

  // ── the steps ──────────────────────────────────────────────────────────────────────────

  /** Gets the producer's epoch, unless it has one. */
  async init(): Promise<void> {
    if (this.#step === 'fenced') throw this.#wrongStep('continue')
    if (this.#step === 'idle') await (this.#identifying ??= this.#identify())
  }

  async begin(): Promise<void> {
    await this.init()
    if (this.#step !== 'ready') throw this.#wrongStep('begin a transaction')
    this.#enter('open')
  }

  /** Throws unless records may be added now. */
  checkOpen(what: string): void {
    if (this.#step !== 'open') throw this.#wrongStep(what)
  }

  /** Begins a commit: nothing is added any more. */
  beginCommit(): void {
    if (this.#step === 'committing') return
    if (this.#step !== 'open') throw this.#wrongStep('commit')
    this.#enter('committing')
  }

  /** Commits what was added. Called when all sends have settled. */
  async commit(): Promise<void> {
    if (this.#step !== 'committing') throw this.#wrongStep('commit')
    try {
      await this.#end(true)
    } catch (thrown) {
      const error = this.#noted(thrown)
      // If the outcome is unknown, commit may be called again: it asks for the same end.
      if (this.#step === 'committing' && !error.retriable && !error.outcomeUnknown) {
        this.#fail(error)
      }
      throw error
    }
    this.#ended('ready')
  }

  /** Aborts what was added. Called when nothing is in flight. */
  async abort(): Promise<void> {
    if (this.#step !== 'aborting') throw this.#wrongStep('abort')
    let hasNextEpoch = this.brokersAdd
    try {
      await this.#end(false)
    } catch (thrown) {
      // The coordinator has no transaction: its first partition was never added.
      if (!isPartlogError(thrown, 'INVALID_TXN_STATE')) throw this.#noted(thrown)
      hasNextEpoch = false
    }
    this.#ended(hasNextEpoch ? 'ready' : 'idle')
  }

  /** Begins an abort: what is not in flight fails. */
  beginAbort(): void {
    if (this.#step === 'aborting') return
    if (this.#step !== 'open' && this.#step !== 'failed') throw this.#wrongStep('abort')
    this.#enter('aborting')
    const sentence = `a transaction of "${this.transactionalId}" was aborted before it was sent`
    this.#host?.failWaiting(new PartlogError('TRANSACTION_ABORTED', sentence))
  }

  /** A send has failed: the transaction can only be aborted. */
  sendFailed(error: PartlogError): void {
    if (FENCING.has(error.code)) this.#fence(error)
    else if (this.#step === 'open' || this.#step === 'committing') this.#fail(error)
  }

  /** Nothing is retried any more. */
  close(): void {
    this.#closing.abort()
  }

  // ── partitions and offsets ─────────────────────────────────────────────────────────────

  admits({ topic, partition }: TopicPartition): boolean {
    if (this.brokersAdd) {
      this.#hasBegun = true
      return true
    }
    const name = partitionKey(topic, partition)
    if (this.#added.has(name)) return true
    this.#wanted.set(name, { topic, partition })
    if (!this.#isAdding) {
      this.#isAdding = true
      // At the end of this turn: what one drain wants is one request.
      this.#context.clock.soon(() => void this.#addWanted())
    }
    return false
  }

  async #addWanted(): Promise<void> {
    try {
      while (this.#wanted.size > 0) {
        const added = new Map(this.#wanted)
        this.#wanted.clear()
        this.#hasBegun = true
        await this.#retrying('partitions cannot be added', () => this.#add([...added.values()]))
        for (const name of added.keys()) this.#added.add(name)
      }
    } catch (thrown) {
      this.#wanted.clear()
      const error = toPartlogError(thrown)
      this.sendFailed(error)
      this.#host?.failWaiting(error)
    } finally {
      this.#isAdding = false
    }
    this.#host?.wake()
  }

  async #add(places: readonly TopicPartition[]): Promise<void> {
    const topics = byTopic(places, ({ partition }) => partition)
    const request = { transactions: [{ ...this.#producer, topics }] }
    const answer = await this.#line.ask('AddPartitionsToTxn', request)
    const what = `adding partitions to a transaction of "${this.transactionalId}"`
    this.#line.check({ errorCode: answer.errorCode ?? 0, errorMessage: null }, what)
    for (const { topicResults } of answer.resultsByTransaction) {
      for (const { resultsByPartition } of topicResults) {
        for (const { partitionErrorCode } of resultsByPartition) {
          this.#line.check({ errorCode: partitionErrorCode, errorMessage: null }, what)
        }
      }
    }
  }

  /** Adds offsets of a group: they count when the transaction is committed. */
  async addOffsets(group: CommittingGroup, offsets: readonly GroupOffset[]): Promise<void> {
    const { groupId } = group
    try {
      this.#hasBegun = true
      if (!this.brokersAdd) await this.#addGroup(groupId)
      await this.#retrying(`offsets of group ${groupId} are refused`, () =>
        this.#commitOffsets(group, offsets),
      )
    } catch (thrown) {
      const error = toPartlogError(thrown)
      this.sendFailed(error)
      throw error
    }
  }

  async #addGroup(groupId: string): Promise<void> {
    await this.#retrying(`group ${groupId} cannot be added`, async () => {
      const answer = await this.#line.ask('AddOffsetsToTxn', { ...this.#producer, groupId })
      this.#line.check(answer, `adding group ${groupId} to a transaction`)
    })
  }

  async #commitOffsets(group: CommittingGroup, offsets: readonly GroupOffset[]): Promise<void> {
    const { groupId } = group
    let line = this.#groups.get(groupId)
    if (line === undefined) {
      line = new CoordinatorLine(this.#context.channel, groupId)
      this.#groups.set(groupId, line)
    }
    const topics = byTopic(offsets, ({ partition, offset, leaderEpoch, metadata }) => ({
      partitionIndex: partition,
      committedOffset: offset,
      committedLeaderEpoch: leaderEpoch,
      committedMetadata: metadata,
    }))
    const { brokersAdd: addsToTransaction } = this
    const request = { ...this.#producer, ...group, topics, addsToTransaction }
    const answer = await line.ask('TxnOffsetCommit', request)
    for (const { name, partitions } of answer.topics) {
      for (const each of partitions) {
        line.check(each, `commit for ${name}-${each.partitionIndex} in group ${groupId}`)
      }
    }
  }

  // ── the coordinator ────────────────────────────────────────────────────────────────────

  get #producer() {
    const { transactionalId } = this
    return { transactionalId, producerId: this.#producerId, producerEpoch: this.#producerEpoch }
  }

  async #identify(): Promise<void> {
    const { transactionTimeoutMs } = this.#context.settings
    const request = { ...this.#producer, transactionTimeoutMs }
    try {
      await this.#retrying('the producer gets no epoch', async () => {
        this.#version = await levelOf(this.#context.channel, TRANSACTION_VERSION)
        const answer = await this.#line.ask('InitProducerId', request)
        this.#line.check(answer, `the epoch of "${this.transactionalId}"`)
        this.#producerId = answer.producerId
        this.#producerEpoch = answer.producerEpoch
      })
    } catch (thrown) {
      throw this.#noted(thrown)
    } finally {
      this.#identifying = undefined
    }
    this.#host?.identify(this.#producerId, this.#producerEpoch)
    this.#enter('ready')
  }

  async #end(committed: boolean): Promise<void> {
    if (!this.#hasBegun) return
    const request = { ...this.#producer, committed, clientVersion: this.#version }
    await this.#retrying('the transaction cannot be ended', async () => {
      const answer = await this.#line.ask('EndTxn', request)
      this.#line.check(answer, `the end of a transaction of "${this.transactionalId}"`)
      if (!this.brokersAdd) return
      this.#producerId = answer.producerId ?? NONE
      this.#producerEpoch = answer.producerEpoch ?? NONE
    })
    if (this.brokersAdd) this.#host?.identify(this.#producerId, this.#producerEpoch)
  }

  async #retrying(what: string, attempt: () => Promise<void>): Promise<void> {
    const { clock, random, logger, settings } = this.#context
    const { maxBlockMs: timeoutMs, retryBackoffMs, retryBackoffMaxMs } = settings
    const common = { clock, random, logger, timeoutMs, retryBackoffMs, retryBackoffMaxMs }
    const closing = this.#closing.signal
    await withRetries(attempt, { ...common, closing, what: `"${this.transactionalId}": ${what}` })
  }

  // ── states ─────────────────────────────────────────────────────────────────────────────

  #enter(step: TransactionStep): void {
    checkStep(TRANSACTION_STEPS, this.#step, step)
    this.#step = step
  }

  #ended(step: 'ready' | 'idle'): void {
    this.#added.clear()
    this.#wanted.clear()
    this.#hasBegun = false
    this.#reason = undefined
    this.#enter(step)
  }

  #fail(error: PartlogError): void {
    this.#reason = error
    this.#enter('failed')
  }

  #fence(error: PartlogError): void {
    if (this.#step === 'fenced') return
    this.#reason = error
    this.#enter('fenced')
  }

  /** Notes an error that fences the producer. */
  #noted(thrown: unknown): PartlogError {
    const error = toPartlogError(thrown)
    if (FENCING.has(error.code)) this.#fence(error)
    return error
  }

  #wrongStep(what: string): PartlogError {
    const name = `the producer of "${this.transactionalId}"`
    const cause = this.#reason
    if (this.#step === 'fenced') {
      const code = cause?.code ?? 'PRODUCER_FENCED'
      const sentence = `${name} cannot ${what}: it is fenced, make a new one`
      return new PartlogError(code, sentence, { cause })
    }
    if (this.#step === 'failed') {
      const sentence = `${name} cannot ${what}: ${cause?.message ?? 'a send failed'}; abort`
      return new PartlogError('TRANSACTION_ABORTABLE', sentence, { cause })
    }
    const now = { idle: 'no transaction is open', ready: 'no transaction is open' }
    const why = now[this.#step as keyof typeof now] ?? `its transaction is ${this.#step}`
    return new PartlogError('INVALID_TXN_STATE', `${name} cannot ${what}: ${why}`)
  }
}

async function levelOf(channel: Channel, feature: string): Promise<number> {
  return (await channel.featureLevel?.(feature)) ?? ownLevelOf(feature)
}
