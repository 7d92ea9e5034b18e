/** One record at a time, each awaited before the next is sent. */

import { writingPeers, WARM_UP } from '../parts/rows.mjs'

export function singles(sizes) {
  const { single: count, slowSingle } = sizes
  const send = { measure: 'send', unit: 'k/s' }
  const params = { count, warmUp: WARM_UP / 4, durability: 'process', kind: 'bytes' }
  const peer = total => ({
    measure: 'peer-send',
    unit: 'k/s',
    params: { count: total, warmUp: total / 10 },
  })
  const [disk, memory] = ['partlog', 'partlog, in memory']
  return {
    name: 'single',
    title: 'Send one record, await it',
    durability: 'page cache',
    rows: [
      { ...send, name: disk, params },
      { ...send, name: memory, dir: 'none', params },
      { ...send, name: 'partlog, keyed strings', params: { ...params, kind: 'keyed' } },
      ...writingPeers(['better-sqlite3', 'lmdb'], peer(count), sizes),
      ...writingPeers(['JSONL', 'flumelog-offset', 'classic-level'], peer(slowSingle), sizes),
    ],
    floors: [
      { row: disk, over: 'better-sqlite3', atLeast: 2.4 },
      { row: memory, over: disk, atLeast: 1 },
    ],
  }
}
