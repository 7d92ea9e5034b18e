/**
 * Who leads a partition. Pure: each function looks at a partition and says what has to change.
 *
 *   a leader must be    alive and in the ISR
 *   the first choice    the leader it has; then the first valid replica in the order of assignment
 *   none is valid       nobody leads (−1), or, if the topic allows it, any replica that is alive:
 *                       an unclean election, which may lose records
 *
 * The last in-sync replica stays in the ISR when it dies: it is the one that is waited for. When it
 * comes back without the end of its log it leads all the same: one that is out of sync and claims
 * to have more may claim it by a file without a checksum. Only where the topic allows unclean
 * elections the longer log wins (KIP-966).
 */

import type { LeaderEpoch, Offset } from '../../model/units.js'
import type { MetadataRecord } from '../../protocol/messages/metadata-records.js'
import type { PartitionImage } from './cluster-image.js'

export const NO_LEADER = -1

/** How far a replica's log goes: of two, the one with the later epoch has more, then the longer. */
export interface LogEnd {
  readonly epoch: LeaderEpoch
  readonly offset: Offset
}

export interface ElectionRules {
  /** Its broker is alive, and can use its replica. */
  readonly isAlive: (brokerId: number) => boolean
  /** unclean.leader.election.enable of the topic, or an unclean election that was asked for. */
  readonly allowsUnclean: boolean
  /** How far the logs go of those who are alive: given when some may have lost their end. */
  readonly endOf?: ((brokerId: number) => LogEnd | undefined) | undefined
}

/** What becomes of a partition. `leader` is given only when a new leadership begins. */
export interface PartitionChange {
  readonly isr: readonly number[]
  readonly leader: number | undefined
  /** The new leader was not known to have all that was committed. */
  readonly isUnclean: boolean
}

/** What to change now that brokers have come or gone; undefined when all is well. */
export function electOnline(
  partition: PartitionImage,
  rules: ElectionRules,
): PartitionChange | undefined {
  const { isr, replicas, leader } = partition
  const aliveIsr = isr.filter(rules.isAlive)
  const behind = rules.allowsUnclean ? longerThanIsr(partition, rules, aliveIsr) : undefined
  if (behind !== undefined) return { isr: [behind], leader: behind, isUnclean: true }
  if (aliveIsr.length > 0) {
    const chosen = aliveIsr.includes(leader) ? leader : firstOf(replicas, aliveIsr)
    return difference(partition, { isr: aliveIsr, leader: chosen, isUnclean: false })
  }
  const survivor = rules.allowsUnclean ? replicas.find(rules.isAlive) : undefined
  if (survivor !== undefined) return { isr: [survivor], leader: survivor, isUnclean: true }
  return difference(partition, { isr: lastOf(partition), leader: NO_LEADER, isUnclean: false })
}

/** The preferred leader, the first of the replicas, leads again, if it may. */
export function electPreferred(
  { replicas, isr, leader }: PartitionImage,
  { isAlive }: ElectionRules,
): PartitionChange | 'not needed' | 'not available' {
  const preferred = replicas[0] as number
  if (preferred === leader) return 'not needed'
  if (!isr.includes(preferred) || !isAlive(preferred)) return 'not available'
  return { isr, leader: preferred, isUnclean: false }
}

/** A new leadership for everybody, because logs may have lost their ends: the longest wins. */
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

/** Only what differs counts as a change. */
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

/** One of a partition's members stays, whatever happens: the leader, if it is in sync. */
function lastOf({ isr, leader }: PartitionImage): readonly number[] {
  if (isr.length <= 1) return isr
  return isr.includes(leader) ? [leader] : isr.slice(0, 1)
}

function firstOf(replicas: readonly number[], candidates: readonly number[]): number {
  return replicas.find(id => candidates.includes(id)) ?? (candidates[0] as number)
}

/** A living replica outside the ISR that has more than all in it, which is only after a loss. */
function longerThanIsr(
  { isr, replicas }: PartitionImage,
  { isAlive, endOf }: ElectionRules,
  aliveIsr: readonly number[],
): number | undefined {
  // Members that are not here yet may have it all: they are waited for.
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
