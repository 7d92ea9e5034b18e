/*
 * Decisions about brokers that register or fail, and about the leaders and ISRs of their
 * partitions. Each reads the cluster image and returns the records to append. Pure.
 */

import { PartlogError } from '../../model/errors.js'
import { settingValue } from '../../model/topic-settings.js'
import type { LeaderEpoch } from '../../model/units.js'
import type { MetadataRecord } from '../../protocol/messages/metadata-records.js'
import type { Decision } from '../fold/state-machine.js'
import {
  journalRecord,
  type ClusterImage,
  type PartitionImage,
  type TopicImage,
} from './cluster-image.js'
import {
  changeRecord,
  electLongest,
  electOnline,
  electPreferred,
  NO_LEADER,
  type ElectionRules,
  type LogEnd,
  type PartitionChange,
} from './elections.js'
import { existingTopic } from './topics.js'

const FENCED = 1

/** The log end of a partition on a running broker; undefined when it is unknown. */
export type LogEnds = (brokerId: number, topic: string, partition: number) => LogEnd | undefined

/** What a broker registers with. */
export interface RegisteringBroker {
  readonly id: number
  /** Null: the broker has no rack. */
  readonly rack: string | null
}

/** Makes these brokers the cluster: registers the new ones and fences the missing ones. */
export function formCluster(
  image: ClusterImage,
  brokers: readonly RegisteringBroker[],
): Decision<undefined> {
  const records: MetadataRecord[] = []
  for (const { id, rack } of brokers) {
    const known = image.brokers.get(id)
    if (known?.isFenced === false && known.rack === rack) continue
    records.push(registration(id, rack, known === undefined ? 0 : known.brokerEpoch + 1))
  }
  const missing = [...image.brokers.values()].filter(
    ({ id, isFenced }) => !isFenced && brokers.every(broker => broker.id !== id),
  )
  for (const { id, brokerEpoch } of missing) records.push(liveness(id, brokerEpoch, FENCED))
  const isAlive = (id: number): boolean => brokers.some(broker => broker.id === id)
  const rules = rulesOf(image, isAlive)
  records.push(...elections(image, () => true, rules))
  return decided(records)
}

/**
 * Elects leaders after all brokers have crashed. Logs may have lost their ends, so the in-sync
 * replica with the longest log leads.
 */
export function recoverLeaders(image: ClusterImage, ends: LogEnds): Decision<undefined> {
  const records: MetadataRecord[] = []
  const rules = rulesOf(image, id => image.isAlive(id))
  for (const topic of image.topics.values()) {
    for (const partition of topic.partitions) {
      if (partition.replicas.length === 1) continue // no other replica to compare with
      const endOf = (id: number): LogEnd | undefined => ends(id, topic.name, partition.partition)
      const change = electLongest(partition, { ...rules(topic, partition), endOf })
      if (change !== undefined) records.push(recordOf(topic, partition, change))
    }
  }
  return decided(records)
}

/** Fences a broker that is gone: other brokers lead its partitions, and it leaves their ISRs. */
export function fenceBroker(image: ClusterImage, brokerId: number): Decision<undefined> {
  const broker = existingBroker(image, brokerId)
  if (broker.isFenced) return decided([])
  const isAlive = (id: number): boolean => id !== brokerId && image.isAlive(id)
  return decided([
    liveness(brokerId, broker.brokerEpoch, FENCED),
    ...elections(image, involves(brokerId), rulesOf(image, isAlive)),
  ])
}

/** Registers a broker that is back: partitions that waited for it get a leader again. */
export function admitBroker(
  image: ClusterImage,
  { id, rack }: RegisteringBroker,
  ends?: LogEnds,
): Decision<undefined> {
  const brokerEpoch = (image.brokers.get(id)?.brokerEpoch ?? -1) + 1
  const isAlive = (other: number): boolean => other === id || image.isAlive(other)
  const leaderless = ({ leader, replicas }: PartitionImage): boolean =>
    leader === NO_LEADER && replicas.includes(id)
  const usual = rulesOf(image, isAlive)
  const rules: RulesOf = (topic, partition) => ({
    ...usual(topic, partition),
    endOf: ends === undefined ? undefined : broker => ends(broker, topic.name, partition.partition),
  })
  return decided([registration(id, rack, brokerEpoch), ...elections(image, leaderless, rules)])
}

/** Drops a broker's replica that cannot be used (its disk is broken) from the ISR. */
export function replicaFailed(
  image: ClusterImage,
  brokerId: number,
  { topic: name, partition }: { readonly topic: string; readonly partition: number },
): Decision<undefined> {
  const found = image.topics.get(name)?.partitions[partition]
  if (found === undefined) return decided([])
  const isAlive = (id: number): boolean => id !== brokerId && image.isAlive(id)
  return decided(elections(image, each => each === found, rulesOf(image, isAlive)))
}

/** A replica can be used again: if its partition has no leader, one is elected. */
export function replicaReturned(
  image: ClusterImage,
  { topic: name, partition }: { readonly topic: string; readonly partition: number },
): Decision<undefined> {
  const found = image.topics.get(name)?.partitions[partition]
  if (found?.leader !== NO_LEADER) return decided([])
  const rules = rulesOf(image, id => image.isAlive(id))
  return decided(elections(image, each => each === found, rules))
}

// ── in-sync replicas ─────────────────────────────────────────────────────────────────────

/** The ISR that the leader of a partition asks for (Kafka's AlterPartition). */
export interface IsrChange {
  readonly brokerId: number
  readonly topic: string
  readonly partition: number
  readonly leaderEpoch: LeaderEpoch
  /** The partition epoch of the state that the leader has seen. */
  readonly partitionEpoch: number
  readonly isr: readonly number[]
}

/** Sets a new ISR if the broker still leads and has seen the latest state of the partition. */
export function alterIsr(image: ClusterImage, change: IsrChange): Decision<undefined> {
  const topic = existingTopic(image, change.topic)
  const partition = topic.partitions[change.partition]
  const name = `${change.topic}-${change.partition}`
  if (partition === undefined) {
    throw new PartlogError('UNKNOWN_TOPIC_OR_PARTITION', `partition ${name} does not exist`)
  }
  if (partition.leader !== change.brokerId || partition.leaderEpoch !== change.leaderEpoch) {
    const sentence =
      `${name} is led by broker ${partition.leader} in epoch ${partition.leaderEpoch}, ` +
      `not by ${change.brokerId} in ${change.leaderEpoch}`
    throw new PartlogError('FENCED_LEADER_EPOCH', sentence)
  }
  if (partition.partitionEpoch !== change.partitionEpoch) {
    const sentence = `${name} is in partition epoch ${partition.partitionEpoch}`
    throw new PartlogError('INVALID_UPDATE_VERSION', `${sentence}, not ${change.partitionEpoch}`)
  }
  const wrong = change.isr.find(id => !partition.replicas.includes(id) || !image.isAlive(id))
  if (wrong !== undefined || !change.isr.includes(change.brokerId)) {
    const sentence = `[${change.isr.join(', ')}] cannot be the ISR of ${name}`
    throw new PartlogError('INELIGIBLE_REPLICA', sentence)
  }
  const isr = partition.replicas.filter(id => change.isr.includes(id))
  return decided([changeRecord(topic.topicId, change.partition, { isr, leader: undefined })])
}

// ── preferred leaders ────────────────────────────────────────────────────────────────────

/**
 * Moves leaderships back to preferred replicas that are in sync (Kafka's
 * maybeBalancePartitionLeaders). At most `most` at a time, because each change of leader
 * interrupts the requests under way on its partition.
 */
export function balanceLeaders(image: ClusterImage, most: number): Decision<number> {
  const rules = rulesOf(image, id => image.isAlive(id))
  const records: MetadataRecord[] = []
  for (const topic of image.topics.values()) {
    for (const partition of topic.partitions) {
      if (records.length >= most) break
      const change = electPreferred(partition, rules(topic, partition))
      if (typeof change !== 'string') records.push(recordOf(topic, partition, change))
    }
  }
  return { records: records.map(journalRecord), answer: records.length }
}

// ── requested elections ──────────────────────────────────────────────────────────────────

export type ElectionType = 'preferred' | 'unclean'

/** Elects the leader of one partition (Kafka's ElectLeaders). Throws when it cannot. */
export function electLeader(
  image: ClusterImage,
  type: ElectionType,
  { topic: name, partition: number }: { readonly topic: string; readonly partition: number },
): Decision<undefined> {
  const topic = existingTopic(image, name)
  const partition = topic.partitions[number]
  const what = `${name}-${number}`
  if (partition === undefined) {
    throw new PartlogError('UNKNOWN_TOPIC_OR_PARTITION', `partition ${what} does not exist`)
  }
  const rules = rulesOf(image, id => image.isAlive(id))(topic, partition)
  if (type === 'unclean') return electUnclean(topic, partition, rules)
  const change = electPreferred(partition, rules)
  if (change === 'not needed') {
    throw new PartlogError('ELECTION_NOT_NEEDED', `${what} is led by its preferred leader`)
  }
  if (change === 'not available') {
    const sentence = `broker ${partition.replicas[0]} is not alive or not in the ISR of ${what}`
    throw new PartlogError('PREFERRED_LEADER_NOT_AVAILABLE', sentence)
  }
  return decided([recordOf(topic, partition, change)])
}

function electUnclean(
  topic: TopicImage,
  partition: PartitionImage,
  rules: ElectionRules,
): Decision<undefined> {
  const what = `${topic.name}-${partition.partition}`
  if (partition.leader !== NO_LEADER) {
    throw new PartlogError('ELECTION_NOT_NEEDED', `${what} has a leader`)
  }
  const change = electOnline(partition, { ...rules, allowsUnclean: true })
  if (change?.leader === undefined || change.leader === NO_LEADER) {
    throw new PartlogError('ELIGIBLE_LEADERS_NOT_AVAILABLE', `no replica of ${what} is alive`)
  }
  return decided([recordOf(topic, partition, change)])
}

// ── helpers ──────────────────────────────────────────────────────────────────────────────

function elections(
  image: ClusterImage,
  concerns: (partition: PartitionImage) => boolean,
  rules: RulesOf,
): MetadataRecord[] {
  const records: MetadataRecord[] = []
  for (const topic of image.topics.values()) {
    for (const partition of topic.partitions) {
      if (!concerns(partition)) continue
      const change = electOnline(partition, rules(topic, partition))
      if (change !== undefined) records.push(recordOf(topic, partition, change))
    }
  }
  return records
}

function involves(brokerId: number): (partition: PartitionImage) => boolean {
  return ({ leader, isr }) => leader === brokerId || isr.includes(brokerId)
}

/** Returns the rules for electing the leader of a partition. */
type RulesOf = (topic: TopicImage, partition: PartitionImage) => ElectionRules

/**
 * A replica that cannot be used counts as dead. The only replica of a partition leads
 * nevertheless, so that clients get its error.
 */
function rulesOf(image: ClusterImage, isAlive: (id: number) => boolean): RulesOf {
  return ({ name, config }, { partition, replicas }) => ({
    isAlive: id => isAlive(id) && (replicas.length === 1 || image.isUsable(id, name, partition)),
    allowsUnclean: settingValue(config, 'unclean.leader.election.enable') === true,
  })
}

function existingBroker(image: ClusterImage, brokerId: number) {
  const broker = image.brokers.get(brokerId)
  if (broker !== undefined) return broker
  throw new PartlogError('BROKER_ID_NOT_REGISTERED', `broker ${brokerId} is not registered`)
}

function recordOf(
  { topicId }: TopicImage,
  { partition }: PartitionImage,
  change: PartitionChange,
): MetadataRecord {
  return changeRecord(topicId, partition, change)
}

function registration(brokerId: number, rack: string | null, brokerEpoch: number): MetadataRecord {
  return { kind: 'RegisterBroker', brokerId, rack, brokerEpoch, fenced: false }
}

function liveness(brokerId: number, brokerEpoch: number, fenced: number): MetadataRecord {
  return { kind: 'BrokerRegistrationChange', brokerId, brokerEpoch, fenced }
}

function decided(records: readonly MetadataRecord[]): Decision<undefined> {
  return { records: records.map(journalRecord), answer: undefined }
}
