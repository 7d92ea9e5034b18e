import { describe, expect, it, onTestFinished } from 'vitest'
import { Deferred } from '../../../src/base/tasks.js'
import { DiskError } from '../../../src/disk/disk.js'
import { cleanerOf } from '../../../src/log/compaction/log-cleaner.js'
import { encodeAborted } from '../../../src/log/format/transaction-index.js'
import { inspectPartition } from '../../../src/log/inspection/verify-log.js'
import { createLog } from '../../../src/log/recovery/open-log.js'
import type { Log } from '../../../src/log/store/log.js'
import { Batch } from '../../../src/model/batch/batch.js'
import { CODECS, isReadable } from '../../../src/model/batch/compression.js'
import { withoutZstd } from '../../model/without-zstd.js'
import {
  contextOf,
  create,
  FOLDER,
  open,
  readAll,
  TOPIC_ID,
  world,
  type World,
} from '../helpers.js'
import {
  batchesIn,
  batchOfPairs,
  clean,
  COMPACT,
  HIGHEST,
  linesIn,
  put,
  putBatch,
  recordsIn,
  rolled,
  shapesIn,
  T,
  withHeader,
} from './compacted.js'

const DAY_MS = 86_400_000

async function compacted(settings: object = {}): Promise<{ w: World; log: Log }> {
  const w = world({ ...COMPACT, ...settings })
  return { w, log: await create(w) }
}

function namesIn(w: World, pattern: RegExp): string[] {
  return w.disk
    .list(FOLDER)
    .map(({ name }) => name)
    .filter(name => pattern.test(name))
}

/** The last line of each key. */
function newestOf(lines: readonly string[]): Map<string, string> {
  return new Map(lines.map(line => [/:(.*?)(=|$)/.exec(line)?.[1] ?? '', line]))
}

describe('a log that is compacted', () => {
  it('compaction keeps the newest record of each key at its offset', async () => {
    const { log } = await compacted()
    put(log, 'a=1', 'b=1', 'c=1')
    put(log, 'a=2')
    put(log, 'b=2', 'b=3', 'd=1')
    await rolled(log)
    const { logStartOffset, logEndOffset } = log
    const cleaned = await clean(log)
    expect(await linesIn(log)).toEqual(['2:c=1', '3:a=2', '5:b=3', '6:d=1'])
    expect([log.logStartOffset, log.logEndOffset]).toEqual([logStartOffset, logEndOffset])
    expect(cleaned.bytesAfter).toBeLessThan(cleaned.bytesBefore)
    expect(log.firstDirtyOffset).toBe(cleaned.endOffset)
    expect((await shapesIn(log)).slice(0, 3)).toEqual(['[0, 2] 1', '[3, 3] 1', '[4, 6] 2'])
  })

  it('compaction merges small segments and continues where it has stopped', async () => {
    const { w, log } = await compacted()
    for (let round = 0; round < 4; round++) {
      put(log, 'a=1', 'b=1')
      await rolled(log)
    }
    const { segmentCount } = log
    await clean(log)
    expect(await cleanerOf(log).clean(HIGHEST)).toBeUndefined()
    const before = await recordsIn(log)
    put(log, 'c=1')
    await rolled(log)
    const second = await clean(log)
    expect(second.endOffset).toBeGreaterThan(before.at(-1)?.offset ?? 0)
    expect(log.segmentCount).toBeLessThan(segmentCount)
    expect(await linesIn(log)).toContainEqual(expect.stringMatching(/:c=1$/))
    expect(namesIn(w, /cleaned|swap/)).toEqual([])
    await log.close()
    expect((await inspectPartition(w.disk, FOLDER)).problems.map(({ problem }) => problem)).toEqual(
      // That it is compacted was not noted here: the log's manager does that.
      expect.not.arrayContaining([expect.stringMatching(/entry|time|epoch|count/)]),
    )
  })

  it('a compacted log is the same when it is opened again', async () => {
    const { w, log } = await compacted()
    put(log, 'a=1', 'b=1')
    put(log, 'a=2')
    await rolled(log)
    await clean(log)
    const [lines, shapes, end] = [await linesIn(log), await shapesIn(log), log.logEndOffset]
    await log.close()
    const again = await open(w, { recoveryPoint: end, wasClosedCleanly: true })
    expect(again.findings).toEqual([])
    expect(await linesIn(again.log)).toEqual(lines)
    expect(await shapesIn(again.log)).toEqual(shapes)
    expect(again.log.logEndOffset).toBe(end)
    // After a crash, too, when all of it is scanned.
    await again.log.abandon()
    const scanned = await open(w)
    expect(scanned.findings).toEqual([])
    expect(await linesIn(scanned.log)).toEqual(lines)
  })

  it('compaction leaves out records above the high watermark or the recovery point', async () => {
    const { log } = await compacted()
    put(log, 'a=1')
    put(log, 'a=2')
    await rolled(log)
    expect(await cleanerOf(log).clean(1)).toBeUndefined()
    expect(await linesIn(log)).toHaveLength(2)
    const unsynced = await compacted()
    for (let n = 0; unsynced.log.segmentCount === 1; n++) put(unsynced.log, `a=${n}`)
    expect(await cleanerOf(unsynced.log).clean(HIGHEST)).toBeUndefined()
    await unsynced.log.checkpoint()
    await clean(unsynced.log)
    expect(await linesIn(unsynced.log)).toHaveLength(2)
  })

  it('compaction removes records without a key', async () => {
    const { log } = await compacted()
    put(log, '=1', 'a=1', '=2')
    put(log, '=3')
    await rolled(log)
    await clean(log)
    expect(await linesIn(log)).toEqual(['1:a=1'])
  })

  it('compaction keeps headers and times, also append times', async () => {
    const { log } = await compacted({ 'message.timestamp.type': 'LogAppendTime' })
    putBatch(log, batchOfPairs(['a=1', 'b=1', 'c=1']), T + 500)
    putBatch(log, batchOfPairs(['a=2']), T + 900)
    await rolled(log)
    await clean(log)
    const kept = (await recordsIn(log)).slice(0, 3)
    expect(kept.map(({ offset, timestamp }) => [offset, timestamp - T])).toEqual([
      [1, 500],
      [2, 500],
      [3, 900],
    ])
    expect((await batchesIn(log))[0]?.timestampType).toBe('LogAppendTime')
  })

  const packing = CODECS.filter(codec => codec !== 'none' && isReadable(codec))
  it.each(packing)('compaction recompresses batches in %s', async codec => {
    const { log } = await compacted({ 'internal.segment.bytes': 2000 })
    const values = Array.from({ length: 40 }, (_, n) => `k${n % 30}=${'x'.repeat(n)}`)
    putBatch(log, batchOfPairs(values, { codec }))
    await rolled(log)
    await clean(log)
    const [first] = await batchesIn(log)
    expect([first?.codec, first?.recordsCount, first?.hasValidCrc]).toEqual([codec, 30, true])
    expect((await linesIn(log)).map(line => Number(line.split(':')[0]))).toEqual(
      Array.from({ length: 30 }, (_, n) => n + 10),
    )
  })

  it('a compacted log finds times across gaps and emptied batches', async () => {
    const { log } = await compacted()
    const at = (time: number, producerId: number, ...pairs: string[]): number => {
      const options = { producerId, producerEpoch: 0, baseSequence: 0 }
      return putBatch(log, batchOfPairs(pairs, options, T + time))
    }
    at(0, 1, 'a=1')
    at(10, 2, 'b=1')
    // The newest of all, and the last of its producer: its header stays, with its time.
    at(9000, 3, 'a=2')
    at(20, 4, 'a=3')
    at(30, 5, 'c=1')
    await rolled(log)
    await clean(log)
    expect(await linesIn(log)).toEqual(['1:b=1', '3:a=3', '4:c=1'])
    expect((await shapesIn(log))[2]).toBe('[2, 2] 0')
    const found = async (time: number): Promise<number | undefined> =>
      (await log.findTimestamp(T + time))?.offset
    expect([await found(0), await found(11), await found(21), await found(31)]).toEqual([
      1,
      3,
      4,
      undefined,
    ])
    expect(await log.findNewest()).toEqual({ offset: 4, timestamp: T + 30 })
  })
})

describe('tombstones', () => {
  it('tombstones stay for delete.retention.ms after the first cleaning with them', async () => {
    const { w, log } = await compacted()
    put(log, 'a=1', 'b=1')
    putBatch(log, batchOfPairs(['x=1', 'a', 'c=1'], {}, T - 40 * DAY_MS))
    await rolled(log)
    await clean(log)
    expect(await linesIn(log)).toEqual(['1:b=1', '2:x=1', '3:a', '4:c=1'])
    const horizonOf = async (): Promise<number | undefined> => {
      const batch = (await batchesIn(log)).find(({ baseOffset }) => baseOffset === 2)
      return batch?.hasDeleteHorizon ? batch.baseTimestamp : undefined
    }
    const horizon = w.clock.now() + DAY_MS
    expect(await horizonOf()).toBe(horizon)
    const times = (await recordsIn(log)).slice(1, 4).map(({ timestamp }) => timestamp)
    expect(times).toEqual([0, 1, 2].map(n => T - 40 * DAY_MS + n))

    await w.clock.advance(DAY_MS - 1)
    put(log, 'd=1')
    await rolled(log)
    await clean(log)
    expect(await linesIn(log)).toContain('3:a')
    expect(await horizonOf()).toBe(horizon)

    await w.clock.advance(1)
    put(log, 'x=2')
    await rolled(log)
    await clean(log)
    const lines = await linesIn(log)
    expect(lines.slice(0, 2)).toEqual(['1:b=1', '4:c=1'])
    expect(lines).not.toContain('3:a')
    expect((await recordsIn(log))[1]?.timestamp).toBe(T - 40 * DAY_MS + 2)
    expect(await horizonOf()).toBe(horizon)
  })

  it('tombstones stay while an unreadable batch may hold older records of their keys', async () => {
    onTestFinished(withoutZstd())
    const { w, log } = await compacted({ 'delete.retention.ms': 0 })
    put(log, 'a=1')
    putBatch(log, withHeader(batchOfPairs(['a=2', 'b=2']), { codec: 'zstd' }))
    put(log, 'a', 'c')
    await rolled(log)
    await clean(log)
    await w.clock.advance(10)
    put(log, 'd=1')
    await rolled(log)
    await clean(log)
    const batches = await batchesIn(log)
    expect(batches[0]?.codec).toBe('zstd')
    expect(batches[0]?.recordsCount).toBe(2)
    expect(batches[1]?.recordsCount).toBe(2)
  })
})

describe('what the system or a transaction has written', () => {
  it('control and transactional batches stay unchanged and remove no records', async () => {
    const { w, log } = await compacted({ 'delete.retention.ms': 0 })
    const options = { producerId: 9, producerEpoch: 0, baseSequence: 0 }
    put(log, 'a=1', 'b=1', 'c=1')
    putBatch(log, withHeader(batchOfPairs(['a=2', 'b', 'd=1'], options), { isTransactional: true }))
    const marker = batchOfPairs(['a=marker'], { producerId: 9, producerEpoch: 0 })
    putBatch(log, withHeader(marker, { isTransactional: true, isControl: true }))
    await rolled(log)
    await clean(log)
    const all = ['0:a=1', '1:b=1', '2:c=1', '3:a=2', '4:b', '5:d=1', '6:a=marker']
    expect(await linesIn(log)).toEqual(all)
    await w.clock.advance(10)
    put(log, 'c=2', 'd=2', 'a')
    await rolled(log)
    await clean(log)
    // Newer records outside of transactions count, whatever has become of the transaction.
    const left = ['1:b=1', '4:b', '6:a=marker']
    expect((await linesIn(log)).slice(0, 3)).toEqual(left)
    expect((await batchesIn(log)).some(({ hasDeleteHorizon }) => hasDeleteHorizon)).toBe(true)
    expect((await batchesIn(log)).find(b => b.baseOffset === 3)?.hasDeleteHorizon).toBe(false)
  })

  it('compaction keeps the entries of aborted transactions', async () => {
    const { w, log } = await compacted()
    put(log, 'a=1')
    await rolled(log)
    const second = log.logEndOffset - 1
    put(log, 'b=2')
    await rolled(log)
    await clean(log)
    put(log, 'c=3')
    await rolled(log)
    const aborted = [0, second].map((lastOffset, nth) => {
      const entry = { producerId: nth + 1, firstOffset: 0, lastOffset, lastStableOffset: 0 }
      const segment = log.state.segments.all.findLast(({ baseOffset }) => baseOffset <= lastOffset)
      segment?.aborted.add(entry)
      return entry
    })
    await clean(log)
    const [name] = namesIn(w, /txnindex$/)
    const bytes = await w.disk.open(`${FOLDER}/${name}`).read(0, 100)
    expect(name).toBe('00000000000000000000.txnindex')
    expect(bytes).toEqual(encodeAborted(aborted))
    expect(log.state.segments.first.aborted.all).toEqual(aborted)
  })
})

describe('batches without records', () => {
  const by = (producerId: number, baseSequence: number) => ({
    producerId,
    producerEpoch: 0,
    baseSequence,
  })

  it('an empty batch stays if it is the last of a producer, for its sequence', async () => {
    const { w, log } = await compacted()
    putBatch(log, batchOfPairs(['a=1', 'b=1'], by(5, 0)))
    putBatch(log, batchOfPairs(['a=2', 'b=2'], by(5, 2)))
    putBatch(log, batchOfPairs(['a=3', 'b=3'], by(6, 0)))
    await rolled(log)
    await clean(log)
    expect((await shapesIn(log)).slice(0, 2)).toEqual(['[2, 3] 0', '[4, 5] 2'])
    const [emptied] = await batchesIn(log)
    expect(emptied).toMatchObject({ ...by(5, 2), baseTimestamp: -1, size: 61, hasValidCrc: true })
    expect(emptied?.maxTimestamp).toBe(T + 1)
    // Also from the batches alone.
    for (const name of namesIn(w, /snapshot$/)) await w.disk.remove(`${FOLDER}/${name}`)
    await log.abandon()
    const again = await open(w)
    const twin = again.log.producers.check(new Batch(batchOfPairs(['a=2', 'b=2'], by(5, 2)), 0))
    expect(twin).toMatchObject({ firstOffset: 2, lastOffset: 3 })
    const late = new Batch(batchOfPairs(['a=9'], by(5, 9)), 0)
    expect(() => again.log.producers.check(late)).toThrow('OUT_OF_ORDER_SEQUENCE_NUMBER')
  })

  it('an empty batch stays at the end of the cleaned part until more is cleaned', async () => {
    const { log } = await compacted()
    const values = ['r=1', `r=${'x'.repeat(320)}`, 'r=3']
    for (const value of values) put(log, value)
    await log.checkpoint()
    expect(log.segmentCount).toBeGreaterThan(1)
    put(log, `r=${'y'.repeat(320)}`)
    await log.checkpoint()
    const { endOffset } = await clean(log)
    const shapes = await shapesIn(log)
    expect(shapes.filter(shape => shape.endsWith(' 0'))).toEqual([])
    expect(endOffset).toBe(3)
    expect(await readAll(log)).toHaveLength(2)
  })
})

describe('what happens meanwhile', () => {
  /** Stops the cleaning at its first operation of this kind, until `goOn`. */
  function pausedAt(w: World, kind: string, path: RegExp) {
    const reached = new Deferred<void>()
    const goOn = new Deferred<void>()
    const turn = w.clock.turn.bind(w.clock)
    let isPaused = false
    w.disk.beforeOperation = operation => {
      if (operation.kind === kind && path.test(operation.path)) {
        isPaused = true
        reached.resolve()
      }
      return undefined
    }
    w.clock.turn = async () => {
      if (isPaused) await goOn.promise
      await turn()
    }
    // Every look at the clock says that other work is due.
    let ms = 0
    w.clock.monotonicMs = () => (ms += 10)
    const free = (): void => {
      w.disk.beforeOperation = undefined
      goOn.resolve()
    }
    return { reached: reached.promise, goOn: free }
  }

  async function withRecords(settings: object = {}): Promise<{ w: World; log: Log }> {
    const { w, log } = await compacted({ 'internal.segment.bytes': 2000, ...settings })
    for (let n = 0; n < 60; n++) put(log, `k${n % 7}=${n}`, `l${n % 5}=${n}`)
    await log.checkpoint()
    return { w, log }
  }

  it('records are appended and read during a cleaning', async () => {
    const { w, log } = await withRecords()
    const { reached, goOn } = pausedAt(w, 'create', /log.cleaned$/)
    const cleaning = clean(log)
    await reached
    const before = await readAll(log)
    const offset = put(log, 'new=1')
    expect(await readAll(log)).toEqual([...before, `${offset}:1`])
    goOn()
    const { endOffset } = await cleaning
    const lines = await linesIn(log)
    expect(lines.at(-1)).toBe(`${offset}:new=1`)
    const cleaned = lines.map(line => Number(line.split(':')[0])).filter(each => each < endOffset)
    expect(cleaned.length).toBe(12)
    await log.close()
  })

  it.each([
    ['the log is cut', (log: Log) => log.truncateTo(30)],
    [
      'its oldest segments go',
      async (log: Log) => {
        log.deleteRecordsBefore(60)
        await log.deleteOldSegments(HIGHEST)
      },
    ],
    ['it is closed', async (log: Log) => void log.close()],
    ['it is given up', async (log: Log) => void log.abandon()],
  ])('a cleaning stops if %s', async (_, act) => {
    const { w, log } = await withRecords()
    const { reached, goOn } = pausedAt(w, 'create', /log.cleaned$/)
    const cleaning = cleanerOf(log).clean(HIGHEST)
    await reached
    await act(log)
    goOn()
    expect(await cleaning).toBeUndefined()
    await log.close()
    expect(log.firstDirtyOffset).toBe(0)
    expect(namesIn(w, /swap/)).toEqual([])
    await open(w, { recoveryPoint: 10 })
    expect(namesIn(w, /cleaned/)).toEqual([])
  })

  it.each([
    ['just before a swap', 'sync', /log\.cleaned$/],
    ['just after it', 'rename', /timeindex\.swap$/],
  ])('a cleaning notes nothing of records truncated %s', async (_, kind, path) => {
    const { w, log } = await withRecords()
    let cutting: Promise<unknown> | undefined
    w.disk.beforeOperation = operation => {
      const isNow = operation.kind === kind && path.test(operation.path)
      if (isNow) cutting ??= log.truncateTo(20)
      return undefined
    }
    expect(await cleanerOf(log).clean(HIGHEST)).toBeUndefined()
    await cutting
    expect(cutting).toBeDefined()
    expect(log.logEndOffset).toBeLessThanOrEqual(20)
    expect(log.firstDirtyOffset).toBe(0)
    expect((await recordsIn(log)).every(({ offset }) => offset < 20)).toBe(true)
    expect(namesIn(w, /cleaned|swap/)).toEqual([])
    put(log, 'after=1')
    expect((await linesIn(log)).at(-1)).toBe(`${log.logEndOffset - 1}:after=1`)
    await log.close()
    expect(log.offlineReason).toBeUndefined()
  })

  it('a cleaning stops when its signal aborts', async () => {
    const { w, log } = await withRecords()
    const { reached, goOn } = pausedAt(w, 'create', /log.cleaned$/)
    const ending = new AbortController()
    const cleaning = cleanerOf(log).clean(HIGHEST, ending.signal)
    await reached
    expect(await cleanerOf(log).clean(HIGHEST)).toBeUndefined() // one at a time
    ending.abort()
    goOn()
    expect(await cleaning).toBeUndefined()
    expect(log.offlineReason).toBeUndefined()
    await clean(log)
  })

  it('a read of a replaced segment continues', async () => {
    const { w, log } = await withRecords({ 'file.delete.delay.ms': 0 })
    const reading = new Deferred<void>()
    const goOn = new Deferred<void>()
    const bounds = { upTo: log.logEndOffset, maxBytes: 10_000, minOneBatch: true }
    const segment = w.disk.open(`${FOLDER}/00000000000000000000.log`)
    const read = Object.getPrototypeOf(segment).read as (p: number, n: number) => Promise<Buffer>
    let isFirst = true
    Object.getPrototypeOf(segment).read = async function (position: number, length: number) {
      if (isFirst) {
        isFirst = false
        reading.resolve()
        await goOn.promise
      }
      return await read.call(this, position, length)
    }
    try {
      const bytes = log.read(0, bounds)
      await reading.promise
      await clean(log)
      await w.clock.advance(1) // the old files are closed and removed
      goOn.resolve()
      // It begins again, with the segment that is there now.
      expect(new Batch(await bytes, 0).baseOffset).toBe((await batchesIn(log))[0]?.baseOffset)
    } finally {
      Object.getPrototypeOf(segment).read = read
    }
  })

  it('a full disk stops the cleaning and nothing else', async () => {
    const { w, log } = await withRecords()
    const before = await linesIn(log)
    w.disk.beforeOperation = operation => {
      const isCleaned = /cleaned$/.test(operation.path)
      if (isCleaned && operation.kind === 'append') throw new DiskError('ENOSPC', 'append', 'x')
      return undefined
    }
    await expect(cleanerOf(log).clean(HIGHEST)).rejects.toThrow('ENOSPC')
    expect(log.offlineReason).toBeUndefined()
    expect(namesIn(w, /cleaned|swap/)).toEqual([])
    expect(newestOf(await linesIn(log))).toEqual(newestOf(before))
    w.disk.beforeOperation = undefined
    await clean(log)
    expect(newestOf(await linesIn(log))).toEqual(newestOf(before))
    expect((await linesIn(log)).length).toBeLessThan(before.length)
  })

  it('renames of a swap that fails are undone', async () => {
    const { w, log } = await withRecords()
    const before = await linesIn(log)
    w.disk.beforeOperation = operation => {
      if (operation.kind === 'rename' && /\.index\.cleaned$/.test(operation.path)) {
        throw new DiskError('ENOSPC', 'rename', operation.path)
      }
      return undefined
    }
    await expect(cleanerOf(log).clean(HIGHEST)).rejects.toThrow('ENOSPC')
    w.disk.beforeOperation = undefined
    expect(log.offlineReason).toBeUndefined()
    expect(namesIn(w, /cleaned|swap/)).toEqual([])
    expect(await linesIn(log)).toEqual(before)
  })

  it('a failed sync of names takes the log offline; opening finishes the swap', async () => {
    const { w, log } = await withRecords()
    const all = await linesIn(log)
    w.disk.beforeOperation = operation => {
      const isNamed = namesIn(w, /swap$/).length > 0
      if (operation.kind === 'syncDirectory' && isNamed) throw new DiskError('EIO', 'sync', 'x')
      return undefined
    }
    await expect(cleanerOf(log).clean(HIGHEST)).rejects.toMatchObject({ code: 'LOG_OFFLINE' })
    expect(log.offlineReason?.code).toBe('LOG_OFFLINE')
    await log.abandon()
    w.disk.beforeOperation = undefined
    const again = await open(w)
    expect(namesIn(w, /cleaned|swap/)).toEqual([])
    const lines = await linesIn(again.log)
    expect(lines.length).toBeLessThan(all.length)
    expect(all).toEqual(expect.arrayContaining(lines))
  })

  it('damage is found before it is copied and takes the log offline', async () => {
    const { w, log } = await withRecords()
    await log.close()
    const path = `${FOLDER}/00000000000000000000.log`
    const bytes = await w.disk.open(path).read(0, 100_000)
    bytes[80] = (bytes[80] as number) ^ 1
    const file = w.disk.open(path)
    file.truncate(0)
    file.append(bytes)
    const again = await open(w, { recoveryPoint: log.logEndOffset, wasClosedCleanly: true })
    await expect(cleanerOf(again.log).clean(HIGHEST)).rejects.toMatchObject({ code: 'CORRUPT_LOG' })
    expect(again.log.offlineReason?.code).toBe('CORRUPT_LOG')
    expect(namesIn(w, /cleaned|swap|deleted/)).toEqual(namesIn(w, /cleaned$/))
  })
})

describe('a log with more keys than fit into memory', () => {
  it('a log with more keys than fit into memory is cleaned in several runs', async () => {
    const w = world({ ...COMPACT, 'internal.segment.bytes': 20_000 })
    const context = { ...contextOf(w), offsetMapBytes: 1 }
    const log = await createLog(context, TOPIC_ID)
    for (let round = 0; round < 3; round++) {
      for (let n = 0; n < 990; n += 30) {
        put(log, ...Array.from({ length: 30 }, (_, i) => `key-${n + i}=${round}`))
      }
    }
    await rolled(log)
    const ends: number[] = []
    for (let end = 0; end !== -1;) {
      end = (await cleanerOf(log).clean(HIGHEST))?.endOffset ?? -1
      if (end !== -1) ends.push(end)
    }
    // A page of the map holds 820 keys: the first time it is full in the middle of a batch.
    expect(ends[0]).toBe(820)
    expect(ends[1]).toBe(820 + 820)
    expect(ends.length).toBeGreaterThan(3)
    const lines = await linesIn(log)
    expect(lines.map(line => line.split(':')[1])).toEqual(
      Array.from({ length: 990 }, (_, n) => `key-${n}=2`),
    )
  })
})
