import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../src/base/random.js'
import {
  listed,
  setsOf,
  type PartitionSets,
} from '../../../src/coordinator/consumer-groups/partition-sets.js'
import { rangeTargets } from '../../../src/coordinator/consumer-groups/range-targets.js'
import type {
  AssignableMember,
  AssignmentTask,
  Targets,
} from '../../../src/coordinator/consumer-groups/server-assignor.js'
import {
  preferredAssignor,
  SERVER_ASSIGNORS,
} from '../../../src/coordinator/consumer-groups/server-assignors.js'
import { uniformTargets } from '../../../src/coordinator/consumer-groups/uniform-targets.js'

interface Someone {
  readonly topics: string
  readonly instanceId?: string
  readonly target?: Record<string, number[]>
}

/** Members by id; topics are letters with numbers of partitions. */
function task(members: Record<string, Someone>, counts: Record<string, number>): AssignmentTask {
  return {
    members: Object.entries(members).map(([memberId, { topics, instanceId = null, target = {} }]) => ({
      memberId,
      instanceId,
      topicIds: new Set(topics),
      target: setsOf(
        Object.entries(target).map(([topicId, partitions]) => ({ topicId, partitions })),
      ),
    })),
    partitionCounts: new Map(Object.entries(counts)),
  }
}

/** As `a: t0,1 u2`. */
function shown(targets: Targets): string[] {
  const share = (sets: PartitionSets): string =>
    listed(sets)
      .map(({ topicId, partitions }) => `${topicId}${partitions.join()}`)
      .join(' ')
  return [...targets].map(([memberId, sets]) => `${memberId}: ${share(sets)}`).sort()
}

describe('range', () => {
  it('members get consecutive partitions of each topic, the first ones more', () => {
    const members = { a: { topics: 'tu' }, b: { topics: 'tu' }, c: { topics: 'tu' } }
    expect(shown(rangeTargets.assign(task(members, { t: 5, u: 2 })))).toEqual([
      'a: t0,1 u0',
      'b: t2,3 u1',
      'c: t4',
    ])
  })

  it('only readers of a topic share it', () => {
    const members = { a: { topics: 't' }, b: { topics: 'tu' }, c: { topics: 'u' } }
    expect(shown(rangeTargets.assign(task(members, { t: 3, u: 3 })))).toEqual([
      'a: t0,1',
      'b: t2 u0,1',
      'c: u2',
    ])
  })

  it('static members come first, by their instance ids', () => {
    const members = {
      a: { topics: 't' },
      y: { topics: 't', instanceId: 'j' },
      z: { topics: 't', instanceId: 'i' },
    }
    expect(shown(rangeTargets.assign(task(members, { t: 3 })))).toEqual(['a: t2', 'y: t1', 'z: t0'])
  })
})

describe('uniform', () => {
  it('a new member gets its share, and nothing else moves', () => {
    const members = { a: { topics: 't', target: { t: [0, 1, 2] } }, b: { topics: 't' } }
    expect(shown(uniformTargets.assign(task(members, { t: 3 })))).toEqual(['a: t0,1', 'b: t2'])
  })

  it('what a member has left goes to those with the fewest', () => {
    const members = {
      a: { topics: 't', target: { t: [0, 1] } },
      b: { topics: 't', target: { t: [4] } },
    }
    expect(shown(uniformTargets.assign(task(members, { t: 6 })))).toEqual([
      'a: t0,1,3',
      'b: t2,4,5',
    ])
  })

  it('partitions that are gone, or that two members had, are in one target at most', () => {
    const members = {
      a: { topics: 't', target: { t: [0, 1, 9] } },
      b: { topics: 't', target: { t: [1], u: [0] } },
    }
    expect(shown(uniformTargets.assign(task(members, { t: 2 })))).toEqual(['a: t0', 'b: t1'])
  })

  it('where subscriptions differ, members get as alike as they can', () => {
    const members = { a: { topics: 't' }, b: { topics: 'tu' }, c: { topics: 'u' } }
    expect(shown(uniformTargets.assign(task(members, { t: 2, u: 4 })))).toEqual([
      'a: t0,1',
      'b: u0,2',
      'c: u1,3',
    ])
  })
})

describe.each([...SERVER_ASSIGNORS.values()])('any group, by $name', ({ name, assign }) => {
  it('each partition with readers has one, who subscribes to it', () => {
    for (let seed = 0; seed < 300; seed++) {
      const random = seededRandom(seed)
      const topics = ['t', 'u', 'v', 'w'].slice(0, 1 + random.int(4))
      const partitionCounts = new Map(topics.map(topic => [topic, random.int(7)]))
      let members: AssignableMember[] = []
      for (let round = 0; round < 4; round++) {
        members = members.filter(() => random.int(3) > 0)
        const names = Array.from({ length: random.int(4) }, (_, at) => `m${seed}-${round}-${at}`)
        const joining = names.map(memberId => ({ memberId, instanceId: null, target: new Map() }))
        const isAlike = seed % 2 === 0
        members = [...members, ...joining].map(member => ({
          ...member,
          topicIds: new Set(isAlike ? topics : topics.filter(() => random.int(2) === 0)),
        }))
        const targets = assign({ members, partitionCounts })
        check({ members, partitionCounts }, targets)
        if (name === 'uniform' && isAlike) checkEven(targets)
        members = members.map(each => ({ ...each, target: targets.get(each.memberId) ?? new Map() }))
      }
    }
  })
})

function check({ members, partitionCounts }: AssignmentTask, targets: Targets): void {
  expect([...targets.keys()].sort()).toEqual(members.map(({ memberId }) => memberId).sort())
  const given = [...targets].flatMap(([memberId, sets]) =>
    listed(sets).flatMap(({ topicId, partitions }) => {
      const reader = members.find(each => each.memberId === memberId)
      expect(reader?.topicIds.has(topicId)).toBe(true)
      return partitions.map(partition => `${topicId}-${partition}`)
    }),
  )
  const wanted = [...partitionCounts]
    .filter(([topicId]) => members.some(({ topicIds }) => topicIds.has(topicId)))
    .flatMap(([topicId, count]) => Array.from({ length: count }, (_, at) => `${topicId}-${at}`))
  expect(given.sort()).toEqual(wanted.sort())
}

function checkEven(targets: Targets): void {
  const counts = [...targets.values()].map(sets =>
    listed(sets).reduce((sum, { partitions }) => sum + partitions.length, 0),
  )
  if (counts.length > 0) expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1)
}

describe('which assignor', () => {
  it('most members decide; nobody asks for one: uniform', () => {
    const wishes = (...names: (string | null)[]) =>
      preferredAssignor(names.map(assignor => ({ assignor }))).name
    expect(wishes()).toBe('uniform')
    expect(wishes(null, 'range', null)).toBe('range')
    expect(wishes('range', 'uniform', 'range')).toBe('range')
    expect(wishes('of a newer Kafka')).toBe('uniform')
  })
})
