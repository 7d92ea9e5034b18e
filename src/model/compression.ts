/**
 * Codecs of a batch's records. The payload behind the header is one compressed stream.
 * gzip comes from node:zlib; the others are recognised and named, not yet read.
 */

import { constants, gunzip, gunzipSync, gzip, gzipSync } from 'node:zlib'
import { PartlogError } from './errors.js'

export type Codec = 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd'

const CODECS: readonly Codec[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']

/** Codecs partlog writes and reads. */
export const SUPPORTED_CODECS = ['none', 'gzip'] as const
export type SupportedCodec = (typeof SUPPORTED_CODECS)[number]

/**
 * What one batch may grow to when it is read. A few hundred bytes of gzip can claim gigabytes;
 * Kafka's largest default batch is 1 MiB, this leaves room for 64 times as much.
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

/** What a byte can grow to at most, by the format of its codec; zstd knows no such bound. */
const GROWTH_MAX: Readonly<Record<Codec, number>> = {
  none: 1,
  gzip: 1_032, // deflate: a match of 258 bytes in 2 bits
  snappy: 64, // a copy of 64 bytes takes 3 bytes at the least
  lz4: 255, // each further byte of a match's length stands for 255
  zstd: Infinity,
}

export function growthMax(codec: Codec): number {
  return GROWTH_MAX[codec]
}

export function compress(codec: SupportedCodec, bytes: Uint8Array): Uint8Array {
  return codec === 'none' ? bytes : gzipSync(bytes, { level: constants.Z_DEFAULT_COMPRESSION })
}

export function decompress(codec: Codec, bytes: Uint8Array): Uint8Array {
  if (codec === 'none') return bytes
  if (codec !== 'gzip') {
    throw new PartlogError(
      'UNSUPPORTED_COMPRESSION_TYPE',
      `records are compressed with ${codec}; partlog reads ${SUPPORTED_CODECS.join(' and ')}`,
    )
  }
  try {
    return gunzipSync(bytes, { maxOutputLength: DECOMPRESSED_BYTES_MAX })
  } catch (error) {
    throw new PartlogError('CORRUPT_MESSAGE', whyNotGunzipped(error), { cause: error })
  }
}

// ── behind ───────────────────────────────────────────────────────────────────────────────

/** As `compress`, in another thread. */
export function compressBehind(codec: SupportedCodec, bytes: Uint8Array): Promise<Uint8Array> {
  if (codec === 'none') return Promise.resolve(bytes)
  return new Promise((resolve, reject) => {
    gzip(bytes, { level: constants.Z_DEFAULT_COMPRESSION }, (error, result) => {
      if (error === null) resolve(result)
      else reject(error)
    })
  })
}

/** As `decompress`, in another thread. */
export function decompressBehind(codec: SupportedCodec, bytes: Uint8Array): Promise<Uint8Array> {
  if (codec === 'none') return Promise.resolve(bytes)
  return new Promise((resolve, reject) => {
    gunzip(bytes, { maxOutputLength: DECOMPRESSED_BYTES_MAX }, (error, result) => {
      if (error === null) resolve(result)
      else reject(new PartlogError('CORRUPT_MESSAGE', whyNotGunzipped(error), { cause: error }))
    })
  })
}

function whyNotGunzipped(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  if (code === 'ERR_BUFFER_TOO_LARGE') {
    return `gzip stream grows beyond ${DECOMPRESSED_BYTES_MAX} bytes`
  }
  return `gzip stream is damaged: ${message}`
}
