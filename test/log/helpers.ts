/** Logs on small disks, and a short way to say what is in them. */

import { silentLogger } from '../../src/base/logger.js'
import { seededRandom } from '../../src/base/random.js'
import { VirtualClock } from '../../src/base/virtual-clock.js'
import type { Disk } from '../../src/disk/disk.js'
import { MemoryDisk } from '../../src/disk/memory-disk.js'
import { IndexCache } from '../../src/log/format/index-file.js'
import { logConfig, type LogConfig } from '../../src/log/format/log-config.js'
import {
  createLog,
  openLog,
  type OpenedLog,
  type OpenLogOptions,
} from '../../src/log/recovery/open-log.js'
import type { LogContext } from '../../src/log/store/log-state.js'
import type { Log } from '../../src/log/store/log.js'
import { BatchBuilder } from '../../src/model/batch/batch-builder.js'
import { assignOffset, Batch, batchesOf } from '../../src/model/batch/batch.js'
import { RecordCursor } from '../../src/model/batch/record-cursor.js'
import { parseTopicConfig } from '../../src/model/topic-settings.js'
import { valueText } from '../model/batch/records.js'

export const FOLDER = 'orders-0'
const NOW = Date.UTC(2026, 0, 1)
export const TOPIC_ID = 'ASNFZ4mrze8RIjNEVWZ3iA'

export interface World {
  disk: MemoryDisk
  clock: VirtualClock
  config: LogConfig
  /** What the log's manager would do. */
  saveCheckpoints: () => Promise<void>
}

export function world(settings: Record<string, unknown> = {}): World {
  return {
    disk: new MemoryDisk({ recordsHistory: true }),
    clock: new VirtualClock(),
    config: logConfig(parseTopicConfig(settings)),
    saveCheckpoints: async () => undefined,
  }
}

export function contextOf(w: Omit<World, 'disk'> & { disk: Disk }): LogContext {
  return {
    disk: w.disk,
    folder: FOLDER,
    topicPartition: { topic: 'orders', partition: 0 },
    clock: w.clock,
    random: seededRandom(1),
    cache: new IndexCache(1024 * 1024),
    logger: silentLogger,
    settings: { current: w.config },
    saveCheckpoints: () => w.saveCheckpoints(),
  }
}

export async function create(w: World): Promise<Log> {
  const log = await createEmpty(w)
  await log.assignEpoch(0)
  return log
}

/** A log that was not led yet. */
export async function createEmpty(w: World): Promise<Log> {
  return await createLog(contextOf(w), TOPIC_ID)
}

export async function open(w: World, options: Partial<OpenLogOptions> = {}): Promise<OpenedLog> {
  return await openLog(contextOf(w), {
    recoveryPoint: 0,
    logStartOffset: undefined,
    wasClosedCleanly: false,
    onCorruption: 'offline',
    ...options,
  })
}

/** A batch with these values; keyless, all of one time. */
export function batchOf(values: readonly string[], timestamp = Date.UTC(2026, 0, 1)): Buffer {
  const builder = new BatchBuilder(Buffer.alloc(65_536))
  for (const value of values) builder.tryAppend(timestamp, null, value, [])
  return Buffer.from(builder.build())
}

/** A batch as a leader of `epoch` stores it at `baseOffset`. */
export function copied(bytes: Buffer, baseOffset: number, epoch: number): Buffer {
  assignOffset(new Batch(bytes, 0), baseOffset, epoch)
  return bytes
}

/** Batches of one record each, as a leader of `epoch` stores them from `base` on. */
export function history(base: number, count: number, epoch: number, prefix = 'v'): Buffer {
  const all = Array.from({ length: count }, (_, n) =>
    copied(batchOf([`${prefix}${base + n}`]), base + n, epoch),
  )
  return Buffer.concat(all)
}

export function append(log: Log, values: readonly string[], timestamp?: number): number {
  const bytes = batchOf(values, timestamp)
  return log.append(bytes, [new Batch(bytes, 0)], 0, NOW).firstOffset
}

/** Appends one record per batch: `prefix0`, `prefix1` … */
export function appendMany(log: Log, count: number, prefix = 'v'): void {
  for (let index = 0; index < count; index++) append(log, [`${prefix}${index}`])
}

/** Everything readable from `from` on, as `offset:value`. */
export async function readAll(log: Log, from = log.logStartOffset): Promise<string[]> {
  const lines: string[] = []
  for (let next = from; next < log.logEndOffset;) {
    const bytes = await log.read(next, {
      upTo: log.logEndOffset,
      maxBytes: 4096,
      minOneBatch: true,
    })
    if (bytes.length === 0) throw new Error(`nothing at ${next} of ${log.logEndOffset}`)
    for (const batch of batchesOf(bytes)) {
      const cursor = new RecordCursor(batch)
      while (cursor.next()) {
        if (cursor.offset >= next) lines.push(`${cursor.offset}:${valueText(cursor)}`)
      }
      next = batch.nextOffset
    }
  }
  return lines
}

/** Everything in a log, as stored. */
export async function logBytesOf(log: Log): Promise<Buffer> {
  const parts: Buffer[] = []
  for (let next = log.logStartOffset; next < log.logEndOffset;) {
    const bounds = { upTo: log.logEndOffset, maxBytes: 65_536, minOneBatch: true }
    const bytes = await log.read(next, bounds)
    for (const batch of batchesOf(bytes)) next = batch.nextOffset
    parts.push(bytes)
  }
  return Buffer.concat(parts)
}

/** `expected(3)` is ['0:v0', '1:v1', '2:v2']. */
export function expected(end: number, start = 0, prefix = 'v'): string[] {
  return Array.from({ length: end - start }, (_, i) => `${start + i}:${prefix}${start + i}`)
}
