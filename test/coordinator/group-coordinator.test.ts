import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../src/base/random.js'
import { VirtualClock } from '../../src/base/virtual-clock.js'
import { GroupCoordinator, type OffsetToCommit } from '../../src/coordinator/group-coordinator.js'
import { ArrayJournal } from '../../src/coordinator/journal.js'
import {
  encodeVersioned,
  offsetCommitKey,
  offsetCommitValue,
} from '../../src/protocol/messages/group-records.js'
import { vector } from '../golden/vectors.js'

async function coordinator(journal = new ArrayJournal()) {
  const clock = new VirtualClock()
  const groups = await GroupCoordinator.load(journal, clock, seededRandom(1))
  return { journal, clock, groups }
}

const at = (topic: string, partition: number, offset: number, metadata = ''): OffsetToCommit => ({
  topic,
  partition,
  offset,
  leaderEpoch: 2,
  metadata,
})

/** A commit of one who is no member. */
const outside = (groupId: string, ...offsets: OffsetToCommit[]) => ({
  groupId,
  memberId: '',
  generationId: -1,
  offsets,
})

/** Everything the groups have committed. */
function pictureOf(groups: GroupCoordinator): unknown {
  return [...groups.groups]
    .map(group => [group.groupId, [...group.offsets].sort((a, b) => a.partition - b.partition)])
    .sort()
}

async function expectSameAfterReplay(
  journal: ArrayJournal,
  groups: GroupCoordinator,
): Promise<void> {
  const again = await coordinator(new ArrayJournal([...journal.records]))
  expect(pictureOf(again.groups)).toEqual(pictureOf(groups))
}

describe('committed offsets', () => {
  it('are there for those who ask, the last one counts', async () => {
    const { journal, clock, groups } = await coordinator()
    await groups.commit(outside('g', at('orders', 0, 5), at('orders', 1, 7, 'm')))
    await clock.advance(1000)
    await groups.commit(outside('g', at('orders', 0, 6)))
    const common = { topic: 'orders', leaderEpoch: 2 }
    expect(await groups.committedOffsets('g')).toEqual([
      { ...common, partition: 0, offset: 6, metadata: '', committedAt: clock.now() },
      { ...common, partition: 1, offset: 7, metadata: 'm', committedAt: clock.now() - 1000 },
    ])
    expect(await groups.committedOffsets('other')).toEqual([])
    await expectSameAfterReplay(journal, groups)
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

  it('of older versions are read, and other records passed over', async () => {
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
      { topic: 't', partition: 0, offset: 9, leaderEpoch: -1, metadata: '', committedAt: 5 },
    ])
    expect([...groups.groups]).toHaveLength(1)
  })

  it('are committed all or none', async () => {
    const { journal, groups } = await coordinator()
    const tooMuch = at('orders', 1, 7, 'ä'.repeat(2049))
    await expect(groups.commit(outside('g', at('orders', 0, 5), tooMuch))).rejects.toMatchObject({
      code: 'OFFSET_METADATA_TOO_LARGE',
      message: expect.stringContaining('4098 bytes, at most 4096'),
    })
    expect(journal.records).toEqual([])
    await groups.commit(outside('g', at('orders', 1, 7, 'ä'.repeat(2048))))
  })

  it('of a topic that is no more are taken back, in every group', async () => {
    const { journal, groups } = await coordinator()
    await groups.commit(outside('g', at('gone', 0, 1), at('stays', 0, 2)))
    await groups.commit(outside('h', at('gone', 3, 4)))
    await groups.forgetTopics(topic => topic === 'gone')
    expect(pictureOf(groups)).toMatchObject([['g', [{ topic: 'stays' }]]])
    expect(journal.records.slice(-2).map(({ value }) => value)).toEqual([null, null])
    await expectSameAfterReplay(journal, groups)
  })

  it('of a group without a name are refused', async () => {
    const { groups } = await coordinator()
    await expect(groups.commit(outside(''))).rejects.toMatchObject({ code: 'INVALID_GROUP_ID' })
  })
})

describe('a member', () => {
  it('joins, commits in its generation, and leaves', async () => {
    const { journal, groups } = await coordinator()
    const member = groups.join('g', '', 'app', 'consumer')
    expect(member).toMatchObject({ clientId: 'app', generationId: 1, protocolType: 'consumer' })
    expect(member.memberId).toMatch(/^app-[0-9a-f]{32}$/)
    const { memberId } = member
    const commit = (generationId: number, id = memberId) =>
      groups.commit({ groupId: 'g', memberId: id, generationId, offsets: [at('t', 0, 1)] })
    await commit(1)
    await expect(commit(0)).rejects.toMatchObject({ code: 'ILLEGAL_GENERATION' })
    await expect(commit(1, 'stranger')).rejects.toMatchObject({ code: 'UNKNOWN_MEMBER_ID' })
    await expect(commit(-1, '')).rejects.toMatchObject({ code: 'UNKNOWN_MEMBER_ID' })
    groups.leave('g', memberId)
    await expect(commit(1)).rejects.toMatchObject({ code: 'UNKNOWN_MEMBER_ID' })
    await commit(-1, '')
    expect(journal.records).toHaveLength(2)
  })

  it('that joins again is in a new generation', async () => {
    const { groups } = await coordinator()
    const { memberId } = groups.join('g', '', 'app', 'consumer')
    expect(groups.join('g', memberId, 'app', 'consumer').generationId).toBe(2)
    const commit = { groupId: 'g', memberId, offsets: [at('t', 0, 1)] }
    await expect(groups.commit({ ...commit, generationId: 1 })).rejects.toMatchObject({
      code: 'ILLEGAL_GENERATION',
    })
    await groups.commit({ ...commit, generationId: 2 })
  })

  it('is alone: a second one is refused, and told why', async () => {
    const { groups } = await coordinator()
    const { memberId } = groups.join('g', '', 'app', 'consumer')
    expect(() => groups.join('g', '', 'other', 'consumer')).toThrow(
      'GROUP_MAX_SIZE_REACHED: group g has a member (client app)',
    )
    groups.leave('g', memberId)
    expect(groups.join('g', '', 'other', 'consumer').clientId).toBe('other')
  })

  it('of nothing cannot leave', async () => {
    const { groups } = await coordinator()
    expect(() => groups.leave('g', 'm')).toThrow('UNKNOWN_MEMBER_ID')
    groups.join('g', '', 'app', 'consumer')
    expect(() => groups.leave('g', 'm')).toThrow('group g has no member "m"')
    expect(() => groups.join('', '', 'app', 'consumer')).toThrow('INVALID_GROUP_ID')
  })

  it('that leaves a group without commits leaves no group behind', async () => {
    const { groups } = await coordinator()
    const { memberId } = groups.join('g', '', 'app', 'consumer')
    expect([...groups.groups].map(group => [group.groupId, group.state])).toEqual([['g', 'Stable']])
    groups.leave('g', memberId)
    expect([...groups.groups]).toEqual([])
    await groups.commit(outside('h', at('t', 0, 1)))
    const member = groups.join('h', '', 'app', 'consumer')
    groups.leave('h', member.memberId)
    expect([...groups.groups].map(group => [group.groupId, group.state])).toEqual([['h', 'Empty']])
  })
})

describe('any commits', () => {
  it('lead to the same offsets when their records are replayed', async () => {
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
