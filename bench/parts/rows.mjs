/** What the questions share: the peers, and how much is written before anything is timed. */

/** Records: enough for the optimiser to have seen them. */
export const WARM_UP = 200_000

/** Bytes: the bound on the memory of a process that appends or reads. */
export const RSS_MAX_BYTES = 100 * 2 ** 20

export const PEERS = [
  'lmdb',
  'better-sqlite3',
  'flumelog-offset',
  'async-append-only-log',
  'classic-level',
  'JSONL',
]

/** Records that a slow peer gets, as a share of the others': a run shall take four minutes. */
const SHARES = { 'classic-level': 0.2 }

/** One row for each of the peers. */
export function rowsOfPeers(peers, { params, ...row }) {
  return peers.map(peer => {
    const count = params.count * (SHARES[peer] ?? 1)
    return { name: peer, needs: peer, ...row, params: { peer, ...params, count } }
  })
}
