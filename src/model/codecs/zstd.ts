/*
 * zstd. It is in Node since 22.15 and 23.8, so it is looked up at run time; on an older Node,
 * records in zstd are stored, but not read.
 */

import { PartlogError } from '../errors.js'
import { GrowsTooLarge, type CodecWork } from './codec.js'
import { LEVELS } from './levels.js'
import { nodeCodec, zlib, type Aside, type Now } from './node-codec.js'
import { announcedSize, framesOf } from './zstd-frames.js'

/** Node's functions. The types of the oldest Node that partlog runs on do not have them. */
interface Zstd {
  readonly zstdCompressSync?: Now
  readonly zstdCompress?: Aside
  readonly zstdDecompressSync?: Now
  readonly zstdDecompress?: Aside
}

/** The number of the parameter in zstd's own interface. */
const LEVEL_PARAMETER = 100

export function hasZstd(): boolean {
  return (zlib() as Zstd).zstdDecompressSync !== undefined
}

function part<K extends keyof Zstd>(name: K): NonNullable<Zstd[K]> {
  const found = (zlib() as Zstd)[name]
  if (found !== undefined) return found
  throw needsNewerNode()
}

export function needsNewerNode(): PartlogError {
  const sentence = `zstd needs Node 22.15 or later, this is ${process.version}`
  return new PartlogError('UNSUPPORTED_COMPRESSION_TYPE', sentence)
}

const frame = nodeCodec({
  name: 'zstd',
  packNow: () => part('zstdCompressSync'),
  packAside: () => part('zstdCompress'),
  optionsOf: (level = LEVELS.zstd.fallback, size) => ({
    params: { [LEVEL_PARAMETER]: level },
    pledgedSrcSize: size,
  }),
  unpackNow: () => part('zstdDecompressSync'),
  unpackAside: () => part('zstdDecompress'),
  growth: Infinity,
  announcedSize,
})

export const zstd: CodecWork = {
  ...frame,
  unpack: (bytes, bytesMax) => {
    part('zstdDecompressSync')
    const parts: Uint8Array[] = []
    let left = bytesMax
    for (const each of framesOf(bytes)) left -= added(parts, frame.unpack(each, roomIn(left)))
    return joined(parts)
  },
  unpackAside: (bytes, bytesMax, turn) => {
    const parts: Uint8Array[] = []
    const frames = framesOf(bytes)
    const next = (left: number): Promise<Uint8Array> => {
      const { done, value } = frames.next()
      if (done === true) return Promise.resolve(joined(parts))
      const unpacked = frame.unpackAside(value, roomIn(left), turn)
      return unpacked.then(content => next(left - added(parts, content)))
    }
    return new Promise(resolve => {
      part('zstdDecompress')
      resolve(next(bytesMax))
    })
  },
}

/** Node takes a bound of 0 for none. */
function roomIn(left: number): number {
  if (left > 0) return left
  throw new GrowsTooLarge()
}

function added(parts: Uint8Array[], content: Uint8Array): number {
  parts.push(content)
  return content.length
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const [first] = parts
  return parts.length === 1 && first !== undefined ? first : Buffer.concat(parts)
}
