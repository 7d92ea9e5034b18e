/** How long the event loop does not turn. */

export function holding({ append }) {
  const params = { durability: 'process', kind: 'bytes' }
  const row = (name, more) => ({
    name,
    field: 'loopBusyMs',
    measure: 'append',
    unit: 'ms',
    params: { ...params, ...more },
  })
  const large = 50_000
  const one = 'partlog, a send of 50,000 records'
  const many = 'partlog, 8 sends of 1,000 in flight'
  return {
    name: 'loop',
    title: 'The longest time the event loop does not turn',
    durability: 'page cache',
    rows: [
      row(one, { batch: large, count: 4 * large, warmUp: 2 * large }),
      row(many, { inFlight: 8, count: append / 2, warmUp: append / 4 }),
    ],
    floors: [
      { row: one, atMost: 12 },
      { row: many, atMost: 12 },
    ],
  }
}
