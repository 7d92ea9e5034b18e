/*
 * The work of an import: sends the messages of events, and always knows how many units (lines,
 * rows) from the start are imported.
 *
 *   batches → messages → send → … (several in flight) → acknowledged, in order
 *
 * If the import ends early (a bad event, a failed send, a signal, a read error), the error says how
 * to continue.
 */

import type { Clock } from '../../base/clock.js'
import type { Message, RecordMetadata } from '../../client/producer/messages.js'
import type { Producer } from '../../client/producer/producer-api.js'
import { recordSizeMax } from '../../model/batch/record-writer.js'
import type { BytesIn, HeaderIn } from '../../model/batch/record.js'
import { isPartlogError, PartlogError } from '../../model/errors.js'
import type { TimeNotes, TimesRead } from '../formats/event-rules.js'
import { BadEvent, type Unit } from '../formats/event-units.js'
import { SourceError, type EventBatch, type EventPlace } from './event-stream.js'

/** Where messages are sent to. */
export interface ImportTarget {
  readonly producer: Pick<Producer, 'send'>
  /** The number of partitions of the topic; undefined: not checked. */
  readonly partitions?: number
  /** The largest record in bytes; undefined: left to the producer. */
  readonly recordBytesMax?: number
}

/** Prepares the target for these messages, and resolves with it. */
export type TargetFor = (messages: readonly Message[]) => Promise<ImportTarget>

/** An event that was left out, or that ended the import. */
export interface BadUnit {
  readonly place: EventPlace
  readonly bad: BadEvent
  /** Its bytes; undefined if it was too long to be read. */
  readonly bytes: Buffer | undefined
}

/** How far an import is. */
export interface ImportProgress {
  /** How many units from the start are imported: what `skip` leaves out to continue. */
  readonly units: number
  readonly records: number
  /** Bytes that were read of all sources, packed or not. */
  readonly bytesRead: number
  /** Their size; undefined if one is a stream. */
  readonly size: number | undefined
}

/** What an import has done, or has to do. */
export interface ImportWork {
  readonly topic: string
  readonly batches: AsyncGenerator<EventBatch, void>
  /** For sentences: the file, or how many. */
  readonly name: string
  readonly notes: TimeNotes
  /** The number of units at the start to leave out, because they are imported already. */
  readonly skip: number
  readonly read: () => { readonly bytesRead: number; readonly size: number | undefined }
  /** Does a bad event end the import? */
  readonly stopsAtBad: boolean
  /** A key was asked for: records without one are counted. */
  readonly hasKey: boolean
  /** Does the error of an early end say how to continue? */
  readonly hasAdvice: boolean
  readonly signal: AbortSignal | undefined
  readonly clock: Clock
  /** What else decides about each event, for an import that continues. */
  readonly ledger?: Ledger | undefined
}

/** Follows an import unit by unit, to continue it exactly. */
export interface Ledger {
  /** Every unit, in order, also those that are skipped. May throw. */
  readonly note: (unit: Unit) => void
  /** The last unit was noted. May throw. */
  readonly end: () => void
  /** The message to send; undefined: it is imported already. */
  readonly take: (message: Message, target: ImportTarget) => Message | undefined
  /** The first `units` units are imported; `places`: where the last ones are. */
  readonly acknowledged: (units: number, places: readonly RecordMetadata[]) => void
}

export interface ImportHooks {
  readonly onProgress: (progress: ImportProgress) => void
  /** An event that is left out; false: the import ends there. */
  readonly onBadEvent: (bad: BadUnit) => boolean
  /** Awaited after each batch: bad events may have to be written somewhere. */
  readonly settled?: (() => Promise<void>) | undefined
}

/** What an import has done. */
export interface ImportResult {
  readonly records: number
  /** Records without the field that should be their key. */
  readonly keyless: number
  /** Events that were left out, by the reason. */
  readonly badEvents: ReadonlyMap<string, number>
  /** The times of the records; undefined if none was read. */
  readonly times: TimesRead | undefined
  /** Bytes of values. */
  readonly bytes: number
  readonly ms: number
}

/** Reading pauses while this many sends are in flight: enough to keep the disk busy. */
const SENDS_MAX = 8

interface Sending {
  readonly sent: Promise<RecordMetadata[]>
  /** The last unit that is imported when this send is acknowledged. */
  upTo: number
  places: RecordMetadata[] | undefined
}

/** An event that ends the import. */
class Stopped extends Error {
  constructor(
    readonly bad: BadUnit,
    /** Its number, counted as `skip` counts. */
    readonly number: number,
  ) {
    super(`${bad.place.unit} ${bad.place.number}: ${bad.bad.message}`)
  }
}

/** A send failed: later sends may have been written or not. */
class SendFailed extends Error {}

/** The signal has ended the import. */
export class Interrupted extends Error {}

/** The error of an import that ended early: what is imported, and how to continue. */
export class ImportEnded extends Error {
  override readonly name = 'ImportEnded'

  constructor(
    sentence: string,
    /** How many units from the start are imported for certain. */
    readonly imported: number,
    options: ErrorOptions,
  ) {
    super(sentence, options)
  }
}

/** Imports the events into a topic. If it ends early, rejects with ImportEnded, or with
 * INVALID_ARGUMENT if an option does not fit the file. */
export async function runImport(
  targetFor: TargetFor,
  work: ImportWork,
  hooks: ImportHooks,
): Promise<ImportResult> {
  return await new ImportRun(targetFor, work, hooks).run()
}

class ImportRun {
  readonly #targetFor: TargetFor
  readonly #work: ImportWork
  readonly #hooks: ImportHooks
  readonly #inFlight: Sending[] = []
  readonly #bad = new Map<string, number>()
  /** The number of units that were read. */
  #read = 0
  /** The number of units at the start that are imported. */
  #imported: number
  #unit = 'line'
  #records = 0
  #keyless = 0
  #bytes = 0

  constructor(targetFor: TargetFor, work: ImportWork, hooks: ImportHooks) {
    this.#targetFor = targetFor
    this.#work = work
    this.#hooks = hooks
    this.#imported = work.skip
  }

  async run(): Promise<ImportResult> {
    const { clock, notes } = this.#work
    const started = clock.monotonicMs()
    try {
      await this.#readAll()
    } catch (error) {
      const failure = await this.#settleAll().then(
        () => error,
        (failed: unknown) => failed, // report this one: its units are before that of `error`
      )
      const isFirst = this.#imported === this.#work.skip && this.#records === 0
      throw isBadOption(failure) && isFirst ? failure : this.#ended(failure as Error)
    }
    const counts = { records: this.#records, keyless: this.#keyless, badEvents: this.#bad }
    return { ...counts, times: notes.read, bytes: this.#bytes, ms: clock.monotonicMs() - started }
  }

  async #readAll(): Promise<void> {
    const { signal, batches } = this.#work
    for await (const batch of batches) {
      if (signal?.aborted === true) break
      await this.#take(batch)
      await this.#hooks.settled?.()
      while (this.#inFlight.length >= SENDS_MAX) await this.#settleFirst()
    }
    if (signal?.aborted === true) throw new Interrupted()
    this.#work.ledger?.end()
    await this.#settleAll()
    if (this.#records === 0) await this.#targetFor([]) // an empty file creates the topic, too
  }

  /** Sends the messages of some units, up to the first one that ends the import. */
  async #take(batch: EventBatch): Promise<void> {
    const candidates = messagesIn(batch, this.#work.skip - this.#read, this.#work.stopsAtBad)
    // The topic is made for the first message, so a bad first line leaves none.
    const target = candidates.length === 0 ? undefined : await this.#targetFor(candidates)
    const messages: Message[] = []
    let problem: Error | undefined
    try {
      this.#choose(batch, target, messages)
    } catch (error) {
      problem = error as Error
    }
    const upTo = problem instanceof Stopped ? problem.number - 1 : this.#read
    if (target !== undefined && messages.length > 0) {
      const sent = target.producer.send({ topic: this.#work.topic, messages })
      this.#await({ sent, upTo, places: undefined })
    } else {
      this.#noteImported(upTo)
    }
    if (problem !== undefined) throw problem
  }

  /** The messages to send of a batch. Throws at an event that ends the import. */
  #choose(batch: EventBatch, target: ImportTarget | undefined, messages: Message[]): void {
    const { outcomes } = batch
    const { skip, ledger } = this.#work
    for (let index = 0; index < outcomes.length; index++) {
      this.#read++
      if (ledger !== undefined) ledger.note(batch.unitOf(index))
      if (this.#read <= skip) continue
      const outcome = outcomes[index]
      if (outcome === undefined) continue
      if (outcome instanceof BadEvent || target === undefined) {
        if (outcome instanceof BadEvent) this.#refuse(batch, index, outcome)
        continue
      }
      const why = whyNotFor(target, outcome)
      if (why !== undefined) {
        this.#refuse(batch, index, why)
        continue
      }
      const message = ledger === undefined ? outcome : ledger.take(outcome, target)
      if (message === undefined) continue
      this.#count(message)
      messages.push(message)
    }
  }

  /** Units without an event count as imported as soon as all before them are. */
  #noteImported(upTo: number): void {
    const last = this.#inFlight.at(-1)
    if (last !== undefined) last.upTo = upTo
    else if (upTo > this.#imported) {
      this.#imported = upTo
      this.#work.ledger?.acknowledged(upTo, [])
    }
  }

  /** Leaves an event out, or throws if it ends the import. */
  #refuse(batch: EventBatch, index: number, bad: BadEvent): void {
    const place = batch.placeOf(index)
    const unit = batch.unitOf(index)
    const bytes = unit instanceof BadEvent ? undefined : unit
    this.#unit = place.unit
    if (!this.#hooks.onBadEvent({ place, bad, bytes })) {
      throw new Stopped({ place, bad, bytes }, this.#read)
    }
    this.#bad.set(bad.kind, (this.#bad.get(bad.kind) ?? 0) + 1)
  }

  #count({ key = null, value }: Message): void {
    this.#bytes += value === null ? 0 : Buffer.byteLength(value)
    if (this.#work.hasKey && key === null) this.#keyless++
  }

  async #settleAll(): Promise<void> {
    while (this.#inFlight.length > 0) await this.#settleFirst()
  }

  async #settleFirst(): Promise<void> {
    const [first] = this.#inFlight as [Sending]
    try {
      await first.sent // its acknowledgement is noted before this resolves
    } catch (error) {
      this.#inFlight.length = 0
      const units = `${this.#unit}s ${this.#imported + 1} to ${first.upTo}`
      throw new SendFailed(`${units}: ${sentenceOf(error)}`, { cause: error })
    }
  }

  /**
   * Notes a send as soon as it and all before it are acknowledged, without waiting for further
   * units: a pipe may deliver none for a long time.
   */
  #await(sending: Sending): void {
    this.#inFlight.push(sending)
    const onAcknowledged = (places: RecordMetadata[]): void => {
      sending.places = places
      for (let [first] = this.#inFlight; first?.places !== undefined; [first] = this.#inFlight) {
        this.#inFlight.shift()
        this.#records += first.places.length
        this.#imported = first.upTo
        this.#work.ledger?.acknowledged(first.upTo, first.places)
        this.#tell()
      }
    }
    sending.sent.then(onAcknowledged, () => undefined) // settleFirst reports failures, in order
  }

  #tell(): void {
    const { bytesRead, size } = this.#work.read()
    this.#hooks.onProgress({ units: this.#imported, records: this.#records, bytesRead, size })
  }

  // ── sentences ────────────────────────────────────────────────────────────────────────────

  /** The error of an early end: the reason, what is imported, how to continue. */
  #ended(error: Error): ImportEnded {
    const name = this.#nameFor(error)
    const what = error instanceof Interrupted ? '' : `${error.message}; `
    const advice = this.#advice(error)
    const sentence = `${name}: ${what}${this.#state(error)}`
    const cause = error.cause ?? error
    const whole = advice === undefined ? sentence : `${sentence}: ${advice}`
    return new ImportEnded(whole, this.#imported, { cause })
  }

  #nameFor(error: Error): string {
    if (error instanceof Stopped) return error.bad.place.source
    return error instanceof SourceError ? error.source : this.#work.name
  }

  #state(error: Error): string {
    const units = this.#imported
    const its = this.#nameFor(error) === this.#work.name ? 'its' : 'the'
    const what = `${its} first ${units} ${this.#unit}s`
    const all = its === 'its' ? '' : ` of ${this.#work.name}`
    if (error instanceof SendFailed) {
      if (units === 0) return `some of ${its} ${this.#unit}s may be imported`
      return `${what}${all} are imported, and some of the next ${this.#unit}s may be`
    }
    if (units > this.#work.skip) return `${what}${all} are imported, the rest is not`
    return units === 0 ? 'nothing was imported' : 'nothing more was imported'
  }

  #advice(error: Error): string | undefined {
    const units = this.#imported
    if (!this.#work.hasAdvice) return undefined
    if (this.#work.ledger !== undefined) return 'the same call continues there (--resume)'
    if (error instanceof SendFailed) return `--skip ${units} continues, and may import them twice`
    if (!(error instanceof Stopped)) {
      return units === 0 ? undefined : `continue with --skip ${units}`
    }
    const { number } = error
    return (
      `continue after ${this.#unit} ${number} with --skip ${number}, or correct it and use ` +
      `--skip ${units}; --on-bad-line skip leaves out all such ${this.#unit}s`
    )
  }
}

/** The messages of a batch behind the first `skip` units, up to one that ends the import. */
function messagesIn({ outcomes }: EventBatch, skip: number, stopsAtBad: boolean): Message[] {
  const rest = skip > 0 ? outcomes.slice(skip) : outcomes
  const end = stopsAtBad ? rest.findIndex(each => each instanceof BadEvent) : -1
  const good = end < 0 ? rest : rest.slice(0, end)
  return good.filter(each => each !== undefined && !(each instanceof BadEvent)) as Message[]
}

const WITHOUT_HEADERS: readonly HeaderIn[] = []
/** The most bytes that a record takes in addition to its key and value. */
const AROUND_BYTES = 50

/** An upper bound of the size of a record without headers; cheaper than the exact size. */
function sizeBound(key: BytesIn, value: BytesIn): number {
  return AROUND_BYTES + 3 * ((key?.length ?? 0) + (value?.length ?? 0)) // UTF-8 of UTF-16
}

/** Why a message cannot be sent; undefined if it can. */
function whyNotFor({ partitions, recordBytesMax }: ImportTarget, message: Message) {
  const { partition, key = null, value, headers = WITHOUT_HEADERS } = message
  if (partition !== undefined && partitions !== undefined && partition >= partitions) {
    const sentence = `partition ${partition}: the topic has ${partitions} partitions`
    return new BadEvent('no such partition', sentence)
  }
  if (recordBytesMax === undefined) return undefined
  if (headers === WITHOUT_HEADERS && sizeBound(key, value) <= recordBytesMax) return undefined
  const bytes = recordSizeMax(key, value, [...(headers as Iterable<HeaderIn>)])
  if (bytes <= recordBytesMax) return undefined
  const sentence = `a record of up to ${bytes} bytes, and the topic takes ${recordBytesMax}`
  return new BadEvent('too large', sentence)
}

/** The sentence of an error, with its cause if that says more, for example a full disk. */
function sentenceOf(error: unknown): string {
  const { message, cause } = error as Error
  if (!(cause instanceof Error) || message.includes(cause.message)) return message
  const why = isPartlogError(cause) ? cause.sentence : cause.message
  return `${message} (${why})`
}

/** Is this the error of an option that does not fit, found before anything was written? */
function isBadOption(error: unknown): error is PartlogError {
  return isPartlogError(error, 'INVALID_ARGUMENT')
}
