/* A codec that Node has: what it is asked for, at once or in another thread. */

import { damaged, GrowsTooLarge, type CodecWork } from './codec.js'

/** Loaded when records are first compressed, or unpacked. */
export const zlib = () => process.getBuiltinModule('node:zlib')

type Options = { readonly maxOutputLength: number; readonly chunkSize?: number }
type Callback = (error: Error | null, result: Buffer) => void
export type UnpackNow = (bytes: Uint8Array, options: Options) => Buffer
export type UnpackAside = (bytes: Uint8Array, options: Options, callback: Callback) => void

export interface NodeDecoder {
  readonly name: string
  readonly now: () => UnpackNow
  readonly aside: () => UnpackAside
  /** The most bytes that one byte of a stream can become. */
  readonly growth: number
  readonly announcedSize: (bytes: Buffer) => number
}

export function nodeCodec({ name, now, aside, growth, announcedSize }: NodeDecoder): CodecWork {
  const why = (error: Error): Error =>
    isTooLarge(error) ? new GrowsTooLarge() : damaged(name, error.message, error)
  return {
    announcedSize,
    unpack: (bytes, bytesMax) => {
      const unpack = now()
      try {
        return unpack(bytes, { maxOutputLength: bytesMax })
      } catch (error) {
        throw why(error as Error)
      }
    },
    unpackAside: (bytes, bytesMax) =>
      new Promise((resolve, reject) => {
        // One chunk of the announced size: several chunks would have to be joined.
        const pieceMax = Math.min(announcedSize(bytes), bytes.length * growth, bytesMax)
        const chunkSize = Math.max(pieceMax, zlib().constants.Z_DEFAULT_CHUNK) + 64
        aside()(bytes, { chunkSize, maxOutputLength: bytesMax }, (error, result) => {
          if (error === null) resolve(result)
          else reject(why(error))
        })
      }),
  }
}

function isTooLarge(error: Error): boolean {
  return (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE'
}
