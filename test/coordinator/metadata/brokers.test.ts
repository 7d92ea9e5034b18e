/** Brokers that come and go, and ISRs that leaders ask for: which records, and which refusals. */

import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../src/base/random.js'
import { StateMachine, type Decision } from '../../../src/coordinator/fold/state-machine.js'
import {
  admitBroker,
  alterIsr,
  balanceLeaders,
  electLeader,
  fenceBroker,
  formCluster,
  recoverLeaders,
  replicaFailed,
  type IsrChange,
} from '../../../src/coordinator/metadata/brokers.js'
import { ClusterImage } from '../../../src/coordinator/metadata/cluster-image.js'
import { createTopic } from '../../../src/coordinator/metadata/topics.js'
import { decodeMetadataRecord } from '../../../src/protocol/messages/metadata-records.js'
import { ArrayJournal } from '../fold/array-journal.js'

const THREE = [1, 2, 3].map(id => ({ id, rack: null as string | null }))
const ORDERS = { topic: 'orders', partition: 0 }

/** Brokers 1, 2 and 3, and orders-0 on these of them. */
async function house(assignment: number[] = [1, 2, 3], config: Record<string, unknown> = {}) {
  const journal = new ArrayJournal()
  const machine = await StateMachine.load(journal, new ClusterImage())
  const image = machine.state
  const run = <T>(decide: (image: ClusterImage) => Decision<T>): Promise<T> => machine.run(decide)
  await run(() => formCluster(image, THREE))
  const context = { brokerIds: [1, 2, 3], random: seededRandom(1) }
  const topic = { name: 'orders', partitionCount: 1, replicationFactor: 1, config }
  await run(() => createTopic(image, { ...topic, assignment: [assignment] }, context))
  const fence = (...ids: number[]): Promise<unknown> =>
    Promise.all(ids.map(id => run(() => fenceBroker(image, id))))
  const admit = (id: number): Promise<unknown> => run(() => admitBroker(image, { id, rack: null }))
  const partition = () => image.topics.get('orders')?.partitions[0]
  const state = (): unknown[] => {
    const { leader, leaderEpoch, isr } = partition() ?? {}
    return [leader, leaderEpoch, isr?.join()]
  }
  const kinds = (decision: Decision<unknown>): unknown[] =>
    decision.records.map(({ value }) => decodeMetadataRecord(value as Uint8Array)?.kind)
  return { image, run, fence, admit, partition, state, kinds }
}

describe('brokers', () => {
  it('brokers that are registered unchanged need no record', async () => {
    const { image, kinds } = await house()
    expect(kinds(formCluster(image, THREE))).toEqual([])
  })

  it('a broker in another rack is registered again, in the next epoch', async () => {
    const { image, run } = await house()
    await run(() => formCluster(image, [{ id: 1, rack: 'x' }, ...THREE.slice(1)]))
    expect(image.brokers.get(1)).toEqual({ id: 1, rack: 'x', brokerEpoch: 1, isFenced: false })
    expect(image.brokers.get(2)?.brokerEpoch).toBe(0)
  })

  it('a missing broker is fenced once, and others lead its partitions', async () => {
    const { image, run, kinds, state } = await house()
    await run(() => formCluster(image, THREE.slice(1)))
    expect([image.isAlive(1), state()]).toEqual([false, [2, 1, '2,3']])
    expect(kinds(formCluster(image, THREE.slice(1)))).toEqual([])
  })

  it('fencing a fenced broker changes nothing; an unknown broker is refused', async () => {
    const { image, fence, kinds } = await house()
    await fence(1)
    expect(kinds(fenceBroker(image, 1))).toEqual([])
    expect(() => fenceBroker(image, 9)).toThrow('BROKER_ID_NOT_REGISTERED')
  })

  it('a returning broker has a new epoch and leads partitions that waited for it', async () => {
    const { image, fence, admit, state } = await house([1, 2])
    await fence(2, 1)
    expect(state()).toEqual([-1, 1, '1'])
    await admit(3)
    await admit(2)
    expect(state()).toEqual([-1, 1, '1'])
    await admit(1)
    expect(state()).toEqual([1, 2, '1'])
    expect(image.brokers.get(1)?.brokerEpoch).toBe(1)
  })

  it('a broker without a replica of a partition does not change it', async () => {
    const { image, fence, run, kinds } = await house([1, 2])
    await fence(2, 1)
    await run(() => admitBroker(image, { id: 2, rack: null }))
    // The last in-sync replica has come back behind the controller's back: it is not broker 3's.
    await run(() => admitBroker(image, { id: 1, rack: null }))
    await fence(1)
    expect(kinds(admitBroker(image, { id: 3, rack: null }))).toEqual(['RegisterBroker'])
  })
})

describe('a replica that fails', () => {
  it('a failed replica leaves the ISR and its leadership unless it is the last', async () => {
    const { image, run, state } = await house()
    for (const expected of [
      [2, 1, '2,3'],
      [3, 2, '3'],
      [-1, 3, '3'],
    ]) {
      const failed = expected[1] as number
      await run(() => replicaFailed(image, failed, ORDERS))
      expect(state()).toEqual(expected)
    }
  })

  it('a failed replica of a partition that does not exist changes nothing', async () => {
    const { image, kinds } = await house()
    expect(kinds(replicaFailed(image, 1, { topic: 'orders', partition: 1 }))).toEqual([])
    expect(kinds(replicaFailed(image, 1, { topic: 'gone', partition: 0 }))).toEqual([])
  })

  it('a failed replica counts as dead in every election', async () => {
    const { image, run, fence, admit, state } = await house([1, 2])
    image.setReplicaHealth(brokerId => brokerId !== 1)
    await run(() => replicaFailed(image, 1, ORDERS))
    expect(state()).toEqual([2, 1, '2'])
    await fence(2)
    await admit(2)
    expect(state()).toEqual([2, 3, '2'])
    const elect = (type: 'preferred' | 'unclean') => (): unknown => electLeader(image, type, ORDERS)
    expect(elect('preferred')).toThrow('PREFERRED_LEADER_NOT_AVAILABLE')
    await fence(2)
    expect(elect('unclean')).toThrow('ELIGIBLE_LEADERS_NOT_AVAILABLE')
  })

  it('a failed replica leads if it is the only one', async () => {
    const { image, run, state } = await house([1])
    image.setReplicaHealth(() => false)
    await run(() => formCluster(image, THREE))
    expect(state()).toEqual([1, 0, '1'])
  })

  it('a replica out of sync does not win the recovery of a partition', async () => {
    const { image, run, fence, admit, state } = await house([1, 2])
    await fence(2)
    await admit(2)
    image.setReplicaHealth(brokerId => brokerId !== 1)
    const ends = (id: number) => (id === 2 ? { epoch: 0, offset: 5 } : undefined)
    await run(() => recoverLeaders(image, ends))
    expect(state()).toEqual([-1, 1, '1'])
  })
})

describe('recovery', () => {
  it('recovery does not change the leader of a partition with one replica', async () => {
    const { image, kinds } = await house([1])
    expect(kinds(recoverLeaders(image, () => ({ epoch: 0, offset: 5 })))).toEqual([])
  })

  it('recovery elects the in-sync replica with the longest log', async () => {
    const { image, run, state } = await house()
    await run(() => recoverLeaders(image, id => ({ epoch: 0, offset: id === 3 ? 6 : 5 })))
    expect(state()).toEqual([3, 1, '1,2,3'])
  })
})

describe('an ISR that is asked for', () => {
  const wish = (change: Partial<IsrChange> = {}): IsrChange => ({
    ...ORDERS,
    brokerId: 1,
    leaderEpoch: 0,
    partitionEpoch: 0,
    isr: [1, 2],
    ...change,
  })

  it('a requested ISR is stored in the order of the replicas', async () => {
    const { image, run, partition } = await house([3, 1, 2])
    await run(() => alterIsr(image, wish({ brokerId: 3, isr: [2, 3] })))
    expect(partition()).toMatchObject({ isr: [3, 2], leader: 3, leaderEpoch: 0, partitionEpoch: 1 })
  })

  it.each<[string, Partial<IsrChange>, string]>([
    ['of no topic', { topic: 'gone' }, 'UNKNOWN_TOPIC_OR_PARTITION'],
    ['of no partition', { partition: 1 }, 'UNKNOWN_TOPIC_OR_PARTITION'],
    ['by one that does not lead', { brokerId: 2 }, 'FENCED_LEADER_EPOCH'],
    ['of an older leadership', { leaderEpoch: -1 }, 'FENCED_LEADER_EPOCH'],
    ['of a later leadership', { leaderEpoch: 1 }, 'FENCED_LEADER_EPOCH'],
    ['of a state that is over', { partitionEpoch: -1 }, 'INVALID_UPDATE_VERSION'],
    ['without the leader', { isr: [2] }, 'INELIGIBLE_REPLICA'],
    ['with one that is no replica', { isr: [1, 4] }, 'INELIGIBLE_REPLICA'],
    ['with one that is a broker, and no replica', { isr: [1, 3] }, 'INELIGIBLE_REPLICA'],
    ['with one that is dead', { isr: [1, 2] }, 'INELIGIBLE_REPLICA'],
  ])('%s is refused', async (what, change, code) => {
    const { image, fence, partition } = await house([1, 2])
    if (what === 'with one that is dead') await fence(2)
    const { partitionEpoch } = partition() as { partitionEpoch: number }
    expect(() => alterIsr(image, wish({ partitionEpoch, ...change }))).toThrow(code)
  })
})

describe('leaders that are not the preferred ones', () => {
  it('leaderships move back to live, in-sync preferred leaders, a limited number at a time', async () => {
    const { image, run, fence, admit, state } = await house([1, 2])
    expect(balanceLeaders(image, 10)).toEqual({ records: [], answer: 0 })
    await fence(1)
    expect(balanceLeaders(image, 10).answer).toBe(0) // it is dead
    await admit(1)
    expect(balanceLeaders(image, 10).answer).toBe(0) // it is not in sync
    const wish = { ...ORDERS, brokerId: 2, leaderEpoch: 1, partitionEpoch: 1, isr: [1, 2] }
    await run(() => alterIsr(image, wish))
    expect(balanceLeaders(image, 0).answer).toBe(0)
    await run(() => ({ ...balanceLeaders(image, 10), answer: undefined }))
    expect(state()).toEqual([1, 2, '1,2'])
  })
})

describe('an election that is asked for', () => {
  it('an election that is not needed is refused', async () => {
    const { image } = await house()
    for (const type of ['preferred', 'unclean'] as const) {
      expect(() => electLeader(image, type, ORDERS)).toThrow('ELECTION_NOT_NEEDED')
      expect(() => electLeader(image, type, { ...ORDERS, partition: 1 })).toThrow(
        'UNKNOWN_TOPIC_OR_PARTITION',
      )
    }
  })

  it('a preferred election makes the preferred leader lead if it is in sync', async () => {
    const { image, run, fence, admit, state } = await house([1, 2])
    await fence(1)
    const preferred = (): unknown => electLeader(image, 'preferred', ORDERS)
    expect(preferred).toThrow('PREFERRED_LEADER_NOT_AVAILABLE')
    await admit(1)
    expect(preferred).toThrow('PREFERRED_LEADER_NOT_AVAILABLE')
    const wish = { ...ORDERS, brokerId: 2, leaderEpoch: 1, partitionEpoch: 1, isr: [1, 2] }
    await run(() => alterIsr(image, wish))
    await run(() => electLeader(image, 'preferred', ORDERS))
    expect(state()).toEqual([1, 2, '1,2'])
  })

  it('an unclean election elects a replica out of sync if there is no leader', async () => {
    const { image, run, fence, admit, state } = await house([1, 2, 3])
    await fence(3, 2, 1)
    expect(() => electLeader(image, 'unclean', ORDERS)).toThrow('ELIGIBLE_LEADERS_NOT_AVAILABLE')
    await admit(3)
    await admit(2)
    await run(() => electLeader(image, 'unclean', ORDERS))
    expect(state()).toEqual([2, 2, '2'])
  })
})
