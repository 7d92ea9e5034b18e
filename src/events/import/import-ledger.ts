/*
 * Where imports continue: a compacted topic in the cluster, with one record per file and topic.
 *
 *   ["orders","/data/events.jsonl"] → {"units":1207,"digest":…,"ends":[410,397,400]}
 *
 * The first `units` units are imported, the records of the last of them stand below `ends`. A place
 * is written after the records before it, so after a crash it may be too low, never too high: what
 * stands behind `ends` is compared with the next events, and what is there is not sent again.
 *
 * `digest` is that of the first `units` units: a file that was changed there is noticed.
 */

import type { Clock } from '../../base/clock.js'
import { crc32c } from '../../base/checksums/crc32c.js'
import type { KafkaCluster } from '../../client/kafka-cluster.js'
import type { Message, RecordMetadata } from '../../client/producer/messages.js'
import type { Producer } from '../../client/producer/producer-api.js'
import type { BytesIn } from '../../model/batch/record.js'
import { isPartlogError } from '../../model/errors.js'
import { partitionOfKey } from '../../model/hashes.js'
import { PLACES_SETTINGS } from './carried-topic.js'
import { BadEvent, type Unit } from '../formats/event-units.js'
import type { ImportTarget, Ledger } from './import-run.js'

const PLACES_TOPIC = '__import_positions'

/** A place is stored so often: what was sent since is compared after a crash. */
export const STORE_INTERVAL_MS = 1_000

interface Place {
  readonly units: number
  readonly digest: number
  readonly ends: readonly number[]
}

export interface LedgerOptions {
  readonly cluster: KafkaCluster
  readonly topic: string
  /** The file's place. */
  readonly path: string
  readonly clock: Clock
}

export class ImportLedger implements Ledger {
  readonly #options: LedgerOptions
  readonly #key: string
  readonly #producer: Producer
  readonly #start: Place
  /** The digests of the records behind the stored place, by partition, in order. */
  readonly #behind: readonly number[][]
  /** The digest of the units so far, and of those that are not acknowledged yet. */
  #digest = 0
  #noted = 0
  #digests: number[] = []
  #digestsFrom = 0
  #acknowledged: Place
  readonly #ends: number[]
  #storedAtMs: number
  #storing: Promise<unknown> = Promise.resolve()

  private constructor(options: LedgerOptions, start: Place, behind: readonly number[][]) {
    this.#options = options
    this.#key = keyOf(options)
    this.#producer = options.cluster.producer()
    this.#start = start
    this.#behind = behind
    this.#ends = [...start.ends]
    this.#acknowledged = start
    this.#storedAtMs = options.clock.monotonicMs()
  }

  /** Reads the place of a file. */
  static async open(options: LedgerOptions): Promise<ImportLedger> {
    const stored = await placeOf(options)
    if (stored !== undefined) {
      return new ImportLedger(options, stored, await behind(options, stored))
    }
    // Stored before the first record: what stands behind it after a crash is of this import.
    const start = { units: 0, digest: 0, ends: await endsOf(options) }
    const ledger = new ImportLedger(options, start, [])
    ledger.#store()
    await ledger.#storing
    return ledger
  }

  /** How many units from the start are imported already. */
  get skip(): number {
    return this.#start.units
  }

  note(unit: Unit): void {
    const own = unit instanceof BadEvent ? unit.message.length : crc32c(unit)
    this.#digest = (Math.imul(this.#digest ^ own, 0x9e37_79b1) + 1) | 0
    this.#noted++
    if (this.#noted === this.#start.units && this.#digest !== this.#start.digest) {
      throw new Error(
        `its first ${this.#noted} lines are not those that were imported: the file was changed ` +
          '(without --resume it is imported from its beginning)',
      )
    }
    if (this.#noted <= this.#start.units) return
    if (this.#digests.length === 0) this.#digestsFrom = this.#noted
    this.#digests.push(this.#digest)
  }

  end(): void {
    if (this.#noted >= this.#start.units) return
    throw new Error(
      `it has ${this.#noted} lines, ${this.#start.units} were imported: the file was changed ` +
        '(without --resume it is imported from its beginning)',
    )
  }

  take(message: Message, { partitions = 1 }: ImportTarget): Message | undefined {
    const { key = null } = message
    const rotated = this.#noted % partitions
    const partition = message.partition ?? (key === null ? rotated : partitionFor(key, partitions))
    const there = this.#behind[partition] ?? []
    const at = there.length === 0 ? -1 : there.indexOf(digestOf(key, message.value))
    if (at < 0) return { ...message, partition }
    there.splice(0, at + 1)
    return undefined
  }

  acknowledged(units: number, places: readonly RecordMetadata[]): void {
    for (const { partition, offset } of places) {
      this.#ends[partition] = Math.max(this.#ends[partition] ?? 0, offset + 1)
    }
    const digest = this.#digests[units - this.#digestsFrom]
    if (digest === undefined) return
    this.#acknowledged = { units, digest, ends: Array.from(this.#ends, end => end ?? 0) }
    this.#digests = this.#digests.slice(units - this.#digestsFrom + 1)
    this.#digestsFrom = units + 1
    const now = this.#options.clock.monotonicMs()
    if (now - this.#storedAtMs < STORE_INTERVAL_MS) return
    this.#storedAtMs = now
    this.#store()
  }

  /** Stores the last place; resolves when it is durable. */
  async close(): Promise<void> {
    if (this.#acknowledged !== this.#start) this.#store()
    await this.#storing
  }

  #store(): void {
    const value = JSON.stringify(this.#acknowledged)
    const message = { key: this.#key, value, partition: 0 }
    this.#storing = this.#producer.send({ topic: PLACES_TOPIC, messages: [message] })
    this.#storing.catch(() => undefined) // close rejects with it
  }
}

function keyOf({ topic, path }: LedgerOptions): string {
  return JSON.stringify([topic, path])
}

function partitionFor(key: string | Uint8Array, partitions: number): number {
  return partitionOfKey(typeof key === 'string' ? Buffer.from(key) : key, partitions)
}

function digestOf(key: BytesIn, value: BytesIn): number {
  return Math.imul(sumOf(key), 0x9e37_79b1) ^ sumOf(value)
}

function sumOf(bytes: BytesIn): number {
  if (bytes === null) return -1
  return crc32c(typeof bytes === 'string' ? Buffer.from(bytes) : bytes)
}

// ── reading ──────────────────────────────────────────────────────────────────────────────

async function placeOf(options: LedgerOptions): Promise<Place | undefined> {
  const { cluster } = options
  try {
    await cluster.admin.createTopic({ topic: PLACES_TOPIC, partitions: 1, config: PLACES_SETTINGS })
  } catch (error) {
    if (!isPartlogError(error, 'TOPIC_ALREADY_EXISTS')) throw error
  }
  let place: Place | undefined
  const wanted = keyOf(options)
  await readFrom(cluster, { topic: PLACES_TOPIC, partition: 0, offset: 0 }, (key, value) => {
    if (textOf(key) === wanted) place = parsePlace(textOf(value))
  })
  return place
}

function parsePlace(text: string): Place {
  const { units, digest, ends } = JSON.parse(text) as Place
  const isCount = (each: number): boolean => Number.isSafeInteger(each) && each >= 0
  if (isCount(units) && Number.isInteger(digest) && ends.every(isCount)) {
    return { units, digest, ends }
  }
  throw new Error(`${PLACES_TOPIC} holds a place that is none: ${text.slice(0, 60)}`)
}

async function behind(options: LedgerOptions, { ends }: Place): Promise<number[][]> {
  const { cluster, topic } = options
  const found: number[][] = []
  const partitions = await partitionsOf(options)
  for (let partition = 0; partition < partitions; partition++) {
    const digests: number[] = []
    const from = { topic, partition, offset: ends[partition] ?? 0 }
    await readFrom(cluster, from, (key, value) => digests.push(digestOf(key, value)))
    found.push(digests)
  }
  return found
}

async function endsOf(options: LedgerOptions): Promise<number[]> {
  const { cluster, topic } = options
  const count = await partitionsOf(options)
  const places = Array.from({ length: count }, (_, partition) => ({ topic, partition }))
  const consumer = cluster.consumer()
  try {
    const ends = count === 0 ? [] : await consumer.endOffsets(places)
    const endOf = (partition: number) => ends.find(each => each.partition === partition)?.offset
    return places.map(({ partition }) => endOf(partition) ?? 0)
  } finally {
    await consumer.close()
  }
}

async function partitionsOf({ cluster, topic }: LedgerOptions): Promise<number> {
  try {
    return (await cluster.admin.describeTopic(topic)).partitions.length
  } catch (error) {
    if (isPartlogError(error, 'UNKNOWN_TOPIC_OR_PARTITION')) return 0
    throw error
  }
}

type Take = (key: Uint8Array | null, value: Uint8Array | null) => void

function textOf(bytes: Uint8Array | null): string {
  return bytes === null ? '' : Buffer.from(bytes).toString()
}

interface From {
  readonly topic: string
  readonly partition: number
  readonly offset: number
}

async function readFrom(cluster: KafkaCluster, from: From, take: Take): Promise<void> {
  const { topic, partition, offset } = from
  const place = { topic, partition }
  const consumer = cluster.consumer({ autoOffsetReset: 'earliest' })
  try {
    await consumer.assign([place])
    const [end] = await consumer.endOffsets([place])
    const [start] = await consumer.beginningOffsets([place])
    const until = end?.offset ?? 0
    consumer.seek({ ...place, offset: Math.max(offset, start?.offset ?? 0) })
    while ((await consumer.position(place)) < until) {
      for (const { key, value } of await consumer.poll()) take(key, value)
    }
  } finally {
    await consumer.close()
  }
}
