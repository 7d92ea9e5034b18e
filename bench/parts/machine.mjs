/** What the figures were taken on. */

import { readFileSync, statfsSync } from 'node:fs'
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os'

/** Linux's numbers of the common file systems (linux/magic.h). */
const FILE_SYSTEMS = new Map([
  [0xef53, 'ext4'],
  [0x58465342, 'xfs'],
  [0x9123683e, 'btrfs'],
  [0x2fc12fc1, 'zfs'],
  [0x794c7630, 'overlayfs'],
  [0x01021994, 'tmpfs'],
  [0x858458f6, 'ramfs'],
  [0x6969, 'nfs'],
])

export function machineOf(dir) {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    fileSystem: fileSystemOf(dir),
    load: Number(loadavg()[0].toFixed(2)),
    partlog: JSON.parse(readFileSync(new URL('../../package.json', import.meta.url))).version,
  }
}

function fileSystemOf(dir) {
  const { type } = statfsSync(dir)
  return FILE_SYSTEMS.get(type) ?? `0x${type.toString(16)}`
}

export function machineText(machine) {
  const { cpu, cores, memoryBytes, node, platform, fileSystem, load, partlog } = machine
  const memory = `${Math.round(memoryBytes / 2 ** 30)} GiB`
  const lines = [
    `partlog ${partlog}, Node ${node}, ${platform}`,
    `${cpu}, ${cores} cores, ${memory}, load ${load} at the start, ${fileSystem}`,
  ]
  if (fileSystem === 'tmpfs' || fileSystem === 'ramfs') {
    lines.push('The folder is in memory: what is said to be on a disk is not. Use --dir.')
  }
  return lines.join('\n')
}
