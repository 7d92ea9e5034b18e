/* The levels of the codecs that have levels, with the values of Kafka's settings. */

import { integer, type OptionType } from '../../base/options.js'

export const LEVELS = {
  gzip: { max: 9, fallback: -1 },
  lz4: { min: 1, max: 17, fallback: 9 },
  zstd: { min: -131_072, max: 22, fallback: 3 },
} as const

const levels = integer(1, LEVELS.gzip.max)

/** 1 to 9, or −1 for zlib's default; 0, which compresses nothing, is none, as in Kafka. */
export const gzipLevel: OptionType<number> = {
  expected: `${levels.expected}, or ${LEVELS.gzip.fallback}`,
  parse: value => (value === LEVELS.gzip.fallback ? value : levels.parse(value)),
  parseText: text =>
    Number(text) === LEVELS.gzip.fallback ? LEVELS.gzip.fallback : levels.parseText(text),
}
