/* What a leader checks before it answers. Pure. */

import type { EpochEnd, LeaderEpochs } from '../log/format/leader-epochs.js'
import type { LogConfig } from '../log/format/log-config.js'
import type { WrittenBatch } from '../log/format/producer-state.js'
import type { Appended } from '../log/store/log.js'
import { PartlogError } from '../model/errors.js'
import type { LeaderEpoch, Offset } from '../model/units.js'
import type { InSyncReplicas } from './isr.js'

/** How many replicas must be in sync: min.insync.replicas, at most all replicas. */
export function minIsr({ minInsyncReplicas }: LogConfig, isr: InSyncReplicas): number {
  return Math.min(minInsyncReplicas, isr.committed.replicas.length)
}

/** Throws NOT_ENOUGH_REPLICAS if too few replicas are in sync for acks=all. */
export function checkBeforeAppend(name: string, config: LogConfig, isr: InSyncReplicas): void {
  const inSync = isr.committed.isr.length
  const needed = minIsr(config, isr)
  if (inSync >= needed) return
  const sentence = `${name}: ${inSync} in sync, min.insync.replicas asks for ${needed}`
  throw new PartlogError('NOT_ENOUGH_REPLICAS', sentence)
}

/** Throws NOT_ENOUGH_REPLICAS_AFTER_APPEND if too few replicas are left to acknowledge. */
export function checkAfterAppend(name: string, config: LogConfig, isr: InSyncReplicas): void {
  const needed = minIsr(config, isr)
  if (isr.maximalSize >= needed) return
  throw new PartlogError(
    'NOT_ENOUGH_REPLICAS_AFTER_APPEND',
    `${name}: ${isr.maximalSize} in sync, min.insync.replicas asks for ${needed}; the records ` +
      'are in the log',
    { outcomeUnknown: true },
  )
}

/** Throws FENCED_LEADER_EPOCH if the client is behind, UNKNOWN_LEADER_EPOCH if the broker is. */
export function checkSameEpoch(name: string, epoch: LeaderEpoch, claimed: LeaderEpoch): void {
  if (claimed < 0 || epoch < 0 || claimed === epoch) return
  const code = claimed < epoch ? 'FENCED_LEADER_EPOCH' : 'UNKNOWN_LEADER_EPOCH'
  throw new PartlogError(code, `${name} is in leader epoch ${epoch}, not ${claimed}`)
}

/** Throws POLICY_VIOLATION for a topic that is only compacted, as Kafka does. */
export function checkMayDelete(name: string, { isCompacted, isDeleted }: LogConfig): void {
  if (isDeleted || !isCompacted) return
  const sentence =
    `${name}: the topic is compacted, records cannot be deleted up to an offset; ` +
    'write tombstones to delete keys'
  throw new PartlogError('POLICY_VIOLATION', sentence)
}

/** The error for clients of a replicated partition: another replica may lead, so they retry. */
export function forClients(error: PartlogError): PartlogError {
  if (error.retriable || error.code === 'CLOSED') return error
  const { outcomeUnknown } = error
  return new PartlogError('KAFKA_STORAGE_ERROR', error.message, { cause: error, outcomeUnknown })
}

export interface FollowerEnd {
  readonly fetchOffset: Offset
  /** Leader epoch of its last record; −1 if it has none. */
  readonly lastEpoch: LeaderEpoch
}

/** What these checks need of the leader's log. */
interface LeaderLog {
  readonly epochs: LeaderEpochs
  readonly logEndOffset: Offset
  readonly name: string
}

/** Where the epoch of the follower's last record ends in the leader's log, if they diverge. */
export function divergence(log: LeaderLog, follower: FollowerEnd): EpochEnd | undefined {
  if (!hasDiverged(log, follower)) return undefined
  const end = log.epochs.endOffsetFor(follower.lastEpoch, log.logEndOffset)
  if (end.epoch >= 0) return end
  const sentence = `${log.name}: the leader does not know epoch ${follower.lastEpoch}`
  throw new PartlogError('OFFSET_OUT_OF_RANGE', sentence)
}

/** True if the follower's log is not a prefix of the leader's. */
export function hasDiverged(
  { epochs, logEndOffset }: LeaderLog,
  { fetchOffset, lastEpoch }: FollowerEnd,
): boolean {
  if (lastEpoch < 0) return false
  const { epoch, endOffset } = epochs.endOffsetFor(lastEpoch, logEndOffset)
  return epoch < lastEpoch || endOffset < fetchOffset
}

/** The answer to a duplicate: a batch that is in the log already. */
export function appendedBefore(batch: WrittenBatch, { timestampType }: LogConfig): Appended {
  const { firstOffset, lastOffset, timestamp } = batch
  return { firstOffset, lastOffset, logAppendTime: timestampType === 'CreateTime' ? -1 : timestamp }
}
