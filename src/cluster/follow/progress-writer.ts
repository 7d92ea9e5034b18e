/*
 * Says in `.progress` how far the replicas of this process are, for processes that follow it.
 *
 * A change is written before anybody is told of it: a few bytes to the page cache, whether somebody
 * follows or not, beside a sync that takes a hundred times as long. With durability 'process' there
 * is no sync, so all changes of a turn of the event loop are written together at its end. What is
 * said is never more than what is committed.
 *
 * Nothing depends on the file. If it cannot be written, others see less.
 */

import type { Clock } from '../../base/clock.js'
import type { Logger } from '../../base/logger.js'
import type { Random } from '../../base/random.js'
import { randomUuid } from '../../base/uuid.js'
import { SharedFile } from '../../disk/shared-file.js'
import {
  encodeHeader,
  encodeSlot,
  PROGRESS_FILE,
  SLOT_BYTES,
  slotPosition,
  type OwnerState,
} from '../../log/following/progress-slots.js'
import type { Partition } from '../../partition/partition.js'
import { CONTROLLER } from '../network/network-rules.js'

export interface ProgressOptions {
  readonly dir: string
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** Whether a change is written at once, or with all others of its turn. */
  readonly isImmediate: boolean
}

/** The brokers of this process. */
interface OwnNodes {
  readonly metadata: Partition
  readonly running: Iterable<{
    readonly nodeId: number
    readonly replicas: { partitions(): Iterable<Partition> }
  }>
}

/** A replica that is said to others. */
interface Said {
  readonly partition: Partition
  readonly broker: number
  readonly slot: number
  readonly stop: () => void
  isDirty: boolean
}

/** Slots of neighbours are written together. */
const SLOTS_AT_ONCE = 256

export class ProgressWriter {
  readonly #options: ProgressOptions
  #file: SharedFile | undefined
  readonly #generation: string
  readonly #said = new Map<Partition, Said>()
  readonly #free: number[] = []
  #dirty: Said[] = []
  /** Slots of replicas that are gone. */
  readonly #gone: number[] = []
  #slots = 0
  #slotsSaid = 0
  #state: OwnerState = 'opening'
  #isPlanned = false
  #isTracking = false
  #isFrozen = false
  /** The last write has failed: the file may lack anything. */
  #isIncomplete = false
  #hasWarned = false

  /** From now on no other generation counts: recovery may cut what it has shown. */
  constructor(options: ProgressOptions) {
    this.#options = options
    this.#generation = randomUuid(options.random)
    this.#file = this.#attempt(() => new SharedFile(`${options.dir}/${PROGRESS_FILE}`))
    this.#attempt(() => this.#file?.resize(0))
    this.#attempt(() => this.#writeHeader())
  }

  /** The replicas of the controller and of every broker that runs. */
  trackAll({ metadata, running }: OwnNodes): void {
    if (this.#file === undefined || this.#isFrozen) return
    this.#isTracking = true
    this.#track(CONTROLLER, [metadata])
    const ids = new Set([CONTROLLER])
    for (const { nodeId, replicas } of running) {
      ids.add(nodeId)
      this.#track(nodeId, replicas.partitions())
    }
    for (const said of this.#said.values()) if (!ids.has(said.broker)) this.#end(said)
    this.#isTracking = false
    if (this.#dirty.length + this.#gone.length > 0) this.#plan()
  }

  /** All replicas of a broker. */
  #track(broker: number, partitions: Iterable<Partition>): void {
    const current = new Set(partitions)
    for (const each of current) if (!this.#said.has(each)) this.#begin(each, broker)
    for (const said of this.#said.values()) {
      if (said.broker === broker && !current.has(said.partition)) this.#end(said)
    }
  }

  /** All logs are open: what is said from now on counts. */
  opened(): void {
    this.flush()
    this.#state = 'open'
    this.#attempt(() => this.#writeHeader())
  }

  /** Says what is true now; after that, changes are not said any more. */
  freeze(): void {
    this.flush()
    this.#isFrozen = true
    for (const { stop } of this.#said.values()) stop()
    this.#said.clear()
    this.#dirty = []
  }

  /** The folder was closed in order. */
  close(): void {
    this.#state = 'closed'
    this.#attempt(() => this.#writeHeader())
  }

  /** Says nothing any more, as a process that dies. */
  abandon(): void {
    for (const { stop } of this.#said.values()) stop()
    this.#said.clear()
    this.#file?.close()
    this.#file = undefined
  }

  #begin(partition: Partition, broker: number): void {
    const slot = this.#free.pop() ?? this.#slots++
    const stop = partition.changes.watch(() => this.#mark(said))
    const said: Said = { partition, broker, slot, stop, isDirty: false }
    this.#said.set(partition, said)
    this.#mark(said)
  }

  #end(said: Said): void {
    said.stop()
    this.#said.delete(said.partition)
    this.#gone.push(said.slot)
    this.#plan()
  }

  #mark(said: Said): void {
    if (said.isDirty) return
    said.isDirty = true
    this.#dirty.push(said)
    this.#plan()
  }

  #plan(): void {
    if (this.#isTracking || this.#isPlanned || this.#state === 'opening') return
    if (this.#options.isImmediate) return this.flush()
    this.#isPlanned = true
    void this.#options.clock.turn().then(() => this.flush())
  }

  /** Writes what has changed. */
  flush(): void {
    this.#isPlanned = false
    if (this.#file === undefined || this.#isFrozen) return
    if (this.#isIncomplete) for (const said of this.#said.values()) this.#mark(said)
    this.#isPlanned = false
    const slots = this.#changedSlots()
    this.#isIncomplete = true
    this.#attempt(() => {
      for (const { at, bytes } of runsOf(slots)) this.#file?.write(bytes, at)
      if (this.#slots !== this.#slotsSaid) this.#writeHeader()
      this.#isIncomplete = false
    })
  }

  /** The bytes of slots that have changed, by slot. */
  #changedSlots(): Map<number, Buffer> {
    const slots = new Map<number, Buffer>()
    for (const slot of this.#gone.splice(0)) {
      slots.set(slot, Buffer.alloc(SLOT_BYTES))
      this.#free.push(slot)
    }
    const dirty = this.#dirty
    this.#dirty = []
    for (const said of dirty) {
      said.isDirty = false
      if (this.#said.get(said.partition) === said) slots.set(said.slot, bytesOf(said))
    }
    return slots
  }

  #writeHeader(): void {
    const header = { generation: this.#generation, state: this.#state, slots: this.#slots }
    this.#file?.write(encodeHeader(header), 0)
    this.#slotsSaid = this.#slots
  }

  /** What fails is said once: those who follow stay where they are. */
  #attempt<T>(call: () => T): T | undefined {
    try {
      return call()
    } catch (error) {
      const { logger } = this.#options
      if (!this.#hasWarned) logger.warn('other processes cannot follow this one', { error })
      this.#hasWarned = true
      return undefined
    }
  }
}

function bytesOf({ partition, broker }: Said): Buffer {
  const { topicId, topicPartition, leaderEpoch, highWatermark, state, replicaLog } = partition
  const { logStartOffset = 0, logEndOffset = 0 } = replicaLog ?? {}
  return encodeSlot({
    topicId,
    partition: topicPartition.partition,
    broker,
    leaderEpoch,
    layout: replicaLog?.state.segments.layout ?? 0,
    logStartOffset,
    highWatermark,
    logEndOffset,
    role: state,
  })
}

/** Neighbours as one write. */
function* runsOf(slots: ReadonlyMap<number, Buffer>): Generator<{ at: number; bytes: Buffer }> {
  const sorted = [...slots].sort(([a], [b]) => a - b)
  for (let first = 0; first < sorted.length;) {
    const slot = sorted[first]?.[0] as number
    let count = 1
    while (count < SLOTS_AT_ONCE && sorted[first + count]?.[0] === slot + count) count++
    const bytes = Buffer.concat(sorted.slice(first, first + count).map(([, each]) => each))
    yield { at: slotPosition(slot), bytes }
    first += count
  }
}
