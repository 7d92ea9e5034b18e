/*
 * Fetch (v4–v17): whole committed batches; the first one whatever its size, so that a reader always
 * makes progress.
 *
 * While there is less than minBytes the request is held: until enough was appended, the time is
 * over, or the client has gone. There are no fetch sessions: every answer has session id 0, which
 * tells clients to send full requests.
 *
 * A read_committed consumer gets records up to the last stable offset, and which transactions in
 * them were aborted: it leaves those out itself.
 */

import type { Clock } from '../../base/clock.js'
import { ZERO_UUID } from '../../base/uuid.js'
import { waitUntil, type Watchable } from '../../base/watchers.js'
import type { Log } from '../../log/store/log.js'
import { PartlogError } from '../../model/errors.js'
import { NONE } from '../../model/units.js'
import type { Partition } from '../../partition/partition.js'
import { abortedIn, readLimit } from '../../partition/read-committed.js'
import { isQuiet, readNow } from '../../partition/read-now.js'
import type { PartitionRead, ReaderBounds } from '../../partition/roles.js'
import {
  READ_COMMITTED,
  type FetchPartition,
  type FetchRequest,
  type FetchResponse,
  type PartitionFetchResponse,
} from '../../protocol/messages/fetch.js'
import { FETCH_MAX_BYTES, FETCH_MAX_WAIT_MS } from '../broker-config.js'
import { errorFields } from '../node/answer-errors.js'
import type { BrokerContext } from '../node/context.js'
import { unknownTopicId } from '../node/topic-keys.js'
import { currentLeader, FETCH_LED_ELSEWHERE, nodeEndpoints } from './current-leader.js'
import { HeldRead, noteFetch, type Read } from './held-read.js'

const NO_RECORDS = new Uint8Array(0)
/** What a request gets at once, of all partitions; the rest goes the long way, or comes later. */
const READ_NOW_MAX_BYTES = 512 * 1024

export function fetch(
  broker: BrokerContext,
  request: FetchRequest,
  signal?: AbortSignal,
): FetchResponse | Promise<FetchResponse> {
  return answerNow(broker, request) ?? answerLater(broker, request, signal)
}

/** The short way: a consumer's records are all there, and few enough to be read at once. */
function answerNow(broker: BrokerContext, request: FetchRequest): FetchResponse | undefined {
  if (wantsSession(request) || isFollowers(request)) return undefined
  const reads = readsOf(broker, request)
  const answers: PartitionFetchResponse[] = []
  let bytes = 0
  const { nowBytes = 0 } = request
  for (const read of reads) {
    if (bytes > READ_NOW_MAX_BYTES && nowBytes === 0) return undefined
    const { maxBytes, minOneBatch } = roomOf(request, bytes)
    const most = nowBytes > 0 ? Math.max(READ_NOW_MAX_BYTES - bytes, 0) : Infinity
    const answer = readOneNow(read, request, { maxBytes: Math.min(maxBytes, most), minOneBatch })
    if (answer === undefined) return undefined
    answers.push(answer)
    bytes += answer.records?.byteLength ?? 0
  }
  return bytes >= Math.max(request.minBytes, 1) ? responseOf(broker, reads, answers) : undefined
}

async function answerLater(
  broker: BrokerContext,
  request: FetchRequest,
  signal: AbortSignal | undefined,
): Promise<FetchResponse> {
  const { clock, longHolds } = broker
  if (wantsSession(request)) return { ...errorFields(noSession()), sessionId: 0, responses: [] }
  const hold = new Hold(request, clock)
  const reads = readsOf(broker, request)
  const isFollower = isFollowers(request)
  const asked = isFollower ? watermarksOf(reads) : 0
  // A follower's offsets are noted once: they were true when it asked, not when it is woken.
  if (isFollower) for (const read of reads) noteFetch(read, request.replicaId as number)
  for (;;) {
    const news = isFollower
      ? followersNews(broker, reads, request)
      : consumersNews(reads, isReadCommitted(request))
    const answered = isFollower ? watermarksOf(reads) : 0
    const { answers, bytes, hasNews } = await readAll(broker, reads, request)
    // A follower learns a new high watermark or log start at once.
    const hasMoved = answered !== asked
    const isOver = hold.isOver || signal?.aborted === true
    if (bytes >= request.minBytes || hasNews || hasMoved || isOver) {
      if (isFollower) noteTold(reads, answers, request.replicaId as number)
      return responseOf(broker, reads, answers)
    }
    const missing = request.minBytes - bytes
    const isLong = bytes === 0 && longHolds.areAllowed && isIdle(request, reads)
    const mayBeLong = (): boolean => longHolds.areAllowed && !news.isDoubted()
    const isReady = (): boolean => news.has(missing) || (isLong && !mayBeLong())
    const sources = isLong ? [...news.sources, longHolds.changes] : news.sources
    await waitUntil(isReady, sources, { clock, timeoutMs: hold.next(isLong), signal })
  }
}

/** What may end a hold. */
interface News {
  /** Since its last look there are this many bytes more, or another decision was made. */
  has(missingBytes: number): boolean
  /** The next fetch of the follower is needed soon: this one must not be held for long. */
  isDoubted(): boolean
  readonly sources: readonly Watchable[]
}

function consumersNews(reads: readonly Read[], isStable: boolean): News {
  const seen = committedBytes(reads)
  const roles = rolesOf(reads)
  // A marker of a few bytes lets a read_committed consumer have a whole transaction.
  const decided = isStable ? stableOffsets(reads) : 0
  const isDecided = (): boolean => isStable && stableOffsets(reads) !== decided
  return {
    has: missing =>
      committedBytes(reads) - seen >= missing || rolesOf(reads) !== roles || isDecided(),
    isDoubted: () => false,
    sources: reads.flatMap(({ partition }) => partition?.changes ?? []),
  }
}

function followersNews(
  { longHolds }: BrokerContext,
  reads: readonly Read[],
  { replicaId = NONE }: FetchRequest,
): News {
  const held = reads.map(read => new HeldRead(read, replicaId, longHolds))
  return {
    has: () => held.some(({ hasNews }) => hasNews),
    isDoubted: () => held.some(({ isDoubted }) => isDoubted),
    sources: held,
  }
}

/**
 * How long a fetch is held. While nothing can have changed, that is longer than maxWaitMs; when it
 * can again, the fetch ends when one of those would that a client sends every maxWaitMs.
 */
class Hold {
  readonly #clock: Clock
  readonly #startedAt: number
  readonly #waitMs: number
  readonly #idleWaitMs: number
  #isLong = false
  #untilMs: number

  constructor({ maxWaitMs, idleWaitMs = 0 }: FetchRequest, clock: Clock) {
    this.#clock = clock
    this.#startedAt = clock.monotonicMs()
    this.#waitMs = Math.min(maxWaitMs, FETCH_MAX_WAIT_MS)
    this.#idleWaitMs = Math.min(Math.max(idleWaitMs, maxWaitMs), FETCH_MAX_WAIT_MS)
    this.#untilMs = this.#startedAt + this.#waitMs
  }

  get isOver(): boolean {
    return this.#clock.monotonicMs() >= this.#untilMs
  }

  /** Milliseconds until the hold is over. */
  next(isLong: boolean): number {
    const now = this.#clock.monotonicMs()
    const heldMs = now - this.#startedAt
    if (isLong) this.#untilMs = this.#startedAt + this.#idleWaitMs
    else if (this.#isLong) this.#untilMs = now + this.#waitMs - (heldMs % this.#waitMs)
    this.#isLong = isLong
    return this.#untilMs - now
  }
}

/** True while the fetch will find nothing until one of its partitions changes. */
function isIdle({ idleWaitMs = 0, replicaId = -1 }: FetchRequest, reads: readonly Read[]): boolean {
  return (
    idleWaitMs > 0 &&
    reads.every(
      ({ partition, wanted }) =>
        partition !== undefined && isQuiet(partition, replicaId, wanted.fetchOffset),
    )
  )
}

/** The follower knows now how far the partitions are committed, and where they start. */
function noteTold(
  reads: readonly Read[],
  answers: readonly PartitionFetchResponse[],
  replicaId: number,
): void {
  for (const [index, { partition }] of reads.entries()) {
    const { highWatermark, logStartOffset = NONE } = answers[index] as PartitionFetchResponse
    partition?.isr?.noteTold(replicaId, highWatermark, logStartOffset)
  }
}

function isReadCommitted({ isolationLevel = 0, replicaId = -1 }: FetchRequest): boolean {
  return isolationLevel === READ_COMMITTED && replicaId < 0
}

function isFollowers({ replicaId = -1 }: FetchRequest): boolean {
  return replicaId >= 0
}

/** True if the request continues a session; one that starts or ends a session is complete. */
function wantsSession({ sessionEpoch = -1 }: FetchRequest): boolean {
  return sessionEpoch > 0
}

function noSession(): PartlogError {
  return new PartlogError('FETCH_SESSION_ID_NOT_FOUND', 'fetch sessions are not supported')
}

function readsOf(broker: BrokerContext, request: FetchRequest): Read[] {
  return request.topics.flatMap(({ topic: name = '', topicId = '', partitions }) => {
    // From version 13 on, requests name topics by id.
    const topic = name === '' ? (broker.controller.image.topicById(topicId)?.name ?? '') : name
    return partitions.map(wanted => ({
      topic,
      topicId,
      wanted,
      partition: broker.replicas.find(topic, wanted.partition),
    }))
  })
}

/** Increases when one of the partitions gets another leader or goes offline. */
function rolesOf(reads: readonly Read[]): number {
  return reads.reduce((sum, { partition }) => sum + (partition?.roleVersion ?? 0), 0)
}

/** Increases when a high watermark or a log start does. */
function watermarksOf(reads: readonly Read[]): number {
  return reads.reduce((sum, { partition }) => {
    const { highWatermark = 0, replicaLog } = partition ?? {}
    return sum + highWatermark + (replicaLog?.logStartOffset ?? 0)
  }, 0)
}

function stableOffsets(reads: readonly Read[]): number {
  return reads.reduce((sum, { partition }) => {
    if (partition?.isLeader !== true) return sum
    return sum + readLimit(partition.log, partition.highWatermark, true)
  }, 0)
}

function committedBytes(reads: readonly Read[]): number {
  return reads.reduce((sum, { partition }) => sum + (partition?.committedBytes ?? 0), 0)
}

interface ReadResult {
  readonly answers: readonly PartitionFetchResponse[]
  readonly bytes: number
  /** An error, or a diverging epoch: the answer must not wait. */
  readonly hasNews: boolean
}

async function readAll(
  broker: BrokerContext,
  reads: readonly Read[],
  request: FetchRequest,
): Promise<ReadResult> {
  const answers: PartitionFetchResponse[] = []
  let bytes = 0
  for (const read of reads) {
    const room = roomOf(request, bytes)
    const answer = readOneNow(read, request, room) ?? (await readOne(broker, read, request, room))
    answers.push(answer)
    bytes += answer.records?.byteLength ?? 0
  }
  const isNews = ({ errorCode, divergingEpoch }: PartitionFetchResponse): boolean =>
    errorCode !== 0 || divergingEpoch !== undefined
  return { answers, bytes, hasNews: answers.some(isNews) }
}

/** What a partition may add to an answer of which there are some bytes already. */
interface Room {
  readonly maxBytes: number
  readonly minOneBatch: boolean
}

function roomOf({ maxBytes = FETCH_MAX_BYTES }: FetchRequest, bytes: number): Room {
  const left = Math.min(maxBytes, FETCH_MAX_BYTES) - bytes
  return { maxBytes: Math.max(left, 0), minOneBatch: bytes === 0 }
}

function boundsOf(
  { partitionMaxBytes }: FetchPartition,
  request: FetchRequest,
  { maxBytes, minOneBatch }: Room,
): ReaderBounds {
  const isStable = isReadCommitted(request)
  return { maxBytes: Math.min(partitionMaxBytes, maxBytes), minOneBatch, isStable }
}

/** As `readOne`, at once; undefined where that must be asked. */
function readOneNow(
  { topicId, wanted, partition }: Read,
  request: FetchRequest,
  room: Room,
): PartitionFetchResponse | undefined {
  if (partition === undefined || isAnother(partition, topicId)) return undefined
  const { replicaId = -1 } = request
  const { fetchOffset, lastFetchedEpoch: lastEpoch = -1, currentLeaderEpoch = -1 } = wanted
  if (currentLeaderEpoch >= 0 && currentLeaderEpoch !== partition.leaderEpoch) return undefined
  const asked = boundsOf(wanted, request, room)
  const bounds = { ...asked, maxBytes: Math.min(asked.maxBytes, request.nowBytes || Infinity) }
  const read = readNow(partition, { replicaId, fetchOffset, lastEpoch }, bounds)
  return read === undefined ? undefined : answerOf(partition, wanted, request, read)
}

async function readOne(
  broker: BrokerContext,
  { topic, topicId, wanted, partition }: Read,
  request: FetchRequest,
  room: Room,
): Promise<PartitionFetchResponse> {
  const partitionIndex = wanted.partition
  const { replicaId = -1 } = request
  try {
    if (topic === '') throw unknownTopicId(topicId)
    const found = partition ?? broker.replicas.partition(topic, partitionIndex)
    if (isAnother(found, topicId)) throw unknownTopicId(topicId)
    found.checkLeaderEpoch(wanted.currentLeaderEpoch ?? -1)
    const bounds = boundsOf(wanted, request, room)
    const { fetchOffset, lastFetchedEpoch: lastEpoch = -1 } = wanted
    const read =
      replicaId < 0
        ? await found.read(fetchOffset, bounds, lastEpoch)
        : await found.readAsFollower({ replicaId, fetchOffset, lastEpoch }, bounds)
    return answerOf(found, wanted, request, read)
  } catch (error) {
    // With an error, only followers get the high watermark and the log start.
    const known = replicaId < 0 ? undefined : partition
    const highWatermark = known?.highWatermark ?? -1
    const logStartOffset = known?.replicaLog?.logStartOffset ?? -1
    const failed = { partitionIndex, ...errorFields(error), highWatermark, logStartOffset }
    const place = { topic, partition: partitionIndex, errorCode: failed.errorCode }
    const leader = currentLeader(broker, place, FETCH_LED_ELSEWHERE)
    // As in Kafka: null if reading failed, empty if the partition does not exist.
    const abortedTransactions = partition === undefined ? [] : null
    return { ...failed, ...leader, abortedTransactions, records: NO_RECORDS }
  }
}

/** Clients in the process send name and id: a recreated topic of that name is another one. */
function isAnother(partition: Partition, topicId: string): boolean {
  return topicId !== '' && topicId !== ZERO_UUID && partition.topicId !== topicId
}

function answerOf(
  { replicaLog }: Partition,
  { partition: partitionIndex, fetchOffset }: FetchPartition,
  request: FetchRequest,
  { records, highWatermark, logStartOffset, diverging }: PartitionRead,
): PartitionFetchResponse {
  const log = replicaLog as Log
  return {
    partitionIndex,
    errorCode: 0,
    errorMessage: null,
    highWatermark,
    lastStableOffset: log.producers.lastStableOffset(highWatermark),
    logStartOffset,
    // null if the reader does not want transactions filtered
    abortedTransactions: isReadCommitted(request) ? abortedIn(log, fetchOffset, records) : null,
    records,
    ...(diverging === undefined ? {} : { divergingEpoch: diverging }),
  }
}

interface TopicAnswers {
  readonly topic: string
  readonly topicId: string
  readonly partitions: PartitionFetchResponse[]
}

/** The answers by topic, in the order of the request. */
function responseOf(
  broker: BrokerContext,
  reads: readonly Read[],
  answers: readonly PartitionFetchResponse[],
): FetchResponse {
  const responses: TopicAnswers[] = []
  for (const [index, { topic, topicId }] of reads.entries()) {
    const answer = answers[index] as PartitionFetchResponse
    const last = responses.at(-1)
    if (last?.topic === topic && last.topicId === topicId) last.partitions.push(answer)
    else responses.push({ topic, topicId, partitions: [answer] })
  }
  const endpoints = nodeEndpoints(broker, answers)
  return { errorCode: 0, sessionId: 0, responses, nodeEndpoints: endpoints }
}
