/** What a new process takes. */

export function starting() {
  const row = (name, field, atMost) => ({
    row: { name, field, run: 'start', measure: 'start', unit: 'ms', params: {} },
    floor: { row: name, atMost },
  })
  const all = [
    row("import 'partlog', above an empty program", 'importMs', 15),
    row('the first unit test after it', 'firstTestMs', 20),
    row('each next one', 'nextTestMs', 2),
    row('open, append a durable record, close: above an empty program', 'durableMs', 45),
  ]
  return {
    name: 'start',
    title: 'What a new process takes',
    durability: 'page cache; the last one fdatasync',
    rows: all.map(({ row }) => row),
    floors: all.map(({ floor }) => floor),
  }
}
