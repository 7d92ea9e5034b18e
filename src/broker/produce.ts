/**
 * Produce (v3–v11): appends one batch per partition and answers as `acks` says.
 *
 *   acks 0    the answer comes at once; whoever asked does not look at it
 *   acks 1    the leader has the records, as durably as it promises
 *   acks −1   every in-sync replica has them: the high watermark has passed them
 *
 * A partition that fails does not hold up the others. Transactions are not known here yet.
 */

import { PartlogError } from '../model/errors.js'
import { isInternalTopic, partitionKey } from '../model/names.js'
import type { Partition } from '../partition/partition.js'
import type {
  PartitionProduceResponse,
  ProduceRequest,
  ProduceResponse,
} from '../protocol/messages/produce.js'
import type { BrokerContext } from './context.js'
import { errorFields } from './errors.js'

const FAILED = { baseOffset: -1, logAppendTimeMs: -1, logStartOffset: -1 }

/**
 * Answers at once when nothing has to be waited for: in 'process' mode an append is a call down to
 * the disk and back, and should not cost a promise per storey.
 */
export function produce(
  broker: BrokerContext,
  request: ProduceRequest,
): ProduceResponse | Promise<ProduceResponse> {
  const responses: TopicResponse[] = []
  const pending: Promise<void>[] = []
  for (const { name, partitionData } of request.topicData) {
    const partitionResponses: PartitionProduceResponse[] = []
    for (const { index, records } of partitionData) {
      const answer = appendTo(broker, request, { topic: name, index, records })
      const place = partitionResponses.push(answer.response) - 1
      if (answer.acknowledged !== undefined) {
        const later = answer.acknowledged.catch((error: unknown) => {
          partitionResponses[place] = failure(index, error)
        })
        pending.push(later)
      }
    }
    responses.push({ name, partitionResponses })
  }
  return pending.length === 0 ? { responses } : Promise.all(pending).then(() => ({ responses }))
}

interface TopicResponse {
  readonly name: string
  readonly partitionResponses: readonly PartitionProduceResponse[]
}

interface PartitionRecords {
  readonly topic: string
  readonly index: number
  readonly records: Uint8Array | null
}

interface AppendAnswer {
  readonly response: PartitionProduceResponse
  /** What the response still waits for; when it rejects, that is the response. */
  readonly acknowledged?: Promise<void> | undefined
}

function appendTo(
  broker: BrokerContext,
  { acks, timeoutMs }: ProduceRequest,
  { topic, index, records }: PartitionRecords,
): AppendAnswer {
  try {
    checkAcks(acks)
    if (isInternalTopic(topic)) {
      throw new PartlogError('INVALID_TOPIC_EXCEPTION', `topic ${topic} belongs to the system`)
    }
    const partition = broker.replicas.partition(topic, index)
    const needsIsr = acks === -1
    const appended = partition.append(records ?? NO_BYTES, needsIsr)
    const { firstOffset, lastOffset, logAppendTime } = appended
    const acknowledged = acknowledgement(broker, partition, {
      acks,
      timeoutMs,
      end: lastOffset + 1,
    })
    const response = {
      index,
      errorCode: 0,
      errorMessage: null,
      baseOffset: firstOffset,
      logAppendTimeMs: logAppendTime,
      logStartOffset: partition.log.logStartOffset,
    }
    return { response, acknowledged }
  } catch (error) {
    return { response: failure(index, error) }
  }
}

const NO_BYTES = new Uint8Array(0)

function failure(index: number, error: unknown): PartitionProduceResponse {
  return { index, ...errorFields(error), ...FAILED }
}

function checkAcks(acks: number): void {
  if (acks === -1 || acks === 0 || acks === 1) return
  throw new PartlogError('INVALID_REQUIRED_ACKS', `acks: expected −1, 0 or 1, got ${acks}`)
}

interface Acknowledgement {
  readonly acks: number
  readonly timeoutMs: number
  /** The offset behind the batch. */
  readonly end: number
}

/** What has to be waited for before the records count as acknowledged, if anything. */
function acknowledgement(
  broker: BrokerContext,
  partition: Partition,
  { acks, timeoutMs, end }: Acknowledgement,
): Promise<void> | undefined {
  if (acks === 0 || partition.highWatermark >= end) return undefined
  const done = acks === 1 ? partition.onLeader() : onAll(partition, end)
  const late = (): PartlogError => {
    const { topic, partition: number } = partition.topicPartition
    return new PartlogError(
      'REQUEST_TIMED_OUT',
      `${partitionKey(topic, number)}: offset ${end} was not committed within ${timeoutMs} ms; ` +
        'the records are in the log and may still be',
      { outcomeUnknown: true },
    )
  }
  return inTime(broker, done, late, timeoutMs)
}

async function onAll(partition: Partition, end: number): Promise<void> {
  await partition.committed(end)
  partition.checkAfterAppend()
}

/** `done`, or the error of `late` when it takes longer than `timeoutMs`. */
function inTime(
  { clock }: BrokerContext,
  done: Promise<void>,
  late: () => PartlogError,
  timeoutMs: number,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = clock.after(timeoutMs, () => reject(late()))
    done.then(resolve, reject).finally(() => timer.cancel())
  })
}
