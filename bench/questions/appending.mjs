/** Batches of 1,000 records, sent sequentially, into the page cache. */

import { RSS_MAX_BYTES, writingPeers, WARM_UP } from '../parts/rows.mjs'

/** Those that neither sync nor answer before they write. */
const PEERS = ['lmdb', 'flumelog-offset', 'JSONL', 'better-sqlite3', 'classic-level']

const LIMIT = 'C: copy, CRC-32C, write'

export function appending(sizes) {
  const { append: count, raw } = sizes
  const params = { count, warmUp: WARM_UP, durability: 'process' }
  const partlog = { measure: 'append', unit: 'k/s' }
  const [bytes, keyed] = ['partlog', 'partlog, keyed strings, 6 partitions']
  return {
    name: 'append',
    title: 'Append 1,000 records at a time',
    durability: 'page cache',
    rows: [
      { ...partlog, name: bytes, params: { ...params, kind: 'bytes' } },
      { ...partlog, name: 'partlog, strings', params: { ...params, kind: 'strings' } },
      { ...partlog, name: keyed, params: { ...params, kind: 'keyed', partitions: 6 } },
      ...writingPeers(
        PEERS,
        {
          measure: 'peer-append',
          unit: 'k/s',
          params: { count, warmUp: WARM_UP },
        },
        sizes,
      ),
      {
        name: LIMIT,
        needs: 'C',
        measure: 'limit',
        unit: 'GB/s',
        params: { what: 'append', bytes: raw },
      },
    ],
    floors: [
      { row: bytes, by: 'bytesPerMs', over: LIMIT, atLeast: 0.28 },
      { row: bytes, over: 'lmdb', atLeast: 2.4 },
      { row: keyed, by: 'bytesPerMs', over: LIMIT, atLeast: 0.2 },
      { row: keyed, over: 'lmdb', atLeast: 1.6 },
      { text: 'bytes on the disk ÷ of values', row: bytes, by: 'bytesPerValueByte', atMost: 1.11 },
      { text: 'bytes of memory', row: bytes, by: 'rssBytes', atMost: RSS_MAX_BYTES },
    ],
  }
}
