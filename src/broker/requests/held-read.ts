/*
 * What a held fetch of a follower wants of one partition. While it is held, it is handed what the
 * leader appends (partition/hand-over.ts), as long as no rule or fault is set that a test expects
 * requests to meet. Where that is not possible, the fetch has news, and is answered.
 */

import type { Watchable } from '../../base/watchers.js'
import type { Offset } from '../../model/units.js'
import type { WaitingFollower } from '../../partition/hand-over.js'
import type { Partition } from '../../partition/partition.js'
import type { FetchPartition } from '../../protocol/messages/fetch.js'
import type { LongHolds } from '../node/context.js'

/** A partition that a fetch asks for. */
export interface Read {
  readonly topic: string
  readonly topicId: string
  /** While a follower's fetch is held, its offset moves with what is handed over. */
  wanted: FetchPartition
  /** Undefined if this broker has no replica of it. */
  readonly partition: Partition | undefined
}

/** Notes what a follower has. An impossible offset is ignored here; reading refuses it. */
export function noteFetch({ partition, wanted }: Read, replicaId: number): void {
  const { fetchOffset, lastFetchedEpoch: lastEpoch = -1, currentLeaderEpoch = -1 } = wanted
  const { logStartOffset = -1 } = wanted
  const follower = { replicaId, fetchOffset, lastEpoch, logStartOffset }
  partition?.noteFetch(follower, currentLeaderEpoch)
}

const NO_RECORDS = Buffer.alloc(0)

export class HeldRead implements Watchable, WaitingFollower {
  readonly #read: Read
  readonly #replicaId: number
  readonly #longHolds: LongHolds
  readonly #roleVersion: number
  readonly #logStart: Offset
  #appendedBytes: number
  #highWatermark: Offset

  constructor(read: Read, replicaId: number, longHolds: LongHolds) {
    const { partition } = read
    this.#read = read
    this.#replicaId = replicaId
    this.#longHolds = longHolds
    this.#roleVersion = partition?.roleVersion ?? 0
    this.#logStart = partition?.replicaLog?.logStartOffset ?? 0
    this.#appendedBytes = partition?.replicaLog?.appendedBytes ?? 0
    this.#highWatermark = partition?.highWatermark ?? 0
  }

  /** Something was appended, committed, deleted or decided that the follower was not told. */
  get hasNews(): boolean {
    const { partition } = this.#read
    if (partition === undefined) return false
    const { roleVersion, highWatermark, replicaLog } = partition
    if (roleVersion !== this.#roleVersion || highWatermark !== this.#highWatermark) return true
    if (replicaLog === undefined) return false
    const { appendedBytes, logStartOffset } = replicaLog
    return appendedBytes > this.#appendedBytes || logStartOffset !== this.#logStart
  }

  /**
   * The leader no longer counts on the follower for what this fetch says: a late request has said
   * less, or the follower has left the ISR. Only its next fetch puts that right.
   */
  get isDoubted(): boolean {
    const { partition, wanted } = this.#read
    return partition?.isr?.countsOn(this.#replicaId, wanted.fetchOffset) === false
  }

  watch(onChange: () => void): () => void {
    const { partition } = this.#read
    if (partition === undefined) return () => undefined
    const stop = partition.changes.watch(() => {
      if (this.hasNews || this.isDoubted) onChange()
    })
    const leave = partition.handOvers.add(this)
    return () => {
      stop()
      leave()
    }
  }

  appended(records: Buffer, firstOffset: Offset): void {
    const { wanted } = this.#read
    const partition = this.#read.partition as Partition
    if (wanted.fetchOffset !== firstOffset || !this.#handOver(partition, records)) return
    this.#appendedBytes += records.length
    const [fetchOffset, lastFetchedEpoch] = [partition.log.logEndOffset, partition.leaderEpoch]
    this.#read.wanted = { ...wanted, fetchOffset, lastFetchedEpoch }
    noteFetch(this.#read, this.#replicaId)
  }

  committed(): void {
    const partition = this.#read.partition as Partition
    if (!this.#handOver(partition, NO_RECORDS)) return
    const { highWatermark } = partition
    this.#highWatermark = highWatermark
    partition.isr?.noteTold(this.#replicaId, highWatermark, partition.log.logStartOffset)
  }

  #handOver(partition: Partition, records: Buffer): boolean {
    if (partition.roleVersion !== this.#roleVersion || !this.#longHolds.areAllowed) return false
    const { wanted } = this.#read
    const { log, highWatermark } = partition
    const { logStartOffset } = log
    const handed = { end: wanted.fetchOffset, records, highWatermark, logStartOffset }
    return wanted.take?.(handed) ?? false
  }
}
