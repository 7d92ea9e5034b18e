/**
 * The work of `partlog import`: lines become messages, messages are sent, and at any moment it is
 * known how many lines are safe.
 *
 *   read → messages → send → … (some under way) → acknowledged, in order
 *
 * Whatever ends it, the sentence says how to go on: after a line that is none, a send that failed,
 * a signal, a file that cannot be read on.
 */

import type { Message, RecordMetadata } from '../../client/producer/messages.js'
import type { Producer } from '../../client/producer/producer-api.js'
import { recordSizeMax } from '../../model/batch-builder.js'
import { isPartlogError } from '../../model/errors.js'
import type { BytesIn, HeaderIn } from '../../model/record.js'
import { clock } from '../terminal/ending.js'
import { UsageError } from '../terminal/usage-error.js'
import { LineTooLong, openLines, type LineReader } from '../terminal/user-files.js'
import { EventLines, type LineRules, type TimesRead } from './event-lines.js'

/** What the lines are sent to. */
export interface ImportTarget {
  readonly producer: Pick<Producer, 'send'>
  /** How many partitions the topic has; undefined when nobody asks. */
  readonly partitions?: number
  /** What one record may take; undefined when the producer decides. */
  readonly recordBytesMax?: number
}

/** Gives the target when it is ready for these messages. */
export type TargetFor = (messages: readonly Message[]) => Promise<ImportTarget>

export interface ImportRequest extends LineRules {
  readonly file: string
  readonly topic: string
  /** Lines at the start that are there already. */
  readonly skip: number
  /** What becomes of lines that are none: the import stops, or they are left out. */
  readonly badLines: 'stop' | 'skip'
  /** Say how to go on when it ends early. Default true. */
  readonly hasAdvice?: boolean
  /** Ends the import after what is in hand. */
  readonly signal?: AbortSignal
}

/** A line that was left out. */
export interface BadLine {
  readonly line: number
  readonly reason: string
}

export interface ImportHooks {
  /** So many lines are safe, in order. */
  readonly onAcknowledged: (lines: number, bytesRead: number, size: number | undefined) => void
  readonly onBadLine: (bad: BadLine) => void
}

export interface ImportResult {
  readonly records: number
  /** Those whose key was asked for and is not there. */
  readonly keyless: number
  /** Lines that were left out. */
  readonly badLines: number
  readonly times: TimesRead | undefined
  readonly bytes: number
  readonly ms: number
}

/** Sends under way before the next lines are read: enough to keep the disk busy. */
const SENDS_MAX = 8

/** A message, and the line it was. */
interface Event {
  readonly line: number
  readonly message: Message
}

interface Sending {
  readonly sent: Promise<RecordMetadata[]>
  /** The last line that is safe with it. */
  upTo: number
  /** So many records are acknowledged; undefined until they are. */
  records: number | undefined
}

/** A line that is no event, where that ends the import. */
class BadLineError extends Error {
  constructor(readonly bad: BadLine) {
    super(`line ${bad.line}: ${bad.reason}`)
  }
}

/** A send that failed: nobody knows what became of those behind it. */
class SendFailed extends Error {}

class Interrupted extends Error {}

/** Reads a file into a topic. Rejects with what ended it early, and how to go on. */
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
  readonly #underWay: Sending[] = []
  /** Lines that were read. */
  #read = 0
  /** Lines at the start that are safe. */
  #safe: number
  #records = 0
  #keyless = 0
  #badLines = 0
  #bytes = 0

  constructor(targetFor: TargetFor, request: ImportRequest, hooks: ImportHooks) {
    this.#targetFor = targetFor
    this.#request = request
    this.#hooks = hooks
    this.#safe = request.skip
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
        (failed: unknown) => failed, // it came first: it stands before what was read later
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
      while (this.#underWay.length >= SENDS_MAX) await this.#settleFirst()
    }
    if (signal?.aborted === true) throw new Interrupted()
    await this.#settleAll()
    if (this.#records === 0) await this.#targetFor([]) // also nothing wants its topic
  }

  /** Sends what is good of some lines, up to the first that ends the import. */
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
    else if (end === undefined) this.#noteSafe(upTo)
    if (refused !== undefined) throw refused
    if (problem !== undefined) throw problem
  }

  #lastGood(problem: Error | undefined): number {
    return problem === undefined ? this.#read : this.#read - 1
  }

  /** Lines without an event are safe as soon as those before them are. */
  #noteSafe(upTo: number): void {
    const last = this.#underWay.at(-1)
    if (last !== undefined) last.upTo = upTo
    else this.#safe = Math.max(this.#safe, upTo)
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

  /** Leaves a line out, if that was asked for. */
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
    while (this.#underWay.length > 0) await this.#settleFirst()
  }

  async #settleFirst(): Promise<void> {
    const [first] = this.#underWay as [Sending]
    try {
      await first.sent // noted by then
    } catch (error) {
      this.#underWay.length = 0
      const lines = `lines ${this.#safe + 1} to ${first.upTo}`
      throw new SendFailed(`${lines}: ${sentenceOf(error)}`, { cause: error })
    }
  }

  /** Notes a send as soon as it and those before it are acknowledged: nothing more may be read. */
  #await(sending: Sending): void {
    this.#underWay.push(sending)
    const onAcknowledged = (places: RecordMetadata[]): void => {
      sending.records = places.length
      for (let [first] = this.#underWay; first?.records !== undefined; [first] = this.#underWay) {
        this.#underWay.shift()
        this.#records += first.records
        this.#safe = first.upTo
        const { bytesRead, size } = this.#reader
        this.#hooks.onAcknowledged(this.#safe, bytesRead, size)
      }
    }
    sending.sent.then(onAcknowledged, () => undefined) // failures are told when their turn comes
  }

  // ── words ────────────────────────────────────────────────────────────────────────────────

  /** What went wrong, and what that means for the rest of the file. */
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
    const safe = this.#safe
    if (error instanceof SendFailed) {
      const some = safe === 0 ? '' : `its first ${safe} lines are imported, `
      return `${some}some of those behind them may be, too`
    }
    if (safe > this.#request.skip) return `its first ${safe} lines are imported, the rest is not`
    return safe === 0 ? 'nothing of it was imported' : 'nothing more of it was imported'
  }

  #advice(error: Error): string | undefined {
    const safe = this.#safe
    if (this.#request.hasAdvice === false) return undefined
    if (error instanceof SendFailed) return `--skip ${safe} goes on, and may import them twice`
    if (!(error instanceof BadLineError)) {
      return safe === 0 ? undefined : `go on with --skip ${safe}`
    }
    const { line } = error.bad
    return (
      `go on behind line ${line} with --skip ${line}, or with --skip ${safe} when it is mended; ` +
      '--bad-lines skip leaves out all such lines'
    )
  }
}

const WITHOUT_HEADERS: readonly HeaderIn[] = []
/** Lengths, deltas and what else stands around key and value. */
const AROUND_BYTES = 50

/** Never less than what a record without headers takes; cheaper to know. */
function sizeBound(key: BytesIn, value: BytesIn): number {
  return AROUND_BYTES + 3 * ((key?.length ?? 0) + (value?.length ?? 0)) // UTF-8 of UTF-16
}

/** Why a message cannot be sent; undefined when it can. */
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

/** What went wrong, with its cause where that says more: a disk that is full, say. */
function sentenceOf(error: unknown): string {
  const { message, cause } = error as Error
  if (!(cause instanceof Error) || message.includes(cause.message)) return message
  const why = isPartlogError(cause) ? cause.sentence : cause.message
  return `${message} (${why})`
}

/** V8 quotes the text around what JSON.parse cannot read, line ends and all. */
function oneLine(sentence: string): string {
  return sentence.replace(/\s+/g, ' ')
}
