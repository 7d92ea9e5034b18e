/* A producer whose records and offsets count together or not at all. */

import { PartlogError, toPartlogError } from '../../model/errors.js'
import { checkGroupId, partitionKey } from '../../model/names.js'
import { NONE } from '../../model/units.js'
import { checkFields, checkList, invalidArgument } from '../line/client-arguments.js'
import { groupOffset, type GroupOffset } from '../line/offset-commit.js'
import type { RecordMetadata } from './messages.js'
import type {
  ProducerOptions,
  ReadPlace,
  SendOffsetsRequest,
  SendRequest,
  TransactionalProducer,
} from './producer-api.js'
import { ProducerClient, type ProducerContext } from './producer.js'
import type { CommittingGroup, Transaction } from './transaction.js'

/** The {@link TransactionalProducer} of `cluster.producer({ transactionalId })`. */
export class TransactionalProducerClient implements TransactionalProducer {
  readonly #producer: ProducerClient
  readonly #transaction: Transaction
  /** Sends and offsets of the open transaction that have not settled. */
  readonly #pending = new Set<Promise<unknown>>()
  #isClosed = false

  constructor(context: ProducerContext, options: ProducerOptions) {
    this.#producer = new ProducerClient(context, options)
    this.#transaction = this.#producer.transaction as Transaction
  }

  // ── transactions ───────────────────────────────────────────────────────────────────────

  async init(): Promise<void> {
    this.#checkNotClosed()
    await this.#transaction.init()
  }

  async begin(): Promise<void> {
    this.#checkNotClosed()
    await this.#transaction.begin()
  }

  async commit(): Promise<void> {
    this.#checkNotClosed()
    this.#transaction.beginCommit()
    await this.#settled()
    await this.#transaction.commit()
  }

  async abort(): Promise<void> {
    this.#checkNotClosed()
    await this.#abort()
  }

  async #abort(): Promise<void> {
    this.#transaction.beginAbort()
    await this.#settled()
    await this.#transaction.abort()
  }

  async transaction<T>(work: (producer: TransactionalProducer) => T | Promise<T>): Promise<T> {
    if (typeof work !== 'function') throw invalidArgument('work', 'a function', work)
    await this.begin()
    let result: T
    try {
      result = await work(this)
      await this.commit()
    } catch (error) {
      await this.#giveUp()
      throw error
    }
    return result
  }

  /** Aborts if that is still possible. Never throws: the caller has the reason already. */
  async #giveUp(): Promise<void> {
    const { step } = this.#transaction
    if (step !== 'open' && step !== 'failed') return
    await this.#abort().catch(() => undefined)
  }

  async #settled(): Promise<void> {
    await this.#producer.flush()
    await Promise.allSettled(this.#pending)
  }

  // ── what belongs to the transaction ────────────────────────────────────────────────────

  send(request: SendRequest): Promise<RecordMetadata[]> {
    return this.#within('send', () => this.#producer.send(request))
  }

  sendBatch(request: {
    readonly topicMessages: readonly SendRequest[]
  }): Promise<RecordMetadata[]> {
    return this.#within('send', () => this.#producer.sendBatch(request))
  }

  sendOffsets(request: SendOffsetsRequest): Promise<void> {
    return this.#within('send offsets', async () => {
      checkFields(request, 'sendOffsets', OFFSETS_FIELDS)
      const group = groupOf(request)
      const offsets = offsetsOf(request)
      if (offsets.length > 0) await this.#transaction.addOffsets(group, offsets)
    })
  }

  /** Runs something that belongs to the open transaction; if it fails, that can only be aborted. */
  async #within<T>(what: string, work: () => Promise<T>): Promise<T> {
    this.#checkNotClosed()
    this.#transaction.checkOpen(what)
    const pending = work().catch((thrown: unknown) => {
      const error = toPartlogError(thrown)
      // An argument that is refused has changed nothing.
      if (error.code !== 'INVALID_ARGUMENT') this.#transaction.sendFailed(error)
      throw error
    })
    this.#pending.add(pending)
    try {
      return await pending
    } finally {
      this.#pending.delete(pending)
    }
  }

  // ── the end ────────────────────────────────────────────────────────────────────────────

  async flush(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    await this.#producer.flush(options)
  }

  /** Aborts an open transaction. */
  async close(): Promise<void> {
    if (!this.#isClosed) {
      this.#isClosed = true
      await this.#giveUp()
      this.#transaction.close()
    }
    await this.#producer.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #checkNotClosed(): void {
    if (this.#isClosed) throw new PartlogError('CLOSED', 'the producer is closed')
  }
}

function groupOf({ groupId, groupMetadata }: SendOffsetsRequest): CommittingGroup {
  if ((groupId === undefined) === (groupMetadata === undefined)) {
    throw invalidArgument('sendOffsets', 'groupId or groupMetadata', { groupId, groupMetadata })
  }
  const group = groupMetadata ?? { groupId: groupId as string }
  checkFields(group, 'groupMetadata', MEMBER_FIELDS)
  checkGroupId(group.groupId)
  const { generationId = NONE, memberId = '', groupInstanceId = null } = group
  return { groupId: group.groupId, generationId, memberId, groupInstanceId }
}

const OFFSETS_FIELDS = ['groupId', 'groupMetadata', 'offsets', 'records']

/** Throws INVALID_ARGUMENT unless the request has offsets or records. */
function offsetsOf({ offsets, records }: SendOffsetsRequest): GroupOffset[] {
  if ((offsets === undefined) === (records === undefined)) {
    throw invalidArgument('sendOffsets', 'offsets or records', { offsets, records })
  }
  checkList(offsets ?? records, offsets === undefined ? 'records' : 'offsets')
  if (offsets !== undefined) return [...offsets].map(groupOffset)
  const last = new Map<string, GroupOffset>()
  for (const { topic, partition, offset, leaderEpoch = NONE } of records as Iterable<ReadPlace>) {
    const next = groupOffset({ topic, partition, offset: offset + 1, leaderEpoch })
    const key = partitionKey(topic, partition)
    if ((last.get(key)?.offset ?? NONE) < next.offset) last.set(key, next)
  }
  return [...last.values()]
}

const MEMBER_FIELDS = ['groupId', 'generationId', 'memberId', 'groupInstanceId']
