/** Streams of a connection: frames that are split anywhere, and a client with hostile answers. */

import { seededRandom } from '../../src/base/random.js'
import { virtualClock } from '../../src/base/virtual-clock.js'
import { APIS, type ApiName } from '../../src/protocol/api.js'
import { wireApi } from '../../src/protocol/framing.js'
import { ClientConnection } from '../../src/wire/client-connection.js'
import { framesOf } from '../../src/wire/frames.js'
import { MemorySocket } from '../../src/wire/memory-socket.js'
import { MESSAGES } from '../golden/messages.js'
import { must, mustEqual, typedOr, type Target } from './target.js'

export function framed(...bodies: readonly Uint8Array[]): Buffer {
  return Buffer.concat(
    bodies.flatMap(body => {
      const size = Buffer.alloc(4)
      size.writeInt32BE(body.length)
      return [size, body]
    }),
  )
}

/** A number that depends on all bytes, so that an input always runs in the same way. */
export function numberFrom(bytes: Buffer): number {
  return bytes.reduce((sum, byte) => (Math.imul(sum, 31) + byte) | 0, bytes.length)
}

const MAX_BYTES = 4_096

/** The same frames, or the same refusal, whatever the chunks are. */
async function frames(bytes: Buffer): Promise<boolean> {
  const whole = await framesIn([bytes])
  const random = seededRandom(numberFrom(bytes))
  for (const most of [1, 40, 5_000]) {
    const chunks: Buffer[] = []
    for (let at = 0; at < bytes.length;) {
      const size = 1 + random.int(most)
      chunks.push(bytes.subarray(at, at + size))
      at += size
    }
    const split = await framesIn(chunks)
    must(split.refusal?.message === whole.refusal?.message, 'chunks do not matter')
    must(split.frames.length === whole.frames.length, 'as many frames')
    for (const [at, frame] of split.frames.entries()) {
      mustEqual(frame, whole.frames[at] as Buffer, `frame ${at}`)
    }
  }
  if (whole.refusal !== undefined) throw whole.refusal
  mustEqual(framed(...whole.frames), bytes, 'frames and their bytes')
  return true
}

async function framesIn(chunks: readonly Buffer[]) {
  const frames: Buffer[] = []
  const stream = (async function* () {
    yield* chunks
  })()
  try {
    for await (const frame of framesOf(stream, { maxBytes: MAX_BYTES })) frames.push(frame)
    return { frames, refusal: undefined }
  } catch (error) {
    return { frames, refusal: error as Error }
  }
}

// ── a client ─────────────────────────────────────────────────────────────────────────────

const HEAD_BYTES = 2
const NAMES = Object.keys(APIS) as ApiName[]

function answerSeeds(): Buffer[] {
  return MESSAGES.flatMap(({ name, version, bytes, isRefused }) => {
    const index = NAMES.indexOf(name.replace(/Response$/, '') as ApiName)
    if (index < 0 || isRefused || !name.endsWith('Response')) return []
    const { response } = wireApi(NAMES[index] as ApiName)
    const tags = Buffer.alloc(version >= response.flexibleSince ? 1 : 0)
    const answer = framed(Buffer.concat([Buffer.from([0, 0, 0, 1]), tags, bytes]))
    return [Buffer.concat([Buffer.from([index, version]), answer])]
  })
}

/** A client has asked: it gets an answer, or NETWORK_EXCEPTION, and forgets the request. */
async function answer(bytes: Buffer): Promise<boolean> {
  const name = NAMES[bytes[0] as number]
  if (bytes.length < HEAD_BYTES || name === undefined) return false
  const api = wireApi(name)
  const [min, max] = [api.request.versions[0], api.request.versions[1]]
  const version = min + ((bytes[1] as number) % (max - min + 1))
  const clock = virtualClock()
  const [ours, theirs] = MemorySocket.pair()
  theirs.on('error', () => undefined)
  const connection = new ClientConnection({
    stream: ours,
    address: 'host:1',
    clientId: 'c',
    clock,
  })
  const asked = connection.ask(api, version, api.request.type.none as never, 1_000)
  theirs.resume()
  theirs.end(bytes.subarray(HEAD_BYTES))
  try {
    await asked
    return true
  } finally {
    while (connection.isOpen) await new Promise(resolve => setImmediate(resolve))
    must(connection.waitingCount === 0, 'no request is left')
    must(clock.pendingTimers === 0, 'no timer is left')
  }
}

export const STREAM_TARGETS: readonly Target[] = [
  {
    name: 'frames',
    seeds: () => [
      framed(),
      framed(Buffer.from('a'), Buffer.alloc(0), Buffer.alloc(300, 7)),
      framed(Buffer.alloc(MAX_BYTES), Buffer.from('after')),
      Buffer.from('GET / HTTP/1.1\r\n\r\n'),
    ],
    run: frames,
    refuses: typedOr('FrameError'),
    // A chunk per byte, each with its promises.
    memory: { bytes: 16 * 1024 * 1024, perByte: 8_000 },
    inputs: 1_200,
  },
  {
    name: 'answers',
    seeds: answerSeeds,
    run: answer,
    refuses: typedOr(),
    inputs: 6_000,
  },
]
