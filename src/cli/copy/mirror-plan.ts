/* Prepares a mirror: creates the copy if needed, and finds where each partition starts. */

import { asBuffer } from '../../base/bytes.js'
import type { Admin } from '../../client/admin/admin-api.js'
import type { ConsumerRecord } from '../../client/consumer/consumer-record.js'
import type { KafkaCluster } from '../../client/kafka-cluster.js'
import type { Cluster } from '../../cluster/cluster.js'
import { BATCH_HEADER_BYTES } from '../../model/batch/batch.js'
import { partitionKey, partitionName, type TopicPartition } from '../../model/names.js'
import { carriedSettings, ensureCarried, IMPORTED } from '../../events/import/carried-topic.js'
import { RECORD_BYTES_MAX } from './lanes.js'
import type { MirrorPositions } from './mirror-positions.js'
import { startOf, type Search } from './mirror-resume.js'
import { timeIfBeyond } from '../../events/replay/places.js'

export interface PlanRequest {
  /** The topic at the source. */
  readonly from: string
  /** Its copy. */
  readonly topic: string
  /**
   * Where a first run begins. Default: at the first record. Partitions that the source gets later
   * always begin there.
   */
  readonly first: number | Date | undefined
  /** Continue after records that the source has deleted, instead of failing. */
  readonly skipDeleted: boolean
}

/** A partition that is about to be mirrored. */
export interface PartitionPlan {
  readonly partition: number
  /** The offset to read from. */
  readonly start: number
  /** How many records from there on are in the copy already. */
  readonly copied: number
  /** The last of them; undefined if compaction has removed it. */
  readonly lastCopied: ConsumerRecord | undefined
  /** Where the source ends now. */
  readonly end: number
  /** Where the copy ends. */
  readonly targetEnd: number
}

export interface MirrorPlan {
  readonly sourceId: string
  readonly targetId: string
  readonly partitions: readonly PartitionPlan[]
  /** Nothing was mirrored before. */
  readonly isFirst: boolean
  /** The time that `first` was understood as, though it is a number. */
  readonly firstAsTime: Date | undefined
}

/** The clusters, and the positions of earlier runs. */
export interface PlanParts {
  readonly source: KafkaCluster
  readonly target: Cluster
  readonly positions: MirrorPositions
}

interface Place extends TopicPartition {
  readonly offset: number
}

export async function planMirror(parts: PlanParts, request: PlanRequest): Promise<MirrorPlan> {
  const { source, target, positions } = parts
  const { from, topic } = request
  const { topicId: sourceId, partitions: sourceOnes } = await source.admin.describeTopic(from)
  const count = sourceOnes.length
  await makeCopy(parts, request, count)
  const { topicId: targetId } = await target.admin.describeTopic(topic)
  const starts = await offsetsOf(source.admin, from, 'earliest')
  const ends = await offsetsOf(source.admin, from, 'latest')
  const targetEnds = await offsetsOf(target.admin, topic, 'latest')
  if (targetEnds.size > count) {
    throw new Error(
      `${topic} has ${targetEnds.size} partitions and ${from} at the source has ${count}: ` +
        'use another --topic',
    )
  }
  const isFirst = [...ends.keys()].every(
    partition => positions.of(topic, partition)?.target.topicId !== targetId,
  )
  const firstAsTime = timeIfBeyond(request.first, ends.values())
  const first = firstAsTime ?? request.first
  const firsts = isFirst ? await firstOffsets(source.admin, { from, first }, ends) : undefined
  const partitions: PartitionPlan[] = []
  for (let partition = 0; partition < count; partition++) {
    const end = ends.get(partition) ?? 0
    const targetEnd = targetEnds.get(partition) ?? 0
    const last = { topic, partition, offset: targetEnd - 1 }
    const { offset, copied } = await startOf({
      name: partitionKey(topic, partition),
      position: positions.of(topic, partition),
      source: { topic: from, topicId: sourceId, from: starts.get(partition) ?? 0, until: end },
      target: { topicId: targetId, until: targetEnd },
      first: firsts?.get(partition),
      skipDeleted: request.skipDeleted,
      findLastCopied: search => findCopied(parts, last, { ...search, topic: from, until: end }),
    })
    const lastCopied = copied > 0 ? await recordAt(target, last) : undefined
    partitions.push({ partition, start: offset, copied, lastCopied, end, targetEnd })
  }
  // Only after startOf: a topic that is not a copy of this source must stay unchanged.
  if (targetEnds.size < count) await target.admin.createPartitions({ topic, partitions: count })
  return { sourceId, targetId, partitions, isFirst, firstAsTime }
}

/** The copy takes over settings of the source, but keeps all records, however old they are. */
async function makeCopy(
  { source, target }: PlanParts,
  { from, topic }: PlanRequest,
  partitions: number,
): Promise<void> {
  const carried = carriedSettings(await source.admin.describeConfig(from))
  // Compressed records grow when they are unpacked; the copy must still accept them.
  const largest = { 'max.message.bytes': RECORD_BYTES_MAX + BATCH_HEADER_BYTES }
  const kept = { ...IMPORTED, 'retention.bytes': -1, ...largest }
  await ensureCarried(target.admin, { topic, partitions, config: { ...carried, ...kept } })
}

async function offsetsOf(
  admin: Admin,
  topic: string,
  at: 'earliest' | 'latest',
): Promise<Map<number, number>> {
  const offsets = await admin.listOffsets(topic, at)
  return new Map(offsets.map(({ partition, offset }) => [partition, offset ?? 0]))
}

/** Where a first run begins, if it was given; a time after the last record means the end. */
async function firstOffsets(
  admin: Admin,
  { from, first }: Pick<PlanRequest, 'from' | 'first'>,
  ends: ReadonlyMap<number, number>,
): Promise<Map<number, number> | undefined> {
  if (first === undefined) return undefined
  if (typeof first === 'number') return new Map([...ends.keys()].map(each => [each, first]))
  const offsets = await admin.listOffsets(from, first)
  return new Map(
    offsets.map(({ partition, offset }) => [partition, offset ?? ends.get(partition) ?? 0]),
  )
}

/** A record of the copy; undefined if it no longer exists. */
async function recordAt(
  target: Cluster,
  { offset, ...partition }: Place,
): Promise<ConsumerRecord | undefined> {
  await using consumer = target.consumer({ autoOffsetReset: 'none', maxPollRecords: 1 })
  await consumer.assign([partition])
  consumer.seek({ ...partition, offset })
  while ((await consumer.position(partition)) <= offset) {
    const [record] = await consumer.poll()
    if (record !== undefined) return record.offset === offset ? record : undefined
  }
  return undefined
}

/** The offset at the source of a record of the copy; undefined if it is not found. */
async function findCopied(
  { source, target }: PlanParts,
  place: Place,
  { topic, from, until, records }: Search & { readonly topic: string; readonly until: number },
): Promise<number | undefined> {
  const copy = await recordAt(target, place)
  if (copy === undefined) throw cannotTell(place)
  const partition = { topic, partition: place.partition }
  await using consumer = source.consumer({ autoOffsetReset: 'none' })
  await consumer.assign([partition])
  consumer.seek({ ...partition, offset: from })
  let left = records
  while (left > 0 && (await consumer.position(partition)) < until) {
    const some = (await consumer.poll()).slice(0, left)
    const found = some.find(record => isCopyOf(copy, record))
    if (found !== undefined) return found.offset
    left -= some.length
  }
  return undefined
}

function cannotTell(place: Place): Error {
  return new Error(
    `${partitionName(place)}: its last record was compacted, and the ` +
      'source has deleted records, so it is unknown which ones are copied; use another --topic',
  )
}

/** Is `copy` a copy of `record`? A record without a time got one when it was written. */
export function isCopyOf(copy: ConsumerRecord, record: ConsumerRecord): boolean {
  const isSameTime = record.timestamp < 0 || copy.timestamp === record.timestamp
  return (
    isSameTime &&
    areEqual(copy.key, record.key) &&
    areEqual(copy.value, record.value) &&
    copy.headers.length === record.headers.length &&
    copy.headers.every(({ key, value }, index) => {
      const other = record.headers[index]
      return key === other?.key && areEqual(value, other.value)
    })
  )
}

function areEqual(a: Uint8Array | null, b: Uint8Array | null): boolean {
  if (a === null || b === null) return a === b
  return asBuffer(a).equals(b)
}
