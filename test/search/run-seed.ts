/**
 * One run: a cluster and its users by seed, with faults, then peace. At the end everything must come
 * to rest, and the history must be right.
 */

import { watchSteps, type StateTable } from '../../src/base/states.js'
import { POSITION_STATES } from '../../src/client/consumer/partition-state.js'
import { MEMBER_STATES } from '../../src/client/group/member-states.js'
import { BATCH_STATES } from '../../src/client/producer/batch-states.js'
import type { ClusterEvents, EventName } from '../../src/cluster/events.js'
import { GROUP_STATES } from '../../src/coordinator/groups/group-states.js'
import { ROLES } from '../../src/partition/roles.js'
import type { FaultKind } from '../../src/testing/faults/fault-kinds.js'
import { FAULT_KINDS } from '../../src/testing/faults/fault-kinds.js'
import { drawPlan, RunningPlan, type PlannedFault } from '../../src/testing/faults/fault-plan.js'
import { wordsOf } from '../../src/testing/simulation/event-words.js'
import type { Life } from '../../src/testing/simulation/app-process.js'
import { doWithoutThreads } from '../../src/testing/simulation/no-threads.js'
import type { Damage } from '../../src/testing/simulation/power-cut.js'
import { SimulatedCluster } from '../../src/testing/simulation/simulated-cluster.js'
import { chance, pick, streamOf } from '../../src/testing/simulation/streams.js'
import { administratorProgram, makeTopic, notePartitions, noteSettings } from './administrators.js'
import { checkHistory } from './checkers.js'
import { checkFiles } from './files.js'
import { readLogs } from './final-logs.js'
import { History } from './history.js'
import { Invariants } from './invariants.js'
import {
  feederProgram,
  makePipelineTopics,
  pipelineProblems,
  workerProgram,
  type PipelineStage,
} from './pipeline.js'
import { memberProgram, producerProgram, watchCommits, type Stage } from './programs.js'
import { refuseMembers } from './refusals.js'
import { Rest } from './rest.js'
import { drawShape, type Shape } from './shape.js'

/** What is left out of a run, to make it shorter. */
export interface Cuts {
  /** Only these faults of the plan. */
  readonly faults?: readonly number[] | undefined
  /** At most so many messages of each producer. */
  readonly messages?: number | undefined
  /** Only these producers and members. */
  readonly programs?: readonly string[] | undefined
}

export interface Ran {
  readonly seed: number
  readonly problems: readonly string[]
  readonly story: readonly string[]
  readonly hash: string
  /** The plan that was run. */
  readonly plan: readonly PlannedFault[]
  readonly programs: readonly string[]
  readonly counts: Readonly<Record<string, number>>
}

/** How long the end may take, by the world's time. */
const REST_MS = 300_000
const CALL_MS = 180_000
const WATCH_MS = 700
const LOOK_MS = 200
/** Where nothing but synced bytes survives, a sync that is missing is found soonest. */
const DAMAGES = ['synced', 'synced', 'synced', 'prefix', 'sectors', 'newest', 'zeros', 'death'] as const
/** So many timers fire before a power cut stops waiting for an acknowledgement. */
const ACK_STEPS_MAX = 2_000

/** Guests read nothing: the checkers of groups would take them for members. */
const KINDS = (Object.keys(FAULT_KINDS) as FaultKind[]).filter(kind => kind !== 'guest in a group')

/** The tables of states; every step of theirs should be taken. */
const TABLES = new Map<StateTable<string>, string>([
  [ROLES, 'partition'],
  [GROUP_STATES, 'group'],
  [MEMBER_STATES, 'member'],
  [BATCH_STATES, 'batch'],
  [POSITION_STATES, 'position'],
])

const stepOf = (table: string, from: string, to: string): string =>
  `step of a ${table}: ${from} → ${to}`

const STEPS = [...TABLES].flatMap(([table, name]) =>
  Object.entries(table).flatMap(([to, { follows }]) => follows.map(from => stepOf(name, from, to))),
)

export async function runSeed(seed: number, cuts: Cuts = {}): Promise<Ran> {
  const run = new SeedRun(seed, cuts)
  await run.run()
  return run.result()
}

class SeedRun {
  readonly #seed: number
  readonly #shape: Shape
  readonly #world: SimulatedCluster
  readonly #history = new History()
  readonly #invariants: Invariants
  readonly #problems: string[] = []
  readonly #plan: readonly PlannedFault[]
  /** How often each kind of fault has hurt something, and what else happened. */
  readonly #counts = new Map<string, number>([...KINDS, ...STEPS].map(what => [what, 0]))
  #acknowledged = 0
  #isOver = false
  /** No fault is under way, and none will begin. */
  #isPeaceful = false
  /** Producers and administrators wait. */
  #isHeld = false
  readonly #held = new Set<string>()
  #isWatching = true

  constructor(seed: number, cuts: Cuts) {
    this.#seed = seed
    this.#shape = cut(drawShape(seed), cuts)
    this.#invariants = new Invariants(this.#shape.topics)
    this.#world = new SimulatedCluster(seed, this.#shape.cluster)
    const { faultsMs: lengthMs, faultsMax } = this.#shape
    const plan = drawPlan(streamOf(seed, 'plan'), { kinds: KINDS, lengthMs, faultsMax })
    this.#plan = plan.filter(({ id }) => cuts.faults?.includes(id) ?? true)
  }

  result(): Ran {
    const { story } = this.#world
    const { producers, members, administrators, pipeline } = this.#shape
    return {
      seed: this.#seed,
      problems: [...new Set([...this.#problems, ...this.#invariants.problems])],
      story: story.lines,
      hash: story.hash,
      plan: this.#plan,
      programs: [
        ...[...producers, ...members, ...administrators].map(({ name }) => name),
        ...(pipeline === undefined ? [] : ['pipeline']),
      ],
      counts: Object.fromEntries(this.#counts),
    }
  }

  async run(): Promise<void> {
    const world = this.#world
    world.onEvent = (name, event) => this.#note(name, event)
    world.onProgramEnd = ({ name }, error) => {
      if (error !== undefined) this.#fail(`program: ${name} ended with ${String(error)}`)
    }
    const unhandled = (error: unknown): void => this.#fail(`unhandled: ${stackOf(error)}`)
    process.on('unhandledRejection', unhandled)
    const withThreads = doWithoutThreads()
    watchSteps((table, from, to) => this.#noteStep(table, from, to))
    try {
      await this.#live()
    } catch (error) {
      this.#fail(`run: ${stackOf(error)}`)
    } finally {
      process.off('unhandledRejection', unhandled)
      watchSteps(undefined)
      withThreads()
    }
  }

  async #live(): Promise<void> {
    const world = this.#world
    await world.passing(world.open(), CALL_MS)
    for (const topic of this.#shape.topics) {
      await world.passing(makeTopic(this.#history, world.cluster.admin, topic), CALL_MS)
    }
    const { pipeline } = this.#shape
    if (pipeline) await world.passing(makePipelineTopics(world.cluster, pipeline), CALL_MS)
    this.#startPrograms()
    this.#watch()
    for (const [index, phase] of this.#phases().entries()) {
      this.#isHeld = false
      this.#isPeaceful = false
      await this.#trouble(phase, index)
      this.#isHeld = this.#shape.hasQuietPhase && index === 0
      await this.#rest()
    }
    await world.passing(this.#lookAtTopics(), CALL_MS, this.#look)
    if (pipeline && !this.#mayHaveLost) {
      const problems = await world.passing(pipelineProblems(world.cluster), CALL_MS, this.#look)
      for (const problem of problems) this.#fail(`transactions: ${problem}`)
      this.#count('pipeline', 1)
    }
    this.#isOver = true
    const logs = await readLogs(world)
    await this.#closeAll()
    const { topics } = this.#shape
    const mayRepeat = this.#plan.length > 0 || this.#history.powerCuts.length > 0
    this.#problems.push(...(await checkFiles(world.disk.current, logs, topics)))
    this.#problems.push(...checkHistory({ history: this.#history, logs, topics, mayRepeat }))
  }

  /** The cluster said that it lost records, or the power took more than was synced. */
  get #mayHaveLost(): boolean {
    const { losses, powerCuts } = this.#history
    return losses.length > 0 || powerCuts.some(({ survives }) => survives === 'nothing')
  }

  /** The faults before the quiet phase, if there is one, and after it. */
  #phases(): (readonly PlannedFault[])[] {
    if (!this.#shape.hasQuietPhase) return [this.#plan]
    const middleMs = this.#shape.faultsMs / 2
    const isEarly = ({ atMs }: PlannedFault): boolean => atMs < middleMs
    const late = this.#plan.filter(fault => !isEarly(fault))
    return [this.#plan.filter(isEarly), late.map(each => ({ ...each, atMs: each.atMs - middleMs }))]
  }

  /** Faults begin and end, disasters strike; then everything is put right. */
  async #trouble(faults: readonly PlannedFault[], phase: number): Promise<void> {
    const world = this.#world
    const plan = new RunningPlan(world, faults)
    if (phase === 0 && this.#plan.length > 0) refuseMembers(world, this.#seed, this.#shape.faultsMs)
    const { faultsMs, hasQuietPhase } = this.#shape
    await this.#disasters(hasQuietPhase ? faultsMs / 2 : faultsMs, phase)
    world.story.tell('world', 'the faults end')
    await world.passing(plan.end(), CALL_MS, this.#look)
    world.weather.clear()
    world.disk.clear()
    world.cluster.network.heal()
    world.cluster.faults.clear()
    for (const [kind, count] of plan.counts) this.#count(kind, count)
    this.#isPeaceful = true
  }

  /** At rest all programs see the same topics. */
  async #lookAtTopics(): Promise<void> {
    const { admin } = this.#world.cluster
    for (const { topic } of this.#shape.topics) {
      await notePartitions(this.#history, admin, topic)
      await noteSettings(this.#history, admin, topic)
    }
  }

  /** Time passes; in some runs the power fails, or the process dies. */
  async #disasters(forMs: number, phase: number): Promise<void> {
    const world = this.#world
    const deadlineMs = world.clock.monotonicMs() + forMs
    const random = streamOf(this.#seed, phase === 0 ? 'disasters' : `disasters ${phase}`)
    for (let count = chance(random, 45) ? pick(random, [1, 1, 2, 3]) : 0; count > 0; count--) {
      const leftMs = deadlineMs - world.clock.monotonicMs()
      await world.pass(random.int(Math.max(1, leftMs)), this.#look)
      if (chance(random, 50)) await this.#nextAcknowledgement()
      await this.#disaster(pick(random, DAMAGES))
    }
    await world.pass(Math.max(0, deadlineMs - world.clock.monotonicMs()), this.#look)
  }

  /** The worst moment: a record was acknowledged just now, and the disk is slow. */
  async #nextAcknowledgement(): Promise<void> {
    const world = this.#world
    const end = world.disk.begin({ folder: '', kinds: ['sync'], latencyMaxMs: 50 })
    const before = this.#acknowledged
    const isAcknowledged = (): boolean => this.#acknowledged > before
    for (let steps = 0; steps < ACK_STEPS_MAX && !isAcknowledged(); steps++) {
      await world.clock.step(Infinity)
      this.#look()
    }
    end()
  }

  async #disaster(damage: Damage | 'death'): Promise<void> {
    const world = this.#world
    const atMs = world.clock.monotonicMs()
    if (damage === 'death') world.endProcess()
    else world.cutPower(damage)
    const isKept = damage === 'death' || this.#shape.cluster.durability === 'power'
    this.#history.powerCuts.push({ atMs, survives: isKept ? 'durable' : 'nothing' })
    this.#count(damage === 'death' ? 'death of the process' : `power cut, ${damage}`, 1)
    world.story.tell('world', damage === 'death' ? 'the process dies' : `power cut: ${damage}`)
    world.disk.clear()
    await world.passing(world.open(), CALL_MS)
    const { offline } = world.cluster.recovery
    if (offline.length > 0) this.#fail(`recovery: offline after ${damage}: ${JSON.stringify(offline)}`)
    world.story.tell('world', 'the cluster is open again')
    for (const process of world.processes.values()) process.start()
    this.#watch()
  }

  #startPrograms(): void {
    const world = this.#world
    const stage: Stage = {
      seed: this.#seed,
      history: this.#history,
      nowMs: () => world.clock.monotonicMs(),
      fail: sentence => this.#fail(`program: ${sentence}`),
      isOver: () => this.#isOver,
      isPeaceful: () => this.#isPeaceful,
      isHeld: () => this.#isHeld,
      hold: (name, life) => this.#hold(name, life),
      acknowledged: sent => {
        this.#acknowledged++
        if (!world.isOpen) return
        const view = world.cluster.describe()
        for (const each of sent) this.#invariants.acknowledged(view, each)
      },
      read: read => {
        if (world.isOpen) this.#invariants.read(() => world.cluster.describe(), read)
      },
    }
    this.#history.onChange = () => void this.#acknowledged++
    for (const shape of this.#shape.members) {
      world.process(shape.name, memberProgram(stage, shape)).start()
    }
    for (const shape of this.#shape.producers) {
      world.process(shape.name, producerProgram(stage, shape)).start()
    }
    const { pipeline } = this.#shape
    if (pipeline) this.#startPipeline({ ...stage, shape: pipeline })
    for (const shape of this.#shape.administrators) {
      world.process(shape.name, administratorProgram(stage, shape)).start()
    }
  }

  #startPipeline(stage: PipelineStage): void {
    this.#world.process('feeder', feederProgram(stage)).start()
    for (const name of stage.shape.workers) {
      this.#world.process(name, workerProgram(stage, name)).start()
    }
  }

  /** Resolves when the program may go on. */
  async #hold(name: string, life: Life): Promise<void> {
    while (this.#isHeld) {
      this.#held.add(name)
      await life.sleep(LOOK_MS)
    }
    this.#held.delete(name)
  }

  /** Looks up committed offsets, for as long as the cluster lives. */
  #watch(): void {
    const world = this.#world
    const { cluster } = world
    const groups = [...new Set(this.#shape.members.map(({ group }) => group))]
    const stage = { history: this.#history, nowMs: () => world.clock.monotonicMs() } as Stage
    const look = (): void => {
      if (!this.#isWatching || !world.isOpen || world.cluster !== cluster) return
      const again = (): void => void world.clock.after(WATCH_MS, look)
      void watchCommits(stage, cluster, groups).then(again, again)
    }
    look()
  }

  // ── the end ────────────────────────────────────────────────────────────────────────────

  /** Everything must come to rest: producers end, copies are in sync, groups have no lag. */
  async #rest(): Promise<void> {
    const world = this.#world
    for (const process of world.processes.values()) {
      process.resume()
      process.start()
    }
    const rest = new Rest(world, this.#shape, this.#history)
    const held = this.#isHeld ? this.#held : new Set<string>()
    for (let waitedMs = 0; waitedMs < REST_MS; waitedMs += LOOK_MS) {
      await world.pass(LOOK_MS, this.#look)
      if ((await rest.disturbance(held, this.#look)) === undefined) return
    }
    this.#fail(`rest: ${(await rest.disturbance(held, this.#look)) ?? 'late'}`)
  }

  async #closeAll(): Promise<void> {
    const world = this.#world
    this.#isWatching = false
    await world.pass(5_000)
    await world.passing(world.close(), CALL_MS)
    await world.pass(10_000)
    const { pendingTimers } = world.clock
    if (pendingTimers > 0) this.#fail(`close: ${pendingTimers} timers are left`)
  }

  // ── notes ──────────────────────────────────────────────────────────────────────────────

  readonly #look = (): void => {
    for (const { name, state } of this.#world.processes.values()) {
      if (state === 'paused' || state === 'dead') this.#history.disturbed.add(name)
    }
    if (this.#world.isOpen) this.#invariants.look(this.#world.cluster.describe())
  }

  #note<E extends EventName>(name: E, event: ClusterEvents[E]): void {
    const { story, clock } = this.#world
    story.tell(name, wordsOf(name, event))
    this.#count(`event ${name}`, 1)
    if (name === 'dataLoss') {
      const { topic, partition, fromOffset } = event as ClusterEvents['dataLoss']
      this.#history.losses.push({ topic, partition, fromOffset, atMs: clock.monotonicMs() })
    }
  }

  #noteStep(table: StateTable<string>, from: string, to: string): void {
    const name = TABLES.get(table)
    if (name !== undefined) this.#count(stepOf(name, from, to), 1)
  }

  #count(what: string, count: number): void {
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + count)
  }

  #fail(sentence: string): void {
    this.#problems.push(sentence)
    this.#world.story.tell('WRONG', sentence.split('\n')[0] as string)
  }
}

function cut(shape: Shape, { messages, programs }: Cuts): Shape {
  const isKept = ({ name }: { readonly name: string }): boolean => programs?.includes(name) ?? true
  return {
    ...shape,
    pipeline: isKept({ name: 'pipeline' }) ? shape.pipeline : undefined,
    members: shape.members.filter(isKept),
    administrators: shape.administrators.filter(isKept),
    producers: shape.producers
      .filter(isKept)
      .map(each => ({ ...each, messages: Math.min(each.messages, messages ?? Infinity) })),
  }
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
