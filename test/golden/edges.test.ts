/**
 * partlog's answers at the edges against those of a real broker, which stand in `edges.json`.
 *
 * With EDGES_AT=host:port a broker there, which must be new, is asked instead: are its answers those
 * of the file? With EDGES_WRITE they are put into it (`npm --prefix test/compat run golden:edges`).
 */

import { readFileSync, writeFileSync } from 'node:fs'
import type { Duplex } from 'node:stream'
import { isDeepStrictEqual } from 'node:util'
import { expect, it, onTestFinished } from 'vitest'
import { ZERO_UUID } from '../../src/base/uuid.js'
import { BROKER_SETTING_NAMES } from '../../src/broker/tools/broker-entries.js'
import { Cluster } from '../../src/cluster/cluster.js'
import { batchesOf } from '../../src/model/batch/batch.js'
import { errorId } from '../../src/model/errors.js'
import { CLIENT_METRICS_SETTINGS, GROUP_SETTINGS } from '../../src/model/resource-settings.js'
import { TOPIC_SETTINGS } from '../../src/model/topic-settings.js'
import type { ApiName, Request, Response } from '../../src/protocol/api.js'
import { reach, WireClient } from '../wire/client.js'
import { edges } from './edges.js'
import type { Ask, Place } from './edges/place.js'
import { mapped } from './replay.js'

const FILE = new URL('edges.json', import.meta.url)
const { EDGES_AT: BROKER, EDGES_WRITE } = process.env
const RECORDING_MS = 120_000
/** A broker that says nothing has not understood. */
const PATIENCE_MS = 10_000

const [LOADING, MISSING] = [
  errorId('COORDINATOR_LOAD_IN_PROGRESS'),
  errorId('COORDINATOR_NOT_AVAILABLE'),
]
const NOT_READY = new RegExp(`"errorCode":(${LOADING}|${MISSING})\\b`)
const pause = (): Promise<void> => new Promise(resolve => setTimeout(resolve, 20))

type Answers = Record<string, unknown>

/** What is answered otherwise: which answers, why, what is in ours, and the field, if it is one. */
const KNOWN: readonly (readonly [title: RegExp, why: string, ours: string, field?: string])[] = [
  [/^Metadata v12: the id of zeros/, 'Kafka fails with UNKNOWN_SERVER_ERROR', '"errorCode":17'],
  [/^Metadata v1[01]: .* (has none|old version)$/, 'Kafka names no brokers then', '"nodeId":1'],
  [/: delete what is none$/, 'Kafka is silent; a misspelt setting is told here', '"errorCode":40'],
  [/: an operation that is none$/, 'Kafka fails with UNKNOWN_SERVER_ERROR', '"errorCode":40'],
  [/^Produce .*: one more byte$/, 'Kafka drops it, and acknowledges the rest', '"errorCode":87'],
  [/^Produce .*: append time$/, 'Kafka takes it for the time of the producer', '"errorCode":32'],
  [/^Produce .*: a damaged stream$/, 'Kafka fails with UNKNOWN_SERVER_ERROR', '"errorCode":87'],
  [
    /^Produce .*: (it again|one that was before|one of the last five)/,
    'Kafka gives the time of the record as the time of the append',
    ...(['"logAppendTimeMs":-1', 'logAppendTimeMs'] as const),
  ],
  [/^Produce .*: no epoch: -1:0$/, 'whether the producer is known or not', '"errorCode":87'],
  [/, to be begun$/, 'no sessions are kept', '"sessionId":0', 'sessionId'],
  [
    /^DescribeGroups v[45]: (no name|one that)/,
    'nothing to allow there',
    ...(['"authorizedOperations":-2147483648', 'authorizedOperations'] as const),
  ],
  [
    /^DescribeConfigs v4: all of a broker$/,
    'settings of brokers are read-only',
    ...(['"readOnly":true', 'readOnly'] as const),
  ],
  [/^SyncGroup v5: without a type$/, 'taken for a client of before version 5', '"errorCode":0'],
]

/** What a broker chooses; that it has chosen is told. */
const CHOSEN = new Set([
  ...['memberId', 'leader', 'topicId', 'producerId', 'clusterId'],
  ...['sessionId', 'logDir'],
])
const LEFT_OUT = new Set([
  ...['throttleTimeMs', 'host', 'port', 'clientHost', 'documentation'],
  // How an error is said, and whether anything is said besides its code.
  ...['errorMessage', 'batchIndexErrorMessage'],
  ...['totalBytes', 'usableBytes'],
])

function comparable(answer: unknown, now: number): unknown {
  return mapped(answer, (name, field) => {
    if (LEFT_OUT.has(name)) return undefined
    if (CHOSEN.has(name)) return isNone(field) ? field : 'chosen'
    if (name === 'configs' && Array.isArray(field)) return settingsOf(field)
    if (name === 'records') return recordsIn(field)
    if (Array.isArray(field) && field.length > 1) return sorted(comparable(field, now) as unknown[])
    if (field instanceof Uint8Array) return Buffer.from(field).toString('latin1')
    if (typeof field === 'number' && Math.abs(field - now) < 1e8) return `now + ${field - now}`
    return field
  })
}

const isNone = (field: unknown): boolean =>
  [null, '', 0, -1, ZERO_UUID].includes(field as string | number | null)

/** What has its own value in every broker. */
const OF_BROKERS = new Set(['log.dirs', 'process.roles', 'group.max.size'])
const HERE = new Set([
  ...Object.keys(TOPIC_SETTINGS),
  ...[GROUP_SETTINGS, CLIENT_METRICS_SETTINGS].flatMap(({ settings }) => Object.keys(settings)),
  ...BROKER_SETTING_NAMES.filter(name => !OF_BROKERS.has(name)),
])

/** Of those that partlog has, but for the one that Kafka gives the whole cluster (KIP-966). */
function settingsOf(configs: readonly unknown[]): unknown[] {
  return configs
    .filter(each => {
      const { name } = each as { name: string }
      return HERE.has(name) && name !== 'min.insync.replicas'
    })
    .sort((a, b) => ((a as { name: string }).name < (b as { name: string }).name ? -1 : 1))
    .map(each => comparable(each, NaN))
}

/** Lists have no order. */
function sorted(list: readonly unknown[]): unknown[] {
  const keyed = list.map(each => [JSON.stringify(each), each] as const)
  return keyed.sort(([a], [b]) => (a < b ? -1 : 1)).map(([, each]) => each)
}

function recordsIn(records: unknown): unknown {
  if (records === null) return null
  const batches = [...batchesOf(records as Uint8Array)]
  return batches.map(
    ({ baseOffset, lastOffsetDelta, attributes }) =>
      `${baseOffset}+${lastOffsetDelta}, attributes ${attributes}`,
  )
}

class Notes {
  readonly answers: Answers = {}
  readonly #connect: () => WireClient
  /** For the question in hand, and for one that may have to wait. */
  readonly #clients: [WireClient, WireClient]

  constructor(
    connect: () => WireClient,
    readonly now: number,
  ) {
    this.#connect = connect
    this.#clients = [connect(), connect()]
  }

  get place(): Place {
    const settled: Place['settled'] = (topic, isThere) => this.#settled(topic, isThere)
    const until: Place['until'] = async (errorCode, api, version, request) => {
      const isSo = (answer: unknown): boolean =>
        (answer as { errorCode?: number }).errorCode === errorCode
      while (!isSo(await this.#clients[0].ask(api, version, request))) await pause()
    }
    return { ask: this.#askOn(0), other: this.#askOn(1), until, settled, now: this.now }
  }

  #askOn(line: 0 | 1): Ask {
    return async <A extends ApiName>(
      title: string,
      api: A,
      version: number,
      request: Request<A>,
    ): Promise<Response<A>> => {
      const name = `${api} v${version}: ${title}`
      expect(this.answers, 'a title is used once').not.toHaveProperty([name])
      this.answers[name] = 'not answered'
      try {
        const answer = await this.#answer(line, api, version, request)
        this.answers[name] = JSON.parse(JSON.stringify(comparable(answer, this.now)))
        return answer
      } catch (error) {
        this.answers[name] = (error as Error).message
        this.#clients[line].socket.destroy()
        this.#clients[line] = this.#connect()
        return {} as Response<A>
      }
    }
  }

  /** A coordinator that has just come into office wants to be asked again. */
  async #answer<A extends ApiName>(
    line: 0 | 1,
    api: A,
    version: number,
    request: Request<A>,
  ): Promise<Response<A>> {
    for (;;) {
      const answer = await inTime(this.#clients[line].ask(api, version, request))
      if (!NOT_READY.test(JSON.stringify(answer))) return answer
      await pause()
    }
  }

  async #settled(topic: string, isThere: boolean): Promise<string> {
    const request = { topics: [{ name: topic }], allowAutoTopicCreation: false }
    for (;;) {
      const { topics } = await this.#clients[0].ask('Metadata', 12, request)
      const [found] = topics
      const hasLeaders = found?.partitions.every(({ leaderId }) => leaderId >= 0) ?? false
      if ((found?.errorCode === 0 && hasLeaders) === isThere) return found?.topicId ?? ''
      await pause()
    }
  }
}

async function inTime<T>(answer: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('no answer')), PATIENCE_MS)
  })
  return await Promise.race([answer, late]).finally(() => clearTimeout(timer))
}

async function answersOf(connect: () => WireClient): Promise<Answers> {
  const notes = new Notes(connect, Date.now())
  await edges(notes.place)
  return notes.answers
}

it.runIf(BROKER !== undefined)(
  'a real broker answers as recorded',
  async () => {
    const answers = await answersOf(() => reach(BROKER as string))
    if (EDGES_WRITE !== undefined) writeFileSync(FILE, textOf(answers))
    expect(answers).toEqual(JSON.parse(readFileSync(FILE, 'utf8')))
  },
  RECORDING_MS,
)

/** One answer a line, so that a change can be seen. */
function textOf(answers: Answers): string {
  const lines = Object.entries(answers).map(
    ([title, answer]) => `  ${JSON.stringify(title)}: ${JSON.stringify(answer)}`,
  )
  return `{\n${lines.join(',\n')}\n}\n`
}

it('partlog answers as a real broker does', async () => {
  const cluster = await Cluster.memory({ defaultPartitions: 4 })
  onTestFinished(() => cluster.close())
  const [host = '', port] = (cluster.bootstrap[0] as string).split(':')
  const place = { host, port: Number(port), onConnect: () => undefined }
  const ours = await answersOf(() => new WireClient(cluster.socketFactory<Duplex>(place)))
  const theirs = JSON.parse(readFileSync(FILE, 'utf8')) as Answers
  expect(Object.keys(ours)).toEqual(Object.keys(theirs))
  expect(withoutKnown(ours)).toEqual(withoutKnown(theirs))
  for (const [pattern, why, expected] of KNOWN) {
    const differing = Object.keys(ours).filter(title => {
      return pattern.test(title) && !isDeepStrictEqual(ours[title], theirs[title])
    })
    expect(differing, `${why}: is it so still?`).not.toEqual([])
    for (const title of differing) expect(JSON.stringify(ours[title])).toContain(expected)
  }
})

function withoutKnown(answers: Answers): Answers {
  const kept = Object.entries(answers).flatMap(([title, answer]) => {
    const [known] = KNOWN.filter(([pattern]) => pattern.test(title))
    if (known === undefined) return [[title, answer]]
    const [, , , field] = known
    if (field === undefined) return []
    return [[title, mapped(answer, (name, value) => (name === field ? undefined : value))]]
  })
  return Object.fromEntries(kept) as Answers
}
