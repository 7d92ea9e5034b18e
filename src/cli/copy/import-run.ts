/*
 * The work of `partlog import`: turns lines into messages, sends them, and always knows how many
 * lines at the start of the file are imported.
 *
 *   read → messages → send → … (several in flight) → acknowledged, in order
 *
 * If the import ends early (a bad line, a failed send, a signal, a read error), the error says how
 * to continue.
 */

import type { Message, RecordMetadata } from '../../client/producer/messages.js'
import type { Producer } from '../../client/producer/producer-api.js'
import { recordSizeMax } from '../../model/batch/record-writer.js'
import type { BytesIn, HeaderIn } from '../../model/batch/record.js'
import { isPartlogError } from '../../model/errors.js'
import { clock } from '../terminal/ending.js'
import { UsageError } from '../terminal/usage-error.js'
import { LineTooLong, openLines, type LineReader } from '../terminal/user-files.js'
import { EventLines, type LineRules, type TimesRead } from './event-lines.js'

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

export interface ImportRequest extends LineRules {
  readonly file: string
  readonly topic: string
  /** The number of lines at the start to leave out, because they are imported already. */
  readonly skip: number
  /** What a bad line does: it stops the import, or it is skipped. */
  readonly badLines: 'stop' | 'skip'
  /** Should the error of an early end say how to continue? Default true. */
  readonly hasAdvice?: boolean
  /** Ends the import once the lines that were read are acknowledged. */
  readonly signal?: AbortSignal
}

/** A line that is not an event. */
export interface BadLine {
  readonly line: number
  readonly reason: string
}

export interface ImportHooks {
  /** The first `lines` lines of the file are imported. */
  readonly onAcknowledged: (lines: number, bytesRead: number, size: number | undefined) => void
  readonly onBadLine: (bad: BadLine) => void
}

export interface ImportResult {
  readonly records: number
  /** Records without the field that should be their key. */
  readonly keyless: number
  /** Lines that were skipped. */
  readonly badLines: number
  readonly times: TimesRead | undefined
  readonly bytes: number
  readonly ms: number
}

/** Reading pauses while this many sends are in flight: enough to keep the disk busy. */
const SENDS_MAX = 8

/** A message and its line number. */
interface Event {
  readonly line: number
  readonly message: Message
}

interface Sending {
  readonly sent: Promise<RecordMetadata[]>
  /** The last line that is imported when this send is acknowledged. */
  upTo: number
  /** How many records were sent; undefined until they are acknowledged. */
  records: number | undefined
}

/** A bad line that ends the import. */
class BadLineError extends Error {
  constructor(readonly bad: BadLine) {
    super(`line ${bad.line}: ${bad.reason}`)
  }
}

/** A send failed: later sends may have been written or not. */
class SendFailed extends Error {}

class Interrupted extends Error {}

/** Imports a file into a topic. If it ends early, rejects with the reason and how to continue. */
export async function importFile(
  targetFor: TargetFor,
  request: ImportRequest,
  hooks: ImportHooks,
): Promise<ImportResult> {
  return await new ImportRun(targetFor, request, hooks).run()
}

class ImportRun {
  readonly #targetFor: TargetFor
  readonly #request: ImportRequest
  readonly #hooks: ImportHooks
  readonly #reader: LineReader
  readonly #lines: EventLines
  readonly #inFlight: Sending[] = []
  /** The number of lines that were read. */
  #read = 0
  /** The number of lines at the start that are imported. */
  #imported: number
  #records = 0
  #keyless = 0
  #badLines = 0
  #bytes = 0

  constructor(targetFor: TargetFor, request: ImportRequest, hooks: ImportHooks) {
    this.#targetFor = targetFor
    this.#request = request
    this.#hooks = hooks
    this.#imported = request.skip
    const { signal, format } = request
    this.#reader = openLines(request.file, { signal, isText: format !== 'lines' })
    this.#lines = new EventLines(request)
  }

  async run(): Promise<ImportResult> {
    const started = clock.monotonicMs()
    try {
      await this.#readAll()
    } catch (error) {
      const failure = await this.#settleAll().then(
        () => error,
        (failed: unknown) => failed, // report this one: its lines are before the line of `error`
      )
      throw failure instanceof UsageError ? failure : this.#stopped(failure as Error)
    }
    const { times } = this.#lines
    const counts = { records: this.#records, keyless: this.#keyless, badLines: this.#badLines }
    return { ...counts, times, bytes: this.#bytes, ms: clock.monotonicMs() - started }
  }

  async #readAll(): Promise<void> {
    const { signal } = this.#request
    for await (const lines of this.#reader.lines()) {
      if (signal?.aborted === true) break
      await this.#take(lines)
      while (this.#inFlight.length >= SENDS_MAX) await this.#settleFirst()
    }
    if (signal?.aborted === true) throw new Interrupted()
    await this.#settleAll()
    if (this.#records === 0) await this.#targetFor([]) // an empty file creates the topic, too
  }

  /** Sends the events of some lines, up to the first line that ends the import. */
  async #take(lines: readonly (Buffer | LineTooLong)[]): Promise<void> {
    const events: Event[] = []
    let problem: Error | undefined
    for (const line of lines) {
      if (++this.#read <= this.#request.skip) continue
      try {
        const event = this.#eventOf(line)
        if (event !== undefined) events.push(event)
      } catch (error) {
        problem = error as Error
        break
      }
    }
    const { sent, problem: refused } = await this.#send(events)
    const end = problem ?? refused
    const upTo = refused instanceof BadLineError ? refused.bad.line - 1 : this.#lastGood(problem)
    if (sent !== undefined) this.#await({ sent, upTo, records: undefined })
    else if (end === undefined) this.#noteImported(upTo)
    if (refused !== undefined) throw refused
    if (problem !== undefined) throw problem
  }

  #lastGood(problem: Error | undefined): number {
    return problem === undefined ? this.#read : this.#read - 1
  }

  /** Lines without an event count as imported as soon as all lines before them are. */
  #noteImported(upTo: number): void {
    const last = this.#inFlight.at(-1)
    if (last !== undefined) last.upTo = upTo
    else this.#imported = Math.max(this.#imported, upTo)
  }

  #eventOf(line: Buffer | LineTooLong): Event | undefined {
    const number = this.#read
    try {
      if (line instanceof LineTooLong) throw line
      if (this.#lines.isBlank(line)) return undefined
      return { line: number, message: this.#lines.messageOf(line) }
    } catch (error) {
      if (error instanceof UsageError) throw error
      this.#refuse({ line: number, reason: oneLine((error as Error).message) })
      return undefined
    }
  }

  /** Skips a bad line, or throws if bad lines end the import. */
  #refuse(bad: BadLine): void {
    if (this.#request.badLines === 'stop') throw new BadLineError(bad)
    this.#badLines++
    this.#hooks.onBadLine(bad)
  }

  async #send(
    events: readonly Event[],
  ): Promise<{ sent?: Promise<RecordMetadata[]>; problem?: Error }> {
    if (events.length === 0) return {}
    const target = await this.#targetFor(events.map(({ message }) => message))
    const messages: Message[] = []
    let problem: Error | undefined
    for (const { line, message } of events) {
      try {
        const reason = whyNotFor(target, message)
        if (reason === undefined) messages.push(message)
        else this.#refuse({ line, reason })
      } catch (error) {
        problem = error as Error
        break
      }
    }
    const refused = problem === undefined ? {} : { problem }
    if (messages.length === 0) return refused
    this.#count(messages)
    const sent = target.producer.send({ topic: this.#request.topic, messages })
    return { sent, ...refused }
  }

  #count(messages: readonly Message[]): void {
    for (const { key = null, value } of messages) {
      this.#bytes += value === null ? 0 : Buffer.byteLength(value)
      if (this.#request.key !== undefined && key === null) this.#keyless++
    }
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
      const lines = `lines ${this.#imported + 1} to ${first.upTo}`
      throw new SendFailed(`${lines}: ${sentenceOf(error)}`, { cause: error })
    }
  }

  /**
   * Notes a send as soon as it and all before it are acknowledged, without waiting for further
   * lines: standard input may deliver none for a long time.
   */
  #await(sending: Sending): void {
    this.#inFlight.push(sending)
    const onAcknowledged = (places: RecordMetadata[]): void => {
      sending.records = places.length
      for (let [first] = this.#inFlight; first?.records !== undefined; [first] = this.#inFlight) {
        this.#inFlight.shift()
        this.#records += first.records
        this.#imported = first.upTo
        const { bytesRead, size } = this.#reader
        this.#hooks.onAcknowledged(this.#imported, bytesRead, size)
      }
    }
    sending.sent.then(onAcknowledged, () => undefined) // settleFirst reports failures, in order
  }

  // ── sentences ────────────────────────────────────────────────────────────────────────────

  /** The error of an early end: the reason, which lines are imported, how to continue. */
  #stopped(error: Error): Error {
    const { file } = this.#request
    const name = file === '-' ? 'standard input' : file
    const what = error instanceof Interrupted ? '' : `${error.message}; `
    const advice = this.#advice(error)
    const sentence = `${name}: ${what}${this.#state(error)}`
    const cause = error.cause ?? error
    return new Error(advice === undefined ? sentence : `${sentence}: ${advice}`, { cause })
  }

  #state(error: Error): string {
    const lines = this.#imported
    if (error instanceof SendFailed) {
      if (lines === 0) return 'some of its lines may be imported'
      return `its first ${lines} lines are imported, and some of the next lines may be`
    }
    if (lines > this.#request.skip) return `its first ${lines} lines are imported, the rest is not`
    return lines === 0 ? 'nothing was imported' : 'nothing more was imported'
  }

  #advice(error: Error): string | undefined {
    const lines = this.#imported
    if (this.#request.hasAdvice === false) return undefined
    if (error instanceof SendFailed) return `--skip ${lines} continues, and may import them twice`
    if (!(error instanceof BadLineError)) {
      return lines === 0 ? undefined : `continue with --skip ${lines}`
    }
    const { line } = error.bad
    return (
      `continue after line ${line} with --skip ${line}, or correct it and use --skip ${lines}; ` +
      '--bad-lines skip leaves out all such lines'
    )
  }
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
    return `partition ${partition}: the topic has ${partitions} partitions`
  }
  if (recordBytesMax === undefined) return undefined
  if (headers === WITHOUT_HEADERS && sizeBound(key, value) <= recordBytesMax) return undefined
  const bytes = recordSizeMax(key, value, [...(headers as Iterable<HeaderIn>)])
  if (bytes <= recordBytesMax) return undefined
  return `a record of up to ${bytes} bytes, and the topic takes ${recordBytesMax}`
}

/** The sentence of an error, with its cause if that says more, for example a full disk. */
function sentenceOf(error: unknown): string {
  const { message, cause } = error as Error
  if (!(cause instanceof Error) || message.includes(cause.message)) return message
  const why = isPartlogError(cause) ? cause.sentence : cause.message
  return `${message} (${why})`
}

/** On one line: the errors of JSON.parse quote text with its line breaks. */
function oneLine(sentence: string): string {
  return sentence.replace(/\s+/g, ' ')
}
