import { describe, expect, it } from 'vitest'
import {
  Member,
  type JoinAnswer,
  type MemberTraits,
  type Parked,
} from '../../../src/coordinator/groups/member.js'
import { Membership } from '../../../src/coordinator/groups/membership.js'

const knowing = (...names: string[]) =>
  names.map(name => ({ name, metadata: Buffer.from(`${name}!`) }))

function someone(memberId: string, more: Partial<MemberTraits> = {}): Member {
  const traits = { groupInstanceId: null, clientId: 'app', clientHost: 'here' }
  const times = { sessionTimeoutMs: 10_000, rebalanceTimeoutMs: 60_000 }
  return new Member({ ...traits, ...times, memberId, protocols: knowing('range'), ...more })
}

function group(...members: Member[]): Membership {
  const membership = new Membership('g', 0)
  for (const member of members) membership.add(member, 'consumer')
  return membership
}

const parked: Parked<JoinAnswer> = { resolve: () => undefined, reject: () => undefined }
const ids = ({ members }: Membership): string[] => [...members].map(({ memberId }) => memberId)

describe('the assignor of a generation', () => {
  const cases: [string[][], string][] = [
    [[['range', 'sticky']], 'range'],
    [
      [
        ['range', 'sticky'],
        ['sticky', 'range'],
        ['sticky', 'range'],
      ],
      'sticky',
    ],
    [
      [
        ['a', 'b', 'c'],
        ['c', 'b'],
        ['b', 'c'],
      ],
      'b',
    ],
    [[['mine', 'range'], ['mine', 'range'], ['range']], 'range'],
    [
      [
        ['range', 'range', 'sticky'],
        ['sticky', 'range'],
      ],
      'range',
    ],
  ]
  it.each(cases)('the members %j use the assignor %s', (all, expected) => {
    const members = all.map((names, index) =>
      someone(`m${index}`, { protocols: knowing(...names) }),
    )
    expect(group(...members).selectProtocol()).toBe(expected)
  })

  it('the assignor of a generation is one that all members know, even if they join with others later', () => {
    const [a, b] = [someone('a', { protocols: knowing('x', 'y') }), someone('b')]
    b.protocols = knowing('y', 'z')
    const membership = group(a, b)
    expect(membership.isCompatible('consumer', knowing('x', 'z'))).toBe(false)
    expect(membership.isCompatible('consumer', knowing('z', 'y'))).toBe(true)
    membership.update(b, { ...b, protocols: knowing('x', 'y') })
    expect(membership.isCompatible('consumer', knowing('x', 'z'))).toBe(true)
    membership.remove(a)
    membership.remove(a)
    expect(membership.isCompatible('consumer', knowing('y'))).toBe(true)
    expect(membership.isCompatible('consumer', knowing('z'))).toBe(false)
  })

  it('members of another protocol type are refused', () => {
    const membership = group(someone('a'))
    expect(membership.isCompatible('connect', knowing('range'))).toBe(false)
    expect(membership.isCompatible('consumer', [])).toBe(false)
    membership.remove(membership.find('a') as Member)
    expect(membership.isCompatible('connect', knowing('other'))).toBe(true)
    expect(membership.isCompatible('', knowing('range'))).toBe(false)
    expect(membership.isCompatible('connect', [])).toBe(false)
    membership.add(someone('b'), 'connect')
    expect(membership.protocolType).toBe('connect')
  })
})

describe('the leader', () => {
  it('the first member leads, then any other one, then none', () => {
    const [a, b] = [someone('a'), someone('b')]
    const membership = group(a, b)
    expect(membership.leaderId).toBe('a')
    membership.remove(b)
    membership.add(b, 'consumer')
    expect(membership.leaderId).toBe('a')
    membership.remove(a)
    expect(membership.leaderId).toBe('b')
    membership.remove(b)
    expect(membership.leaderId).toBe(null)
    membership.add(a, 'consumer')
    expect(membership.leaderId).toBe('a')
  })

  it('only a member can lead', () => {
    const [a, b, c] = [someone('a'), someone('b'), someone('c')]
    const membership = group(a, b, c)
    expect(membership.electJoinedLeader()).toBe(false)
    c.joining = parked
    expect(membership.electJoinedLeader()).toBe(true)
    expect(membership.leaderId).toBe('c')
    b.joining = parked
    expect(membership.electJoinedLeader()).toBe(true)
    expect(membership.leaderId).toBe('c')
    expect([membership.haveAllJoined, membership.joinedCount]).toEqual([false, 2])
    a.joining = parked
    expect([membership.haveAllJoined, membership.joinedCount]).toEqual([true, 3])
  })

  it('only the leader gets the subscriptions of all members', () => {
    const [a, b] = [someone('a'), someone('b', { groupInstanceId: 'i' })]
    const membership = group(a, b)
    membership.enter('PreparingRebalance', 1)
    membership.beginGeneration(2)
    const common = { generationId: 1, protocolType: 'consumer', protocolName: 'range', leader: 'a' }
    const metadata = Buffer.from('range!')
    expect(membership.joinAnswer(a, true)).toEqual({
      ...common,
      memberId: 'a',
      skipAssignment: true,
      members: [
        { memberId: 'a', groupInstanceId: null, metadata },
        { memberId: 'b', groupInstanceId: 'i', metadata },
      ],
    })
    expect(membership.joinAnswer(b, true)).toEqual({
      ...common,
      memberId: 'b',
      skipAssignment: false,
      members: [],
    })
    expect(membership.joinAnswer(a).skipAssignment).toBe(false)
    expect(membership.syncAnswer(b)).toMatchObject({ protocolType: 'consumer' })
  })
})

describe('generations', () => {
  it('each rebalance has the next generation, and a group without members is empty', () => {
    const a = someone('a')
    const membership = group(a)
    for (const generation of [1, 2]) {
      membership.enter('PreparingRebalance', 1)
      membership.beginGeneration(2)
      expect(membership).toMatchObject({ generation, state: 'CompletingRebalance' })
    }
    membership.enter('PreparingRebalance', 3)
    membership.remove(a)
    membership.beginGeneration(4)
    expect(membership).toMatchObject({
      generation: 3,
      state: 'Empty',
      stateSince: 4,
      protocolType: 'consumer',
      protocolName: null,
      leaderId: null,
    })
  })

  it('a rebalance may take as long as the longest rebalance timeout of its members', () => {
    expect(group().rebalanceTimeoutMs).toBe(0)
    const patient = someone('b', { rebalanceTimeoutMs: 70_000 })
    expect(group(someone('a'), patient, someone('c')).rebalanceTimeoutMs).toBe(70_000)
  })
})

describe('a static member', () => {
  it('a static member has one place, whatever its member id is', () => {
    const a = someone('a', { groupInstanceId: 'i' })
    const membership = group(a, someone('b'))
    membership.rename(a, 'a2')
    expect(ids(membership)).toEqual(['b', 'a2'])
    expect(membership.leaderId).toBe('a2')
    expect(membership.staticMember('i')).toBe(a)
    expect(membership.member('a2', 'i')).toBe(a)
    expect(membership.member('a2', null)).toBe(a)
    expect(() => membership.member('a', 'i')).toThrow('FENCED_INSTANCE_ID')
    expect(() => membership.member('a', null)).toThrow('UNKNOWN_MEMBER_ID')
    expect(() => membership.member('b', 'i')).toThrow('FENCED_INSTANCE_ID')
    expect(() => membership.member('b', 'nobody')).toThrow('UNKNOWN_MEMBER_ID')
    membership.remove(a)
    expect(membership.staticMember('i')).toBe(undefined)
    expect(() => membership.member('a2', 'i')).toThrow('UNKNOWN_MEMBER_ID')
  })
})

describe('what a member says', () => {
  it('two joins of a member are equal only if all their protocols are, in the same order', () => {
    const member = someone('a', { protocols: knowing('x', 'y') })
    expect(member.hasProtocols(knowing('x', 'y'))).toBe(true)
    expect(member.hasProtocols(knowing('y', 'x'))).toBe(false)
    expect(member.hasProtocols(knowing('x'))).toBe(false)
    expect(member.hasProtocols(knowing('x', 'y', 'z'))).toBe(false)
    expect(member.hasProtocols([...knowing('x'), { name: 'y', metadata: Buffer.from('?') }])).toBe(false)
    expect(member.metadataFor('y').toString()).toBe('y!')
    expect([member.metadataFor('z'), member.metadataFor(null)]).toEqual([
      new Uint8Array(0),
      new Uint8Array(0),
    ])
  })
})

describe('what cannot be in a group', () => {
  it('a generation cannot be led by a stranger', () => {
    const membership = new Membership('g', 0)
    const kept = { generation: 1, protocolType: 'consumer', protocolName: 'range', since: 0 }
    membership.restore({ ...kept, leaderId: 'gone', members: [someone('a')] })
    membership.enter('PreparingRebalance', 1)
    expect(() => membership.beginGeneration(2)).toThrow('the leader is a member')
  })

  it('a dynamic member cannot return under another member id', () => {
    const a = someone('a')
    const membership = group(a)
    expect(() => membership.rename(a, 'b')).toThrow('only a static member is renamed')
    expect(ids(membership)).toEqual(['a'])
  })
})
