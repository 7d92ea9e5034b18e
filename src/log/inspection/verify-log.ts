/*
 * Checks every byte of a partition's folder; reports its contents and its problems. Reads only.
 *
 * The CRC of a batch leaves out its offset and epoch: offsets must follow each other without a gap,
 * unless the log was compacted; epochs must match the epoch checkpoint.
 *
 * Both indexes are walked along with the batches: an offset entry must point to the beginning of a
 * batch that does not begin after its offset, and its offset must be below the batch of the next
 * entry; a time entry must be the newest time of the records up to its offset. Kafka leaves entries
 * of zeros at the end of an index that it allocated in advance.
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
import { knownBounds, type KnownBounds } from './known-bounds.js'
import { epochsOf } from './surroundings.js'
import {
  checkSnapshot,
  checkTextFiles,
  checkTransactionIndex,
  type Problem,
} from './verify-files.js'
import {
  SegmentWalk,
  type InspectVisitor,
  type LogEnd,
  type SegmentSummary,
} from './verify-segment.js'

export interface Inspection {
  readonly segments: readonly SegmentSummary[]
  readonly problems: readonly Problem[]
}

/**
 * Checks a partition; twice if the first check finds problems. The log may be written meanwhile,
 * and a check may fall between two steps of the writer: real problems are found both times.
 */
export async function inspectPartition(
  disk: Disk,
  folder: string,
  visitor: InspectVisitor = {},
): Promise<Inspection> {
  const first = await check(disk, folder, visitor)
  if (first.problems.length === 0) return first
  const second = new Set((await check(disk, folder, {})).problems.map(keyOf))
  return { ...first, problems: first.problems.filter(problem => second.has(keyOf(problem))) }
}

function keyOf({ file, position, problem }: Problem): string {
  return `${file} ${position} ${problem}`
}

async function check(disk: Disk, folder: string, visitor: InspectVisitor): Promise<Inspection> {
  // Read first: so the log of a running writer is ahead of the checkpoints, never behind.
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
    const walk = new SegmentWalk({
      disk,
      folder,
      baseOffset,
      has,
      visitor,
      problems,
      gaps,
      epochs,
      bounds,
      isFirst: baseOffset === bases[0],
      isLast: baseOffset === bases.at(-1),
      before: end,
    })
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
    // The topic was deleted after the folder was found, and no checkpoint names it any more.
    if (error.code === 'ENOENT' && bounds.end === 0 && !isListed(disk, folder)) return undefined
    problems.push({ file: folder, position: 0, problem: `cannot be read: ${error.code}` })
    return undefined
  }
}

/** True if the parent folder lists it: so is a link to a missing target, which cannot be opened. */
function isListed(disk: Disk, folder: string): boolean {
  const parent = parentOf(folder)
  return disk.list(parent).some(({ name }) => join(parent, name) === folder)
}

/** The gaps that compaction has made. */
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

/** Reports offsets missing at the end, up to the last one that is known. */
function checkEnd(
  { folder, bounds, problems }: Checking,
  last: SegmentSummary | undefined,
  { nextOffset, isDamaged }: LogEnd,
): void {
  if (isDamaged) return // reported already
  const { visibleFrom, end, endWord } = bounds
  if (visibleFrom > nextOffset && last !== undefined) {
    const file = join(parentOf(folder), LOG_START_CHECKPOINT)
    const problem = `has log start ${visibleFrom} for ${folder}, which ends at ${nextOffset}`
    problems.push({ file, position: 0, problem })
  }
  if (nextOffset >= end) return
  const what = last === undefined ? 'there is no segment' : `the log ends at offset ${nextOffset}`
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

/** Ignores a file that the writer removes during the check. */
async function unlessGone(checking: Promise<void>): Promise<void> {
  try {
    await checking
  } catch (error) {
    if (!isDiskError(error, 'ENOENT')) throw error
  }
}
