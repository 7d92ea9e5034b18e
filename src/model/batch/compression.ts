/*
 * Codecs of a batch's records. The payload after the header is one compressed stream. What each
 * codec does is in ../codecs.
 */

import { asBuffer } from '../../base/bytes.js'
import { GrowsTooLarge, type CodecWork, type Turn } from '../codecs/codec.js'
import { gzip } from '../codecs/gzip.js'
import { lz4, unpackOldLz4 } from '../codecs/lz4.js'
import { snappy } from '../codecs/snappy.js'
import { hasZstd, zstd } from '../codecs/zstd.js'
import { PartlogError } from '../errors.js'

/** In the order of their numbers in a batch. */
export const CODECS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const
/** How the records of a batch are compressed (Kafka's compression.type). */
export type Codec = (typeof CODECS)[number]

/** How records are to be compressed. */
export interface Compression {
  readonly codec: Codec
  /** Of gzip, lz4 or zstd; undefined is Kafka's default. */
  readonly level?: number | undefined
}

const CODEC_WORK: Readonly<Record<Exclude<Codec, 'none'>, CodecWork>> = { gzip, snappy, lz4, zstd }

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

/**
 * False for codec ids that do not exist, and for zstd on a Node that has none. What can be read
 * can be written.
 */
export function isReadable(codec: Codec | undefined): codec is Codec {
  return codec !== undefined && (codec !== 'zstd' || hasZstd())
}

/** The most bytes that one byte can grow to, by the codec's format; zstd has no bound. */
const GROWTH_MAX: Readonly<Record<Codec, number>> = {
  none: 1,
  gzip: 1_032, // deflate: a match of 258 bytes in 2 bits
  snappy: 22, // a copy of 64 bytes takes at least 3 bytes
  lz4: 255, // each further byte of a match's length stands for 255
  zstd: Infinity,
}

export function growthMax(codec: Codec): number {
  return GROWTH_MAX[codec]
}

export function compress({ codec, level }: Compression, bytes: Uint8Array): Uint8Array {
  return codec === 'none' ? bytes : CODEC_WORK[codec].pack(asBuffer(bytes), level)
}

export function decompress(codec: Codec, bytes: Uint8Array): Uint8Array {
  const bounds = { now: DECOMPRESSED_BYTES_MAX, ever: DECOMPRESSED_BYTES_MAX }
  return decompressWithin(codec, bytes, bounds) as Uint8Array
}

/**
 * Like `decompress`, for a message of an old format: `id` is the number of its codec. zstd came
 * with format 2.
 */
export function decompressOld(id: number, bytes: Buffer, magic: number): Buffer {
  const codec = codecOf(id)
  if (codec === undefined || codec === 'zstd') {
    const sentence = `a message of format ${magic} in codec ${id}`
    throw new PartlogError('UNSUPPORTED_COMPRESSION_TYPE', sentence)
  }
  if (codec !== 'lz4' || magic > 0) return asBuffer(decompress(codec, bytes))
  try {
    return unpackOldLz4(bytes, DECOMPRESSED_BYTES_MAX)
  } catch (error) {
    throw whyNotUnpacked(codec, error, DECOMPRESSED_BYTES_MAX)
  }
}

/** How large the records of a batch may be. */
export interface Bounds {
  /** How many bytes may be unpacked at once. */
  readonly now: number
  /** A stream that grows beyond it is refused. */
  readonly ever: number
}

/**
 * Like `decompress`; undefined if the records are larger than may be unpacked now, but perhaps not
 * larger than may ever be. A stream that announces too much is not begun; any other stops at the
 * bound.
 */
export function decompressWithin(
  codec: Codec,
  bytes: Uint8Array,
  { now, ever }: Bounds,
): Uint8Array | undefined {
  if (codec === 'none') return bytes
  const { announcedSize, unpack } = CODEC_WORK[codec]
  const stream = asBuffer(bytes)
  const isPart = now < ever
  if (isPart && (now <= 0 || announcedSize(stream) > now)) return undefined
  try {
    return unpack(stream, Math.min(now, ever))
  } catch (error) {
    if (isPart && error instanceof GrowsTooLarge) return undefined
    throw whyNotUnpacked(codec, error, ever)
  }
}

function whyNotUnpacked(codec: Codec, error: unknown, bytesMax: number): unknown {
  if (!(error instanceof GrowsTooLarge)) return error
  const sentence = `${codec} stream grows beyond ${bytesMax} bytes`
  return new PartlogError('CORRUPT_MESSAGE', sentence, { cause: error })
}

// ── beside the event loop ────────────────────────────────────────────────────────────────

/** Like `compress`, in another thread, or in steps between which `turn` lets others go on. */
export function compressAside(
  { codec, level }: Compression,
  bytes: Uint8Array,
  turn: Turn,
): Promise<Uint8Array> {
  if (codec === 'none') return Promise.resolve(bytes)
  return CODEC_WORK[codec].packAside(asBuffer(bytes), level, turn)
}

/**
 * Like `decompress`, in another thread, or in steps between which `turn` lets others go on. Throws
 * CORRUPT_MESSAGE if the records are larger than `bytesMax`.
 */
export function decompressAside(
  codec: Codec,
  bytes: Uint8Array,
  turn: Turn,
  bytesMax = DECOMPRESSED_BYTES_MAX,
): Promise<Uint8Array> {
  if (codec === 'none') return Promise.resolve(bytes)
  const unpacked = CODEC_WORK[codec].unpackAside(asBuffer(bytes), bytesMax, turn)
  return unpacked.catch((error: unknown) => {
    throw whyNotUnpacked(codec, error, bytesMax)
  })
}
