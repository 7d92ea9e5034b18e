/**
 * A partition's folder that has been changed, and three programs that read it: recovery with the
 * log it opens, the reader of folders, and verify. They must agree: if verify finds nothing, all
 * records are there for both; opening a second time finds what the first has left, and no more.
 *
 * An input is a list of changes: which file, what, where, and with which bytes.
 */

import { silentLogger } from '../../src/base/logger.js'
import { seededRandom, type Random } from '../../src/base/random.js'
import { VirtualClock } from '../../src/base/virtual-clock.js'
import { MemoryDisk } from '../../src/disk/memory-disk.js'
import { logConfig } from '../../src/log/format/log-config.js'
import { findPartitions } from '../../src/log/inspection/log-directory.js'
import { inspectPartition } from '../../src/log/inspection/verify-log.js'
import { checkRootFiles } from '../../src/log/inspection/verify-root.js'
import { LogManager, type KnownPartition } from '../../src/log/log-manager.js'
import type { Log } from '../../src/log/store/log.js'
import { BatchBuilder } from '../../src/model/batch/batch-builder.js'
import { Batch } from '../../src/model/batch/batch.js'
import { parseTopicConfig } from '../../src/model/topic-settings.js'
import { readAll, TOPIC_ID } from '../log/helpers.js'
import { diskOf, filesOf } from '../rot/world.js'
import { repairBatches } from './batch-targets.js'
import { must, typedOr, type Target } from './target.js'

const ROOT = 'broker-1'
const FOLDER = `${ROOT}/orders-0`
const NOW = Date.UTC(2026, 0, 1)
/** A change of an input: file │ kind │ two bytes of place │ two of content. */
const CHANGE_BYTES = 6

interface Base {
  readonly files: ReadonlyMap<string, Buffer>
  readonly directories: readonly string[]
  readonly names: readonly string[]
}

const settings = { 'internal.segment.bytes': 600, 'index.interval.bytes': 100 }
const KNOWN: KnownPartition = {
  topic: 'orders',
  partition: 0,
  topicId: TOPIC_ID,
  settings: { current: logConfig(parseTopicConfig(settings)) },
}

async function manager(disk: MemoryDisk): Promise<LogManager> {
  return await LogManager.open({
    disk,
    root: ROOT,
    clusterId: 'cluster',
    nodeId: 1,
    clock: new VirtualClock(NOW),
    random: seededRandom(1),
    logger: silentLogger,
    onCorruption: 'offline',
  })
}

function batch(n: number): Buffer {
  const builder = new BatchBuilder(Buffer.alloc(400))
  for (const part of ['a', 'b']) builder.tryAppend(NOW + n, `k${n % 5}`, `${part}${n}`, [])
  const codec = n % 7 === 3 ? 'gzip' : 'none'
  const ofProducer = { producerId: 7, producerEpoch: 0, baseSequence: 2 * Math.floor(n / 3) }
  return Buffer.from(builder.build(n % 3 === 0 ? { codec, ...ofProducer } : { codec }))
}

async function write(log: Log, from: number, to: number): Promise<void> {
  for (let n = from; n < to; n++) {
    const bytes = batch(n)
    log.append(bytes, [new Batch(bytes, 0)], log.epochs.latestEpoch, NOW)
  }
  await log.flush()
}

/** Closed cleanly, left by a process that died, or by Kafka (without second copies). */
async function makeBase(kind: 'closed' | 'killed' | 'plain'): Promise<Base> {
  const disk = new MemoryDisk()
  const logs = await manager(disk)
  const log = await logs.create(KNOWN)
  await log.assignEpoch(1)
  await write(log, 0, 14)
  await log.assignEpoch(3)
  await write(log, 14, 20)
  await logs.checkpointAll()
  await write(log, 20, 26)
  for (let turn = 0; turn < 20; turn++) await new Promise(resolve => setImmediate(resolve))
  const killed = await filesOf(disk)
  await logs.close()
  const { files, directories } = kind === 'killed' ? killed : await filesOf(disk)
  if (kind === 'plain') for (const name of files.keys()) if (name.endsWith('.sealed')) files.delete(name)
  return { files, directories, names: [...files.keys()].sort() }
}

const KINDS = ['closed', 'killed', 'plain'] as const
let bases: Promise<readonly Base[]> | undefined

function basesNow(): Promise<readonly Base[]> {
  bases ??= (async () => {
    const made: Base[] = []
    for (const kind of KINDS) made.push(await makeBase(kind))
    return made
  })()
  return bases
}

// ── changes ──────────────────────────────────────────────────────────────────────────────

type Files = Map<string, Buffer>

/** Applies a change to a file; its kinds are those of a disk, or of one that wants to harm. */
function change(files: Files, names: readonly string[], bytes: Buffer): void {
  const [at = 0, kind = 0] = bytes
  const name = names[at % names.length] as string
  const old = files.get(name)
  if (old === undefined) return
  const [place, content] = [bytes.readUInt16BE(2), bytes.readUInt16BE(4)]
  const position = old.length === 0 ? 0 : place % old.length
  const copy = Buffer.from(old)
  switch (kind % 10) {
    case 0:
      if (copy.length > 0) copy[position]! ^= 1 << (content & 7)
      return void files.set(name, copy)
    case 1:
      if (copy.length > 0) copy[position] = content
      return void files.set(name, repaired(name, copy))
    case 2:
      return void files.set(name, copy.subarray(0, position))
    case 3:
      return void files.set(name, Buffer.concat([copy, Buffer.alloc(1 + (place % 300), content)]))
    case 4:
      copy.subarray(position, position + 1 + (content % 700)).fill(0)
      return void files.set(name, copy)
    case 5:
      return void files.delete(name)
    case 6: {
      const other = files.get(names[place % names.length] as string)
      if (other !== undefined) files.set(name, other)
      return
    }
    case 7: {
      const piece = copy.subarray(position, position + (content % 400))
      return void files.set(name, Buffer.concat([copy, piece]))
    }
    case 8: {
      const without = [copy.subarray(0, position), copy.subarray(position + 1 + (content % 200))]
      return void files.set(name, repaired(name, Buffer.concat(without)))
    }
    default: {
      const suffix = ['.swap', '.cleaned', '.deleted', '.tmp', '.kept'][content % 5] as string
      files.set(name + suffix, copy)
      if ((place & 1) === 1) files.delete(name)
    }
  }
}

/** Batches keep valid checksums, so that what lies behind the checksum is reached. */
function repaired(name: string, bytes: Buffer): Buffer {
  return name.endsWith('.log') ? repairBatches(bytes) : bytes
}

// ── the three programs ───────────────────────────────────────────────────────────────────

interface Seen {
  readonly lines: readonly string[] | undefined
  readonly error: Error | undefined
}

async function seeing(read: () => Promise<readonly string[]>): Promise<Seen> {
  try {
    return { lines: await read(), error: undefined }
  } catch (error) {
    if (!typedOr('DiskError')(error as Error)) throw error
    return { lines: undefined, error: error as Error }
  }
}

async function readOffline(disk: MemoryDisk): Promise<readonly string[]> {
  const found = await findPartitions(disk, { folder: FOLDER })
  const lines: string[] = []
  for (const partition of found) {
    for await (const { offset, value } of partition.records()) {
      lines.push(`${offset}:${value === null ? null : Buffer.from(value).toString()}`)
    }
  }
  return lines
}

async function problemsIn(disk: MemoryDisk): Promise<readonly string[]> {
  const { problems } = await inspectPartition(disk, FOLDER)
  const around = await checkRootFiles(disk, [FOLDER])
  return [...problems, ...around].map(({ file, problem }) => `${file}: ${problem}`)
}

interface Opened extends Seen {
  readonly findings: number
}

async function openAndRead(disk: MemoryDisk): Promise<Opened> {
  let findings = 0
  const seen = await seeing(async () => {
    const logs = await manager(disk)
    try {
      const log = await logs.load(KNOWN)
      return await readAll(log)
    } finally {
      findings = logs.findings.length
      await logs.close().catch(refusedOnly)
    }
  })
  return { ...seen, findings }
}

function refusedOnly(error: unknown): void {
  if (!typedOr('DiskError')(error as Error)) throw error
}

async function folder(bytes: Buffer): Promise<boolean> {
  const base = (await basesNow())[(bytes[0] ?? 0) % KINDS.length] as Base
  const files: Files = new Map(base.files)
  for (let at = 1; at + CHANGE_BYTES <= bytes.length && at < 40 * CHANGE_BYTES; at += CHANGE_BYTES) {
    change(files, base.names, bytes.subarray(at, at + CHANGE_BYTES))
  }
  const disk = diskOf(base.directories, files)
  const problems = await problemsIn(disk)
  const offline = await seeing(() => readOffline(disk))
  const first = await openAndRead(disk)
  const second = await openAndRead(disk)
  mustAgree(problems, offline, first)
  mustRepeat(first, second)
  return problems.length === 0
}

/** Whose a folder is, only its owner knows. */
const ANOTHERS = /^INVALID_CONFIG: .*(node|cluster)|^INCONSISTENT_TOPIC_ID/

function mustAgree(problems: readonly string[], offline: Seen, opened: Opened): void {
  if (problems.length > 0) return
  must(offline.error === undefined, () => `verify finds nothing: ${offline.error?.message}`)
  if (ANOTHERS.test(opened.error?.message ?? '')) return
  must(opened.error === undefined, () => `verify finds nothing: ${opened.error?.message}`)
  const [a, b] = [offline.lines as string[], opened.lines as string[]]
  const at = a.findIndex((line, index) => line !== b[index])
  const isSame = a.length === b.length && at < 0
  must(isSame, () => `verify finds nothing: ${a.length} and ${b.length} records, ${a[at]} ${b[at]}`)
}

function mustRepeat(first: Opened, second: Opened): void {
  if (first.error !== undefined) {
    must(second.error !== undefined, 'what was refused once is refused again')
    return
  }
  must(second.error === undefined, () => `the second opening: ${second.error?.message}`)
  const [a, b] = [first.lines as string[], second.lines as string[]]
  must(a.join() === b.join(), () => `opened once ${a.length} records, then ${b.length}`)
  must(second.findings === 0, () => `the second opening finds ${second.findings} things`)
}

function seeds(): Buffer[] {
  const random = seededRandom(5)
  const all: Buffer[] = [Buffer.from([0]), Buffer.from([1]), Buffer.from([2])]
  for (let n = 0; n < 120; n++) {
    const count = 1 + (n % 3 === 0 ? random.int(3) : 0)
    all.push(Buffer.concat([Buffer.from([n % 3]), random.bytes(CHANGE_BYTES * count)]))
  }
  return all
}

/** Whole changes only, mostly few. */
function repair(bytes: Buffer, random: Random): Buffer {
  const count = Math.min(Math.floor((bytes.length - 1) / CHANGE_BYTES), 1 + random.int(3))
  return bytes.subarray(0, 1 + CHANGE_BYTES * Math.max(0, count))
}

export const FOLDER_TARGET: Target = {
  name: 'folder',
  seeds,
  repair,
  run: folder,
  refuses: () => false,
  memory: { bytes: 32 * 1024 * 1024, perByte: 4_000 },
  inputs: 1_000,
}
