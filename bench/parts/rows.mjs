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

const SLOW_WRITERS = ['classic-level']
const SLOW_READERS = ['classic-level', 'flumelog-offset', 'better-sqlite3', 'lmdb']

/**
 * A row for each of the peers. Slow ones get a share of the records, so that a short run takes four
 * minutes: their figures are rates.
 */
function rowsOf(peers, { params, ...row }, shareOf) {
  return peers.map(peer => {
    const count = Math.ceil(params.count * shareOf(peer))
    return { name: peer, needs: peer, ...row, params: { peer, ...params, count } }
  })
}

export function writingPeers(peers, row, { slowShare }) {
  return rowsOf(peers, row, peer => (SLOW_WRITERS.includes(peer) ? slowShare : 1))
}

export function readingPeers(peers, row, { slowShare }) {
  return rowsOf(peers, row, peer => (SLOW_READERS.includes(peer) ? slowShare : 1))
}
