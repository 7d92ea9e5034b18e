/**
 * Looks at every byte of a partition's folder and says what is there and what is wrong. Reads only.
 *
 * The CRC of a batch leaves out its offset and epoch: offsets must follow each other without a gap,
 * unless the log was compacted, epochs must be those of the epoch checkpoint.
 *
 * Both indexes are walked beside the batches: an offset entry must point to where a batch begins
 * that does not lie behind its offset, and must not reach the batch of the next entry; a time entry
 * must be the newest time of the records up to its offset. Entries of zeros at the end are what
 * Kafka leaves of an index that it had sized in advance.
 */

import { isDiskError, join, parentOf, type Disk } from '../../disk/disk.js'
import { NONE, type Offset } from '../../model/units.js'
import {
  LOG_START_CHECKPOINT,
  parseSegmentFile,
  segmentFile,
  type SegmentFileKind,
  type SegmentFileName,
} from '../format/files.js'
import { looksCompacted } from './compacted-look.js'
import {
  checkSnapshot,
  checkTextFiles,
  checkTransactionIndex,
  type Problem,
} from './inspect-files.js'
import { knownBounds, type KnownBounds } from './known-bounds.js'
import {
  SegmentWalk,
  type InspectVisitor,
  type LogEnd,
  type SegmentSummary,
} from './segment-walk.js'
import { epochsOf } from './surroundings.js'

export interface Inspection {
  readonly segments: readonly SegmentSummary[]
  readonly problems: readonly Problem[]
}

/**
 * Looks at a partition; if something seems to be wrong, twice. The log may be written meanwhile,
 * and a look may fall between two steps of the writer: what is really wrong stays so.
 */
export async function inspectPartition(
  disk: Disk,
  folder: string,
  visitor: InspectVisitor = {},
): Promise<Inspection> {
  const first = await look(disk, folder, visitor)
  if (first.problems.length === 0) return first
  const again = new Set((await look(disk, folder, {})).problems.map(keyOf))
  return { ...first, problems: first.problems.filter(problem => again.has(keyOf(problem))) }
}

function keyOf({ file, position, problem }: Problem): string {
  return `${file} ${position} ${problem}`
}

async function look(disk: Disk, folder: string, visitor: InspectVisitor): Promise<Inspection> {
  // First of all: a writer at work is then ahead of what they say, never behind.
  const bounds = await knownBounds(disk, folder)
  const epochs = await epochsOf(disk, folder)
  const problems: Problem[] = []
  const files = filesIn({ disk, folder, bounds }, problems)
  if (files === undefined) return { segments: [], problems }
  const has = (baseOffset: Offset, kind: SegmentFileKind): boolean =>
    files.some(file => file.baseOffset === baseOffset && file.kind === kind)
  const segments: SegmentSummary[] = []
  const gaps: Problem[] = []
  const bases = files.filter(({ kind }) => kind === 'log').map(({ baseOffset }) => baseOffset)
  let end: LogEnd = { nextOffset: bounds.start ?? NONE, epoch: NONE, isDamaged: false }
  for (const baseOffset of bases) {
    const ends = { isFirst: baseOffset === bases[0], isLast: baseOffset === bases.at(-1) }
    const shared = { disk, folder, has, visitor, problems, gaps, epochs, bounds }
    const walk = new SegmentWalk({ ...shared, baseOffset, ...ends, before: end })
    segments.push(await walk.run())
    end = walk.end
  }
  checkEnd({ folder, bounds, problems }, segments.at(-1), end)
  await checkFiles(disk, folder, files, problems)
  await checkTextFiles(disk, folder, problems)
  const known = await knownGaps({ disk, folder, bounds }, gaps)
  return { segments, problems: problems.filter(problem => !known.has(problem)) }
}

interface Place {
  readonly disk: Disk
  readonly folder: string
  readonly bounds: KnownBounds
}

function filesIn(
  { disk, folder, bounds }: Place,
  problems: Problem[],
): readonly SegmentFileName[] | undefined {
  try {
    return disk.list(folder).flatMap(({ kind, name }) => {
      const parsed = kind === 'file' ? parseSegmentFile(name) : undefined
      return parsed === undefined ? [] : [parsed]
    })
  } catch (error) {
    if (!isDiskError(error)) throw error
    // A topic that was deleted since the folder was found: nothing knows of it any more.
    if (error.code === 'ENOENT' && bounds.end === 0 && !isListed(disk, folder)) return undefined
    problems.push({ file: folder, position: 0, problem: `cannot be looked into: ${error.code}` })
    return undefined
  }
}

/** A link that leads nowhere is listed, and yet not to be found. */
function isListed(disk: Disk, folder: string): boolean {
  const parent = parentOf(folder)
  return disk.list(parent).some(({ name }) => join(parent, name) === folder)
}

/** Those that compaction has made. */
async function knownGaps(
  { disk, folder, bounds }: Place,
  gaps: readonly Problem[],
): Promise<ReadonlySet<Problem>> {
  if (gaps.length === 0) return new Set()
  const isCompacted = bounds.isCompacted || (await looksCompacted(disk, folder))
  return new Set(isCompacted ? gaps : [])
}

interface Checking {
  readonly folder: string
  readonly bounds: KnownBounds
  readonly problems: Problem[]
}

/** Offsets that were there once must still be there. */
function checkEnd(
  { folder, bounds, problems }: Checking,
  last: SegmentSummary | undefined,
  { nextOffset, isDamaged }: LogEnd,
): void {
  if (isDamaged) return // that is said already
  const { visibleFrom, end, endWord } = bounds
  if (visibleFrom > nextOffset && last !== undefined) {
    const file = join(parentOf(folder), LOG_START_CHECKPOINT)
    const problem = `says that ${folder} begins at ${visibleFrom}, which ends at ${nextOffset}`
    problems.push({ file, position: 0, problem })
  }
  if (nextOffset >= end) return
  const what = last === undefined ? 'no segment is there' : `the log ends at offset ${nextOffset}`
  const problem = `${what}, it was ${endWord} up to ${end}`
  problems.push({ file: last?.file ?? folder, position: last?.bytes ?? 0, problem })
}

async function checkFiles(
  disk: Disk,
  folder: string,
  files: readonly SegmentFileName[],
  problems: Problem[],
): Promise<void> {
  for (const { baseOffset, kind } of files) {
    const file = join(folder, segmentFile(baseOffset, kind))
    if (kind === 'snapshot') await unlessGone(checkSnapshot(disk, file, problems))
    if (kind === 'txnindex') await unlessGone(checkTransactionIndex(disk, file, problems))
  }
}

/** Files that are not needed any more go while they are looked at. */
async function unlessGone(checking: Promise<void>): Promise<void> {
  try {
    await checking
  } catch (error) {
    if (!isDiskError(error, 'ENOENT')) throw error
  }
}
