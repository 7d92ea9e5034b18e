/**
 * A partition on one broker: its role, its log, and what readers may see of it.
 *
 *   role       appends                reads                      ends by
 *   leader     yes                    up to the high watermark   its log going offline
 *   offline    refused with reason    refused with reason        being opened again
 *
 * The high watermark is exclusive: records below it are committed, consumers see those only. With
 * one replica it is that replica's durable end in 'power' mode, its log end in 'process' mode.
 *
 * Invariant: logStartOffset ≤ highWatermark ≤ logEndOffset, and the high watermark never goes back.
 */

import type { Clock } from '../base/clock.js'
import type { Appended, Log } from '../log/log.js'
import type { OffsetAndTimestamp, ReadBounds } from '../log/log-reader.js'
import { PartlogError } from '../model/errors.js'
import type { TopicPartition } from '../model/names.js'
import type { LeaderEpoch, Offset, Timestamp } from '../model/units.js'
import { admit } from './admission.js'
import { OffsetWaiters, Watchers } from './delayed.js'

/** What an acknowledged record survives: the death of the process, or a power cut as well. */
export type Durability = 'power' | 'process'

type Role =
  | { readonly kind: 'leader'; readonly epoch: LeaderEpoch }
  | { readonly kind: 'offline'; readonly error: PartlogError }

export interface PartitionOptions {
  readonly topicPartition: TopicPartition
  readonly topicId: string
  readonly durability: Durability
  readonly clock: Clock
}

/** What may be read of a partition, as a reader is told. */
export interface PartitionRead {
  readonly records: Buffer
  readonly highWatermark: Offset
  readonly logStartOffset: Offset
}

export class Partition {
  /** Told when the high watermark moves or the partition goes offline. */
  readonly changes = new Watchers()
  readonly topicPartition: TopicPartition
  readonly topicId: string
  readonly #options: PartitionOptions
  readonly #waiters = new OffsetWaiters()
  #role: Role
  #log: Log | undefined
  #highWatermark: Offset = 0

  private constructor(options: PartitionOptions, role: Role, log: Log | undefined) {
    this.topicPartition = options.topicPartition
    this.topicId = options.topicId
    this.#options = options
    this.#role = role
    this.#log = log
  }

  /** A partition whose log could not be opened. */
  static offline(options: PartitionOptions, error: PartlogError): Partition {
    return new Partition(options, { kind: 'offline', error }, undefined)
  }

  /** A partition that this broker leads from now on. */
  static async leading(
    options: PartitionOptions,
    log: Log,
    epoch: LeaderEpoch,
  ): Promise<Partition> {
    await log.assignEpoch(epoch)
    const partition = new Partition(options, { kind: 'leader', epoch }, log)
    log.listen({
      onDurable: () => partition.#advance(),
      onOffline: error => partition.#goOffline(error),
      onCheckpointable: () => partition.onCheckpointable(),
    })
    // What recovery found is durable, and nobody else has a say: all of it is committed.
    partition.#highWatermark = log.logEndOffset
    return partition
  }

  /** Set by the broker: something about the log is worth writing into a checkpoint. */
  onCheckpointable: () => void = () => undefined

  get highWatermark(): Offset {
    return this.#highWatermark
  }
  /** Bytes committed since the log was opened: how much is new for one who looked before. */
  get committedBytes(): number {
    if (this.#log === undefined) return 0
    return this.#options.durability === 'power' ? this.#log.durableBytes : this.#log.appendedBytes
  }
  get leaderEpoch(): LeaderEpoch {
    return this.#role.kind === 'leader' ? this.#role.epoch : -1
  }
  get offlineReason(): PartlogError | undefined {
    return this.#role.kind === 'offline' ? this.#role.error : undefined
  }
  /** The log; throws why there is none when the partition is offline. */
  get log(): Log {
    return this.#leaderLog()
  }

  // ── writing ────────────────────────────────────────────────────────────────────────────

  /** Takes one batch from a producer. It is committed when `committed` of its end resolves. */
  append(records: Uint8Array): Appended {
    const log = this.#leaderLog()
    const now = this.#options.clock.now()
    const batch = admit(records, log.config, now)
    const appended = log.append(batch.buffer, [batch], this.leaderEpoch, now)
    if (this.#options.durability === 'process') this.#advance()
    else log.requestFlush()
    return appended
  }

  /** Resolves when the high watermark has reached `offset`; rejects when that cannot happen. */
  async committed(offset: Offset): Promise<void> {
    if (this.#highWatermark >= offset) return
    if (this.#role.kind === 'offline') throw this.#role.error
    await this.#waiters.wait(offset)
  }

  /** Resolves when everything appended so far is on this replica, as durably as it was promised. */
  async onLeader(): Promise<void> {
    if (this.#options.durability === 'power') await this.#leaderLog().flush()
  }

  // ── reading ────────────────────────────────────────────────────────────────────────────

  /** Committed batches from `from` on. Throws OFFSET_OUT_OF_RANGE. */
  async read(from: Offset, bounds: Omit<ReadBounds, 'upTo'>): Promise<PartitionRead> {
    const log = this.#leaderLog()
    const upTo = this.#highWatermark
    const records = await log.read(from, { ...bounds, upTo })
    return { records, highWatermark: upTo, logStartOffset: log.logStartOffset }
  }

  /** The first committed record that is not older than `timestamp`. */
  async findTimestamp(timestamp: Timestamp): Promise<OffsetAndTimestamp | undefined> {
    return this.#ifCommitted(await this.#leaderLog().findTimestamp(timestamp))
  }

  /** The first record with the newest time. */
  async findNewest(): Promise<OffsetAndTimestamp | undefined> {
    return this.#ifCommitted(await this.#leaderLog().findNewest())
  }

  /** Kafka's check of the epoch a client believes in; −1 is not compared. */
  checkLeaderEpoch(claimed: LeaderEpoch): void {
    if (claimed < 0 || this.#role.kind !== 'leader' || claimed === this.#role.epoch) return
    const { topic, partition } = this.topicPartition
    const sentence = `${topic}-${partition} is in leader epoch ${this.#role.epoch}, not ${claimed}`
    const code = claimed < this.#role.epoch ? 'FENCED_LEADER_EPOCH' : 'UNKNOWN_LEADER_EPOCH'
    throw new PartlogError(code, sentence)
  }

  // ── deleting ───────────────────────────────────────────────────────────────────────────

  /** Moves the log start up to `offset`; −1 stands for the high watermark. Returns where it is. */
  deleteRecordsBefore(offset: Offset): Offset {
    const log = this.#leaderLog()
    const target = offset === -1 ? this.#highWatermark : offset
    if (target > this.#highWatermark) {
      throw new PartlogError(
        'OFFSET_OUT_OF_RANGE',
        `${log.name}: offset ${target} is above the high watermark ${this.#highWatermark}`,
      )
    }
    log.deleteRecordsBefore(Math.max(target, log.logStartOffset))
    return log.logStartOffset
  }

  /** The partition is taken away: whoever waits for it is told. */
  retire(error: PartlogError): void {
    this.#goOffline(error)
  }

  #leaderLog(): Log {
    if (this.#role.kind === 'offline') throw this.#role.error
    return this.#log as Log
  }

  #ifCommitted(found: OffsetAndTimestamp | undefined): OffsetAndTimestamp | undefined {
    return found !== undefined && found.offset < this.#highWatermark ? found : undefined
  }

  #advance(): void {
    const log = this.#log as Log
    const end = this.#options.durability === 'power' ? log.durableEndOffset : log.logEndOffset
    if (end <= this.#highWatermark) return
    this.#highWatermark = end
    this.#waiters.advance(end)
    this.changes.notify()
  }

  #goOffline(error: PartlogError): void {
    if (this.#role.kind === 'offline') return
    this.#role = { kind: 'offline', error }
    this.#waiters.fail(error)
    this.changes.notify()
  }
}
