/**
 * What is kept of a recording: the session in its order, without what only repeats. Of the frames
 * of an API and version in one connection that ask and answer the same but for their numbers, the
 * first few are kept.
 */

const SAME_MAX = 1
const FETCH = 1
const HEARTBEAT = 12
const METADATA = 3

/** What a session repeats while it waits. */
const IDLE = new Set([FETCH, HEARTBEAT, METADATA])

export function curated(events) {
  const responses = new Map(
    events.filter(({ kind }) => kind === 'response').map(event => [event.id, event]),
  )
  const seen = new Map()
  const kept = new Set()
  for (const { kind, id, api, version, bytes } of events) {
    if (kind !== 'request') continue
    const answer = responses.get(id)
    if (answer === undefined && api !== 0) continue // the session ended first
    const said = IDLE.has(api)
      ? `${api}/${version}/${idless(bytes, 8)}/${idless(answer.bytes, 4)}`
      : id
    const count = (seen.get(said) ?? 0) + 1
    seen.set(said, count)
    if (count <= SAME_MAX) kept.add(id)
  }
  return renumbered(events.filter(({ id }) => kept.has(id)))
}

/** Without the correlation id, which ends there. */
const idless = (bytes, end) => bytes.subarray(end).toString('base64')

function renumbered(events) {
  const connections = new Map()
  const ids = new Map()
  const numberOf = (numbers, key) => {
    if (!numbers.has(key)) numbers.set(key, numbers.size + 1)
    return numbers.get(key)
  }
  return events.map(event => ({
    ...event,
    connection: numberOf(connections, event.connection),
    id: numberOf(ids, event.id),
  }))
}

/** One line per event, so that a change shows where it is. */
export function framesText(events) {
  const lines = events.map(({ connection, kind, id, api, version, bytes }) =>
    JSON.stringify([kind, id, connection, api, version, bytes.toString('base64')]),
  )
  return `[\n${lines.join(',\n')}\n]\n`
}
