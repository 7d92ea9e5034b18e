/** What an idle consumer costs while a test moves the clock. */

export function virtualTime({ hours }) {
  const row = brokers => ({
    name: `partlog, ${brokers} ${brokers === 1 ? 'broker' : 'brokers'}`,
    measure: 'idle',
    unit: 'ms',
    dir: 'none',
    params: { brokers, hours },
  })
  const rows = [row(1), row(3)]
  return {
    name: 'virtual-time',
    title: 'CPU of a virtual hour with an idle consumer of a group',
    durability: 'in memory',
    rows,
    floors: rows.map(({ name }) => ({ row: name, atMost: 50 })),
  }
}
