/*
 * The records of `__cluster_metadata`: the cluster's state is a fold over them. Kafka's KRaft
 * records and their framing:
 *
 *   frame version uvarint 1 │ record type uvarint │ record version uvarint │ the record, flexible
 */

import { ByteReader, ByteWriter, BytesError } from '../../base/bytes.js'
import { ZERO_UUID } from '../../base/uuid.js'
import {
  array,
  bool,
  float64,
  int16,
  int32,
  int64,
  int8,
  message,
  nullableArray,
  nullableString,
  read,
  since,
  string,
  struct,
  tagged,
  uint16,
  uuid,
  withDefault,
  write,
  type Message,
  type ValueOf,
} from '../schema.js'

const V0 = { versions: [0, 0], flexibleSince: 0 } as const

export const topicRecord = message('TopicRecord', V0, { name: string, topicId: uuid })

export const partitionRecord = message(
  'PartitionRecord',
  { versions: [0, 2], flexibleSince: 0 },
  {
    partitionId: int32,
    topicId: uuid,
    replicas: array(int32),
    isr: array(int32),
    removingReplicas: withDefault(array(int32), []),
    addingReplicas: withDefault(array(int32), []),
    /** −1 when the partition has no leader. */
    leader: int32,
    leaderRecoveryState: tagged(0, 0, int8, 0),
    leaderEpoch: int32,
    partitionEpoch: int32,
    directories: since(1, array(uuid), []),
    eligibleLeaderReplicas: tagged(1, 2, nullableArray(int32), null),
    lastKnownElr: tagged(2, 2, nullableArray(int32), null),
  },
)

/** In `leader`: no change. Any other value begins a new leadership, even for the same broker. */
export const NO_LEADER_CHANGE = -2

/** A change raises the partition epoch; a new leadership also raises the leader epoch. */
export const partitionChangeRecord = message(
  'PartitionChangeRecord',
  { versions: [0, 2], flexibleSince: 0 },
  {
    partitionId: int32,
    topicId: uuid,
    isr: tagged(0, 0, nullableArray(int32), null),
    leader: tagged(1, 0, int32, NO_LEADER_CHANGE),
    replicas: tagged(2, 0, nullableArray(int32), null),
    removingReplicas: tagged(3, 0, nullableArray(int32), null),
    addingReplicas: tagged(4, 0, nullableArray(int32), null),
    leaderRecoveryState: tagged(5, 0, int8, -1),
    eligibleLeaderReplicas: tagged(6, 2, nullableArray(int32), null),
    lastKnownElr: tagged(7, 2, nullableArray(int32), null),
    directories: tagged(8, 1, nullableArray(uuid), null),
  },
)

const endPoint = struct({ name: string, host: string, port: uint16, securityProtocol: int16 })
const feature = struct({
  name: string,
  minSupportedVersion: int16,
  maxSupportedVersion: int16,
})

export const registerBrokerRecord = message(
  'RegisterBrokerRecord',
  { versions: [0, 1], flexibleSince: 0 },
  {
    brokerId: int32,
    incarnationId: withDefault(uuid, ZERO_UUID),
    brokerEpoch: int64,
    endPoints: withDefault(array(endPoint), []),
    features: withDefault(array(feature), []),
    rack: nullableString,
    fenced: withDefault(bool, true),
    inControlledShutdown: since(1, bool, false),
  },
)

/** In `fenced`: 1 fences the broker, −1 unfences it, 0 changes nothing. */
export const brokerRegistrationChangeRecord = message(
  'BrokerRegistrationChangeRecord',
  { versions: [0, 1], flexibleSince: 0 },
  {
    brokerId: int32,
    brokerEpoch: int64,
    fenced: tagged(0, 0, int8, 0),
    inControlledShutdown: tagged(1, 1, int8, 0),
  },
)

export const configRecord = message('ConfigRecord', V0, {
  resourceType: int8,
  resourceName: string,
  name: string,
  /** null resets the setting to its default. */
  value: nullableString,
})

export const removeTopicRecord = message('RemoveTopicRecord', V0, {
  topicId: withDefault(uuid, ZERO_UUID),
})

/** A quota of an entity was set or removed. */
export const clientQuotaRecord = message('ClientQuotaRecord', V0, {
  entity: array(struct({ entityType: string, entityName: nullableString })),
  key: string,
  value: float64,
  remove: bool,
})

/** A broker was allocated the free producer ids below `nextProducerId`. */
export const producerIdsRecord = message('ProducerIdsRecord', V0, {
  brokerId: int32,
  /** The broker epoch of that broker's registration. */
  brokerEpoch: int64,
  nextProducerId: int64,
})

interface RecordRow<T> {
  readonly type: number
  readonly version: number
  readonly layout: Message<T>
}

/** All kinds of records, with their numbers and the version partlog writes. */
const RECORDS = {
  Topic: { type: 2, version: 0, layout: topicRecord },
  Partition: { type: 3, version: 1, layout: partitionRecord },
  Config: { type: 4, version: 0, layout: configRecord },
  PartitionChange: { type: 5, version: 0, layout: partitionChangeRecord },
  RemoveTopic: { type: 9, version: 0, layout: removeTopicRecord },
  ClientQuota: { type: 14, version: 0, layout: clientQuotaRecord },
  ProducerIds: { type: 15, version: 0, layout: producerIdsRecord },
  BrokerRegistrationChange: { type: 17, version: 1, layout: brokerRegistrationChangeRecord },
  RegisterBroker: { type: 0, version: 1, layout: registerBrokerRecord },
} as const

type Records = typeof RECORDS

/** A record with its kind: `{ kind: 'Topic', name, topicId }`. */
export type MetadataRecord = {
  [K in keyof Records]: { readonly kind: K } & ValueOf<Records[K]['layout']>
}[keyof Records]

/** What each record begins with. */
export const FRAME_VERSION = 1

export function encodeMetadataRecord(record: MetadataRecord): Buffer {
  const { type, version, layout } = RECORDS[record.kind] as RecordRow<MetadataRecord>
  const writer = new ByteWriter().uvarint(FRAME_VERSION).uvarint(type).uvarint(version)
  write(layout, writer, record, version)
  return writer.finish()
}

/** Decodes a record. Returns undefined for an unknown kind. */
export function decodeMetadataRecord(bytes: Uint8Array): MetadataRecord | undefined {
  const reader = new ByteReader(bytes)
  const frame = reader.uvarint()
  if (frame !== FRAME_VERSION) throw new BytesError(`frame version ${frame} is not known`)
  const type = reader.uvarint()
  const version = reader.uvarint()
  const found = Object.entries(RECORDS).find(([, row]) => row.type === type)
  if (found === undefined) return undefined
  const [kind, { layout }] = found
  return { kind, ...read(layout as Message<object>, reader, version) } as MetadataRecord
}
