/*
 * Places the replicas of partitions on brokers. Pure.
 *
 * Kafka's rules (AdminUtils.assignReplicasToBrokers): the first replicas go round the brokers from
 * a random start. The other replicas follow at a distance that grows by one with each round, so
 * the partitions of one broker have their other replicas on all other brokers. When every broker
 * has a rack, brokers are ordered by alternating racks, and a rack gets a second replica only when
 * every rack has one. Fenced brokers come after all others (as in KRaft).
 */

import type { Random } from '../../base/random.js'
import { PartlogError } from '../../model/errors.js'

export interface PlacementBroker {
  readonly id: number
  /** Null: unknown. Racks are considered only when every broker has one. */
  readonly rack: string | null
  /** The broker is registered but not alive. */
  readonly isFenced?: boolean
}

export interface PlacementRequest {
  readonly brokers: readonly PlacementBroker[]
  readonly partitionCount: number
  readonly replicationFactor: number
  /** The number of the first new partition; above 0 for a topic that grows. Default 0. */
  readonly firstPartition?: number
  /**
   * The index of the broker that partition 0 starts at. Default: random. For a topic that grows it
   * is the index of partition 0's leader.
   */
  readonly start?: number
  readonly random: Random
}

/** Returns the replicas of each new partition as broker ids, the preferred leader first. */
export function placeReplicas(request: PlacementRequest): readonly (readonly number[])[] {
  const { brokers, partitionCount, replicationFactor } = request
  const isPossible = Number.isInteger(replicationFactor) && replicationFactor >= 1
  if (!isPossible || replicationFactor > brokers.length) {
    throw new PartlogError(
      'INVALID_REPLICATION_FACTOR',
      `replication factor ${replicationFactor}: expected 1 to ${brokers.length}, ` +
        'the number of brokers',
    )
  }
  const alive = brokers.filter(({ isFenced }) => isFenced !== true)
  const fenced = brokers.filter(({ isFenced }) => isFenced === true)
  const onAlive = Math.min(replicationFactor, alive.length)
  const first = spread(alive, onAlive, request)
  const rest = spread(fenced, replicationFactor - onAlive, request)
  return Array.from({ length: partitionCount }, (_, index) => [
    ...(first[index] ?? []),
    ...(rest[index] ?? []),
  ])
}

/** Kafka's formula: chooses `replicas` of these brokers for each partition. */
function spread(
  brokers: readonly PlacementBroker[],
  replicas: number,
  { partitionCount, firstPartition = 0, start, random }: PlacementRequest,
): readonly (readonly number[])[] {
  const count = brokers.length
  if (replicas === 0) return []
  const ring = ringOf(brokers)
  const startIndex = start ?? random.int(count)
  let shift = start ?? random.int(count)
  return Array.from({ length: partitionCount }, (_, index) => {
    const partition = firstPartition + index
    if (partition > 0 && partition % count === 0) shift++
    return replicasFrom(ring, (partition + startIndex) % count, shift, replicas)
  })
}

interface Ring {
  readonly brokers: readonly PlacementBroker[]
  /** 0: racks are not considered. */
  readonly rackCount: number
}

function ringOf(brokers: readonly PlacementBroker[]): Ring {
  const sorted = [...brokers].sort((a, b) => a.id - b.id)
  if (sorted.some(({ rack }) => rack === null)) return { brokers: sorted, rackCount: 0 }
  const racks = [...new Set(sorted.map(({ rack }) => rack as string))].sort()
  const queues = racks.map(rack => sorted.filter(broker => broker.rack === rack))
  const longest = Math.max(...queues.map(queue => queue.length))
  const alternating = Array.from({ length: longest }, (_, turn) =>
    queues.flatMap(queue => queue[turn] ?? []),
  )
  return { brokers: alternating.flat(), rackCount: racks.length }
}

/** The broker at index `first`, then brokers at a distance of `shift` rounds. */
function replicasFrom(ring: Ring, first: number, shift: number, replicas: number): number[] {
  const { brokers, rackCount } = ring
  const count = brokers.length
  const chosen = [brokers[first] as PlacementBroker]
  const racks = new Set([chosen[0]?.rack])
  for (let step = shift * Math.max(rackCount, 1); chosen.length < replicas; step++) {
    const broker = brokers[(first + 1 + (step % (count - 1))) % count] as PlacementBroker
    const isRackFree = !racks.has(broker.rack) || racks.size >= rackCount
    if (!isRackFree || chosen.includes(broker)) continue
    chosen.push(broker)
    racks.add(broker.rack)
  }
  return chosen.map(({ id }) => id)
}

/** What a replica assignment given by the caller is checked against. */
export interface AssignmentLimits {
  readonly brokers: readonly PlacementBroker[]
  /** The number of the first assigned partition; above 0 for a topic that grows. Default 0. */
  readonly firstPartition?: number
  /** The number of replicas of partition 0, if it exists already. */
  readonly replicationFactor?: number | undefined
}

/** Throws INVALID_REPLICA_ASSIGNMENT unless every partition can be placed as assigned. */
export function checkAssignment(
  assignment: readonly (readonly number[])[],
  { brokers, firstPartition = 0, replicationFactor }: AssignmentLimits,
): void {
  const byId = new Map(brokers.map(broker => [broker.id, broker]))
  const [first] = assignment
  if (first === undefined) throw badAssignment('it names no partition')
  const factor = replicationFactor ?? first.length
  assignment.forEach((replicas, index) => {
    const partition = firstPartition + index
    const where = `partition ${partition} on brokers [${replicas.join(', ')}]`
    if (replicas.length === 0) throw badAssignment(`partition ${partition} has no broker`)
    const unknown = replicas.find(id => !byId.has(id))
    if (unknown !== undefined) throw badAssignment(`${where}: broker ${unknown} does not exist`)
    const twice = replicas.find((id, place) => replicas.indexOf(id) !== place)
    if (twice !== undefined) throw badAssignment(`${where}: broker ${twice} is listed twice`)
    if (replicas.length !== factor) {
      throw badAssignment(`${where}: ${replicas.length} replicas, partition 0 has ${factor}`)
    }
    if (replicas.every(id => byId.get(id)?.isFenced === true)) {
      throw badAssignment(`${where}: none of these brokers is alive`)
    }
  })
}

function badAssignment(what: string): PartlogError {
  return new PartlogError('INVALID_REPLICA_ASSIGNMENT', `replica assignment: ${what}`)
}
