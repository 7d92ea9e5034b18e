/** The programs of a run: producers, members of groups, and one that watches committed offsets. */

import type { Random } from '../../src/base/random.js'
import type { Consumer } from '../../src/client/consumer/consumer-api.js'
import type { KafkaCluster } from '../../src/client/kafka-cluster.js'
import type { Producer } from '../../src/client/producer/producer-api.js'
import { isPartlogError } from '../../src/model/errors.js'
import type { Life, Program } from '../../src/testing/simulation/app-process.js'
import { between, chance, pick, streamOf } from '../../src/testing/simulation/streams.js'
import type { History, Read, Reading, Sent } from './history.js'
import { REFUSED } from './refusals.js'
import type { MemberShape, ProducerShape } from './shape.js'

/** What the programs share. */
export interface Stage {
  readonly seed: number
  readonly history: History
  readonly nowMs: () => number
  /** Tells of errors that end a program and of which it should not have been told. */
  readonly fail: (sentence: string) => void
  /** True once members should leave. */
  readonly isOver: () => boolean
  /** True while no fault is under way. */
  readonly isPeaceful: () => boolean
  /** True in the quiet phase. */
  readonly isHeld: () => boolean
  /** Resolves when a program may go on, outside of the quiet phase. */
  readonly hold: (name: string, life: Life) => Promise<void>
  /** A call was acknowledged: a send, with what it sent, or one of an administrator. */
  readonly acknowledged: (sent: readonly Sent[]) => void
  /** A record was read. */
  readonly read: (read: Read) => void
}

type Record_ = {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly value: string | null
}

// ── producers ────────────────────────────────────────────────────────────────────────────

export function producerProgram(stage: Stage, shape: ProducerShape): Program {
  let begun = 0
  /** Topics that are not made again. */
  const gone = new Set<string>()
  return async own => {
    const { cluster, life, sleep } = own
    const random = streamOf(stage.seed, `${shape.name} ${life}`)
    const producer = cluster.producer(shape.options)
    const inFlight = new Set<Promise<void>>()
    while (begun < shape.messages && gone.size < shape.topics.length) {
      if (stage.isHeld()) await Promise.all(inFlight)
      await stage.hold(shape.name, own)
      const count = Math.min(between(random, 1, shape.perSend), shape.messages - begun)
      const first = begun
      begun += count
      const sent = Array.from({ length: count }, (_, n) =>
        newSent(stage, shape, { random, life, number: first + n, gone }),
      )
      const done = send(stage, producer, sent).finally(() => {
        inFlight.delete(done)
        const missed = sent.filter(({ error }) => error === 'UNKNOWN_TOPIC_OR_PARTITION')
        if (stage.isPeaceful()) for (const { topic } of missed) gone.add(topic)
      })
      inFlight.add(done)
      if (inFlight.size >= shape.inFlightMax) await Promise.race(inFlight)
      if (shape.pauseMaxMs > 0) await sleep(random.int(shape.pauseMaxMs + 1))
    }
    await Promise.all(inFlight)
    await producer.close()
  }
}

interface Drawn {
  readonly random: Random
  readonly life: number
  readonly number: number
  readonly gone: ReadonlySet<string>
}

function newSent(
  { history, nowMs }: Stage,
  { name, topics, keys, options }: ProducerShape,
  { random, life, number, gone }: Drawn,
): Sent {
  const left = topics.filter(topic => !gone.has(topic))
  const sent: Sent = {
    sender: `${name}.${life}`,
    topic: pick(random, left),
    key: keys === 0 ? null : `k${random.int(keys)}`,
    value: `${name}.${life}-${number}`,
    acks: options.acks === 'all' ? -1 : (options.acks ?? -1),
    isIdempotent: options.enableIdempotence ?? true,
    begun: history.tick(),
    beganAtMs: nowMs(),
    limitMs: (options.maxBlockMs ?? 0) + (options.deliveryTimeoutMs ?? 0),
    settledAtMs: -1,
    outcome: 'unknown',
    error: '',
    partition: -1,
    offset: -1,
    ackedAtMs: -1,
  }
  history.sent.push(sent)
  return sent
}

/** One call for each topic; what comes of each message is noted. */
async function send(stage: Stage, producer: Producer, sent: readonly Sent[]): Promise<void> {
  const topics = [...new Set(sent.map(({ topic }) => topic))]
  await Promise.all(
    topics.map(async topic => {
      const own = sent.filter(each => each.topic === topic)
      const messages = own.map(({ key, value }) => ({ key, value }))
      try {
        const receipts = await producer.send({ topic, messages })
        for (const [index, each] of own.entries()) {
          const receipt = receipts[index]
          if (receipt === undefined) stage.fail(`${each.value} was acknowledged without a receipt`)
          Object.assign(each, { outcome: 'ok', ...receipt, ackedAtMs: stage.nowMs() })
        }
        if (own.some(({ acks }) => acks !== 0)) stage.acknowledged(own)
        if (receipts.length > own.length) stage.fail(`${sent[0]?.value}: too many receipts`)
      } catch (error) {
        noteFailure(stage, own, error)
      }
      for (const each of own) each.settledAtMs = stage.nowMs()
    }),
  )
}

/** Several messages of one call may have fared differently: then only the worst is known. */
function noteFailure(stage: Stage, sent: readonly Sent[], error: unknown): void {
  if (!isPartlogError(error)) {
    stage.fail(`a send was rejected with ${String(error)}`)
    return
  }
  const isCertain = !error.outcomeUnknown && sent.length === 1
  for (const each of sent) {
    each.error = error.code
    if (isCertain) each.outcome = 'fail'
  }
}

// ── members of groups ────────────────────────────────────────────────────────────────────

export function memberProgram(stage: Stage, shape: MemberShape): Program {
  return async life => {
    for (let stay = 1; !stage.isOver(); stay++) {
      const member = new Member(stage, shape, life, stay)
      await member.read()
      await life.sleep(between(member.random, 10, 2_000))
    }
  }
}

class Member {
  readonly random: Random
  readonly #stage: Stage
  readonly #shape: MemberShape
  readonly #life: Life
  readonly #stay: number
  readonly #name: string
  readonly #consumer: Consumer<Uint8Array, string>
  readonly #readings = new Map<string, Reading>()
  readonly #leavesAtMs: number
  #count = 0

  constructor(stage: Stage, shape: MemberShape, life: Life, stay: number) {
    this.#stage = stage
    this.#shape = shape
    this.#life = life
    this.#stay = stay
    const { staysMaxMs } = shape
    const random = streamOf(stage.seed, `${shape.name} stay ${stay}`)
    this.#leavesAtMs = staysMaxMs === 0 ? Infinity : stage.nowMs() + random.int(staysMaxMs)
    this.#name = `${shape.name}.${life.life}.${stay}`
    this.random = streamOf(stage.seed, this.#name)
    this.#consumer = life.cluster.consumer({ ...shape.options, valueDeserializer: 'string' })
  }

  /** Until the member leaves, or the run is over. */
  async read(): Promise<void> {
    try {
      await this.#attempt().catch(async (error: unknown) => {
        if (!isRefused(error) || chance(this.random, 30)) throw error
        await this.#attempt() // the same consumer asks once more
      })
      await this.#consumer.close()
    } catch (error) {
      if (!isExpected(error)) this.#stage.fail(`${this.#name} ended with ${String(error)}`)
      await this.#consumer.close().catch(() => undefined)
    }
    this.#end([...this.#readings.values()])
  }

  /** A list is refused while one of its topics does not exist. */
  get #subscription(): readonly string[] | RegExp {
    const { topics, isPattern } = this.#shape
    return isPattern || this.#stay % 2 === 0 ? new RegExp(`^(${topics.join('|')})$`) : topics
  }

  async #attempt(): Promise<void> {
    const { revokeMaxMs, style } = this.#shape
    await this.#consumer.subscribe(this.#subscription, {
      onPartitionsAssigned: partitions => this.#assigned(partitions),
      onPartitionsRevoked: async partitions => {
        // A member that gives up meanwhile loses them, and may have them again before this ends.
        const readings = this.#readingsOf(partitions)
        if (revokeMaxMs > 0) await this.#life.sleep(this.random.int(revokeMaxMs))
        this.#end(readings)
      },
      onPartitionsLost: partitions => this.#end(this.#readingsOf(partitions)),
    })
    await this.#readAs[style]()
  }

  readonly #readAs: Readonly<Record<MemberShape['style'], () => Promise<void>>> = {
    'poll': async () => {
      while (!this.#isLeaving) {
        const records = await this.#consumer.poll({ timeoutMs: 500 })
        const reads = records.map(record => this.#note(record))
        for (const _ of records) await this.#work()
        this.#processed(reads)
        // Only the next poll would say that these are done.
        if (this.#isLeaving && records.length > 0) await this.#commit(records)
      }
    },
    'manual commits': async () => {
      while (!this.#isLeaving) {
        const records = await this.#consumer.poll({ timeoutMs: 500 })
        for (const read of records.map(record => this.#note(record))) {
          await this.#work()
          this.#processed([read])
        }
        if (records.length > 0) await this.#commit(records)
      }
    },
    'eachRecord': async () => {
      const { signal, isLeaving } = this.#leaving()
      await this.#consumer.run({
        signal,
        eachRecord: async record => {
          const read = this.#note(record)
          await this.#work()
          this.#processed([read])
          isLeaving()
        },
      })
    },
    'eachBatch': async () => {
      const { signal, isLeaving } = this.#leaving()
      await this.#consumer.run({
        signal,
        eachBatch: async ({ records }) => {
          const reads = records.map(record => this.#note(record))
          await this.#work()
          this.#processed(reads)
          isLeaving()
        },
      })
    },
    'for await': async () => {
      const ending = this.#endOfRun()
      for await (const record of this.#consumer) {
        const read = this.#note(record)
        await this.#work()
        this.#processed([read])
        if (this.#isLeaving) break
      }
      ending.stop()
    },
  }

  get #isLeaving(): boolean {
    const { leavesAfter } = this.#shape
    if (this.#stage.isOver() || (leavesAfter > 0 && this.#count >= leavesAfter)) return true
    return this.#stage.nowMs() >= this.#leavesAtMs && !this.#stage.isPeaceful()
  }

  /** A signal that ends a run when the member leaves. */
  #leaving() {
    const leaving = new AbortController()
    const look = (): void => {
      if (this.#isLeaving) leaving.abort()
      else void this.#life.sleep(500).then(look)
    }
    look()
    return {
      signal: leaving.signal,
      isLeaving: () => {
        if (this.#isLeaving) leaving.abort()
      },
    }
  }

  /** Closes the consumer of a loop that waits for records. */
  #endOfRun() {
    let isStopped = false
    const look = (): void => {
      if (isStopped) return
      if (this.#stage.isOver()) void this.#consumer.close()
      else void this.#life.sleep(500).then(look)
    }
    look()
    return { stop: () => (isStopped = true) }
  }

  async #work(): Promise<void> {
    const { workMaxMs, dawdles, options } = this.#shape
    if (dawdles && !this.#stage.isPeaceful() && chance(this.random, 2)) {
      await this.#life.sleep((options.maxPollIntervalMs ?? 0) + 1_000)
    }
    if (workMaxMs > 0) await this.#life.sleep(this.random.int(workMaxMs + 1))
  }

  async #commit(records: readonly Record_[]): Promise<void> {
    try {
      await this.#consumer.commit({ records })
    } catch (error) {
      if (isExpected(error)) return
      throw error
    }
    const last = new Map(records.map(record => [`${record.topic}-${record.partition}`, record]))
    for (const { topic, partition, offset } of last.values()) {
      const { group } = this.#shape
      const atMs = this.#stage.nowMs()
      this.#stage.history.commits.push({
        group,
        topic,
        partition,
        offset: offset + 1,
        atMs,
        how: 'committed',
      })
    }
  }

  #assigned(partitions: readonly { readonly topic: string; readonly partition: number }[]): void {
    const { generationId: generation } = this.#consumer.groupMetadata()
    for (const { topic, partition } of partitions) {
      this.#begin(topic, partition, generation)
    }
  }

  #begin(topic: string, partition: number, generation: number): Reading {
    const { history, nowMs } = this.#stage
    const { group } = this.#shape
    const reading: Reading = {
      group,
      member: this.#name,
      owner: this.#shape.options.groupInstanceId ?? this.#name,
      topic,
      partition,
      generation,
      beganAtMs: nowMs(),
      committedBefore: history.committed(group, topic, partition),
      reads: [],
      endedAtMs: Infinity,
    }
    this.#readings.set(`${topic}-${partition}`, reading)
    history.readings.push(reading)
    return reading
  }

  #readingsOf(partitions: readonly Pick<Reading, 'topic' | 'partition'>[]): Reading[] {
    return partitions.flatMap(
      ({ topic, partition }) => this.#readings.get(`${topic}-${partition}`) ?? [],
    )
  }

  #end(readings: readonly Reading[]): void {
    for (const reading of readings) {
      const key = `${reading.topic}-${reading.partition}`
      reading.endedAtMs = Math.min(reading.endedAtMs, this.#stage.nowMs())
      if (this.#readings.get(key) === reading) this.#readings.delete(key)
    }
  }

  #note({ topic, partition, offset, value }: Record_): Read {
    this.#count++
    const reading = this.#readings.get(`${topic}-${partition}`)
    if (reading === undefined) {
      this.#stage.fail(
        `${this.#name} was given ${offset} of ${topic}-${partition}, which it does not have`,
      )
    }
    const read = { topic, partition, offset, value, atMs: this.#stage.nowMs(), processedAtMs: Infinity }
    const place = reading ?? this.#begin(topic, partition, -1)
    place.reads.push(read)
    this.#stage.read(read)
    return read
  }

  #processed(reads: readonly Read[]): void {
    for (const read of reads) read.processedAtMs = this.#stage.nowMs()
  }
}

function isRefused(error: unknown): boolean {
  return isPartlogError(error) && REFUSED.has(error.code)
}

/** What a member has to live with: it joins again. */
const EXPECTED = new Set([
  'CLOSED',
  'FENCED_INSTANCE_ID',
  'ILLEGAL_GENERATION',
  'LOG_OFFLINE', // until its broker starts again
  'NETWORK_EXCEPTION',
  'REBALANCE_IN_PROGRESS',
  'REQUEST_TIMED_OUT',
  'UNKNOWN_MEMBER_ID',
  'UNKNOWN_TOPIC_OR_PARTITION', // until it is made again
  'UNRELEASED_INSTANCE_ID',
])

function isExpected(error: unknown): boolean {
  return isPartlogError(error) && (EXPECTED.has(error.code) || error.retriable || isRefused(error))
}

// ── the watcher ──────────────────────────────────────────────────────────────────────────

/** Looks up what the groups have committed, again and again. */
export async function watchCommits(
  stage: Stage,
  cluster: KafkaCluster,
  groups: readonly string[],
): Promise<void> {
  for (const group of groups) {
    const offsets = await cluster.admin.listGroupOffsets(group).catch(() => [])
    const atMs = stage.nowMs()
    for (const { topic, partition, offset } of offsets) {
      stage.history.commits.push({ group, topic, partition, offset, atMs, how: 'seen' })
    }
  }
}
