/** One member with the consumer protocol, against a coordinator that the test plays. */

import { describe, expect, it } from 'vitest'
import { silentLogger } from '../../../src/base/logger.js'
import { seededRandom } from '../../../src/base/random.js'
import { Deferred } from '../../../src/base/tasks.js'
import { VirtualClock } from '../../../src/base/virtual-clock.js'
import { NO_MEMBER, type GroupClient } from '../../../src/client/group/group-client.js'
import type { MemberHost } from '../../../src/client/group/group-membership.js'
import type { MemberSettings } from '../../../src/client/group/member-config.js'
import { ReadingGate } from '../../../src/client/group/reading-gate.js'
import { ReconcilingMember } from '../../../src/client/group/reconciling-member.js'
import type { MetadataCache } from '../../../src/client/line/metadata-cache.js'
import type { TopicPartition } from '../../../src/model/names.js'
import type { ConsumerGroupHeartbeatRequest } from '../../../src/protocol/messages/consumer-groups.js'

const TOPIC_ID = 'ordersAAAAAAAAAAAAAAAA'
const partitionsOf = (topicPartitions: ConsumerGroupHeartbeatRequest['topicPartitions']) =>
  (topicPartitions ?? []).flatMap(({ partitions }) => [...partitions])

/** A member whose heartbeats wait for the test, and a consumer that takes partitions when it may. */
function memberWorld() {
  const clock = new VirtualClock()
  const owned: TopicPartition[] = []
  const mayTake = new Deferred<void>()
  const beats: { owned: number[]; answer: (epoch: number, partitions?: number[]) => void }[] = []
  const client = {
    identity: NO_MEMBER,
    groupId: 'g',
    groupInstanceId: null,
    check: () => undefined,
    ask: async (_: string, { memberId, topicPartitions = [] }: ConsumerGroupHeartbeatRequest) => {
      const answered = new Deferred<object>()
      const answer = (memberEpoch: number, partitions?: number[]): void => {
        const assignment =
          partitions === undefined
            ? null
            : { topicPartitions: [{ topicId: TOPIC_ID, partitions }] }
        const times = { heartbeatIntervalMs: 5_000 }
        answered.resolve({ errorCode: 0, memberId, memberEpoch, assignment, ...times })
      }
      beats.push({ owned: partitionsOf(topicPartitions), answer })
      return await answered.promise
    },
  } as unknown as GroupClient
  const orders = { topicId: TOPIC_ID, partitions: [0, 1, 2, 3] }
  const metadata = { known: () => orders, refresh: async () => orders } as unknown as MetadataCache
  const host: MemberHost = {
    topics: () => ['orders'],
    owned: () => [...owned],
    async take(partitions) {
      await mayTake.promise
      owned.push(...partitions)
    },
    async revoke(partitions) {
      const gone = new Set(partitions.map(({ partition }) => partition))
      owned.splice(0, owned.length, ...owned.filter(each => !gone.has(each.partition)))
    },
    lose: async () => undefined,
    failed: () => undefined,
  }
  const settings = { maxPollIntervalMs: 60_000, clientId: 'one' } as MemberSettings
  const member = new ReconcilingMember({
    client,
    clock,
    random: seededRandom(1),
    logger: silentLogger,
    settings,
    metadata,
    gate: new ReadingGate(clock),
    host,
  })
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 5; turn++) await clock.advance(0)
  }
  return { member, beats, owned, mayTake, settle }
}

describe('a member whose coordinator assigns', () => {
  it('a member owns what it is about to read until it has given it back', async () => {
    const { member, beats, owned, mayTake, settle } = memberWorld()
    member.rejoin('the test begins')
    await settle()
    beats[0]?.answer(2, [0, 1, 2, 3])
    await settle()
    // It asks where to begin; meanwhile the coordinator wants two of them for another member.
    expect([owned, beats[1]?.owned]).toEqual([[], [0, 1, 2, 3]])
    beats[1]?.answer(2, [0, 1])
    await settle()
    expect(beats[2]?.owned).toEqual([0, 1, 2, 3])
    mayTake.resolve()
    await settle()
    expect(owned.map(({ partition }) => partition)).toEqual([0, 1])
    beats[2]?.answer(2)
    await settle()
    expect(beats[3]?.owned).toEqual([0, 1])
  })
})
