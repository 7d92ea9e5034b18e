/**
 * Fetch (v4–v17): whole committed batches, the first of them whatever its size, so that a reader
 * always gets on.
 *
 * When there is less than minBytes the request is held: until enough has come in, the time is over,
 * or the one who asked has gone. Fetch sessions are not kept: every answer has session id 0, which
 * tells clients to ask in full. Records of transactions are not filtered yet.
 */

import { PartlogError } from '../model/errors.js'
import { partitionKey } from '../model/names.js'
import { waitUntil } from '../partition/delayed.js'
import type { Partition } from '../partition/partition.js'
import type {
  FetchPartition,
  FetchRequest,
  FetchResponse,
  PartitionFetchResponse,
} from '../protocol/messages/fetch.js'
import { FETCH_MAX_BYTES, FETCH_MAX_WAIT_MS } from './config.js'
import type { BrokerContext } from './context.js'
import { errorFields } from './errors.js'

export async function fetch(
  broker: BrokerContext,
  request: FetchRequest,
  signal?: AbortSignal,
): Promise<FetchResponse> {
  const { clock } = broker
  const deadline = clock.monotonicMs() + Math.min(request.maxWaitMs, FETCH_MAX_WAIT_MS)
  const reads = readsOf(broker, request)
  for (;;) {
    const seen = committedBytes(reads)
    const { answers, bytes, hasError } = await readAll(reads, request)
    const timeoutMs = deadline - clock.monotonicMs()
    if (bytes >= request.minBytes || hasError || timeoutMs <= 0 || signal?.aborted) {
      return responseOf(reads, answers)
    }
    const missing = request.minBytes - bytes
    const isReady = (): boolean =>
      committedBytes(reads) - seen >= missing || reads.some(read => read.partition?.offlineReason)
    const sources = reads.flatMap(({ partition }) => partition?.changes ?? [])
    await waitUntil(isReady, sources, { clock, timeoutMs, signal })
  }
}

interface Read {
  readonly topic: string
  readonly wanted: FetchPartition
  /** Undefined when there is no such partition. */
  readonly partition: Partition | undefined
}

function readsOf(broker: BrokerContext, request: FetchRequest): Read[] {
  return request.topics.flatMap(({ topic = '', partitions }) =>
    partitions.map(wanted => ({
      topic,
      wanted,
      partition: broker.replicas.find(topic, wanted.partition),
    })),
  )
}

function committedBytes(reads: readonly Read[]): number {
  return reads.reduce((sum, { partition }) => sum + (partition?.committedBytes ?? 0), 0)
}

interface ReadResult {
  readonly answers: readonly PartitionFetchResponse[]
  readonly bytes: number
  readonly hasError: boolean
}

async function readAll(reads: readonly Read[], request: FetchRequest): Promise<ReadResult> {
  const answers: PartitionFetchResponse[] = []
  const limit = Math.min(request.maxBytes ?? FETCH_MAX_BYTES, FETCH_MAX_BYTES)
  let bytes = 0
  for (const read of reads) {
    const answer = await readOne(read, Math.max(limit - bytes, 0), bytes === 0)
    answers.push(answer)
    bytes += answer.records?.byteLength ?? 0
  }
  return { answers, bytes, hasError: answers.some(answer => answer.errorCode !== 0) }
}

async function readOne(
  { topic, wanted, partition }: Read,
  maxBytes: number,
  isFirst: boolean,
): Promise<PartitionFetchResponse> {
  const partitionIndex = wanted.partition
  try {
    if (partition === undefined) throw unknownPartition(topic, partitionIndex)
    partition.checkLeaderEpoch(wanted.currentLeaderEpoch ?? -1)
    const { records, highWatermark, logStartOffset } = await partition.read(wanted.fetchOffset, {
      maxBytes: Math.min(wanted.partitionMaxBytes, maxBytes),
      minOneBatch: isFirst,
    })
    return {
      partitionIndex,
      errorCode: 0,
      errorMessage: null,
      highWatermark,
      lastStableOffset: highWatermark,
      logStartOffset,
      records,
    }
  } catch (error) {
    const highWatermark = partition?.highWatermark ?? -1
    return { partitionIndex, ...errorFields(error), highWatermark, records: null }
  }
}

function unknownPartition(topic: string, partition: number): PartlogError {
  return new PartlogError(
    'UNKNOWN_TOPIC_OR_PARTITION',
    `partition ${partitionKey(topic, partition)} does not exist`,
  )
}

/** The answers under the topics they were asked for, which come in runs. */
function responseOf(
  reads: readonly Read[],
  answers: readonly PartitionFetchResponse[],
): FetchResponse {
  const responses: { topic: string; partitions: PartitionFetchResponse[] }[] = []
  for (const [index, { topic }] of reads.entries()) {
    const answer = answers[index] as PartitionFetchResponse
    const last = responses.at(-1)
    if (last?.topic === topic) last.partitions.push(answer)
    else responses.push({ topic, partitions: [answer] })
  }
  return { errorCode: 0, sessionId: 0, responses }
}
