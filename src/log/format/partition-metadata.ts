/*
 * `partition.metadata`: which topic a partition's folder belongs to.
 *
 *   version: 0\n
 *   topic_id: 22 characters
 *
 * A new folder's file is synced with the first records. So a power cut before that may leave the
 * beginning of the text, or zeros; any other text is damage or another topic's.
 */

import { join, readSmallFile, replaceSmallFile, type Disk } from '../../disk/disk.js'
import { PartlogError } from '../../model/errors.js'
import { parseSegmentFile, PARTITION_METADATA } from './files.js'
import { damagedFile } from './log-errors.js'

const FILE_MAX_BYTES = 1024 * 1024

/** A folder that was found, and the partition that it should belong to. */
export interface ClaimedFolder {
  readonly disk: Disk
  readonly folder: string
  readonly topicId: string
  /** Some of its records are known to be durable: so the file was synced, too. */
  readonly isSynced: boolean
}

export function formatPartitionMetadata(topicId: string): string {
  return `version: 0\ntopic_id: ${topicId}`
}

/** The topic id in a partition's folder; undefined if the file is missing or torn. */
export async function readTopicId(disk: Disk, folder: string): Promise<string | undefined> {
  return topicIdIn(await readText(disk, folder))
}

/**
 * Checks that a folder belongs to the topic, and writes the topic's id into it if it has none.
 * Throws INCONSISTENT_TOPIC_ID if it belongs to another topic of that name, CORRUPT_LOG if it holds
 * records but its file is damaged: it may be another topic's.
 */
export async function claimPartitionFolder(claim: ClaimedFolder): Promise<void> {
  const { disk, folder, topicId: wanted, isSynced } = claim
  const text = await readText(disk, folder)
  const stored = topicIdIn(text)
  if (stored === wanted) return
  const path = join(folder, PARTITION_METADATA)
  if (stored !== undefined) {
    throw new PartlogError(
      'INCONSISTENT_TOPIC_ID',
      `${path}: ${folder} belongs to topic id ${stored}, the topic of that name has ${wanted}`,
    )
  }
  const isDamaged = text !== undefined && (isSynced || !isTornText(text, wanted))
  if (isDamaged && holdsRecords(disk, folder)) throw damagedFile(path, 'names no topic id')
  await replaceSmallFile(disk, path, Buffer.from(formatPartitionMetadata(wanted)))
}

/** True if the folder has no records, and its file names no topic yet. */
export async function isHalfMade(disk: Disk, folder: string): Promise<boolean> {
  const text = await readText(disk, folder)
  return (text === undefined || isTornText(text)) && !holdsRecords(disk, folder)
}

async function readText(disk: Disk, folder: string): Promise<string | undefined> {
  const bytes = await readSmallFile(disk, join(folder, PARTITION_METADATA), FILE_MAX_BYTES)
  return bytes?.toString('utf8')
}

function topicIdIn(text: string | undefined): string | undefined {
  return /^\w+:\s*0\n\w+:\s*([A-Za-z0-9_-]{22})\s*$/.exec(text ?? '')?.[1]
}

/** True if an unsynced file with this topic's id, or any, may have this text after a power cut. */
function isTornText(text: string, topicId?: string): boolean {
  const left = text.replace(/\0+$/, '')
  const id = topicId ?? left.slice(formatPartitionMetadata('').length)
  return formatPartitionMetadata(id).startsWith(left)
}

function holdsRecords(disk: Disk, folder: string): boolean {
  for (const { name } of disk.list(folder)) {
    if (parseSegmentFile(name)?.kind !== 'log') continue
    const file = disk.open(join(folder, name))
    const { size } = file
    file.close()
    if (size > 0) return true
  }
  return false
}
