/*
 * The demo with several consumers: they share the partitions as members of one group. Halfway one
 * of them is killed with processed records that are not committed, another one joins, and the
 * broker that coordinates the group is killed, if there is another. Every change is printed as it
 * happens; the result counts what each member read, what was redelivered and what is missing.
 */

import { Alarm } from '../base/alarm.js'
import { sleep } from '../base/clock.js'
import { Deferred, whenAborted } from '../base/tasks.js'
import type { Consumer } from '../client/consumer/consumer-api.js'
import type { RecordBatch } from '../client/consumer/consumer-options.js'
import type { ConsumerRecord } from '../client/consumer/consumer-record.js'
import type { Cluster } from '../cluster/cluster.js'
import type { FaultApi } from '../cluster/faults/faults.js'
import type { RebalanceEvent } from '../coordinator/groups/rebalance-reporter.js'
import { partitionOfGroup } from '../model/hashes.js'
import { OFFSETS_TOPIC } from '../model/names.js'
import { clock } from './terminal/ending.js'

/** Short, so that a killed member is detected soon. */
export const SESSION_TIMEOUT_MS = 1_500
/** About how many batches are read. Each takes WORK_MS, so there is time for the changes. */
const BATCHES = 450
const BATCH_RECORDS_MAX = 500
export const WORK_MS = 20
/** By default the reading has failed when nothing new was read for this long. */
const READ_TIMEOUT_MS = 20_000
/** When the changes happen, as shares of the records. */
const KILL_AT = 0.5
const JOIN_AT = 0.6
const KILL_COORDINATOR_AT = 0.65

/** All requests that a member sends. */
const MEMBER_REQUESTS: readonly FaultApi[] = [
  'fetch',
  'heartbeat',
  'joinGroup',
  'leaveGroup',
  'offsetCommit',
  'syncGroup',
]

/** What one member has read. */
export interface MemberResult {
  readonly name: string
  readonly records: number
  /** Records that had been processed before, by any member. */
  readonly again: number
  readonly fate: string
}

/** The outcome: how many records were processed, redelivered and lost. */
export interface SharedReadingResult {
  readonly members: readonly MemberResult[]
  readonly processed: number
  readonly redelivered: number
  readonly lost: number
  readonly rebalances: number
  /** The broker that coordinated the group when it was killed, if one was. */
  readonly killedBroker: number | undefined
}

export interface SharedReadingOptions {
  readonly cluster: Cluster
  readonly topic: string
  readonly groupId: string
  readonly consumers: number
  readonly tell: (text: string) => void
  /** Ends the reading early. */
  readonly signal?: AbortSignal
  readonly onProgress: (processed: number, total: number) => void
  /** Called with each record when it is read for the first time. */
  readonly onFirst: (record: ConsumerRecord) => void
  readonly readTimeoutMs?: number
}

type Batch = RecordBatch<Uint8Array, Uint8Array>

interface Member {
  readonly name: string
  readonly consumer: Consumer
  /** Resolves when it has stopped reading. */
  reading: Promise<void>
  records: number
  again: number
  fate: string
  isKilled: boolean
}

export class SharedReading {
  readonly #options: SharedReadingOptions
  readonly #members: Member[] = []
  /** By partition and offset: 1 if the record was processed. */
  readonly #isProcessed = new Map<number, Uint8Array>()
  readonly #over = new Deferred<void>()
  readonly #ending = new AbortController()
  /** The changes still to come: at how many processed records, and what to do. */
  #plan: (readonly [at: number, change: (by: Member) => void])[] = []
  #total = 0
  #processed = 0
  #redelivered = 0
  #rebalances = 0
  #killedBroker: number | undefined
  /** Rings when no record was read for too long. */
  readonly #impatience = new Alarm(clock, () => this.#giveUp())

  constructor(options: SharedReadingOptions) {
    this.#options = options
  }

  /** Reads the topic to its end; resolves with the number of records processed per partition. */
  async read(): Promise<Map<number, number>> {
    const { cluster, topic, groupId, consumers } = this.#options
    for (const { partition, offset } of await cluster.admin.listOffsets(topic, 'latest')) {
      const isProcessed = new Uint8Array(offset ?? 0)
      this.#isProcessed.set(partition, isProcessed)
      this.#total += isProcessed.length
    }
    this.#plan = [
      [this.#total * KILL_AT, by => this.#kill(by)],
      [this.#total * JOIN_AT, () => this.#join('joined')],
      [this.#total * KILL_COORDINATOR_AT, () => this.#killCoordinator()],
    ]
    const stops = this.#watch(groupId)
    for (let n = 0; n < consumers; n++) this.#join('stayed')
    if (this.#total === 0) this.#over.resolve() // there is nothing to wait for
    const forget = whenAborted(this.#options.signal, () => this.#over.resolve())
    this.#waitOn()
    await this.#over.promise
    forget()
    stops.forEach(stop => stop()) // members that leave at the end are not reported
    await this.#end()
    return new Map([...this.#isProcessed].map(([partition, each]) => [partition, sumOf(each)]))
  }

  get result(): SharedReadingResult {
    const members = this.#members.map(({ name, records, again, fate }) => {
      return { name, records, again, fate }
    })
    return {
      members,
      processed: this.#processed,
      redelivered: this.#redelivered,
      lost: this.#total - this.#processed,
      rebalances: this.#rebalances,
      killedBroker: this.#killedBroker,
    }
  }

  // ── members ────────────────────────────────────────────────────────────────────────────

  #join(fate: string): void {
    const { cluster, groupId } = this.#options
    const name = `member-${this.#members.length + 1}`
    const consumer = cluster.consumer({
      groupId,
      clientId: name,
      autoOffsetReset: 'earliest',
      sessionTimeoutMs: SESSION_TIMEOUT_MS,
      autoCommitIntervalMs: SESSION_TIMEOUT_MS / 10,
      maxPollRecords: Math.min(Math.ceil(this.#total / BATCHES) + 1, BATCH_RECORDS_MAX),
    })
    const reading = Promise.resolve()
    const member = { name, consumer, reading, records: 0, again: 0, fate, isKilled: false }
    this.#members.push(member)
    member.reading = this.#read(member)
  }

  async #read(member: Member): Promise<void> {
    const { topic, tell } = this.#options
    const { signal } = this.#ending
    try {
      await member.consumer.subscribe([topic], { signal })
      await member.consumer.run({ signal, eachBatch: batch => this.#work(member, batch) })
    } catch (error) {
      if (signal.aborted || member.isKilled) return
      member.fate = `ended: ${(error as Error).message}`
      tell(`${member.name} ${member.fate}`)
    }
  }

  async #work(member: Member, { partition, records }: Batch): Promise<void> {
    const isProcessed = this.#isProcessed.get(partition) as Uint8Array
    await sleep(clock, WORK_MS)
    const before = this.#processed
    for (const record of records) this.#note(member, record, isProcessed)
    if (this.#processed > before) this.#waitOn()
    this.#options.onProgress(this.#processed, this.#total)
    while (this.#plan[0] !== undefined && this.#processed >= this.#plan[0][0]) {
      this.#plan.shift()?.[1](member)
    }
    if (this.#processed === this.#total) this.#over.resolve()
    if (member.isKilled) await new Promise<never>(() => undefined)
  }

  #note(member: Member, record: ConsumerRecord, isProcessed: Uint8Array): void {
    member.records++
    if (isProcessed[record.offset] === 0) {
      isProcessed[record.offset] = 1
      this.#processed++
      this.#options.onFirst(record)
    } else {
      member.again++
      this.#redelivered++
    }
  }

  // ── changes ────────────────────────────────────────────────────────────────────────────

  /** Drops all its requests from now on, so the records just processed are not committed. */
  #kill(member: Member): void {
    const { cluster, tell } = this.#options
    member.isKilled = true
    member.fate = 'killed'
    for (const api of MEMBER_REQUESTS) {
      cluster.faults.on(api, { client: member.name }).drop().always()
    }
    tell(`${member.name} is killed, with processed records that are not committed`)
  }

  #killCoordinator(): void {
    const { cluster, groupId, tell } = this.#options
    if (cluster.brokers.length === 1) return
    const offsets = cluster.describe().topics.find(({ topic }) => topic === OFFSETS_TOPIC)
    const number = partitionOfGroup(groupId, offsets?.partitions.length ?? 1)
    const leader = offsets?.partitions[number]?.leader ?? -1
    if (leader < 0) return
    this.#killedBroker = leader
    tell(`broker ${leader}, the coordinator of the group, is killed`)
    void cluster.broker(leader).kill()
  }

  #watch(groupId: string): (() => void)[] {
    const { cluster, tell } = this.#options
    const onRebalance = (event: RebalanceEvent): void => {
      if (event.groupId !== groupId) return
      this.#rebalances++
      const shares = event.members.map(({ clientId, after }) => {
        const numbers = after.map(({ partition }) => partition).join(' ')
        return `${clientId} [${numbers}]`
      })
      const { generationId, reason, durationMs, timedOut } = event
      const missed = timedOut.map(({ clientId }) => `, ${clientId} timed out`).join('')
      const took = `${durationMs.toFixed(0)} ms`
      const now = shares.toSorted().join(', ')
      tell(`generation ${generationId}, ${reason}${missed} (${took}): ${now}`)
    }
    return [
      cluster.on('rebalance', onRebalance),
      cluster.on('leader', ({ topic, partition, leader }) => {
        if (topic !== OFFSETS_TOPIC || leader < 0) return
        tell(`broker ${leader} coordinates the groups of ${topic}-${partition}`)
      }),
    ]
  }

  // ── the end ────────────────────────────────────────────────────────────────────────────

  #waitOn(): void {
    this.#impatience.set(this.#options.readTimeoutMs ?? READ_TIMEOUT_MS)
  }

  #giveUp(): void {
    const { tell, readTimeoutMs = READ_TIMEOUT_MS } = this.#options
    tell(`no new record was read for ${readTimeoutMs / 1000} s: giving up`)
    this.#over.resolve()
  }

  /**
   * Waits until the other members have committed the records that the killed member had processed
   * and not committed: these are delivered again.
   */
  async #catchUp(): Promise<void> {
    const { cluster, groupId, tell, readTimeoutMs = READ_TIMEOUT_MS } = this.#options
    const giveUp = new AbortController()
    const timer = clock.after(readTimeoutMs, () => giveUp.abort())
    await cluster
      .until({ group: groupId, lag: 0 }, { signal: giveUp.signal })
      .catch((error: unknown) => tell((error as Error).message))
    timer.cancel()
  }

  /** The living members commit what they have processed, and leave. */
  async #end(): Promise<void> {
    this.#impatience.cancel()
    if (this.#processed === this.#total) await this.#catchUp()
    this.#ending.abort()
    const living = this.#members.filter(({ isKilled }) => !isKilled)
    await Promise.all(living.map(({ reading }) => reading))
    await Promise.all(living.map(({ consumer }) => consumer.close()))
  }
}

function sumOf(values: Uint8Array): number {
  return values.reduce((sum, each) => sum + each, 0)
}
