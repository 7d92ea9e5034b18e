/** All records of a topic, in order. */

import { RSS_MAX_BYTES, readingPeers } from '../parts/rows.mjs'

const PEERS = [
  'async-append-only-log',
  'JSONL',
  'lmdb',
  'better-sqlite3',
  'flumelog-offset',
  'classic-level',
]

export function reading(sizes) {
  const { stored: count } = sizes
  const consume = (name, params) => ({
    name: `partlog, ${name}`,
    measure: 'consume',
    unit: 'k/s',
    dir: 'stored',
    params: { count, ...params },
  })
  const best = 'async-append-only-log'
  return {
    name: 'read',
    title: 'Read all records in order',
    durability: 'page cache',
    rows: [
      consume('eachBatch', { way: 'eachBatch' }),
      consume('eachBatch, no value touched', { way: 'untouched' }),
      consume('eachBatch, strings', { way: 'eachBatch', as: 'string' }),
      consume('for await', { way: 'forAwait' }),
      consume('eachRecord', { way: 'eachRecord' }),
      consume('poll', { way: 'poll' }),
      ...readingPeers(
        PEERS,
        {
          measure: 'peer-read',
          unit: 'k/s',
          dir: 'stored',
          params: { count },
        },
        sizes,
      ),
      {
        name: 'C: read, CRC-32C',
        needs: 'C',
        measure: 'limit',
        unit: 'GB/s',
        dir: 'stored',
        params: { what: 'read' },
      },
    ],
    floors: [
      { row: 'partlog, eachBatch', over: best, atLeast: 2.1 },
      { row: 'partlog, eachBatch, no value touched', over: best, atLeast: 2.8 },
      { row: 'partlog, for await', over: best, atLeast: 1.4 },
      { row: 'partlog, eachRecord', over: best, atLeast: 1.1 },
      { row: 'partlog, eachBatch, strings', over: 'partlog, eachBatch', atLeast: 0.9 },
      {
        text: 'bytes of memory',
        row: 'partlog, eachBatch',
        by: 'rssBytes',
        atMost: RSS_MAX_BYTES,
      },
    ],
  }
}
