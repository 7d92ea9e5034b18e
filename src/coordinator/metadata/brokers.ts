/**
 * Decisions about brokers that come and go, and what that means for the partitions: each looks at
 * the image and says which records make it so. Pure, as those of the controller.
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

/** How far the log of a partition goes on a broker that runs; undefined when nobody can tell. */
export type LogEnds = (brokerId: number, topic: string, partition: number) => LogEnd | undefined

/** A broker as it registers itself. */
export interface BrokerNews {
  readonly id: number
  /** Null: in no rack. */
  readonly rack: string | null
}

/** Those who make up the cluster now: new ones are registered, missing ones are fenced. */
export function formCluster(
  image: ClusterImage,
  brokers: readonly BrokerNews[],
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
  const rules = ruler(image, isAlive)
  records.push(...elections(image, () => true, rules))
  return decided(records)
}

/** After a crash of everything: logs may have lost their ends, whoever has most leads. */
export function recoverLeaders(image: ClusterImage, ends: LogEnds): Decision<undefined> {
  const records: MetadataRecord[] = []
  const rules = ruler(image, id => image.isAlive(id))
  for (const topic of image.topics.values()) {
    for (const partition of topic.partitions) {
      if (partition.replicas.length === 1) continue // nobody to differ from
      const endOf = (id: number): LogEnd | undefined => ends(id, topic.name, partition.partition)
      const change = electLongest(partition, { ...rules(topic, partition), endOf })
      if (change !== undefined) records.push(recordOf(topic, partition, change))
    }
  }
  return decided(records)
}

/** A broker is gone: others lead its partitions, and it is in sync with nobody. */
export function fenceBroker(image: ClusterImage, brokerId: number): Decision<undefined> {
  const broker = registered(image, brokerId)
  if (broker.isFenced) return decided([])
  const isAlive = (id: number): boolean => id !== brokerId && image.isAlive(id)
  return decided([
    liveness(brokerId, broker.brokerEpoch, FENCED),
    ...elections(image, involves(brokerId), ruler(image, isAlive)),
  ])
}

/** A broker is back: partitions that had waited for it have a leader again. */
export function admitBroker(
  image: ClusterImage,
  { id, rack }: BrokerNews,
  ends?: LogEnds,
): Decision<undefined> {
  const brokerEpoch = (image.brokers.get(id)?.brokerEpoch ?? -1) + 1
  const isAlive = (other: number): boolean => other === id || image.isAlive(other)
  const leaderless = ({ leader, replicas }: PartitionImage): boolean =>
    leader === NO_LEADER && replicas.includes(id)
  const usual = ruler(image, isAlive)
  const rules: Ruler = (topic, partition) => ({
    ...usual(topic, partition),
    endOf: ends === undefined ? undefined : broker => ends(broker, topic.name, partition.partition),
  })
  return decided([registration(id, rack, brokerEpoch), ...elections(image, leaderless, rules)])
}

/** A replica of a broker cannot be used (its disk is broken): the others go on without it. */
export function replicaFailed(
  image: ClusterImage,
  brokerId: number,
  { topic: name, partition }: { readonly topic: string; readonly partition: number },
): Decision<undefined> {
  const found = image.topics.get(name)?.partitions[partition]
  if (found === undefined) return decided([])
  const isAlive = (id: number): boolean => id !== brokerId && image.isAlive(id)
  return decided(elections(image, each => each === found, ruler(image, isAlive)))
}

/** A replica can be used again: a partition that had waited for it has a leader again. */
export function replicaReturned(
  image: ClusterImage,
  { topic: name, partition }: { readonly topic: string; readonly partition: number },
): Decision<undefined> {
  const found = image.topics.get(name)?.partitions[partition]
  if (found?.leader !== NO_LEADER) return decided([])
  const rules = ruler(image, id => image.isAlive(id))
  return decided(elections(image, each => each === found, rules))
}

// ── in-sync replicas ─────────────────────────────────────────────────────────────────────

/** What the leader of a partition wants its ISR to be (Kafka's AlterPartition). */
export interface IsrChange {
  readonly brokerId: number
  readonly topic: string
  readonly partition: number
  readonly leaderEpoch: LeaderEpoch
  /** Of the state the leader has seen. */
  readonly partitionEpoch: number
  readonly isr: readonly number[]
}

/** Takes over a new ISR, if the leader still is one and has seen the latest state. */
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
 * Leaderships go back to the preferred replicas that are in sync (Kafka's
 * maybeBalancePartitionLeaders). A few at a time: each one ends what is under way there.
 */
export function balanceLeaders(image: ClusterImage, most: number): Decision<number> {
  const rules = ruler(image, id => image.isAlive(id))
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

// ── elections that are asked for ─────────────────────────────────────────────────────────

export type ElectionType = 'preferred' | 'unclean'

/** Elects the leader of one partition (Kafka's ElectLeaders). Throws why that is not possible. */
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
  const rules = ruler(image, id => image.isAlive(id))(topic, partition)
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

// ── the pieces ───────────────────────────────────────────────────────────────────────────

function elections(
  image: ClusterImage,
  concerns: (partition: PartitionImage) => boolean,
  rules: Ruler,
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

/** Says by which rules the leader of a partition is elected. */
type Ruler = (topic: TopicImage, partition: PartitionImage) => ElectionRules

/**
 * A replica that cannot be used counts as little as one whose broker is dead. The only one leads
 * nevertheless: it can say what is wrong.
 */
function ruler(image: ClusterImage, isAlive: (id: number) => boolean): Ruler {
  return ({ name, config }, { partition, replicas }) => ({
    isAlive: id => isAlive(id) && (replicas.length === 1 || image.isUsable(id, name, partition)),
    allowsUnclean: settingValue(config, 'unclean.leader.election.enable') === true,
  })
}

function registered(image: ClusterImage, brokerId: number) {
  const broker = image.brokers.get(brokerId)
  if (broker !== undefined) return broker
  throw new PartlogError('BROKER_ID_NOT_REGISTERED', `there is no broker ${brokerId}`)
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
