/** Members, topics and claims as numbers: which member owned what, and which claim holds. */

import { describe, expect, it } from 'vitest'
import { StickyInput } from '../../../src/protocol/assignors/sticky-input.js'
import type { MemberSubscription } from '../../../src/protocol/messages/consumer-protocol.js'
import { partitionsOf } from './assignor-cases.js'

/** Members that want a (4 partitions, ids 0–3) and b (3, ids 4–6): `[id, generation, claims]`. */
function group(...claims: readonly (readonly [string, number, string])[]): StickyInput {
  const topics = new Map([
    ['b', { partitions: 3 }],
    ['a', { partitions: 4 }],
  ])
  const members = claims.map(([memberId, generationId, owned]): MemberSubscription => {
    const ownedPartitions = partitionsOf(owned)
    return { memberId, topics: ['a', 'b'], ownedPartitions, generationId }
  })
  return new StickyInput({ topics, members }, ({ ownedPartitions, generationId }) => ({
    partitions: ownedPartitions,
    generationId,
  }))
}

describe('claims', () => {
  it('claims are numbered by topic and partition, without partitions that do not exist', () => {
    const input = group(['m', 1, 'b:0,2 a:3 ghost:0 a:-1,4 b:-1,3'])
    expect([...input.claims[0]!].sort()).toEqual([3, 4, 6])
    expect(input.owned()).toEqual([[3, 4, 6]])
    expect([0, 3, 4, 6].map(id => [input.topicOf(id), input.numberOf(id)])).toEqual([
      [0, 0],
      [0, 3],
      [1, 0],
      [1, 2],
    ])
    expect(input.partitionsOf(1)).toEqual([4, 5, 6])
  })

  it('the highest generation has the claim, none if two members share that generation', () => {
    const input = group(['x', 3, 'a:0,1,2'], ['y', 4, 'a:1,2'], ['z', 4, 'a:2 b:0'])
    expect(input.owned()).toEqual([[0], [1], [4]])
    // 0 is with x, 2 is contested by y and z, 3 has no owner.
    expect([0, 2, 3].map(id => input.isHeldByAnother(id, 0))).toEqual([false, true, false])
    expect([0, 2, 3].map(id => input.isHeldByAnother(id, 1))).toEqual([true, true, false])
  })

  it('a partition that a member names twice is one claim', () => {
    expect(group(['x', 3, 'a:0 a:0']).owned()).toEqual([[0]])
  })
})

describe('former owners', () => {
  it('the former owner is the one of the generation before the newest, then the first by member id', () => {
    const input = group(
      ['newest', 5, 'a:0'],
      ['ancient', 2, 'a:0,1,2'],
      ['old-2', 3, 'a:1,2'],
      ['old-1', 3, 'a:2,3'],
      ['unknown', -1, 'b:0'],
    )
    const { members } = input
    const former = [...input.formerOwners()].map(([id, at]) => [id, members[at]!.memberId])
    expect(former.sort()).toEqual([
      [0, 'ancient'],
      [1, 'old-2'],
      [2, 'old-1'],
      [3, 'old-1'],
      [4, 'unknown'],
    ])
  })

  it('there is no former owner if all have one generation or none has any', () => {
    expect(group(['x', 3, 'a:0'], ['y', 3, 'a:1']).formerOwners().size).toBe(0)
    expect(group(['x', -1, 'a:0'], ['y', -1, 'a:1']).formerOwners().size).toBe(0)
  })
})
