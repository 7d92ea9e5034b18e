/**
 * A partition on one broker: its role, its log, and what readers may see of it.
 *
 *   role       appends                reads                         ends by
 *   leader     from producers         consumers: below the high     another leadership, or its log
 *              and coordinators       watermark; followers: all     going offline
 *   follower   from its leader        refused                       the same
 *   idle       refused                refused                       a leadership being known
 *   offline    refused with reason    refused with reason           being opened again
 *
 * The high watermark is exclusive: records below it are committed, consumers see those only. It is
 * the least end of those who count (isr.ts), where the leader's own is its durable end in 'power'
 * mode, its log end in 'process' mode; followers fetch on only when what they have is as durable.
 * It stands still while fewer replicas are in sync than min.insync.replicas asks for (KIP-966).
 *
 * Invariant: logStartOffset ≤ highWatermark ≤ logEndOffset. On a leader it never goes back; on a
 * follower it does when the log is truncated.
 */

import type { OffsetAndTimestamp, ReadBounds } from '../log/log/log-reader.js'
import type { Log } from '../log/log/log.js'
import type { Appended } from '../log/log/log.js'
import type { Batch } from '../model/batch.js'
import { isPartlogError, PartlogError, toPartlogError } from '../model/errors.js'
import type { TopicPartition } from '../model/names.js'
import { NONE, type LeaderEpoch, type Offset, type Timestamp } from '../model/units.js'
import { admit, inTopicsCodec, type Origin } from './admission.js'
import { Arrivals } from './arrivals.js'
import {
  appendedBefore,
  checkAfterAppend,
  checkBeforeAppend,
  checkSameEpoch,
  divergence,
  forClients,
  hasParted,
  minIsr,
  type FollowerEnd,
} from './checks.js'
import { CommittedBytes } from './committed-bytes.js'
import type { Unpacking } from './contents.js'
import { OffsetWaiters, Watchers } from './delayed.js'
import { InSyncReplicas, type IsrView } from './isr.js'
import {
  DEAF,
  type FollowerFetch,
  type Leadership,
  type LeaderRole,
  type PartitionListener,
  type PartitionOptions,
  type PartitionRead,
  type ReaderBounds,
  type Role,
} from './roles.js'

export class Partition {
  /** Told when records come in, the high watermark moves or the role changes. */
  readonly changes = new Watchers()
  /** Batches that cannot be appended at once; `append` itself does not wait for them. */
  readonly arrivals = new Arrivals()
  /** Told when the low watermark may have moved, or the role has changed. */
  readonly deletions = new Watchers()
  readonly topicPartition: TopicPartition
  readonly topicId: string
  readonly #options: PartitionOptions
  readonly #waiters = new OffsetWaiters()
  #listener = DEAF
  #role: Role
  #roleVersion = 0
  /** Other brokers keep the partition as well: what fails here may work there. */
  #isReplicated = false
  #log: Log | undefined
  #highWatermark: Offset = 0
  readonly #committed = new CommittedBytes()
  /** The latest truncation of the log. */
  #cutting: Promise<readonly string[]> = Promise.resolve([])
  /** Up to here a follower's log start survives a power cut: so much it tells its leader. */
  #savedStart: Offset = 0

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

  /** A partition that waits to be told who leads. `highWatermark`: as it was known before. */
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
    partition.#savedStart = logStartOffset
    return partition
  }

  /** A partition of which this broker has the only copy. */
  static async leading(
    options: PartitionOptions,
    log: Log,
    leaderEpoch: LeaderEpoch,
  ): Promise<Partition> {
    const partition = Partition.open(options, log, log.logEndOffset)
    const only = [options.brokerId]
    const alone = { replicas: only, isr: only, partitionEpoch: 0, leader: options.brokerId }
    await partition.become({ ...alone, leaderEpoch })
    return partition
  }

  listen(listener: PartitionListener): void {
    this.#listener = listener
  }

  get highWatermark(): Offset {
    return this.#highWatermark
  }
  /** Bytes committed since the log was opened: how much is new for one who looked before. */
  get committedBytes(): number {
    if (this.#log === undefined) return 0
    if (!this.#isAlone) return this.#committed.bytes
    return this.#options.durability === 'power' ? this.#log.durableBytes : this.#log.appendedBytes
  }
  /** Of the leadership this broker knows, its own or another's; −1 when there is none. */
  get leaderEpoch(): LeaderEpoch {
    return this.#role.kind === 'leader' || this.#role.kind === 'follower' ? this.#role.epoch : -1
  }
  /** Who leads, as far as it is known here; −1 for nobody. */
  get leaderId(): number {
    if (this.#role.kind === 'leader') return this.#options.brokerId
    return this.#role.kind === 'follower' ? this.#role.leaderId : -1
  }
  /** Grows with every change of the role. */
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
  /** The log of the leader; throws when this broker does not lead the partition. */
  get log(): Log {
    return this.#leaderLog()
  }
  /** The log, whatever the role is; undefined when it could not be opened. */
  get replicaLog(): Log | undefined {
    return this.#log
  }
  /** The in-sync replicas as the leader sees them; undefined on others. */
  get isr(): InSyncReplicas | undefined {
    return this.#role.kind === 'leader' ? this.#role.isr : undefined
  }

  // ── roles ──────────────────────────────────────────────────────────────────────────────

  /** Takes up what the controller says; news of an older leadership is ignored. */
  async become(leadership: Leadership): Promise<void> {
    const { leader, leaderEpoch } = leadership
    this.#isReplicated = leadership.replicas.length > 1
    if (this.#role.kind === 'offline' || leaderEpoch < this.leaderEpoch) return
    if (leaderEpoch === this.leaderEpoch) return this.#updateIsr(leadership)
    this.#stepDown(`epoch ${leaderEpoch} of broker ${leader} has begun`)
    if (leader === this.#options.brokerId) return await this.#lead(leadership)
    this.#play(
      leader < 0 ? { kind: 'idle' } : { kind: 'follower', epoch: leaderEpoch, leaderId: leader },
    )
    this.changes.notify()
  }

  async #lead(leadership: Leadership): Promise<void> {
    await this.#cutting.catch(() => undefined) // the leadership begins where the log ends then
    if (this.state === 'offline') return
    const log = this.#log as Log
    const { leaderEpoch: epoch } = leadership
    const epochStart = log.logEndOffset
    const isr = new InSyncReplicas(this.#options.brokerId, leadership, this.#nowMs())
    const isWritten = log.assignEpoch(epoch)
    this.#play({ kind: 'leader', epoch, epochStart, isr })
    this.#committed.grown(epochStart, epochStart - this.#highWatermark)
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
    this.deletions.notify() // who has died is not waited for
  }

  /** Whoever waits for this leadership is told that it is over. */
  #stepDown(why: string): void {
    if (this.#role.kind !== 'leader') return
    this.#play({ kind: 'idle' })
    this.deletions.notify()
    this.#committed.forget()
    this.#waiters.fail(this.#notLeader(why))
  }

  /** The partition is taken away: whoever waits for it is told. */
  retire(error: PartlogError): void {
    this.#goOffline(error)
  }

  // ── writing ────────────────────────────────────────────────────────────────────────────

  /**
   * Takes one batch from a producer. It is committed when `committed` of its end resolves. One that
   * is in the log already is not written again: the answer says where it stands.
   * `needsIsr`: refuse with NOT_ENOUGH_REPLICAS what could not be acknowledged by all. Throws
   * TooMuchAtOnce, and changes nothing, when more would have to be unpacked than `unpacking` lets.
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
      this.#committed.grown(log.logEndOffset, batch.size)
      this.changes.notify()
    }
    if (this.#options.durability === 'process') this.#advance()
    else log.requestFlush()
    return appended
  }

  /** A disk without room refuses; others may have some, so they get the leadership. */
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
   * Resolves when the high watermark has reached `offset`. Rejects when that cannot happen, and
   * while the disk has no room for it: then it may be asked again.
   */
  async committed(offset: Offset): Promise<void> {
    if (this.#highWatermark >= offset) return
    if (this.#role.kind === 'offline') throw this.#forClients(this.#role.error)
    if (this.#log?.stalled !== undefined) throw this.#log.stalled
    await this.#waiters.wait(offset)
  }

  /** Resolves when everything appended so far is on this replica, as durably as it was promised. */
  async onLeader(): Promise<void> {
    if (this.#options.durability !== 'power') return
    await this.#whileHere(this.#leaderLog().flush())
  }

  /** Throws when so few replicas are in sync by now that an append must not be acknowledged. */
  checkAfterAppend(): void {
    const { isr } = this.#leader()
    const log = this.#leaderLog()
    checkAfterAppend(log.name, log.config, isr)
  }

  // ── reading ────────────────────────────────────────────────────────────────────────────

  /** Committed batches from `from` on. Throws OFFSET_OUT_OF_RANGE. */
  async read(fetchOffset: Offset, bounds: ReaderBounds, lastEpoch = NONE): Promise<PartitionRead> {
    const limits = { ...bounds, upTo: this.#highWatermark }
    return await this.#readUpTo(this.#leaderLog(), { fetchOffset, lastEpoch }, limits)
  }

  /** What a follower lacks, committed or not. */
  async readAsFollower(
    { replicaId, ...reader }: FollowerFetch,
    bounds: ReaderBounds,
  ): Promise<PartitionRead> {
    const { isr } = this.#leader()
    const log = this.#log as Log
    if (!isr.has(replicaId)) {
      throw new PartlogError('REPLICA_NOT_AVAILABLE', `${this.#name} is not on broker ${replicaId}`)
    }
    return await this.#readUpTo(log, reader, { ...bounds, upTo: log.logEndOffset })
  }

  /** Whoever says what it has read last is told when that is not in this log. */
  async #readUpTo(log: Log, reader: FollowerEnd, bounds: ReadBounds): Promise<PartitionRead> {
    const known = { highWatermark: this.#highWatermark, logStartOffset: log.logStartOffset }
    const diverging = divergence(log, reader)
    if (diverging !== undefined) return { ...known, records: Buffer.alloc(0), diverging }
    return { ...known, records: await this.#whileHere(log.read(reader.fetchOffset, bounds)) }
  }

  /**
   * What a follower asks for tells what it has: the high watermark may move, the follower may join
   * the ISR. Ignored unless it follows this leadership, on a log that has not parted from this one.
   */
  noteFetch(fetch: FollowerFetch, claimed: LeaderEpoch): void {
    if (this.#role.kind !== 'leader') return
    const { replicaId, fetchOffset, lastEpoch, logStartOffset = NONE } = fetch
    const { isr, epoch, epochStart } = this.#role
    const log = this.#log as Log
    const isHere = fetchOffset >= log.logStartOffset && fetchOffset <= log.logEndOffset
    if ((claimed >= 0 && claimed !== epoch) || !isHere) return
    if (hasParted(log, { fetchOffset, lastEpoch })) return
    isr.fetched(replicaId, fetchOffset, log.logEndOffset, this.#nowMs())
    if (isr.began(replicaId, logStartOffset)) this.deletions.notify()
    this.#advance()
    if (isr.pending !== undefined || !this.#options.isAlive(replicaId)) return
    if (!isr.mayJoin(replicaId, this.#highWatermark, epochStart)) return
    this.#propose(isr, [...isr.committed.isr, replicaId])
  }

  /** Looks for members that have been behind for too long; called now and then. */
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

  /** The first committed record that is not older than `timestamp`. */
  async findTimestamp(timestamp: Timestamp): Promise<OffsetAndTimestamp | undefined> {
    return this.#ifCommitted(await this.#whileHere(this.#leaderLog().findTimestamp(timestamp)))
  }

  /** The first record with the newest time. */
  async findNewest(): Promise<OffsetAndTimestamp | undefined> {
    return this.#ifCommitted(await this.#whileHere(this.#leaderLog().findNewest()))
  }

  /**
   * The end for readers. A new leader may not know yet how far its predecessor had committed: it
   * says so rather than go back (Kafka's OFFSET_NOT_AVAILABLE).
   */
  get visibleEnd(): Offset {
    const { epochStart } = this.#leader()
    if (this.#highWatermark >= epochStart) return this.#highWatermark
    throw new PartlogError(
      'OFFSET_NOT_AVAILABLE',
      `${this.#name}: the new leader does not know the end yet, ${this.#highWatermark} is certain`,
    )
  }

  /** Kafka's check of the epoch a client believes in; −1 is not compared. */
  checkLeaderEpoch(claimed: LeaderEpoch): void {
    checkSameEpoch(this.#name, this.leaderEpoch, claimed)
  }

  // ── following ──────────────────────────────────────────────────────────────────────────

  /** Still following in this epoch? Answers of an older leader are of no interest. */
  isFollowing(epoch: LeaderEpoch): boolean {
    return this.#role.kind === 'follower' && this.#role.epoch === epoch
  }

  /** Appends what the leader has sent, byte for byte, and takes over its view of the partition. */
  appendFromLeader({ records, highWatermark, logStartOffset }: PartitionRead): void {
    const log = this.#log as Log
    if (records.length > 0) log.appendAsFollower(records)
    const end = log.logEndOffset
    this.#highWatermark = Math.max(log.logStartOffset, Math.min(highWatermark, end))
    if (logStartOffset > log.logStartOffset) {
      log.deleteRecordsBefore(Math.min(logStartOffset, this.#highWatermark))
    }
    this.changes.notify()
  }

  /**
   * Makes what was appended as durable as the cluster promises: then it counts. Rejects with
   * KAFKA_STORAGE_ERROR while the disk has no room for it.
   */
  async settle(): Promise<void> {
    if (this.#options.durability === 'power') await (this.#log as Log).flushUnlessStalled()
  }

  /** Makes the log start as durable as the cluster promises: then the leader may be told. */
  async settleStart(): Promise<void> {
    const { logStartOffset } = this.#log as Log
    if (logStartOffset <= this.#savedStart) return
    if (this.#options.durability === 'power') await (this.#log as Log).saveLogStart()
    this.#savedStart = Math.max(this.#savedStart, logStartOffset)
  }

  /** Nothing below comes back on this replica: a follower tells its leader. */
  get settledStart(): Offset {
    return this.#savedStart
  }

  /** Is everything appended as durable as the cluster promises? If not, it is on its way. */
  get isSettled(): boolean {
    const log = this.#log as Log
    if (this.#options.durability !== 'power') return true
    if (log.durableEndOffset >= log.logEndOffset) return true
    log.requestFlush()
    return false
  }

  /** Cuts off what the leader does not have; resolves with the files that keep it. */
  async truncateTo(offset: Offset): Promise<readonly string[]> {
    const log = this.#log as Log
    this.#highWatermark = Math.min(this.#highWatermark, offset)
    const keptIn = await (this.#cutting = log.truncateTo(offset))
    this.#highWatermark = Math.min(this.#highWatermark, log.logEndOffset)
    this.#savedStart = Math.min(this.#savedStart, log.logStartOffset) // all may be gone
    return keptIn
  }

  /** Begins anew at `offset`: the leader has nothing older. */
  async restartAt(offset: Offset): Promise<readonly string[]> {
    const keptIn = await (this.#cutting = (this.#log as Log).truncateFullyAndStartAt(offset))
    this.#highWatermark = offset
    this.#savedStart = Math.min(this.#savedStart, offset)
    return keptIn
  }

  // ── deleting ───────────────────────────────────────────────────────────────────────────

  /**
   * Moves the log start up to `offset`; −1 stands for the high watermark. Returns the offset that
   * was meant: other replicas follow, which shows by `lowWatermark`.
   */
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
    if (log.logStartOffset > before) this.changes.notify() // followers are to follow
    return target
  }

  /**
   * Where the log begins on this replica and on all others whose brokers live: whichever of them
   * leads next, nothing below comes back. Throws on others than the leader.
   */
  get lowWatermark(): Offset {
    return this.#leader().isr.lowWatermark(this.#leaderLog().logStartOffset, this.#options)
  }

  /** Live brokers that are not known to have deleted what is below `offset`. */
  replicasKeeping(offset: Offset): number[] {
    return this.#leader().isr.keeping(offset, this.#options)
  }

  // ── the pieces ─────────────────────────────────────────────────────────────────────────

  get #name(): string {
    const { topic, partition } = this.topicPartition
    return `${topic}-${partition}`
  }

  async #whileHere<T>(work: Promise<T>): Promise<T> {
    try {
      return await work
    } catch (error) {
      // Taken away meanwhile: what has become of it is the answer, not that its log is closed.
      if (this.#role.kind === 'offline') throw this.#forClients(this.#role.error)
      throw isPartlogError(error, 'CORRUPT_LOG') ? this.#forClients(error) : error
    }
  }

  #forClients(error: PartlogError): PartlogError {
    return this.#isReplicated ? forClients(error) : error
  }

  #play(role: Role): void {
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
    this.#highWatermark = end
    this.#committed.advance(end)
    this.#waiters.advance(end)
    this.changes.notify()
  }

  #fail(error: PartlogError): void {
    if (this.#role.kind === 'offline') return
    this.#goOffline(error)
    this.#listener.onOffline(error)
  }

  #goOffline(error: PartlogError): void {
    if (this.#role.kind === 'offline') return
    this.#play({ kind: 'offline', error })
    this.deletions.notify()
    this.#committed.forget()
    this.#waiters.fail(this.#forClients(error))
    this.changes.notify()
  }
}
