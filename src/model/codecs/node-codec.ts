/* The codecs that Node has, called synchronously or in another thread. */

import { damaged, GrowsTooLarge, type CodecWork } from './codec.js'

/** Loaded when records are first compressed, or unpacked. */
export const zlib = () => process.getBuiltinModule('node:zlib')

type Callback = (error: Error | null, result: Buffer) => void
export type Now = (bytes: Uint8Array, options: object) => Buffer
export type Aside = (bytes: Uint8Array, options: object, callback: Callback) => void

export interface NodeCodec {
  readonly name: string
  readonly packNow: () => Now
  readonly packAside: () => Aside
  /** Node's options for a level; by default that of Kafka. */
  readonly optionsOf: (level: number | undefined, size: number) => object
  readonly unpackNow: () => Now
  readonly unpackAside: () => Aside
  /** The most bytes that one byte of a stream can become. */
  readonly growth: number
  readonly announcedSize: (bytes: Buffer) => number
}

export function nodeCodec(codec: NodeCodec): CodecWork {
  const { name, growth, announcedSize, optionsOf } = codec
  const why = (error: Error): Error =>
    isTooLarge(error) ? new GrowsTooLarge() : damaged(name, error.message, error)
  return {
    announcedSize,
    pack: (bytes, level) => codec.packNow()(bytes, optionsOf(level, bytes.length)),
    packAside: (bytes, level) =>
      new Promise((resolve, reject) => {
        codec.packAside()(bytes, optionsOf(level, bytes.length), (error, result) => {
          if (error === null) resolve(result)
          else reject(error)
        })
      }),
    unpack: (bytes, bytesMax) => {
      const unpack = codec.unpackNow()
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
        codec.unpackAside()(bytes, { chunkSize, maxOutputLength: bytesMax }, (error, result) => {
          if (error === null) resolve(result)
          else reject(why(error))
        })
      }),
  }
}

function isTooLarge(error: Error): boolean {
  return (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE'
}
