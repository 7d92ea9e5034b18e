import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { crc32c } from '../../../src/base/checksums/crc32c.js'
import { fillDisk, MemoryDisk } from '../../../src/disk/memory-disk.js'
import type { Problem } from '../../../src/log/inspection/verify-files.js'
import { inspectPartition, type Inspection } from '../../../src/log/inspection/verify-log.js'
import { Batch, batchesOf } from '../../../src/model/batch/batch.js'
import { append, batchOf, contextOf, create, FOLDER, world } from '../helpers.js'

const SMALL = { 'internal.segment.bytes': 500, 'index.interval.bytes': 100 }
const T = Date.UTC(2026, 0, 1)
/** Bytes of each batch. */
const BATCH = 81
const LOG_0 = `${FOLDER}/00000000000000000000.log`

type Files = Map<string, Buffer>

/** The files of a log of three segments, two records to a batch, in epochs 0, 3 and 4. */
async function goodFiles(): Promise<Files> {
  const w = world(SMALL)
  const log = await create(w)
  for (let n = 0; n < 18; n++) {
    if (n === 4) await log.assignEpoch(3)
    if (n === 15) await log.assignEpoch(4)
    const epoch = log.epochs.latest?.epoch as number
    const number = String(n).padStart(2, '0')
    const bytes = batchOf([`a${number}`, `b${number}`], T + n)
    log.append(bytes, [new Batch(bytes, 0)], epoch, T)
  }
  await log.close()
  return await contents(w.disk)
}

async function contents(disk: MemoryDisk): Promise<Files> {
  const files: Files = new Map()
  for (const { name } of disk.list(FOLDER)) {
    const file = disk.open(`${FOLDER}/${name}`)
    files.set(`${FOLDER}/${name}`, await file.read(0, file.size))
  }
  return files
}

function diskOf(files: Files): MemoryDisk {
  const disk = new MemoryDisk({ recordsHistory: true })
  fillDisk(disk, [FOLDER], files)
  return disk
}

async function inspect(files: Files): Promise<Inspection> {
  return await inspectPartition(diskOf(files), FOLDER)
}

async function problemsOf(files: Files): Promise<readonly Problem[]> {
  return (await inspect(files)).problems
}

/** The files with one byte of one of them changed. */
function flipped(files: Files, path: string, position: number, mask: number): Files {
  const bytes = Buffer.from(files.get(path) as Buffer)
  bytes[position]! ^= mask
  return new Map([...files, [path, bytes]])
}

describe('a partition in order', () => {
  it('an inspection counts batches, records and index entries', async () => {
    const { segments, problems } = await inspect(await goodFiles())
    expect(problems).toEqual([])
    expect(segments).toHaveLength(3)
    expect(segments[1]).toEqual({
      file: `${FOLDER}/00000000000000000012.log`,
      baseOffset: 12,
      bytes: 6 * BATCH,
      batches: 6,
      records: 12,
      controlBatches: 0,
      firstOffset: 12,
      lastOffset: 23,
      missingOffsets: 0,
      newestTimestamp: T + 11,
      codecs: { none: 6 },
      offsetIndexEntries: 2,
      timeIndexEntries: 3,
    })
  })

  it('an inspection writes nothing, not even where it finds problems', async () => {
    const files = await goodFiles()
    files.delete(`${FOLDER}/00000000000000000012.index`)
    const disk = diskOf(flipped(files, LOG_0, 100, 1))
    const before = disk.history.length
    const { problems } = await inspectPartition(disk, FOLDER)
    expect(problems).not.toEqual([])
    expect(disk.history.length).toBe(before)
  })

  it('an inspection shows every batch and every index entry to its visitor', async () => {
    const batches: number[] = []
    const entries: number[] = []
    const times: number[] = []
    await inspectPartition(diskOf(await goodFiles()), FOLDER, {
      onBatch: batch => void batches.push(batch.baseOffset),
      onOffsetEntry: offset => void entries.push(offset),
      onTimeEntry: (time, offset) => void times.push(time - T, offset),
    })
    expect(batches).toEqual(Array.from({ length: 18 }, (_, n) => 2 * n))
    expect(entries).toEqual([5, 9, 17, 21, 29, 33])
    expect(times.slice(0, 6)).toEqual([2, 5, 4, 9, 5, 11])
  })

  it('an inspection of an empty partition finds no problem', async () => {
    const w = world(SMALL)
    await (await create(w)).close()
    const { segments, problems } = await inspectPartition(w.disk, FOLDER)
    expect(problems).toEqual([])
    expect(segments).toMatchObject([{ batches: 0, firstOffset: null, lastOffset: null, bytes: 0 }])
  })

  it("an inspection ignores files that are not a partition's", async () => {
    const files = await goodFiles()
    for (const name of ['notes.txt', '.DS_Store', '00000000000000000000.log.140.kept', '7.log']) {
      files.set(`${FOLDER}/${name}`, Buffer.from('rubbish'))
    }
    files.set(`${FOLDER}/00000000000000000000.log.deleted`, Buffer.from('rubbish'))
    expect(await inspect(files)).toEqual(await inspect(await goodFiles()))
  })

  it('a partition written by Kafka with snapshots and transactions has no problem', async () => {
    const { segments, problems } = await inspect(kafkaFiles())
    expect(problems).toEqual([])
    expect(segments.map(segment => segment.baseOffset)).toEqual([0, 40, 81, 120])
    expect(segments.reduce((sum, segment) => sum + segment.offsetIndexEntries, 0)).toBe(30)
  })
})

describe('a flipped byte', () => {
  it.each([0x01, 0x10, 0x80])(
    'a flipped byte of any batch is found, with the file and the batch (mask %i)',
    async mask => {
      const files = await goodFiles()
      for (const [path, bytes] of files) {
        if (!path.endsWith('.log')) continue
        for (const batch of batchesOf(bytes)) {
          for (let at = batch.start; at < batch.end; at++) {
            const [first] = await problemsOf(flipped(files, path, at, mask))
            expect(first, `byte ${at} of ${path}`).toMatchObject({
              file: path,
              position: batch.start,
            })
          }
        }
      }
    },
  )

  it('a flipped byte of the time index is found, with the position of the entry', async () => {
    const files = await goodFiles()
    const path = `${FOLDER}/00000000000000000012.timeindex`
    const { length } = files.get(path) as Buffer
    for (let at = 0; at < length; at++) {
      for (const mask of [0x01, 0x08, 0x80]) {
        const problems = await problemsOf(flipped(files, path, at, mask))
        // The offset may move inside its batch: what the entry says stays true.
        if (at % 12 === 11 && mask === 0x01) continue
        expect(problems, `byte ${at}, mask ${mask}`).not.toEqual([])
        expect(problems.every(({ file }) => file === path)).toBe(true)
        expect(problems[0]?.position).toBe(at - (at % 12))
      }
    }
  })

  it('a flipped byte of the offset index is found, unless the entry is still right', async () => {
    const files = await goodFiles()
    const path = `${FOLDER}/00000000000000000012.index`
    const index = files.get(path) as Buffer
    expect(index.length).toBe(16)
    const log = files.get(`${FOLDER}/00000000000000000012.log`) as Buffer
    const starts = [...batchesOf(log)].map(batch => batch.start)
    let found = 0
    for (let at = 0; at < index.length; at++) {
      for (let bit = 0; bit < 8; bit++) {
        const changed = flipped(files, path, at, 1 << bit)
        const problems = await problemsOf(changed)
        found += problems.length > 0 ? 1 : 0
        if (problems.length > 0) {
          expect(problems.every(({ file }) => file === path)).toBe(true)
          expect(problems[0]?.position, `byte ${at}, bit ${bit}`).toBe(at - (at % 8))
          continue
        }
        // An entry that passes begins a batch that is not behind the offset it stands for.
        const entry = (changed.get(path) as Buffer).subarray(at - (at % 8))
        const [offset, position] = [entry.readInt32BE(0) + 12, entry.readInt32BE(4)]
        expect(starts).toContain(position)
        expect(new Batch(log, position).baseOffset).toBeLessThanOrEqual(offset)
      }
    }
    expect(found).toBeGreaterThan(120)
  })

  it('a flipped byte of a producer snapshot is found', async () => {
    const files = kafkaFiles()
    const path = `${FOLDER}/00000000000000000040.snapshot`
    const { length } = files.get(path) as Buffer
    expect(length).toBeGreaterThan(50)
    for (let at = 0; at < length; at++) {
      const problems = await problemsOf(flipped(files, path, at, 0x20))
      expect(problems, `byte ${at}`).toMatchObject([{ file: path }])
    }
  })

  it('a flipped byte of the transaction index is found if the entry is impossible', async () => {
    const files = kafkaFiles()
    const path = `${FOLDER}/00000000000000000040.txnindex`
    const { length } = files.get(path) as Buffer
    expect(length).toBe(34)
    const found: number[] = []
    for (let at = 0; at < length; at++) {
      const problems = await problemsOf(flipped(files, path, at, 0x80))
      if (problems.length === 0) continue
      expect(problems.every(each => each.file === path && each.position === 0)).toBe(true)
      found.push(at)
    }
    // The version, the first byte of each number (safe integers end at 2^53), and an offset of 40
    // that begins after its end at 50 as soon as any bit above is set.
    expect(found).toEqual(expect.arrayContaining([0, 1, 2, 10, 18, 26]))
    expect(found.length).toBeGreaterThan(12)
  })
})

describe('what is missing', () => {
  it('a missing segment in the middle is found', async () => {
    const files = await goodFiles()
    files.delete(`${FOLDER}/00000000000000000012.log`)
    const { segments, problems } = await inspect(files)
    expect(problems).toEqual([
      {
        file: `${FOLDER}/00000000000000000024.log`,
        position: 0,
        problem: '12 offsets from 12 on are missing',
      },
    ])
    expect(segments[1]?.missingOffsets).toBe(12)
  })

  it("a batch missing in the middle, at a segment's end or at the start is found", async () => {
    const files = await goodFiles()
    const log = files.get(LOG_0) as Buffer
    const holes: readonly [Buffer, Partial<Problem>][] = [
      [
        Buffer.concat([log.subarray(0, BATCH), log.subarray(2 * BATCH)]),
        { file: LOG_0, position: BATCH },
      ],
      [log.subarray(0, 5 * BATCH), { file: `${FOLDER}/00000000000000000012.log`, position: 0 }],
      [log.subarray(BATCH), { file: LOG_0, position: 0 }],
    ]
    for (const [bytes, place] of holes) {
      const some = new Map([...files, [LOG_0, bytes]])
      for (const name of ['index', 'timeindex']) some.delete(LOG_0.replace(/log$/, name))
      expect(await problemsOf(some)).toMatchObject([
        { ...place, problem: expect.stringMatching(/^2 offsets from \d+ on are missing$/) },
      ])
    }
  })

  it('missing offsets are normal in a log that was compacted', async () => {
    const files = await goodFiles()
    files.delete(`${FOLDER}/00000000000000000012.log`)
    files.set('cleaner-offset-checkpoint', Buffer.from('0\n1\norders 0 24\n'))
    const { segments, problems } = await inspect(files)
    expect(problems).toEqual([])
    // The first batch of a segment may lie behind its base after compaction.
    expect(segments.map(segment => segment.firstOffset)).toEqual([0, 24])
  })

  it('without checkpoints, records without keys show that missing offsets are lost', async () => {
    const files = await goodFiles()
    const disk = new MemoryDisk()
    const inside = [...files].map(
      ([path, bytes]) => [path.slice(FOLDER.length + 1), bytes] as const,
    )
    fillDisk(
      disk,
      [],
      inside.filter(([name]) => !name.startsWith('00000000000000000012')),
    )
    const { segments, problems } = await inspectPartition(disk, '')
    expect(problems).toMatchObject([{ problem: '12 offsets from 12 on are missing' }])
    expect(segments).toHaveLength(2)
  })

  it('a missing end is found if it was synced', async () => {
    const files = await goodFiles()
    const last = `${FOLDER}/00000000000000000024.log`
    const bytes = files.get(last) as Buffer
    files.set('recovery-point-offset-checkpoint', Buffer.from('0\n1\norders 0 36\n'))
    expect(await problemsOf(files)).toEqual([])
    files.set(last, bytes.subarray(0, bytes.length - BATCH))
    for (const name of ['index', 'timeindex']) files.delete(last.replace(/log$/, name))
    expect(await problemsOf(files)).toEqual([
      {
        file: last,
        position: bytes.length - BATCH,
        problem: 'the log ends at offset 34, it was synced up to 36',
      },
    ])
  })

  it('an incomplete last batch is found', async () => {
    const files = await goodFiles()
    const last = `${FOLDER}/00000000000000000024.log`
    files.set(last, (files.get(last) as Buffer).subarray(0, 5 * BATCH + 33))
    const problems = await problemsOf(files)
    expect(problems[0]).toEqual({
      file: last,
      position: 5 * BATCH,
      problem: 'the file ends 33 bytes into a batch',
    })
  })

  it('a missing index is normal, because it can be rebuilt', async () => {
    const files = await goodFiles()
    for (const path of [...files.keys()]) if (path.endsWith('index')) files.delete(path)
    const { segments, problems } = await inspect(files)
    expect(problems).toEqual([])
    expect(segments[0]).toMatchObject({ offsetIndexEntries: 0, timeIndexEntries: 0 })
  })
})

describe('what does not belong together', () => {
  it('overlapping segments are found', async () => {
    const files = await goodFiles()
    files.set(
      `${FOLDER}/00000000000000000008.log`,
      files.get(`${FOLDER}/00000000000000000012.log`) as Buffer,
    )
    const problems = await problemsOf(files)
    expect(problems.map(({ problem }) => problem)).toContain(
      'offsets from 8 on are in the segment before',
    )
  })

  it.each([
    ['a cut entry', (index: Buffer) => index.subarray(0, 13), 8, '13 bytes are not a multiple of 8'],
    [
      'entries of the segment before',
      (index: Buffer) => Buffer.concat([index, index]),
      16,
      'no batch begins at',
    ],
    [
      'an entry behind the last batch',
      (index: Buffer) => Buffer.concat([index, Buffer.from('000000ff0000ffff', 'hex')]),
      16,
      'points beyond the last batch',
    ],
  ] as const)('an offset index with %s is found', async (_, change, position, problem) => {
    const files = await goodFiles()
    const path = `${FOLDER}/00000000000000000012.index`
    files.set(path, change(files.get(path) as Buffer))
    const problems = await problemsOf(files)
    const found = problems.find(each => each.file === path && each.position === position)
    expect(found?.problem ?? problems).toContain(problem)
  })

  it('an index that Kafka has allocated in advance has no problem', async () => {
    const files = await goodFiles()
    for (const [path, bytes] of files) {
      if (path.endsWith('index')) files.set(path, Buffer.concat([bytes, Buffer.alloc(10_000)]))
    }
    expect((await inspect(files)).problems).toEqual([])
  })

  it.each([
    ['leader-epoch-checkpoint', '0\n2\n0 0\n', '2 lines announced'],
    ['leader-epoch-checkpoint', '0\n2\n3 8\n0 0\n', 'epochs do not ascend'],
    ['partition.metadata', 'version: 0\ntopic_id: short', 'names no topic id'],
    ['partition.metadata', '', 'names no topic id'],
    ['00000000000000000012.snapshot', 'short', '5 bytes are too few'],
    ['00000000000000000012.txnindex', 'x', 'ends inside an entry'],
  ])('a %s with the text %j is found', async (name, text, problem) => {
    const files = await goodFiles()
    files.set(`${FOLDER}/${name}`, Buffer.from(text))
    expect(await problemsOf(files)).toMatchObject([
      { file: `${FOLDER}/${name}`, position: 0, problem: expect.stringContaining(problem) },
    ])
  })

  it("batches with another epoch than the checkpoint's are found", async () => {
    const files = await goodFiles()
    files.set(`${FOLDER}/leader-epoch-checkpoint`, Buffer.from('0\n2\n0 0\n3 10\n'))
    const problems = await problemsOf(files)
    expect(problems[0]).toEqual({
      file: LOG_0,
      position: 4 * BATCH,
      problem: 'leader epoch is 3, expected 0 at that offset',
    })
  })

  it('descending epochs are found without a checkpoint', async () => {
    const files = await goodFiles()
    files.delete(`${FOLDER}/leader-epoch-checkpoint`)
    expect(await problemsOf(files)).toEqual([])
    // Byte 15 is the lowest of the epoch: 3 becomes 2 in the second batch of that epoch.
    const problems = await problemsOf(flipped(files, LOG_0, 5 * BATCH + 15, 1))
    expect(problems).toEqual([
      { file: LOG_0, position: 5 * BATCH, problem: 'leader epoch 2 comes after 3' },
    ])
  })

  it('records that contradict their batch under a valid checksum are found', async () => {
    const w = world()
    const log = await create(w)
    append(log, ['a'], T)
    const bytes = batchOf(['b'], T)
    bytes.writeBigInt64BE(BigInt(T + 99), 35) // its newest time
    const { sealed } = resealed(bytes)
    log.append(sealed, [new Batch(sealed, 0)], 0, T)
    await log.abandon()
    const { problems } = await inspectPartition(w.disk, contextOf(w).folder)
    expect(problems.map(({ problem }) => problem)).toEqual([
      `newest record has the time ${T}, the header ${T + 99}`,
    ])
  })
})

/** The batch with its checksum computed anew. */
function resealed(bytes: Buffer): { sealed: Buffer } {
  const sealed = Buffer.from(bytes)
  sealed.writeUInt32BE(crc32c(sealed, 21), 17)
  return { sealed }
}

/** The folder that Kafka has written. */
function kafkaFiles(): Files {
  const folder = fileURLToPath(new URL('../../golden/orders-0', import.meta.url))
  return new Map(
    readdirSync(folder).map(name => [`${FOLDER}/${name}`, readFileSync(`${folder}/${name}`)]),
  )
}
