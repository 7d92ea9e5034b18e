/** The records of the metadata log, byte for byte as Kafka's own classes write them. */

import { describe, expect, it } from 'vitest'
import { ByteReader } from '../../../src/base/bytes.js'
import { ZERO_UUID } from '../../../src/base/uuid.js'
import {
  decodeMetadataRecord,
  encodeMetadataRecord,
  type MetadataRecord,
} from '../../../src/protocol/messages/metadata-records.js'
import { vector } from '../../golden/vectors.js'

const ID = 'ASNFZ4mrze8RIjNEVWZ3iA'
const HERE = { partitionId: 3, topicId: ID }
const BROKER = { brokerId: 2, brokerEpoch: 7 }
const SETTING = { resourceType: 2, resourceName: 'orders', name: 'retention.ms' }

/** In the versions that are written here. */
const WRITTEN: Readonly<Record<string, MetadataRecord>> = {
  Topic: { kind: 'Topic', name: 'orders', topicId: ID },
  Partition: {
    kind: 'Partition',
    ...HERE,
    replicas: [1, 2],
    isr: [1],
    leader: 1,
    leaderEpoch: 4,
    partitionEpoch: 9,
  },
  Config: { kind: 'Config', ...SETTING, value: '5' },
  Config_null: { kind: 'Config', ...SETTING, value: null },
  RemoveTopic: { kind: 'RemoveTopic', topicId: ID },
  PartitionChange: { kind: 'PartitionChange', ...HERE, isr: [2, 3], leader: 2 },
  PartitionChange_isr: { kind: 'PartitionChange', ...HERE, isr: [2] },
  PartitionChange_nobody: { kind: 'PartitionChange', ...HERE, leader: -1 },
  RegisterBroker: {
    kind: 'RegisterBroker',
    ...BROKER,
    incarnationId: ID,
    rack: 'x',
    fenced: false,
  },
  RegisterBroker_fenced: {
    kind: 'RegisterBroker',
    brokerId: 2,
    brokerEpoch: 0,
    rack: null,
    fenced: true,
  },
  RegisterBroker_full: {
    kind: 'RegisterBroker',
    ...BROKER,
    incarnationId: ID,
    rack: 'x',
    fenced: false,
    endPoints: [{ name: 'PLAINTEXT', host: 'localhost', port: 9092, securityProtocol: 0 }],
    features: [{ name: 'metadata.version', minSupportedVersion: 7, maxSupportedVersion: 27 }],
  },
  BrokerRegistrationChange: { kind: 'BrokerRegistrationChange', ...BROKER, fenced: 1 },
  BrokerRegistrationChange_unfence: { kind: 'BrokerRegistrationChange', ...BROKER, fenced: -1 },
  BrokerRegistrationChange_shutdown: {
    kind: 'BrokerRegistrationChange',
    ...BROKER,
    inControlledShutdown: 1,
  },
  ClientQuota: {
    kind: 'ClientQuota',
    entity: [
      { entityType: 'user', entityName: 'a' },
      { entityType: 'client-id', entityName: null },
    ],
    key: 'request_percentage',
    value: 12.5,
    remove: false,
  },
  ProducerIds: { kind: 'ProducerIds', brokerId: 1, brokerEpoch: 5, nextProducerId: 3_000 },
}

/** In later versions, with every field: they are read only. */
const READ: Readonly<Record<string, MetadataRecord>> = {
  Partition_full: {
    kind: 'Partition',
    ...HERE,
    replicas: [1, 2],
    isr: [1],
    leader: 1,
    leaderEpoch: 4,
    partitionEpoch: 9,
    removingReplicas: [1],
    addingReplicas: [2],
    leaderRecoveryState: 1,
    directories: [ID, ID],
    eligibleLeaderReplicas: [2],
    lastKnownElr: [3],
  },
  PartitionChange_full: {
    kind: 'PartitionChange',
    ...HERE,
    isr: [2, 3],
    leader: 2,
    replicas: [2, 3, 4],
    removingReplicas: [1],
    addingReplicas: [4],
    leaderRecoveryState: 1,
    eligibleLeaderReplicas: [3],
    lastKnownElr: [1],
    directories: [ID],
  },
}

describe("Kafka's bytes", () => {
  it.each(Object.entries(WRITTEN))("Kafka's bytes of the metadata record %s are decoded and encoded", (name, record) => {
    const golden = vector(`metadata_${name}`)
    expect(encodeMetadataRecord(record)).toEqual(golden)
    expect(decodeMetadataRecord(golden)).toMatchObject(record)
  })

  it.each(Object.entries(READ))("Kafka's bytes of the metadata record %s are decoded", (name, record) => {
    expect(decodeMetadataRecord(vector(`metadata_${name}`))).toEqual(record)
  })

  it('a partition change leaves out what it does not change', () => {
    const { isr, leader, replicas } = decodeMetadataRecord(
      vector('metadata_PartitionChange_nobody'),
    ) as Extract<MetadataRecord, { kind: 'PartitionChange' }>
    expect([isr, leader, replicas]).toEqual([null, -1, null])
    const registered = decodeMetadataRecord(vector('metadata_RegisterBroker_fenced'))
    expect(registered).toMatchObject({ incarnationId: ZERO_UUID, endPoints: [], features: [] })
  })

  it('the registration of a controller has another number than that of a broker', () => {
    const golden = vector('metadata_RegisterController')
    expect(new ByteReader(golden.subarray(1)).uvarint()).toBe(27)
    expect(decodeMetadataRecord(golden)).toBeUndefined()
  })
})
