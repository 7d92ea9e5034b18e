/*
 * The cluster and node a folder belongs to: Kafka's `meta.properties`, a Java properties file.
 *
 *   #
 *   #Sat Nov 21 01:30:00 UTC 2026
 *   cluster.id=…   node.id=1   directory.id=…   version=1     (one per line, in any order)
 */

import type { Clock } from '../../base/clock.js'
import type { Logger } from '../../base/logger.js'
import type { Random } from '../../base/random.js'
import { randomUuid } from '../../base/uuid.js'
import { isDiskError, join, readSmallFile, replaceSmallFile, type Disk } from '../../disk/disk.js'
import { PartlogError } from '../../model/errors.js'
import { META_PROPERTIES } from './files.js'
import { damagedFile } from './log-errors.js'

const FILE_MAX_BYTES = 64 * 1024

export interface MetaProperties {
  readonly clusterId: string
  readonly nodeId: number
  readonly directoryId: string
}

/**
 * The properties; undefined if the file does not exist. Throws CORRUPT_LOG if the file lacks them:
 * every write replaces it as a whole, so it is damaged. It is not changed, because its contents
 * cannot be guessed.
 */
export async function readMetaProperties(
  disk: Disk,
  path: string,
): Promise<MetaProperties | undefined> {
  if (!disk.exists(path)) return undefined
  const text = await textOf(disk, path)
  const pairs = pairsOf(text)
  const clusterId = pairs.get('cluster.id')
  const nodeId = pairs.get('node.id') ?? pairs.get('broker.id') ?? ''
  // An empty value is left over from a line that was cut.
  if (!clusterId || !isPlain(clusterId)) throw damagedFile(path, 'names no cluster')
  if (!/^\d+$/.test(nodeId)) throw damagedFile(path, 'names no node')
  return { clusterId, nodeId: Number(nodeId), directoryId: pairs.get('directory.id') ?? '' }
}

async function textOf(disk: Disk, path: string): Promise<string> {
  try {
    return (await readSmallFile(disk, path, FILE_MAX_BYTES))?.toString('utf8') ?? ''
  } catch (error) {
    if (isDiskError(error) && error.code === 'EFBIG') throw damagedFile(path, 'is far too large')
    throw error
  }
}

/** True for visible ASCII characters only. */
function isPlain(text: string): boolean {
  return /^[!-~]+$/.test(text)
}

/**
 * The cluster that folders belong to; undefined if none of them names one. Throws INVALID_CONFIG,
 * with the files, if they contradict each other: which file is wrong is unknown.
 */
export async function clusterIdIn(
  disk: Disk,
  folders: readonly string[],
): Promise<string | undefined> {
  const files = new Map<string, string[]>()
  for (const folder of folders) {
    const path = join(folder, META_PROPERTIES)
    const { clusterId } = (await readMetaProperties(disk, path)) ?? {}
    if (clusterId !== undefined) files.set(clusterId, [...(files.get(clusterId) ?? []), path])
  }
  if (files.size <= 1) return files.keys().next().value
  const said = [...files].map(([id, paths]) => `${paths.join(', ')}: cluster ${id}`)
  throw new PartlogError(
    'INVALID_CONFIG',
    `folders of different clusters, nothing was changed: ${said.join('; ')}. One of the files is ` +
      'damaged, or its folder belongs to another cluster: restore the file or remove the folder',
  )
}

function pairsOf(text: string): Map<string, string> {
  const pairs = new Map<string, string>()
  for (const line of text.split('\n')) {
    const equals = line.indexOf('=')
    if (line.startsWith('#') || equals < 0) continue
    pairs.set(line.slice(0, equals).trim(), line.slice(equals + 1).trim())
  }
  return pairs
}

/**
 * Why no Kafka broker can have written the text; undefined if one can. Version 0, of clusters with
 * ZooKeeper, names the node as `broker.id`, and its cluster only since Kafka 0.10.1.
 */
export function whyNotMetaProperties(text: string): string | undefined {
  const pairs = pairsOf(text)
  const version = pairs.get('version')
  if (version !== '0' && version !== '1') return `version ${version ?? '(none)'} is not known`
  const names = version === '0' ? ['broker.id', 'node.id'] : ['node.id']
  const node = names.map(name => pairs.get(name)).find(value => value !== undefined)
  if (node === undefined || !/^\d+$/.test(node)) return 'names no node'
  const cluster = pairs.get('cluster.id')
  const mayBeAbsent = version === '0' && cluster === undefined
  return cluster || mayBeAbsent ? undefined : 'names no cluster'
}

/** Like `whyNotMetaProperties`, for a file; undefined also if it does not exist. */
export async function whyNotMetaFile(disk: Disk, path: string): Promise<string | undefined> {
  const bytes = await readSmallFile(disk, path, FILE_MAX_BYTES)
  return bytes === undefined ? undefined : whyNotMetaProperties(bytes.toString('utf8'))
}

export async function writeMetaProperties(
  disk: Disk,
  path: string,
  meta: MetaProperties,
  now: number,
): Promise<void> {
  const lines = [
    '#',
    `#${new Date(now).toUTCString()}`,
    `cluster.id=${meta.clusterId}`,
    `directory.id=${meta.directoryId}`,
    `node.id=${meta.nodeId}`,
    'version=1',
  ]
  await replaceSmallFile(disk, path, Buffer.from(`${lines.join('\n')}\n`))
}

/** A data folder and the node that opens it. */
export interface DataFolder {
  readonly disk: Disk
  readonly root: string
  readonly clusterId: string
  readonly nodeId: number
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

/**
 * Writes meta.properties if it is missing; otherwise checks that the folder is this node's. Throws
 * INVALID_CONFIG if it belongs to another.
 */
export async function claimDataFolder(options: DataFolder, isNew: boolean): Promise<void> {
  const { disk, root, clusterId, nodeId, random, clock, logger } = options
  const path = join(root, META_PROPERTIES)
  const meta = await readMetaProperties(disk, path)
  if (meta === undefined) {
    if (!isNew) logger.warn(`${path} is missing; it is written again`)
    const directoryId = randomUuid(random)
    return await writeMetaProperties(disk, path, { clusterId, nodeId, directoryId }, clock.now())
  }
  if (meta.clusterId !== clusterId || meta.nodeId !== nodeId) {
    throw new PartlogError(
      'INVALID_CONFIG',
      `${path}: ${root} belongs to node ${meta.nodeId} of cluster ${meta.clusterId}, ` +
        `not to node ${nodeId} of cluster ${clusterId}`,
    )
  }
}
