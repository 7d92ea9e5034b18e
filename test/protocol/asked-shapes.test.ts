import { describe, expect, it } from 'vitest'
import { answeredShape, askedShape } from '../../src/protocol/asked-shapes.js'

const tooOld = expect.objectContaining({ code: 'UNSUPPORTED_VERSION' })

describe('what older brokers are asked', () => {
  it('is everything by nothing: Metadata v0 has no null', () => {
    expect(askedShape('Metadata', 0, { topics: null }).topics).toEqual([])
    expect(askedShape('Metadata', 1, { topics: null }).topics).toBeNull()
  })

  it('is one thing where newer ones take a list', () => {
    const coordinators = { coordinatorKeys: ['g'] }
    expect(askedShape('FindCoordinator', 3, coordinators)).toMatchObject({ key: 'g' })
    expect(askedShape('FindCoordinator', 4, coordinators)).toBe(coordinators)
    const offsets = { groups: [{ groupId: 'g', topics: [] }] }
    expect(askedShape('OffsetFetch', 7, offsets)).toMatchObject({ groupId: 'g', topics: [] })
    const members = { groupId: 'g', members: [{ memberId: 'm' }] }
    expect(askedShape('LeaveGroup', 2, members)).toMatchObject({ memberId: 'm' })
  })

  it('is refused where they would have to be asked several times, or hear something else', () => {
    const two = { groupId: 'g', members: [{ memberId: 'm' }, { memberId: 'n' }] }
    expect(() => askedShape('LeaveGroup', 2, two)).toThrow(tooOld)
    expect(askedShape('LeaveGroup', 3, two)).toBe(two)
    const none = { coordinatorKeys: [] }
    expect(() => askedShape('FindCoordinator', 0, none)).toThrow(tooOld)
    const everything = { groups: [{ groupId: 'g', topics: null }] }
    expect(() => askedShape('OffsetFetch', 1, everything)).toThrow(tooOld)
    expect(askedShape('OffsetFetch', 2, everything)).toMatchObject({ topics: null })
    const newest = [{ partitionIndex: 0, timestamp: -3 }]
    const byTime = { topics: [{ name: 'a', partitions: newest }] }
    expect(() => askedShape('ListOffsets', 6, byTime)).toThrow(tooOld)
    expect(askedShape('ListOffsets', 7, byTime)).toBe(byTime)
    expect(() => askedShape('ListGroups', 3, { statesFilter: ['Empty'] })).toThrow(tooOld)
    expect(askedShape('ListGroups', 3, { statesFilter: [] })).toBeDefined()
  })
})

describe('what older brokers answer', () => {
  it('is put into the list that newer ones have', () => {
    const request = { coordinatorKeys: ['g'] }
    const response = { coordinators: [], nodeId: 3, host: 'h', port: 1, errorCode: 15 }
    const { coordinators } = answeredShape('FindCoordinator', 3, { request, response })
    expect(coordinators).toMatchObject([{ key: 'g', nodeId: 3, host: 'h', port: 1, errorCode: 15 }])
  })

  it('is no group where a dead one is meant', () => {
    const dead = {
      ...{ groupId: 'g', groupState: 'Dead', protocolType: '', protocolData: '', members: [] },
    }
    const request = { groups: ['g', 'h'] }
    const groups = [
      { ...dead, errorCode: 0 },
      { ...dead, errorCode: 16 },
      { ...dead, groupState: 'Empty', errorCode: 0 },
    ]
    const shaped = answeredShape('DescribeGroups', 5, { request, response: { groups } })
    expect(shaped.groups.map(({ errorCode }) => errorCode)).toEqual([69, 16, 0])
    const newer = answeredShape('DescribeGroups', 6, { request, response: { groups } })
    expect(newer.groups).toBe(groups)
  })
})
