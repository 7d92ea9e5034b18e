/** What sticky assignors send along, byte for byte; bytes of others are no past, not an error. */

import { describe, expect, it } from 'vitest'
import { ASSIGNORS } from '../../../src/protocol/assignors/assignors.js'
import {
  decodeCooperativeUserData,
  decodeStickyUserData,
  stickyUserData,
} from '../../../src/protocol/assignors/sticky-user-data.js'
import type { MemberSubscription } from '../../../src/protocol/messages/consumer-protocol.js'
import { encode } from '../../../src/protocol/schema.js'
import { partitionsOf, resultOf } from './assignor-cases.js'

const NOTHING = { partitions: [], generationId: -1 }

describe('user data of sticky', () => {
  // Made by StickyAssignor of kafka-clients 4.1.0. It lists topics in the order of a hash table.
  const KAFKA = Buffer.from(
    '000000020007622d746f70696300000001000000010007612d746f70696300000002000000000000000200000007',
    'hex',
  )
  const OWNED = partitionsOf('a-topic:0,2 b-topic:1')

  it("user data of sticky is read as Kafka's", () => {
    const { partitions, generationId } = decodeStickyUserData(KAFKA)
    expect(generationId).toBe(7)
    expect(partitions).toEqual(partitionsOf('b-topic:1 a-topic:0,2'))
  })

  it("user data of sticky is written as Kafka's, with sorted topics", () => {
    const [b, a] = [KAFKA.subarray(4, 21), KAFKA.subarray(21, 42)]
    const expected = Buffer.concat([KAFKA.subarray(0, 4), a, b, KAFKA.subarray(42)])
    expect(ASSIGNORS.sticky.userData?.([...OWNED].reverse(), 7)).toEqual(expected)
  })

  it('user data of sticky in version 0 has no generation', () => {
    const bytes = encode(
      stickyUserData,
      { previousAssignment: [{ topic: 't', partitions: [3] }] },
      0,
    )
    expect(decodeStickyUserData(bytes)).toEqual({
      partitions: partitionsOf('t:3'),
      generationId: -1,
    })
  })

  it('user data of sticky exists after the first assignment, even an empty one', () => {
    expect(ASSIGNORS.sticky.userData?.([], -1)).toBeUndefined()
    expect(ASSIGNORS.sticky.userData?.([], 3)).toEqual(Buffer.from('0000000000000003', 'hex'))
    expect(ASSIGNORS.sticky.userData?.(partitionsOf('t:0'), -1)).toBeDefined()
  })

  it('unreadable or missing user data of sticky is no previous assignment', () => {
    expect(decodeStickyUserData(undefined)).toEqual(NOTHING)
    for (let end = 0; end < KAFKA.length - 4; end++) {
      expect(decodeStickyUserData(KAFKA.subarray(0, end)), `${end} bytes`).toEqual(NOTHING)
    }
    expect(decodeStickyUserData(Buffer.from('7fffffff00000000', 'hex'))).toEqual(NOTHING)
  })

  it('sticky uses its user data, not the owned partitions of the join', () => {
    const member = (memberId: string, owned: string, remembered: string): MemberSubscription => {
      const userData = ASSIGNORS.sticky.userData?.(partitionsOf(remembered), 3)
      const ownedPartitions = partitionsOf(owned)
      const base = { memberId, topics: ['t'], ownedPartitions, generationId: -1 }
      return userData === undefined ? base : { ...base, userData }
    }
    const members = [member('a', 't:0', 't:1'), member('b', 't:1', 't:0')]
    const topics = new Map([['t', { partitions: 2 }]])
    const result = ASSIGNORS.sticky.assign({ topics, members })
    expect(resultOf(result)).toEqual({ a: 't:1', b: 't:0' })
  })
})

describe('user data of cooperative-sticky', () => {
  it("user data of cooperative-sticky is Kafka's: the generation", () => {
    const { userData } = ASSIGNORS['cooperative-sticky']
    expect(userData?.([], -1)).toEqual(Buffer.from('ffffffff', 'hex'))
    expect(userData?.(partitionsOf('t:1'), 7)).toEqual(Buffer.from('00000007', 'hex'))
    expect(decodeCooperativeUserData(Buffer.from('00000007', 'hex'))).toBe(7)
  })

  it('unreadable or missing user data of cooperative-sticky is an unknown generation', () => {
    expect(decodeCooperativeUserData(undefined)).toBe(-1)
    expect(decodeCooperativeUserData(Buffer.from('000007', 'hex'))).toBe(-1)
  })

  /** Both claim t:0; the claim of the higher generation wins. */
  function holder(inSubscriptions: readonly [number, number], inUserDataOfB: number): string {
    const { assign, userData } = ASSIGNORS['cooperative-sticky']
    const claim = { topics: ['t'], ownedPartitions: partitionsOf('t:0') }
    const [a, b] = inSubscriptions
    const members: MemberSubscription[] = [
      { ...claim, memberId: 'a', generationId: a },
      { ...claim, memberId: 'b', generationId: b, userData: userData!([], inUserDataOfB)! },
    ]
    const result = resultOf(assign({ topics: new Map([['t', { partitions: 2 }]]), members }))
    return Object.keys(result)
      .filter(id => result[id] === 't:0')
      .join()
  }

  it('the generation in user data counts only if the subscription has none', () => {
    expect(holder([4, -1], 5)).toBe('b')
    expect(holder([4, -1], 3)).toBe('a')
    expect(holder([4, 3], 5)).toBe('a')
    expect(holder([4, 0], 5)).toBe('a')
  })
})
