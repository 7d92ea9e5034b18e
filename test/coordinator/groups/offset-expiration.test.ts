import { describe, expect, it } from 'vitest'
import {
  encodeVersioned,
  groupMetadataKey,
  groupMetadataValue,
  offsetCommitKey,
  offsetCommitValue,
} from '../../../src/protocol/messages/group-records.js'
import { ArrayJournal } from '../fold/array-journal.js'
import { at, groupWorld, newcomer, outside, saying, Someone, stableParty } from './group-world.js'

const MINUTE = 60_000
const DAY = 24 * 60 * MINUTE
const settings = { offsetsRetentionMinutes: 60 }

async function topicsLeft({ groups }: { groups: { committedOffsets: Function } }) {
  const offsets = (await groups.committedOffsets('g')) as { topic: string }[]
  return offsets.map(({ topic }) => topic).toSorted()
}

/** A member of the group, which goes on with its heartbeats. */
async function withMember(request: Partial<Parameters<typeof newcomer>[0]> = {}) {
  const world = await stableParty([{ sessionTimeoutMs: 1_800_000, ...request }], settings)
  const [member] = world.all as [Someone]
  const name = { groupId: 'g', ...member.name }
  const commit = (topic: string) => world.groups.commit({ ...name, offsets: [at(topic, 0, 1)] })
  const pass = async (minutes: number): Promise<void> => {
    for (let left = minutes; left > 0; left -= 10) {
      member.heartbeat()
      await world.clock.advance(Math.min(left, 10) * MINUTE)
    }
    await world.groups.expireOffsets()
  }
  return { ...world, member, commit, pass }
}

describe('offsets of a group that never had a member', () => {
  it('committed offsets without a group expire one by one, and the group with the last one', async () => {
    const world = await groupWorld(undefined, settings)
    const { groups, clock } = world
    await groups.commit(outside('g', at('a', 0, 1)))
    await clock.advance(30 * MINUTE)
    await groups.commit(outside('g', at('b', 0, 1)))
    await clock.advance(30 * MINUTE - 1)
    await groups.expireOffsets()
    expect(await topicsLeft(world)).toEqual(['a', 'b'])
    await clock.advance(1)
    await groups.expireOffsets()
    expect(await topicsLeft(world)).toEqual(['b'])
    await clock.advance(30 * MINUTE)
    await groups.expireOffsets()
    expect(groups.groups).toEqual([])
    const again = await groupWorld(new ArrayJournal([...world.journal.records]))
    expect(again.groups.groups).toEqual([])
  })
})

describe('offsets of a group with members', () => {
  it('offsets stay while the group reads their topic, and expire when it does not', async () => {
    const world = await withMember()
    await world.commit('orders')
    await world.commit('old')
    await world.pass(59)
    expect(await topicsLeft(world)).toEqual(['old', 'orders'])
    await world.pass(1)
    expect(await topicsLeft(world)).toEqual(['orders'])
    await world.pass(600)
    expect(await topicsLeft(world)).toEqual(['orders'])
    expect(world.view().state).toBe('Stable')
  })

  it('offsets stay while the group rebalances', async () => {
    const world = await withMember({ rebalanceTimeoutMs: 7 * DAY })
    await world.commit('old')
    await world.pass(60 - 1)
    void new Someone(() => world.groups).join().promise.catch(() => undefined)
    await world.clock.advance(4 * MINUTE)
    await world.groups.expireOffsets()
    expect(world.view().state).toBe('PreparingRebalance')
    expect(await topicsLeft(world)).toEqual(['old'])
  })

  it.each([
    ['of another protocol type', { protocolType: 'connect' }],
    ['whose subscription cannot be read', { protocols: [{ name: 'range', metadata: Buffer.alloc(1) }] }],
  ])('offsets of a group %s stay', async (_, request) => {
    const world = await withMember(request)
    await world.commit('old')
    await world.pass(120)
    expect(await topicsLeft(world)).toEqual(['old'])
  })

  it('offsets of a group without members expire together, counted from its end', async () => {
    const world = await withMember()
    await world.commit('orders')
    await world.pass(50)
    world.member.leave()
    await world.clock.advance(60 * MINUTE - 1)
    await world.groups.expireOffsets()
    expect(await topicsLeft(world)).toEqual(['orders'])
    const again = await groupWorld(
      new ArrayJournal([...world.journal.records]),
      settings,
      world.clock,
    )
    await again.groups.expireOffsets()
    expect(await topicsLeft(again)).toEqual(['orders'])
    await world.clock.advance(1)
    for (const { groups } of [world, again]) {
      await groups.expireOffsets()
      expect(groups.groups).toEqual([])
    }
  })

  it('offsets stay when a member joins before they expire', async () => {
    const world = await withMember()
    await world.commit('orders')
    world.member.leave()
    await world.clock.advance(59 * MINUTE)
    const back = new Someone(() => world.groups)
    back.join()
    await world.clock.advance(1 * MINUTE)
    await world.groups.expireOffsets()
    expect(await topicsLeft(world)).toEqual(['orders'])
  })
})

describe('offsets whose client says how long they are kept', () => {
  it.each([
    [1_000, 1_000],
    [2 * DAY, 2 * DAY],
    [Number.MAX_SAFE_INTEGER, undefined],
    [-1, 60 * MINUTE],
    [undefined, 60 * MINUTE],
  ])('offsets with a retention of %s ms expire after %s ms, also at a later coordinator', async (retentionTimeMs, end) => {
    const world = await groupWorld(undefined, settings)
    const commit = outside('g', at('orders', 0, 9))
    await world.groups.commit(
      retentionTimeMs === undefined ? commit : { ...commit, retentionTimeMs },
    )
    const [{ value } = { value: null }] = world.journal.records
    // The version that has room for it, the newest for all others.
    expect(value?.[1]).toBe(retentionTimeMs === undefined || retentionTimeMs < 0 ? 4 : 1)
    const later = await groupWorld(new ArrayJournal(world.journal.records), settings, world.clock)
    await world.clock.advance((end ?? 1_000 * DAY) - 1)
    for (const each of [world, later]) {
      await each.groups.expireOffsets()
      expect(await topicsLeft(each)).toEqual(['orders'])
    }
    if (end === undefined) return
    await world.clock.advance(1)
    for (const each of [world, later]) {
      await each.groups.expireOffsets()
      expect(each.groups.groups).toEqual([])
    }
  })
})

describe('offsets with an end of their own', () => {
  const offsets = (expireTimestamp: number, topic = 'orders') => ({
    key: encodeVersioned(offsetCommitKey, { group: 'g', topic, partition: 0 }, 1),
    value: encodeVersioned(
      offsetCommitValue,
      { offset: 9, metadata: '', commitTimestamp: 5, expireTimestamp },
      1,
    ),
  })

  it('offsets with an expiry of their own expire then, whatever the retention of the group', async () => {
    const journal = new ArrayJournal([offsets(Date.UTC(2026, 0, 1) + 7 * DAY)])
    const world = await groupWorld(journal, settings)
    await world.clock.advance(7 * DAY - 1)
    await world.groups.expireOffsets()
    expect(await topicsLeft(world)).toEqual(['orders'])
    await world.clock.advance(1)
    await world.groups.expireOffsets()
    expect(await topicsLeft(world)).toEqual([])
  })

  it('offsets with an expiry of their own stay while the group reads their topic', async () => {
    const { journal } = await stableParty([{ protocols: saying(['orders']) }])
    const records = [...journal.records, offsets(1), offsets(1, 'old')]
    const world = await groupWorld(new ArrayJournal(records), settings)
    await world.groups.expireOffsets()
    expect(await topicsLeft(world)).toEqual(['orders'])
  })
})

describe('groups', () => {
  it('groups of old logs, which do not say since when they are empty, expire by their commits', async () => {
    const start = Date.UTC(2026, 0, 1)
    const value = {
      protocolType: 'consumer',
      generation: 3,
      protocol: null,
      leader: null,
      members: [],
    }
    const commit = { offset: 9, metadata: '', commitTimestamp: start - 30 * MINUTE }
    const world = await groupWorld(
      new ArrayJournal([
        {
          key: encodeVersioned(groupMetadataKey, { group: 'g' }, 2),
          value: encodeVersioned(groupMetadataValue, value, 1),
        },
        {
          key: encodeVersioned(offsetCommitKey, { group: 'g', topic: 'a', partition: 0 }, 1),
          value: encodeVersioned(offsetCommitValue, commit, 3),
        },
      ]),
      settings,
    )
    await world.clock.advance(29 * MINUTE)
    await world.groups.expireOffsets()
    expect(await topicsLeft(world)).toEqual(['a'])
    await world.clock.advance(MINUTE)
    await world.groups.expireOffsets()
    expect(world.groups.groups).toEqual([])
  })

  it('a group without members and offsets is forgotten, unless a member is about to join', async () => {
    const { groups, clock, journal } = await groupWorld(undefined, settings)
    const pending = new Someone(() => groups)
    pending.join({ requiresMemberId: true })
    await clock.advance(0)
    await groups.expireOffsets()
    expect(groups.groups).toHaveLength(1)
    await clock.advance(10_000)
    await groups.expireOffsets()
    expect(groups.groups).toEqual([])
    expect(journal.records).toEqual([])
  })

  it('a group with members stays in the log, with or without commits', async () => {
    const world = await withMember()
    await world.pass(60)
    const again = await groupWorld(new ArrayJournal([...world.journal.records]))
    expect(again.groups.describe('g')).toMatchObject({ state: 'Stable' })
    expect(again.groups.describe('g').members).toHaveLength(1)
  })

  it('many expired offsets are removed in several steps', async () => {
    const world = await groupWorld(undefined, settings)
    const many = Array.from({ length: 2_500 }, (_, partition) => at('a', partition, 1))
    await world.groups.commit(outside('g', ...many))
    const sizes: number[] = []
    const append = world.journal.append.bind(world.journal)
    world.journal.append = records => {
      sizes.push(records.length)
      return append(records)
    }
    await world.clock.advance(DAY)
    await world.groups.expireOffsets()
    expect(sizes).toEqual([1_000, 1_000, 501])
    expect(world.groups.groups).toEqual([])
  })
})

describe('offsets are taken back by hand', () => {
  const place = (topic: string, partition = 0) => ({ topic, partition })

  it('deleting offsets keeps those of topics that the group reads', async () => {
    const world = await withMember()
    for (const topic of ['orders', 'old', 'older']) await world.commit(topic)
    const places = [place('orders'), place('old'), place('orders', 7), place('nowhere')]
    const kept = await world.groups.deleteOffsets('g', places)
    expect(kept).toEqual([place('orders'), place('orders', 7)])
    expect(await topicsLeft(world)).toEqual(['older', 'orders'])
    world.member.leave()
    expect(await world.groups.deleteOffsets('g', places)).toEqual([])
    expect(await topicsLeft(world)).toEqual(['older'])
  })

  it('deleting offsets removes none if the subscription cannot be read', async () => {
    const metadata = Buffer.alloc(1)
    const unreadable = await withMember({ protocols: [{ name: 'range', metadata }] })
    await unreadable.commit('old')
    expect(await unreadable.groups.deleteOffsets('g', [place('old')])).toEqual([place('old')])
    const other = await withMember({ protocolType: 'connect' })
    await other.commit('old')
    await expect(other.groups.deleteOffsets('g', [place('old')])).rejects.toMatchObject({
      code: 'NON_EMPTY_GROUP',
      message: expect.stringContaining('type "connect" is Stable, with 1 members'),
    })
    other.member.leave()
    expect(await other.groups.deleteOffsets('g', [place('old')])).toEqual([])
    const { groups } = await groupWorld()
    await expect(groups.deleteOffsets('g', [])).rejects.toThrow('GROUP_ID_NOT_FOUND')
    await expect(groups.deleteOffsets('', [])).rejects.toThrow('INVALID_GROUP_ID')
  })
})
