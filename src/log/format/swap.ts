/*
 * How a cleaned segment replaces others, so that a crash at any moment leaves the old segments or
 * the new one. Kafka's names and steps (LocalLog.replaceSegments, LogLoader), with a sync of the
 * folder wherever the next step relies on the one before:
 *
 *   1. 0.log.cleaned, its indexes    written and synced; opening removes them
 *   2. .cleaned → .swap              synced: from here on the new segment counts
 *   3. 0.log, 100.log → .deleted     synced: from here on no old segment can reappear
 *   4. .swap → 0.log                 synced
 *
 * Opening a folder after a crash in between: `.cleaned` files are removed, with `.swap` files at or
 * above the first of them; every other swap is finished, which removes the files whose offset lies
 * in it.
 */

import { join, type Disk, type DiskEntry } from '../../disk/disk.js'
import type { Offset } from '../../model/units.js'
import {
  CLEANED_SUFFIX,
  parseSegmentFile,
  parseSuffixedFile,
  segmentFile,
  SWAP_SUFFIX,
  type SegmentFileKind,
} from './files.js'
import { corruptLog } from './log-errors.js'
import { scanBatches } from './scan.js'

const KINDS: readonly SegmentFileKind[] = ['log', 'index', 'timeindex', 'txnindex']

export interface SwapFolder {
  readonly disk: Disk
  readonly folder: string
}

/** Removes the files of a cleaning that was not finished. */
export async function removeCleaned({ disk, folder }: SwapFolder, base: Offset): Promise<void> {
  for (const kind of KINDS) {
    await disk.remove(join(folder, segmentFile(base, kind) + CLEANED_SUFFIX))
  }
}

/** Step 2 without the sync. */
export function nameSwap(place: SwapFolder, base: Offset): void {
  renameAll(place, base, [CLEANED_SUFFIX, SWAP_SUFFIX])
}

/** Undoes step 2 after it failed. Durable when it resolves. */
export async function undoSwap({ disk, folder }: SwapFolder, base: Offset): Promise<void> {
  for (const kind of KINDS) await disk.remove(join(folder, segmentFile(base, kind) + SWAP_SUFFIX))
  await disk.syncDirectory(folder)
}

/** Step 4, durable when it resolves. */
export async function endSwap(place: SwapFolder, base: Offset): Promise<void> {
  renameAll(place, base, [SWAP_SUFFIX, ''])
  await place.disk.syncDirectory(place.folder)
}

function renameAll(
  { disk, folder }: SwapFolder,
  base: Offset,
  [from, to]: readonly [string, string],
): void {
  for (const kind of KINDS) {
    const path = join(folder, segmentFile(base, kind))
    if (disk.exists(path + from)) disk.rename(path + from, path + to)
  }
}

// ── opening ──────────────────────────────────────────────────────────────────────────────

/**
 * Finishes or undoes swaps that a crash has left; returns true if there were any. Throws
 * CORRUPT_LOG before it removes data.
 */
export async function finishSwaps(
  place: SwapFolder,
  onCorruption: string,
  entries: readonly DiskEntry[],
): Promise<boolean> {
  const names = entries.map(({ name }) => name)
  if (!names.some(isOfSwap)) return false
  const { disk, folder } = place
  const swaps = await committedSwaps(place, names)
  if (swaps.length === 0) return true
  const bases = swaps.filter(({ kind }) => kind === 'log').map(({ baseOffset }) => baseOffset)
  for (const base of bases) {
    const end = await endOfSwap(place, base, onCorruption)
    for (const { name } of disk.list(folder)) {
      const { baseOffset = -1 } = parseSegmentFile(name) ?? {}
      const isReplaced = baseOffset >= base && (baseOffset < end || baseOffset === base)
      if (isReplaced) await disk.remove(join(folder, name))
    }
  }
  await disk.syncDirectory(folder)
  for (const base of new Set(swaps.map(({ baseOffset }) => baseOffset))) {
    renameAll(place, base, [SWAP_SUFFIX, ''])
  }
  await disk.syncDirectory(folder)
  return true
}

function isOfSwap(name: string): boolean {
  return name.endsWith(SWAP_SUFFIX) || name.endsWith(CLEANED_SUFFIX)
}

/** The swaps that count; removes the others and all `.cleaned` files. */
async function committedSwaps({ disk, folder }: SwapFolder, names: readonly string[]) {
  const filesWith = (suffix: string) =>
    names.flatMap(name => {
      const parsed = parseSuffixedFile(name, suffix)
      return parsed === undefined ? [] : [{ ...parsed, name }]
    })
  const cleaned = filesWith(CLEANED_SUFFIX)
  const swaps = filesWith(SWAP_SUFFIX)
  if (cleaned.length === 0) return swaps
  const firstCleaned = Math.min(...cleaned.map(({ baseOffset }) => baseOffset))
  const undone = swaps.filter(({ baseOffset }) => baseOffset >= firstCleaned)
  for (const { name } of undone) await disk.remove(join(folder, name))
  // While a .cleaned file exists, opening knows that the swap did not count.
  if (undone.length > 0) await disk.syncDirectory(folder)
  for (const { name } of cleaned) await disk.remove(join(folder, name))
  return swaps.filter(({ baseOffset }) => baseOffset < firstCleaned)
}

/** The offset where the batches of a swap end. It was synced as a whole, so a break is damage. */
async function endOfSwap(
  { disk, folder }: SwapFolder,
  base: Offset,
  onCorruption: string,
): Promise<Offset> {
  const path = join(folder, segmentFile(base, 'log') + SWAP_SUFFIX)
  const file = disk.open(path)
  try {
    let end = base
    const scan = await scanBatches(file, batch => {
      end = batch.nextOffset
      return undefined
    })
    if (scan.reason === undefined || onCorruption === 'truncate') return end
    throw corruptLog(folder, `${path} at position ${scan.position}: ${scan.reason}`)
  } finally {
    file.close()
  }
}
