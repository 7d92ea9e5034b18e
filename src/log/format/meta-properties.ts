/**
 * Whose folder this is: Kafka's `meta.properties`, a Java properties file.
 *
 *   #
 *   #Sat Nov 21 01:30:00 UTC 2026
 *   cluster.id=…   node.id=1   directory.id=…   version=1     (one per line, in no order)
 */

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
 * The properties, or undefined when there is no file. One that does not hold them is damaged: it
 * was replaced as a whole whenever it was written. It is left as it is, for nobody can guess what
 * it said: CORRUPT_LOG.
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
  // An empty value is what is left of a line that was cut: it names nobody.
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

/** No control characters, no spaces, no bytes that are no text. */
function isPlain(text: string): boolean {
  return /^[!-~]+$/.test(text)
}

/**
 * The cluster that folders belong to; undefined when none of them says. Throws INVALID_CONFIG when
 * they contradict each other, naming the files: which of them is wrong is not known.
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
      'damaged, or its folder is from elsewhere: restore it, or take it away',
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
 * Why a text is none that a Kafka broker has written; undefined when it is one. Version 0, of
 * clusters with ZooKeeper, names the node as `broker.id`, and its cluster only since Kafka 0.10.1.
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

/** The same of a file. */
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
