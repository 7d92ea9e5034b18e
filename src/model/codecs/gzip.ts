/* gzip (RFC 1952). A stream may have several members; bytes after them are ignored. */

import type { CodecWork } from './codec.js'
import { LEVELS } from './levels.js'
import { nodeCodec, zlib } from './node-codec.js'

/** Header and trailer of a stream. */
const STREAM_BYTES_MIN = 18

export const gzip: CodecWork = nodeCodec({
  name: 'gzip',
  packNow: () => zlib().gzipSync,
  packAside: () => zlib().gzip,
  optionsOf: (level = LEVELS.gzip.fallback) => ({ level }),
  unpackNow: () => zlib().gunzipSync,
  unpackAside: () => zlib().gunzip,
  growth: 1_032, // deflate: a match of 258 bytes in 2 bits
  announcedSize,
})

/** Its last four bytes. A stream of several members announces only that of its last member. */
function announcedSize(bytes: Buffer): number {
  return bytes.length < STREAM_BYTES_MIN ? 0 : bytes.readUInt32LE(bytes.length - 4)
}
