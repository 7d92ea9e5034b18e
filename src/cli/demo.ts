/* `partlog demo`: imports events from a file and reads them back with a consumer group. */

import { integer, text } from '../base/options.js'
import type { Cluster } from '../cluster/cluster.js'
import { NodeDisk } from '../disk/node-disk.js'
import { brokerFolder } from '../log/format/files.js'
import { inspectPartition } from '../log/inspection/verify-log.js'
import { JSON_OPTION } from './command-options.js'
import { command, optionalValue, valued } from './command.js'
import { BadEvent } from '../events/formats/event-units.js'
import { importSettings, type ImportSettings } from '../events/import/import-options.js'
import { prepareImport } from '../events/import/import-parts.js'
import type { ImportResult } from '../events/import/import-run.js'
import { ensureTopic } from '../events/import/import-target.js'
import { checkReadable } from '../events/source/event-files.js'
import { openToWrite } from './copy/waits.js'
import { Failover, type FailoverResult } from './demo-failover.js'
import {
  SESSION_TIMEOUT_MS,
  SharedReading,
  type SharedReadingOptions,
  type SharedReadingResult,
  WORK_MS,
} from './demo-group.js'
import { importWithProgress } from './import.js'
import { orderLines } from './orders.js'
import { clock, closing, endingSignal, storyteller } from './terminal/ending.js'
import type { Output } from './terminal/output.js'
import { Progress } from './terminal/progress.js'
import { bytesText, grouped, secondsText, table } from './terminal/table.js'
import { UsageError } from './terminal/usage-error.js'
import { freshPath, openSink, sizeOf } from './terminal/user-files.js'

const TOPIC = 'orders'
const GROUP = 'demo'

function isIntact({ missing, doubled, outOfOrder, isHealed }: FailoverResult): boolean {
  return missing === 0 && doubled === 0 && outOfOrder === 0 && isHealed
}

/** The parts of a run that decide whether it succeeded. */
export interface DemoRun {
  readonly written: Pick<ImportResult, 'records'>
  readonly partitions: readonly Pick<PartitionResult, 'read' | 'committed' | 'endOffset'>[]
  readonly failover?: FailoverResult | undefined
  readonly group?: Pick<SharedReadingResult, 'lost'> | undefined
}

/** Was every record written, read and committed, and is no acknowledged record missing? */
export function isComplete(run: DemoRun): boolean {
  const { written, partitions, failover, group } = run
  const isCommitted = partitions.every(each => each.committed === each.endOffset)
  const isAllRead = totalOf(run) === written.records && (group?.lost ?? 0) === 0
  return isAllRead && isCommitted && (failover === undefined || isIntact(failover))
}

function totalOf({ partitions }: DemoRun): number {
  return partitions.reduce((sum, each) => sum + each.read, 0)
}

interface PartitionResult {
  readonly partition: number
  readonly endOffset: number
  readonly committed: number
  readonly read: number
  readonly segments: number
  readonly bytes: number
}

export const demoCommand = command({
  name: 'demo',
  summary: 'Writes a stream of orders, imports it and reads it back with a consumer group.',
  args: [],
  options: {
    file: optionalValue(text, 'PATH', 'import this file instead (JSON lines, or any lines)'),
    key: optionalValue(text, 'FIELD', 'the field to use as key (default id)'),
    records: valued(integer(1, 100_000_000), 200_000, 'N', 'orders to write (default 200,000)'),
    partitions: valued(integer(1, 1_000), 6, 'N', 'partitions of the topic (default 6)'),
    brokers: valued(
      integer(1, 64),
      1,
      'N',
      'brokers; if more than 1, a leader is killed (default 1)',
    ),
    consumers: valued(
      integer(1, 1_000),
      1,
      'N',
      'consumers; if more than 1, one is killed and one joins (default 1)',
    ),
    seed: valued(integer(0), 1, 'N', 'the same seed gives the same orders (default 1)'),
    dir: valued(
      text,
      './data/demo',
      'DIR',
      'the folder to create (default ./data/demo, or ./data/demo-2 … if it exists)',
    ),
    json: JSON_OPTION,
  },
  examples: [
    'npm run demo',
    'npm run demo -- --file events.jsonl --key id',
    'npm run demo -- --brokers 3 --consumers 3',
  ],
  run: async ({ options, output, given }) => {
    checkFitting(given)
    const dir = freshPath(options.dir)
    if (options.file !== undefined) checkReadable(options.file)
    const signal = endingSignal(output)
    const file =
      options.file ?? (await writeOrders(`${dir}/orders.jsonl`, options, { output, signal }))
    const key = options.key ?? (await keyFor(file))
    const request = { file, settings: importSettings({ topic: TOPIC, key, signal }), signal }
    const run = await runThrough(dir, request, options, output)
    const { written } = run
    const total = totalOf(run)
    const succeeded = isComplete(run)
    const counts = { ...written, badEvents: Object.fromEntries(written.badEvents) }
    if (options.json) {
      await output.json({ dir, file, ...run, written: counts, isComplete: succeeded })
    } else await show(output, { dir, ...run })
    if (!succeeded) output.note(`only ${total} of ${written.records} records came back as sent`)
    return succeeded ? 0 : 1
  },
})

/** Refuses options that would change nothing. */
function checkFitting(given: ReadonlySet<string>): void {
  const stray = ['records', 'seed'].find(name => given.has(name))
  if (!given.has('file') || stray === undefined) return
  throw new UsageError(`partlog demo: --${stray}: not with --file: the records come from the file`)
}

async function runThrough(dir: string, request: DemoRequest, sizes: Sizes, output: Output) {
  const { brokers, consumers } = sizes
  const sessions = consumers > 1 ? { groupMinSessionTimeoutMs: SESSION_TIMEOUT_MS } : {}
  const cluster = await openToWrite({ dir, brokers, ...sessions }, output)
  const ran = await closing(cluster, () => writeAndRead(cluster, request, sizes, output))
  const { written, readMs, failover, group } = ran
  return { written, readMs, partitions: await resultsOf(dir, sizes, ran), failover, group }
}

interface DemoRequest {
  readonly file: string
  readonly settings: ImportSettings
  readonly signal: AbortSignal
}

async function writeAndRead(
  cluster: Cluster,
  request: DemoRequest,
  { partitions, brokers, consumers }: Sizes,
  output: Output,
) {
  const tell = storyteller(output)
  const killAtBytes = (sizeOf(request.file) ?? 0) / 2
  const failover =
    brokers > 1 ? new Failover({ cluster, topic: TOPIC, killAtBytes, tell }) : undefined
  await ensureTopic(cluster, TOPIC, partitions)
  const producer = failover?.producer ?? cluster.producer()
  const target = async () => ({ producer })
  const prepared = await prepareImport([request.file], request.settings)
  const options = { json: false, 'on-bad-line': 'stop' }
  const work = { cluster, prepared, options, target, hasAdvice: false }
  const written = await importWithProgress(work, output)
  await failover?.heal()
  const started = clock.monotonicMs()
  let read: Map<number, number>
  let group: SharedReadingResult | undefined
  const { signal } = request
  if (consumers > 1) {
    const shared = sharedReading({ cluster, consumers, failover, tell, signal }, output)
    read = await shared.read()
    group = shared.result
  } else read = await readBack(cluster, { total: written.records, failover, signal }, output)
  const readMs = clock.monotonicMs() - started
  if (group?.killedBroker !== undefined) await failover?.restart(group.killedBroker)
  const offsets = await cluster.admin.listGroupOffsets(GROUP)
  return { written, readMs, read, offsets, failover: failover?.result, group }
}

interface ReadOffsets {
  readonly read: ReadonlyMap<number, number>
  readonly offsets: readonly {
    readonly partition: number
    readonly offset: number
    readonly endOffset: number
  }[]
}

async function resultsOf(
  dir: string,
  { brokers }: Sizes,
  { read, offsets }: ReadOffsets,
): Promise<PartitionResult[]> {
  const disk = new NodeDisk(dir, { readOnly: true })
  const results: PartitionResult[] = []
  for (const { partition, offset, endOffset } of offsets) {
    const folder = Array.from({ length: brokers }, (_, index) => brokerFolder(index + 1))
      .map(broker => `${broker}/${TOPIC}-${partition}`)
      .find(path => disk.exists(path)) as string
    const { segments } = await inspectPartition(disk, folder)
    const bytes = segments.reduce((sum, segment) => sum + segment.bytes, 0)
    results.push({
      partition,
      endOffset,
      committed: offset,
      read: read.get(partition) ?? 0,
      segments: segments.length,
      bytes,
    })
  }
  return results
}

interface Sizes {
  readonly partitions: number
  readonly brokers: number
  readonly consumers: number
}

function sharedReading(
  given: Pick<SharedReadingOptions, 'cluster' | 'consumers' | 'tell' | 'signal'> & {
    readonly failover: Failover | undefined
  },
  output: Output,
): SharedReading {
  const { cluster, consumers, tell, failover, signal } = given
  const progress = new Progress(output, clock, 'reading  ')
  return new SharedReading({
    cluster,
    consumers,
    topic: TOPIC,
    groupId: GROUP,
    signal,
    tell: text => {
      progress.end()
      tell(text)
    },
    onProgress: (read, total) => {
      progress.show(read, total, `${grouped(read)} records`)
      if (read === total) progress.end()
    },
    onFirst: record => failover?.check(record),
  })
}

interface ReadingBack {
  readonly total: number
  readonly failover: Failover | undefined
  readonly signal: AbortSignal
}

/** Reads and commits everything as a group of one; resolves with the counts by partition. */
async function readBack(
  cluster: Cluster,
  { total, failover, signal }: ReadingBack,
  output: Output,
): Promise<Map<number, number>> {
  const consumer = cluster.consumer({ groupId: GROUP, autoOffsetReset: 'earliest' })
  const progress = new Progress(output, clock, 'reading  ')
  const counts = new Map<number, number>()
  const done = new AbortController()
  let read = 0
  if (total === 0) done.abort() // there is nothing to wait for
  await consumer.subscribe([TOPIC])
  await consumer.run({
    signal: AbortSignal.any([done.signal, signal]),
    eachBatch: ({ partition, records }) => {
      counts.set(partition, (counts.get(partition) ?? 0) + records.length)
      read += records.length
      if (failover !== undefined) for (const record of records) failover.check(record)
      progress.show(read, total, `${grouped(read)} records`)
      if (read >= total) done.abort()
    },
  })
  progress.end()
  await consumer.close()
  return counts
}

async function writeOrders(
  path: string,
  { records, seed }: { readonly records: number; readonly seed: number },
  { output, signal }: { readonly output: Output; readonly signal: AbortSignal },
): Promise<string> {
  const progress = new Progress(output, clock, 'writing  ')
  const sink = openSink(path)
  let chunk: string[] = []
  let lines = 0
  for (const line of orderLines(records, seed)) {
    chunk.push(line, '\n')
    if (++lines % 1000 !== 0) continue
    await sink.write(chunk.join(''))
    chunk = []
    if (signal.aborted) throw new Error(`${path}: ended after ${lines} of ${records} orders`)
    progress.show(lines, records, `${grouped(lines)} orders`)
  }
  await sink.write(chunk.join(''))
  await sink.end()
  progress.end()
  return path
}

/** The field `id`, if the first event has one. */
async function keyFor(file: string): Promise<string | undefined> {
  const { batches } = await prepareImport([file], importSettings({ topic: TOPIC }))
  try {
    const { value } = await batches.next()
    const first = value?.outcomes[0]
    if (first === undefined || first instanceof BadEvent) return undefined
    const parsed: unknown = JSON.parse(String(first.value))
    return typeof parsed === 'object' && parsed !== null && 'id' in parsed ? 'id' : undefined
  } catch {
    return undefined // the import will report it
  } finally {
    await batches.return()
  }
}

async function show(
  output: Output,
  result: {
    readonly dir: string
    readonly written: ImportResult
    readonly readMs: number
    readonly partitions: readonly PartitionResult[]
    readonly failover: FailoverResult | undefined
    readonly group: SharedReadingResult | undefined
  },
): Promise<void> {
  const { dir, written, readMs, partitions, failover, group } = result
  const rows = partitions.map(each => [
    each.partition,
    each.read,
    each.endOffset,
    each.committed,
    each.segments,
    each.bytes,
  ])
  const head = ['PARTITION', 'RECORDS', 'END OFFSET', 'COMMITTED', 'SEGMENTS', 'BYTES']
  await output.line(table(head, rows))
  const onDisk = partitions.reduce((sum, each) => sum + each.bytes, 0)
  await output.line('')
  await output.line(
    `written  ${grouped(written.records)} records, ${bytesText(written.bytes)} in ` +
      `${secondsText(written.ms)}, each synced to disk before it was acknowledged`,
  )
  const work = group === undefined ? '' : `, with ${WORK_MS} ms of work for each batch`
  await output.line(`read     ${grouped(written.records)} records in ${secondsText(readMs)}${work}`)
  if (group !== undefined) await showGroup(output, group)
  if (failover !== undefined) {
    const { killed, failoverMs, acknowledged, missing, doubled, outOfOrder, isHealed } = failover
    await output.line(
      `broker ${killed} was killed halfway; ${failoverMs.toFixed(0)} ms later the new leader ` +
        'acknowledged records',
    )
    await output.line(
      `of ${grouped(acknowledged)} acknowledged records ${missing} are missing, ${doubled} ` +
        `unexpected, ${outOfOrder} out of order; all replicas in sync: ${isHealed ? 'yes' : 'NO'}`,
    )
  }
  await output.line(`on disk  ${bytesText(onDisk)} in ${dir}/broker-1, a Kafka log directory`)
  await output.line(`look at  npx partlog inspect ${dir} --batches`)
}

async function showGroup(
  output: Output,
  { members, processed, redelivered, lost, rebalances }: SharedReadingResult,
): Promise<void> {
  const rows = members.map(({ name, records, again, fate }) => [name, records, again, fate])
  await output.line('')
  await output.line(table(['MEMBER', 'RECORDS', 'AGAIN', 'FATE'], rows))
  await output.line('')
  await output.line(
    `group    ${grouped(processed)} records processed at least once, ${grouped(lost)} lost; ` +
      `${grouped(redelivered)} delivered again; ${rebalances} rebalances`,
  )
}
