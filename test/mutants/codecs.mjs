/** Bugs of src/model/codecs: see list.mjs. */

const SNAPPY = { file: 'model/codecs/snappy-block.ts', by: ['model/codecs/snappy'] }
const FRAMING = { file: 'model/codecs/snappy.ts', by: ['model/codecs/snappy'] }
const LZ4 = { file: 'model/codecs/lz4-block.ts', by: ['model/codecs/lz4'] }
const FRAME = { file: 'model/codecs/lz4.ts', by: ['model/codecs/lz4'] }
const PACKING = { by: ['model/codecs/packing'] }
const ZSTD = { file: 'model/codecs/zstd-frames.ts', by: ['model/codecs/zstd'] }
const UNSEEN = 'the search writes no damaged streams'

export const codecs = [
  {
    name: 'snappy: a copy reaches into what lies before the block',
    ...SNAPPY,
    from: 'distance > out - outStart',
    to: 'distance > out',
    unseen: UNSEEN,
  },
  {
    name: 'snappy: a literal may reach beyond its block',
    ...SNAPPY,
    from: 'if (length > end - at) {',
    to: 'if (length > bytes.length - at) {',
    unseen: UNSEEN,
  },
  {
    name: 'snappy: a block may be larger than it announces',
    ...SNAPPY,
    from: 'if (length > outEnd - out) throw broken(GROWS)\n    out = copyMatch',
    to: 'if (length > into.length - out) throw broken(GROWS)\n    out = copyMatch',
    equivalent: 'the end of the block notices it, and what was overwritten is thrown away',
  },
  {
    name: 'snappy: what a block announces is allocated, whatever it can hold',
    ...SNAPPY,
    from: 'if (size > (end - at) * GROWTH) {',
    to: 'if (size > 2 ** 33) {',
    unseen: UNSEEN,
  },
  {
    name: 'snappy: the bound counts one block at a time',
    ...FRAMING,
    from: 'size += contentOf(bytes, start, end).size',
    to: 'size = contentOf(bytes, start, end).size',
    unseen: UNSEEN,
  },
  {
    name: 'snappy: streams that were joined are not read',
    ...FRAMING,
    from: 'if (isHeader(bytes, at)) {',
    to: 'if (at === 0) {',
    unseen: UNSEEN,
  },
  {
    name: 'snappy: a large block is one step',
    ...FRAMING,
    from: 'unpackElements(block, until)',
    to: 'unpackElements(block, Infinity)',
    unseen: 'it counts no turns of the event loop',
  },
  {
    name: 'lz4: a match reaches into the block before it',
    ...LZ4,
    from: 'distance > out - outStart',
    to: 'distance > out',
    unseen: UNSEEN,
  },
  {
    name: 'lz4: a length of 15 + 255 ends at its first byte',
    ...LZ4,
    from: 'for (let more = MORE; more === MORE && at < end;) {\n        more = bytes[at++] as number\n        match += more',
    to: 'for (let more = MORE; more === MORE && at < end;) {\n        more = 0\n        match += bytes[at++] as number',
    unseen: UNSEEN,
  },
  {
    name: 'lz4: a block may end with a match',
    ...LZ4,
    from: "if (at >= end) throw broken('a block ends with a match')",
    to: "if (at > end) throw broken('a block ends with a match')",
    unseen: UNSEEN,
  },
  {
    name: 'lz4: a block may be larger than its frame allows',
    ...LZ4,
    from: "if (length > outEnd - out) throw broken('a block is larger than its frame allows')",
    to: "if (length > 2 ** 32 - out) throw broken('a block is larger than its frame allows')",
    unseen: UNSEEN,
  },
  {
    name: 'lz4: the checksum of the header is not looked at',
    ...FRAME,
    from: 'const isWrong = check !== bytes[checkAt] && !anyHeaderCheck',
    to: 'const isWrong = false && !anyHeaderCheck',
    unseen: UNSEEN,
  },
  {
    name: 'lz4: a small part of a large buffer keeps all of it',
    ...FRAME,
    from: 'return size < buffer.length >>> 1 ? Buffer.from(part) : part',
    to: 'return part',
    unseen: 'it measures no memory',
  },
  {
    name: 'snappy: a long copy leaves a rest of three bytes',
    ...PACKING,
    file: 'model/codecs/snappy-pack.ts',
    from: 'left >= COPY_MAX + MATCH_MIN;',
    to: 'left >= COPY_MAX;',
    unseen: 'its records are small',
  },
  {
    name: 'lz4: the last five bytes may be part of a match',
    file: 'model/codecs/lz4-pack.ts',
    ...PACKING,
    from: 'const LAST_LITERAL_BYTES = 5',
    to: 'const LAST_LITERAL_BYTES = 0',
    unseen: 'its reader does not mind',
  },
  {
    name: 'zstd: a frame that ends early counts as whole',
    ...ZSTD,
    from: "if (end > bytes.length) throw broken('it ends early')",
    to: '',
    unseen: UNSEEN,
  },
  {
    name: 'zstd: the checksum of a frame is taken for the next frame',
    ...ZSTD,
    from: 'return at + (head.hasCheck ? INT_BYTES : 0)',
    to: 'return at',
    unseen: UNSEEN,
  },
  {
    name: 'the records of a batch may be larger than max.decompressed.message.bytes lets them be',
    file: 'partition/contents.ts',
    by: ['partition/admission'],
    from: 'return Math.min(DECOMPRESSED_BYTES_MAX, Math.max(recordsCount, 0) * each)',
    to: 'return DECOMPRESSED_BYTES_MAX + 0 * each * recordsCount',
    unseen: 'no batch of it grows so far',
  },
  {
    name: 'compaction forgets the codec of a batch',
    file: 'log/compaction/batch-filter.ts',
    by: ['log/compaction/log-cleaner'],
    from: 'await compressAside({ codec }, records,',
    to: "await compressAside({ codec: codec && 'gzip' }, records,",
    unseen: 'it compacts no compressed topics',
  },
]
