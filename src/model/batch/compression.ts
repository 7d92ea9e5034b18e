/*
 * Codecs of a batch's records. The payload after the header is one compressed stream.
 * gzip comes from node:zlib; the others are recognised and named, but not read.
 */

import { asBuffer } from '../../base/bytes.js'
import { PartlogError } from '../errors.js'

/** Loaded when records are first compressed, or unpacked. */
const zlib = () => process.getBuiltinModule('node:zlib')

/** How the records of a batch are compressed (Kafka's compression.type). */
export type Codec = 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd'

const CODECS: readonly Codec[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']

/** Codecs partlog writes and reads. */
export const SUPPORTED_CODECS = ['none', 'gzip'] as const
export type SupportedCodec = (typeof SUPPORTED_CODECS)[number]

/**
 * The most bytes one batch may grow to when it is read. A few hundred bytes of gzip can expand to
 * gigabytes; Kafka's largest batch is 1 MiB by default, and this allows 64 times as much.
 */
export const DECOMPRESSED_BYTES_MAX = 64 * 1024 * 1024

/** The codec of the lowest three bits of a batch's attributes; undefined for 5, 6 and 7. */
export function codecOf(id: number): Codec | undefined {
  return CODECS[id]
}

export function codecId(codec: Codec): number {
  return CODECS.indexOf(codec)
}

export function isSupported(codec: Codec): codec is SupportedCodec {
  return codec === 'none' || codec === 'gzip'
}

/** The most bytes that one byte can grow to, by the codec's format; zstd has no bound. */
const GROWTH_MAX: Readonly<Record<Codec, number>> = {
  none: 1,
  gzip: 1_032, // deflate: a match of 258 bytes in 2 bits
  snappy: 64, // a copy of 64 bytes takes at least 3 bytes
  lz4: 255, // each further byte of a match's length stands for 255
  zstd: Infinity,
}

export function growthMax(codec: Codec): number {
  return GROWTH_MAX[codec]
}

export function compress(codec: SupportedCodec, bytes: Uint8Array): Uint8Array {
  if (codec === 'none') return bytes
  const { constants, gzipSync } = zlib()
  return gzipSync(bytes, { level: constants.Z_DEFAULT_COMPRESSION })
}

export function decompress(codec: Codec, bytes: Uint8Array): Uint8Array {
  return decompressWithin(codec, bytes, DECOMPRESSED_BYTES_MAX) as Uint8Array
}

/**
 * Like `decompress`; undefined if the records are larger than `bytesMax` but perhaps not larger
 * than DECOMPRESSED_BYTES_MAX. A stream that announces too much is not begun; any other stops at
 * `bytesMax`.
 */
export function decompressWithin(
  codec: Codec,
  bytes: Uint8Array,
  bytesMax: number,
): Uint8Array | undefined {
  if (codec === 'none') return bytes
  if (codec !== 'gzip') {
    throw new PartlogError(
      'UNSUPPORTED_COMPRESSION_TYPE',
      `records are compressed with ${codec}; partlog reads ${SUPPORTED_CODECS.join(' and ')}`,
    )
  }
  const isPart = bytesMax < DECOMPRESSED_BYTES_MAX
  if (isPart && (bytesMax <= 0 || announcedSize(bytes) > bytesMax)) return undefined
  try {
    return zlib().gunzipSync(bytes, { maxOutputLength: Math.min(bytesMax, DECOMPRESSED_BYTES_MAX) })
  } catch (error) {
    if (isPart && isTooLarge(error)) return undefined
    throw new PartlogError('CORRUPT_MESSAGE', whyNotGunzipped(error), { cause: error })
  }
}

// ── in another thread ────────────────────────────────────────────────────────────────────

/** Like `compress`, in another thread. */
export function compressAsync(codec: SupportedCodec, bytes: Uint8Array): Promise<Uint8Array> {
  if (codec === 'none') return Promise.resolve(bytes)
  const { constants, gzip } = zlib()
  return new Promise((resolve, reject) => {
    gzip(bytes, { level: constants.Z_DEFAULT_COMPRESSION }, (error, result) => {
      if (error === null) resolve(result)
      else reject(error)
    })
  })
}

/** Like `decompress`, in another thread. */
export function decompressAsync(codec: SupportedCodec, bytes: Uint8Array): Promise<Uint8Array> {
  if (codec === 'none') return Promise.resolve(bytes)
  const { constants, gunzip } = zlib()
  return new Promise((resolve, reject) => {
    // One chunk of the announced size: several chunks would have to be joined.
    const pieceMax = Math.min(announcedSize(bytes), bytes.length * GROWTH_MAX.gzip)
    const chunkSize = clamped(pieceMax, constants.Z_DEFAULT_CHUNK, DECOMPRESSED_BYTES_MAX) + 64
    gunzip(bytes, { chunkSize, maxOutputLength: DECOMPRESSED_BYTES_MAX }, (error, result) => {
      if (error === null) resolve(result)
      else reject(new PartlogError('CORRUPT_MESSAGE', whyNotGunzipped(error), { cause: error }))
    })
  })
}

/** Header and trailer of a gzip stream. */
const GZIP_BYTES_MIN = 18

/**
 * The size that a gzip stream announces in its last four bytes: a hint. It may be wrong, and a
 * stream of several members announces only that of its last member.
 */
function announcedSize(bytes: Uint8Array): number {
  return bytes.length < GZIP_BYTES_MIN ? 0 : asBuffer(bytes).readUInt32LE(bytes.length - 4)
}

function clamped(value: number, min: number, max: number): number {
  return Math.min(Math.max(value, min), max)
}

function isTooLarge(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE'
}

function whyNotGunzipped(error: unknown): string {
  if (isTooLarge(error)) return `gzip stream grows beyond ${DECOMPRESSED_BYTES_MAX} bytes`
  return `gzip stream is damaged: ${(error as Error).message}`
}
