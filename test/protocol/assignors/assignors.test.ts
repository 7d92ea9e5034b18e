/**
 * The four assignors: what Kafka's own give, known cases by name, what always holds, and where
 * partlog goes another way than Kafka on purpose.
 */

import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { seededRandom, type Random } from '../../../src/base/random.js'
import type { AssignmentInput } from '../../../src/protocol/assignors/assignor.js'
import { ASSIGNORS } from '../../../src/protocol/assignors/assignors.js'
import type { MemberSubscription } from '../../../src/protocol/messages/consumer-protocol.js'
import { vectorLines } from '../../golden/vectors.js'
import { assign, inputOf, partitionsOf, resultOf, type AssignorCase } from './assignor-cases.js'

const NAMES = Object.keys(ASSIGNORS) as (keyof typeof ASSIGNORS)[]

const KAFKA = JSON.parse(
  readFileSync(new URL('kafka-assignments.json', import.meta.url), 'utf8'),
) as { readonly cases: readonly AssignorCase[] }

/** `{c0=[t0-0, t1-1], c1=[]}` as in the golden vectors. */
function vectorResult(name: string): Record<string, string> {
  const [line] = vectorLines(name) as [string]
  const entries = [...line.matchAll(/(\w+)=\[(.*?)\]/g)].map(([, id, list]) => {
    const byTopic = new Map<string, string[]>()
    for (const [, topic, number] of list!.matchAll(/(\w+)-(\d+)/g)) {
      byTopic.set(topic!, [...(byTopic.get(topic!) ?? []), number!])
    }
    return [id!, [...byTopic].map(([topic, numbers]) => `${topic}:${numbers.join()}`).join(' ')]
  })
  return Object.fromEntries(entries) as Record<string, string>
}

describe("Kafka's own assignors", () => {
  it.each(NAMES.filter(name => name !== 'RoundRobinAssigner'))("%s assigns as Kafka's assignor does", name => {
    const cases = KAFKA.cases.filter(({ assignor }) => assignor === name)
    expect(cases.length).toBeGreaterThan(name.includes('sticky') ? 40 : 5)
    for (const each of cases) expect(assign(each), JSON.stringify(each)).toEqual(each.result)
  })

  it('RoundRobinAssigner assigns as roundrobin does', () => {
    const cases = KAFKA.cases.filter(({ assignor }) => assignor === 'roundrobin')
    for (const each of cases) {
      expect(assign({ ...each, assignor: 'RoundRobinAssigner' })).toEqual(each.result)
    }
    expect(ASSIGNORS.RoundRobinAssigner).toMatchObject({
      name: 'RoundRobinAssigner',
      protocol: 'eager',
    })
  })

  const ALL = { topics: 't0 t1' }
  it.each([
    ['range 3c t0:5 t1:4', 'range'],
    ['roundrobin 3c t0:5 t1:4', 'roundrobin'],
    ['sticky 3c t0:5 t1:4', 'sticky'],
    ['coop 3c t0:5 t1:4', 'cooperative-sticky'],
  ] as const)("the assignment is Kafka's: %s", (line, assignor) => {
    const members = { c0: ALL, c1: ALL, c2: ALL }
    expect(assign({ assignor, topics: { t0: 5, t1: 4 }, members })).toEqual(vectorResult(line))
  })

  const STATIC = {
    aaa: { topics: 't0', instance: 'z' },
    zzz: { topics: 't0', instance: 'b' },
    mmm: { topics: 't0' },
  }
  it.each([
    ['range static(z->aaa,b->zzz) dyn mmm t0:4', 'range'],
    ['roundrobin static t0:4', 'roundrobin'],
  ] as const)("the assignment with static members is Kafka's: %s", (line, assignor) => {
    expect(assign({ assignor, topics: { t0: 4 }, members: STATIC })).toEqual(vectorResult(line))
  })

  it.each([
    ['roundrobin unequal t0:1 t1:2 t2:3', 'roundrobin'],
    ['sticky unequal t0:1 t1:2 t2:3', 'sticky'],
  ] as const)("the assignment of unequal topics is Kafka's: %s", (line, assignor) => {
    const members = { c0: { topics: 't0' }, c1: { topics: 't0 t1' }, c2: { topics: 't0 t1 t2' } }
    const topics = { t0: 1, t1: 2, t2: 3 }
    expect(assign({ assignor, topics, members })).toEqual(vectorResult(line))
  })
})

/** Three topics of 6, 7 and 2 partitions, each with one replica: racks a, b, c in turn. */
const ONE_REPLICA = { t1: 'a b c a b c', t2: 'a b c a b c a', t3: 'b c' }
const TWO_REPLICAS = {
  t1: 'a+b b+c c+a a+b b+c c+a',
  t2: 'a+b b+c c+a a+b b+c c+a a+b',
  t3: 'b+c c+a',
}
const SIZES = { t1: 6, t2: 7, t3: 2 }
const EQUAL = {
  c0: { topics: 't1 t2 t3', rack: 'a' },
  c1: { topics: 't1 t2 t3', rack: 'b' },
  c2: { topics: 't1 t2 t3', rack: 'c' },
}
const UNEQUAL = { ...EQUAL, c2: { topics: 't1 t3', rack: 'c' } }
const NEAR = { c0: 't1:0,3 t2:0,3,6', c1: 't1:1,4 t2:1,4 t3:0', c2: 't1:2,5 t2:2,5 t3:1' }

/** The cases of Kafka's unit tests that have something to tell, with what they expect. */
const KNOWN: readonly (readonly [string, AssignorCase])[] = [
  [
    'range: a member alone gets all it wants, and nothing else',
    {
      assignor: 'range',
      topics: { t1: 1, t2: 2, other: 3 },
      members: { c: { topics: 't1 t2' } },
      result: { c: 't1:0 t2:0,1' },
    },
  ],
  [
    'range: topics are shared out one by one',
    {
      assignor: 'range',
      topics: { t1: 3, t2: 2 },
      members: { c1: { topics: 't1' }, c2: { topics: 't1 t2' }, c3: { topics: 't1' } },
      result: { c1: 't1:0', c2: 't1:1 t2:0,1', c3: 't1:2' },
    },
  ],
  [
    'range: static members come first and keep their place',
    {
      assignor: 'range',
      topics: { t1: 5, t2: 4 },
      members: {
        a: { topics: 't1 t2' },
        x: { topics: 't1 t2', instance: 'i3' },
        y: { topics: 't1 t2', instance: 'i2' },
        z: { topics: 't1 t2', instance: 'i1' },
      },
      result: { a: 't1:4 t2:3', x: 't1:3 t2:2', y: 't1:2 t2:1', z: 't1:0,1 t2:0' },
    },
  ],
  [
    'range: of one replica, members get what is in their rack',
    { assignor: 'range', topics: SIZES, racks: ONE_REPLICA, members: EQUAL, result: NEAR },
  ],
  [
    'range: of two replicas, some do',
    {
      assignor: 'range',
      topics: SIZES,
      racks: TWO_REPLICAS,
      members: EQUAL,
      result: { c0: 't1:0,2 t2:0,2,3 t3:1', c1: 't1:1,3 t2:1,4 t3:0', c2: 't1:4,5 t2:5,6' },
    },
  ],
  [
    'range: racks do not count against co-partitioning',
    {
      assignor: 'range',
      topics: { t1: 5, t2: 5, t3: 5 },
      racks: { t1: 'a b c a b', t2: 'c a b c a', t3: 'b c a b c' },
      members: EQUAL,
      result: { c0: 't1:0,1 t2:0,1 t3:0,1', c1: 't1:2,3 t2:2,3 t3:2,3', c2: 't1:4 t2:4 t3:4' },
    },
  ],
  [
    'range: co-partitioned topics with equal racks are near as well',
    {
      assignor: 'range',
      topics: { t1: 6, t2: 6, t3: 2, t4: 2 },
      racks: { t1: 'a b a b a b', t2: 'a b a b a b', t3: 'a b', t4: 'a b' },
      members: {
        c0: { topics: 't1 t2', rack: 'a' },
        c1: { topics: 't1 t2', rack: 'b' },
        c2: { topics: 't3 t4', rack: 'b' },
        c3: { topics: 't3 t4', rack: 'a' },
      },
      result: {
        c0: 't1:0,2,4 t2:0,2,4',
        c1: 't1:1,3,5 t2:1,3,5',
        c2: 't3:1 t4:1',
        c3: 't3:0 t4:0',
      },
    },
  ],
  [
    'range: co-partitioned topics by rack, but no member gets more than its share',
    {
      assignor: 'range',
      topics: { t1: 4, t2: 4 },
      racks: { t1: 'a a a b', t2: 'a a a b' },
      members: { c0: { topics: 't1 t2', rack: 'a' }, c1: { topics: 't1 t2', rack: 'b' } },
      result: { c0: 't1:0,1 t2:0,1', c1: 't1:2,3 t2:2,3' },
    },
  ],
  [
    'range: a rack without a name is none',
    {
      assignor: 'range',
      topics: { t: 2 },
      racks: { t: 'a b' },
      members: { c0: { topics: 't', rack: '' }, c1: { topics: 't', rack: 'a' } },
      result: { c0: 't:0', c1: 't:1' },
    },
  ],
  [
    'range: without racks of partitions, those of members do not count',
    {
      assignor: 'range',
      topics: { t1: 2, t2: 2 },
      members: { c0: { topics: 't1 t2', rack: 'a' }, c1: { topics: 't1 t2' } },
      result: { c0: 't1:0 t2:0', c1: 't1:1 t2:1' },
    },
  ],
  [
    'range: racks of one topic do not count for another',
    {
      assignor: 'range',
      topics: { t1: 2, t2: 3 },
      racks: { t2: 'a b a' },
      members: { c0: { topics: 't1 t2', rack: 'a' }, c1: { topics: 't1 t2' } },
      result: { c0: 't1:0 t2:0,2', c1: 't1:1 t2:1' },
    },
  ],
  [
    'sticky: one of two at the quota gets one more',
    {
      assignor: 'sticky',
      topics: { t1: 2, t2: 3 },
      members: {
        c1: { topics: 't1 t2', owned: 't1:0 t2:1', generation: 1 },
        c2: { topics: 't1 t2', owned: 't1:1 t2:2', generation: 1 },
      },
      result: { c1: 't1:0 t2:0,1', c2: 't1:1 t2:2' },
    },
  ],
  [
    'sticky: each member below the quota keeps what it has',
    {
      assignor: 'sticky',
      topics: { t1: 2, t2: 3 },
      members: {
        c1: { topics: 't1 t2', owned: 't1:0', generation: 1 },
        c2: { topics: 't1 t2', owned: 't1:1', generation: 1 },
        c3: { topics: 't1 t2', generation: 1 },
      },
      result: { c1: 't1:0 t2:1', c2: 't1:1 t2:2', c3: 't2:0' },
    },
  ],
  [
    'sticky: members that have the quota, or one more, get nothing',
    {
      assignor: 'sticky',
      topics: { t: 4 },
      members: {
        c1: { topics: 't', owned: 't:0,1', generation: 1 },
        c2: { topics: 't', owned: 't:2', generation: 1 },
        c3: { topics: 't', generation: 1 },
      },
      result: { c1: 't:0,1', c2: 't:2', c3: 't:3' },
    },
  ],
  [
    'sticky: claims of an earlier generation give way',
    {
      assignor: 'sticky',
      topics: { t1: 3, t2: 3, t3: 3 },
      members: {
        c1: { topics: 't1 t2 t3', owned: 't1:0 t2:0 t3:0', generation: 10 },
        c2: { topics: 't1 t2 t3', owned: 't1:1 t2:1 t3:1', generation: 9 },
        c3: { topics: 't1 t2 t3', owned: 't2:1 t3:0,2', generation: 8 },
      },
      result: { c1: 't1:0 t2:0 t3:0', c2: 't1:1 t2:1 t3:1', c3: 't1:2 t2:2 t3:2' },
    },
  ],
  [
    'sticky: partitions without an owner since go back to their last owner only',
    {
      assignor: 'sticky',
      topics: { t0: 3, t1: 3, t2: 3, t3: 3 },
      members: {
        c1: { topics: 't0 t1 t2 t3' },
        c2: { topics: 't0 t1 t2 t3', owned: 't0:0 t1:0 t2:0', generation: 9 },
        c3: { topics: 't0 t1 t2 t3', owned: 't1:1 t2:2 t3:2', generation: 8 },
        c4: { topics: 't0 t1 t2 t3', owned: 't0:1,2 t3:1', generation: 7 },
      },
      result: {
        c1: 't1:2 t2:1 t3:0',
        c2: 't0:0 t1:0 t2:0',
        c3: 't1:1 t2:2 t3:2',
        c4: 't0:1,2 t3:1',
      },
    },
  ],
  [
    'sticky: members get what is in their rack',
    { assignor: 'sticky', topics: SIZES, racks: ONE_REPLICA, members: EQUAL, result: NEAR },
  ],
  [
    'sticky: a rack without partitions has its share',
    {
      assignor: 'sticky',
      topics: SIZES,
      racks: {
        t1: 'a+b b+a a+b b+a a+b b+a',
        t2: 'a+b b+a a+b b+a a+b b+a a+b',
        t3: 'b+a a+b',
      },
      members: EQUAL,
      result: NEAR,
    },
  ],
  [
    'sticky: no member gets two more than the quota, even if only it is near',
    {
      assignor: 'sticky',
      topics: { t: 7 },
      racks: { t: 'r1 r1 r2 r2 r2 r1 r1' },
      members: {
        A: { topics: 't', rack: 'r1', owned: 't:0,1', generation: 1 },
        B: { topics: 't', rack: 'r2', owned: 't:2,3,4', generation: 1 },
        C: { topics: 't', rack: 'r3', generation: 1 },
      },
      result: { A: 't:0,1', B: 't:2,3,4', C: 't:5,6' },
    },
  ],
  [
    'sticky: racks, and topics not all want',
    {
      assignor: 'sticky',
      topics: SIZES,
      racks: ONE_REPLICA,
      members: UNEQUAL,
      result: { c0: 't1:3 t2:0,2,3,6', c1: 't1:4 t2:1,4,5 t3:0', c2: 't1:0,1,2,5 t3:1' },
    },
  ],
  [
    'sticky: two replicas, and topics not all want',
    {
      assignor: 'sticky',
      topics: SIZES,
      racks: TWO_REPLICAS,
      members: UNEQUAL,
      result: { c0: 't1:3 t2:0,2,5,6', c1: 't1:0 t2:1,3,4 t3:0', c2: 't1:1,2,4,5 t3:1' },
    },
  ],
  [
    'sticky: a move is taken back also where that makes nothing more even',
    {
      assignor: 'sticky',
      topics: { t0: 3, t1: 1, t2: 5 },
      members: {
        m0: { topics: 't2', owned: 't2:2', generation: 3 },
        m1: { topics: 't1 t2', owned: 't1:0 t2:1,2,3,4', generation: 4 },
        m2: { topics: 't1', generation: 3 },
        m3: { topics: 't0 t1', generation: 3 },
        m4: { topics: 't0 t1 t2', owned: 't2:0', generation: 1 },
      },
      result: { m0: 't2:0,2', m1: 't2:3,4', m2: 't1:0', m3: 't0:0,1', m4: 't0:2 t2:1' },
    },
  ],
  [
    'cooperative-sticky: what is in the wrong rack is given back first',
    {
      assignor: 'cooperative-sticky',
      topics: SIZES,
      racks: ONE_REPLICA,
      members: {
        c0: { ...EQUAL.c0, owned: 't1:0,1,2,3,4', generation: 1 },
        c1: { ...EQUAL.c1, owned: 't1:5 t2:0,1,2,3', generation: 1 },
        c2: { ...EQUAL.c2, owned: 't2:4,5,6 t3:0,1', generation: 1 },
      },
      result: { c0: 't1:0,3', c1: 't2:1', c2: 't2:5 t3:1' },
    },
  ],
  [
    'cooperative-sticky: what two claim in one generation is held back',
    {
      assignor: 'cooperative-sticky',
      topics: { t: 3 },
      members: {
        c1: { topics: 't', owned: 't:0,1', generation: 1 },
        c2: { topics: 't', owned: 't:0,2', generation: 1 },
        c3: { topics: 't', generation: 1 },
      },
      result: { c1: 't:1', c2: 't:2', c3: '' },
    },
  ],
]

describe('known cases', () => {
  it.each(KNOWN)('the known case has its result: %s', (_, each) => {
    expect(assign(each)).toEqual(each.result)
  })

  it('cooperative-sticky revokes a partition in one rebalance and assigns it in the next', () => {
    const group = { assignor: 'cooperative-sticky', topics: { t0: 6 } } as const
    const first = assign({
      ...group,
      members: {
        c0: { topics: 't0', owned: 't0:0,2,4', generation: 1 },
        c1: { topics: 't0', owned: 't0:1,3,5', generation: 1 },
        c2: { topics: 't0' },
      },
    })
    expect(first).toEqual(vectorResult('coop join round1'))
    const second = assign({
      ...group,
      members: {
        c0: { topics: 't0', owned: first['c0']!, generation: 2 },
        c1: { topics: 't0', owned: first['c1']!, generation: 2 },
        c2: { topics: 't0', owned: first['c2']!, generation: 2 },
      },
    })
    expect(second).toEqual(vectorResult('coop join round2'))
  })

  it('cooperative-sticky resolves double and stale claims', () => {
    const group = { assignor: 'cooperative-sticky', topics: { t0: 4 } } as const
    const claims = (generation: number) => ({
      c0: { topics: 't0', owned: 't0:0,1', generation },
      c1: { topics: 't0', owned: 't0:1,2', generation: 5 },
    })
    expect(assign({ ...group, members: claims(5) })).toEqual(
      vectorResult('coop same-gen double claim of 1, t0:4'),
    )
    expect(assign({ ...group, members: claims(4) })).toEqual(
      vectorResult('coop stale claim of 1 by c0(gen4) vs c1(gen5), t0:4'),
    )
  })

  it.each(NAMES)('%s accepts no topics, no members and no partitions', assignor => {
    expect(assign({ assignor, topics: { t: 3 }, members: {} })).toEqual({})
    expect(assign({ assignor, topics: { t: 3 }, members: { c: { topics: '' } } })).toEqual({
      c: '',
    })
    const unknown = { c: { topics: 'ghost', owned: 'ghost:0', generation: 1 } }
    expect(assign({ assignor, topics: { t: 3 }, members: unknown })).toEqual({ c: '' })
    expect(assign({ assignor, topics: { t: 0 }, members: { c: { topics: 't' } } })).toEqual({
      c: '',
    })
  })
})

describe('otherwise than Kafka, on purpose', () => {
  it('a member without topics gets nothing, even if it is the first', () => {
    const members = { A: { topics: '' }, B: { topics: 't' } }
    expect(assign({ assignor: 'sticky', topics: { t: 4 }, members })).toEqual({
      A: '',
      B: 't:0,1,2,3',
    })
  })

  it('a claimed partition that does not exist is not assigned', () => {
    const members = {
      A: { topics: 't', owned: 't:0,7', generation: 1 },
      B: { topics: 't', owned: 't:2', generation: 1 },
    }
    expect(assign({ assignor: 'sticky', topics: { t: 4 }, members })).toEqual({
      A: 't:0,1',
      B: 't:2,3',
    })
  })

  it('a former owner that unsubscribed does not get its partition again', () => {
    const members = {
      I: { topics: 'b', owned: 'a:0,1,2,3', generation: 1 },
      D: { topics: 'a b', owned: 'b:0,2,4,6', generation: 2 },
      J: { topics: 'a b', owned: 'a:4 b:1,3,5', generation: 2 },
    }
    const result = assign({ assignor: 'sticky', topics: { a: 5, b: 7 }, members })
    expect(result).toEqual({ D: 'a:0,2 b:4,6', I: 'b:0,1,2,3', J: 'a:1,3,4 b:5' })
  })

  it('the sticky assignor ends where Kafka 4.1.0 loops forever', () => {
    const result = assign({
      assignor: 'sticky',
      topics: { tB: 27, tR: 31, tb: 15, tr: 32 },
      members: {
        A: {
          topics: 'tR tb tr',
          owned:
            'tR:9,10,12,13,14,15,19,20,21,22,23,24,25,29,30 tb:13 ' +
            'tr:6,7,8,9,12,13,16,17,21,22,23,25,26,27,28,29,30',
          generation: 4,
        },
        B: { topics: 'tR tb', generation: 1 },
        C: { topics: 'tr', generation: 3 },
        D: { topics: 'tB tR tr', generation: 1 },
      },
    })
    const counts = Object.values(result).map(text => partitionsOf(text).length)
    expect(counts).toEqual([26, 26, 26, 27])
  })

  it.each([
    [5, 5, 6, 'C'],
    [6, 5, 5, 'A'],
    [5, 6, 5, 'B'],
  ])('of the generations %i, %i and %i the highest keeps what all claim', (a, b, c, winner) => {
    const claim = (generation: number) => ({ topics: 't', owned: 't:0', generation })
    const members = { A: claim(a), B: claim(b), C: claim(c) }
    const result = assign({ assignor: 'cooperative-sticky', topics: { t: 3 }, members })
    expect(result[winner]).toBe('t:0')
    expect(Object.values(result).sort()).toEqual(['t:0', 't:1', 't:2'])
  })

  it('of members with more than their share, the first by member id keeps one more', () => {
    const members = {
      'consumer-10': { topics: 't', owned: 't:0,1', generation: 1 },
      'consumer-9': { topics: 't', owned: 't:2,3', generation: 1 },
      'consumer-1': { topics: 't', generation: 1 },
    }
    expect(assign({ assignor: 'sticky', topics: { t: 4 }, members })).toEqual({
      'consumer-1': 't:3',
      'consumer-10': 't:0,1',
      'consumer-9': 't:2',
    })
  })
})

// ── what always holds ────────────────────────────────────────────────────────────────────

const RACKS = ['east', 'north', 'west']

function randomInput(random: Random): AssignmentInput {
  const names = ['a', 'b', 'c', 'd'].slice(0, 1 + random.int(4))
  const topics = new Map(
    names.map(name => {
      const partitions = random.int(12)
      const racks = Array.from({ length: partitions }, () =>
        RACKS.filter(() => random.int(2) === 0),
      )
      return [name, random.int(2) === 0 ? { partitions } : { partitions, racks }]
    }),
  )
  const isEqual = random.int(2) === 0
  const members = Array.from({ length: 1 + random.int(8) }, (_, n): MemberSubscription => {
    const wanted = isEqual ? names : names.filter(() => random.int(3) > 0)
    const ownedPartitions = [...topics].flatMap(([topic, { partitions }]) =>
      Array.from({ length: partitions }, (_, partition) => ({ topic, partition })).filter(
        () => random.int(4) === 0,
      ),
    )
    const generationId = random.int(4) - 1
    const userData = ASSIGNORS.sticky.userData?.(ownedPartitions, generationId)
    const member = { memberId: `m-${n}`, topics: wanted, ownedPartitions, generationId, userData }
    const rack = RACKS[random.int(4)]
    return { ...member, ...(rack === undefined ? {} : { rackId: rack }) } as MemberSubscription
  })
  return { topics, members }
}

function withoutRacks({ topics, members }: AssignmentInput): AssignmentInput {
  return {
    topics: new Map([...topics].map(([name, { partitions }]) => [name, { partitions }])),
    members,
  }
}

const keysOf = (text: string): string[] =>
  partitionsOf(text).map(({ topic, partition }) => `${topic}:${partition}`)

describe.each(NAMES)('%s, whatever the group', name => {
  const assignor = ASSIGNORS[name]

  it('every partition with a subscriber is assigned to a subscriber', () => {
    const random = seededRandom(7)
    for (let round = 0; round < 300; round++) {
      const input = randomInput(random)
      const result = assignor.assign(input)
      expect([...result.keys()].sort()).toEqual(input.members.map(m => m.memberId).sort())
      const given = [...result.values()].flat().map(p => `${p.topic}:${p.partition}`)
      expect(new Set(given).size).toBe(given.length)
      for (const { memberId, topics } of input.members) {
        for (const { topic } of result.get(memberId)!) expect(topics).toContain(topic)
      }
      if (assignor.protocol === 'cooperative') continue
      const wanted = new Set(input.members.flatMap(member => member.topics))
      const all = [...wanted].reduce((sum, t) => sum + (input.topics.get(t)?.partitions ?? 0), 0)
      expect(given.length).toBe(all)
    }
  })

  it('the assignment does not depend on the order of members, and the input is not changed', () => {
    const random = seededRandom(8)
    for (let round = 0; round < 100; round++) {
      const input = randomInput(random)
      const before = JSON.stringify(input)
      const result = resultOf(assignor.assign(input))
      expect(JSON.stringify(input)).toBe(before)
      const reversed = {
        topics: new Map([...input.topics].reverse()),
        members: [...input.members].reverse(),
      }
      expect(resultOf(assignor.assign(reversed))).toEqual(result)
    }
  })
})

describe.each(['sticky', 'cooperative-sticky'] as const)('%s, whatever the group', name => {
  const assignor = ASSIGNORS[name]

  function again(input: AssignmentInput, generationId: number): AssignmentInput {
    const result = assignor.assign(input)
    const members = input.members.map(member => {
      const ownedPartitions = result.get(member.memberId)!
      const userData = assignor.userData?.(ownedPartitions, generationId)
      return { ...member, ownedPartitions, generationId, userData } as MemberSubscription
    })
    return { topics: input.topics, members }
  }

  it('repeated assignments settle, with even shares if no racks are given', () => {
    const random = seededRandom(9)
    for (let round = 0; round < 200; round++) {
      let input = withoutRacks(randomInput(random))
      for (let generation = 5; generation < 8; generation++) input = again(input, generation)
      const at = (i: AssignmentInput) => i.members.map(m => m.ownedPartitions)
      expect(at(again(input, 8))).toEqual(at(input))
      for (const member of input.members) {
        for (const other of input.members) {
          const wanted = other.ownedPartitions.some(({ topic }) => member.topics.includes(topic))
          const difference = other.ownedPartitions.length - member.ownedPartitions.length
          if (wanted) expect(difference).toBeLessThanOrEqual(1)
        }
      }
    }
  })

  it('remaining members keep all partitions when one leaves an even group', () => {
    const random = seededRandom(10)
    for (let round = 0; round < 100; round++) {
      const count = 2 + random.int(6)
      const members = Object.fromEntries(
        Array.from({ length: count }, (_, n) => [`m-${n}`, { topics: 'a b' }]),
      )
      let input = inputOf({ assignor: name, topics: { a: 7, b: 1 + random.int(9) }, members })
      input = again(input, 1)
      const gone = random.int(count)
      const rest = { ...input, members: input.members.filter((_, n) => n !== gone) }
      const result = assignor.assign(rest)
      for (const { memberId, ownedPartitions } of rest.members) {
        expect(result.get(memberId)).toEqual(expect.arrayContaining([...ownedPartitions]))
      }
    }
  })
})

it('cooperative-sticky never assigns what another member of the generation owns', () => {
  const random = seededRandom(11)
  const assignor = ASSIGNORS['cooperative-sticky']
  for (let round = 0; round < 300; round++) {
    const { topics, members } = randomInput(random)
    const free = new Set<string>()
    const disjoint = members.map(member => ({
      ...member,
      generationId: 3,
      ownedPartitions: member.ownedPartitions.filter(({ topic, partition }) => {
        const key = `${topic}:${partition}`
        return !free.has(key) && free.add(key)
      }),
    }))
    const result = resultOf(assignor.assign({ topics, members: disjoint }))
    for (const { memberId, ownedPartitions } of disjoint) {
      const held = new Set(ownedPartitions.map(p => `${p.topic}:${p.partition}`))
      for (const [other, text] of Object.entries(result)) {
        if (other !== memberId) expect(keysOf(text).filter(key => held.has(key))).toEqual([])
      }
    }
  }
})
