/**
 * The door: a cluster with topics, records and groups, and connections that send it anything. What
 * a cluster has kept of earlier inputs stays for a while, so that requests meet live state; then a
 * new one takes its place. Every answer can be decoded, none says that something unexpected has
 * happened, and the cluster still serves its own clients.
 */

import type { Duplex } from 'node:stream'
import { ByteReader } from '../../src/base/bytes.js'
import { crc32c } from '../../src/base/checksums/crc32c.js'
import { silentLogger } from '../../src/base/logger.js'
import { seededRandom, type Random } from '../../src/base/random.js'
import { virtualClock, type VirtualClock } from '../../src/base/virtual-clock.js'
import { Cluster } from '../../src/cluster/cluster.js'
import type { ApiName } from '../../src/protocol/api.js'
import { isUnanswered } from '../../src/protocol/channel.js'
import {
  apiOfKey,
  readCorrelationId,
  readRequestBody,
  readRequestHeader,
  readResponseBody,
  wireApi,
  type RequestHeader,
} from '../../src/protocol/framing.js'
import { withChanged } from '../../src/protocol/messages/message-places.js'
import { versionsOf } from '../../src/wire/versions.js'
import { MAKING, real, realRequests, REQUESTS } from '../wire/requests.js'
import { framed, numberFrom } from './stream-targets.js'
import { Broken, must, type Target } from './target.js'

/** Inputs that one cluster serves. */
const INPUTS_PER_WORLD = 400
const UNKNOWN_SERVER_ERROR = -1
const API_VERSIONS_KEY = 18
const CLIENT_FAULTS = ['FrameError', 'BytesError']

interface World {
  readonly cluster: Cluster
  readonly clock: VirtualClock
  inputs: number
  /** What connections ended by, and what the cluster has logged as an error. */
  readonly odd: string[]
}

let world: World | undefined

async function makeWorld(): Promise<World> {
  const odd: string[] = []
  const note = (sentence: string, details?: { error?: unknown }): void => {
    const { error } = details ?? {}
    if (!(error instanceof Error)) return
    // A class of its own has no name: the connection was ended on purpose.
    const isFault = CLIENT_FAULTS.includes(error.name) || error.constructor.name === 'Unanswerable'
    const isOdd = !isFault && error.constructor !== Error && error.name !== 'PartlogError'
    if (isOdd || /assertion failed|unexpected error/.test(error.message)) {
      odd.push(`${sentence}: ${error.stack ?? error.message}`)
    }
  }
  const logger = { ...silentLogger, info: note, warn: note, error: note }
  const clock = virtualClock()
  const options = { clock, logger, random: seededRandom(3), autoCreateTopics: false }
  const cluster = await Cluster.memory({ ...options, brokers: 2 })
  await cluster.admin.createTopic({ topic: 'orders', partitions: 2 })
  await cluster.admin.createTopic({ topic: 'table', config: { 'cleanup.policy': 'compact' } })
  const producer = cluster.producer()
  const messages = Array.from({ length: 20 }, (_, n) => ({ key: `k${n}`, value: `v${n}` }))
  for (const topic of ['orders', 'table']) await producer.send({ topic, messages })
  const offsets = [{ topic: 'orders', partition: 0, offset: 3 }]
  await cluster.admin.alterGroupOffsets({ groupId: 'g', offsets })
  return { cluster, clock, inputs: 0, odd }
}

async function worldNow(): Promise<World> {
  if (world !== undefined && world.inputs < INPUTS_PER_WORLD) return world
  const old = world
  world = undefined
  if (old !== undefined) await passing(old.clock, old.cluster.close())
  world = await makeWorld()
  return world
}

async function passing<T>(clock: VirtualClock, done: Promise<T>): Promise<T> {
  let isOver = false
  const noted = done.finally(() => (isOver = true))
  noted.catch(() => undefined)
  while (!isOver) await clock.advance(1_000)
  return await noted
}

/** The requests that a stream holds, as far as a broker reads them. */
function requestsIn(bytes: Buffer): { readonly api: ApiName; readonly header: RequestHeader }[] {
  const found: { readonly api: ApiName; readonly header: RequestHeader }[] = []
  for (let at = 0; at + 4 <= bytes.length;) {
    const size = bytes.readInt32BE(at)
    const end = at + 4 + size
    if (size < 0 || end > bytes.length) break
    const reader = new ByteReader(bytes, at + 4, end)
    at = end
    try {
      const header = readRequestHeader(reader)
      const api = apiOfKey(header.apiKey)
      if (header.apiKey === API_VERSIONS_KEY) found.push({ api: 'Metadata', header })
      if (api === undefined) continue
      const { min, max } = versionsOf(api)
      if (header.version < min || header.version > max) break
      reader.limitCounts(100_000)
      const request = readRequestBody(wireApi(api), header, reader)
      if (!isUnanswered(api, request as never)) found.push({ api, header })
    } catch {
      break
    }
  }
  return found
}

/** Each answer belongs to its request, and says nothing of an unexpected error. */
function checkAnswers(sent: Buffer, received: Buffer): number {
  let count = 0
  const requests = requestsIn(sent)
  for (let at = 0; at + 4 <= received.length; count++) {
    const end = at + 4 + received.readInt32BE(at)
    if (end > received.length) break
    const reader = new ByteReader(received, at + 4, end)
    at = end
    const asked = requests.shift()
    must(asked !== undefined, 'no answer without a request')
    const { api, header } = asked
    must(readCorrelationId(reader) === header.correlationId, `the answer is that of ${api}`)
    if (header.apiKey === API_VERSIONS_KEY) continue
    const response = readResponseBody(wireApi(api), header.version, reader)
    must(reader.remaining === 0, `${api} v${header.version} is answered with as many bytes`)
    withChanged(wireApi(api).response.type, response as never, 'error', (row, field) => {
      must(row[field] !== UNKNOWN_SERVER_ERROR, `${api} v${header.version}: unexpected error`)
      return row
    })
  }
  return count
}

async function door(bytes: Buffer): Promise<boolean> {
  const { cluster, clock, odd } = await worldNow()
  if (world !== undefined) world.inputs++
  const index = numberFrom(bytes) & 1
  const [host = '', port] = (cluster.bootstrap[index] as string).split(':')
  const onConnect = (): void => undefined
  const socket = cluster.socketFactory<Duplex>({ host, port: Number(port), onConnect })
  const received: Buffer[] = []
  let isClosed = false
  socket.on('error', () => undefined)
  socket.on('data', chunk => void received.push(chunk as Buffer))
  socket.once('close', () => (isClosed = true))
  const half = numberFrom(bytes) % (bytes.length + 1)
  socket.write(bytes.subarray(0, Math.abs(half)))
  await clock.advance(0)
  if (!isClosed) socket.write(bytes.subarray(Math.abs(half)))
  // Members, fetches and whatever else waits: their time is over.
  for (let round = 0; round < 3 && !isClosed; round++) await clock.advance(30_000)
  socket.end()
  for (let round = 0; !isClosed; round++) {
    await clock.advance(60_000)
    must(round < 200, 'the connection ends with its client')
  }
  must(odd.length === 0, () => odd.splice(0).join('\n'))
  const answers = checkAnswers(bytes, Buffer.concat(received))
  await checkCluster()
  return answers > 0
}

async function checkCluster(): Promise<void> {
  const { cluster, clock, inputs, odd } = world as World
  if (inputs % 50 !== 0) return
  const producer = cluster.producer()
  const sent = producer.send({ topic: 'orders', messages: [{ partition: 0, value: 'fine' }] })
  const [place] = await passing(clock, sent)
  const ends = await passing(clock, cluster.admin.listOffsets('orders', 'latest'))
  must(ends[0]?.offset === (place?.offset ?? 0) + 1, 'the cluster serves its own clients')
  await passing(clock, producer.close())
  if (odd.length > 0) throw new Broken(odd.splice(0).join('\n'))
}

// ── inputs ───────────────────────────────────────────────────────────────────────────────

const GONE_BY_NAME = { topics: [{ name: 'orders' }, { name: 'nowhere' }] }

function seeds(): Buffer[] {
  const all = realRequests()
  const made = REQUESTS.filter(({ api }) => !MAKING.includes(api)).map(({ frame }) => frame)
  const member = { groupId: 'g', generationId: 1, memberId: 'm', groupInstanceId: 'i' }
  const instance = {
    groupId: 's',
    sessionTimeoutMs: 6_000,
    rebalanceTimeoutMs: 6_000,
    memberId: '',
    groupInstanceId: 'i',
    protocolType: 'consumer',
    protocols: [{ name: 'range', metadata: Buffer.alloc(12) }],
  }
  const more = [
    real('Metadata', 9, GONE_BY_NAME),
    real('JoinGroup', 7, instance),
    real('SyncGroup', 3, { ...member, assignments: [{ memberId: 'm', assignment: Buffer.alloc(2) }] }),
    real('Heartbeat', 3, member),
    real('LeaveGroup', 3, { groupId: 's', members: [{ memberId: '', groupInstanceId: 'i' }] } as never),
    real('DeleteRecords', 1, {
      topics: [{ name: 'orders', partitions: [{ partitionIndex: 0, offset: 2 }] }],
      timeoutMs: 1_000,
    } as never),
    real('InitProducerId', 1, { transactionalId: null, transactionTimeoutMs: 1_000 } as never),
  ]
  const frames = [...all, ...more].map(({ frame }) => frame)
  return [
    ...frames.map(frame => framed(frame)),
    ...frames.map((frame, at) => framed(frame, frames[(at + 5) % frames.length] as Buffer)),
    ...made.map((frame, at) => framed(frame, frames[at % frames.length] as Buffer)),
    framed(...frames),
    Buffer.from('GET / HTTP/1.1\r\nHost: a\r\n\r\n'),
    Buffer.from('16030100c8010000c40303', 'hex'),
  ]
}

/** The sizes of the frames, and the checksums of the batches in them. */
function repair(bytes: Buffer, random: Random): Buffer {
  for (let at = 0; at + 4 <= bytes.length;) {
    const left = bytes.length - at - 4
    const size = bytes.readInt32BE(at)
    if (size < 0 || size > left) bytes.writeInt32BE(left, at)
    at += 4 + bytes.readInt32BE(at)
  }
  for (let at = 0; at + 61 <= bytes.length; at++) {
    const size = bytes.readInt32BE(at + 8) + 12
    if (bytes[at + 16] !== 2 || size < 61 || at + size > bytes.length) continue
    bytes.writeUInt32BE(crc32c(bytes, at + 21, at + size), at + 17)
    if (random.int(4) === 0) break
  }
  return bytes
}

export const DOOR_TARGET: Target = {
  name: 'door',
  seeds,
  repair,
  words: ['orders', 'table', 'g', '__consumer_offsets', 'x'],
  run: door,
  refuses: () => false,
  // Of a cluster's lives as well: what it has kept, and what is not yet collected.
  memory: { bytes: 96 * 1024 * 1024, perByte: 4_000 },
  inputs: 1_200,
}
