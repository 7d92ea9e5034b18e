/**
 * Topics come, grow, change and go in every order, each while something else of it is under way,
 * with writers and readers: in memory, in a folder, with three brokers of which some die. When it
 * is over every topic there is works, what was acknowledged in it is there and was read, and no
 * error has blamed a server.
 *
 *   TOPICS_FUZZ_SEEDS=500 npx vitest run --config test/vitest.config.ts topics-fuzz
 *   TOPICS_FUZZ_SEED=42 …   one of them again, or so many from there on
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { seededRandom } from '../../src/base/random.js'
import { VirtualClock } from '../../src/base/virtual-clock.js'
import type { Consumer } from '../../src/client/consumer/consumer-api.js'
import { Cluster } from '../../src/cluster/cluster.js'
import { isPartlogError, type ErrorCode } from '../../src/model/errors.js'

const env = (name: string): number | undefined =>
  process.env[name] === undefined ? undefined : Number(process.env[name])
const FIRST = env('TOPICS_FUZZ_SEED')
const SEEDS = env('TOPICS_FUZZ_SEEDS') ?? (FIRST === undefined ? undefined : 1)

const TOPICS = ['ta', 'tb', 'tc']
const STEPS = 70
/** Records are deleted from this partition: whether a reader was faster is unknown. */
const TRIMMED = 3

/** What may come of a call about a topic that may be gone, be there already, or be another one. */
const EXPECTED: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  ...(['UNKNOWN_TOPIC_OR_PARTITION', 'TOPIC_ALREADY_EXISTS', 'INVALID_PARTITIONS'] as const),
  ...(['OFFSET_OUT_OF_RANGE', 'DELIVERY_TIMED_OUT', 'BUFFER_EXHAUSTED'] as const),
  // Its broker was killed meanwhile.
  ...(['NETWORK_EXCEPTION', 'NOT_ENOUGH_REPLICAS', 'LEADER_NOT_AVAILABLE', 'CLOSED'] as const),
])

type Place = 'memory' | 'folder' | 'three brokers'

/** A record that was acknowledged, in the topic of that id. */
interface Written {
  readonly topic: string
  readonly topicId: string
  readonly partition: number
  readonly offset: number
  readonly value: string
}

const STEP_MS = 20

const isDiskAtWork = (): boolean =>
  process.getActiveResourcesInfo().some(each => each.startsWith('FSReq'))

class Life {
  readonly #random
  readonly #pending = new Set<Promise<unknown>>()
  readonly #written: Written[] = []
  readonly #seen = new Set<string>()
  readonly #readers: Consumer<Uint8Array, string>[] = []
  readonly #down = new Set<number>()
  readonly problems: string[] = []
  #values = 0

  constructor(
    readonly cluster: Cluster,
    readonly clock: VirtualClock,
    seed: number,
  ) {
    this.#random = seededRandom(seed)
  }

  #int(below: number): number {
    return this.#random.int(below)
  }

  #topic(): string {
    return TOPICS[this.#int(TOPICS.length)] as string
  }

  /** Begins something; what comes of it is looked at when it is over. */
  #begin(what: string, call: () => Promise<unknown>): void {
    const done = call().catch((error: unknown) => {
      if (isPartlogError(error) && EXPECTED.has(error.code)) return
      this.problems.push(`${what}: ${String(error)}`)
    })
    const noted = done.finally(() => this.#pending.delete(noted))
    this.#pending.add(noted)
  }

  async #passing<T>(done: Promise<T>): Promise<T> {
    let isOver = false
    const noted = done.finally(() => (isOver = true))
    noted.catch(() => undefined)
    while (!isOver) await this.#wait(20)
    return await noted
  }

  /** No time passes while the disk is at work: a real one needs real time. */
  async #wait(ms: number): Promise<void> {
    for (let leftMs = ms; leftMs > 0; leftMs -= STEP_MS) {
      while (isDiskAtWork()) await this.clock.turn()
      await this.clock.advance(Math.min(leftMs, STEP_MS))
    }
  }

  async #settle(): Promise<void> {
    for (let turns = 0; this.#pending.size > 0 && turns < 2_000; turns++) await this.#wait(100)
    if (this.#pending.size > 0) this.problems.push(`${this.#pending.size} calls never end`)
  }

  // ── what is done ───────────────────────────────────────────────────────────────────────

  async live(): Promise<void> {
    this.#read(/^t/)
    this.#read(/^t/)
    for (let step = 0; step < STEPS; step++) {
      this.#act()
      const moments = this.#int(3)
      if (moments === 0) for (let turns = this.#int(60); turns > 0; turns--) await undefined
      else if (moments === 1) await this.#wait(this.#int(5))
      else await this.#wait(this.#int(400))
    }
    for (const id of this.#down) this.#begin('start', () => this.cluster.broker(id).start())
    await this.#settle()
    for (const reader of this.#readers) reader.resume(reader.paused())
  }

  #act(): void {
    const { admin } = this.cluster
    const topic = this.#topic()
    const partitions = 1 + this.#int(4)
    switch (this.#int(16)) {
      case 0:
      case 1:
      case 2:
        return this.#begin('createTopic', () => admin.createTopic({ topic, partitions }))
      case 3:
      case 4:
        return this.#begin('deleteTopic', () => admin.deleteTopic(topic))
      case 5:
        return this.#begin('createPartitions', () => admin.createPartitions({ topic, partitions }))
      case 6: {
        const bytes = 100_000 + this.#int(1_000)
        return this.#begin('alterConfig', () =>
          admin.alterConfig(topic, { 'max.message.bytes': bytes }),
        )
      }
      case 7:
        return this.#begin('deleteRecords', () =>
          admin.deleteRecords({ topic, partition: TRIMMED, offset: 'latest' }),
        )
      case 8:
        return this.#bounce()
      case 9:
        return this.#disturb(this.#readers[this.#int(this.#readers.length)])
      default:
        return this.#begin('send', () => this.#write(topic))
    }
  }

  /** A reader pauses, goes on, has the group share out anew, or another one comes. */
  #disturb(reader: Consumer<Uint8Array, string> | undefined): void {
    if (reader === undefined || reader.subscription().length === 0) return
    const choice = this.#int(4)
    if (choice === 0) reader.pause(reader.assignment())
    else if (choice === 1) reader.resume(reader.paused())
    else if (choice === 2) reader.enforceRebalance()
    else if (this.#readers.length < 4) this.#read(/^t/)
  }

  async #write(topic: string): Promise<void> {
    const { topicId } = await this.cluster.admin.describeTopic(topic)
    const value = `${this.#values++}`
    const timeouts = { deliveryTimeoutMs: 4_000, requestTimeoutMs: 1_000, maxBlockMs: 4_000 }
    const producer = this.cluster.producer(timeouts)
    try {
      const messages = Array.from({ length: 1 + this.#int(3) }, () => ({ value }))
      for (const place of await producer.send({ topic, messages })) {
        this.#written.push({ ...place, topicId, value })
      }
    } finally {
      await producer.close()
    }
  }

  /** One broker of three at a time. */
  #bounce(): void {
    if (this.cluster.brokers.length < 3) return
    const [down] = this.#down
    const id = down ?? 1 + this.#int(3)
    if (down === undefined) {
      this.#down.add(id)
      return this.#begin('kill', () => this.cluster.broker(id).kill())
    }
    this.#down.delete(id)
    this.#begin('start', () => this.cluster.broker(id).start())
  }

  #read(topics: RegExp): void {
    const consumer: Consumer<Uint8Array, string> = this.cluster.consumer({
      groupId: 'g',
      autoOffsetReset: 'earliest',
      valueDeserializer: 'string',
      metadataMaxAgeMs: 1_000,
      autoCommitIntervalMs: 300,
      requestTimeoutMs: 2_000,
    })
    this.#readers.push(consumer)
    const eachRecord = ({ topic, value }: { topic: string; value: string | null }): void =>
      void this.#seen.add(`${topic} ${value}`)
    const reading = async (): Promise<void> => {
      await consumer.subscribe(topics)
      // Nothing that happens to a topic ends a run.
      void consumer.run({ eachRecord }).catch((error: unknown) => {
        this.problems.push(`run: ${String(error)}`)
      })
    }
    this.#begin('subscribe', reading)
  }

  // ── what must be so ────────────────────────────────────────────────────────────────────

  async check(): Promise<void> {
    await this.#wait(15_000)
    this.#checkCopies()
    const { admin } = this.cluster
    for (const topic of await this.#passing(admin.listTopics())) {
      await this.#checkWorks(topic)
      await this.#checkSettings(topic)
    }
    await this.#checkReaders()
  }

  #checkCopies(): void {
    for (const { topic, partitions } of this.cluster.describe().topics) {
      for (const { partition, leader, copies } of partitions) {
        const states = copies.map(({ state }) => state)
        const isWell = leader > 0 && states.every(state => /leader|follower/.test(state))
        if (!isWell) this.problems.push(`${topic}-${partition} led by ${leader}: ${states.join()}`)
      }
    }
  }

  async #checkWorks(topic: string): Promise<void> {
    const { partitions, topicId } = await this.#passing(this.cluster.admin.describeTopic(topic))
    const producer = this.cluster.producer({ deliveryTimeoutMs: 5_000, requestTimeoutMs: 1_000 })
    for (const { partition } of partitions) {
      const value = `${this.#values++}`
      const sent = producer.send({ topic, messages: [{ partition, value }] })
      const [place] = await this.#passing(sent).catch((error: unknown) => {
        this.problems.push(`${topic}-${partition} takes nothing: ${String(error)}`)
        return []
      })
      if (place !== undefined) this.#written.push({ ...place, topicId, value })
    }
    await this.#passing(producer.close())
    await this.#checkRecords(topic, topicId)
  }

  async #checkRecords(topic: string, topicId: string): Promise<void> {
    const kept = this.#written.filter(each => each.topicId === topicId)
    const starts = await this.#passing(this.cluster.admin.listOffsets(topic, 'earliest'))
    const reader = this.cluster.consumer({ valueDeserializer: 'string' })
    for (const { partition, offset, value } of kept) {
      if (offset < (starts[partition]?.offset ?? 0)) continue // deleteRecords took it
      await this.#passing(reader.assign([{ topic, partition }]))
      reader.seek({ topic, partition, offset })
      const [first] = await this.#passing(reader.poll({ timeoutMs: 3_000 }))
      if (first?.offset === offset && first.value === value) continue
      const got = `${first?.value} at ${first?.offset}`
      this.problems.push(`${topic}-${partition}: ${value} at ${offset} is gone, there is ${got}`)
    }
    await this.#passing(reader.close())
  }

  /** Logs go by the settings of their topic, also by those that came while they were opened. */
  async #checkSettings(topic: string): Promise<void> {
    const { admin } = this.cluster
    await this.#passing(admin.alterConfig(topic, { 'max.message.bytes': 1_000 }))
    const producer = this.cluster.producer({ deliveryTimeoutMs: 5_000 })
    const sent = producer.send({ topic, messages: [{ partition: 0, value: 'x'.repeat(5_000) }] })
    const code = await this.#passing(sent).then(
      () => 'taken',
      (error: unknown) => (isPartlogError(error) ? error.code : String(error)),
    )
    if (code !== 'MESSAGE_TOO_LARGE') this.problems.push(`${topic}: a message too large is ${code}`)
    await this.#passing(admin.alterConfig(topic, { 'max.message.bytes': null }))
    await this.#passing(producer.close())
  }

  async #checkReaders(): Promise<void> {
    await this.#wait(15_000)
    const wanted: string[] = []
    for (const { topic, isInternal, partitions } of this.cluster.describe().topics) {
      if (isInternal) continue
      wanted.push(...partitions.map(({ partition }) => `${topic}-${partition}`))
    }
    const owned = this.#readers.flatMap(each => each.assignment())
    const names = owned.map(({ topic, partition }) => `${topic}-${partition}`).toSorted()
    if (names.join() !== wanted.toSorted().join()) {
      this.problems.push(`the group reads ${names.join()}, there are ${wanted.join()}`)
    }
    await this.#checkLag()
    await this.#checkSeen()
  }

  async #checkLag(): Promise<void> {
    const patience = new AbortController()
    const { signal } = patience
    const caughtUp = this.cluster.until({ group: 'g', lag: 0 }, { signal })
    const outcome = caughtUp.then(
      () => '',
      (error: unknown) => String(error),
    )
    let isOver = false
    void outcome.then(() => (isOver = true))
    for (let turns = 0; !isOver && turns < 200; turns++) await this.#wait(100)
    patience.abort()
    const problem = await outcome
    // A group that has nothing to read has nothing to commit.
    if (problem !== '' && !problem.includes('neither partitions')) this.problems.push(problem)
  }

  async #checkSeen(): Promise<void> {
    for (const { topic } of this.cluster.describe().topics.filter(each => !each.isInternal)) {
      const { topicId } = await this.#passing(this.cluster.admin.describeTopic(topic))
      const starts = await this.#passing(this.cluster.admin.listOffsets(topic, 'earliest'))
      for (const each of this.#written) {
        if (each.topicId !== topicId || each.partition === TRIMMED) continue
        if (each.offset < (starts[each.partition]?.offset ?? 0)) continue
        if (this.#seen.has(`${topic} ${each.value}`)) continue
        this.problems.push(`${topic}-${each.partition}: the group skips ${each.offset}`)
      }
    }
  }

  async close(): Promise<void> {
    await this.#passing(this.cluster.close())
    if (this.clock.pendingTimers > 0) this.problems.push(`${this.clock.pendingTimers} timers`)
  }
}

async function run(place: Place, seed: number): Promise<void> {
  const clock = new VirtualClock()
  const common = { clock, random: seededRandom(seed), autoCreateTopics: seed % 2 === 0 }
  const dir = mkdtempSync(join(tmpdir(), 'partlog-fuzz-'))
  try {
    const open = (): Promise<Cluster> =>
      place === 'folder'
        ? Cluster.open({ ...common, dir })
        : Cluster.memory({ ...common, brokers: place === 'memory' ? 1 : 3 })
    const cluster = await open()
    onTestFinished(() => cluster.close())
    const life = new Life(cluster, clock, seed)
    await life.live()
    await life.check()
    const topics = await cluster.admin.listTopics()
    await life.close()
    if (place === 'folder') await expectSame(open, topics, life)
    expect(life.problems, `${place}, TOPICS_FUZZ_SEED=${seed}`).toEqual([])
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

async function expectSame(open: () => Promise<Cluster>, topics: string[], life: Life) {
  const again = await open()
  const { unknownFolders, offline, wasClosedCleanly } = again.recovery
  const found = { unknownFolders, offline, wasClosedCleanly, topics: await again.admin.listTopics() }
  const wanted = { unknownFolders: [], offline: [], wasClosedCleanly: true, topics }
  if (JSON.stringify(found) !== JSON.stringify(wanted)) {
    life.problems.push(`opened again: ${JSON.stringify(found)}`)
  }
  await again.close()
}

const PLACES: Readonly<Record<Place, number>> = { memory: 20, folder: 4, 'three brokers': 6 }

for (const [place, few] of Object.entries(PLACES)) {
  const count = SEEDS ?? few
  it(`${count} random histories of topics agree with a model (${place})`, async () => {
    const first = FIRST ?? 1
    for (let seed = first; seed < first + count; seed++) await run(place as Place, seed)
  }, 3_600_000)
}
