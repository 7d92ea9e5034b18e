/*
 * The disk of a simulated world: a disk in memory that records what happens to it, takes time, and
 * fails as the test says. After a power cut or the death of the process there is another one, with
 * what is left.
 */

import { assert } from '../../base/assert.js'
import { sleep } from '../../base/clock.js'
import type { Random } from '../../base/random.js'
import { DiskError } from '../../disk/disk.js'
import {
  MemoryDisk,
  type DiskOperation,
  type ShortWrite,
  type SlowOperation,
} from '../../disk/memory-disk.js'
import { afterPowerCut, afterProcessDeath, type Damage } from './power-cut.js'
import type { SimClock } from './sim-clock.js'

/** Operations below a folder that fail or take long. */
export interface DiskTrouble {
  /** The folder: `broker-1`; '' for all. */
  readonly folder: string
  readonly kinds: readonly (DiskOperation['kind'] | SlowOperation)[]
  /** The system's error; undefined: it only takes long. */
  readonly code?: string
  /** How many operations fail; default: all. */
  readonly times?: number
  /** An append writes a part of its bytes before it fails. */
  readonly isShort?: boolean
  /** The longest time an operation takes. */
  readonly latencyMaxMs?: number
}

interface Active extends DiskTrouble {
  timesLeft: number
}

export class WorldDisk {
  readonly #random: Random
  readonly #clock: SimClock
  readonly #troubles = new Set<Active>()
  #disk: MemoryDisk
  /** Operations that failed, by the system's error, and that were slow. */
  readonly counts = new Map<string, number>()

  constructor(random: Random, clock: SimClock) {
    this.#random = random
    this.#clock = clock
    this.#disk = this.#observed(new MemoryDisk({ recordsHistory: true }))
  }

  /** The disk at present. */
  get current(): MemoryDisk {
    return this.#disk
  }

  /** From now on; the returned function ends it, and returns false if it was over. */
  begin(trouble: DiskTrouble): () => boolean {
    const active = { ...trouble, timesLeft: trouble.times ?? Infinity }
    this.#troubles.add(active)
    return () => this.#troubles.delete(active)
  }

  clear(): void {
    this.#troubles.clear()
  }

  /** Everything that uses the disk is dead; the next one has what a power cut has left. */
  cutPower(damage: Damage): void {
    const { history } = this.#retired()
    this.#disk = this.#observed(afterPowerCut(history, damage, this.#random))
  }

  /** One computer of several loses power: its folder has what the cut has left, others go on. */
  cutPowerBelow(folder: string, damage: Damage): void {
    const isHit = (path: string): boolean => isBelow(path, folder)
    const left = afterPowerCut(this.#disk.history, damage, this.#random, isHit)
    this.#disk.replaceFolder(folder, left)
  }

  /** A disk fails for good, and an empty one takes its place. */
  emptyBelow(folder: string): void {
    this.#disk.replaceFolder(folder, new MemoryDisk())
  }

  /** Everything that uses the disk is dead; the next one has everything that was written. */
  endProcess(): void {
    const { history } = this.#retired()
    this.#disk = this.#observed(afterProcessDeath(history))
  }

  /** The dead still hold it: nothing happens to it any more. */
  #retired(): MemoryDisk {
    const disk = this.#disk
    disk.beforeOperation = ({ path }) => {
      throw new DiskError('EIO', 'use after death', path)
    }
    disk.latency = () => new Promise<never>(() => undefined)
    return disk
  }

  #observed(disk: MemoryDisk): MemoryDisk {
    disk.beforeOperation = operation => this.#before(operation)
    disk.latency = (kind, path) => this.#latencyOf(kind, path)
    return disk
  }

  #before(operation: DiskOperation): ShortWrite | undefined {
    for (const trouble of this.#matching(operation.kind, operation.path)) {
      const { code, isShort = false } = trouble
      if (code === undefined) continue
      assert(trouble.timesLeft > 0, 'a trouble that is over is removed')
      if (--trouble.timesLeft === 0) this.#troubles.delete(trouble)
      this.#count(`${code} ${operation.kind}`)
      if (isShort && operation.kind === 'append') {
        return { writtenBytes: this.#random.int(operation.bytes.byteLength), code }
      }
      throw new DiskError(code, operation.kind, operation.path)
    }
    return undefined
  }

  #latencyOf(kind: SlowOperation, path: string): Promise<void> | undefined {
    const limits = this.#matching(kind, path).map(({ latencyMaxMs = 0 }) => latencyMaxMs)
    const ms = limits.reduce((sum, limit) => sum + this.#random.int(limit + 1), 0)
    if (ms === 0) return undefined
    this.#count(`slow ${kind}`)
    return sleep(this.#clock, ms)
  }

  #matching(kind: DiskOperation['kind'] | SlowOperation, path: string): Active[] {
    if (this.#troubles.size === 0) return []
    return [...this.#troubles].filter(
      ({ folder, kinds }) => kinds.includes(kind) && (folder === '' || isBelow(path, folder)),
    )
  }

  #count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1)
  }
}

function isBelow(path: string, folder: string): boolean {
  return path === folder || path.startsWith(`${folder}/`)
}
