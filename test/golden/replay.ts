/**
 * Sends what a client sent to a real broker to a cluster in memory, in the same order, and waits
 * for each answer where the client had got its own. Ids that brokers choose are put into the
 * requests as this cluster chose them.
 */

import type { Duplex } from 'node:stream'
import { ByteReader } from '../../src/base/bytes.js'
import { ZERO_UUID } from '../../src/base/uuid.js'
import { virtualClock } from '../../src/base/virtual-clock.js'
import { Cluster } from '../../src/cluster/cluster.js'
import { batchesOf } from '../../src/model/batch/batch.js'
import {
  readCorrelationId,
  readRequestBody,
  readRequestHeader,
  readResponseBody,
  wireApi,
} from '../../src/protocol/framing.js'
import { framesOf } from '../../src/wire/frames.js'
import { layoutsOf, type Frame, type Session } from './frames.js'
import { encodeRequest } from '../wire/encoded.js'

/** An answer of the real broker, and the one of the cluster in memory. */
export interface Exchange {
  readonly frame: Frame
  readonly theirs: unknown
  readonly ours: unknown
}

const PRODUCE = 0
const STEP_MS = 50
const STEPS_MAX = 400
const SESSION_TIMEOUT_MS = 600_000
/** Fields with what a broker makes up, by which clients know something afterwards. */
const CHOSEN = new Set(['memberId', 'leader', 'topicId', 'producerId', 'sessionId'])

export async function replayed({ frames }: Session): Promise<Exchange[]> {
  const clock = virtualClock(startOf(frames))
  const cluster = await Cluster.memory({ clock, defaultPartitions: 4 })
  const replay = new Replay(cluster, clock)
  try {
    // The recorded broker was not new: its topic of committed offsets was there.
    await replay.findCoordinator()
    for (const frame of frames) await replay.step(frame)
    return replay.exchanges
  } finally {
    await cluster.close()
  }
}

/** When the first records were sent: they must not be from the future. */
function startOf(frames: readonly Frame[]): number {
  for (const frame of frames) {
    if (frame.api !== PRODUCE || frame.kind !== 'request') continue
    const api = wireApi('Produce')
    const reader = new ByteReader(frame.bytes)
    const { topicData } = readRequestBody(api, readRequestHeader(reader), reader)
    const records = topicData[0]?.partitionData[0]?.records
    for (const batch of batchesOf(records ?? new Uint8Array())) return batch.maxTimestamp
  }
  return 0
}

class Replay {
  readonly exchanges: Exchange[] = []
  readonly #cluster: Cluster
  readonly #clock: ReturnType<typeof virtualClock>
  readonly #lines = new Map<number, Line>()
  readonly #chosen = new Map<unknown, unknown>()

  constructor(cluster: Cluster, clock: ReturnType<typeof virtualClock>) {
    this.#cluster = cluster
    this.#clock = clock
  }

  /** Makes the topic of committed offsets. */
  async findCoordinator(): Promise<void> {
    const header = { version: 2, correlationId: 0, clientId: null }
    const request = { key: 'warm', coordinatorKeys: [] }
    const frame = { id: 0, connection: 0, api: 10, version: 2, bytes: Buffer.alloc(0) }
    const line = this.#line(0)
    line.send(0, encodeRequest(wireApi('FindCoordinator'), header, request))
    await this.#answer(line, { ...frame, kind: 'response' })
  }

  async step(frame: Frame): Promise<void> {
    const api = layoutsOf(frame)
    if (api === undefined) return
    const line = this.#line(frame.connection)
    const reader = new ByteReader(frame.bytes)
    if (frame.kind === 'request') {
      const header = readRequestHeader(reader)
      const body = this.#asHere(readRequestBody(api, header, reader))
      line.send(frame.id, encodeRequest(api, header, body))
      await this.#clock.advance(0)
      return
    }
    const ours = new ByteReader(await this.#answer(line, frame))
    for (const each of [reader, ours]) readCorrelationId(each)
    const [theirs, own] = [reader, ours].map(each => readResponseBody(api, frame.version, each))
    this.#learn(theirs, own)
    this.exchanges.push({ frame, theirs, ours: own })
  }

  #line(connection: number): Line {
    let line = this.#lines.get(connection)
    if (line === undefined) {
      const [host = '', port] = (this.#cluster.bootstrap[0] as string).split(':')
      const place = { host, port: Number(port), onConnect: () => undefined }
      line = new Line(this.#cluster.socketFactory<Duplex>(place))
      this.#lines.set(connection, line)
    }
    return line
  }

  /** What waits for time to pass gets it. */
  async #answer(line: Line, { id, api, version }: Frame): Promise<Buffer> {
    for (let step = 0; step < STEPS_MAX; step++) {
      const answer = line.answers.get(id)
      if (answer !== undefined) return answer
      if (line.hasEnded) break
      await this.#clock.advance(STEP_MS)
    }
    throw new Error(`no answer to frame ${id}, API ${api} v${version}`)
  }

  /** A request with the ids of this cluster; heartbeats that only repeat were not kept. */
  #asHere(value: unknown): unknown {
    return mapped(value, (name, field) => {
      if (name === 'sessionTimeoutMs') return SESSION_TIMEOUT_MS
      return CHOSEN.has(name) && this.#chosen.has(field) ? this.#chosen.get(field) : field
    })
  }

  #learn(theirs: unknown, ours: unknown): void {
    if (!isRecord(theirs) || !isRecord(ours)) return
    for (const [name, field] of Object.entries(theirs)) {
      const own = counterpart(ours, name, field)
      if (!CHOSEN.has(name)) this.#learn(field, own)
      // The first time is the one that counts: lists of members have no order.
      else if (isChosen(field) && !this.#chosen.has(field)) this.#chosen.set(field, own)
    }
  }
}

/** The same field, or the element of a list that has the same name. */
function counterpart(ours: Record<string, unknown>, name: string, field: unknown): unknown {
  if (!Array.isArray(ours) || !isRecord(field) || field.name === undefined) return ours[name]
  return ours.find((each: unknown) => isRecord(each) && each.name === field.name)
}

/** A connection: its answers by the ids of their requests. */
class Line {
  readonly answers = new Map<number, Buffer>()
  hasEnded = false
  readonly #socket: Duplex
  readonly #asked: number[] = []

  constructor(socket: Duplex) {
    this.#socket = socket
    socket.on('error', () => undefined)
    void this.#listen()
  }

  send(id: number, frame: Buffer): void {
    this.#asked.push(id)
    this.#socket.write(frame)
  }

  async #listen(): Promise<void> {
    for await (const frame of framesOf(this.#socket as AsyncIterable<Uint8Array>)) {
      this.answers.set(this.#asked.shift() as number, frame)
    }
    this.hasEnded = true
  }
}

/** Not one of the values that stand for none. */
function isChosen(id: unknown): boolean {
  return id !== '' && id !== -1 && id !== 0 && id !== ZERO_UUID && id !== null
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !ArrayBuffer.isView(value)
}

/** A message with some of its fields changed. */
export function mapped(value: unknown, change: (name: string, field: unknown) => unknown): unknown {
  if (Array.isArray(value)) return value.map((each: unknown) => mapped(each, change))
  if (!isRecord(value)) return value
  const fields = Object.entries(value).map(([name, field]) => {
    const changed = change(name, field)
    return [name, changed === field ? mapped(field, change) : changed] as const
  })
  return Object.fromEntries(fields)
}
