/** Opening a folder: after a clean close, and after a kill. */

import { TOPIC } from '../parts/topic.mjs'

export function opening({ stored }) {
  const open = { measure: 'open', unit: 'ms' }
  const clean = `partlog, ${stored.toLocaleString('en-US')} records`
  const empty = 'partlog, no records'
  const killed = 'partlog, after kill -9'
  const limit = 'C: read, CRC-32C'
  return {
    name: 'open',
    title: 'Open a folder',
    durability: 'page cache',
    rows: [
      { ...open, name: clean, dir: 'stored', params: { topic: TOPIC } },
      { ...open, name: empty, dir: 'empty', params: {} },
      { name: killed, measure: 'open-killed', unit: 'GB/s', needs: 'killed', params: {} },
      {
        name: limit,
        needs: 'C',
        measure: 'limit',
        unit: 'GB/s',
        dir: 'stored',
        params: { what: 'read' },
      },
    ],
    floors: [
      { row: clean, atMost: 10, orTimes: [12, empty] },
      { row: killed, over: limit, atLeast: 0.2 },
    ],
  }
}
