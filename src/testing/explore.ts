/* Searches a scenario under faults, seed by seed, and makes a failure short. */

import {
  instance,
  integer,
  option,
  optional,
  readOptions,
  type OptionValues,
} from '../base/options.js'
import type { ClusterOptions } from '../cluster/cluster-options.js'
import { checkedConfig, PartlogError } from '../model/errors.js'
import { FAULT_KINDS, type FaultKind } from './faults/fault-kinds.js'
import { shorten } from './shorten.js'
import { runWorld, type RunEnd, type RunOptions, type Scenario } from './world.js'

/** The faults that an application has to live with on a healthy disk. */
const APPLICATION_FAULTS: readonly FaultKind[] = [
  'kill a broker',
  'stop a broker',
  'pause a broker',
  'lag of a replica',
  'cut one way',
  'partition',
  'slow network',
  'slow link',
  'lost requests',
  'lost answers',
  'repeated requests',
  'reordered messages',
  'errors in answers',
  'slow disk',
  'kill a process',
  'pause a process',
  'guest in a group',
]

const SEED_MAX = 2 ** 31 - 1
/** By the world's time: no program waits for longer on purpose. */
const LIMIT_MS = 3_600_000

const OPTIONS = {
  seeds: option(integer(1, SEED_MAX), 100),
  seed: optional(integer(0, SEED_MAX)),
  only: optional(
    instance<readonly number[]>('a list of numbers of faults', given => isListOf(given, isWhole)),
  ),
  brokers: option(integer(1, 64), 3),
  faults: option(
    instance<readonly FaultKind[]>(
      `a list of ${Object.keys(FAULT_KINDS).join(', ')}`,
      given => isListOf(given, each => Object.hasOwn(FAULT_KINDS, each as string)),
    ),
    APPLICATION_FAULTS,
  ),
  faultsMax: option(integer(0, 1_000), 8),
  faultsMs: option(integer(1, LIMIT_MS), 30_000),
  limitMs: option(integer(1, 1_000 * LIMIT_MS), LIMIT_MS),
  cluster: option(instance<ClusterOptions>('an object', isObject), {}),
} as const

/** Options of {@link explore}. */
export interface ExploreOptions {
  /** How many seeds are run: 1, 2, … Default 100. */
  readonly seeds?: number | undefined
  /** Only this one, as the message of a failure says. */
  readonly seed?: number | undefined
  /** Only these faults of its plan, as the message of a failure says. */
  readonly only?: readonly number[] | undefined
  /** The number of brokers. Default 3. */
  readonly brokers?: number | undefined
  /**
   * The kinds of faults that may happen; each seed draws some of them. Default: all that an
   * application has to live with while disks are healthy. `[]`: none.
   */
  readonly faults?: readonly FaultKind[] | undefined
  /** The most faults of one seed. Default 8. */
  readonly faultsMax?: number | undefined
  /** How long faults may begin, by the world's time. Milliseconds. Default 30,000. */
  readonly faultsMs?: number | undefined
  /** How long the scenario may take, by the world's time. Milliseconds. Default: an hour. */
  readonly limitMs?: number | undefined
  /** Further options of the cluster; `clock` and `random` are the world's. */
  readonly cluster?: ClusterOptions | undefined
}

/** What {@link explore} has seen. */
export interface Explored {
  /** How many seeds were run. */
  readonly seeds: number
  /** How many faults began, in all of them. */
  readonly faults: number
}

/** A seed has failed: the error of {@link explore}. */
export interface ExploreError extends Error {
  readonly name: 'ExploreError'
  /** The seed, the story of the shortest plan that fails, and how to see it again. */
  readonly message: string
  /** What the scenario, an invariant or a check has thrown. */
  readonly cause?: unknown
  /** The seed that failed. */
  readonly seed: number
  /** The numbers of the faults in the shortest plan that fails. */
  readonly only: readonly number[]
}

/**
 * Runs a scenario in many simulated worlds. Each seed has other faults at other times: brokers and
 * processes die, messages are lost, groups rebalance. The scenario starts its processes, says what
 * must always hold (`world.invariant`) and what must come to pass (`world.eventually`).
 *
 * A world has its own time: a session timeout, a backoff or a night of retention costs none. While
 * it runs, the global timers, Date and Math.random are the world's. Works in every test runner; the
 * worlds of one process run one after another.
 *
 * Rejects with {@link ExploreError} when a seed fails: then the run is repeated with fewer faults
 * until none can be left out, and the message says how to see it again. Rejects with INVALID_CONFIG
 * for invalid options.
 */
export async function explore(options: ExploreOptions, scenario: Scenario): Promise<Explored> {
  const settings = checkedConfig(() => readOptions(OPTIONS, options, 'explore option'))
  if (typeof scenario !== 'function') {
    throw new PartlogError('INVALID_ARGUMENT', 'scenario: expected a function of a world')
  }
  return await inTurn(() => search(settings, scenario))
}

type Settings = OptionValues<typeof OPTIONS>

async function search(settings: Settings, scenario: Scenario): Promise<Explored> {
  const { seed: only, seeds } = settings
  const [first, count] = only === undefined ? [1, seeds] : [only, 1]
  let faults = 0
  for (let seed = first; seed < first + count; seed++) {
    const run = (ids: readonly number[] | undefined): Promise<RunEnd> =>
      runWorld(runOptions(settings, seed, ids), scenario)
    const end = await run(settings.only)
    faults += end.planned.length
    if (end.failure !== undefined) throw await shortened(seed, end, run)
  }
  return { seeds: count, faults }
}

function runOptions(settings: Settings, seed: number, only?: readonly number[]): RunOptions {
  const { cluster, brokers, faults: kinds, faultsMax, faultsMs, limitMs } = settings
  return { seed, only, cluster: { brokers, ...cluster }, kinds, faultsMax, faultsMs, limitMs }
}

// ── failures ─────────────────────────────────────────────────────────────────────────────

const TRIES_MAX = 60
const STORY_LINES = 60

class SeedError extends Error implements ExploreError {
  override readonly name = 'ExploreError'

  constructor(
    message: string,
    readonly seed: number,
    readonly only: readonly number[],
    options: ErrorOptions,
  ) {
    super(message, options)
  }
}

async function shortened(
  seed: number,
  failed: RunEnd,
  run: (ids: readonly number[]) => Promise<RunEnd>,
): Promise<ExploreError> {
  let best = failed
  const fails = async (ids: readonly number[]): Promise<boolean> => {
    const end = await run(ids)
    if (end.failure === undefined) return false
    best = end
    return true
  }
  const ids = await shorten(
    failed.planned.map(({ id }) => id),
    fails,
    TRIES_MAX,
  )
  const cause = best.failure?.error
  const lines = best.story.slice(-STORY_LINES)
  const left = best.story.length - lines.length
  const message = [
    `seed ${seed} failed: ${cause instanceof Error ? cause.message : String(cause)}`,
    `again: explore({ seed: ${seed}, only: [${ids.join(', ')}], … }, …)`,
    left > 0 ? `the story (${left} lines before):` : 'the story:',
    ...lines,
  ].join('\n')
  return new SeedError(message, seed, ids, { cause })
}

/** Worlds borrow the globals, so there is one at a time. */
let before: Promise<unknown> = Promise.resolve()

function inTurn<T>(work: () => Promise<T>): Promise<T> {
  const done = before.then(work)
  before = done.catch(() => undefined)
  return done
}

function isObject(given: unknown): boolean {
  return typeof given === 'object' && given !== null
}

function isWhole(given: unknown): boolean {
  return Number.isInteger(given) && (given as number) >= 0
}

function isListOf(given: unknown, isOne: (each: unknown) => boolean): boolean {
  return Array.isArray(given) && given.every(isOne)
}
