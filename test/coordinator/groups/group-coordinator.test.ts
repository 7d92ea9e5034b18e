import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../src/base/random.js'
import type { GroupCoordinator } from '../../../src/coordinator/groups/group-coordinator.js'
import { PartlogError } from '../../../src/model/errors.js'
import {
  encodeVersioned,
  offsetCommitKey,
  offsetCommitValue,
} from '../../../src/protocol/messages/group-records.js'
import { ArrayJournal } from '../fold/array-journal.js'
import { vector } from '../../golden/vectors.js'
import { at, groupWorld as coordinator, newcomer, outside } from './group-world.js'

/** Everything the groups have committed. */
async function pictureOf(groups: GroupCoordinator): Promise<unknown> {
  const pictures: unknown[] = []
  for (const { groupId } of groups.groups) {
    const offsets = await groups.committedOffsets(groupId)
    pictures.push([groupId, offsets.toSorted((a, b) => a.partition - b.partition)])
  }
  return pictures.toSorted()
}

async function expectSameAfterReplay(
  journal: ArrayJournal,
  groups: GroupCoordinator,
): Promise<void> {
  const again = await coordinator(new ArrayJournal([...journal.records]))
  expect(await pictureOf(again.groups)).toEqual(await pictureOf(groups))
}

describe('committed offsets', () => {
  it('a group reads its last committed offsets', async () => {
    const { journal, clock, groups } = await coordinator()
    await groups.commit(outside('g', at('orders', 0, 5), at('orders', 1, 7, 'm')))
    await clock.advance(1000)
    await groups.commit(outside('g', at('orders', 0, 6)))
    const common = { topic: 'orders', leaderEpoch: 2, expiresAt: -1 }
    expect(await groups.committedOffsets('g')).toEqual([
      { ...common, partition: 0, offset: 6, metadata: '', committedAt: clock.now() },
      { ...common, partition: 1, offset: 7, metadata: 'm', committedAt: clock.now() - 1000 },
    ])
    expect(await groups.committedOffsets('other')).toEqual([])
    await expectSameAfterReplay(journal, groups)
  })

  it('the last commit counts, also if it is lower', async () => {
    const { journal, groups } = await coordinator()
    for (const offset of [9, 4]) await groups.commit(outside('g', at('orders', 0, offset)))
    expect(await groups.committedOffsets('g')).toMatchObject([{ offset: 4 }])
    await expectSameAfterReplay(journal, groups)
  })

  it('a coordinator that has resigned takes and tells nothing', async () => {
    const { journal, groups } = await coordinator()
    await groups.commit(outside('g', at('orders', 0, 4)))
    const gone = new PartlogError('NOT_COORDINATOR', 'another broker leads')
    groups.resign(gone)
    await expect(groups.commit(outside('g', at('orders', 0, 5)))).rejects.toBe(gone)
    await expect(groups.committedOffsets('g')).rejects.toBe(gone)
    await expect(groups.join('g', newcomer())).rejects.toBe(gone)
    expect(journal.records).toHaveLength(1)
  })

  it("stand in the journal in Kafka's own bytes", async () => {
    const { journal, groups } = await coordinator()
    await groups.commit(outside('g1', at('orders', 3, 1234, 'm')))
    const [record] = journal.records
    expect(record?.key).toEqual(vector('offsetKey'))
    const golden = Buffer.from(vector('offsetValue_v4'))
    golden.writeInt32BE(2, 10) // leader epoch
    golden.writeBigInt64BE(BigInt(Date.UTC(2026, 0, 1)), golden.length - 9)
    expect(record?.value).toEqual(golden)
  })

  it('committed offsets of older versions are read, and other records ignored', async () => {
    const key = encodeVersioned(offsetCommitKey, { group: 'g', topic: 't', partition: 0 }, 0)
    const value = { offset: 9, metadata: '', commitTimestamp: 5 }
    const journal = new ArrayJournal([
      { key: vector('groupKey'), value: vector('groupValue_v3') },
      { key, value: encodeVersioned(offsetCommitValue, value, 0) },
      { key: null, value: null },
      { key: Buffer.alloc(1), value: null },
    ])
    const { groups } = await coordinator(journal)
    expect(await groups.committedOffsets('g')).toEqual([
      {
        topic: 't',
        partition: 0,
        offset: 9,
        leaderEpoch: -1,
        metadata: '',
        committedAt: 5,
        expiresAt: -1,
      },
    ])
    expect(groups.groups.map(group => [group.groupId, group.state])).toEqual([
      ['g1', 'Stable'],
      ['g', 'Empty'],
    ])
  })

  it('offsets with too large metadata are refused, the others committed', async () => {
    const { journal, groups } = await coordinator()
    const tooMuch = at('orders', 1, 7, 'ä'.repeat(2049))
    const refused = await groups.commit(outside('g', at('orders', 0, 5), tooMuch))
    expect([...refused.keys()]).toEqual([tooMuch])
    expect(refused.get(tooMuch)).toMatchObject({
      code: 'OFFSET_METADATA_TOO_LARGE',
      message: expect.stringContaining('4098 bytes, at most 4096'),
    })
    expect(journal.records).toHaveLength(1)
    expect(await groups.commit(outside('g', at('orders', 1, 7, 'ä'.repeat(2048))))).toEqual(
      new Map(),
    )
    expect(await groups.committedOffsets('g')).toHaveLength(2)
  })

  it('the committed offsets of a deleted topic are deleted in every group', async () => {
    const { journal, groups } = await coordinator()
    await groups.commit(outside('g', at('gone', 0, 1), at('stays', 0, 2)))
    await groups.commit(outside('h', at('gone', 3, 4)))
    await groups.forgetTopics(topic => topic === 'gone')
    expect(await pictureOf(groups)).toMatchObject([
      ['g', [{ topic: 'stays' }]],
      ['h', []], // it stays until it expires
    ])
    expect(journal.records.slice(-2).map(({ value }) => value)).toEqual([null, null])
    await expectSameAfterReplay(journal, groups)
  })

  it('a group without its last offset exists until it expires or is deleted', async () => {
    for (const end of ['expires', 'deleted'] as const) {
      const { journal, groups, clock } = await coordinator()
      await groups.commit(outside('g', at('t', 0, 1)))
      await groups.deleteOffsets('g', [{ topic: 't', partition: 0 }])
      expect(groups.groups).toMatchObject([{ groupId: 'g', state: 'Empty' }])
      expect(groups.describe('g').members).toEqual([])
      await expectSameAfterReplay(journal, groups)
      if (end === 'deleted') await groups.deleteGroup('g')
      else await groups.expireOffsets()
      expect(groups.groups).toEqual([])
      expect(() => groups.describe('g')).toThrow('GROUP_ID_NOT_FOUND')
      await expect(groups.deleteGroup('g')).rejects.toMatchObject({ code: 'GROUP_ID_NOT_FOUND' })
      await expectSameAfterReplay(journal, groups)
      await clock.advance(0)
    }
  })

  it('offsets of a group without a name are refused', async () => {
    const { groups } = await coordinator()
    await expect(groups.commit(outside(''))).rejects.toMatchObject({ code: 'INVALID_GROUP_ID' })
  })
})

describe('a member', () => {
  it('a member joins, gets its own assignment, commits in its generation, and leaves', async () => {
    const { groups } = await coordinator()
    const { memberId, leader, generationId } = await groups.join('g', newcomer())
    expect({ leader, generationId }).toEqual({ leader: memberId, generationId: 1 })
    expect(memberId).toMatch(/^app-[0-9a-f]{32}$/)
    const name = { memberId, groupInstanceId: null, generationId }
    const commit = (request: object) =>
      groups.commit({ ...outside('g', at('t', 0, 1)), ...name, ...request })
    await expect(commit({})).rejects.toMatchObject({ code: 'REBALANCE_IN_PROGRESS' })
    const assignments = [{ memberId, assignment: Buffer.from('all') }]
    const protocol = { protocolType: 'consumer', protocolName: 'range' }
    const synced = await groups.sync('g', { ...name, ...protocol, assignments })
    expect(synced.assignment).toEqual(Buffer.from('all'))
    await commit({})
    await expect(commit({ generationId: 0 })).rejects.toMatchObject({ code: 'ILLEGAL_GENERATION' })
    const stranger = { memberId: 'stranger' }
    await expect(commit(stranger)).rejects.toMatchObject({ code: 'UNKNOWN_MEMBER_ID' })
    await expect(commit({ memberId: '', generationId: -1 })).rejects.toMatchObject({
      code: 'UNKNOWN_MEMBER_ID',
    })
    groups.leave('g', [{ ...name, reason: '' }])
    await expect(commit({})).rejects.toMatchObject({ code: 'UNKNOWN_MEMBER_ID' })
    await commit({ memberId: '', generationId: -1 })
  })
})

describe('any commits', () => {
  it('replaying the records of any commits gives the same offsets', async () => {
    const random = seededRandom(3)
    const { journal, groups } = await coordinator()
    for (let step = 0; step < 300; step++) {
      if (random.int(10) === 0) {
        const gone = `t${random.int(3)}`
        await groups.forgetTopics(topic => topic === gone)
        continue
      }
      const offsets = Array.from({ length: 1 + random.int(3) }, () =>
        at(`t${random.int(3)}`, random.int(3), random.int(1000)),
      )
      await groups.commit(outside(`g${random.int(4)}`, ...offsets))
    }
    expect(journal.records.length).toBeGreaterThan(300)
    await expectSameAfterReplay(journal, groups)
  })
})
