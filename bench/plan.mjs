/**
 * What is measured, row by row.
 *
 *   measure   the file in measure/, told `params`; its `dir` is 'own' (new every time) or 'stored'
 *   unit      'k/s' (records a second), 'MB/s' (bytes a second), 'ms' or 'µs'
 *   peer      the row of JSON lines that does the same work with the same durability, as most
 *             programs do it
 *   bare      the same, written for speed alone
 *   limit     the row of bare writes that no program can be faster than
 *   floor     what partlog promises itself: times its peer, or a figure
 */

const SIZES = {
  full: {
    append: 2_000_000,
    single: 300_000,
    shared: 200_000,
    stored: 5_000_000,
    reads: 20_000,
    raw: 256e6,
    rawSynced: 64e6,
  },
  quick: {
    append: 200_000,
    single: 30_000,
    shared: 10_000,
    stored: 300_000,
    reads: 2_000,
    raw: 32e6,
    rawSynced: 8e6,
  },
}

/** Records: enough for the optimiser to have seen them. */
const WARM_UP = 200_000
const SENDERS = 64

export const RSS_MAX_BYTES = 150e6

export function sizesOf(isQuick) {
  return isQuick ? SIZES.quick : SIZES.full
}

export function planOf(sizes) {
  return [
    ...appending(sizes.append),
    ...sending(sizes.single, sizes.shared),
    ...reading(sizes),
    ...limits(sizes),
  ]
}

function appending(count) {
  const append = { unit: 'k/s', dir: 'own' }
  const params = { count, warmUp: WARM_UP }
  const partlog = { ...append, measure: 'append' }
  const jsonl = { ...append, measure: 'jsonl-append' }
  const synced = {
    peer: 'bare JSONL append 1,000 at a time, fdatasync each',
    limit: 'raw write of 128 KiB blocks, fdatasync each',
  }
  return [
    {
      ...partlog,
      name: "append 1,000 at a time, 'process'",
      params: { ...params, durability: 'process' },
      peer: 'JSONL append 1,000 at a time',
      bare: 'bare JSONL append 1,000 at a time',
      limit: 'raw write of 128 KiB blocks',
      floor: { timesPeer: 2 },
    },
    {
      ...partlog,
      name: "append 1,000 at a time, 'power'",
      params: { ...params, durability: 'power' },
      ...synced,
    },
    {
      ...partlog,
      name: "append 1,000 at a time, 8 sends in flight, 'power'",
      params: { ...params, durability: 'power', inFlight: 8 },
      ...synced,
    },
    { ...jsonl, name: 'JSONL append 1,000 at a time', params },
    { ...jsonl, name: 'bare JSONL append 1,000 at a time', params: { ...params, sync: 'never' } },
    {
      ...jsonl,
      name: 'bare JSONL append 1,000 at a time, fdatasync each',
      params: { ...params, sync: 'batch' },
    },
  ]
}

function sending(single, shared) {
  const row = { unit: 'k/s', dir: 'own' }
  const one = { count: single, warmUp: WARM_UP, durability: 'process' }
  const many = { count: shared, warmUp: WARM_UP / 100, senders: SENDERS }
  return [
    {
      ...row,
      name: "send one, await, 'process'",
      measure: 'send',
      params: one,
      peer: 'bare JSONL write one',
      floor: { atLeast: 200 },
    },
    { ...row, name: 'send one, await, in memory', measure: 'send', dir: 'none', params: one },
    {
      ...row,
      name: `${SENDERS} senders, each awaiting, 'power'`,
      measure: 'send',
      params: { ...many, durability: 'power' },
      peer: `bare JSONL ${SENDERS} senders share fdatasync`,
    },
    { ...row, name: 'bare JSONL write one', measure: 'jsonl-send', params: one },
    {
      ...row,
      name: `bare JSONL ${SENDERS} senders share fdatasync`,
      measure: 'jsonl-send',
      params: many,
    },
  ]
}

function reading({ stored: count, reads }) {
  const consume = {
    unit: 'k/s',
    dir: 'stored',
    measure: 'consume',
    peer: 'JSONL read and parse',
    bare: 'bare JSONL read and parse',
    floor: { timesPeer: 2 },
  }
  const stored = { dir: 'stored' }
  return [
    { ...consume, name: 'consume with eachBatch', params: { count, way: 'eachBatch' } },
    {
      ...consume,
      name: 'consume with eachBatch, as strings',
      params: { count, way: 'eachBatch', as: 'string' },
    },
    { ...consume, name: 'consume with for await', params: { count, way: 'forAwait' } },
    {
      ...stored,
      name: 'JSONL read and parse',
      measure: 'jsonl-read',
      unit: 'k/s',
      params: { count },
    },
    {
      ...stored,
      name: 'bare JSONL read and parse',
      measure: 'jsonl-read',
      unit: 'k/s',
      params: { count, isBare: true },
    },
    {
      ...stored,
      name: `open ${count.toLocaleString('en-US')} records`,
      measure: 'open',
      unit: 'ms',
      params: {},
      floor: { atMost: 50 },
    },
    {
      ...stored,
      name: 'seek anywhere, read one (p50)',
      measure: 'random-read',
      unit: 'µs',
      params: { count, reads },
    },
  ]
}

function limits({ raw, rawSynced }) {
  const row = { measure: 'raw-write', unit: 'MB/s', dir: 'own' }
  return [
    { ...row, name: 'raw write of 128 KiB blocks', params: { bytes: raw, sync: false } },
    {
      ...row,
      name: 'raw write of 128 KiB blocks, fdatasync each',
      params: { bytes: rawSynced, sync: true },
    },
  ]
}
