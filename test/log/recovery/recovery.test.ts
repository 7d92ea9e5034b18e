import { describe, expect, it } from 'vitest'
import { fillDisk, MemoryDisk } from '../../../src/disk/memory-disk.js'
import { BatchBuilder } from '../../../src/model/batch/batch-builder.js'
import { SECTOR_BYTES } from '../../../src/log/recovery/torn-tail.js'
import { Batch, BATCH_HEADER_BYTES } from '../../../src/model/batch/batch.js'
import {
  append,
  appendMany,
  batchOf,
  create,
  expected,
  history,
  open,
  readAll,
  world,
  type World,
} from '../helpers.js'

const SMALL = { 'internal.segment.bytes': 500, 'index.interval.bytes': 150 }
const LOG_0 = 'orders-0/00000000000000000000.log'
/** A batch of one record, of two characters. */
const BATCH = 70

/** A world whose log was left as a crash of the process leaves it: everything written, no close. */
async function crashed(count: number, settings: Record<string, unknown> = SMALL): Promise<World> {
  const w = world(settings)
  const log = await create(w)
  appendMany(log, count)
  await log.abandon()
  return w
}

async function closed(count: number): Promise<World> {
  const w = world(SMALL)
  const log = await create(w)
  appendMany(log, count)
  await log.close()
  return w
}

async function contents(disk: MemoryDisk): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>()
  for (const { name } of disk.list('orders-0')) {
    const file = disk.open(`orders-0/${name}`)
    files.set(`orders-0/${name}`, await file.read(0, file.size))
  }
  return files
}

async function logBytes(disk: MemoryDisk): Promise<Map<string, Buffer>> {
  return new Map([...(await contents(disk))].filter(([path]) => path.endsWith('.log')))
}

/** The same disk with some files changed. */
async function edited(w: World, edit: (files: Map<string, Buffer>) => void): Promise<World> {
  const files = await contents(w.disk)
  edit(files)
  const disk = new MemoryDisk({ recordsHistory: true })
  fillDisk(disk, ['orders-0'], files)
  return { ...w, disk }
}

function flip(files: Map<string, Buffer>, path: string, position: number): void {
  const bytes = files.get(path) as Buffer
  bytes[position]! ^= 0x10
}

describe('after a clean close', () => {
  it('after a clean close only the end of the last segment is read', async () => {
    const w = await closed(40)
    let reads = 0
    w.disk.beforeOperation = operation => {
      if (operation.kind === 'read' && operation.path.endsWith('.log')) reads++
      return undefined
    }
    const { log, findings } = await open(w, { wasClosedCleanly: true, recoveryPoint: 40 })
    expect(reads).toBeLessThanOrEqual(6)
    w.disk.beforeOperation = undefined
    expect(findings).toEqual([])
    expect(await readAll(log)).toEqual(expected(40))
    expect(append(log, ['v40'])).toBe(40)
  })

  it('after a clean close a missing index is rebuilt', async () => {
    const w = await edited(await closed(40), files => {
      files.delete('orders-0/00000000000000000014.index')
      files.delete('orders-0/00000000000000000007.timeindex')
    })
    const { log, findings } = await open(w, { wasClosedCleanly: true, recoveryPoint: 40 })
    expect(findings.map(finding => finding.kind)).toEqual(['index-rebuilt', 'index-rebuilt'])
    expect(await readAll(log)).toEqual(expected(40))
  })

  it('after a clean close a shorter log is refused', async () => {
    const w = await edited(await closed(10), files => {
      const last = files.get('orders-0/00000000000000000007.log') as Buffer
      files.set('orders-0/00000000000000000007.log', last.subarray(0, BATCH))
    })
    await expect(open(w, { wasClosedCleanly: true, recoveryPoint: 10 })).rejects.toMatchObject({
      code: 'CORRUPT_LOG',
      message: expect.stringContaining('it was synced up to 10'),
    })
  })
})

describe('after a crash', () => {
  it('after a crash all written records are kept, and durable before they are shown', async () => {
    const w = await crashed(40)
    const { log } = await open(w)
    expect(await readAll(log)).toEqual(expected(40))
    expect(log.durableEndOffset).toBe(40)
    expect(log.recoveryPoint).toBe(40)
  })

  it('after a crash only batches above the recovery point are scanned', async () => {
    const w = await crashed(40)
    const first = await open(w)
    await first.log.close()
    const reads: string[] = []
    w.disk.beforeOperation = operation => {
      if (operation.kind === 'read' && operation.path.endsWith('.log')) reads.push(operation.path)
      return undefined
    }
    const { log } = await open(w, { recoveryPoint: 37 })
    w.disk.beforeOperation = undefined
    // And one header: of which epoch is the first batch?
    const segment = (base: string): string => `orders-0/000000000000000000${base}.log`
    expect(new Set(reads)).toEqual(new Set([segment('35'), segment('00')]))
    expect(reads.filter(path => path === segment('00'))).toHaveLength(1)
    expect(await readAll(log)).toEqual(expected(40))
  })

  it('a torn tail of any length is kept aside and cut off', async () => {
    for (let torn = 1; torn < BATCH; torn += 7) {
      const w = await edited(await crashed(5), files => {
        files.set(LOG_0, (files.get(LOG_0) as Buffer).subarray(0, 5 * BATCH - torn))
      })
      const { log, findings } = await open(w)
      expect(log.logEndOffset).toBe(4)
      expect(await readAll(log)).toEqual(expected(4))
      expect(findings).toMatchObject([
        { kind: 'torn-tail', position: 4 * BATCH, bytes: BATCH - torn },
      ])
      const kept = w.disk.open(findings[0]?.keptIn[0] as string)
      expect(kept.size).toBe(BATCH - torn)
      expect(append(log, ['again'])).toBe(4)
    }
  })

  it('a flipped bit of the last batch is not a torn tail, wherever it is', async () => {
    for (let byte = 0; byte < BATCH; byte++) {
      const w = await edited(await crashed(5), files => flip(files, LOG_0, 4 * BATCH + byte))
      const before = await logBytes(w.disk)
      const opening = open(w, { leaderEpochMax: 0 })
      await expect(opening, `byte ${byte}`).rejects.toMatchObject({
        code: 'CORRUPT_LOG',
        message: expect.stringContaining('.log at position 280'),
      })
      expect(await logBytes(w.disk)).toEqual(before)
    }
  })

  it('a length with any wrong bit is not a torn tail, at the end or in the middle', async () => {
    for (const batch of [2, 4]) {
      for (let bit = 0; bit < 32; bit++) {
        const w = await edited(await crashed(5), files => {
          const bytes = files.get(LOG_0) as Buffer
          bytes[batch * BATCH + 8 + (bit >> 3)]! ^= 1 << (bit & 7)
        })
        await expect(open(w), `${batch}, bit ${bit}`).rejects.toMatchObject({ code: 'CORRUPT_LOG' })
      }
    }
  })

  it('a torn tail may contain whole batches, which prove nothing', async () => {
    const inner = Buffer.concat([batchOf(['x']), history(7, 3, 0)])
    for (let torn = 1; torn < inner.length + 61; torn += 13) {
      const w = await crashed(5, { 'internal.segment.bytes': 10_000 })
      const log = (await open(w)).log
      const builder = new BatchBuilder(Buffer.alloc(4096))
      builder.tryAppend(0, null, inner, [])
      const bytes = Buffer.from(builder.build())
      log.append(bytes, [new Batch(bytes, 0)], 0, 0)
      await log.abandon()
      const short = await edited(w, files => {
        const bytes = files.get(LOG_0) as Buffer
        files.set(LOG_0, bytes.subarray(0, bytes.length - torn))
      })
      const opened = await open(short)
      expect(opened.log.logEndOffset).toBe(5)
      expect(opened.findings).toMatchObject([{ kind: 'torn-tail', position: 5 * BATCH }])
    }
  })

  it('a flipped bit before valid batches is corruption, and nothing is changed', async () => {
    const w = await edited(await crashed(20), files => flip(files, LOG_0, 2 * BATCH + 65))
    const before = await logBytes(w.disk)
    await expect(open(w)).rejects.toMatchObject({
      code: 'CORRUPT_LOG',
      message: expect.stringMatching(/00000000000000000000\.log at position 140: CRC-32C/),
    })
    expect(await logBytes(w.disk)).toEqual(before)
  })

  it.each([0, 3, 7, 8, 11, 12, 15, 16, 22, 57, 66])(
    'a flipped bit at byte %i of a batch in the middle is never taken for a torn tail',
    async byte => {
      const w = await edited(await crashed(20), files => flip(files, LOG_0, 2 * BATCH + byte))
      await expect(open(w)).rejects.toMatchObject({ code: 'CORRUPT_LOG' })
    },
  )

  it("with onCorruption 'truncate' corruption is cut off and kept aside", async () => {
    const w = await edited(await crashed(20), files => flip(files, LOG_0, 2 * BATCH + 65))
    const { log, findings } = await open(w, { onCorruption: 'truncate' })
    expect(log.logEndOffset).toBe(2)
    expect(findings).toMatchObject([{ kind: 'corruption-cut', position: 2 * BATCH }])
    expect(findings[0]?.keptIn).toHaveLength(3)
    expect(append(log, ['v2'])).toBe(2)
    expect(await readAll(log)).toEqual(expected(3))
  })

  it('any damage below the recovery point is corruption, even at the end', async () => {
    const w = await edited(await crashed(5), files => flip(files, LOG_0, 4 * BATCH + 65))
    await expect(open(w, { recoveryPoint: 5 })).rejects.toMatchObject({ code: 'CORRUPT_LOG' })
  })

  it('a sector of zeros before valid batches is a write that was lost', async () => {
    const w = await crashed(40, { 'internal.segment.bytes': 10_000 })
    const lost = await edited(w, files => {
      ;(files.get(LOG_0) as Buffer).fill(0, 1024, 1536)
    })
    const { log, findings } = await open(lost)
    expect(log.logEndOffset).toBe(14)
    expect(findings).toMatchObject([{ kind: 'torn-tail' }])
    await expect(open(lost, { recoveryPoint: 30 })).rejects.toMatchObject({ code: 'CORRUPT_LOG' })
  })

  describe.each(['nothing', 'zeros', 'a batch'] as const)('a header in two sectors, then %s', then => {
    it.each([0, 1])('is a torn tail if the power went before sector %i of it', async lost => {
      for (let inFirst = 1; inFirst < BATCH_HEADER_BYTES; inFirst++) {
        const w = world({})
        const log = await create(w)
        append(log, ['v0', 'v1'])
        // The next batch fills the sector up to `inFirst` bytes before its end.
        const overhead = batchOf(['x'.repeat(300)]).length - 300
        append(log, ['x'.repeat(SECTOR_BYTES - inFirst - log.sizeBytes - overhead)])
        const at = log.sizeBytes
        expect(SECTOR_BYTES - at).toBe(inFirst)
        append(log, ['v3'])
        const end = log.sizeBytes
        // Fewer zeros at the end of a file may also be the end of a value.
        if (then === 'nothing' && lost === 1 && end - SECTOR_BYTES < 17) continue
        if (then === 'a batch') append(log, ['y'.repeat(SECTOR_BYTES), 'z'])
        await log.abandon()
        // What was appended to a sector after a lost piece is lost with it.
        const lostTo = then === 'a batch' ? 2 * SECTOR_BYTES : end
        const [from, to] = lost === 0 ? [at, SECTOR_BYTES] : [SECTOR_BYTES, lostTo]
        // The high bytes of an offset are zeros anyway: then nothing is lost, or all is.
        const isDifferent = lost === 1 || inFirst >= 8
        const isNoticed = inFirst >= 8 || (lost === 1 && then === 'a batch')
        const left = await edited(w, files => {
          const bytes = Buffer.concat([files.get(LOG_0)!, Buffer.alloc(then === 'zeros' ? 4_096 : 0)])
          files.set(LOG_0, bytes.fill(0, from, to))
        })
        const { log: back, findings } = await open(left, { recoveryPoint: 3 })
        const whole = then === 'a batch' ? 6 : 4
        expect(back.logEndOffset, `${inFirst} bytes`).toBe(isDifferent ? 3 : whole)
        expect(findings.some(({ kind }) => kind === 'torn-tail'), `${inFirst}`).toBe(isNoticed)
        if (!isDifferent) continue
        const late = open(left, { recoveryPoint: 4 })
        await expect(late).rejects.toMatchObject({ code: 'CORRUPT_LOG' })
      }
    })
  })

  it('a short segment above the recovery point is cut with all later ones', async () => {
    const w = await edited(await crashed(20), files => {
      const path = 'orders-0/00000000000000000007.log'
      files.set(path, (files.get(path) as Buffer).subarray(0, 2 * BATCH + 10))
    })
    const { log, findings } = await open(w, { recoveryPoint: 7 })
    expect(log.logEndOffset).toBe(9)
    expect(findings[0]?.keptIn).toEqual([
      'orders-0/00000000000000000007.log.140.kept',
      'orders-0/00000000000000000014.log.0.kept',
    ])
    expect(await readAll(log)).toEqual(expected(9))
  })

  it('an epoch that goes back, or has not begun, is corruption', async () => {
    const holding = async (...epochs: number[]): Promise<World> =>
      await edited(await crashed(1), files => {
        files.set(LOG_0, Buffer.concat(epochs.map((epoch, at) => history(2 * at, 2, epoch))))
      })
    await expect(open(await holding(5, 3))).rejects.toThrow('leader epoch 3 is outside')
    const told = open(await holding(3, 5), { leaderEpochMax: 4 })
    await expect(told).rejects.toThrow('leader epoch 5 is outside')
    const { log } = await open(await holding(3, 5), { leaderEpochMax: 5 })
    expect(log.logEndOffset).toBe(4)
  })

  it('later segments go last one first: a crash in between leaves no hole', async () => {
    const w = await edited(await crashed(30), files => {
      const path = 'orders-0/00000000000000000007.log'
      files.set(path, (files.get(path) as Buffer).subarray(0, 2 * BATCH + 10))
    })
    await open(w, { recoveryPoint: 7 })
    const gone = w.disk.history.flatMap(({ kind, path }) =>
      kind === 'rename' && path.endsWith('.log') ? [Number(path.slice(-24, -4))] : [],
    )
    expect(gone.length).toBeGreaterThan(1)
    expect(gone).toEqual(gone.toSorted((a, b) => b - a))
  })

  it('a segment missing below the recovery point is corruption', async () => {
    const w = await edited(await crashed(20), files => {
      files.delete('orders-0/00000000000000000014.log')
    })
    await expect(open(w, { recoveryPoint: 18 })).rejects.toMatchObject({ code: 'CORRUPT_LOG' })
  })

  it('overlapping segments are corruption', async () => {
    const w = await edited(await crashed(20), files => {
      const path = 'orders-0/00000000000000000007.log'
      files.set('orders-0/00000000000000000005.log', files.get(path) as Buffer)
    })
    await expect(open(w)).rejects.toMatchObject({ code: 'CORRUPT_LOG' })
  })

  it('indexes of random bytes are rebuilt', async () => {
    const w = await edited(await crashed(40), files => {
      for (const [path, bytes] of files) {
        if (path.endsWith('index')) files.set(path, Buffer.alloc(bytes.length + 5, 0x7f))
      }
    })
    const { log } = await open(w, { recoveryPoint: 38 })
    expect(await readAll(log)).toEqual(expected(40))
    for (let from = 0; from < 40; from++) {
      expect(await readAll(log, from)).toEqual(expected(40, from))
    }
  })

  it('an index with valid but wrong entries is rebuilt when it is used', async () => {
    const w = await edited(await closed(40), files => {
      const index = files.get('orders-0/00000000000000000007.index') as Buffer
      expect(index.length).toBeGreaterThan(0)
      for (let at = 0; at < index.length; at += 8) index.writeInt32BE(at + 3, at + 4)
    })
    const { log } = await open(w, { wasClosedCleanly: true, recoveryPoint: 40 })
    for (let from = 0; from < 40; from++) {
      expect(await readAll(log, from)).toEqual(expected(40, from))
    }
  })

  it('rot in a closed segment is found by a read and takes the log offline', async () => {
    const w = await edited(await closed(40), files => flip(files, LOG_0, 3 * BATCH + 65))
    const { log } = await open(w, { wasClosedCleanly: true, recoveryPoint: 40 })
    await expect(readAll(log)).rejects.toMatchObject({
      code: 'CORRUPT_LOG',
      message: expect.stringContaining('00000000000000000000.log at position 210'),
    })
    expect(() => append(log, ['x'])).toThrow('CORRUPT_LOG')
  })

  it('recovering twice gives the same log as once', async () => {
    const w = await edited(await crashed(20), files => {
      const path = 'orders-0/00000000000000000014.log'
      files.set(path, (files.get(path) as Buffer).subarray(0, 100))
    })
    const first = await open(w)
    await first.log.abandon()
    const after = await contents(w.disk)
    const second = await open(w)
    await second.log.abandon()
    expect(second.findings).toEqual([])
    expect(await contents(w.disk)).toEqual(after)
  })

  describe('of a log with gaps', () => {
    const COMPACT = { ...SMALL, 'cleanup.policy': 'compact', 'internal.segment.bytes': 10_000 }
    const isSealed = { recoveryPoints: true, logStarts: true }
    /** Batches 0 to 7, of which the ones before 4 were synced; one has got another base offset. */
    async function moved(batch: number, bit: number): Promise<World> {
      return await edited(await crashed(8, COMPACT), files => {
        const bytes = files.get(LOG_0) as Buffer
        bytes[batch * BATCH + (bit >> 3)]! ^= 128 >> (bit & 7)
      })
    }

    it.each([0, 3, 4, 6, 7])('batch %d, moved, is no gap, and nothing is cut', async batch => {
      for (const bit of [33, 40, 55, 59]) {
        const w = await moved(batch, bit)
        const before = await logBytes(w.disk)
        const opening = open(w, { recoveryPoint: 4, isSealed, isReplicated: false })
        await expect(opening, `bit ${bit}`).rejects.toMatchObject({
          code: 'CORRUPT_LOG',
          message: expect.stringContaining(`.log at position ${batch * BATCH}:`),
        })
        expect(await logBytes(w.disk)).toEqual(before)
      }
    })

    it('in a replicated log the next batch can prove the batch before it wrong', async () => {
      for (const batch of [0, 3, 4, 6]) {
        const opening = open(await moved(batch, 33), { recoveryPoint: 4, isSealed })
        await expect(opening).rejects.toMatchObject({
          message: expect.stringContaining(`.log at position ${batch * BATCH}:`),
        })
      }
    })
  })

  it('a missing end is not a torn tail if it was durable for another reason', async () => {
    const w = await edited(await crashed(5), files => {
      files.set(LOG_0, (files.get(LOG_0) as Buffer).subarray(0, 4 * BATCH - 5))
    })
    for (const durableOffset of [4, 5]) {
      await expect(open(w, { durableOffset })).rejects.toMatchObject({ code: 'CORRUPT_LOG' })
    }
    expect((await open(w, { durableOffset: 3 })).log.logEndOffset).toBe(3)
  })

  it('left-over files are removed, unknown files stay', async () => {
    const w = await edited(await crashed(3), files => {
      files.set('orders-0/00000000000000000099.index', Buffer.alloc(8))
      files.set('orders-0/00000000000000000000.log.deleted', Buffer.alloc(8))
      files.set('orders-0/.DS_Store', Buffer.alloc(8))
      files.set('orders-0/99999999999999999999.log', Buffer.alloc(8))
      files.set('orders-0/notes.txt', Buffer.alloc(8))
    })
    const { log } = await open(w)
    expect(await readAll(log)).toEqual(expected(3))
    const names = w.disk.list('orders-0').map(entry => entry.name)
    expect(names).toContain('.DS_Store')
    expect(names).toContain('notes.txt')
    expect(names).toContain('99999999999999999999.log')
    expect(names.join()).not.toMatch(/deleted|0099/)
  })
})

describe('the log start', () => {
  it('the log start is read from the checkpoint', async () => {
    const w = await crashed(20)
    const { log } = await open(w, { logStartOffset: 9 })
    expect(log.logStartOffset).toBe(9)
    expect(await readAll(log)).toEqual(expected(20, 9))
  })

  it.each([0, 5, 9])('a log whose start is beyond its end begins there (synced: %d)', async to => {
    const w = await crashed(5)
    const isSealed = { recoveryPoints: true, logStarts: true }
    const { log } = await open(w, { logStartOffset: 9, recoveryPoint: to, isSealed })
    expect([log.logStartOffset, log.logEndOffset]).toEqual([9, 9])
    expect(append(log, ['x'])).toBe(9)
  })

  it.each<[number, boolean]>([[10, true], [9, false]])(
    'a log that ends before what was synced is refused, wherever it starts (%d, %s)',
    async (recoveryPoint, logStarts) => {
      const w = await crashed(5)
      const isSealed = { recoveryPoints: true, logStarts }
      const options = { logStartOffset: 9, recoveryPoint, isSealed }
      await expect(open(w, options)).rejects.toMatchObject({ code: 'CORRUPT_LOG' })
    },
  )

  it('a log start beyond the end is ignored with a finding if no checksum covers it', async () => {
    const w = await crashed(5)
    const { log, findings } = await open(w, { logStartOffset: 905 })
    expect([log.logStartOffset, log.logEndOffset]).toEqual([0, 5])
    expect(await readAll(log)).toEqual(expected(5))
    const reason = 'orders-0 ends at offset 5, it cannot start at 905'
    expect(findings).toMatchObject([{ kind: 'checkpoint-ignored', reason }])
  })
})

describe('leader epochs', () => {
  it('leader epochs are read, and rebuilt from the batches if their file is damaged', async () => {
    const w = world(SMALL)
    const log = await create(w)
    await log.assignEpoch(0)
    appendMany(log, 3)
    await log.abandon()
    const entries = [{ epoch: 0, startOffset: 0 }]
    expect((await open(w)).log.epochs.entries).toEqual(entries)
    const damaged = await edited(w, files => {
      files.set('orders-0/leader-epoch-checkpoint', Buffer.from('0\n7\nnonsense'))
    })
    expect((await open(damaged)).log.epochs.entries).toEqual(entries)
  })
})

describe('indexes that a crash of an earlier recovery left half written', () => {
  it.each([
    ['an offset index of zeros', '.index', Buffer.alloc(8)],
    ['offsets without times', '.timeindex', Buffer.alloc(0)],
    ['times without offsets', '.index', Buffer.alloc(0)],
  ])('indexes half written by an earlier recovery are rebuilt: %s', async (_what, kind, bytes) => {
    const w = world(SMALL)
    const log = await create(w)
    append(log, ['v0', 'v1'])
    appendMany(log, 3, 'w') // the last of them gets an index entry
    await log.close()
    const left = await edited(w, files => {
      files.set(LOG_0.replace('.log', kind), bytes)
    })
    const { log: again } = await open(left, { recoveryPoint: 5 })
    expect(await readAll(again)).toEqual(['0:v0', '1:v1', '2:w0', '3:w1', '4:w2'])
    expect(await again.findNewest()).toEqual({ offset: 0, timestamp: Date.UTC(2026, 0, 1) })
  })
})

describe('a segment that ends in zeros', () => {
  it('a segment of zeros before a later one is a write that did not happen', async () => {
    const w = await edited(await crashed(10), files => {
      files.get(LOG_0)?.fill(0, 6 * BATCH)
    })
    const { log, findings } = await open(w)
    expect(await readAll(log)).toEqual(expected(6))
    expect(findings.map(({ kind }) => kind)).toEqual(['torn-tail'])
  })
})
