/*
 * Which faults a run has, and when: drawn from the seed before it begins. Each seed uses a few
 * kinds of faults only, so that runs differ much; times of quiet lie between times of faults,
 * because some errors need peace. Each fault draws from a stream of its own: a plan without some
 * of its faults is the same in the rest, which is how a failing run is made short.
 */

import type { Timer } from '../../base/clock.js'
import type { Random } from '../../base/random.js'
import type { SimulatedCluster } from '../simulation/simulated-cluster.js'
import { between, chance, streamOf, subset } from '../simulation/streams.js'
import { beginFault, type FaultKind } from './fault-kinds.js'

/** A fault of a plan. */
export interface PlannedFault {
  /** Its number in the plan. */
  readonly id: number
  readonly kind: FaultKind
  readonly atMs: number
  readonly forMs: number
}

export interface PlanOptions {
  readonly kinds: readonly FaultKind[]
  /** How long faults may begin. */
  readonly lengthMs: number
  /** How many faults there are at most. */
  readonly faultsMax: number
}

/** How many of 100 kinds of faults a seed uses. */
const KINDS_PERCENT = 30
const PHASE_MIN_MS = 2_000
const PHASE_MAX_MS = 15_000
/** How many of 100 phases are quiet. */
const QUIET_PERCENT = 25

export function drawPlan(random: Random, options: PlanOptions): PlannedFault[] {
  const { kinds, lengthMs, faultsMax } = options
  const used = subset(random, kinds, KINDS_PERCENT)
  if (used.length === 0) return []
  const count = random.int(faultsMax + 1)
  const phases = drawPhases(random, lengthMs)
  const faults = Array.from({ length: count }, () => {
    const kind = used[random.int(used.length)] as FaultKind
    const phase = phases[random.int(phases.length)] as Phase
    const atMs = between(random, phase.fromMs, phase.toMs)
    const forMs = between(random, 100, PHASE_MAX_MS)
    return { kind, atMs, forMs }
  })
  return faults.sort((a, b) => a.atMs - b.atMs).map((fault, id) => ({ id, ...fault }))
}

interface Phase {
  readonly fromMs: number
  readonly toMs: number
}

/** The times in which faults begin. */
function drawPhases(random: Random, lengthMs: number): Phase[] {
  const phases: Phase[] = []
  for (let fromMs = 0; fromMs < lengthMs;) {
    const toMs = Math.min(lengthMs, fromMs + between(random, PHASE_MIN_MS, PHASE_MAX_MS))
    if (!chance(random, QUIET_PERCENT)) phases.push({ fromMs, toMs })
    fromMs = toMs
  }
  return phases.length > 0 ? phases : [{ fromMs: 0, toMs: lengthMs }]
}

/** Runs a plan in a world, and can end it before its time. */
export class RunningPlan {
  readonly #world: SimulatedCluster
  readonly #begun = new Set<() => Promise<void>>()
  readonly #timers = new Set<Timer>()
  /** How often each kind has hurt something. */
  readonly counts = new Map<FaultKind, number>()
  #isOver = false

  constructor(world: SimulatedCluster, faults: readonly PlannedFault[]) {
    this.#world = world
    for (const fault of faults) this.#after(fault.atMs, () => this.#begin(fault))
  }

  /** Ends all faults that have begun; no other one begins. Resolves when all is put right. */
  async end(): Promise<void> {
    this.#isOver = true
    for (const timer of this.#timers) timer.cancel()
    await Promise.all([...this.#begun].map(end => end()))
  }

  #begin({ id, kind, forMs }: PlannedFault): void {
    const world = this.#world
    if (this.#isOver || !world.isOpen) return
    const begun = beginFault(kind, world, streamOf(world.seed, `fault ${id}`))
    if (begun === undefined) return
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1)
    world.story.tell(`fault ${id}`, begun.what)
    let ending: Promise<void> | undefined
    const end = (): Promise<void> => (ending ??= this.#end(id, begun.end, end))
    this.#begun.add(end)
    this.#after(forMs, () => void end())
  }

  #after(ms: number, callback: () => void): void {
    const timer = this.#world.clock.after(ms, () => {
      this.#timers.delete(timer)
      callback()
    })
    this.#timers.add(timer)
  }

  async #end(id: number, undo: () => Promise<void> | void, own: () => Promise<void>) {
    this.#world.story.tell(`fault ${id}`, 'is over')
    await undo()
    this.#begun.delete(own)
  }
}
