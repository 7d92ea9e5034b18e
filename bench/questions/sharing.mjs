/** 64 senders that each await their record on the disk; they share syncs. */

import { writingPeers, WARM_UP } from '../parts/rows.mjs'

const SENDERS = 64

export function sharing(sizes) {
  const { shared: count } = sizes
  const params = { count, warmUp: WARM_UP / 100, senders: SENDERS }
  const own = 'partlog'
  const peers = ['better-sqlite3', 'JSONL', 'classic-level', 'lmdb']
  return {
    name: 'shared',
    title: `${SENDERS} senders, each awaiting its record on the disk`,
    durability: 'fdatasync',
    rows: [
      {
        name: own,
        measure: 'send',
        unit: 'k/s',
        params: { ...params, durability: 'power', kind: 'bytes' },
      },
      ...writingPeers(
        peers,
        {
          measure: 'peer-send',
          unit: 'k/s',
          params: { ...params, isSynced: true },
        },
        sizes,
      ),
      {
        name: `C: ${SENDERS} records of 64 bytes and a sync at a time`,
        needs: 'C',
        measure: 'limit',
        unit: 'k/s',
        params: { what: 'sync', count: Math.ceil(count / SENDERS), perSync: SENDERS },
      },
    ],
    floors: [{ row: own, over: 'better-sqlite3', atLeast: 0.85 }],
  }
}
