/*
 * The demo with several brokers: kills the leader of a partition halfway through the import, prints
 * each change as it happens, and looks for every acknowledged record afterwards.
 */

import { sleep } from '../base/clock.js'
import { crc32c } from '../base/checksums/crc32c.js'
import type { ConsumerRecord } from '../client/consumer/consumer-record.js'
import type { RecordMetadata } from '../client/producer/messages.js'
import type { Producer, SendRequest } from '../client/producer/producer-api.js'
import type { Cluster } from '../cluster/cluster.js'
import { clock } from './terminal/ending.js'

const HEAL_MAX_MS = 60_000
const CHECK_INTERVAL_MS = 50

/** The outcome: which of the acknowledged records were read back. */
export interface FailoverResult {
  /** The broker that was killed; 0: none. */
  readonly killed: number
  /** From the kill of the leader to the first record acknowledged by the new leader. */
  readonly failoverMs: number
  readonly acknowledged: number
  readonly missing: number
  readonly doubled: number
  readonly outOfOrder: number
  /** All replicas of every partition are in sync again. */
  readonly isHealed: boolean
}

export interface FailoverOptions {
  readonly cluster: Cluster
  readonly topic: string
  /** The leader is killed when this many bytes are acknowledged. */
  readonly killAtBytes: number
  readonly tell: (text: string) => void
}

export class Failover {
  readonly #cluster: Cluster
  readonly #topic: string
  readonly #killAtBytes: number
  readonly #producer: Producer
  /** Checksums of the acknowledged values, by partition and offset. */
  readonly #acknowledged = new Map<number, number[]>()
  readonly #read = new Map<number, number>()
  #count = 0
  #bytes = 0
  #killed = 0
  #killedMs = 0
  #failoverMs = -1
  #hasNewLeader = false
  #doubled = 0
  #outOfOrder = 0

  constructor({ cluster, topic, killAtBytes, tell }: FailoverOptions) {
    this.#cluster = cluster
    this.#topic = topic
    this.#killAtBytes = killAtBytes
    this.#producer = cluster.producer({ acks: 'all' })
    cluster.on('leader', ({ topic: name, partition, leader, leaderEpoch }) => {
      if (name === topic && partition === 0) this.#hasNewLeader = true
      if (name === topic) tell(`${name}-${partition}: broker ${leader} leads, epoch ${leaderEpoch}`)
    })
    cluster.on('isr', ({ topic: name, partition, isr }) => {
      if (name === topic) tell(`${name}-${partition}: brokers in sync: ${isr.join(', ')}`)
    })
    cluster.on('truncation', ({ partition, broker, fromOffset, toOffset }) => {
      tell(`${topic}-${partition}: broker ${broker} truncates ${fromOffset - toOffset} records`)
    })
    this.#tell = tell
  }

  readonly #tell: (text: string) => void

  /** A producer that notes each acknowledged record, and kills the leader when it is time. */
  readonly producer: Pick<Producer, 'send'> = {
    send: async request => {
      const places = await this.#producer.send(request)
      this.#note(request, places)
      if (this.#killed === 0 && this.#bytes >= this.#killAtBytes) this.#killLeader()
      return places
    },
  }

  /** Restarts the killed broker, and waits until all replicas are in sync. */
  async heal(): Promise<void> {
    await this.#producer.close()
    await this.restart(this.#killed)
  }

  /** Restarts any broker (0: none), and waits until all replicas are in sync. */
  async restart(broker: number): Promise<void> {
    if (broker > 0) {
      this.#tell(`broker ${broker} restarts`)
      await this.#cluster.broker(broker).start()
    }
    const deadline = clock.monotonicMs() + HEAL_MAX_MS
    while (!this.#isHealed && clock.monotonicMs() < deadline) {
      await sleep(clock, CHECK_INTERVAL_MS)
    }
  }

  /** Compares a record that was read back with the one that was acknowledged at its offset. */
  check({ partition, offset, value }: ConsumerRecord): void {
    const expected = this.#acknowledged.get(partition)?.[offset]
    const last = this.#read.get(partition) ?? -1
    if (offset <= last) this.#outOfOrder++
    this.#read.set(partition, offset)
    if (expected === undefined || expected !== crcOf(value)) this.#doubled++
    else this.#count--
  }

  get result(): FailoverResult {
    const sent = [...this.#acknowledged.values()].reduce((sum, each) => sum + countOf(each), 0)
    return {
      killed: this.#killed,
      failoverMs: this.#failoverMs,
      acknowledged: sent,
      missing: this.#count,
      doubled: this.#doubled,
      outOfOrder: this.#outOfOrder,
      isHealed: this.#isHealed,
    }
  }

  get #isHealed(): boolean {
    const topic = this.#cluster.describe().topics.find(each => each.topic === this.#topic)
    return topic?.partitions.every(({ isr, replicas }) => isr.length === replicas.length) ?? false
  }

  #note({ messages }: SendRequest, places: readonly RecordMetadata[]): void {
    const isFirst = this.#hasNewLeader && this.#failoverMs < 0
    if (isFirst && places.some(({ partition }) => partition === 0)) {
      this.#failoverMs = clock.monotonicMs() - this.#killedMs
      this.#tell(`first record acknowledged by the new leader, ${this.#failoverMs.toFixed(0)} ms`)
    }
    for (const [index, { partition, offset }] of places.entries()) {
      const value = messages[index]?.value ?? null
      const offsets = this.#acknowledged.get(partition) ?? []
      this.#acknowledged.set(partition, offsets)
      offsets[offset] = crcOf(value)
      this.#count++
      this.#bytes += value === null ? 0 : Buffer.byteLength(value)
    }
  }

  /** Kills the leader of partition 0. */
  #killLeader(): void {
    const topic = this.#cluster.describe().topics.find(each => each.topic === this.#topic)
    this.#killed = topic?.partitions[0]?.leader ?? 1
    this.#killedMs = clock.monotonicMs()
    this.#tell(`broker ${this.#killed}, the leader of ${this.#topic}-0, is killed`)
    void this.#cluster.broker(this.#killed).kill()
  }
}

function crcOf(value: string | Uint8Array | null): number {
  return value === null ? -1 : crc32c(typeof value === 'string' ? Buffer.from(value) : value)
}

/** The number of elements of a sparse array. */
function countOf(values: readonly number[]): number {
  let count = 0
  values.forEach(() => count++)
  return count
}
