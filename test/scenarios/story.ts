/**
 * A cluster in memory whose life is written down: what is done to it, what happens by itself, and
 * how it stands. The text is compared with the file beside the test; time does not pass by itself.
 */

import { expect, onTestFinished } from 'vitest'
import { seededRandom } from '../../src/base/random.js'
import { VirtualClock } from '../../src/base/virtual-clock.js'
import type { Producer } from '../../src/client/producer/producer-api.js'
import type { ClusterOptions } from '../../src/cluster/cluster-options.js'
import { Cluster } from '../../src/cluster/cluster.js'
import type { PartitionView, ReplicaView } from '../../src/cluster/describe.js'
import type { RebalanceEvent } from '../../src/coordinator/groups/rebalance-reporter.js'
import { MemoryDisk } from '../../src/disk/memory-disk.js'
import { batchesOf } from '../../src/model/batch/batch.js'
import { isPartlogError } from '../../src/model/errors.js'
import type { TopicPartition } from '../../src/model/names.js'

const ZERO_MS = 0

/** A send that may still be under way: a promise in a promise would be waited for. */
export interface Sent {
  outcome(): Promise<string>
}

export class Story {
  readonly #lines: string[] = []
  readonly #startedMs: number

  private constructor(
    readonly cluster: Cluster,
    readonly clock: VirtualClock,
    readonly disk: MemoryDisk,
  ) {
    this.#startedMs = clock.monotonicMs()
    cluster.on('leader', ({ topic, partition, leader, leaderEpoch, isUnclean }) => {
      const who = leader < 0 ? 'nobody leads' : `broker ${leader} leads`
      const how = isUnclean ? ', elected out of sync' : ''
      this.note(`${topic}-${partition}: ${who} in epoch ${leaderEpoch}${how}`)
    })
    cluster.on('isr', ({ topic, partition, isr }) => {
      this.note(`${topic}-${partition}: in sync are ${isr.join(', ')}`)
    })
    cluster.on('truncation', ({ topic, partition, broker, fromOffset, toOffset }) => {
      this.note(`${topic}-${partition}: broker ${broker} cuts ${fromOffset} back to ${toOffset}`)
    })
    cluster.on('dataLoss', ({ topic, partition, broker, fromOffset, toOffset }) => {
      const range = `[${fromOffset}, ${toOffset})`
      this.note(`${topic}-${partition}: broker ${broker} has LOST committed records ${range}`)
    })
    cluster.on('repair', ({ topic, partition, broker }) => {
      this.note(`${topic}-${partition}: broker ${broker} copies it anew, its own was damaged`)
    })
    cluster.on('rebalance', event => this.#noteRebalance(event))
    cluster.on('sharedGroup', ({ groupId, reason }) => this.note(`group ${groupId}: ${reason}`))
  }

  static async begin(options: ClusterOptions = {}): Promise<Story> {
    const clock = new VirtualClock()
    const random = seededRandom(7)
    const disk = new MemoryDisk()
    const cluster = await Cluster.onDisk(disk, { brokers: 3, clock, random, ...options })
    onTestFinished(() => cluster.close())
    return new Story(cluster, clock, disk)
  }

  /** Something is done; what follows from it at once is awaited. */
  async act(what: string, action: () => unknown): Promise<void> {
    this.#lines.push(`> ${what}`)
    await action()
    await this.settle()
  }

  /** Lets everything run that can run without time passing. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 20; turn++) await this.clock.advance(ZERO_MS)
  }

  async wait(ms: number): Promise<void> {
    this.#lines.push(`> ${ms.toLocaleString('en-US')} ms pass`)
    await this.clock.advance(ms)
    await this.settle()
  }

  /** Sends one value to partition 0 and notes how that ended, or that it has not ended yet. */
  async send(producer: Producer, value: string, topic = 'orders'): Promise<Sent> {
    this.#lines.push(`> send ${value}`)
    let outcome: string | undefined
    const sent = producer
      .send({ topic, messages: [{ value, partition: 0 }] })
      .then(
        ([place]) => `${value}: acknowledged at offset ${place?.offset}`,
        (error: unknown) => `${value}: ${isPartlogError(error) ? error.code : String(error)}`,
      )
      .then(text => {
        this.note(text)
        return (outcome = text)
      })
    await this.settle()
    if (outcome === undefined) this.note(`${value}: waits`)
    return { outcome: () => sent }
  }

  /** What a new reader sees of a topic. */
  async read(topic = 'orders'): Promise<void> {
    const consumer = this.cluster.consumer({
      autoOffsetReset: 'earliest',
      valueDeserializer: 'string',
    })
    await consumer.assign([{ topic, partition: 0 }])
    const seen: string[] = []
    for (;;) {
      const polled = consumer.poll({ timeoutMs: 50 })
      await this.clock.advance(50)
      const records = await polled
      if (records.length === 0) break
      seen.push(...records.map(({ value }) => value ?? 'null'))
    }
    await consumer.close()
    this.note(`a consumer reads: ${seen.join(' ') || 'nothing'}`)
  }

  /** How a partition stands, on each of its brokers. */
  show(topic = 'orders', partition = 0): void {
    const found = this.partition(topic, partition)
    const leader = found.leader < 0 ? 'none' : found.leader
    const isr = found.isr.join(',')
    this.note(`${topic}-${partition}: leader ${leader}, epoch ${found.leaderEpoch}, ISR ${isr}`)
    for (const copy of found.copies) this.note(`  broker ${copyText(copy)}`)
  }

  partition(topic = 'orders', partition = 0): PartitionView {
    const found = this.cluster.describe().topics.find(each => each.topic === topic)
    return found?.partitions[partition] as PartitionView
  }

  /** The brokers that run, and those that the controller counts on. */
  showBrokers(): void {
    for (const { id, rack, isRunning, isAlive } of this.cluster.describe().brokers) {
      const runs = isRunning ? 'runs' : 'does not run'
      this.note(`broker ${id}, rack ${rack}: ${runs}, ${isAlive ? 'alive' : 'fenced'}`)
    }
  }

  /** The batches in a log: the producer that numbered them, and how. */
  async showBatches(broker: number, topic = 'orders', partition = 0): Promise<void> {
    const file = this.disk.open(`broker-${broker}/${topic}-${partition}/${'0'.repeat(20)}.log`)
    const bytes = await file.read(0, file.size)
    file.close()
    this.note(`${topic}-${partition} on broker ${broker}`)
    for (const { baseOffset, producerId, producerEpoch, baseSequence } of batchesOf(bytes)) {
      const who = `producer ${producerId}, epoch ${producerEpoch}, sequence ${baseSequence}`
      this.note(`  offset ${baseOffset}: ${who}`)
    }
  }

  /** Something asked for, and what came of it: a word, or the code of an error. */
  async ask(what: string, question: () => Promise<unknown>): Promise<void> {
    this.#lines.push(`> ${what}`)
    const answer = await question().then(
      () => 'done',
      (error: unknown) => (isPartlogError(error) ? error.code : String(error)),
    )
    await this.settle()
    this.note(answer)
  }

  /** Compares everything so far with `<name>.txt`. */
  async end(name: string): Promise<void> {
    await expect(`${this.#lines.join('\n')}\n`).toMatchFileSnapshot(`${name}.txt`)
  }

  #noteRebalance({ groupId, generationId, reason, timedOut, members }: RebalanceEvent): void {
    this.note(`group ${groupId}, generation ${generationId}: ${reason}`)
    for (const { clientId } of timedOut) this.note(`  ${clientId} was not heard of in time`)
    for (const { clientId, before, after } of members.toSorted(byClientId)) {
      const [had, has] = [partitionsText(before), partitionsText(after)]
      this.note(`  ${clientId.padEnd(10)} ${had === has ? `keeps ${has}` : `${had} → ${has}`}`)
    }
  }

  /** Something that is to be in the story. */
  note(text: string): void {
    const at = ((this.clock.monotonicMs() - this.#startedMs) / 1000).toFixed(2)
    this.#lines.push(`${at.padStart(8)} s  ${text}`)
  }
}

function copyText({ broker, state, logStartOffset, highWatermark, logEndOffset }: ReplicaView) {
  if (logEndOffset < 0) return `${broker} ${state}`
  return `${broker} ${state.padEnd(8)} [${logStartOffset}, ${logEndOffset}) hw ${highWatermark}`
}

/** Those of orders by their numbers. */
export function partitionsText(partitions: readonly TopicPartition[]): string {
  const names = partitions.map(({ topic, partition }) =>
    topic === 'orders' ? String(partition) : `${topic}-${partition}`,
  )
  return names.toSorted().join(' ') || 'nothing'
}

function byClientId(one: { readonly clientId: string }, other: typeof one): number {
  return one.clientId < other.clientId ? -1 : 1
}
