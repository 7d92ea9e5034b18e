/**
 * What clients asked a real broker, asked again of partlog: the answers are the same, field by
 * field, but for what a broker chooses and for the differences that are listed here.
 */

import { isDeepStrictEqual } from 'node:util'
import { describe, expect, it } from 'vitest'
import { batchesOf } from '../../src/model/batch/batch.js'
import type { Response } from '../../src/protocol/api.js'
import { SESSIONS, type Session } from './frames.js'
import { mapped, replayed, type Exchange } from './replay.js'

const FETCH = 1
const CREATE_TOPICS = 19
/** What is served, and up to which version, is of the broker's own. */
const API_VERSIONS = 18

/** Chosen by the broker, or of the place where it runs. */
const OWN = new Set([
  ...['memberId', 'leader', 'topicId', 'producerId', 'clusterId', 'throttleTimeMs'],
  ...['host', 'port', 'clientHost'],
])

/** Known differences: API, field, and why it is none that a client minds. */
const KNOWN: readonly (readonly [api: number, field: string, why: string])[] = [
  [1, 'sessionId', 'partlog opens no fetch sessions: 0, as Kafka when it has too many'],
  [1, 'highWatermark', 'where it is when a fetch is answered is a matter of milliseconds'],
  [1, 'lastStableOffset', 'as the high watermark'],
  [1, 'records', 'which fetch brings them is a matter of milliseconds; all are compared below'],
  [19, 'configs', 'partlog has fewer settings; those it has are compared below'],
]

function known(api: number): Set<string> {
  return new Set(KNOWN.filter(([number]) => number === api).map(([, field]) => field))
}

/** Elements have no order of their own: brokers answer in the order of their hash maps. */
function keyOf(element: unknown): string {
  const { partitionIndex, index, name, topic, groupId, nodeId } = Object(element) as Record<
    string,
    unknown
  >
  return String(partitionIndex ?? index ?? name ?? topic ?? groupId ?? nodeId ?? '')
}

function comparable(value: unknown, ignored: ReadonlySet<string>): unknown {
  return sorted(
    mapped(value, (name, field) => {
      if (OWN.has(name) || ignored.has(name)) return undefined
      // How it is said is the broker's own; that something is said is not.
      return name === 'errorMessage' && field !== null ? 'a sentence' : field
    }),
  )
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) {
    const keyed = value.map((each: unknown) => {
      const own = sorted(each)
      return [keyOf(each) || JSON.stringify(own), own] as const
    })
    return keyed.sort(([a], [b]) => (a < b ? -1 : 1)).map(([, each]) => each)
  }
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, sorted(field)]))
}

/** The batches that all fetches together brought, as bytes. */
function fetchedBatches(exchanges: readonly Exchange[], side: 'theirs' | 'ours'): string[] {
  const found = new Set<string>()
  for (const exchange of exchanges) {
    if (exchange.frame.api !== FETCH) continue
    mapped(exchange[side], (name, field) => {
      if (name !== 'records' || !(field instanceof Uint8Array)) return field
      for (const { bytes } of batchesOf(field)) found.add(Buffer.from(bytes).toString('hex'))
      return field
    })
  }
  return [...found].sort()
}

const replays = new Map<Session, Promise<Exchange[]>>()

function exchangesOf(session: Session): Promise<Exchange[]> {
  const known = replays.get(session) ?? replayed(session)
  replays.set(session, known)
  return known
}

/** Settings that came after Kafka 4.1, whose answers were recorded; `edges.json` has them. */
const NEWER = new Set([
  ...['errors.deadletterqueue.group.enable', 'max.decompressed.message.bytes'],
  ...['remote.copy.lag.bytes', 'remote.copy.lag.ms'],
])

/** Of topics that were made; not where a setting comes from, for that is the broker's own. */
function settingsOf(answer: unknown): unknown[] {
  const { topics } = answer as Response<'CreateTopics'>
  return topics.flatMap(({ configs }) =>
    (configs ?? [])
      .filter(({ name }) => !NEWER.has(name))
      .map(({ configSource, ...setting }) => setting),
  )
}

/** Would the answers differ if this field of an API were not left out? */
function differs(exchanges: readonly Exchange[], api: number, field: string): boolean {
  const others = known(api)
  others.delete(field)
  return exchanges
    .filter(({ frame }) => frame.api === api)
    .some(({ theirs, ours }) => {
      return !isDeepStrictEqual(comparable(theirs, others), comparable(ours, others))
    })
}

describe('what a client asked a real broker', () => {
  it.each(SESSIONS)('partlog answers requests as a real broker does: $client', async session => {
    const exchanges = await exchangesOf(session)
    const different = exchanges
      .filter(({ frame }) => frame.api !== API_VERSIONS)
      .map(({ frame, theirs, ours }) => {
        const { id, api, version } = frame
        const place = `request ${id}, API ${api} v${version}`
        const ignored = known(api)
        return { place, theirs: comparable(theirs, ignored), ours: comparable(ours, ignored) }
      })
    expect(different.map(({ place, ours }) => ({ place, is: ours }))).toEqual(
      different.map(({ place, theirs }) => ({ place, is: theirs })),
    )
    // A fetch that is answered sooner brings less, and is not asked again: never anything else.
    const batches = fetchedBatches(exchanges, 'ours')
    expect(fetchedBatches(exchanges, 'theirs')).toEqual(expect.arrayContaining(batches))
    expect(batches.length).toBeGreaterThan(12)
  })

  it('partlog reports the settings of a new topic as a real broker does', async () => {
    const exchanges = (await Promise.all(SESSIONS.map(exchangesOf))).flat()
    const created = exchanges.filter(({ frame }) => frame.api === CREATE_TOPICS)
    const theirs = created.flatMap(({ theirs }) => settingsOf(theirs))
    const ours = created.flatMap(({ ours }) => settingsOf(ours))
    expect(theirs).toEqual(expect.arrayContaining(ours))
    expect(ours.length).toBeGreaterThan(15)
  })

  it('every listed difference to a real broker occurs', async () => {
    const exchanges = (await Promise.all(SESSIONS.map(exchangesOf))).flat()
    const needless = KNOWN.filter(([api, field]) => !differs(exchanges, api, field))
    expect(needless).toEqual([])
  })
})
