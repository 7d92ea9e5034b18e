import { describe, expect, it } from 'vitest'
import { APIS } from '../../../src/protocol/api.js'
import {
  errorCode,
  nodeId,
  placesOf,
  topicName,
  withChanged,
  type ListPlaces,
  type Places,
  type Row,
} from '../../../src/protocol/messages/message-places.js'
import {
  array,
  int32,
  nullableArray,
  since,
  string,
  struct,
  type NamedField,
  type Type,
} from '../../../src/protocol/schema.js'

/** As one line: `topics[name] › partitions[partition error]`. */
function lineOf({ list, fields }: Places): string {
  const entries = (each: ListPlaces | undefined): string[] =>
    each === undefined
      ? []
      : [
          `${each.name}[${[each.role ?? [], Object.keys(each.fields).toSorted()].flat().join(' ')}]`,
          ...entries(each.list),
        ]
  return [...(fields.error === undefined ? [] : ['error']), ...entries(list)].join(' › ')
}

describe('the places of every API', () => {
  it('the places of an API are found in the layouts of its messages', () => {
    const found = Object.entries(APIS).map(
      ([name, { request, response }]) =>
        `${name}: ${lineOf(placesOf(request.type))} → ${lineOf(placesOf(response.type))}`,
    )
    expect(found).toEqual([
      'Produce: topicData[topic topicId] › partitionData[partition] → responses[topic topicId] › partitionResponses[error errorMessage partition]',
      'Fetch: topics[topic topicId] › partitions[partition] → responses[topic topicId] › partitions[error errorMessage partition]',
      'ListOffsets: topics[topic] › partitions[partition] → topics[topic] › partitions[error errorMessage partition]',
      'Metadata: topics[topic topicId] → topics[error errorMessage topic topicId] › partitions[error partition]',
      'OffsetCommit: topics[topic topicId] › partitions[partition] → topics[topic topicId] › partitions[error errorMessage partition]',
      'OffsetFetch: groups[group] › topics[topic topicId] → groups[error errorMessage group] › topics[topic topicId] › partitions[error partition]',
      'FindCoordinator: coordinatorKeys[coordinatorKey] → coordinators[coordinatorKey error errorMessage node]',
      'JoinGroup:  → error',
      'Heartbeat:  → error',
      'LeaveGroup:  → error',
      'SyncGroup:  → error',
      'DescribeGroups: groups[group] → groups[error errorMessage group]',
      'ListGroups:  → error › groups[group]',
      'CreateTopics: topics[topic] → topics[error errorMessage topic topicId]',
      'DeleteTopics: topics[topic topicId] → responses[error errorMessage topic topicId]',
      'DeleteRecords: topics[topic] › partitions[partition] → topics[topic] › partitions[error errorMessage partition]',
      'InitProducerId:  → error',
      'OffsetForLeaderEpoch: topics[topic] › partitions[partition] → topics[topic] › partitions[error errorMessage partition]',
      'AddPartitionsToTxn:  → error',
      'AddOffsetsToTxn:  → error',
      'EndTxn:  → error',
      'WriteTxnMarkers:  → ',
      'TxnOffsetCommit: topics[topic] › partitions[partition] → ' +
        'topics[topic] › partitions[error errorMessage partition]',
      'DescribeConfigs: resources[resourceType topic] → results[error errorMessage resourceType topic]',
      'AlterConfigs: resources[resourceType topic] → responses[error errorMessage resourceType topic]',
      'CreatePartitions: topics[topic] → results[error errorMessage topic]',
      'DeleteGroups: groupsNames[group] → results[error errorMessage group]',
      'ElectLeaders: topicPartitions[topic] → error › replicaElectionResults[topic] › partitionResult[error errorMessage partition]',
      'IncrementalAlterConfigs: resources[resourceType topic] → responses[error errorMessage resourceType topic]',
      'OffsetDelete: topics[topic] › partitions[partition] → error › topics[topic] › partitions[error errorMessage partition]',
      'DescribeCluster:  → error',
      'DescribeAcls:  → error',
      'CreateAcls:  → ',
      'DeleteAcls:  → ',
      'AlterReplicaLogDirs:  → results[topic] › partitions[error partition]',
      'DescribeLogDirs: topics[topic] → error',
      'ListPartitionReassignments: topics[topic] → error › topics[topic] › partitions[partition]',
      'DescribeUserScramCredentials:  → error',
      'DescribeQuorum: topics[topic] › partitions[partition] → error › topics[topic] › partitions[error errorMessage partition]',
      'DescribeClientQuotas:  → error',
      'AlterClientQuotas:  → ',
      'UpdateFeatures:  → error',
      'ListConfigResources:  → error',
      'DescribeTopicPartitions: topics[topic] → topics[error errorMessage topic] › partitions[error errorMessage partition]',
      'ConsumerGroupHeartbeat:  → error',
      'ConsumerGroupDescribe: groupIds[group] → groups[error errorMessage group]',
      'DescribeProducers: topics[topic] → topics[topic] › partitions[error errorMessage partition]',
      'DescribeTransactions:  → ',
      'ListTransactions:  → error',
    ])
  })

  /** Every field of a message, with the fields beside it. */
  function fieldsIn({ element, fields = [] }: Type<unknown>): [NamedField, string[]][] {
    const names = fields.map(({ name }) => name)
    const here = fields.flatMap((field): [NamedField, string[]][] => [
      [field, names],
      ...fieldsIn(field.type),
    ])
    return element === undefined ? here : [...here, ...fieldsIn(element)]
  }

  it.each(Object.entries(APIS))('all places of %s are declared', (name, { response }) => {
    for (const [field, beside] of fieldsIn(response.type)) {
      const isOlder = field.until < Infinity
      if (field.name === 'errorCode' && !isOlder) {
        const isOfSession = (name === 'Fetch' || name === 'Metadata') && field.since > 0
        expect(field.type.role, name).toBe(isOfSession ? undefined : 'error')
      }
      if (field.name === 'errorMessage' && !isOlder) expect(field.type.role).toBe('errorMessage')
      if (/^(node|broker)Id$/.test(field.name) && beside.includes('host') && !isOlder) {
        expect(field.type.role, name).toBe('node')
      }
    }
  })

  it('every API has an empty answer that can be encoded', () => {
    const none = (api: keyof typeof APIS): unknown => APIS[api].response.type.none
    expect(none('JoinGroup')).toEqual({
      errorCode: -1,
      protocolName: null,
      leader: '',
      memberId: '',
      members: [],
    })
    expect(none('SyncGroup')).toEqual({ errorCode: -1, assignment: new Uint8Array(0) })
    expect(none('OffsetFetch')).toEqual({ groups: [] })
    expect(placesOf(APIS.Fetch.response.type).list?.list?.none).toEqual({
      partitionIndex: -1,
      errorCode: -1,
      highWatermark: -1,
      records: null,
    })
  })
})

describe('a change by role', () => {
  const part = struct({ errorCode, offset: int32 })
  const type = struct({
    topics: array(struct({ name: topicName, parts: since(1, nullableArray(part), null) })),
    other: array(struct({ errorText: string })),
    nodeId,
  })
  const value = {
    topics: [
      { name: 'a', parts: [{ errorCode: 1, offset: 5 }, { errorCode: 0, offset: 6 }] },
      { name: 'b', parts: null },
      { name: 'c' },
    ],
    other: [{ errorText: 'errorCode' }],
    nodeId: 1,
  }

  it('a change by role reaches every structure with the role and copies only its parents', () => {
    const change = (row: Row, field: string): Row =>
      row[field] === 1 ? { ...row, [field]: 9 } : row
    const changed = withChanged(type, value, 'error', change)
    expect(changed.topics[0]?.parts).toEqual([
      { errorCode: 9, offset: 5 },
      { errorCode: 0, offset: 6 },
    ])
    expect(changed.topics[0]?.parts?.[1]).toBe(value.topics[0]?.parts?.[1])
    expect(changed.topics[1]).toBe(value.topics[1])
    expect(changed.other).toBe(value.other)
    expect([changed.nodeId, value.topics[0]?.parts?.[0]?.errorCode]).toEqual([1, 1])
  })

  it('a change by role that changes nothing returns the value itself', () => {
    expect(withChanged(type, value, 'error', row => row)).toBe(value)
    const change = (row: Row): Row => ({ ...row, seen: true })
    expect(withChanged(type, value, 'group', change)).toBe(value)
  })
})
