/** What three copies cost: acks 'all', one send of 1,000 in flight. */

export function replicas({ copies: count }) {
  const row = (name, copies, inFlight) => ({
    name,
    measure: 'append',
    unit: 'k/s',
    params: {
      count,
      warmUp: count / 2,
      durability: 'process',
      kind: 'bytes',
      acks: 'all',
      brokers: 3,
      copies,
      inFlight,
    },
  })
  const [one, three] = ['partlog, 1 copy', 'partlog, 3 copies']
  return {
    name: 'replicas',
    title: "Append 1,000 at a time, acks 'all'",
    durability: 'page cache',
    rows: [
      row(one, 1, 1),
      row(three, 3, 1),
      row(`${one}, 8 in flight`, 1, 8),
      row(`${three}, 8 in flight`, 3, 8),
    ],
    floors: [{ row: three, over: one, atLeast: 0.45 }],
  }
}
