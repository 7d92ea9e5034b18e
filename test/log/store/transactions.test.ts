import { describe, expect, it } from 'vitest'
import { encodeAborted } from '../../../src/log/format/transaction-index.js'
import type { Log } from '../../../src/log/store/log.js'
import { Batch } from '../../../src/model/batch/batch.js'
import { BatchBuilder } from '../../../src/model/batch/batch-builder.js'
import { markerBatch } from '../../../src/model/batch/control.js'
import { abortedIn } from '../../../src/partition/read-committed.js'
import { create, FOLDER, open, world, type World } from '../helpers.js'

const NOW = Date.UTC(2026, 0, 1)

const PRODUCER = { producerId: 7, producerEpoch: 0 }

/** A batch of a producer; its sequence is the number of its records so far. */
class Writer {
  #sequence = 0

  constructor(
    readonly log: Log,
    readonly producerId: number,
    readonly producerEpoch = 0,
  ) {}

  batch(isTransactional = true): Batch {
    const builder = new BatchBuilder(Buffer.alloc(1_000))
    builder.tryAppend(NOW, null, `of ${this.producerId}`, [])
    const { producerId, producerEpoch } = this
    const header = { producerId, producerEpoch, baseSequence: this.#sequence, isTransactional }
    return new Batch(Buffer.from(builder.build(header)), 0)
  }

  /** Appends one record; returns its offset. */
  write(isTransactional = true): number {
    const batch = this.batch(isTransactional)
    this.log.producers.check(batch)
    const { firstOffset } = this.log.append(batch.buffer, [batch], 0, NOW)
    this.#sequence++
    return firstOffset
  }

  end(isCommit: boolean, coordinatorEpoch = 0): number {
    const { producerId, producerEpoch } = this
    const bytes = markerBatch({ producerId, producerEpoch, coordinatorEpoch, isCommit }, NOW)
    const batch = new Batch(bytes, 0)
    this.log.producers.check(batch)
    return this.log.append(bytes, [batch], 0, NOW).firstOffset
  }
}

const stable = (log: Log): number => log.producers.lastStableOffset(log.logEndOffset)

async function read(log: Log, from = 0): Promise<Buffer> {
  return await log.read(from, { upTo: log.logEndOffset, maxBytes: 65_536, minOneBatch: true })
}

async function abortedOf(log: Log, from = 0) {
  return abortedIn(log, from, await read(log, from)).map(({ producerId, firstOffset }) => [
    producerId,
    firstOffset,
  ])
}

async function reopened(w: World, log: Log, isClean: boolean): Promise<Log> {
  if (isClean) await log.close()
  else await log.abandon()
  const recoveryPoint = log.recoveryPoint
  return (await open(w, { recoveryPoint, wasClosedCleanly: isClean })).log
}

/** 0 1: of 1, aborted at 3 │ 2: of 2, committed at 5 │ 4 │ 6: of 1, open */
async function mixed(): Promise<{ w: World; log: Log }> {
  const w = world()
  const log = await create(w)
  const [one, two] = [new Writer(log, 1), new Writer(log, 2)]
  one.write()
  one.write()
  two.write()
  one.end(false)
  two.write()
  two.end(true)
  one.write()
  return { w, log }
}

describe('the last stable offset', () => {
  it('the last stable offset is below the first record of the oldest open transaction', async () => {
    const log = await create(world())
    const [one, two] = [new Writer(log, 1), new Writer(log, 2)]
    expect(stable(log)).toBe(0)
    one.write()
    two.write()
    expect(stable(log)).toBe(0)
    one.end(true)
    expect(stable(log)).toBe(1)
    two.end(false)
    expect(stable(log)).toBe(4)
  })

  it('the last stable offset stays below a transaction whose end marker is not committed', async () => {
    const log = await create(world())
    const one = new Writer(log, 1)
    one.write()
    const marker = one.end(true)
    expect(log.producers.lastStableOffset(marker)).toBe(0)
    expect(log.producers.lastStableOffset(marker + 1)).toBe(2)
  })

  it('the last stable offset is the high watermark without transactions', async () => {
    const log = await create(world())
    new Writer(log, 1).write(false)
    expect(log.producers.lastStableOffset(1)).toBe(1)
    expect(log.producers.lastStableOffset(0)).toBe(0)
  })
})

describe('aborted transactions', () => {
  it('a reader is told of those that have records in what it reads', async () => {
    const { log } = await mixed()
    expect(stable(log)).toBe(6)
    expect(await abortedOf(log)).toEqual([[1, 0]])
    expect(await abortedOf(log, 3)).toEqual([[1, 0]]) // the marker itself
    expect(await abortedOf(log, 4)).toEqual([])
  })

  it.each([true, false])('aborted transactions are known after the log was opened again, clean %s', async isClean => {
    const { w, log } = await mixed()
    const back = await reopened(w, log, isClean)
    expect(stable(back)).toBe(6)
    expect(await abortedOf(back)).toEqual([[1, 0]])
    expect(back.producers.hasOpenTransaction(1, 0)).toBe(true)
    expect(back.producers.hasOpenTransaction(1, 1)).toBe(false) // the next one is not open yet
    expect(back.producers.hasOpenTransaction(2, 0)).toBe(false)
  })

  it('aborted transactions are known after a checkpoint and a crash', async () => {
    const { w, log } = await mixed()
    await log.checkpoint()
    new Writer(log, 3).write()
    const back = await reopened(w, log, false)
    expect(await abortedOf(back)).toEqual([[1, 0]])
    expect(back.producers.hasOpenTransaction(3, 0)).toBe(true)
  })

  it('aborted transactions are known after crashes, with segments of one batch each', async () => {
    const w = world({ 'internal.segment.bytes': 80 })
    const log = await create(w)
    const one = new Writer(log, 1)
    one.write()
    one.end(false)
    one.write()
    await log.flush()
    await log.abandon()
    const { log: second } = await open(w, { recoveryPoint: 0, wasClosedCleanly: false })
    expect(await abortedOf(second)).toEqual([[1, 0]])
    await second.checkpoint()
    const back = await reopened(w, second, false)
    expect(await abortedOf(back)).toEqual([[1, 0]])
    expect(back.producers.hasOpenTransaction(1, 0)).toBe(true)
  })

  it("aborted transactions are in Kafka's file once the indexes are synced", async () => {
    const { w, log } = await mixed()
    const path = `${FOLDER}/00000000000000000000.txnindex`
    expect(w.disk.exists(path)).toBe(false)
    await log.checkpoint()
    const entry = { producerId: 1, firstOffset: 0, lastOffset: 3, lastStableOffset: 2 }
    expect(await w.disk.open(path).read(0, 100)).toEqual(encodeAborted([entry]))
  })

  it('a damaged file is made again from the batches', async () => {
    const { w, log } = await mixed()
    await log.close()
    const file = w.disk.open(`${FOLDER}/00000000000000000000.txnindex`)
    file.truncate(20)
    const { log: back } = await open(w, { recoveryPoint: 7, wasClosedCleanly: true })
    expect(await abortedOf(back)).toEqual([[1, 0]])
    await back.checkpoint()
    await back.close()
    expect(w.disk.open(file.path).size).toBe(34)
  })

  it('a truncation below the marker opens the transaction again', async () => {
    const { w, log } = await mixed()
    await log.checkpoint()
    await log.truncateTo(3)
    expect(await abortedOf(log)).toEqual([])
    expect(stable(log)).toBe(0)
    expect(log.producers.hasOpenTransaction(1, 0)).toBe(true)
    expect(w.disk.open(`${FOLDER}/00000000000000000000.txnindex`).size).toBe(0)
    const bytes = markerBatch({ ...PRODUCER, producerId: 1, coordinatorEpoch: 0, isCommit: true }, 0)
    log.append(bytes, [new Batch(bytes, 0)], 0, NOW)
    expect(await abortedOf(await reopened(w, log, true))).toEqual([])
  })
})

describe('what a producer may write', () => {
  const codeOf = (action: () => unknown): string => {
    try {
      action()
      return 'none'
    } catch (error) {
      return (error as { code: string }).code
    }
  }

  it('outside of its open transaction nothing', async () => {
    const one = new Writer(await create(world()), 1)
    one.write()
    expect(codeOf(() => one.write(false))).toBe('INVALID_TXN_STATE')
    one.end(true)
    expect(codeOf(() => one.write(false))).toBe('none')
  })

  it('a marker of an older coordinator or producer is refused', async () => {
    const log = await create(world())
    const one = new Writer(log, 1, 3)
    one.write()
    one.end(true, 5)
    expect(codeOf(() => one.end(true, 4))).toBe('TRANSACTION_COORDINATOR_FENCED')
    expect(codeOf(() => new Writer(log, 1, 2).end(true, 5))).toBe('INVALID_PRODUCER_EPOCH')
    expect(codeOf(() => one.end(true, 5))).toBe('none')
  })

  it('after a marker of a newer epoch only what has that epoch', async () => {
    const log = await create(world())
    const old = new Writer(log, 1, 0)
    old.write()
    new Writer(log, 1, 1).end(false)
    expect(codeOf(() => old.write())).toBe('INVALID_PRODUCER_EPOCH')
    expect(codeOf(() => new Writer(log, 1, 1).write())).toBe('none')
  })
})
