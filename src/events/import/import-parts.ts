/*
 * An import, step by step: the sources are opened and their first events read, before anything is
 * written; then the events are sent.
 */

import { SystemClock, type Clock } from '../../base/clock.js'
import type { KafkaCluster } from '../../client/kafka-cluster.js'
import { isPartlogError, PartlogError, type ErrorCode } from '../../model/errors.js'
import { TimeNotes } from '../formats/event-rules.js'
import { BadOption } from '../formats/formats.js'
import { filesOf, type EventSource } from '../source/event-files.js'
import { byTime, type OrderReport } from './by-time.js'
import {
  openEvents,
  type EventBatch,
  type EventStream,
  type ReadingHooks,
} from './event-stream.js'
import { ImportLedger } from './import-ledger.js'
import {
  importSettings,
  readingRules,
  reportOf,
  type ImportEventsOptions,
  type ImportSettings,
} from './import-options.js'
import {
  ImportEnded,
  Interrupted,
  runImport,
  type BadUnit,
  type ImportHooks,
  type ImportProgress,
  type ImportResult,
  type TargetFor,
} from './import-run.js'
import { topicFor } from './import-target.js'

/** Events that are ready to be imported. */
export interface PreparedImport {
  readonly settings: ImportSettings
  /** For sentences: the file, or how many. */
  readonly name: string
  readonly batches: AsyncGenerator<EventBatch, void>
  readonly notes: TimeNotes
  readonly order: OrderReport
  readonly read: () => { readonly bytesRead: number; readonly size: number | undefined }
  /** The only file; undefined if there are several, or a stream. */
  readonly path: string | undefined
  readonly skipped: { left: number }
}

/**
 * Opens the sources and reads their first events, so that options that do not fit are refused now:
 * with INVALID_ARGUMENT, or the system's error for a file that cannot be read.
 */
export async function prepareImport(
  given: readonly EventSource[],
  settings: ImportSettings,
  hooks: ReadingHooks = {},
): Promise<PreparedImport> {
  const sources: EventSource[] = given.flatMap<EventSource>(each =>
    typeof each === 'string' ? filesOf(each) : [each],
  )
  const rules = readingRules(settings)
  const notes = new TimeNotes()
  const { signal, skip, sortByTimeMs, resume } = settings
  const skipped = { left: sortByTimeMs === undefined && !resume ? skip : 0 }
  const options = { rules, notes, signal, skipped }
  if (sortByTimeMs !== undefined) checkSorting(settings, rules.match)
  const files = sources.filter((each): each is string => typeof each === 'string')
  for (const file of files) await tryFirst(file, { ...options, notes: new TimeNotes(), hooks })
  const streams = sources.map(each => {
    // What was recognized in a file was told already.
    const told = typeof each === 'string' ? {} : { hooks }
    return openEvents(each, { ...options, ...told })
  })
  const order: OrderReport = { late: 0, early: 0 }
  const all =
    sortByTimeMs === undefined
      ? inTurn(streams)
      : byTime(streams, { windowMs: sortByTimeMs, report: order })
  return {
    settings,
    name: nameOf(streams),
    batches: await primed(all),
    notes,
    order,
    read: () => readOf(streams),
    path: streams.length === 1 ? streams[0]?.source.path : undefined,
    skipped,
  }
}

function checkSorting(settings: ImportSettings, match: RegExp | undefined): void {
  const { timestamp, format, resume } = settings
  if (resume) throw new BadOption('sortByTimeMs', 'not with resume: give skip')
  const hasTime = timestamp !== undefined || match !== undefined
  const withoutTimes = ['json', 'json-array', 'csv', 'tsv', 'lines']
  const isDump = format !== undefined && !withoutTimes.includes(format)
  if (!hasTime && !isDump) throw new BadOption('sortByTimeMs', 'needs timestamp')
}

/** Reads the first events of a file and closes it: its options are checked. */
async function tryFirst(file: string, options: Parameters<typeof openEvents>[1]): Promise<void> {
  const { skipped: _, ...rest } = options
  const batches = openEvents(file, rest).batches()
  try {
    await batches.next()
  } catch (error) {
    if (isArgument(error)) throw error
    // The import will meet this error at its place.
  } finally {
    await batches.return()
  }
}

function isArgument(error: unknown): boolean {
  return isPartlogError(error, 'INVALID_ARGUMENT')
}

async function* inTurn(streams: readonly EventStream[]): AsyncGenerator<EventBatch, void> {
  for (const stream of streams) yield* stream.batches()
}

/** The same batches, of which the first one was asked for. */
async function primed(
  batches: AsyncGenerator<EventBatch, void>,
): Promise<AsyncGenerator<EventBatch, void>> {
  const first = batches.next()
  const failure = await first.then(
    () => undefined,
    (error: unknown) => error,
  )
  if (isArgument(failure)) throw failure
  return following(first, batches)
}

async function* following(
  first: Promise<IteratorResult<EventBatch, void>>,
  batches: AsyncGenerator<EventBatch, void>,
): AsyncGenerator<EventBatch, void> {
  try {
    const { value, done } = await first
    if (done !== true) yield value as EventBatch
    yield* batches
  } finally {
    await batches.return()
  }
}

function nameOf(streams: readonly EventStream[]): string {
  if (streams.length === 1) return (streams[0] as EventStream).source.name
  return `${streams.length} files`
}

function readOf(streams: readonly EventStream[]) {
  let bytesRead = 0
  let size: number | undefined = 0
  for (const { source } of streams) {
    bytesRead += source.bytesRead
    size = size === undefined || source.size === undefined ? undefined : size + source.size
  }
  return { bytesRead, size }
}

// ── the import ───────────────────────────────────────────────────────────────────────────

/** What an import has done, and how far the order of times could be kept. */
export interface ImportOutcome extends ImportResult {
  /** Events that came too late to be sorted, or had to go on too early. */
  readonly outOfOrder: number
}

/** What an import runs with. */
export interface ImportMeans {
  readonly cluster: KafkaCluster
  readonly clock: Clock
  readonly calls: ImportHooks
  /** Default: the topic of the settings, in the cluster. */
  readonly target?: TargetFor | undefined
  /** Does the error of an early end say how to continue? Default: true. */
  readonly hasAdvice?: boolean | undefined
}

/** Imports what was prepared. */
export async function importPrepared(
  prepared: PreparedImport,
  { cluster, clock, calls, target, hasAdvice = true }: ImportMeans,
): Promise<ImportOutcome> {
  const { settings, path, batches, name, notes, order, read } = prepared
  const { topic, skip, key, match, signal, partitions, resume, onBadEvent } = settings
  const ledger = resume ? await ledgerOf({ cluster, topic, path, clock }) : undefined
  const hasKey = key !== undefined || /\(\?<key>/.test(match === undefined ? '' : String(match))
  try {
    const work = { topic, batches, name, notes, read, hasKey, hasAdvice, signal, clock, ledger }
    const stopsAtBad = onBadEvent === 'stop'
    const all = { ...work, stopsAtBad, skip: ledger?.skip ?? skip }
    const result = await runImport(target ?? topicFor(cluster, topic, partitions), all, calls)
    await ledger?.close()
    return { ...result, outOfOrder: order.late + order.early }
  } catch (error) {
    await ledger?.close().catch(() => undefined)
    throw error
  } finally {
    await batches.return()
  }
}

async function ledgerOf({
  path,
  ...rest
}: {
  readonly cluster: KafkaCluster
  readonly topic: string
  readonly path: string | undefined
  readonly clock: Clock
}): Promise<ImportLedger> {
  if (path === undefined) {
    throw new BadOption('resume', 'expected one file, not a stream or several')
  }
  return await ImportLedger.open({ ...rest, path })
}

/** What the library's call needs. */
export interface ImportCall {
  readonly options: ImportEventsOptions
  readonly onProgress: (progress: ImportProgress) => void
}

/** The whole import of the library's call; its errors are PartlogErrors. */
export async function importFrom(
  cluster: KafkaCluster,
  sources: readonly EventSource[],
  { options, onProgress }: ImportCall,
): Promise<ImportOutcome> {
  const settings = importSettings(options)
  const { onBadEvent } = settings
  try {
    const prepared = await prepareImport(sources, settings)
    const leaveOut = (bad: BadUnit): boolean => {
      if (typeof onBadEvent === 'function') onBadEvent(reportOf(bad))
      return onBadEvent !== 'stop'
    }
    const calls = { onProgress, onBadEvent: leaveOut }
    return await importPrepared(prepared, { cluster, clock: new SystemClock(), calls })
  } catch (error) {
    throw ofLibrary(error)
  }
}

/** Options in sentences are called as the library calls them. */
function ofLibrary(error: unknown): PartlogError {
  if (isPartlogError(error)) return error
  const { message, cause } = error as Error
  const sentence = message
    .replace('--on-bad-line', 'onBadEvent')
    .replace(/--([a-z]+(?:-[a-z]+)*)/g, (_, name: string) =>
      name.replace(/-(.)/g, (__, letter: string) => letter.toUpperCase()),
    )
  const code = isPartlogError(cause) ? cause.code : codeOf(error, cause)
  return new PartlogError(code, sentence, { cause: cause ?? error })
}

function codeOf(error: unknown, cause: unknown): ErrorCode {
  if (!(error instanceof ImportEnded)) return 'INVALID_ARGUMENT'
  return cause instanceof Interrupted ? 'REQUEST_TIMED_OUT' : 'INVALID_RECORD'
}
