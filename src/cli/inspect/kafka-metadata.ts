/*
 * Every record that Kafka writes into `__cluster_metadata`, for those who look at it: the kinds
 * that partlog writes itself (metadata-records.ts), and all others, by Kafka's schemas (4.4).
 */

import { ByteReader, BytesError } from '../../base/bytes.js'
import { ZERO_UUID } from '../../base/uuid.js'
import {
  clientQuotaRecord,
  configRecord,
  FRAME_VERSION,
  partitionChangeRecord,
  partitionRecord,
  producerIdsRecord,
  removeTopicRecord,
  topicRecord,
} from '../../protocol/messages/metadata-records.js'
import {
  array,
  bool,
  bytes,
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
  type Fields,
  type Message,
} from '../../protocol/schema.js'

const upTo = <F extends Fields>(version: number, fields: F): Message<object> =>
  message('MetadataRecord', { versions: [0, version], flexibleSince: 0 }, fields) as Message<object>

const endPoint = struct({ name: string, host: string, port: uint16, securityProtocol: int16 })
const feature = struct({
  name: string,
  minSupportedVersion: int16,
  maxSupportedVersion: int16,
})
const brokerEpoch = { id: int32, epoch: int64 }

/** The name and the layout of each record type. */
const RECORDS: Readonly<Record<number, readonly [name: string, layout: Message<object>]>> = {
  0: [
    'RegisterBroker',
    upTo(4, {
      brokerId: int32,
      isMigratingZkBroker: since(2, bool, false),
      incarnationId: withDefault(uuid, ZERO_UUID),
      brokerEpoch: int64,
      endPoints: array(endPoint),
      features: array(feature),
      rack: nullableString,
      fenced: bool,
      inControlledShutdown: since(1, bool, false),
      logDirs: tagged(0, 3, array(uuid), []),
      cordonedLogDirs: tagged(1, 4, nullableArray(uuid), null),
    }),
  ],
  1: ['UnregisterBroker', upTo(0, { brokerId: int32, brokerEpoch: int64 })],
  2: ['Topic', topicRecord as Message<object>],
  3: ['Partition', partitionRecord as Message<object>],
  4: ['Config', configRecord as Message<object>],
  5: ['PartitionChange', partitionChangeRecord as Message<object>],
  7: ['FenceBroker', upTo(0, brokerEpoch)],
  8: ['UnfenceBroker', upTo(0, brokerEpoch)],
  9: ['RemoveTopic', removeTopicRecord as Message<object>],
  10: [
    'DelegationToken',
    upTo(0, {
      owner: string,
      requester: string,
      renewers: array(string),
      issueTimestamp: int64,
      maxTimestamp: int64,
      expirationTimestamp: int64,
      tokenId: string,
    }),
  ],
  11: [
    'UserScramCredential',
    upTo(0, {
      name: string,
      mechanism: int8,
      salt: bytes,
      storedKey: bytes,
      serverKey: bytes,
      iterations: int32,
    }),
  ],
  12: ['FeatureLevel', upTo(0, { name: string, featureLevel: int16 })],
  14: ['ClientQuota', clientQuotaRecord as Message<object>],
  15: ['ProducerIds', producerIdsRecord as Message<object>],
  17: [
    'BrokerRegistrationChange',
    upTo(3, {
      brokerId: int32,
      brokerEpoch: int64,
      fenced: tagged(0, 0, int8, 0),
      inControlledShutdown: tagged(1, 1, int8, 0),
      logDirs: tagged(2, 2, array(uuid), []),
      cordonedLogDirs: tagged(3, 3, nullableArray(uuid), null),
    }),
  ],
  18: [
    'AccessControlEntry',
    upTo(0, {
      id: uuid,
      resourceType: int8,
      resourceName: string,
      patternType: int8,
      principal: string,
      host: string,
      operation: int8,
      permissionType: int8,
    }),
  ],
  19: ['RemoveAccessControlEntry', upTo(0, { id: uuid })],
  20: ['NoOp', upTo(0, {})],
  21: ['ZkMigrationState', upTo(0, { zkMigrationState: int8 })],
  22: ['RemoveUserScramCredential', upTo(0, { name: string, mechanism: int8 })],
  23: ['BeginTransaction', upTo(0, { name: tagged(0, 0, nullableString, null) })],
  24: ['EndTransaction', upTo(0, {})],
  25: ['AbortTransaction', upTo(0, { reason: tagged(0, 0, nullableString, null) })],
  26: ['RemoveDelegationToken', upTo(0, { tokenId: string })],
  27: [
    'RegisterController',
    upTo(0, {
      controllerId: int32,
      incarnationId: uuid,
      zkMigrationReady: bool,
      endPoints: array(endPoint),
      features: array(feature),
    }),
  ],
  28: ['ClearElr', upTo(0, { topicName: string })],
  29: ['UnregisterController', upTo(0, { controllerId: int32 })],
}

/** Secrets: that they are there is all that is shown. */
const SECRETS = ['salt', 'storedKey', 'serverKey']

/** A record with its type and version. Throws BytesError if it is not one. */
export function decodeKafkaMetadata(given: Uint8Array): object {
  const reader = new ByteReader(given)
  const frame = reader.uvarint()
  if (frame !== FRAME_VERSION) throw new BytesError(`frame version ${frame} is not known`)
  const type = reader.uvarint()
  const version = reader.uvarint()
  const known = RECORDS[type]
  if (known === undefined) return { type, version }
  const [name, layout] = known
  const fields = Object.entries(read(layout, reader, version)).map(([field, value]) =>
    SECRETS.includes(field) ? [field, '…'] : [field, value as unknown],
  )
  return { type: name, version, ...Object.fromEntries(fields) }
}
