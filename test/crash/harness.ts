/**
 * Crashes a scenario at every single disk operation, applies the damage of a power cut, opens what
 * is left and lets the scenario check that everything acknowledged exists. Then it does the same
 * with a second crash at every operation of that recovery.
 */

import { createHash } from 'node:crypto'
import { expect } from 'vitest'
import { seededRandom } from '../../src/base/random.js'
import { VirtualClock } from '../../src/base/virtual-clock.js'
import type { ClusterOptions } from '../../src/cluster/cluster-options.js'
import { Cluster } from '../../src/cluster/cluster.js'
import { DiskError } from '../../src/disk/disk.js'
import { MemoryDisk, type DiskOperation } from '../../src/disk/memory-disk.js'
import { afterPowerCut, DAMAGES, hasChance, type Damage } from '../../src/testing/simulation/power-cut.js'

/** What a scenario may use, and where it notes what it was promised. */
export interface World<Promises> {
  readonly cluster: Cluster
  readonly clock: VirtualClock
  readonly promised: Promises
}

export interface Scenario<Promises> {
  readonly options?: ClusterOptions
  /** What has been promised before anything happens. */
  readonly promises: () => Promises
  /** Runs without a crash. */
  readonly prepare?: (world: World<Promises>) => Promise<void>
  /** Runs with a crash at each of its operations. */
  readonly act: (world: World<Promises>) => Promise<void>
  /** Was every promise kept? */
  readonly check: (world: World<Promises>) => Promise<void>
}

/**
 * The second crash has one of these kinds of damage, in turn: it is where the time goes. All of
 * them with CRASH_TWICE=all.
 */
const TWICE: readonly Damage[] = ['synced', 'prefix', 'sectors']
const hasAllTwice = process.env['CRASH_TWICE'] === 'all'

function isCrashedTwice(damage: Damage, at: number): boolean {
  return hasAllTwice ? TWICE.includes(damage) : TWICE[at % TWICE.length] === damage
}

/** How many throws of the dice per crash and kind of damage. */
const THROWS = 2

export interface Enumeration {
  /** Crashes at different operations. */
  crashes: number
  /** Disks that were opened and checked after one crash, and after two. */
  opened: number
  openedTwice: number
}

/**
 * Knows which disks were checked. Most crashes leave what another one left, to the byte: with the
 * same promises, checking it again would prove nothing.
 */
export class CheckedDisks {
  readonly #seen = new Set<string>()

  /** True the first time that names, bytes and promises are these. */
  isNew(disk: MemoryDisk, promised: unknown): boolean {
    const key = `${digestOf(disk)} ${JSON.stringify(promised)}`
    if (this.#seen.has(key)) return false
    this.#seen.add(key)
    return true
  }
}

/** Of a disk to which nothing has happened since a power cut left it. */
function digestOf(disk: MemoryDisk): string {
  const files = new Map<string, Uint8Array>()
  const folders: string[] = []
  for (const operation of disk.history) {
    if (operation.kind === 'makeDirectory') folders.push(operation.path)
    else if (operation.kind === 'create') files.set(operation.path, NO_BYTES)
    else if (operation.kind === 'append') files.set(operation.path, operation.bytes)
  }
  const hash = createHash('sha1').update(JSON.stringify(folders.sort()))
  for (const [path, bytes] of [...files].sort(([a], [b]) => (a < b ? -1 : 1))) {
    hash.update(`${path}\0${bytes.byteLength}\0`).update(bytes)
  }
  return hash.digest('base64')
}

const NO_BYTES = new Uint8Array(0)

/** Every crash of a scenario. Fails with the place, damage and seed of the first broken promise. */
export async function enumerateCrashes<P>(scenario: Scenario<P>): Promise<Enumeration> {
  const result: Enumeration = { crashes: 0, opened: 0, openedTwice: 0 }
  const checked = new CheckedDisks()
  const opened = new CheckedDisks()
  for (let at = 0; ; at++) {
    const crash = await crashAt(scenario, at)
    if (crash === undefined) return result
    result.crashes++
    for (const damage of DAMAGES) {
      for (let seed = 1; seed <= (hasChance(damage) ? THROWS : 1); seed++) {
        const where = `crash at operation ${at} (${crash.operation}), ${damage}, seed ${seed}`
        const disk = afterPowerCut(crash.history, damage, seededRandom(seed))
        const { promised } = crash
        const left = [...disk.history]
        if (checked.isNew(disk, promised)) await checkAfter(scenario, disk, promised, where)
        result.opened++
        const isTwice = seed === 1 && isCrashedTwice(damage, at)
        if (!isTwice || !opened.isNew(disk, { promised, damage })) continue
        const again = { left, promised, damage, seed, where, checked }
        result.openedTwice += await crashOpening(scenario, again)
      }
    }
  }
}

interface Crash<P> {
  readonly operation: string
  readonly history: readonly DiskOperation[]
  readonly promised: P
}

/** Runs a scenario until operation `at` of its act; undefined when it ended before. */
async function crashAt<P>(scenario: Scenario<P>, at: number): Promise<Crash<P> | undefined> {
  const disk = new MemoryDisk({ recordsHistory: true })
  const world = await openWorld(scenario, disk, scenario.promises())
  await scenario.prepare?.(world)
  const power = cutPower(disk, at)
  await Promise.race([scenario.act(world).catch(() => undefined), power.isOut])
  await settle()
  if (power.operation === undefined) {
    disk.beforeOperation = undefined
    await world.cluster.close()
    return undefined
  }
  return { operation: power.operation, history: disk.history, promised: world.promised }
}

/** Cuts the power again, at every operation of the opening of a disk, and checks. */
async function crashOpening<P>(
  scenario: Scenario<P>,
  first: {
    readonly left: readonly DiskOperation[]
    readonly promised: P
    readonly damage: Damage
    readonly seed: number
    readonly where: string
    readonly checked: CheckedDisks
  },
): Promise<number> {
  const { left, promised, damage, seed, where, checked } = first
  const moments = await momentsOf(copyOf(left), async disk => {
    const { cluster } = await openWorld(scenario, disk, promised)
    return () => cluster.close()
  })
  for (const [at, { operation, history }] of moments.entries()) {
    const twice = afterPowerCut(history, damage, seededRandom(seed + at))
    const place = `${where}; then at operation ${at} (${operation}) of opening it`
    if (checked.isNew(twice, promised)) await checkAfter(scenario, twice, promised, place)
  }
  return moments.length
}

/** What has happened to a disk when an operation is about to. */
export interface Moment {
  readonly operation: string
  readonly history: readonly DiskOperation[]
}

/**
 * Every moment at which the power may go out while a disk is opened. One opening shows them all:
 * it promises nothing to anyone, does the same each time, and does nothing to the disk once the
 * power is out.
 */
export async function momentsOf(
  disk: MemoryDisk,
  open: (disk: MemoryDisk) => Promise<() => Promise<void>>,
): Promise<Moment[]> {
  const found: { readonly operation: string; readonly length: number }[] = []
  disk.beforeOperation = ({ kind, path }) => {
    if (kind !== 'read') found.push({ operation: `${kind} ${path}`, length: disk.history.length })
    return undefined
  }
  const close = await open(disk)
  await settle()
  disk.beforeOperation = undefined
  const history = [...disk.history]
  await close()
  return found.map(({ operation, length }) => ({ operation, history: history.slice(0, length) }))
}

/** A disk on which exactly this has happened, all of it durable. */
export function copyOf(history: readonly DiskOperation[]): MemoryDisk {
  return afterPowerCut(history, 'synced', seededRandom(1))
}

async function openWorld<P>(
  { options = {} }: Scenario<P>,
  disk: MemoryDisk,
  promised: P,
): Promise<World<P>> {
  const clock = new VirtualClock()
  const random = seededRandom(7)
  const cluster = await Cluster.onDisk(disk, { ...options, clock, random })
  return { cluster, clock, promised }
}

async function checkAfter<P>(
  scenario: Scenario<P>,
  disk: MemoryDisk,
  promised: P,
  where: string,
): Promise<void> {
  try {
    const world = await openWorld(scenario, disk, promised)
    expect(world.cluster.recovery.offline).toEqual([])
    await scenario.check(world)
    await world.cluster.close()
  } catch (error) {
    throw new Error(`${where}: ${(error as Error).message}`, { cause: error })
  }
}

export interface Power {
  /** Resolves when the power has gone. */
  readonly isOut: Promise<undefined>
  /** The operation that did not happen. */
  readonly operation: string | undefined
}

/** The operation with this number does not happen, nor does any after it. Reads are not counted. */
export function cutPower(disk: MemoryDisk, at: number): Power {
  let count = 0
  let operation: string | undefined
  let signal: () => void = () => undefined
  const isOut = new Promise<undefined>(resolve => (signal = () => resolve(undefined)))
  disk.beforeOperation = next => {
    if (operation === undefined && (next.kind === 'read' || count++ < at)) return undefined
    operation ??= `${next.kind} ${next.path}`
    signal()
    throw new DiskError('POWER', next.kind, next.path)
  }
  return {
    isOut,
    get operation() {
      return operation
    },
  }
}

/** Lets everything that is already under way end. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise(resolve => setImmediate(resolve))
}
