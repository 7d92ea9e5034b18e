/*
 * In a simulated world nothing may happen in another thread: how long that takes is not the seed's
 * to decide. Compression by gzip and zstd is the only work that partlog gives to threads in memory;
 * while a world runs it is done at once, and its callback comes later as before. (snappy and lz4
 * work in steps, with turns of the world's clock between them.)
 */

type Callback = (error: Error | null, result?: Buffer) => void
type Work = (bytes: Uint8Array, options: object) => Buffer
/** What works in a thread, and what does the same at once. Not every Node has zstd. */
const AT_ONCE = {
  gzip: 'gzipSync',
  gunzip: 'gunzipSync',
  zstdCompress: 'zstdCompressSync',
  zstdDecompress: 'zstdDecompressSync',
} as const

let worlds = 0
let restore = (): void => undefined

/** From now on; the returned function ends it, once. Worlds may overlap. */
export function doWithoutThreads(): () => void {
  if (worlds++ === 0) restore = replaceThreads()
  let isOver = false
  return () => {
    if (isOver) return
    isOver = true
    if (--worlds === 0) restore()
  }
}

function replaceThreads(): () => void {
  const module = process.getBuiltinModule('node:zlib') as unknown as Record<string, unknown>
  const kept = Object.keys(AT_ONCE).map(name => [name, module[name]] as const)
  for (const [name, sync] of Object.entries(AT_ONCE)) {
    const work = module[sync]
    if (work !== undefined) module[name] = atOnce(work as Work)
  }
  return () => {
    for (const [name, value] of kept) module[name] = value
  }
}

function atOnce(work: Work) {
  return (bytes: Uint8Array, options: object, callback: Callback): void => {
    const done = async () => work(bytes, options)
    void done().then(result => callback(null, result), callback)
  }
}
