/** One record by its offset. */

import { readingPeers } from '../parts/rows.mjs'

const PEERS = [
  ...['lmdb', 'better-sqlite3', 'async-append-only-log'],
  ...['flumelog-offset', 'classic-level'],
]

export function random(sizes) {
  const { stored: count, reads } = sizes
  const row = { unit: 'µs', dir: 'stored' }
  const params = { count, reads }
  const [anywhere, tail] = ['partlog, anywhere', 'partlog, among the last 1,000']
  const bare = 'bare: an index look-up, a read, a walk'
  return {
    name: 'random',
    title: 'Read one record by its offset (p50)',
    durability: 'page cache',
    rows: [
      { ...row, name: anywhere, measure: 'random-read', params },
      { ...row, name: tail, measure: 'random-read', params: { ...params, isTail: true } },
      { ...row, name: bare, measure: 'bare-random', params },
      ...readingPeers(PEERS, { ...row, measure: 'peer-random', params }, sizes),
    ],
    floors: [
      { row: anywhere, over: bare, atMost: 3 },
      { row: tail, over: bare, atMost: 3 },
    ],
  }
}
