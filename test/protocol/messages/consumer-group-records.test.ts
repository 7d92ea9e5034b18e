/** Bytes that Kafka 4.4's own classes wrote. */

import { describe, expect, it } from 'vitest'
import { uuidFromBytes } from '../../../src/base/uuid.js'
import * as records from '../../../src/protocol/messages/consumer-group-records.js'
import { decodeVersioned, encodeVersioned } from '../../../src/protocol/messages/group-records.js'
import type { Message } from '../../../src/protocol/schema.js'

const topicId = uuidFromBytes(Buffer.from('0123456789abcdef1122334455667788', 'hex'))
const group = 'g1'
const memberId = 'm1'
const member = {
  instanceId: 'i',
  rackId: 'r',
  clientId: 'c',
  clientHost: '/127.0.0.1',
  subscribedTopicNames: [],
  subscribedTopicRegex: 'or.*',
  rebalanceTimeoutMs: 300_000,
  serverAssignor: 'range',
}
const classicMemberMetadata = {
  sessionTimeoutMs: 45_000,
  supportedProtocols: [{ name: 'range', metadata: Buffer.from([1, 2, 3]) }],
}
const ID = '0123456789abcdef1122334455667788'
const NONE = '0000000000000000'

const VECTORS: [string, Message<any>, object, number, string][] = [
  ['group', records.groupEpochKey, { group }, 3, '000300026731'],
  ['epoch', records.groupEpochValue, { epoch: 5, metadataHash: NONE }, 0, '00000000000500'],
  [
    ...(['epoch and digest', records.groupEpochValue] as const),
    ...([{ epoch: 5, metadataHash: 'f123456789abcdef' }, 0] as const),
    '000000000005010008f123456789abcdef',
  ],
  ['partitions', records.groupPartitionsKey, { group }, 4, '000400026731'],
  ['member', records.consumerMemberKey, { group, memberId }, 5, '00050002673100026d31'],
  [
    ...(['claims', records.consumerMemberValue, { ...member, classicMemberMetadata }, 0] as const),
    '00000269027202630b2f3132372e302e302e3101056f722e2a000493e00672616e676501001201' +
      '0000afc8020672616e6765040102030000',
  ],
  [
    ...(['claims of this protocol', records.consumerMemberValue] as const),
    ...([{ ...member, classicMemberMetadata: null }, 0] as const),
    '00000269027202630b2f3132372e302e302e3101056f722e2a000493e00672616e676501000100',
  ],
  ['target epoch', records.targetEpochKey, { group }, 6, '000600026731'],
  [
    ...(['assignment epoch', records.targetEpochValue] as const),
    ...([{ assignmentEpoch: 5, assignmentTimestamp: 0 }, 0, '00000000000500'] as const),
  ],
  [
    ...(['assignment epoch and time', records.targetEpochValue] as const),
    ...([{ assignmentEpoch: 5, assignmentTimestamp: 1_700_000_000_000 }, 0] as const),
    '0000000000050100080000018bcfe56800',
  ],
  ['target', records.targetKey, { group, memberId }, 7, '00070002673100026d31'],
  [
    ...(['target partitions', records.targetValue] as const),
    ...([{ topicPartitions: [{ topicId, partitions: [0, 1, 2] }] }, 0] as const),
    `000002${ID}040000000000000001000000020000`,
  ],
  ['current', records.currentKey, { group, memberId }, 8, '00080002673100026d31'],
  [
    ...(['current partitions', records.currentValue] as const),
    {
      memberEpoch: 5,
      previousMemberEpoch: 4,
      state: 1,
      assignedPartitions: [{ topicId, partitions: [0, 1], assignmentEpochs: [4, 5] }],
      partitionsPendingRevocation: [{ topicId, partitions: [2], assignmentEpochs: null }],
    },
    0,
    `000000000005000000040102${ID}030000000000000001010009030000000400000005` +
      `02${ID}02000000020000`,
  ],
  [
    ...(['expression', records.patternKey, { group, regularExpression: 'or.*' }, 16] as const),
    '00100002673100046f722e2a',
  ],
  [
    ...(['matched topics', records.patternValue] as const),
    ...([{ topics: ['orders'], version: 77, timestamp: 1_700_000_000_000 }, 0] as const),
    '000002076f7264657273000000000000004d0000018bcfe5680000',
  ],
]

describe("records of consumer groups, as Kafka's own classes write them", () => {
  it.each(VECTORS)('%s', (_, layout, value, version, hex) => {
    expect(encodeVersioned(layout, value, version).toString('hex')).toBe(hex)
    expect(decodeVersioned(layout, Buffer.from(hex, 'hex'))).toEqual(value)
  })

  it('what Kafka writes for a member of the classic protocol without any is not null', () => {
    const { classicMemberMetadata: given } = decodeVersioned(
      records.consumerMemberValue,
      Buffer.from('00000269027202630b2f3132372e302e302e3101056f722e2a000493e00672616e676500', 'hex'),
    )
    expect(given).toEqual({ sessionTimeoutMs: 0, supportedProtocols: [] })
  })
})
