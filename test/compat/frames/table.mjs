/**
 * Which client uses which API in which version, at a real broker (the golden frames) and at partlog
 * (its session now, through the recording proxy): `npm --prefix test/compat run table`.
 */

import { readFileSync } from 'node:fs'
import { recordAll, recordAtPartlog } from './recording.mjs'

const GOLDEN = new URL('../../golden/frames/', import.meta.url)
const NAMES = new Map([
  ...[
    [0, 'Produce'],
    [1, 'Fetch'],
    [2, 'ListOffsets'],
    [3, 'Metadata'],
    [8, 'OffsetCommit'],
  ],
  ...[
    [9, 'OffsetFetch'],
    [10, 'FindCoordinator'],
    [11, 'JoinGroup'],
    [12, 'Heartbeat'],
  ],
  ...[
    [13, 'LeaveGroup'],
    [14, 'SyncGroup'],
    [15, 'DescribeGroups'],
    [16, 'ListGroups'],
  ],
  ...[
    [18, 'ApiVersions'],
    [19, 'CreateTopics'],
    [20, 'DeleteTopics'],
    [22, 'InitProducerId'],
  ],
  ...[
    [42, 'DeleteGroups'],
    [69, 'ConsumerGroupDescribe'],
  ],
])

/** The versions of each API, as text. */
function versionsIn(events) {
  const found = new Map()
  for (const { kind, api, version } of events) {
    if (kind !== 'request') continue
    if (!found.has(api)) found.set(api, new Set())
    found.get(api).add(version)
  }
  const inOrder = versions => [...versions].sort((a, b) => a - b)
  return new Map([...found].map(([api, versions]) => [api, `v${inOrder(versions).join(', v')}`]))
}

function goldenEvents(name) {
  const lines = JSON.parse(readFileSync(new URL(`${name}.json`, GOLDEN), 'utf8'))
  return lines.map(([kind, , , api, version]) => ({ kind, api, version }))
}

const recorded = await recordAll(recordAtPartlog)
const columns = recorded.map(({ name, events }) => ({
  name,
  atKafka: versionsIn(goldenEvents(name)),
  atPartlog: versionsIn(events),
}))

function cell({ atKafka, atPartlog }, api) {
  const [there, here] = [atKafka.get(api) ?? '–', atPartlog.get(api) ?? '–']
  return there === here ? here : `${here} (Kafka: ${there})`
}

const apis = new Set(
  columns.flatMap(({ atKafka, atPartlog }) => [...atKafka.keys(), ...atPartlog.keys()]),
)
console.log(`| API | ${columns.map(({ name }) => name).join(' | ')} |`)
console.log(`|---|${columns.map(() => '---|').join('')}`)
for (const api of [...apis].sort((a, b) => a - b)) {
  console.log(`| ${NAMES.get(api) ?? api} | ${columns.map(each => cell(each, api)).join(' | ')} |`)
}
