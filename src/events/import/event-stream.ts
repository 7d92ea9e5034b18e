/*
 * The events of sources, many at a time: bytes → unpacked → UTF-8 → units → messages. The format of
 * each source is recognized from its first lines, unless it is given.
 */

import { LINE_FEED } from '../text/byte-names.js'
import { whenAborted } from '../../base/tasks.js'
import type { EventFormat, EventRules, Outcome, TimeNotes } from '../formats/event-rules.js'
import { checkRules, FORMATS, type Format } from '../formats/formats.js'
import { recognize, type Recognized } from '../formats/recognize.js'
import type { Unit, UnitCutter } from '../formats/event-units.js'
import { decoded } from '../source/encoding.js'
import { openSource, type EventSource, type OpenSource } from '../source/event-files.js'
import { unpacked } from '../source/unpack.js'

/** How events are read. */
export interface ReadingRules extends EventRules {
  /** Default: recognized from the first lines. */
  readonly format?: EventFormat | undefined
  /** Default: UTF-8, or UTF-16 if it is that. */
  readonly encoding?: string | undefined
}

/** Where an event stands. */
export interface EventPlace {
  readonly source: string
  /** What is counted: lines, rows or events. */
  readonly unit: Format['unit']
  /** Its number, from 1. */
  readonly number: number
  /** The unit that names the columns, if there is one. */
  readonly header?: Buffer | undefined
}

/** Some units of a source in a row, and what became of each. */
export interface EventBatch {
  readonly outcomes: readonly Outcome[]
  readonly placeOf: (index: number) => EventPlace
  readonly unitOf: (index: number) => Unit
}

/** What is told while a source is read. */
export interface ReadingHooks {
  /** A source was recognized, or is read in an encoding that was. */
  readonly onRecognized?: (source: string, format: Format, remark?: string) => void
  readonly onEncoding?: (source: string, encoding: string) => void
}

export interface EventStreamOptions {
  readonly rules: ReadingRules
  readonly notes: TimeNotes
  readonly signal?: AbortSignal | undefined
  readonly hooks?: ReadingHooks
  /** How many units at the start need not be read; counted down over all sources. */
  readonly skipped?: { left: number }
}

/** A source that is being read. */
export interface EventStream {
  readonly source: OpenSource
  batches(): AsyncGenerator<EventBatch, void>
}

/** The error of a source that cannot be read. */
export class SourceError extends Error {
  constructor(
    readonly source: string,
    cause: Error,
  ) {
    super(cause.message, { cause })
  }
}

/** Opens a source. Throws the system's error if a file cannot be opened. */
export function openEvents(source: EventSource, options: EventStreamOptions): EventStream {
  const open = openSource(source)
  return { source: open, batches: () => batchesOf(open, options) }
}

/** Ends at once when the signal aborts, even if the source delivers nothing. */
async function* batchesOf(
  source: OpenSource,
  options: EventStreamOptions,
): AsyncGenerator<EventBatch, void> {
  const { signal } = options
  const forget = whenAborted(signal, () => source.destroy())
  const isAborted = (): boolean => signal?.aborted === true
  if (isAborted()) return
  try {
    yield* readBatches(source, options)
  } catch (error) {
    if (!isAborted()) throw error
  } finally {
    forget()
    source.destroy()
  }
}

/** What a recognized source is read with. */
interface Parts {
  readonly cutter: UnitCutter
  readonly toBatch: (units: Unit[]) => EventBatch
}

async function* readBatches(
  source: OpenSource,
  options: EventStreamOptions,
): AsyncGenerator<EventBatch, void> {
  const { rules, hooks } = options
  const onRecognized = (encoding: string): void => hooks?.onEncoding?.(source.name, encoding)
  const chunks = decoded(unpacked(source.bytes()), { encoding: rules.encoding, onRecognized })
  const named = inSource(source.name, chunks)
  let parts: Parts | undefined
  for await (const { chunk, head } of withHead(named, source.size !== undefined)) {
    if (parts === undefined) {
      const format = formatFor(source, { ...head, bytes: chunk }, options)
      parts = { cutter: format.cutter(), toBatch: batcher(source.name, format, options) }
    }
    const units = parts.cutter.push(chunk)
    if (units.length > 0) yield parts.toBatch(units)
  }
  const rest = parts?.cutter.end() ?? []
  if (parts !== undefined && rest.length > 0) yield parts.toBatch(rest)
}

/** Errors of a source with its name. */
async function* inSource(
  name: string,
  chunks: AsyncIterable<Buffer>,
): AsyncGenerator<Buffer, void> {
  try {
    yield* chunks
  } catch (error) {
    throw new SourceError(name, error as Error)
  }
}

function formatFor(
  source: OpenSource,
  head: { readonly bytes: Buffer; readonly isWhole: boolean },
  { rules, hooks }: EventStreamOptions,
): Format {
  const { format: given, encoding: _, ...eventRules } = rules
  const { name } = source
  const hasFields = [rules.key, rules.value, rules.timestamp, rules.headers, rules.tombstones].some(
    each => each !== undefined && each.length > 0,
  )
  const found: Recognized =
    given === undefined ? recognize({ ...head, name, hasFields }) : { format: FORMATS[given] }
  checkRules(found.format, eventRules)
  if (given === undefined) hooks?.onRecognized?.(name, found.format, found.remark)
  return found.format
}

function batcher(
  source: string,
  format: Format,
  { rules, notes, skipped = { left: 0 } }: EventStreamOptions,
): (units: Unit[]) => EventBatch {
  const reader = format.reader(rules, notes)
  let count = 0
  let header: Buffer | undefined
  return units => {
    const first = count + 1
    const [top] = units
    if (first === 1 && format.hasHeader === true && top instanceof Buffer) header = Buffer.from(top)
    count += units.length
    const unread = Math.min(skipped.left, units.length)
    skipped.left -= unread
    // The first unit may be a header, which the others need.
    if (unread > 0 && first === 1) reader.read(units.slice(0, 1))
    const outcomes = reader.read(unread === 0 ? units : units.slice(unread))
    return {
      outcomes: unread === 0 ? outcomes : [...new Array<undefined>(unread), ...outcomes],
      placeOf: index => ({ source, unit: format.unit, number: first + index, header }),
      unitOf: index => units[index] as Unit,
    }
  }
}

/** So much is looked at to recognize a format, if it is there at once. */
const HEAD_BYTES = 64 * 1024

interface HeadedChunk {
  readonly chunk: Buffer
  readonly head: { readonly isWhole: boolean }
}

/**
 * The chunks; the first one is large enough to recognize a format. A file is read so far; a pipe
 * that has delivered what tells its format is not waited for.
 */
async function* withHead(
  chunks: AsyncIterable<Buffer>,
  isFile: boolean,
): AsyncGenerator<HeadedChunk, void> {
  let head: Buffer | undefined = Buffer.alloc(0)
  for await (const chunk of chunks) {
    if (head !== undefined) {
      head = head.length === 0 ? chunk : Buffer.concat([head, chunk])
      if (head.length < HEAD_BYTES && (isFile || !tellsEnough(head))) continue
    }
    yield { chunk: head ?? chunk, head: { isWhole: false } }
    head = undefined
  }
  if (head !== undefined && head.length > 0) yield { chunk: head, head: { isWhole: true } }
}

/** A line of JSON is enough; anything else needs a second line beside it. */
function tellsEnough(head: Buffer): boolean {
  const first = head.indexOf(LINE_FEED)
  if (first < 0) return false
  if (head.indexOf(LINE_FEED, first + 1) >= 0) return true
  try {
    return isEvent(JSON.parse(head.toString('utf8', 0, first)))
  } catch {
    return false
  }
}

function isEvent(parsed: unknown): boolean {
  return typeof parsed === 'object' && parsed !== null
}
