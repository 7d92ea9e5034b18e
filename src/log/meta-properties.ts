/**
 * Whose folder this is: Kafka's `meta.properties`, a Java properties file.
 *
 *   #
 *   #Sat Nov 21 01:30:00 UTC 2026
 *   cluster.id=…   node.id=1   directory.id=…   version=1     (one per line, in no order)
 */

import { readSmallFile, replaceSmallFile, type Disk } from '../disk/disk.js'

const FILE_MAX_BYTES = 64 * 1024

export interface MetaProperties {
  readonly clusterId: string
  readonly nodeId: number
  readonly directoryId: string
}

/** The properties, or undefined when the file is absent or does not hold them. */
export async function readMetaProperties(
  disk: Disk,
  path: string,
): Promise<MetaProperties | undefined> {
  const bytes = await readSmallFile(disk, path, FILE_MAX_BYTES)
  const pairs = new Map<string, string>()
  for (const line of bytes?.toString('utf8').split('\n') ?? []) {
    const equals = line.indexOf('=')
    if (line.startsWith('#') || equals < 0) continue
    pairs.set(line.slice(0, equals).trim(), line.slice(equals + 1).trim())
  }
  const clusterId = pairs.get('cluster.id')
  const nodeId = pairs.get('node.id') ?? pairs.get('broker.id') ?? ''
  // An empty value is what is left of a line that was cut: it names nobody.
  if (!clusterId || !/^\d+$/.test(nodeId)) return undefined
  return { clusterId, nodeId: Number(nodeId), directoryId: pairs.get('directory.id') ?? '' }
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
