/*
 * A partition on one broker: its role, its log, and how far readers may read it.
 *
 *   role       appends                reads                         ends when
 *   leader     from producers         consumers: below the high     another leadership begins, or
 *              and coordinators       watermark; followers: all     its log goes offline
 *   follower   from its leader        refused                       the same
 *   idle       refused                refused                       a leader is known
 *   offline    refused with reason    refused with reason           the log is opened again
 *
 * The high watermark is exclusive: records below it are committed, consumers read only those. It is
 * the least end of the replicas that count (isr.ts). The leader's own end is its durable end in
 * 'power' mode, its log end in 'process' mode; a follower fetches more only when what it has is as
 * durable. The high watermark does not move while fewer replicas are in sync than
 * min.insync.replicas asks for (KIP-966).
 *
 * Invariant: logStartOffset ≤ highWatermark ≤ logEndOffset. The high watermark never goes back on a
 * leader; on a follower it does when the log is truncated.
 */

import { assert } from '../base/assert.js'
import { checkStep } from '../base/states.js'
import { Watchers } from '../base/watchers.js'
import type { OffsetAndTimestamp } from '../log/store/log-reader.js'
import type { Appended, Log } from '../log/store/log.js'
import type { ReadBounds } from '../log/store/read-parts.js'
import { Batch } from '../model/batch/batch.js'
import { isPartlogError, PartlogError, toPartlogError } from '../model/errors.js'
import type { TopicPartition } from '../model/names.js'
import { NONE, type LeaderEpoch, type Offset, type Timestamp } from '../model/units.js'
import { admit, inTopicsCodec, isPlain, type Origin } from './admission.js'
import { Arrivals } from './arrivals.js'
import {
  appendedBefore,
  checkAfterAppend,
  checkBeforeAppend,
  checkSameEpoch,
  divergence,
  forClients,
  hasDiverged,
  minIsr,
  type FollowerEnd,
} from './checks.js'
import { CommittedBytes } from './committed-bytes.js'
import type { Unpacking } from './contents.js'
import { HandOvers } from './hand-over.js'
import { InSyncReplicas, type IsrView } from './isr.js'
import { readLimit } from './read-committed.js'
import {
  NO_LISTENER,
  ROLES,
  type FollowerFetch,
  type Leadership,
  type LeaderRole,
  type PartitionListener,
  type PartitionOptions,
  type PartitionRead,
  type ReaderBounds,
  type Role,
} from './roles.js'
import { Settled } from './settled.js'
import { OffsetWaiters } from './waiting.js'

export class Partition {
  /**
   * Notified when records are appended, the high watermark moves, the role or the ISR changes, or a
   * follower goes back.
   */
  readonly changes = new Watchers()
  /** Followers whose fetches are held here. */
  readonly handOvers = new HandOvers()
  /** Batches that cannot be appended at once; `append` does not wait for them. */
  readonly arrivals = new Arrivals()
  /** Notified when the low watermark may have moved, or the role has changed. */
  readonly deletions = new Watchers()
  readonly topicPartition: TopicPartition
  readonly topicId: string
  readonly #options: PartitionOptions
  readonly #waiters = new OffsetWaiters()
  #listener = NO_LISTENER
  #role: Role
  #roleVersion = 0
  /** Other brokers have replicas too: what fails here may work there. */
  #isReplicated = false
  #log: Log | undefined
  #settled: Settled | undefined
  #highWatermark: Offset = 0
  readonly #committed = new CommittedBytes()
  /** The latest truncation of the log. */
  #truncating: Promise<readonly string[]> = Promise.resolve([])

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

  /** A partition without a known leader yet. `highWatermark` comes from the checkpoint. */
  static open(options: PartitionOptions, log: Log, highWatermark: Offset): Partition {
    const partition = new Partition(options, { kind: 'idle' }, log)
    log.listen({
      onDurable: () => partition.#advance(),
      onStalled: error => partition.#waiters.fail(error),
      onOffline: error => partition.#fail(error),
      onCheckpointable: () => partition.#listener.onCheckpointable(),
    })
    const { logStartOffset, logEndOffset } = log
    partition.#highWatermark = Math.max(logStartOffset, Math.min(highWatermark, logEndOffset))
    partition.#settled = new Settled(log, options.durability)
    return partition
  }

  /** A log that another process writes, for readers: all of it is committed. */
  static shown(options: PartitionOptions, log: Log, epoch: LeaderEpoch): Partition {
    const partition = Partition.open(options, log, log.logEndOffset)
    const view = { replicas: [options.brokerId], isr: [options.brokerId], partitionEpoch: 0 }
    const isr = new InSyncReplicas(options.brokerId, view, partition.#nowMs())
    partition.#setRole({ kind: 'leader', epoch, epochStart: log.logStartOffset, isr })
    return partition
  }

  listen(listener: PartitionListener): void {
    this.#listener = listener
  }

  get highWatermark(): Offset {
    return this.#highWatermark
  }
  /** Bytes committed since the log was opened; a waiting fetch compares two readings. */
  get committedBytes(): number {
    if (this.#log === undefined) return 0
    if (!this.#isAlone) return this.#committed.bytes
    return this.#options.durability === 'power' ? this.#log.durableBytes : this.#log.appendedBytes
  }
  /** Epoch of the current leadership, this broker's or another's; −1 if none is known. */
  get leaderEpoch(): LeaderEpoch {
    return this.#role.kind === 'leader' || this.#role.kind === 'follower' ? this.#role.epoch : -1
  }
  /** The leader, as far as this broker knows; −1 if none is known. */
  get leaderId(): number {
    if (this.#role.kind === 'leader') return this.#options.brokerId
    return this.#role.kind === 'follower' ? this.#role.leaderId : -1
  }
  /** Increases with every change of the role. */
  get roleVersion(): number {
    return this.#roleVersion
  }
  get state(): Role['kind'] {
    return this.#role.kind
  }
  get isLeader(): boolean {
    return this.#role.kind === 'leader'
  }
  get offlineReason(): PartlogError | undefined {
    return this.#role.kind === 'offline' ? this.#role.error : undefined
  }
  /** The log of the leader; throws if this broker does not lead the partition. */
  get log(): Log {
    return this.#leaderLog()
  }
  /** The log, whatever the role is; undefined if it could not be opened. */
  get replicaLog(): Log | undefined {
    return this.#log
  }
  /** How much of the log is as durable as promised. For a partition whose log is open. */
  get settled(): Settled {
    return this.#settled as Settled
  }
  /** The in-sync replicas as the leader sees them; undefined if this broker does not lead. */
  get isr(): InSyncReplicas | undefined {
    return this.#role.kind === 'leader' ? this.#role.isr : undefined
  }

  // ── roles ──────────────────────────────────────────────────────────────────────────────

  /** Takes over the controller's decision; ignores an older leadership than is known. */
  async become(leadership: Leadership): Promise<void> {
    const { leader, leaderEpoch } = leadership
    this.#isReplicated = leadership.replicas.length > 1
    if (this.#role.kind === 'offline' || leaderEpoch < this.leaderEpoch) return
    if (leaderEpoch === this.leaderEpoch) return this.#updateIsr(leadership)
    this.#stepDown(`epoch ${leaderEpoch} of broker ${leader} has begun`)
    if (leader === this.#options.brokerId) return await this.#lead(leadership)
    this.#setRole(
      leader < 0 ? { kind: 'idle' } : { kind: 'follower', epoch: leaderEpoch, leaderId: leader },
    )
    this.changes.notify()
  }

  async #lead(leadership: Leadership): Promise<void> {
    await this.#truncating.catch(() => undefined) // the leadership starts at the end after that
    if (this.state === 'offline') return
    const log = this.#log as Log
    const { leaderEpoch: epoch } = leadership
    const epochStart = log.logEndOffset
    const isr = new InSyncReplicas(this.#options.brokerId, leadership, this.#nowMs())
    const isWritten = log.assignEpoch(epoch)
    this.#setRole({ kind: 'leader', epoch, epochStart, isr })
    this.#committed.appended(epochStart, epochStart - this.#highWatermark)
    this.#advance()
    this.changes.notify()
    try {
      await isWritten
    } catch (error) {
      this.#fail(toPartlogError(error))
    }
  }

  #updateIsr(view: IsrView): void {
    if (this.#role.kind !== 'leader') return
    this.#role.isr.update(view, this.#nowMs())
    this.#advance()
    this.changes.notify()
    this.deletions.notify() // deletions do not wait for replicas that have died
  }

  /** Ends this leadership: what waits for it fails. */
  #stepDown(why: string): void {
    if (this.#role.kind !== 'leader') return
    this.#setRole({ kind: 'idle' })
    this.deletions.notify()
    this.#committed.forget()
    this.#waiters.fail(this.#notLeader(why))
  }

  /** The partition is removed or closed: what waits for it fails with `error`. */
  retire(error: PartlogError): void {
    this.#goOffline(error)
  }

  // ── writing ────────────────────────────────────────────────────────────────────────────

  /**
   * Appends one batch from a producer. It is committed when `committed` of its end resolves. A
   * duplicate is not written again: the answer has the offsets of the first append.
   * `needsIsr`: throw NOT_ENOUGH_REPLICAS if too few replicas are in sync for acks=all. Throws
   * TooMuchAtOnce, and changes nothing, if the batch needs more unpacking than `unpacking` allows.
   */
  append(
    records: Uint8Array,
    needsIsr = false,
    origin: Origin = 'own',
    unpacking?: Unpacking,
  ): Appended {
    const { isr, epoch } = this.#leader()
    const log = this.#log as Log
    if (needsIsr) checkBeforeAppend(log.name, log.config, isr)
    const now = this.#options.clock.now()
    const admitted = admit(records, { config: log.config, now, origin, unpacking })
    const written = log.producers.check(admitted.batch)
    if (written !== undefined) return appendedBefore(written, log.config)
    const batch = inTopicsCodec(admitted, log.config)
    const appended = this.#write(batch, isr, epoch, now)
    if (!isr.isAlone) {
      isr.noteAppend(appended.firstOffset, this.#nowMs())
      this.#committed.appended(log.logEndOffset, batch.size)
      this.handOvers.appended(batch.buffer, appended.firstOffset)
      if (this.#highWatermark < log.logEndOffset) this.changes.notify()
    }
    if (this.#options.durability === 'process') this.#advance()
    else log.requestFlush()
    return appended
  }

  /** The short way of `append`: the base offset, or −1 if the batch has to go the long way. */
  appendNow(records: Buffer, now: Timestamp): Offset {
    if (!this.#isAlone || !this.arrivals.isEmpty) return NONE
    if (this.#options.durability !== 'process') return NONE
    const batch = new Batch(records, 0)
    const log = this.#log as Log
    if (!isPlain(batch, log.config, now) || !log.producers.isNext(batch)) return NONE
    let offset: Offset
    try {
      offset = log.append(records, [batch], this.leaderEpoch, now).firstOffset
    } catch {
      return NONE // the long way fails, too, and tells why
    }
    this.#advance()
    return offset
  }

  /** When the disk is full, the append fails and another replica should lead. */
  #write(batch: Batch, isr: InSyncReplicas, epoch: LeaderEpoch, now: Timestamp): Appended {
    try {
      return (this.#log as Log).append(batch.buffer, [batch], epoch, now)
    } catch (error) {
      const isRefused = isPartlogError(error, 'KAFKA_STORAGE_ERROR')
      if (isRefused && isr.committed.isr.length > 1) this.#listener.onOffline(error)
      throw isPartlogError(error) ? this.#forClients(error) : error
    }
  }

  /**
   * Resolves when the high watermark has reached `offset`. Rejects if that cannot happen any more,
   * and while the disk is full: the caller may then call it again.
   */
  async committed(offset: Offset): Promise<void> {
    if (this.#highWatermark >= offset) return
    if (this.#role.kind === 'offline') throw this.#forClients(this.#role.error)
    if (this.#log?.stalled !== undefined) throw this.#log.stalled
    await this.#waiters.wait(offset)
  }

  /** Resolves when everything appended so far is on this replica, as durable as promised. */
  async onLeader(): Promise<void> {
    if (this.#options.durability !== 'power') return
    await this.#unlessRetired(this.#leaderLog().flush())
  }

  /** Throws if too few replicas are in sync by now to acknowledge an append. */
  checkAfterAppend(): void {
    const { isr } = this.#leader()
    const log = this.#leaderLog()
    checkAfterAppend(log.name, log.config, isr)
  }

  // ── reading ────────────────────────────────────────────────────────────────────────────

  /** Committed batches from `from` on. Throws OFFSET_OUT_OF_RANGE. */
  async read(fetchOffset: Offset, bounds: ReaderBounds, lastEpoch = NONE): Promise<PartitionRead> {
    const log = this.#leaderLog()
    const upTo = readLimit(log, this.#highWatermark, bounds.isStable)
    return await this.#readUpTo(log, { fetchOffset, lastEpoch }, { ...bounds, upTo })
  }

  /** Batches from the follower's end on, committed or not. */
  async readAsFollower(
    { replicaId, ...reader }: FollowerFetch,
    bounds: ReaderBounds,
  ): Promise<PartitionRead> {
    const { isr } = this.#leader()
    const log = this.#log as Log
    if (!isr.has(replicaId)) {
      const sentence = `broker ${replicaId} has no replica of ${this.#name}`
      throw new PartlogError('REPLICA_NOT_AVAILABLE', sentence)
    }
    return await this.#readUpTo(log, reader, { ...bounds, upTo: log.logEndOffset })
  }

  /** Reads; if the reader names its last epoch and its log has diverged, says where instead. */
  async #readUpTo(log: Log, reader: FollowerEnd, bounds: ReadBounds): Promise<PartitionRead> {
    const known = { highWatermark: this.#highWatermark, logStartOffset: log.logStartOffset }
    const diverging = divergence(log, reader)
    if (diverging !== undefined) return { ...known, records: Buffer.alloc(0), diverging }
    return { ...known, records: await this.#unlessRetired(log.read(reader.fetchOffset, bounds)) }
  }

  /**
   * A fetch tells what a follower has: the high watermark may move, the follower may join the ISR.
   * Ignored if it follows another leadership, or if its log has diverged from this one.
   */
  noteFetch(fetch: FollowerFetch, claimed: LeaderEpoch): void {
    if (this.#role.kind !== 'leader') return
    const { replicaId, fetchOffset, lastEpoch, logStartOffset = NONE } = fetch
    const { isr, epoch, epochStart } = this.#role
    const log = this.#log as Log
    const isInLog = fetchOffset >= log.logStartOffset && fetchOffset <= log.logEndOffset
    if ((claimed >= 0 && claimed !== epoch) || !isInLog) return
    if (hasDiverged(log, { fetchOffset, lastEpoch })) return
    const isBack = isr.noteFetch(replicaId, fetchOffset, log.logEndOffset, this.#nowMs())
    if (isBack) this.changes.notify()
    if (isr.noteLogStart(replicaId, logStartOffset)) this.deletions.notify()
    this.#advance()
    if (isr.pending !== undefined || !this.#options.isAlive(replicaId)) return
    if (!isr.mayJoin(replicaId, this.#highWatermark, epochStart)) return
    this.#propose(isr, [...isr.committed.isr, replicaId])
  }

  /** Proposes an ISR without the members that lag for too long; called periodically. */
  shrinkIsr(): void {
    if (this.#role.kind !== 'leader') return
    const { isr } = this.#role
    if (isr.pending !== undefined) return
    const { logEndOffset } = this.log
    const behind = isr.laggards(logEndOffset, this.#nowMs(), this.#options.lagMaxMs)
    if (behind.length === 0) return
    this.#propose(
      isr,
      isr.committed.isr.filter(id => !behind.includes(id)),
    )
  }

  #propose(isr: InSyncReplicas, wanted: readonly number[]): void {
    isr.propose(wanted)
    this.#listener.onIsrWanted()
  }

  /** The first committed record whose timestamp is at least `timestamp`. */
  async findTimestamp(timestamp: Timestamp): Promise<OffsetAndTimestamp | undefined> {
    return this.#ifCommitted(await this.#unlessRetired(this.#leaderLog().findTimestamp(timestamp)))
  }

  /** The first record with the largest timestamp. */
  async findNewest(): Promise<OffsetAndTimestamp | undefined> {
    return this.#ifCommitted(await this.#unlessRetired(this.#leaderLog().findNewest()))
  }

  /**
   * The end for consumers. A new leader may not know yet how far its predecessor had committed; it
   * then throws OFFSET_NOT_AVAILABLE, as Kafka does, so that the end never goes back.
   */
  get visibleEnd(): Offset {
    const { epochStart } = this.#leader()
    if (this.#highWatermark >= epochStart) return this.#highWatermark
    throw new PartlogError(
      'OFFSET_NOT_AVAILABLE',
      `${this.#name}: the new leader does not know the end yet, ${this.#highWatermark} is certain`,
    )
  }

  /** Kafka's check of the leader epoch that a client knows; −1 is not compared. */
  checkLeaderEpoch(claimed: LeaderEpoch): void {
    checkSameEpoch(this.#name, this.leaderEpoch, claimed)
  }

  // ── following ──────────────────────────────────────────────────────────────────────────

  /** True while this broker follows in `epoch`: answers of an older leader are ignored. */
  isFollowing(epoch: LeaderEpoch): boolean {
    return this.#role.kind === 'follower' && this.#role.epoch === epoch
  }

  /** Appends the leader's batches unchanged, and takes over its high watermark and log start. */
  appendFromLeader(
    { records, highWatermark, logStartOffset }: PartitionRead,
    isChecked = false,
  ): void {
    const log = this.#followersLog()
    if (records.length > 0) log.appendAsFollower(records, isChecked)
    const end = log.logEndOffset
    this.#setHighWatermark(Math.max(log.logStartOffset, Math.min(highWatermark, end)))
    if (logStartOffset > log.logStartOffset) {
      log.deleteRecordsBefore(Math.min(logStartOffset, this.#highWatermark))
    }
    this.changes.notify()
  }

  /** Truncates what the leader does not have; resolves with the files that keep it. */
  async truncateTo(offset: Offset): Promise<readonly string[]> {
    const log = this.#followersLog()
    this.#highWatermark = Math.min(this.#highWatermark, offset)
    const keptIn = await (this.#truncating = log.truncateTo(offset))
    this.#setHighWatermark(Math.min(this.#highWatermark, log.logEndOffset))
    this.settled.truncated()
    return keptIn
  }

  /** Empties the log and starts it at `offset`, because the leader has nothing older. */
  async restartAt(offset: Offset): Promise<readonly string[]> {
    const log = this.#followersLog()
    const keptIn = await (this.#truncating = log.truncateFullyAndStartAt(offset))
    this.#setHighWatermark(offset)
    this.settled.truncated()
    return keptIn
  }

  // ── deleting ───────────────────────────────────────────────────────────────────────────

  /** Moves the log start up to `offset` (−1: the high watermark), and returns that offset. */
  deleteRecordsBefore(offset: Offset): Offset {
    const log = this.#leaderLog()
    const target = offset === -1 ? this.#highWatermark : offset
    if (target > this.#highWatermark) {
      throw new PartlogError(
        'OFFSET_OUT_OF_RANGE',
        `${log.name}: offset ${target} is above the high watermark ${this.#highWatermark}`,
      )
    }
    const before = log.logStartOffset
    log.deleteRecordsBefore(Math.max(target, before))
    if (log.logStartOffset > before) this.changes.notify() // wakes the followers' fetches
    return target
  }

  /**
   * The least log start offset of this replica and of all others on live brokers: whichever leads
   * next, records below are gone. Throws if this broker does not lead.
   */
  get lowWatermark(): Offset {
    return this.#leader().isr.lowWatermark(this.#leaderLog().logStartOffset, this.#options)
  }

  /** Live brokers that may still have records below `offset`. */
  replicasKeeping(offset: Offset): number[] {
    return this.#leader().isr.keeping(offset, this.#options)
  }

  // ── helpers ────────────────────────────────────────────────────────────────────────────

  get #name(): string {
    const { topic, partition } = this.topicPartition
    return `${topic}-${partition}`
  }

  async #unlessRetired<T>(work: Promise<T>): Promise<T> {
    try {
      return await work
    } catch (error) {
      // If it was retired meanwhile, the caller gets that reason, not "the log is closed".
      if (this.#role.kind === 'offline') throw this.#forClients(this.#role.error)
      throw isPartlogError(error, 'CORRUPT_LOG') ? this.#forClients(error) : error
    }
  }

  #forClients(error: PartlogError): PartlogError {
    return this.#isReplicated ? forClients(error) : error
  }

  #setRole(role: Role): void {
    checkStep(ROLES, this.#role.kind, role.kind)
    this.#role = role
    this.#roleVersion++
  }

  get #isAlone(): boolean {
    return this.#role.kind === 'leader' && this.#role.isr.isAlone
  }

  #nowMs(): number {
    return this.#options.clock.monotonicMs()
  }

  #leader(): LeaderRole {
    if (this.#role.kind === 'leader') return this.#role
    if (this.#role.kind === 'offline') throw this.#forClients(this.#role.error)
    throw this.#notLeader('another broker leads it')
  }

  #leaderLog(): Log {
    this.#leader()
    return this.#log as Log
  }

  /** A leader's log gets records from producers only, and is never cut. */
  #followersLog(): Log {
    if (this.#role.kind === 'leader') assert(false, 'a leader copies no log', { of: this.#name })
    return this.#log as Log
  }

  #notLeader(why: string): PartlogError {
    const sentence = `broker ${this.#options.brokerId} does not lead ${this.#name}: ${why}`
    return new PartlogError('NOT_LEADER_OR_FOLLOWER', sentence)
  }

  #ifCommitted(found: OffsetAndTimestamp | undefined): OffsetAndTimestamp | undefined {
    return found !== undefined && found.offset < this.#highWatermark ? found : undefined
  }

  #advance(): void {
    if (this.#role.kind !== 'leader') return
    const { isr } = this.#role
    const log = this.#log as Log
    if (!isr.isAlone && isr.committed.isr.length < minIsr(log.config, isr)) return
    const own = this.#options.durability === 'power' ? log.durableEndOffset : log.logEndOffset
    const end = isr.isAlone ? own : isr.committedEnd(own, this.#nowMs(), this.#options)
    if (end <= this.#highWatermark) return
    this.#setHighWatermark(end)
    this.#committed.advance(end)
    this.#waiters.advance(end)
    this.handOvers.committed()
    this.changes.notify()
  }

  #setHighWatermark(highWatermark: Offset): void {
    const { logStartOffset, logEndOffset } = this.#log as Log
    if (highWatermark < logStartOffset || highWatermark > logEndOffset) {
      const places = { logStartOffset, highWatermark, logEndOffset }
      assert(false, 'the high watermark lies in the log', places)
    }
    this.#highWatermark = highWatermark
  }

  #fail(error: PartlogError): void {
    if (this.#role.kind === 'offline') return
    this.#goOffline(error)
    this.#listener.onOffline(error)
  }

  #goOffline(error: PartlogError): void {
    if (this.#role.kind === 'offline') return
    this.#setRole({ kind: 'offline', error })
    this.deletions.notify()
    this.#committed.forget()
    this.#waiters.fail(this.#forClients(error))
    this.changes.notify()
  }
}
