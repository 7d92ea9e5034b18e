/** zstd, which some of Node's versions lack. */

import zlib from 'node:zlib'

const module = zlib as unknown as Record<string, unknown>
const NAMES = ['zstdDecompressSync', 'zstdDecompress', 'zstdCompressSync', 'zstdCompress']

export const HAS_ZSTD = module['zstdDecompressSync'] !== undefined

/** As on a Node that has no zstd, until the returned function is called. */
export function withoutZstd(): () => void {
  const kept = NAMES.map(name => [name, module[name]] as const)
  for (const name of NAMES) module[name] = undefined
  return () => {
    for (const [name, value] of kept) module[name] = value
  }
}

/** NODE_OPTIONS of a process that has none. */
const SCRIPT = `import zlib from 'node:zlib'; for (const name of ${JSON.stringify(NAMES)}) zlib[name] = undefined`
export const LACKS_ZSTD = `--import data:text/javascript,${encodeURIComponent(SCRIPT)}`
