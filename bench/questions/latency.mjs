/** From a send to a consumer that waits for the record. */

export function latency({ latency: count }) {
  const row = (name, way) => ({
    name,
    measure: 'latency',
    unit: 'µs',
    params: { way, count, warmUp: count / 4 },
  })
  const [loop, handler] = ['partlog, for await', 'partlog, eachRecord']
  const bare = 'bare write and read of the bytes'
  const oneMode = 'one mode: p90 ÷ p50'
  return {
    name: 'latency',
    title: 'From a send to a consumer that waits (p50)',
    durability: 'page cache',
    rows: [row(loop, 'forAwait'), row(handler, 'eachRecord'), row(bare, 'bare')],
    floors: [
      { row: loop, over: bare, atMost: 1.5 },
      { row: handler, over: bare, atMost: 1.5 },
      { text: oneMode, row: loop, by: 'modes', atMost: 2 },
      { text: oneMode, row: handler, by: 'modes', atMost: 2 },
    ],
  }
}
