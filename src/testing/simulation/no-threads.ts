/*
 * In a simulated world nothing may happen in another thread: how long that takes is not the seed's
 * to decide. Compression is the only work that partlog gives to threads in memory; while a world
 * runs it is done at once, and its callback comes later as before.
 */

import type zlib from 'node:zlib'

type Callback = (error: Error | null, result?: Buffer) => void
type Zlib = Pick<typeof zlib, 'gzip' | 'gunzip' | 'gzipSync' | 'gunzipSync'>

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
  const module = process.getBuiltinModule('node:zlib') as { -readonly [K in keyof Zlib]: Zlib[K] }
  const { gzip, gunzip } = module
  const atOnce = (work: (bytes: Uint8Array, options: object) => Buffer) =>
    ((bytes: Uint8Array, options: object, callback: Callback) => {
      const done = async () => work(bytes, options)
      void done().then(result => callback(null, result), callback)
    }) as never
  module.gzip = atOnce(module.gzipSync)
  module.gunzip = atOnce(module.gunzipSync)
  return () => {
    module.gzip = gzip
    module.gunzip = gunzip
  }
}
