/*
 * Produce (v3–v13): appends one batch per partition and answers according to `acks`.
 *
 *   acks 0    at once; the client does not wait for the answer
 *   acks 1    when the leader has the records, as durable as it promises
 *   acks −1   when every in-sync replica has them: the high watermark has passed them
 *
 * A partition that fails does not affect the others. The first records of a transaction in a
 * partition are appended when its coordinator confirms that the partition belongs to it; since v12
 * the coordinator is asked to add it (KIP-890).
 */

import { within } from '../../base/alarm.js'
import { asBuffer, NO_BYTES } from '../../base/bytes.js'
import { errorOf, PartlogError, type ErrorCode } from '../../model/errors.js'
import { isInternalTopic, partitionKey, partitionName } from '../../model/names.js'
import { NONE, type Offset } from '../../model/units.js'
import { onlyBatch, RefusedRecords } from '../../partition/admission.js'
import { AT_ONCE_MAX_BYTES, TooMuchAtOnce, type Unpacking } from '../../partition/contents.js'
import type { Partition } from '../../partition/partition.js'
import type {
  PartitionProduceResponse,
  ProduceRequest,
  ProduceResponse,
} from '../../protocol/messages/produce.js'
import type { OneBatch } from '../../protocol/channel.js'
import { errorFields } from '../node/answer-errors.js'
import type { BrokerContext } from '../node/context.js'
import { checkTopicId, topicNameOf, type TopicKey } from '../node/topic-keys.js'
import { currentLeader, nodeEndpoints, PRODUCE_LED_ELSEWHERE } from './current-leader.js'
import { appendInTurn } from './large-batches.js'

const FAILED = { baseOffset: -1, logAppendTimeMs: -1 }

/**
 * Answers synchronously if nothing has to wait: in 'process' mode an append is a plain call down to
 * the disk, and should not cost a promise per layer.
 */
export function produce(
  broker: BrokerContext,
  request: ProduceRequest,
): ProduceResponse | Promise<ProduceResponse> {
  const responses: TopicResponse[] = []
  const pending: Promise<void>[] = []
  const unpacking = { bytesLeft: AT_ONCE_MAX_BYTES }
  for (const { name, topicId, partitionData } of request.topicData) {
    const key = { name, topicId }
    const topic = topicNameOf(broker, key)
    const partitionResponses: PartitionProduceResponse[] = []
    let place = 0
    for (const { index, records } of partitionData) {
      const answer = appendTo(broker, request, { topic, key, index, records, unpacking })
      const later = settle(partitionResponses, place++, answer)
      if (later !== undefined) pending.push(later)
    }
    responses.push({ name: topic, topicId, partitionResponses })
  }
  const whole = (): ProduceResponse => withLeaders(broker, responses)
  return pending.length === 0 ? whole() : Promise.all(pending).then(whole)
}

/**
 * The short way: one batch of partlog's own producer, for a partition that can append and commit it
 * in this very call. Returns its base offset; −1, and nothing has changed, if it has to go the long
 * way, also to be refused there.
 */
export function produceNow(broker: BrokerContext, batch: OneBatch): Offset {
  const { topic, partition, records, now } = batch
  if (isInternalTopic(topic)) return NONE
  return broker.replicas.find(topic, partition)?.appendNow(records, now) ?? NONE
}

/** Sets the answer at `place`; returns a promise if the answer is not final yet. */
function settle(
  responses: PartitionProduceResponse[],
  place: number,
  answer: AppendAnswer | Promise<AppendAnswer>,
): Promise<void> | undefined {
  if (answer instanceof Promise) return answer.then(final => settle(responses, place, final))
  const { response, acknowledged } = answer
  responses[place] = response
  return acknowledged?.catch((error: unknown) => {
    responses[place] = failure(response.index, error)
  })
}

interface TopicResponse {
  readonly name: string
  readonly topicId: string | undefined
  readonly partitionResponses: readonly PartitionProduceResponse[]
}

/** Adds the current leader to answers that fail because another broker leads. */
function withLeaders(broker: BrokerContext, responses: readonly TopicResponse[]): ProduceResponse {
  const failed = ({ partitionResponses }: TopicResponse): boolean =>
    partitionResponses.some(({ errorCode }) => errorCode !== 0)
  if (!responses.some(failed)) return { responses }
  const answers = responses.map(({ name, topicId, partitionResponses }) => ({
    name,
    topicId,
    partitionResponses: partitionResponses.map(answer => {
      const place = { topic: name, partition: answer.index, errorCode: answer.errorCode }
      return { ...answer, ...currentLeader(broker, place, PRODUCE_LED_ELSEWHERE) }
    }),
  }))
  const partitions = answers.flatMap(({ partitionResponses }) => partitionResponses)
  return { responses: answers, nodeEndpoints: nodeEndpoints(broker, partitions) }
}

interface PartitionRecords {
  readonly topic: string
  /** As the request names the topic. */
  readonly key: TopicKey
  readonly index: number
  readonly records: Uint8Array | null
  /** How much of the request may still be unpacked at once. */
  readonly unpacking: Unpacking
  /** An append has found that the batch is too large to unpack at once. */
  readonly isLarge?: boolean
  /** What has to be asked before it is appended. */
  readonly before?: () => Promise<void>
}

interface AppendAnswer {
  readonly response: PartitionProduceResponse
  /** The response waits for it; if it rejects, the response has that error. */
  readonly acknowledged?: Promise<void> | undefined
}

/** Returns a promise if the batch must be unpacked first, or wait for one that must. */
function appendTo(
  broker: BrokerContext,
  request: ProduceRequest,
  load: PartitionRecords,
): AppendAnswer | Promise<AppendAnswer> {
  const { topic, index, records, unpacking } = load
  let partition: Partition | undefined
  try {
    checkAcks(request.acks)
    checkTopicId(topic, load.key)
    if (isInternalTopic(topic)) {
      throw new PartlogError('INVALID_TOPIC_EXCEPTION', `topic ${topic} belongs to the system`)
    }
    const bytes = records ?? NO_BYTES
    const found = broker.replicas.partition(topic, index)
    if (request.isForeign) checkForm(bytes, request)
    partition = found // errors from here on come from the log
    const verify = verification(broker, request, partition, bytes)
    if (verify !== undefined) {
      return appendLater(broker, request, { ...load, before: verify }, partition)
    }
    if (!partition.arrivals.isEmpty) return appendLater(broker, request, load, partition)
    return appendNow(broker, request, partition, { records: bytes, unpacking })
  } catch (error) {
    if (error instanceof TooMuchAtOnce && partition !== undefined) {
      return appendLater(broker, request, { ...load, isLarge: true }, partition)
    }
    return { response: failure(index, error, partition) }
  }
}

async function appendLater(
  broker: BrokerContext,
  request: ProduceRequest,
  { index, records, unpacking, isLarge = false, before }: PartitionRecords,
  partition: Partition,
): Promise<AppendAnswer> {
  try {
    return await appendInTurn(broker.clock, partition, {
      records: records ?? NO_BYTES,
      isLent: !request.isForeign,
      isLarge,
      before,
      unpacking,
      append: (kept, within) =>
        appendNow(broker, request, partition, { records: kept, unpacking: within }),
    })
  } catch (error) {
    return { response: failure(index, error, partition) }
  }
}

/** Appends and answers in one step. Throws TooMuchAtOnce. */
function appendNow(
  broker: BrokerContext,
  request: ProduceRequest,
  partition: Partition,
  { records, unpacking }: { readonly records: Uint8Array; readonly unpacking: Unpacking },
): AppendAnswer {
  const { acks, timeoutMs, isForeign } = request
  const origin = isForeign ? 'foreign' : 'own'
  const appended = partition.append(records, acks === -1, origin, unpacking)
  const { firstOffset, lastOffset, logAppendTime } = appended
  const acknowledged = acknowledgement(broker, partition, { acks, timeoutMs, end: lastOffset + 1 })
  const response = {
    index: partition.topicPartition.partition,
    errorCode: 0,
    errorMessage: null,
    baseOffset: firstOffset,
    logAppendTimeMs: logAppendTime,
    logStartOffset: partition.log.logStartOffset,
  }
  return { response, acknowledged }
}


/** A marker of this partition may come between each question and its answer, but not for ever. */
const VERIFICATIONS_MAX = 5

/** How to verify the batch; undefined if it belongs to no transaction, or to an open one. */
function verification(
  broker: BrokerContext,
  { transactionalId = null, addsToTransaction = true }: ProduceRequest,
  { topicPartition, replicaLog }: Partition,
  bytes: Uint8Array,
): (() => Promise<void>) | undefined {
  if (transactionalId === null || replicaLog === undefined) return undefined
  const { isTransactional, producerId, producerEpoch } = onlyBatch(asBuffer(bytes))
  const { producers } = replicaLog
  if (!isTransactional || producers.hasOpenTransaction(producerId, producerEpoch)) return undefined
  const producer = { transactionalId, producerId, producerEpoch }
  return async () => {
    for (let count = 0; count < VERIFICATIONS_MAX; count++) {
      if (producers.hasOpenTransaction(producerId, producerEpoch)) return // by the batch before it
      const { endsSeen } = producers
      if (addsToTransaction) await broker.transactions.add(producer, topicPartition)
      else await broker.transactions.verify(producer, topicPartition)
      // A marker that came meanwhile may have ended the very transaction that was confirmed.
      if (producers.endsSeen === endsSeen) return
    }
    const place = partitionName(topicPartition)
    const sentence = `${place}: transactions end faster than one can be verified, try again`
    throw new PartlogError('NOT_ENOUGH_REPLICAS', sentence)
  }
}

/** Errors with which Kafka does not send the log start offset. */
const WITHOUT_START: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'NOT_LEADER_OR_FOLLOWER',
  'MESSAGE_TOO_LARGE',
  'CORRUPT_MESSAGE',
  'KAFKA_STORAGE_ERROR',
  'LOG_OFFLINE',
  'CORRUPT_LOG',
])

function failure(index: number, error: unknown, partition?: Partition): PartitionProduceResponse {
  const recordErrors = error instanceof RefusedRecords ? error.recordErrors : []
  const fields = errorFields(error)
  const log = WITHOUT_START.has(errorOf(fields.errorCode)) ? undefined : partition?.replicaLog
  const logStartOffset = log?.logStartOffset ?? -1
  return { index, ...fields, ...FAILED, logStartOffset, recordErrors }
}

/** Checks a batch from a wire before the log does. */
function checkForm(bytes: Uint8Array, request: ProduceRequest): void {
  const { mayBeZstd = true, transactionalId = null } = request
  const { codec, isTransactional } = onlyBatch(asBuffer(bytes))
  if (isTransactional && transactionalId === null) {
    const sentence = 'the records belong to a transaction, the request names no transactional id'
    throw new PartlogError('TRANSACTIONAL_ID_AUTHORIZATION_FAILED', sentence)
  }
  if (codec !== 'zstd' || mayBeZstd) return
  throw new PartlogError('UNSUPPORTED_COMPRESSION_TYPE', 'zstd needs Produce version 7 or later')
}

function checkAcks(acks: number): void {
  if (acks === -1 || acks === 0 || acks === 1) return
  throw new PartlogError('INVALID_REQUIRED_ACKS', `acks: expected −1, 0 or 1, got ${acks}`)
}

interface Acknowledgement {
  readonly acks: number
  readonly timeoutMs: number
  /** The offset after the batch. */
  readonly end: number
}

/** Resolves when the records may be acknowledged; undefined if they may be at once. */
export function acknowledgement(
  { clock }: Pick<BrokerContext, 'clock'>,
  partition: Partition,
  { acks, timeoutMs, end }: Acknowledgement,
): Promise<void> | undefined {
  if (acks === 0 || partition.highWatermark >= end) return undefined
  const done = acks === 1 ? partition.onLeader() : onAllInSync(partition, end)
  const late = (): PartlogError => {
    const { topic, partition: number } = partition.topicPartition
    return new PartlogError(
      'REQUEST_TIMED_OUT',
      `${partitionKey(topic, number)}: offset ${end} was not committed within ${timeoutMs} ms; ` +
        `the records are in the log and may still be${waitsFor(partition, end)}`,
      { outcomeUnknown: true },
    )
  }
  return within(clock, timeoutMs, done, late)
}

/** What the leader waits for, as far as it knows: its own disk, or other replicas. */
function waitsFor({ replicaLog, isr }: Partition, end: number): string {
  const { stalled } = replicaLog ?? {}
  if (stalled !== undefined) return ` (${stalled.sentence})`
  const missing = isr?.missing(end) ?? []
  return missing.length === 0 ? '' : ` (in-sync replicas ${missing.join(', ')} do not have it yet)`
}

async function onAllInSync(partition: Partition, end: number): Promise<void> {
  await partition.committed(end)
  partition.checkAfterAppend()
}
