/*
 * What a simulated world does to a cluster and to the processes that use it: one entry per kind of
 * fault. An entry draws its victim when it begins, so it can be left out of a plan without changing
 * the others; it says what it did, and how it ends.
 */

import { sleep } from '../../base/clock.js'
import type { Random } from '../../base/random.js'
import type { AssignorName } from '../../client/group/assignor-option.js'
import type { Cluster } from '../../cluster/cluster.js'
import type { FaultApi, FaultErrorCode } from '../../cluster/faults/faults.js'
import { CLIENT } from '../../cluster/network/network-rules.js'
import type { AppProcess } from '../simulation/app-process.js'
import type { SimulatedCluster } from '../simulation/simulated-cluster.js'
import { DAMAGES } from '../simulation/power-cut.js'
import { between, chance, pick } from '../simulation/streams.js'

/** A fault that has begun. */
export interface BegunFault {
  /** For the story: what it did, and to which victim. */
  readonly what: string
  /** Puts it right again; does nothing if that is not needed. */
  readonly end: () => Promise<void> | void
}

/** Begins a fault; undefined if nothing is there that it could hurt. */
type Begin = (world: SimulatedCluster, random: Random) => BegunFault | undefined

const nothing = (): void => undefined

/**
 * A kind of fault; what is hurt is drawn when it begins.
 *
 *   'kill a broker', 'stop a broker'   a broker dies, or ends in order; later it starts again
 *   'power cut of a broker'            it dies, and loses what it has not synced
 *   'new disk of a broker'             it dies, and comes back with an empty disk once no partition
 *                                      counts on what it had
 *   'pause a broker'                   nothing of it runs for a while, as after SIGSTOP
 *   'lag of a replica'                 a broker does not copy from its leaders
 *   'jump of a clock'                  a broker's wall time jumps by up to an hour
 *   'cut one way', 'partition'         messages do not pass, in one direction or in both
 *   'slow network', 'slow link'        messages take up to seconds
 *   'lost requests', 'lost answers'    a part of the messages does not arrive
 *   'repeated requests'                a part of the requests arrives twice
 *   'reordered messages'               messages overtake each other
 *   'errors in answers'                brokers answer with errors that clients have to live with
 *   'slow disk', 'full disk'           a broker's disk takes its time, or has no room
 *   'failed sync', 'failed append',    a broker's disk fails with EIO; later the broker starts
 *   'failed read', 'failed rename'     again
 *   'kill a process', 'pause a process'   a process of the world dies, or stands still
 *   'guest in a group'                 one more member joins a group, and leaves
 */
export type FaultKind =
  | 'kill a broker'
  | 'stop a broker'
  | 'power cut of a broker'
  | 'new disk of a broker'
  | 'pause a broker'
  | 'lag of a replica'
  | 'jump of a clock'
  | 'cut one way'
  | 'partition'
  | 'slow network'
  | 'slow link'
  | 'lost requests'
  | 'lost answers'
  | 'repeated requests'
  | 'reordered messages'
  | 'errors in answers'
  | 'slow disk'
  | 'full disk'
  | 'failed sync'
  | 'failed append'
  | 'failed read'
  | 'failed rename'
  | 'kill a process'
  | 'pause a process'
  | 'guest in a group'

export const FAULT_KINDS: Readonly<Record<FaultKind, Begin>> = {
  // ── brokers ────────────────────────────────────────────────────────────────────────────
  'kill a broker': (world, random) => {
    const broker = runningBroker(world, random)
    if (broker === undefined) return undefined
    void broker.kill().catch(nothing)
    return { what: `broker ${broker.id} is killed`, end: () => startBroker(world, broker.id) }
  },
  'stop a broker': (world, random) => {
    const broker = runningBroker(world, random)
    if (broker === undefined) return undefined
    void broker.stop().catch(nothing)
    return { what: `broker ${broker.id} is stopped`, end: () => startBroker(world, broker.id) }
  },
  'power cut of a broker': (world, random) => {
    const broker = runningBroker(world, random)
    // Otherwise records are acknowledged that nothing has synced.
    if (broker === undefined || !world.isPowerSafe) return undefined
    const damage = pick(random, DAMAGES)
    const { disk } = world
    const folder = `broker-${broker.id}`
    const restore = disk.begin({ folder, kinds: ALL_OPERATIONS, code: 'EIO' })
    const dead = broker.kill().catch(nothing)
    const isDown = dead.then(() => {
      if (!restore()) return
      disk.cutPowerBelow(folder, damage)
    })
    return {
      what: `broker ${broker.id} loses power: ${damage}`,
      async end() {
        await world.orDeath(isDown)
        await startBroker(world, broker.id)
      },
    }
  },
  'new disk of a broker': (world, random) => {
    const broker = runningBroker(world, random)
    if (broker === undefined) return undefined
    const { disk, cluster } = world
    const { id } = broker
    const folder = `broker-${id}`
    const restore = disk.begin({ folder, kinds: ALL_OPERATIONS, code: 'EIO' })
    const dead = broker.kill().catch(nothing)
    return {
      what: `broker ${id} dies with its disk`,
      async end() {
        await world.orDeath(dead)
        const isCountedOn = world.isOpen && world.cluster === cluster && isInSync(cluster, id)
        if (restore() && !isCountedOn && !broker.isRunning) disk.emptyBelow(folder)
        await startBroker(world, id)
      },
    }
  },
  'pause a broker': (world, random) => {
    const id = runningBroker(world, random)?.id
    if (id === undefined || world.clockOf(id).state !== 'running') return undefined
    const { weather } = world
    weather.pause(id)
    return { what: `broker ${id} stands still`, end: () => weather.resume(id) }
  },
  'lag of a replica': (world, random) => {
    const broker = runningBroker(world, random)
    if (broker === undefined) return undefined
    broker.pauseReplication()
    return {
      what: `broker ${broker.id} does not replicate`,
      end: () => broker.resumeReplication(),
    }
  },
  'jump of a clock': (world, random) => {
    const id = pick(random, world.cluster.brokers).id
    const ms = between(random, -3_600_000, 3_600_000)
    world.clockOf(id).jump(ms)
    return { what: `the clock of broker ${id} jumps by ${ms} ms`, end: nothing }
  },

  // ── the network ────────────────────────────────────────────────────────────────────────
  'cut one way': (world, random) => {
    const [from, to] = [aNode(world, random), aBroker(world, random)]
    if (from === to) return undefined
    const end = world.weather.begin({
      matches: (route, isAnswer) =>
        isAnswer ? route.from === to && route.to === from : route.from === from && route.to === to,
      lossPercent: 100,
    })
    return { what: `nothing passes from ${nameOf(from)} to broker ${to}`, end }
  },
  'partition': (world, random) => {
    const ids = world.cluster.brokers.map(({ id }) => id)
    if (ids.length < 2) return undefined
    const alone = pick(random, ids)
    const rest = ids.filter(id => id !== alone)
    const clients = chance(random, 50) ? ['client' as const] : []
    world.cluster.network.partition([alone, ...clients], ['controller', ...rest])
    const { cluster } = world
    return {
      what: `broker ${alone}${clients.length > 0 ? ' and the clients are' : ' is'} cut off`,
      end: () => (world.isOpen && world.cluster === cluster ? cluster.network.heal() : undefined),
    }
  },
  'slow network': (world, random) => {
    const delayMaxMs = pick(random, [2, 10, 100, 1_000])
    const end = world.weather.begin({ matches: () => true, delayMaxMs })
    return { what: `messages take up to ${delayMaxMs} ms`, end }
  },
  'slow link': (world, random) => {
    const to = aBroker(world, random)
    const delayMaxMs = pick(random, [50, 500, 5_000])
    const end = world.weather.begin({ matches: route => route.to === to, delayMaxMs })
    return { what: `messages to and from broker ${to} take up to ${delayMaxMs} ms`, end }
  },
  'lost requests': (world, random) => {
    const lossPercent = pick(random, [2, 10, 30])
    const end = world.weather.begin({ matches: (_, isAnswer) => !isAnswer, lossPercent })
    return { what: `${lossPercent} % of the requests are lost`, end }
  },
  'lost answers': (world, random) => {
    const lossPercent = pick(random, [2, 10, 30])
    const end = world.weather.begin({ matches: (_, isAnswer) => isAnswer, lossPercent })
    return { what: `${lossPercent} % of the answers are lost`, end }
  },
  'repeated requests': (world, random) => {
    const repeatPercent = pick(random, [5, 20, 50])
    const repeatMaxMs = pick(random, [1, 100, 3_000])
    const end = world.weather.begin({ matches: isRepeatable, repeatPercent, repeatMaxMs })
    return { what: `${repeatPercent} % of the requests arrive twice`, end }
  },
  'reordered messages': (world, random) => {
    const delayMaxMs = pick(random, [5, 50, 500])
    const end = world.weather.begin({
      matches: route => route.from !== CLIENT || route.api !== 'Produce',
      delayMaxMs,
      isReordering: true,
    })
    return { what: `messages overtake each other within ${delayMaxMs} ms`, end }
  },
  'errors in answers': (world, random) => {
    const [api, codes] = pick(random, ERRORS_OF_APIS)
    const code = pick(random, codes)
    const rule = world.cluster.faults.on(api).error(code).times(between(random, 1, 5))
    return { what: `${api} fails with ${code}`, end: () => rule.remove() }
  },

  // ── disks ──────────────────────────────────────────────────────────────────────────────
  'slow disk': (world, random) => {
    const folder = `broker-${aBroker(world, random)}`
    const latencyMaxMs = pick(random, [2, 20, 200, 2_000])
    const end = world.disk.begin({ folder, kinds: ['sync', 'read', 'syncDirectory'], latencyMaxMs })
    return { what: `${folder} takes up to ${latencyMaxMs} ms`, end: () => void end() }
  },
  'full disk': (world, random) => {
    const folder = `broker-${aBroker(world, random)}`
    const isShort = chance(random, 50)
    const kinds = ['append', 'create'] as const
    const end = world.disk.begin({ folder, kinds, code: 'ENOSPC', isShort })
    return { what: `${folder} is full`, end: () => void end() }
  },
  'failed sync': (world, random) => diskFailure(world, random, 'sync'),
  'failed append': (world, random) => diskFailure(world, random, 'append'),
  'failed read': (world, random) => diskFailure(world, random, 'read'),
  'failed rename': (world, random) => diskFailure(world, random, 'rename'),

  // ── processes that use the cluster ─────────────────────────────────────────────────────
  'kill a process': (world, random) => {
    const process = runningProcess(world, random)
    if (process === undefined) return undefined
    process.kill()
    return { what: `${process.name} is killed`, end: () => process.start() }
  },
  'pause a process': (world, random) => {
    const process = runningProcess(world, random)
    if (process === undefined) return undefined
    process.pause()
    return { what: `${process.name} stands still`, end: () => process.resume() }
  },
  'guest in a group': (world, random) => {
    const guest = new Guest(world.cluster, random)
    return { what: 'a guest joins a group, and does not read', end: () => guest.leave() }
  },
}

export function beginFault(
  kind: FaultKind,
  world: SimulatedCluster,
  random: Random,
): BegunFault | undefined {
  return FAULT_KINDS[kind](world, random)
}

/** A member that takes partitions and reads nothing: groups rebalance when it comes and goes. */
class Guest {
  readonly #consumers: { close(): Promise<void> }[] = []
  #hasLeft = false

  constructor(cluster: Cluster, random: Random) {
    void this.#join(cluster, random).catch(nothing)
  }

  async #join(cluster: Cluster, random: Random): Promise<void> {
    const listed = await cluster.admin.listGroups({ states: ['Stable'] })
    if (listed.length === 0) return
    const [group] = await cluster.admin.describeGroups([pick(random, listed).groupId])
    const topics = new Set(group?.members.flatMap(member => member.topics))
    if (this.#hasLeft || topics.size === 0) return
    const consumer = cluster.consumer({
      groupId: group?.groupId,
      clientId: 'guest',
      enableAutoCommit: false,
      partitionAssignmentStrategy: [group?.assignor as AssignorName],
    })
    this.#consumers.push(consumer)
    await consumer.subscribe([...topics])
  }

  async leave(): Promise<void> {
    this.#hasLeft = true
    await Promise.all(this.#consumers.map(each => each.close().catch(nothing)))
  }
}

/** Errors that clients have to live with, by the request that has them. */
const ERRORS_OF_APIS: readonly (readonly [FaultApi, readonly FaultErrorCode[]])[] = [
  ['produce', ['NOT_LEADER_OR_FOLLOWER', 'REQUEST_TIMED_OUT', 'NOT_ENOUGH_REPLICAS']],
  ['fetch', ['NOT_LEADER_OR_FOLLOWER', 'KAFKA_STORAGE_ERROR', 'UNKNOWN_LEADER_EPOCH']],
  ['metadata', ['LEADER_NOT_AVAILABLE']],
  ['findCoordinator', ['COORDINATOR_NOT_AVAILABLE', 'COORDINATOR_LOAD_IN_PROGRESS']],
  ['offsetCommit', ['NOT_COORDINATOR', 'COORDINATOR_LOAD_IN_PROGRESS', 'REBALANCE_IN_PROGRESS']],
  ['offsetFetch', ['NOT_COORDINATOR', 'COORDINATOR_LOAD_IN_PROGRESS']],
  ['heartbeat', ['NOT_COORDINATOR', 'UNKNOWN_MEMBER_ID', 'ILLEGAL_GENERATION']],
  ['joinGroup', ['NOT_COORDINATOR', 'COORDINATOR_NOT_AVAILABLE', 'UNKNOWN_MEMBER_ID']],
  ['syncGroup', ['NOT_COORDINATOR', 'REBALANCE_IN_PROGRESS', 'UNKNOWN_MEMBER_ID']],
  ['initProducerId', ['COORDINATOR_NOT_AVAILABLE', 'NOT_COORDINATOR']],
  ['listOffsets', ['NOT_LEADER_OR_FOLLOWER', 'OFFSET_NOT_AVAILABLE']],
]

/**
 * These requests do not arrive twice. Their repetition would do again what was undone meanwhile,
 * also in Kafka: an older offset would be committed, a deleted topic created.
 */
const ONCE_ONLY: ReadonlySet<string> = new Set([
  'CreateTopics',
  'DeleteTopics',
  'CreatePartitions',
  'OffsetCommit',
])

function isRepeatable(route: { readonly api: string }, isAnswer: boolean): boolean {
  return !isAnswer && !ONCE_ONLY.has(route.api)
}

function diskFailure(
  world: SimulatedCluster,
  random: Random,
  kind: 'sync' | 'append' | 'read' | 'rename',
): BegunFault {
  const id = aBroker(world, random)
  const folder = `broker-${id}`
  const times = pick(random, [1, 1, 3])
  const end = world.disk.begin({ folder, kinds: [kind], code: 'EIO', times })
  return {
    what: `${kind} fails ${times} times in ${folder}`,
    async end() {
      end()
      await restartBroker(world, id)
    },
  }
}

// ── victims ──────────────────────────────────────────────────────────────────────────────

function aBroker(world: SimulatedCluster, random: Random): number {
  return pick(random, world.cluster.brokers).id
}

/** A broker, or the clients. */
function aNode(world: SimulatedCluster, random: Random): number {
  return pick(random, [CLIENT, ...world.cluster.brokers.map(({ id }) => id)])
}

function nameOf(node: number): string {
  return node === CLIENT ? 'the clients' : `broker ${node}`
}

function runningBroker(world: SimulatedCluster, random: Random) {
  const running = world.cluster.brokers.filter(({ isRunning }) => isRunning)
  return running.length === 0 ? undefined : pick(random, running)
}

function runningProcess(world: SimulatedCluster, random: Random): AppProcess | undefined {
  const running = [...world.processes.values()].filter(({ state }) => state === 'running')
  return running.length === 0 ? undefined : pick(random, running)
}

/** Every operation below a folder. */
const ALL_OPERATIONS = [
  'create',
  'makeDirectory',
  'append',
  'truncate',
  'sync',
  'rename',
  'remove',
  'syncDirectory',
  'read',
] as const

/** True if a partition counts on what the broker has. */
function isInSync(cluster: Cluster, id: number): boolean {
  const { topics } = cluster.describe()
  return topics.some(({ partitions }) => partitions.some(({ isr }) => isr.includes(id)))
}

/** Starts it; while the network separates it from the controller, tries again. */
async function startBroker(world: SimulatedCluster, id: number): Promise<void> {
  if (!world.isOpen) return
  const { cluster } = world
  while (world.isOpen && world.cluster === cluster && !cluster.broker(id).isRunning) {
    await world.orDeath(cluster.broker(id).start().catch(nothing))
    await sleep(world.clock, RETRY_MS)
  }
}

/** A disk that has failed is believed again after a restart. */
async function restartBroker(world: SimulatedCluster, id: number): Promise<void> {
  if (!world.isOpen) return
  await world.orDeath(world.cluster.broker(id).kill().catch(nothing))
  await startBroker(world, id)
}

const RETRY_MS = 500
