/** Where replicas go. */

import { describe, expect, it } from 'vitest'
import { seededRandom, type Random } from '../../../src/base/random.js'
import {
  checkAssignment,
  placeReplicas,
  type PlacementBroker,
  type PlacementRequest,
} from '../../../src/coordinator/metadata/placement.js'

/** Gives the numbers in turn, then fails. */
function dealt(...numbers: readonly number[]): Random {
  const left = [...numbers]
  return {
    int(bound) {
      const number = left.shift()
      if (number === undefined || number >= bound) throw new Error(`${number} of ${bound}`)
      return number
    },
    bytes: length => new Uint8Array(length),
  }
}

/** `brokers('0:a 1:b 2')`: broker 2 has no rack, `!` stands for fenced. */
function brokers(text: string): PlacementBroker[] {
  return text.split(' ').map(word => {
    const [id, rack] = word.replace('!', '').split(':')
    return { id: Number(id), rack: rack ?? null, isFenced: word.endsWith('!') }
  })
}

function place(
  who: string,
  partitionCount: number,
  replicationFactor: number,
  some: Partial<PlacementRequest> = {},
): string {
  const request = { brokers: brokers(who), partitionCount, replicationFactor }
  const placed = placeReplicas({ ...request, random: dealt(0, 0, 0, 0), ...some })
  return placed.map(replicas => replicas.join(',')).join(' ')
}

describe("Kafka's own examples", () => {
  it('5 brokers, 10 partitions, 3 replicas', () => {
    // broker-0  broker-1  broker-2  broker-3  broker-4
    // p0        p1        p2        p3        p4       (1st replica)
    // p5        p6        p7        p8        p9       (1st replica)
    // p4        p0        p1        p2        p3       (2nd replica)
    // p8        p9        p5        p6        p7       (2nd replica)
    // p3        p4        p0        p1        p2       (3rd replica)
    // p7        p8        p9        p5        p6       (3rd replica)
    expect(place('0 1 2 3 4', 10, 3)).toBe(
      '0,1,2 1,2,3 2,3,4 3,4,0 4,0,1 0,2,3 1,3,4 2,4,0 3,0,1 4,1,2',
    )
  })

  it('6 brokers in 3 racks', () => {
    const racks = '0:rack1 1:rack3 2:rack3 3:rack2 4:rack2 5:rack1'
    expect(place(racks, 7, 3)).toBe('0,3,1 3,1,5 1,5,4 5,4,2 4,2,0 2,0,3 0,4,2')
  })
})

describe('replicas', () => {
  it('replicas shift further with each round', () => {
    const placed = place('0 1 2 3 4', 30, 3).split(' ')
    const ofBroker0 = [0, 5, 10, 15, 20, 25].map(partition => placed[partition])
    expect(ofBroker0).toEqual(['0,1,2', '0,2,3', '0,3,4', '0,4,1', '0,1,2', '0,2,3'])
  })

  it('a rack gets a second replica only when every rack has one', () => {
    expect(place('0:a 1:b 2:b 3:b 4:c', 5, 3)).toBe('0,1,4 1,4,0 4,2,0 2,0,4 3,0,4')
  })

  it('the start and then the shift of replicas are random', () => {
    expect(place('0 1 2 3', 5, 2, { random: dealt(2, 1) })).toBe('2,0 3,1 0,2 1,3 2,1')
  })

  it('placement does not depend on the order of the given brokers', () => {
    expect(place('3 1 2', 3, 2)).toBe(place('1 2 3', 3, 2))
    expect(place('4:b 1:b 2:a 3:a', 4, 2)).toBe(place('1:b 2:a 3:a 4:b', 4, 2))
  })

  it('placement continues for added partitions', () => {
    const whole = place('0 1 2 3 4', 25, 3, { start: 1 })
    for (let before = 1; before < 5; before++) {
      const some = { start: 1, firstPartition: before, random: dealt() }
      const added = place('0 1 2 3 4', 5 - before, 3, some)
      expect(whole.split(' ').slice(before, 5).join(' ')).toBe(added)
    }
    // Kafka's new partition 5 of a topic whose partition 0 is led by broker 1.
    expect(place('0 1 2 3 4', 2, 3, { start: 1, firstPartition: 5, random: dealt() })).toBe(
      '1,4,0 2,0,1',
    )
  })

  it('replicas are spread evenly, on different brokers, over all racks', () => {
    const random = seededRandom(9)
    for (let round = 0; round < 300; round++) {
      const count = 1 + random.int(9)
      const racks = random.int(4)
      const all = Array.from({ length: count }, (_, id) => ({
        id: 10 + id,
        rack: racks === 0 ? null : `r${id % racks}`,
      }))
      const replicationFactor = 1 + random.int(count)
      const partitionCount = count * (1 + random.int(4))
      const placed = placeReplicas({ brokers: all, partitionCount, replicationFactor, random })
      const rackCount = new Set(all.map(({ rack }) => rack)).size
      for (const replicas of placed) {
        expect(new Set(replicas).size).toBe(replicationFactor)
        const used = new Set(replicas.map(id => all.find(broker => broker.id === id)?.rack))
        expect(used.size).toBeGreaterThanOrEqual(racks && Math.min(rackCount, replicationFactor))
      }
      const led = all.map(({ id }) => placed.filter(([leader]) => leader === id).length)
      expect(new Set(led)).toEqual(new Set([partitionCount / count]))
      if (racks > 0) continue // racks of different size cannot be even
      const kept = all.map(({ id }) => placed.filter(replicas => replicas.includes(id)).length)
      expect(new Set(kept)).toEqual(new Set([(partitionCount * replicationFactor) / count]))
    }
  })

  it('racks are considered only when every broker has one', () => {
    expect(place('0:a 1:a 2', 3, 2)).toBe(place('0 1 2', 3, 2))
  })

  it('racks are filled again when every rack has a replica', () => {
    expect(place('0:a 1:b 2:a 3:b', 2, 4)).toBe('0,1,2,3 1,2,3,0')
    expect(place('0:a 1:a 2:a 3:b', 3, 2)).toBe('0,3 3,1 1,3')
  })

  it('fenced brokers get replicas last', () => {
    expect(place('0! 1 2 3', 4, 2)).toBe('1,2 2,3 3,1 1,3')
    expect(place('0! 1 2', 2, 3)).toBe('1,2,0 2,1,0')
    expect(place('0! 1 2! 3', 3, 3)).toBe('1,3,0 3,1,2 1,3,0')
    expect(place('0! 1!', 3, 1)).toBe('0 1 0')
  })

  it.each([0, -1, 4, 1.5, NaN])('a replication factor of %d is refused', replicationFactor => {
    expect(() => place('1 2 3', 1, replicationFactor)).toThrow(
      `INVALID_REPLICATION_FACTOR: replication factor ${replicationFactor}: expected 1 to 3`,
    )
  })
})

describe('an assignment by hand', () => {
  const THREE = [1, 2, 3].map(id => ({ id, rack: null }))
  const words = (line: string): number[] => line.split(' ').filter(Boolean).map(Number)
  const lists = (text: string): number[][] => (text === '' ? [] : text.split('|').map(words))

  it('a valid replica assignment is accepted', () => {
    expect(() => checkAssignment(lists('1|1|3'), { brokers: THREE })).not.toThrow()
    expect(() => checkAssignment(lists('3 1|1 2'), { brokers: THREE })).not.toThrow()
    const more = { brokers: THREE, firstPartition: 4, replicationFactor: 2 }
    expect(() => checkAssignment(lists('2 3'), more)).not.toThrow()
  })

  it.each([
    ['', 'it names no partition'],
    ['1 |', 'partition 1 has no broker'],
    ['1 2|1', 'partition 1 on brokers [1]: 1 replicas, partition 0 has 2'],
    ['1|4', 'partition 1 on brokers [4]: broker 4 does not exist'],
    ['1 2|2 2', 'partition 1 on brokers [2, 2]: broker 2 is listed twice'],
  ])('an assignment by hand of %s is refused: %s', (text, why) => {
    expect(() => checkAssignment(lists(text), { brokers: THREE })).toThrow(
      `INVALID_REPLICA_ASSIGNMENT: replica assignment: ${why}`,
    )
  })

  it('added partitions need as many replicas as partition 0', () => {
    const more = { brokers: THREE, firstPartition: 4, replicationFactor: 2 }
    expect(() => checkAssignment(lists('1 2|3'), more)).toThrow(
      'partition 5 on brokers [3]: 1 replicas, partition 0 has 2',
    )
    expect(() => checkAssignment(lists('3'), more)).toThrow(
      'partition 4 on brokers [3]: 1 replicas, partition 0 has 2',
    )
  })

  it('an assignment needs a live broker for each partition', () => {
    const brokers = THREE.map(broker => ({ ...broker, isFenced: broker.id !== 1 }))
    expect(() => checkAssignment(lists('2 1'), { brokers })).not.toThrow()
    expect(() => checkAssignment(lists('2 1|3 2'), { brokers })).toThrow(
      'partition 1 on brokers [3, 2]: none of these brokers is alive',
    )
  })
})
