/** partlog as its users have it: the build. And files it wrote, as bytes. */

import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Cluster } from '../../dist/index.js'

export {
  Cluster,
  isPartlogError,
  murmur2,
  openLogDirectory,
  partitionOfKey,
  virtualClock,
} from '../../dist/index.js'

/** Lets `write` fill a cluster; returns the bytes of the log of each partition folder. */
export async function logsAfter(write) {
  const dir = mkdtempSync(join(tmpdir(), 'partlog-compat-'))
  try {
    const cluster = await Cluster.open({ dir })
    try {
      await write(cluster)
    } finally {
      await cluster.close()
    }
    return logsIn(join(dir, 'broker-1'))
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

function logsIn(root) {
  const folders = readdirSync(root, { withFileTypes: true }).filter(entry => entry.isDirectory())
  return new Map(
    folders.map(({ name }) => {
      const segments = readdirSync(join(root, name)).filter(file => file.endsWith('.log'))
      const parts = segments.sort().map(file => readFileSync(join(root, name, file)))
      return [name, Buffer.concat(parts)]
    }),
  )
}
