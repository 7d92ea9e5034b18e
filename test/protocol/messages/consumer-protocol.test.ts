/** What members tell each other, byte for byte, in every version and in versions to come. */

import { describe, expect, it } from 'vitest'
import { isPartlogError } from '../../../src/model/errors.js'
import {
  consumerProtocolAssignment,
  consumerProtocolSubscription,
  decodeAssignment,
  decodeSubscribedTopics,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
} from '../../../src/protocol/messages/consumer-protocol.js'
import { encodeVersioned } from '../../../src/protocol/messages/group-records.js'
import { vector } from '../../golden/vectors.js'

const at = (topic: string, partition: number) => ({ topic, partition })

const SUBSCRIPTION = {
  topics: ['a-topic', 'b-topic'],
  ownedPartitions: [at('a-topic', 0), at('a-topic', 1)],
  generationId: 7,
}

const FULL = {
  topics: ['t'],
  userData: Buffer.from([1, 2, 3]),
  ownedPartitions: [at('t', 2), at('u', 0)],
  generationId: 9,
  rackId: 'east',
}

/** Of FULL: its version, its topics, its user data. */
const VERSION_0_BYTES = 2 + 4 + 2 + 1 + 4 + 3

/** The error of bytes that are none. */
function refusal(decode: () => unknown): unknown {
  try {
    return decode()
  } catch (error) {
    return error
  }
}

describe('a subscription', () => {
  it("a subscription has Kafka's bytes", () => {
    const golden = vector('subscription_v3')
    expect(encodeSubscription(SUBSCRIPTION)).toEqual(golden)
    expect(decodeSubscription(golden, 'm-1')).toEqual({ memberId: 'm-1', ...SUBSCRIPTION })
  })

  it('the bytes of a subscription do not depend on the order of its topics', () => {
    const topics = [...SUBSCRIPTION.topics].reverse()
    const ownedPartitions = [...SUBSCRIPTION.ownedPartitions].reverse()
    const given = { ...SUBSCRIPTION, topics, ownedPartitions }
    expect(encodeSubscription(given)).toEqual(vector('subscription_v3'))
    expect(topics).toEqual(['b-topic', 'a-topic'])
    expect(ownedPartitions[0]).toEqual(at('a-topic', 1))
  })

  it('a subscription keeps all fields of a member', () => {
    const back = decodeSubscription(encodeSubscription(FULL), 'm', 'i-1')
    expect(back).toEqual({ memberId: 'm', groupInstanceId: 'i-1', ...FULL })
  })

  it('an older version of a subscription leaves out the later fields', () => {
    const value = {
      topics: FULL.topics,
      userData: FULL.userData,
      ownedPartitions: [{ topic: 't', partitions: [2] }],
      generationId: FULL.generationId,
      rackId: FULL.rackId,
    }
    const seen = [0, 1, 2, 3].map(version => {
      const bytes = encodeVersioned(consumerProtocolSubscription, value, version)
      const { topics, ownedPartitions, generationId, rackId } = decodeSubscription(bytes, 'm')
      expect(topics).toEqual(['t'])
      return [ownedPartitions.length, generationId, rackId]
    })
    expect(seen).toEqual([
      [0, -1, undefined],
      [1, -1, undefined],
      [1, 9, undefined],
      [1, 9, 'east'],
    ])
  })

  it('a newer version of a subscription is read as the newest known one', () => {
    const bytes = Buffer.concat([encodeSubscription(FULL), Buffer.from('what comes later')])
    bytes.writeInt16BE(17)
    expect(decodeSubscription(bytes, 'm')).toEqual({ memberId: 'm', ...FULL })
  })

  it('an empty rack id is no rack', () => {
    const bytes = encodeSubscription({ ...FULL, rackId: '' })
    expect(decodeSubscription(bytes, 'm')).not.toHaveProperty('rackId')
  })

  it.each([0, 1, 2, 3, 17])('a subscription of version %i that ends like version 0 is read like version 0', version => {
    const bytes = encodeSubscription(FULL).subarray(0, VERSION_0_BYTES)
    bytes.writeInt16BE(version)
    const { topics, userData } = FULL
    const nothingElse = { ownedPartitions: [], generationId: -1 }
    const read = decodeSubscription(bytes, 'm')
    expect(read).toEqual({ memberId: 'm', topics, userData, ...nothingElse })
  })

  it('the topics of a subscription are read whatever follows them', () => {
    const whole = encodeSubscription(FULL)
    for (let end = VERSION_0_BYTES; end <= whole.length; end++) {
      for (const version of [0, 1, 3, 17]) {
        const bytes = Buffer.from(whole.subarray(0, end))
        bytes.writeInt16BE(version)
        expect(decodeSubscribedTopics(bytes)).toEqual(FULL.topics)
      }
    }
    const cut = refusal(() => decodeSubscribedTopics(whole.subarray(0, 8)))
    expect(isPartlogError(cut, 'CORRUPT_MESSAGE')).toBe(true)
  })

  it('a subscription that is cut off or has no version is refused', () => {
    const bytes = encodeSubscription(FULL)
    for (let end = 0; end < bytes.length; end++) {
      if (end === VERSION_0_BYTES) continue
      const error = refusal(() => decodeSubscription(bytes.subarray(0, end), 'm'))
      expect(isPartlogError(error, 'CORRUPT_MESSAGE'), `${end} bytes`).toBe(true)
    }
    bytes.writeInt16BE(-1)
    expect(() => decodeSubscription(bytes, 'm')).toThrow(
      'CORRUPT_MESSAGE: ConsumerProtocolSubscription: ConsumerProtocolSubscription v-1 is outside',
    )
  })

  it('a subscription with a huge length is refused before memory is allocated', () => {
    const bytes = Buffer.from('00037fffffff', 'hex')
    expect(() => decodeSubscription(bytes, 'm')).toThrow('cannot fit into 0 bytes')
  })
})

describe('an assignment', () => {
  const PARTITIONS = [at('a-topic', 0), at('a-topic', 2)]

  it("an assignment has Kafka's bytes", () => {
    const golden = vector('assignment_v3')
    expect(encodeAssignment(PARTITIONS)).toEqual(golden)
    expect(decodeAssignment(golden)).toEqual({ partitions: PARTITIONS })
  })

  it('an assignment keeps the order of topics and partitions, with one entry per topic', () => {
    const mixed = [at('z', 3), at('a', 1), at('z', 0)]
    const back = decodeAssignment(encodeAssignment(mixed, Buffer.from('u')))
    expect(back.partitions).toEqual([at('z', 3), at('z', 0), at('a', 1)])
    expect(back.userData).toEqual(Buffer.from('u'))
  })

  it('an assignment is read alike in every version, future ones too', () => {
    const value = { assignedPartitions: [{ topic: 'a-topic', partitions: [0, 2] }], userData: null }
    for (const version of [0, 1, 2, 3]) {
      const bytes = encodeVersioned(consumerProtocolAssignment, value, version)
      expect(decodeAssignment(bytes).partitions).toEqual(PARTITIONS)
    }
    const later = Buffer.concat([encodeAssignment(PARTITIONS), Buffer.alloc(3)])
    later.writeInt16BE(4)
    expect(decodeAssignment(later).partitions).toEqual(PARTITIONS)
  })

  it('an assignment of no bytes has no partitions', () => {
    expect(decodeAssignment(Buffer.alloc(0))).toEqual({ partitions: [] })
  })

  it('an assignment that is cut off is refused', () => {
    const bytes = encodeAssignment(PARTITIONS)
    for (let end = 1; end < bytes.length; end++) {
      const error = refusal(() => decodeAssignment(bytes.subarray(0, end)))
      expect(isPartlogError(error, 'CORRUPT_MESSAGE'), `${end} bytes`).toBe(true)
    }
  })
})
