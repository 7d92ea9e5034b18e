/** Many partitions in one process. */

export function partitions({ partitions: count, spread }) {
  const many = count.toLocaleString('en-US')
  const row = (what, field) => ({
    name: `partlog, ${what} ${many} partitions`,
    field,
    run: 'partitions',
    measure: 'partitions',
    unit: 'ms',
    rounds: 1,
    params: { partitions: count },
  })
  const spreadOver = partitions => ({
    name: `partlog, 1,000 records over ${partitions.toLocaleString('en-US')}, per record`,
    measure: 'spread',
    unit: 'µs',
    params: { partitions, count: spread, warmUp: spread / 4 },
  })
  const [create, open, close] = [
    row('create', 'createMs'),
    row('open', 'openMs'),
    row('close', 'closeMs'),
  ]
  const [one, thousand] = [spreadOver(1), spreadOver(1_000)]
  return {
    name: 'partitions',
    title: 'Many partitions',
    durability: 'page cache',
    rows: [create, open, close, one, thousand],
    floors: [
      { row: create.name, atMost: 5_000 },
      { row: open.name, atMost: 400 },
      { row: close.name, atMost: 2_000 },
      { row: thousand.name, over: one.name, atMost: 5 },
    ],
  }
}
