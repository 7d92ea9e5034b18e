/**
 * Transactions in a run: programs that read records of one topic, write a record to another for
 * each, and commit what they have read in the same transaction. Whatever dies, each input must be
 * once in the output, and no transaction may stay open for ever.
 */

import type { Random } from '../../src/base/random.js'
import type { KafkaCluster } from '../../src/client/kafka-cluster.js'
import type { ConsumerRecord } from '../../src/client/consumer/consumer-record.js'
import type { TransactionalProducer } from '../../src/client/producer/producer-api.js'
import type { Consumer } from '../../src/client/consumer/consumer-api.js'
import { isPartlogError } from '../../src/model/errors.js'
import type { Life, Program } from '../../src/testing/simulation/app-process.js'
import { between, chance, pick, streamOf } from '../../src/testing/simulation/streams.js'

export const INPUT = 'x-in'
export const OUTPUT = 'x-out'
const GROUP = 'gx'

/** True for topics and groups of the pipeline: the checkers of plain records leave them alone. */
export const isOfPipeline = (name: string): boolean => name === INPUT || name === OUTPUT

export interface PipelineShape {
  readonly workers: readonly string[]
  readonly inputs: number
  readonly partitions: number
  readonly pauseMaxMs: number
  readonly abortPercent: number
  readonly transactionTimeoutMs: number
  readonly sessionTimeoutMs: number
  readonly segmentBytes: number
}

/** Undefined for most seeds. */
export function drawPipeline(seed: number): PipelineShape | undefined {
  const random = streamOf(seed, 'pipeline')
  if (!chance(random, 20)) return undefined
  return {
    workers: Array.from({ length: between(random, 1, 3) }, (_, n) => `x${n + 1}`),
    inputs: pick(random, [10, 40, 100]),
    partitions: between(random, 1, 3),
    pauseMaxMs: pick(random, [0, 50, 500]),
    abortPercent: pick(random, [0, 10, 40]),
    transactionTimeoutMs: pick(random, [3_000, 20_000]),
    sessionTimeoutMs: pick(random, [1_500, 6_000]),
    segmentBytes: pick(random, [300, 2_000, 1_000_000]),
  }
}

/** What a pipeline needs of its run. */
export interface PipelineStage {
  readonly seed: number
  readonly shape: PipelineShape
  readonly isOver: () => boolean
  readonly isPeaceful: () => boolean
  readonly fail: (sentence: string) => void
}

export async function makePipelineTopics(
  cluster: KafkaCluster,
  { partitions, segmentBytes }: PipelineShape,
): Promise<void> {
  const config = { 'internal.segment.bytes': segmentBytes }
  for (const topic of [INPUT, OUTPUT]) {
    await cluster.admin.createTopic({ topic, partitions, config })
  }
}

/** Sends the inputs. One whose answer is lost may be in the topic or not: the topic tells. */
export function feederProgram({ seed, shape }: PipelineStage): Program {
  let begun = 0
  return async ({ cluster, life, sleep }) => {
    const random = streamOf(seed, `feeder ${life}`)
    const producer = cluster.producer({ clientId: 'feeder', deliveryTimeoutMs: 20_000 })
    while (begun < shape.inputs) {
      const value = `i${begun++}`
      const partition = random.int(shape.partitions)
      await producer
        .send({ topic: INPUT, messages: [{ value, partition }] })
        .catch(() => sleep(random.int(1_000)))
      await sleep(random.int(shape.pauseMaxMs + 1))
    }
    await producer.close()
  }
}

export function workerProgram(stage: PipelineStage, name: string): Program {
  return async life => {
    const random = streamOf(stage.seed, `${name} ${life.life}`)
    while (!stage.isOver()) {
      await new Worker(stage, { name, life, random }).work()
      await life.sleep(between(random, 10, 1_000))
    }
  }
}

interface Hand {
  readonly name: string
  readonly life: Life
  readonly random: Random
}

/** A consumer and a producer, until something goes wrong: then others begin where they stood. */
class Worker {
  readonly #stage: PipelineStage
  readonly #hand: Hand
  readonly #consumer: Consumer<Uint8Array, string>
  readonly #producer: TransactionalProducer

  constructor(stage: PipelineStage, hand: Hand) {
    this.#stage = stage
    this.#hand = hand
    const { sessionTimeoutMs, transactionTimeoutMs } = stage.shape
    const { cluster } = hand.life
    this.#consumer = cluster.consumer({
      groupId: GROUP,
      clientId: hand.name,
      autoOffsetReset: 'earliest',
      enableAutoCommit: false,
      isolationLevel: 'read_committed',
      sessionTimeoutMs,
      heartbeatIntervalMs: Math.floor(sessionTimeoutMs / 4),
      maxPollRecords: pick(hand.random, [1, 5, 100]),
      valueDeserializer: 'string',
    })
    this.#producer = cluster.producer({
      transactionalId: hand.name,
      clientId: hand.name,
      transactionTimeoutMs,
      requestTimeoutMs: pick(hand.random, [500, 3_000]),
      maxBlockMs: 20_000,
      deliveryTimeoutMs: 20_000,
    })
  }

  async work(): Promise<void> {
    try {
      await this.#producer.init()
      await this.#consumer.subscribe([INPUT])
      while (!this.#stage.isOver() && (await this.#round()));
    } catch (error) {
      if (!isPartlogError(error)) this.#stage.fail(`${this.#hand.name} ended with ${String(error)}`)
    }
    await this.#producer.close().catch(() => undefined)
    await this.#consumer.close().catch(() => undefined)
  }

  /** False if the consumer has gone too far: its records were given up. */
  async #round(): Promise<boolean> {
    const records = await this.#consumer.poll({ timeoutMs: 500 })
    if (records.length === 0) return true
    await this.#producer.begin()
    // Not awaited: the commit waits for them.
    for (const record of records) this.#send(record).catch(() => undefined)
    const groupMetadata = this.#consumer.groupMetadata()
    await this.#producer.sendOffsets({ groupMetadata, records })
    const { random, life } = this.#hand
    if (chance(random, 10)) await life.sleep(random.int(5_000))
    if (!this.#stage.isPeaceful() && chance(random, this.#stage.shape.abortPercent)) {
      await this.#producer.abort()
      return false
    }
    await this.#producer.commit()
    return true
  }

  async #send({ partition, offset }: ConsumerRecord<Uint8Array, string>): Promise<void> {
    const { partitions } = this.#stage.shape
    const to = this.#hand.random.int(partitions)
    const messages = [{ value: `${partition}:${offset}`, partition: to }]
    await this.#producer.send({ topic: OUTPUT, messages })
  }
}

// ── what must be true ────────────────────────────────────────────────────────────────────

/** What keeps the pipeline from rest; undefined if nothing does. */
export async function pipelineUnrest({ admin }: KafkaCluster): Promise<string | undefined> {
  const ends = await admin.listOffsets({ topic: INPUT, at: 'latest' })
  const committed = await admin.listGroupOffsets(GROUP)
  for (const { partition, offset } of ends) {
    const done = committed.find(each => each.topic === INPUT && each.partition === partition)
    const at = done?.offset ?? 0
    if (at < (offset ?? 0)) return `${GROUP} is at ${at} of ${offset} in ${INPUT}-${partition}`
  }
  return undefined
}

/** At rest each input is once in the output, and no transaction is open. */
export async function pipelineProblems(cluster: KafkaCluster): Promise<string[]> {
  const inputs = await placesOf(cluster, INPUT)
  const wanted = inputs.records.map(({ partition, offset }) => `${partition}:${offset}`)
  const { records, problems } = await placesOf(cluster, OUTPUT)
  const counts = new Map(wanted.map(value => [value, 0]))
  for (const { value } of records) counts.set(`${value}`, (counts.get(`${value}`) ?? NOT_SENT) + 1)
  const wrong = [...counts].filter(([, count]) => count !== 1)
  return [
    ...problems,
    ...wrong.map(([value, count]) => `input ${value} is ${toldOf(count)} in the output`),
  ]
}

const NOT_SENT = -1_000_000
const toldOf = (count: number): string => (count < 0 ? 'not sent, but' : `${count} times`)

/** All committed records of a topic. */
async function placesOf(cluster: KafkaCluster, topic: string) {
  const consumer = cluster.consumer({ isolationLevel: 'read_committed', valueDeserializer: 'string' })
  const ends = await cluster.admin.listOffsets({ topic, at: 'latest' })
  const places = ends.map(({ partition }) => ({ topic, partition }))
  const stable = await consumer.endOffsets(places)
  const problems = ends.flatMap(({ partition, offset }) => {
    const last = stable.find(each => each.partition === partition)?.offset
    if (last === offset) return []
    return [`a transaction is open in ${topic}-${partition} from ${last} on, its end is ${offset}`]
  })
  await consumer.assign(places)
  await Promise.all(places.map(place => consumer.seek({ ...place, offset: 0 })))
  const records: { partition: number; offset: number; value: string | null }[] = []
  for (const { partition, offset = 0 } of stable) {
    while ((await consumer.position({ topic, partition })) < (offset ?? 0)) {
      records.push(...(await consumer.poll({ timeoutMs: 1_000 })))
    }
  }
  await consumer.close()
  return { records, problems }
}
