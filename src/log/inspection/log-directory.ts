/*
 * Finds the logs in a folder: that of a Kafka broker, of a partlog cluster, or of one partition.
 * Links to folders are followed, as Kafka does.
 */

import { isDiskError, join, parentOf, type Disk } from '../../disk/disk.js'
import { NodeDisk } from '../../disk/node-disk.js'
import { isPartlogError, PartlogError } from '../../model/errors.js'
import type { Offset } from '../../model/units.js'
import {
  CONTROLLER_FOLDER,
  isBrokerFolder,
  parsePartitionFolder,
  RECOVERY_POINT_CHECKPOINT,
} from '../format/files.js'
import { knownBounds, segmentsOf, type KnownBounds } from './known-bounds.js'
import { PartitionFolder, type PartitionDirectory } from './partition-directory.js'
import { checkpointIn } from './surroundings.js'

/** A folder to read, on a disk that also includes the files next to it. */
export interface LogPlace {
  readonly disk: Disk
  readonly folder: string
}

/**
 * The disk for a path. For a partition's folder the disk's root is its parent folder, which holds
 * the checkpoints.
 */
export function diskAround(path: string): LogPlace {
  const disk = new NodeDisk(path, { readOnly: true })
  const { location } = disk
  const name = location.slice(location.lastIndexOf('/') + 1)
  const hasSegments = (segmentsAt(disk, '') ?? []).length > 0
  if (!hasSegments || parsePartitionFolder(name) === undefined) return { disk, folder: '' }
  return { disk: new NodeDisk(parentOf(location) || '/', { readOnly: true }), folder: name }
}

export interface FindOptions {
  /** Only the partition in this folder, unless it is ''. */
  readonly folder?: string | undefined
  /** Also a cluster's own log. Default false. */
  readonly includeController?: boolean | undefined
}

/** All partitions' folders on a disk of any of the three kinds. */
export async function findPartitions(
  disk: Disk,
  { folder = '', includeController = false }: FindOptions = {},
): Promise<PartitionDirectory[]> {
  if (folder !== '') return [await partitionAt(disk, folder)]
  const roots = rootsIn(disk)
  const isCluster = roots[0] !== ''
  if (includeController && isCluster && disk.exists(CONTROLLER_FOLDER)) {
    roots.push(CONTROLLER_FOLDER)
  }
  const found: PartitionDirectory[] = []
  for (const root of roots) found.push(...(await partitionsIn(disk, root)))
  if (found.length === 0 && (segmentsAt(disk, '') ?? []).length > 0) {
    found.push(await partitionAt(disk, ''))
  }
  if (found.length === 0) {
    throw new PartlogError('INVALID_ARGUMENT', `${disk.location} holds no logs`)
  }
  return found.sort((a, b) =>
    a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1,
  )
}

/** The folders whose sub-folders are partitions: a cluster's brokers, or the folder itself. */
function rootsIn(disk: Disk): string[] {
  const brokers = rootEntries(disk)
    .filter(({ kind, name }) => kind === 'directory' && isBrokerFolder(name))
    .filter(({ name }) => (segmentsAt(disk, name) ?? []).length === 0)
  return brokers.length > 0 ? brokers.map(({ name }) => name) : ['']
}

const WHY_NOT: Readonly<Record<string, string>> = {
  ENOENT: 'does not exist',
  ENOTDIR: 'is a file: expected the folder of a cluster, of a Kafka broker or of a partition',
  EACCES: 'may not be read by this user (EACCES)',
  EPERM: 'may not be read by this user (EPERM)',
}

/** The entries of the root. Throws INVALID_ARGUMENT, with the path, if it cannot be read. */
function rootEntries(disk: Disk) {
  try {
    return disk.list('')
  } catch (error) {
    if (!isDiskError(error)) throw error
    const why = WHY_NOT[error.code] ?? `cannot be read (${error.code})`
    throw new PartlogError('INVALID_ARGUMENT', `${disk.location} ${why}`, { cause: error })
  }
}

async function partitionsIn(disk: Disk, root: string): Promise<PartitionDirectory[]> {
  const found: PartitionDirectory[] = []
  const before = await foldersKnown(disk, root)
  const there = disk.list(root).filter(({ kind }) => kind !== 'file')
  // Topics may be deleted or created meanwhile: only folders listed before and after must exist.
  const after = new Set(await foldersKnown(disk, root))
  const known = before.filter(name => after.has(name))
  for (const name of new Set([...there.map(each => each.name), ...known])) {
    if (parsePartitionFolder(name) === undefined) continue
    const folder = join(root, name)
    const bounds = await knownBounds(disk, folder)
    // A folder without segments counts if it should have some or cannot be read (a broken link).
    if (bounds.end === 0 && segmentsAt(disk, folder)?.length === 0) continue
    found.push(await partitionAt(disk, folder, bounds))
  }
  return found
}

/** The folders that must exist, because records in them were synced. */
async function foldersKnown(disk: Disk, root: string): Promise<string[]> {
  const offsets = await checkpointIn(disk, join(root, RECOVERY_POINT_CHECKPOINT))
  return [...offsets].flatMap(([folder, offset]) => (offset > 0 ? [folder] : []))
}

/** The partition in a folder, or on the whole disk; the folder's name is the partition's. */
async function partitionAt(
  disk: Disk,
  folder: string,
  known?: KnownBounds,
): Promise<PartitionDirectory> {
  const path = folder === '' ? disk.location : folder
  const name = path.slice(path.lastIndexOf('/') + 1)
  const parsed = parsePartitionFolder(name) ?? { topic: name, partition: 0 }
  const bounds = known ?? (await knownBounds(disk, folder))
  const bases = segmentsAt(disk, folder) ?? []
  const first = bases[0] ?? bounds.start ?? 0
  const start = Math.min(first, bounds.start ?? first)
  const all = new PartitionFolder(disk, folder, { ...parsed, logStartOffset: start, bounds })
  const { visibleFrom } = bounds
  if (visibleFrom <= start) return all
  // A checkpoint has no checksum: one that would hide the whole log is not used.
  const isRight = visibleFrom <= (bases.at(-1) ?? 0) || visibleFrom <= (await endOf(all))
  const logStartOffset = isRight ? visibleFrom : start
  return new PartitionFolder(disk, folder, { ...parsed, logStartOffset, bounds })
}

/** The end offset of a partition; 0 if it cannot be read. */
async function endOf(partition: PartitionDirectory): Promise<Offset> {
  try {
    return await partition.endOffset()
  } catch (error) {
    if (isPartlogError(error) || isDiskError(error)) return 0
    throw error
  }
}

/** Undefined if the folder cannot be read: code that reads its files reports that. */
function segmentsAt(disk: Disk, folder: string): Offset[] | undefined {
  try {
    return segmentsOf(disk, folder)
  } catch (error) {
    if (isDiskError(error)) return undefined
    throw error
  }
}
