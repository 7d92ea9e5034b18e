/**
 * A cluster at rest: brokers are up, copies alike and in sync, programs done or held, groups without
 * lag, each partition with one reader of each group.
 */

import type { SimulatedCluster } from '../../src/testing/simulation/simulated-cluster.js'
import type { History } from './history.js'
import { isOfPipeline, pipelineUnrest } from './pipeline.js'
import type { MemberShape, Shape } from './shape.js'

/** How long a look at a group may take, by the world's time. */
const LOOK_MS = 180_000

export class Rest {
  readonly #world: SimulatedCluster
  readonly #shape: Shape
  readonly #history: History

  constructor(world: SimulatedCluster, shape: Shape, history: History) {
    this.#world = world
    this.#shape = shape
    this.#history = history
  }

  /** What is not at rest; undefined when all is. `held`: programs that wait to go on. */
  async disturbance(held: ReadonlySet<string>, look: () => void): Promise<string | undefined> {
    return (
      this.#unrest(held) ??
      (await this.#lag(look)) ??
      (await this.#owners(look)) ??
      (await this.#ofPipeline(look))
    )
  }

  #unrest(held: ReadonlySet<string>): string | undefined {
    const { brokers, topics } = this.#world.cluster.describe()
    const down = brokers.find(({ isRunning, isAlive }) => !isRunning || !isAlive)
    if (down !== undefined) return `broker ${down.id} is down`
    for (const { name } of [...this.#shape.producers, ...this.#shape.administrators]) {
      const state = this.#world.processes.get(name)?.state
      if (state !== 'ended' && !held.has(name)) return `${name} is ${state}`
    }
    for (const { topic, partitions } of topics) {
      for (const { partition, leader, isr, replicas, copies } of partitions) {
        const name = `${topic}-${partition}`
        if (leader < 0) return `${name} has no leader`
        if (isr.length < replicas.length) return `${name}: only ${isr} of ${replicas} are in sync`
        const ends = new Set(copies.map(({ logEndOffset }) => logEndOffset))
        const marks = new Set(copies.map(({ highWatermark }) => highWatermark))
        if (ends.size > 1 || marks.size > 1) return `${name}: ${JSON.stringify(copies)}`
      }
    }
    return undefined
  }

  /** A group that has not committed everything. */
  async #lag(look: () => void): Promise<string | undefined> {
    const { cluster } = this.#world
    for (const group of this.#groups) {
      const looking = cluster.admin.listGroupOffsets(group).catch(() => [])
      const committed = await this.#world.passing(looking, LOOK_MS, look)
      const offsets = new Map(committed.map(each => [`${each.topic}-${each.partition}`, each.offset]))
      for (const { name, copies } of this.#partitions) {
        const end = copies[0]?.highWatermark ?? 0
        const start = copies[0]?.logStartOffset ?? 0
        const offset = offsets.get(name) ?? start
        if (offset < end && start < end) return `${group} is at ${offset} of ${end} in ${name}`
      }
    }
    return undefined
  }

  /** A partition that no member of a group reads, or several. */
  async #owners(look: () => void): Promise<string | undefined> {
    const { cluster } = this.#world
    const open = this.#history.readings.filter(({ endedAtMs }) => endedAtMs === Infinity)
    for (const group of this.#groups) {
      const describing = cluster.admin.describeGroups([group]).catch(() => [])
      const [described] = await this.#world.passing(describing, LOOK_MS, look)
      if (described?.state !== 'Stable') return `${group} is ${described?.state}`
      for (const { name } of this.#partitions) {
        const readers = open.filter(each => {
          if (each.group !== group || `${each.topic}-${each.partition}` !== name) return false
          return this.#isOfThisLife(each.member)
        })
        const owners = readers.map(({ member }) => member)
        if (owners.length !== 1) return `${group}: ${name} is read by ${owners.join(', ') || 'none'}`
        const assigned = described.members.filter(({ partitions: own }) =>
          own.some(each => `${each.topic}-${each.partition}` === name),
        )
        if (assigned.length !== 1) return `${group}: ${name} is assigned to ${assigned.length}`
      }
    }
    return undefined
  }

  async #ofPipeline(look: () => void): Promise<string | undefined> {
    if (this.#shape.pipeline === undefined) return undefined
    const feeder = this.#world.processes.get('feeder')?.state
    if (feeder !== 'ended') return `feeder is ${feeder}`
    const unrest = pipelineUnrest(this.#world.cluster).catch(() => 'it cannot be looked at')
    return await this.#world.passing(unrest, LOOK_MS, look)
  }

  get #groups(): string[] {
    const { members } = this.#shape
    return [...new Set(members.map((each: MemberShape) => each.group))]
  }

  get #partitions() {
    return this.#world.cluster
      .describe()
      .topics.filter(({ topic, isInternal }) => !isInternal && !isOfPipeline(topic))
      .flatMap(({ topic, partitions }) =>
        partitions.map(({ partition, copies }) => ({ name: `${topic}-${partition}`, copies })),
      )
  }

  /** A member's name says which program it belongs to, and in which of its lives. */
  #isOfThisLife(member: string): boolean {
    const [name = '', life] = member.split('.')
    return String(this.#world.processes.get(name)?.lives) === life
  }
}
