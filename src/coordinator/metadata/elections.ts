/*
 * Elects the leader of a partition. Pure: each function reads a partition and returns the change.
 *
 *   a leader must be    alive and in the ISR
 *   the first choice    the current leader; then the first valid replica in assignment order
 *   none is valid       no leader (−1); or, if the topic allows it, any live replica: an unclean
 *                       election, which may lose records
 *
 * The last in-sync replica stays in the ISR when it dies: the partition waits for it. When it
 * returns without the end of its log, it leads nevertheless: a replica outside the ISR may claim a
 * longer log because of a file without a checksum. The longer log wins only if the topic allows
 * unclean elections (KIP-966).
 */

import type { LeaderEpoch, Offset } from '../../model/units.js'
import type { MetadataRecord } from '../../protocol/messages/metadata-records.js'
import type { PartitionImage } from './cluster-image.js'

export const NO_LEADER = -1

/** The end of a replica's log. Logs compare by epoch first, then by offset. */
export interface LogEnd {
  readonly epoch: LeaderEpoch
  readonly offset: Offset
}

export interface ElectionRules {
  /** The broker is alive and can use its replica. */
  readonly isAlive: (brokerId: number) => boolean
  /** The topic sets unclean.leader.election.enable, or an unclean election was requested. */
  readonly allowsUnclean: boolean
  /** The log ends of live replicas: given when some logs may have lost their end. */
  readonly endOf?: ((brokerId: number) => LogEnd | undefined) | undefined
}

/** A change of a partition. `leader` is set only when a new leadership begins. */
export interface PartitionChange {
  readonly isr: readonly number[]
  readonly leader: number | undefined
  /** The new leader may lack committed records. */
  readonly isUnclean: boolean
}

/** The change after brokers have registered or failed; undefined when none is needed. */
export function electOnline(
  partition: PartitionImage,
  rules: ElectionRules,
): PartitionChange | undefined {
  const { isr, replicas, leader } = partition
  const aliveIsr = isr.filter(rules.isAlive)
  const longer = rules.allowsUnclean ? longestOutsideIsr(partition, rules, aliveIsr) : undefined
  if (longer !== undefined) return { isr: [longer], leader: longer, isUnclean: true }
  if (aliveIsr.length > 0) {
    const chosen = aliveIsr.includes(leader) ? leader : firstOf(replicas, aliveIsr)
    return difference(partition, { isr: aliveIsr, leader: chosen, isUnclean: false })
  }
  const survivor = rules.allowsUnclean ? replicas.find(rules.isAlive) : undefined
  if (survivor !== undefined) return { isr: [survivor], leader: survivor, isUnclean: true }
  return difference(partition, { isr: lastInSync(partition), leader: NO_LEADER, isUnclean: false })
}

/** Makes the preferred leader, the first replica, lead again if it is alive and in sync. */
export function electPreferred(
  { replicas, isr, leader }: PartitionImage,
  { isAlive }: ElectionRules,
): PartitionChange | 'not needed' | 'not available' {
  const preferred = replicas[0] as number
  if (preferred === leader) return 'not needed'
  if (!isr.includes(preferred) || !isAlive(preferred)) return 'not available'
  return { isr, leader: preferred, isUnclean: false }
}

/** Begins a new leadership, because logs may have lost their ends: the longest log wins. */
export function electLongest(
  partition: PartitionImage,
  rules: ElectionRules,
): PartitionChange | undefined {
  const change = electOnline(partition, rules)
  if (change?.leader !== undefined) return change
  const { endOf } = rules
  const isr = (change?.isr ?? partition.isr).filter(rules.isAlive)
  if (isr.length === 0 || endOf === undefined) return change
  const inOrder = [partition.leader, ...partition.replicas].filter(id => isr.includes(id))
  const leader = inOrder.reduce((best, id) => (hasMore(endOf(id), endOf(best)) ? id : best))
  return { isr, leader, isUnclean: false }
}

export function changeRecord(
  topicId: string,
  partitionId: number,
  { isr, leader }: Pick<PartitionChange, 'isr' | 'leader'>,
): MetadataRecord {
  return { kind: 'PartitionChange', topicId, partitionId, isr, leader }
}

/** The change from a partition to the wanted state; undefined when nothing differs. */
function difference(
  { isr, leader }: PartitionImage,
  wanted: { isr: readonly number[]; leader: number; isUnclean: boolean },
): PartitionChange | undefined {
  const isSameIsr = isr.length === wanted.isr.length
  if (isSameIsr && leader === wanted.leader) return undefined
  const { isUnclean } = wanted
  return {
    isr: wanted.isr,
    leader: leader === wanted.leader ? undefined : wanted.leader,
    isUnclean,
  }
}

/** The one replica that stays in the ISR when all are dead: the leader, if it is in sync. */
function lastInSync({ isr, leader }: PartitionImage): readonly number[] {
  if (isr.length <= 1) return isr
  return isr.includes(leader) ? [leader] : isr.slice(0, 1)
}

function firstOf(replicas: readonly number[], candidates: readonly number[]): number {
  return replicas.find(id => candidates.includes(id)) ?? (candidates[0] as number)
}

/** A live replica outside the ISR with a longer log than all in it: only after a loss. */
function longestOutsideIsr(
  { isr, replicas }: PartitionImage,
  { isAlive, endOf }: ElectionRules,
  aliveIsr: readonly number[],
): number | undefined {
  // An in-sync replica that is not alive yet may have every record: wait for it.
  if (endOf === undefined || aliveIsr.length < isr.length) return undefined
  const longest = (ids: readonly number[]): number | undefined =>
    ids.reduce<number | undefined>(
      (best, id) => (best === undefined || hasMore(endOf(id), endOf(best)) ? id : best),
      undefined,
    )
  const inside = longest(aliveIsr)
  const outside = longest(replicas.filter(id => isAlive(id) && !isr.includes(id)))
  if (inside === undefined || outside === undefined) return undefined
  return hasMore(endOf(outside), endOf(inside)) ? outside : undefined
}

function hasMore(a: LogEnd | undefined, b: LogEnd | undefined): boolean {
  if (a === undefined || b === undefined) return b === undefined && a !== undefined
  return a.epoch > b.epoch || (a.epoch === b.epoch && a.offset > b.offset)
}
