/* What a scenario of `explore` sees, and the run of one seed. */

import { sleep } from '../base/clock.js'
import type { Random } from '../base/random.js'
import type { KafkaCluster } from '../client/kafka-cluster.js'
import type { ClusterOptions } from '../cluster/cluster-options.js'
import type { Cluster } from '../cluster/cluster.js'
import { beginFault, type FaultKind } from './faults/fault-kinds.js'
import { drawPlan, RunningPlan, type PlannedFault } from './faults/fault-plan.js'
import { borrowGlobals } from './simulation/ambient.js'
import type { AppProcess, Life } from './simulation/app-process.js'
import { wordsOf } from './simulation/event-words.js'
import { doWithoutThreads } from './simulation/no-threads.js'
import { SimulatedCluster } from './simulation/simulated-cluster.js'
import { streamOf } from './simulation/streams.js'

/** One life of a process: what its program gets. */
export interface ProcessLife {
  /**
   * The cluster as this process sees it. Clients that are made of it stand still when the process
   * is paused; when it is killed none of their calls ever returns, and none of their requests
   * arrives.
   */
  readonly cluster: KafkaCluster
  /** 1 for the first life of the process, 2 after its first restart, … */
  readonly life: number
  /** Resolves after `ms` milliseconds of the world's time; never if the process is killed. */
  sleep(ms: number): Promise<void>
}

/** A process of the world, which the world's faults can pause and kill; a test can too. */
export interface WorldProcess {
  readonly name: string
  /** `ended`: its program has returned. `dead`: killed, or its program has thrown. */
  readonly state: 'running' | 'paused' | 'dead' | 'ended'
  /** How often it was started. */
  readonly lives: number
  /** Ends it like `kill -9`: what its program waits for never comes. */
  kill(): void
  /** Starts a dead process again: a new life, with new clients. */
  start(): void
  /** Stops it like SIGSTOP. */
  pause(): void
  /** Lets a paused process continue. */
  resume(): void
}

/** The faults of a world. */
export interface WorldFaults {
  /** The kinds of faults that were drawn for this seed, in the order of their times. */
  readonly planned: readonly PlannedFault[]
  /** Begins one more fault now, until `end`. False if there is nothing that it could hurt. */
  begin(kind: FaultKind): boolean
  /** Resolves when the time of the planned faults is over and everything is put right. */
  over(): Promise<void>
}

/** A simulated world: a cluster, processes that use it, and faults. See {@link explore}. */
export interface World {
  /** Everything that happens by chance in this world follows from it. */
  readonly seed: number
  /** The cluster. Its own clients belong to the test: no fault kills them. */
  readonly cluster: Cluster
  /** The faults of this world. */
  readonly faults: WorldFaults
  /** Chance for the test's own choices; the same in every run of the seed. */
  readonly random: Random
  /**
   * Starts a process that runs `program`. When a fault kills it, or the program throws, it is
   * started again; when the program returns, the process has ended.
   */
  process(name: string, program: (life: ProcessLife) => Promise<void>): WorldProcess
  /** From now on `check` is called whenever the world rests: it must not throw or return false. */
  invariant(check: () => boolean | void): void
  /**
   * Waits until the faults are over, then until `check` neither throws nor returns false. Rejects
   * if that takes longer than `withinMs` of the world's time (default 120,000).
   */
  eventually(
    check: () => boolean | void | Promise<boolean | void>,
    options?: { readonly withinMs?: number },
  ): Promise<void>
  /** Resolves after `ms` milliseconds of the world's time. */
  sleep(ms: number): Promise<void>
  /** Adds a line to the story that a failure prints. */
  tell(what: string): void
}

/** What a run of one seed needs. */
export interface RunOptions {
  readonly seed: number
  readonly cluster: ClusterOptions
  readonly kinds: readonly FaultKind[]
  readonly faultsMax: number
  readonly faultsMs: number
  /** Only these faults of the plan. */
  readonly only: readonly number[] | undefined
  readonly limitMs: number
}

/** How a run ended. */
export interface RunEnd {
  readonly story: readonly string[]
  readonly planned: readonly PlannedFault[]
  /** Undefined if nothing was wrong. */
  readonly failure: { readonly error: unknown } | undefined
}

/** What {@link explore} runs in each world: it may reject, as a test does. */
export type Scenario = (world: World) => Promise<void>

/** How long a program that has thrown stays dead. */
const RESTART_MS = 1_000
const LOOK_MS = 100
const WITHIN_MS = 120_000
const CLOSE_MS = 600_000

export async function runWorld(options: RunOptions, scenario: Scenario): Promise<RunEnd> {
  const run = new WorldRun(options)
  try {
    await run.run(scenario)
    return { ...run.told, failure: undefined }
  } catch (error) {
    return { ...run.told, failure: { error } }
  }
}

class WorldRun implements World {
  readonly seed: number
  readonly faults: WorldFaults
  readonly random: Random
  readonly #options: RunOptions
  readonly #world: SimulatedCluster
  readonly #planned: readonly PlannedFault[]
  readonly #invariants: (() => boolean | void)[] = []
  readonly #begun: (() => Promise<void> | void)[] = []
  #plan: RunningPlan | undefined
  #over: Promise<void> | undefined
  #isClosing = false

  constructor(options: RunOptions) {
    const { seed, kinds, faultsMax, faultsMs: lengthMs, only } = options
    this.seed = seed
    this.#options = options
    this.random = streamOf(seed, 'test')
    this.#world = new SimulatedCluster(seed, options.cluster)
    this.#world.onEvent = (name, event) => this.#world.story.tell(name, wordsOf(name, event))
    this.#world.onProgramEnd = (process, error) => this.#ended(process, error)
    const plan = drawPlan(streamOf(seed, 'plan'), { kinds, faultsMax, lengthMs })
    this.#planned = plan.filter(({ id }) => only?.includes(id) ?? true)
    this.faults = {
      planned: this.#planned,
      begin: kind => this.#begin(kind),
      over: () => (this.#over ??= this.#endFaults()),
    }
  }

  get told(): { readonly story: readonly string[]; readonly planned: readonly PlannedFault[] } {
    return { story: this.#world.story.lines, planned: this.#planned }
  }

  get cluster(): Cluster {
    return this.#world.cluster
  }

  async run(scenario: Scenario): Promise<void> {
    const world = this.#world
    const returned = [
      borrowGlobals(world.clock, streamOf(this.seed, 'Math.random')),
      doWithoutThreads(),
    ]
    try {
      await world.passing(world.open(), CLOSE_MS)
      this.#plan = new RunningPlan(world, this.#planned)
      await world.passing(scenario(this), this.#options.limitMs, this.#check)
      this.#check()
      await world.passing(this.faults.over(), CLOSE_MS)
      this.#isClosing = true
      await world.passing(world.close(), CLOSE_MS)
    } finally {
      for (const each of returned) each()
    }
  }

  process(name: string, program: (life: ProcessLife) => Promise<void>): WorldProcess {
    const process = this.#world.process(name, (life: Life) => program(life))
    process.start()
    return process
  }

  invariant(check: () => boolean | void): void {
    this.#invariants.push(check)
  }

  async eventually(
    check: () => boolean | void | Promise<boolean | void>,
    { withinMs = WITHIN_MS }: { readonly withinMs?: number } = {},
  ): Promise<void> {
    await this.faults.over()
    const { clock } = this.#world
    const endMs = clock.monotonicMs() + withinMs
    for (;;) {
      const why = await whyNot(check)
      if (why === undefined) return
      if (clock.monotonicMs() >= endMs) {
        const sentence = `not true within ${withinMs} ms after the faults: ${why.message}`
        throw new Error(sentence, { cause: why })
      }
      await this.sleep(LOOK_MS)
    }
  }

  sleep(ms: number): Promise<void> {
    return sleep(this.#world.clock, ms)
  }

  tell(what: string): void {
    this.#world.story.tell('test', what)
  }

  // ── faults ─────────────────────────────────────────────────────────────────────────────

  #begin(kind: FaultKind): boolean {
    const begun = beginFault(kind, this.#world, this.random)
    if (begun === undefined) return false
    this.#world.story.tell('fault', begun.what)
    this.#begun.push(begun.end)
    return true
  }

  /** Waits for the end of their time, and puts everything right. */
  async #endFaults(): Promise<void> {
    const { clock, weather, disk, processes } = this.#world
    const leftMs = this.#options.faultsMs - clock.monotonicMs()
    if (this.#planned.length > 0 && leftMs > 0) await this.sleep(leftMs)
    await this.#plan?.end()
    for (const end of this.#begun.splice(0)) await end()
    weather.clear()
    disk.clear()
    this.cluster.network.heal()
    for (const process of processes.values()) {
      process.resume()
      process.start()
    }
    this.#world.story.tell('world', 'the faults are over')
  }

  /** A program that throws dies, and a supervisor starts it again. */
  #ended(process: AppProcess, error: unknown): void {
    if (error === undefined || this.#isClosing) return
    this.#world.story.tell(process.name, `has thrown ${String(error)}`)
    process.crash()
    this.#world.clock.after(RESTART_MS, () => {
      if (!this.#isClosing) process.start()
    })
  }

  readonly #check = (): void => {
    for (const invariant of this.#invariants) {
      if (invariant() === false) throw new Error(`an invariant does not hold: ${invariant}`)
    }
  }
}

async function whyNot(
  check: () => boolean | void | Promise<boolean | void>,
): Promise<Error | undefined> {
  try {
    return (await check()) === false ? new Error(`${check} is false`) : undefined
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error))
  }
}
