/** The small files of a folder: indexes, snapshots, checkpoints, the texts that say whose it is. */

import { crc32c } from '../../src/base/checksums/crc32c.js'
import { fillDisk, MemoryDisk } from '../../src/disk/memory-disk.js'
import {
  formatEpochs,
  formatOffsets,
  parseEpochs,
  parseOffsets,
} from '../../src/log/format/checkpoints.js'
import { parsePartitionFolder, parseSegmentFile, segmentFile } from '../../src/log/format/files.js'
import { IndexCache } from '../../src/log/format/index-file.js'
import { OFFSET_ENTRY, TIME_ENTRY } from '../../src/log/format/index-entry.js'
import { isAscending, LeaderEpochs } from '../../src/log/format/leader-epochs.js'
import {
  readMetaProperties,
  whyNotMetaProperties,
  writeMetaProperties,
} from '../../src/log/format/meta-properties.js'
import { OffsetIndex } from '../../src/log/format/offset-index.js'
import {
  claimPartitionFolder,
  formatPartitionMetadata,
  isHalfMade,
  readTopicId,
} from '../../src/log/format/partition-metadata.js'
import { ProducerState } from '../../src/log/format/producer-state.js'
import { SealedFile } from '../../src/log/format/sealed-file.js'
import { TimeIndex } from '../../src/log/format/time-index.js'
import { checkTransactionIndex, type Problem } from '../../src/log/inspection/verify-files.js'
import { Batch } from '../../src/model/batch/batch.js'
import { BatchBuilder } from '../../src/model/batch/batch-builder.js'
import { parted, partsOf } from './message-targets.js'
import { must, mustEqual, shown, typedOr, type Target } from './target.js'

function diskWith(...files: readonly (readonly [string, Uint8Array])[]): MemoryDisk {
  const disk = new MemoryDisk()
  fillDisk(disk, ['o-0'], files)
  return disk
}

async function bytesOf(disk: MemoryDisk, path: string): Promise<Buffer> {
  const file = disk.open(path)
  const bytes = await file.read(0, file.size)
  file.close()
  return bytes
}

// ── indexes ──────────────────────────────────────────────────────────────────────────────

const BASE = 100
const cacheFor = (): IndexCache => new IndexCache(1024 * 1024)

async function offsetIndex(bytes: Buffer): Promise<boolean> {
  const disk = diskWith(['i', bytes])
  const index = new OffsetIndex(BASE, 4_096, { disk, path: 'i', cache: cacheFor() })
  await index.load()
  for (const target of [0, BASE, BASE + 1, BASE + 70, BASE + 2 ** 31, 2 ** 53 - 1]) {
    const { offset, position } = await index.lookup(target)
    must(offset <= Math.max(target, BASE) && position >= 0, `${target} → ${offset} at ${position}`)
    const now = index.lookupNow(target)
    must(now?.entry.offset === offset, 'both look-ups agree')
    must(now.next === undefined || now.next.offset > target, 'the next entry lies behind')
  }
  const entries = await index.file.entries()
  const again = Array.from({ length: entries.count }, (_, at) =>
    OFFSET_ENTRY.of(entries.read(at, OFFSET_ENTRY.offset), entries.read(at, OFFSET_ENTRY.position)),
  )
  mustEqual(Buffer.concat(again), bytes, 'entries and their bytes')
  await index.truncateTo(BASE + 70)
  must((index.last?.offset ?? 0) < BASE + 70, 'the rest is cut off')
  index.file.close()
  return true
}

async function timeIndex(bytes: Buffer): Promise<boolean> {
  const disk = diskWith(['i', bytes])
  const index = new TimeIndex(BASE, 4_096, { disk, path: 'i', cache: cacheFor() })
  await index.load()
  const entries = await index.file.entries()
  for (let at = 0; at < entries.count; at++) {
    const [time, offset] = [TIME_ENTRY.timestamp, TIME_ENTRY.offset].map(field =>
      entries.read(at, field),
    ) as [number, number]
    // Beyond 2^53 the nearest number is kept, which stays the same from then on.
    const again = TIME_ENTRY.of(time, offset)
    const bytesBefore = bytes.subarray(12 * at, 12 * at + 12)
    if (Number.isSafeInteger(time)) mustEqual(again, bytesBefore, 'an entry and its bytes')
    must(TIME_ENTRY.timestamp(again, 0) === time, () => `the time ${time} is kept`)
  }
  await index.truncateTo(BASE + 70)
  must((index.last?.offset ?? 0) < BASE + 70, 'the rest is cut off')
  index.file.close()
  return true
}

const offsetEntries = [[20, 300], [41, 700], [60, 1_100], [99, 5_000]] as const
const timeEntries = [[1_000, 20], [1_001, 41], [5_000, 99]] as const

// ── snapshots and aborted transactions ───────────────────────────────────────────────────

function snapshotSeeds(): Buffer[] {
  const state = new ProducerState()
  const seeds = [state.toSnapshot()]
  for (let producerId = 1; producerId < 4; producerId++) {
    const builder = new BatchBuilder(Buffer.alloc(200))
    builder.tryAppend(5, null, 'v', [])
    const bytes = builder.build({ producerId, producerEpoch: producerId, baseSequence: 7 })
    state.update(new Batch(bytes, 0), 10)
    seeds.push(state.toSnapshot())
  }
  return seeds
}

function repairSnapshot(bytes: Buffer): Buffer {
  if (bytes.length < 10) return bytes
  const count = Math.floor((bytes.length - 10) / 46)
  const whole = bytes.subarray(0, 10 + 46 * count)
  whole.writeInt32BE(count, 6)
  whole.writeInt16BE(1, 0)
  whole.writeUInt32BE(crc32c(whole, 6), 2)
  return whole
}

function snapshot(bytes: Buffer): boolean {
  const once = ProducerState.fromSnapshot(bytes, 10).toSnapshot()
  const state = ProducerState.fromSnapshot(once, 10)
  mustEqual(once, state.toSnapshot(), 'the canonical form encodes to itself')
  const builder = new BatchBuilder(Buffer.alloc(200))
  builder.tryAppend(5, null, 'v', [])
  const batch = new Batch(builder.build({ producerId: 1, producerEpoch: 1, baseSequence: 8 }), 0)
  try {
    void state.check(batch)
  } catch (error) {
    if (!typedOr()(error as Error)) throw error
  }
  state.update(batch, 20)
  state.expire(1_000_000, 100)
  return true
}

function abortedEntry(producerId: number, first: number, last: number): Buffer {
  const bytes = Buffer.alloc(34)
  for (const [at, value] of [[2, producerId], [10, first], [18, last], [26, last + 1]] as const) {
    bytes.writeBigInt64BE(BigInt(value), at)
  }
  return bytes
}

async function transactionIndex(bytes: Buffer): Promise<boolean> {
  const problems: Problem[] = []
  await checkTransactionIndex(diskWith(['t', bytes]), 't', problems)
  must(problems.length <= 4 * (1 + bytes.length / 34), 'few problems for each entry')
  return problems.length === 0
}

// ── checkpoints ──────────────────────────────────────────────────────────────────────────

function offsets(bytes: Buffer): boolean {
  const parsed = parseOffsets(bytes.toString('utf8'))
  const known = [...parsed].flatMap(([key, offset]) => {
    const place = parsePartitionFolder(key)
    return place === undefined ? [] : [{ ...place, offset }]
  })
  const once = formatOffsets(known)
  must(shown(parseOffsets(once)) === shown(new Map(known.map(keyed))), 'offsets stay the same')
  return parsed.size > 0
}

function keyed({ topic, partition, offset }: { topic: string; partition: number; offset: number }) {
  return [`${topic}-${partition}`, offset] as const
}

function epochs(bytes: Buffer): boolean {
  const parsed = parseEpochs(bytes.toString('utf8'))
  must(shown(parseEpochs(formatEpochs(parsed))) === shown(parsed), 'epochs stay the same')
  if (!isAscending(parsed)) return false
  const cache = new LeaderEpochs(parsed)
  const end = (parsed.at(-1)?.startOffset ?? 0) + 10
  for (const { epoch, startOffset } of parsed) {
    const known = cache.endOffsetFor(epoch, end)
    must(known.endOffset > startOffset && known.endOffset <= end, `epoch ${epoch} has an end`)
    must(cache.epochAt(startOffset) === epoch, `epoch ${epoch} begins where it says`)
  }
  cache.truncateFromStart(end - 11)
  cache.truncateFromEnd(end - 5)
  must(isAscending(cache.entries), 'epochs ascend')
  return parsed.length > 0
}

async function sealedSeeds(): Promise<Buffer[]> {
  const disk = new MemoryDisk()
  const counts = new Map([['o-0/x', 3]])
  const file = new SealedFile(disk, 'c', counts)
  await file.write('0\n0\n')
  const first = parted(await bytesOf(disk, 'c'), await bytesOf(disk, 'c.sealed'))
  await file.write('0\n1\norders 0 5\n')
  const [text, copy] = [await bytesOf(disk, 'c'), await bytesOf(disk, 'c.sealed')]
  const [, copyBefore] = partsOf(first)
  return [first, parted(text, copy), parted(text, null), parted(null, copy), parted(text, copyBefore!)]
}

/** The checksum of the copy is made right: it covers the path and what follows it. */
function repairSealed(bytes: Buffer): Buffer {
  const [text = null, copy] = partsOf(bytes)
  if (copy === undefined || copy === null || copy.length < 19) return bytes
  const body = copy.subarray(19)
  const summed = Buffer.concat([Buffer.from('c\n'), body])
  const digits = crc32c(summed, 0).toString(16).padStart(8, '0')
  return parted(text, Buffer.concat([Buffer.from(`partlog 1\n${digits}\n`), body]))
}

async function sealed(bytes: Buffer): Promise<boolean> {
  const [text, copy] = partsOf(bytes)
  const files: (readonly [string, Uint8Array])[] = []
  if (text !== undefined && text !== null) files.push(['c', text])
  if (copy !== undefined && copy !== null) files.push(['c.sealed', copy])
  const disk = diskWith(...files)
  const file = new SealedFile(disk, 'c')
  await file.load()
  const { content } = file
  const isSaid = content.isSealed || content.odd !== undefined || copy === undefined || copy === null
  must(isSaid, 'a copy is used, or said to be odd')
  await file.write('0\n1\nnext 0 1\n')
  const after = new SealedFile(disk, 'c')
  await after.load()
  const found = after.content
  must(found.text === '0\n1\nnext 0 1\n', 'what was written is there')
  must(found.isSealed && found.odd === undefined, () => `what was written is sealed: ${found.odd}`)
  return content.isSealed
}

// ── whose folder it is ───────────────────────────────────────────────────────────────────

const UUID = 'ASNFZ4mrze8RIjNEVWZ3iA'
const EMPTY = Buffer.alloc(0)

async function partitionMetadata(bytes: Buffer): Promise<boolean> {
  for (const size of [0, 10]) {
    const disk = diskWith(['o-0/partition.metadata', bytes], [`o-0/${segmentFile(0, 'log')}`, Buffer.alloc(size)])
    void (await isHalfMade(disk, 'o-0'))
    const before = await readTopicId(disk, 'o-0')
    const claim = { disk, folder: 'o-0', topicId: UUID, isSynced: size > 0 }
    try {
      await claimPartitionFolder(claim)
    } catch (error) {
      if (!typedOr()(error as Error)) throw error
      must(before !== UUID, 'its own folder is not refused')
      mustEqual(await bytesOf(disk, 'o-0/partition.metadata'), bytes, 'a refusal changes nothing')
      continue
    }
    must((await readTopicId(disk, 'o-0')) === UUID, 'a claimed folder names its topic')
    must(before === undefined || before === UUID, 'another topic’s folder is refused')
  }
  return (await readTopicId(diskWith(['o-0/partition.metadata', bytes]), 'o-0')) !== undefined
}

async function metaProperties(bytes: Buffer): Promise<boolean> {
  void whyNotMetaProperties(bytes.toString('utf8'))
  const meta = await readMetaProperties(diskWith(['m', bytes]), 'm')
  must(meta !== undefined, 'the file is there')
  const disk = diskWith()
  await writeMetaProperties(disk, 'm', meta, 0)
  const again = await readMetaProperties(disk, 'm')
  must(shown(again) === shown(meta), () => `${shown(meta)} becomes ${shown(again)}`)
  return true
}

const META = '#\n#Sat Nov 21 01:30:00 UTC 2026\ncluster.id=abc\nnode.id=1\ndirectory.id=d\nversion=1\n'

function names(bytes: Buffer): boolean {
  const name = bytes.toString('latin1')
  const segment = parseSegmentFile(name)
  if (segment !== undefined) {
    must(segmentFile(segment.baseOffset, segment.kind) === name, 'a segment has one name')
  }
  const place = parsePartitionFolder(name)
  must(place === undefined || `${place.topic}-${place.partition}` === name, 'a folder has one name')
  return segment !== undefined || place !== undefined
}

const text = (...lines: readonly string[]): Buffer => Buffer.from(lines.join('\n'))
const DISK = typedOr('DiskError')

export const FILE_TARGETS: readonly Target[] = [
  {
    name: 'offset-index',
    seeds: () => [EMPTY, Buffer.concat(offsetEntries.map(([a, b]) => OFFSET_ENTRY.of(a, b)))],
    run: offsetIndex,
    refuses: typedOr('IndexError'),
    inputs: 6_000,
  },
  {
    name: 'time-index',
    seeds: () => [EMPTY, Buffer.concat(timeEntries.map(([a, b]) => TIME_ENTRY.of(a, b)))],
    run: timeIndex,
    refuses: typedOr('IndexError'),
    inputs: 6_000,
  },
  {
    name: 'snapshot',
    seeds: snapshotSeeds,
    repair: repairSnapshot,
    run: snapshot,
    refuses: typedOr('BytesError'),
    inputs: 10_000,
  },
  {
    name: 'txnindex',
    seeds: () => [EMPTY, Buffer.concat([abortedEntry(1, 3, 9), abortedEntry(2, 5, 12)])],
    run: transactionIndex,
    refuses: DISK,
    inputs: 5_000,
  },
  {
    name: 'offset-checkpoint',
    seeds: () => [text('0', '2', 'orders 0 122', 'a-b.c_d 11 7', ''), text('0', '0', '')],
    isText: true,
    words: ['0\n', '1\n', 'orders 0 5\n', ' 9007199254740992\n', '__proto__ 0 1\n'],
    run: offsets,
    refuses: typedOr('CheckpointError'),
    inputs: 8_000,
  },
  {
    name: 'epoch-checkpoint',
    seeds: () => [text('0', '3', '0 0', '1 10', '5 20', ''), text('0', '0', '')],
    isText: true,
    words: ['6 30\n', '1 1\n'],
    run: epochs,
    refuses: typedOr('CheckpointError'),
    inputs: 8_000,
  },
  {
    name: 'sealed',
    seeds: sealedSeeds,
    repair: repairSealed,
    run: sealed,
    refuses: DISK,
    inputs: 5_000,
  },
  {
    name: 'partition-metadata',
    seeds: () => [Buffer.from(formatPartitionMetadata(UUID)), text('version: 0', 'topic_id: AAAAAAAAAAAAAAAAAAAAAQ')],
    isText: true,
    run: partitionMetadata,
    refuses: DISK,
    inputs: 4_000,
  },
  {
    name: 'meta-properties',
    seeds: () => [Buffer.from(META), text('version=0', 'broker.id=2', 'cluster.id=x')],
    isText: true,
    words: ['node.id=', 'cluster.id=', '=', '\r', '#'],
    run: metaProperties,
    refuses: DISK,
    inputs: 5_000,
  },
  {
    name: 'file-names',
    seeds: () => ['00000000000000000042.log', 'orders-0', 'a-b-7', '00000000000000000042.snapshot'].map(name => Buffer.from(name)),
    isText: true,
    words: ['-', '.log', '99999', '.deleted'],
    run: names,
    refuses: () => false,
    inputs: 8_000,
  },
]
