import { describe, expect, it } from 'vitest'
import { APIS, type ApiName, type Request, type Response } from '../../../src/protocol/api.js'
import { wireApi } from '../../../src/protocol/framing.js'
import {
  liftRequest,
  liftResponse,
  lowerRequest,
  lowerResponse,
  type Exchange,
} from '../../../src/protocol/messages/older-versions.js'

const tooOld = expect.objectContaining({ code: 'UNSUPPORTED_VERSION' })

type Talk<A extends ApiName> = Exchange<Request<A>, Response<A>>

const asked = <A extends ApiName>(api: A, version: number, request: Request<A>): Request<A> =>
  lowerRequest(wireApi(api), version, request)
const heard = <A extends ApiName>(api: A, version: number, request: Request<A>): Request<A> =>
  liftRequest(wireApi(api), version, request)
const answered = <A extends ApiName>(api: A, version: number, talk: Talk<A>): Response<A> =>
  liftResponse(wireApi(api), version, talk)
const told = <A extends ApiName>(api: A, version: number, talk: Talk<A>): Response<A> =>
  lowerResponse(wireApi(api), version, talk)

it('tables of older versions list the newest first, with versions that the layouts have', () => {
  for (const [name, { older, request }] of Object.entries(APIS)) {
    const ends = older.map(({ until }) => until)
    expect(ends, name).toEqual(ends.toSorted((a, b) => b - a))
    for (const end of ends) {
      expect(end, name).toBeGreaterThanOrEqual(request.versions[0])
      expect(end, name).toBeLessThan(request.versions[1])
    }
  }
})

describe('a request to an older broker', () => {
  it('a request for all topics is an empty list in Metadata v0, which has no null', () => {
    expect(asked('Metadata', 0, { topics: null }).topics).toEqual([])
    expect(asked('Metadata', 1, { topics: null }).topics).toBeNull()
  })

  it('a request for one thing is no list in older versions', () => {
    const coordinators = { coordinatorKeys: ['g'] }
    expect(asked('FindCoordinator', 3, coordinators)).toMatchObject({ key: 'g' })
    expect(asked('FindCoordinator', 4, coordinators)).toBe(coordinators)
    const offsets = { groups: [{ groupId: 'g', topics: [] }] }
    expect(asked('OffsetFetch', 7, offsets)).toMatchObject({ groupId: 'g', topics: [] })
    const members = { groupId: 'g', members: [{ memberId: 'm' }] }
    expect(asked('LeaveGroup', 2, members)).toMatchObject({ memberId: 'm' })
    const topics = { topics: [{ name: 'a' }, { name: 'b' }], timeoutMs: 1 }
    expect(asked('DeleteTopics', 5, topics)).toMatchObject({ topicNames: ['a', 'b'] })
  })

  it('a request is refused if an older broker would have to be asked several times', () => {
    const two = { groupId: 'g', members: [{ memberId: 'm' }, { memberId: 'n' }] }
    expect(() => asked('LeaveGroup', 2, two)).toThrow(tooOld)
    expect(asked('LeaveGroup', 3, two)).toBe(two)
    const none = { coordinatorKeys: [] }
    expect(() => asked('FindCoordinator', 0, none)).toThrow(tooOld)
  })

  it('a request is refused if an older broker would understand something else', () => {
    const everything = { groups: [{ groupId: 'g', topics: null }] }
    expect(() => asked('OffsetFetch', 1, everything)).toThrow(tooOld)
    expect(asked('OffsetFetch', 2, everything)).toMatchObject({ topics: null })
    expect(() => asked('ListGroups', 3, { statesFilter: ['Empty'] })).toThrow(tooOld)
    expect(asked('ListGroups', 3, { statesFilter: [] })).toBeDefined()
  })

  it.each([
    [-3, 7, 'the newest time'],
    [-4, 8, 'the local start'],
    [-5, 9, 'the tiered end'],
  ])('the special timestamp %d is sent from version %d on', (timestamp, since, name) => {
    const request = { topics: [{ name: 'a', partitions: [{ partitionIndex: 0, timestamp }] }] }
    expect(() => asked('ListOffsets', since - 1, request)).toThrow(name)
    expect(() => asked('ListOffsets', since - 1, request)).toThrow(tooOld)
    expect(asked('ListOffsets', since, request)).toBe(request)
  })
})

describe('a request of an older client', () => {
  it('a request of an older client for one thing becomes a list of one', () => {
    const key = { key: 'g', coordinatorKeys: [] }
    expect(heard('FindCoordinator', 3, key)).toMatchObject({ coordinatorKeys: ['g'] })
    expect(heard('FindCoordinator', 4, key)).toBe(key)
    const member = { groupId: 'g', memberId: 'm', members: [] }
    expect(heard('LeaveGroup', 2, member)).toMatchObject({ members: [{ memberId: 'm' }] })
  })

  it('an empty list asks for all topics in Metadata v0 only', () => {
    expect(heard('Metadata', 0, { topics: [] }).topics).toBeNull()
    expect(heard('Metadata', 1, { topics: [] }).topics).toEqual([])
  })

  it.each([
    ['FindCoordinator', 3, { coordinatorKeys: ['g'] }],
    ['OffsetFetch', 7, { groups: [{ groupId: 'g', topics: null }] }],
    ['OffsetFetch', 1, { groups: [{ groupId: 'g', topics: [] }] }],
    ['LeaveGroup', 2, { groupId: 'g', members: [{ memberId: 'm' }] }],
    ['DeleteTopics', 5, { topics: [{ name: 'a' }, { name: 'b' }], timeoutMs: 1 }],
    ['Metadata', 0, { topics: null }],
  ] as const)('%s v%d is read as our own clients write it', (api, version, request) => {
    expect(heard(api, version, asked(api, version, request))).toMatchObject(request)
  })
})

describe('the answer of an older broker', () => {
  it('the answer of an older broker becomes the list of newer versions', () => {
    const request = { coordinatorKeys: ['g'] }
    const response = { coordinators: [], nodeId: 3, host: 'h', port: 1, errorCode: 15 }
    const { coordinators } = answered('FindCoordinator', 3, { request, response })
    expect(coordinators).toMatchObject([{ key: 'g', nodeId: 3, host: 'h', port: 1, errorCode: 15 }])
  })

  it("an older broker's answer with a dead group means that the group does not exist", () => {
    const dead = {
      groupId: 'g',
      groupState: 'Dead',
      protocolType: '',
      protocolData: '',
      members: [],
    }
    const request = { groups: ['g', 'h'] }
    const groups = [
      { ...dead, errorCode: 0 },
      { ...dead, errorCode: 16 },
      { ...dead, groupState: 'Empty', errorCode: 0 },
    ]
    const lifted = answered('DescribeGroups', 5, { request, response: { groups } })
    expect(lifted.groups.map(({ errorCode }) => errorCode)).toEqual([69, 16, 0])
    const newer = answered('DescribeGroups', 6, { request, response: { groups } })
    expect(newer.groups).toBe(groups)
    const lowered = told('DescribeGroups', 5, { request, response: lifted })
    expect(lowered.groups).toEqual(groups)
  })
})

describe('the answer to an older client', () => {
  it('the error of a group becomes the error of its partitions in OffsetFetch v1', () => {
    const topics = [{ name: 'a', partitionIndexes: [0] }]
    const request = { topics, groups: [{ groupId: 'g', topics }] }
    const response = { groups: [{ groupId: 'g', topics: [], errorCode: 16 }] }
    expect(told('OffsetFetch', 2, { request, response })).toMatchObject({ topics: [], errorCode: 16 })
    const partitions = [{ partitionIndex: 0, committedOffset: -1, errorCode: 16 }]
    const oldest = told('OffsetFetch', 1, { request, response })
    expect(oldest).toMatchObject({ topics: [{ name: 'a', partitions }] })
  })

  it('an older client gets the error code that its version has', () => {
    const request = { maxWaitMs: 0, minBytes: 0, topics: [] }
    const partition = { partitionIndex: 0, errorCode: 56, highWatermark: -1, records: null }
    const response = { responses: [{ topic: 'a', partitions: [partition] }] }
    const codes = [5, 6].map(
      version =>
        told('Fetch', version, { request, response }).responses[0]?.partitions[0]?.errorCode,
    )
    expect(codes).toEqual([6, 56])
  })
})
