/**
 * Batches that are unpacked before they are appended: once each, the large ones in another thread
 * and in steps, in the order in which they came.
 */

import zlib from 'node:zlib'
import { beforeEach, describe, expect, it, vi, type Mock } from 'vitest'
import { putVarint } from '../../../src/base/bytes.js'
import { BATCH_HEADER_BYTES, writeHeader } from '../../../src/model/batch/batch.js'
import { errorOf as codeOf } from '../../../src/model/errors.js'
import type { Request, Response } from '../../../src/protocol/api.js'
import { wireApi } from '../../../src/protocol/framing.js'
import { wireWorld } from '../../wire/client.js'
import { brokerWorld, errorOf } from '../replication/world.js'

const { gzipSync } = zlib
// Counts, and holds, what is unpacked.
const realBehind = zlib.gunzip as (...given: unknown[]) => void
const atOnce = vi.spyOn(zlib, 'gunzipSync') as unknown as Mock
const behind = vi.spyOn(zlib, 'gunzip') as unknown as Mock

beforeEach(() => {
  atOnce.mockClear()
  behind.mockClear()
  behind.mockImplementation(realBehind)
})

const counts = (): number[] => [atOnce.mock.calls.length, behind.mock.calls.length]
const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await turn()
}

/** Unpacking in other threads waits until `go` is called; `held` is how many do. */
function hold() {
  const held: (() => void)[] = []
  behind.mockImplementation((...given) => void held.push(() => realBehind(...given)))
  const go = (): void => {
    for (const begin of held.splice(0)) begin()
  }
  return { held, go }
}

const T = Date.UTC(2026, 0, 1)
const NULL = 0x01

interface Shape {
  readonly records: number
  readonly bytes?: number
  /** From this one on they have no key. */
  readonly keyless?: number
  readonly sequence?: number
}

/** Plain records, each with so many bytes of value, all the same time. */
function plainRecords({ records, bytes = 0, keyless = Infinity }: Shape): Buffer {
  const room = Buffer.alloc(records * (bytes + 24))
  const body = Buffer.alloc(bytes + 24)
  let at = 0
  for (let index = 0; index < records; index++) {
    let end = putVarint(body, index, 2)
    if (index >= keyless) body[end++] = NULL
    else {
      end = putVarint(body, 1, end)
      body[end++] = 0x6b
    }
    end = putVarint(body, bytes, end) + bytes
    body[end++] = 0
    at = putVarint(room, end, at)
    body.copy(room, at, 0, end)
    at += end
  }
  return room.subarray(0, at)
}

function batch(payload: Uint8Array, { records, sequence }: Shape, codec: 'none' | 'gzip'): Buffer {
  const bytes = Buffer.concat([Buffer.alloc(BATCH_HEADER_BYTES), payload])
  const producer = sequence === undefined ? {} : { producerId: 7, producerEpoch: 0 }
  writeHeader(bytes, 0, bytes.length, {
    lastOffsetDelta: records - 1,
    recordsCount: records,
    codec,
    baseTimestamp: T,
    maxTimestamp: T,
    ...producer,
    baseSequence: sequence,
  })
  return bytes
}

const zipped = (shape: Shape): Buffer => batch(gzipSync(plainRecords(shape)), shape, 'gzip')

const SMALL: Shape = { records: 3, bytes: 100 }
const LARGE: Shape = { records: 3, bytes: 200_000 }
const small = (sequence?: number): Buffer => zipped({ ...SMALL, sequence })
const large = (sequence?: number): Buffer => zipped({ ...LARGE, sequence })

type Loads = readonly (readonly [index: number, records: Buffer])[]

function produceRequest(topic: string, loads: Loads, isForeign = true): Request<'Produce'> {
  const partitionData = loads.map(([index, records]) => ({ index, records }))
  const common = { transactionalId: null, acks: 1, timeoutMs: 30_000, isForeign, mayBeZstd: true }
  return { ...common, topicData: [{ name: topic, partitionData }] }
}

/** The partition's code, with the offset when it is NONE. */
function outcomes({ responses }: Response<'Produce'>): (string | number)[] {
  return responses.flatMap(({ partitionResponses }) =>
    partitionResponses.map(({ errorCode, baseOffset }) =>
      errorCode === 0 ? baseOffset : codeOf(errorCode),
    ),
  )
}

async function shop(settings: Record<string, unknown> = {}, partitions = 2) {
  const world = await brokerWorld(partitions)
  await world.cluster.admin.createTopic({ topic: 't', partitions, config: settings })
  const send = (loads: Loads, isForeign = true): Promise<Response<'Produce'>> =>
    Promise.resolve(world.client.send(1, 'Produce', produceRequest('t', loads, isForeign)))
  const end = async (partition = 0): Promise<number | null | undefined> =>
    (await world.cluster.admin.listOffsets('t'))[partition]?.offset
  return { ...world, send, end }
}

const WIDE = { 'max.message.bytes': 80_000_000 }
const ASKING = {
  'cleanup.policy': 'compact',
  'message.timestamp.before.max.ms': 2 ** 52,
  'compression.type': 'uncompressed',
  ...WIDE,
}

describe('a batch is unpacked once, whatever looks into it', () => {
  it.each<[string, Record<string, unknown>]>([
    ['nothing else', {}],
    ['keys', { 'cleanup.policy': 'compact' }],
    ['times', { 'message.timestamp.before.max.ms': 2 ** 52 }],
    ['another codec', { 'compression.type': 'uncompressed', ...WIDE }],
    ['all of them', ASKING],
  ])('a batch is unpacked once: %s', async (_, settings) => {
    const { send } = await shop(settings)
    expect(outcomes(await send([[0, small()]]))).toEqual([0])
    expect(counts()).toEqual([1, 0])
    expect(outcomes(await send([[0, large()]]))).toEqual([3])
    expect(counts()).toEqual([1, 1])
  })

  it('a batch of our own producer is unpacked only if a check needs it', async () => {
    const { send } = await shop()
    await send([[0, large()]], false)
    expect(counts()).toEqual([0, 0])
    const other = await shop(ASKING)
    await other.send([[0, small()]], false)
    await other.send([[0, large()]], false)
    expect(counts()).toEqual([1, 1])
  })

  it('a large batch is read back as it was sent', async () => {
    const { send, cluster } = await shop(ASKING, 1)
    await send([[0, large()]])
    await send([[0, small()]])
    const consumer = cluster.consumer({ autoOffsetReset: 'earliest' })
    await consumer.assign([{ topic: 't', partition: 0 }])
    const sizes: number[] = []
    for (; sizes.length < 6; await turn()) {
      for (const { value } of await consumer.poll()) sizes.push(value?.length ?? -1)
    }
    expect(sizes).toEqual([200_000, 200_000, 200_000, 100, 100, 100])
  })
})

describe('a request unpacks so much at once and no more', () => {
  it('batches beyond the limit of a request are unpacked in the background', async () => {
    const { send, end } = await shop({}, 10)
    const shape = { records: 1, bytes: 60_000 }
    const loads = Array.from({ length: 10 }, (_, index) => [index, zipped(shape)] as const)
    expect(outcomes(await send(loads))).toEqual(Array(10).fill(0))
    expect(counts()).toEqual([4, 6]) // of 256 KiB
    expect(await end(9)).toBe(1)
  })

  it('a stream that claims to be small is unpacked once; later ones wait', async () => {
    const { send } = await shop({}, 10)
    const plain = plainRecords(LARGE)
    // Two members: the last four bytes speak of the second one.
    const stream = Buffer.concat([gzipSync(plain.subarray(0, -5)), gzipSync(plain.subarray(-5))])
    const liar = batch(stream, LARGE, 'gzip')
    const loads = Array.from({ length: 10 }, (_, index) => [index, Buffer.from(liar)] as const)
    expect(outcomes(await send(loads))).toEqual(Array(10).fill(0))
    expect(counts()).toEqual([1, 10])
  })

  it('nothing is unpacked at once after a damaged stream', async () => {
    const { send } = await shop({}, 10)
    const damaged = zipped({ records: 1, bytes: 200_000 })
    const bad = batch(damaged.subarray(BATCH_HEADER_BYTES, -9), { records: 1 }, 'gzip')
    const loads = Array.from({ length: 10 }, (_, index) => [index, Buffer.from(bad)] as const)
    expect(new Set(outcomes(await send(loads)))).toEqual(new Set(['INVALID_RECORD']))
    expect(atOnce.mock.calls.length).toBeLessThanOrEqual(1)
  })
})

/** How many turns others get after the batch was unpacked, until it is appended. */
async function turnsDuring(work: () => Promise<unknown>): Promise<number> {
  let turns = 0
  behind.mockImplementation((bytes, options, unpacked: (...given: unknown[]) => void) =>
    realBehind(bytes, options, (...given: unknown[]) => {
      turns = 0
      unpacked(...given)
    }),
  )
  let isDone = false
  const done = work().finally(() => (isDone = true))
  for (; !isDone; turns++) await turn()
  await done
  return turns
}

describe('others get turns while a large batch is looked into', () => {
  it('others get turns during 60 MB of one record with 30 million headers', async () => {
    const { send, end } = await shop()
    const headers = 30_000_000
    const head = Buffer.alloc(30)
    head[3] = NULL
    head[4] = NULL
    const headEnd = putVarint(head, headers, 5)
    const length = Buffer.alloc(5)
    const lengthEnd = putVarint(length, headEnd + 2 * headers, 0)
    const parts = [length.subarray(0, lengthEnd), head.subarray(0, headEnd)]
    const stream = gzipSync(Buffer.concat([...parts, Buffer.alloc(2 * headers)]))
    const bytes = batch(stream, { records: 1 }, 'gzip')
    expect(await turnsDuring(() => send([[0, bytes]]))).toBeGreaterThan(headers / 16_384)
    expect(counts()).toEqual([0, 1])
    expect(await end()).toBe(1)
  })

  it('others get turns during a batch of many small records', async () => {
    const { send, end } = await shop()
    const bytes = zipped({ records: 500_000 })
    expect(await turnsDuring(() => send([[0, bytes]]))).toBeGreaterThan(500_000 / 16_384)
    expect(await end()).toBe(500_000)
  })

  it('appends to other partitions continue while a large batch is checked', async () => {
    const { send } = await shop()
    const { held, go } = hold()
    const first = send([[0, large()]])
    await until(() => held.length === 1)
    expect(outcomes(await send([[1, small()]]))).toEqual([0])
    go()
    expect(outcomes(await first)).toEqual([0])
  })
})

describe('a large batch that is refused', () => {
  it.each<[string, Buffer, RegExp]>([
    ['no gzip', batch(Buffer.alloc(3_000, 0xff), { records: 1 }, 'gzip'), /gzip stream is damaged/],
    ['a bomb', batch(gzipSync(Buffer.alloc(70e6)), { records: 9 }, 'gzip'), /beyond 67108864 bytes/],
    ['too few records', batch(gzipSync(plainRecords(LARGE)), { records: 4 }, 'gzip'), /record 0 b/],
    ['too many', batch(gzipSync(plainRecords(LARGE)), { records: 2 }, 'gzip'), /bytes left over/],
  ])('a large batch is refused with a reason and not written: %s', async (_, bytes, sentence) => {
    const { send, end } = await shop()
    const answer = await send([[0, bytes]])
    const [response] = answer.responses[0]?.partitionResponses ?? []
    expect(outcomes(answer)).toEqual(['INVALID_RECORD'])
    expect(response?.errorMessage).toMatch(sentence)
    expect(await end()).toBe(0)
    expect(outcomes(await send([[0, small()]]))).toEqual([0])
  })

  it('a large batch that is refused for its records names one of them', async () => {
    const { send } = await shop({ 'cleanup.policy': 'compact' })
    const shape = { records: 100_000, keyless: 60_000 }
    const answer = await send([[0, zipped(shape)]])
    const [response] = answer.responses[0]?.partitionResponses ?? []
    const sentence = 'records of a compacted topic need a key'
    expect(outcomes(answer)).toEqual(['INVALID_RECORD'])
    expect(response?.recordErrors).toEqual([
      { batchIndex: 60_000, batchIndexErrorMessage: sentence },
    ])
  })

  it('a large batch that is refused for its times names the oldest one', async () => {
    const { send, clock } = await shop({ 'message.timestamp.before.max.ms': 1 })
    await clock.advance(7_200_000)
    const answer = await send([[0, large()]])
    const [response] = answer.responses[0]?.partitionResponses ?? []
    expect(outcomes(answer)).toEqual(['INVALID_TIMESTAMP'])
    expect(response?.recordErrors).toMatchObject([{ batchIndex: 0 }])
  })

  it('a large batch that is refused for its header is not unpacked', async () => {
    const { send } = await shop({ 'max.message.bytes': 100 })
    expect(outcomes(await send([[0, large()]]))).toEqual(['MESSAGE_TOO_LARGE'])
    const other = await shop()
    const rotten = large()
    rotten[17]! ^= 1
    expect(outcomes(await other.send([[0, rotten]]))).toEqual(['CORRUPT_MESSAGE'])
    expect(counts()).toEqual([0, 0])
  })
})

describe('batches keep their order', () => {
  it('batches of one connection keep their order after a large one', async () => {
    const { cluster, connect } = await wireWorld()
    await cluster.admin.createTopic({ topic: 't' })
    const client = connect()
    const api = wireApi('Produce')
    for (const [sequence, make] of [[0, large], [3, small], [6, large], [9, small]] as const) {
      client.send(api, 9, produceRequest('t', [[0, make(sequence)]]))
    }
    for (let index = 0; index < 4; index++) await client.frame()
    const [{ offset } = {}] = await cluster.admin.listOffsets('t')
    expect(offset).toBe(12) // each sequence follows on the one before
  })

  it('batches of several clients for one partition keep their order', async () => {
    const { send } = await shop()
    const { held, go } = hold()
    const sent = [send([[0, large(0)]]), send([[0, small(3)]]), send([[0, large(6)]])]
    await until(() => held.length === 1)
    go()
    await until(() => held.length === 1)
    go()
    expect((await Promise.all(sent)).flatMap(outcomes)).toEqual([0, 3, 6])
  })

  it('batches keep their order after a refused one', async () => {
    const { send } = await shop()
    const { held, go } = hold()
    const junk = batch(Buffer.alloc(3_000, 0xff), { records: 1 }, 'gzip')
    const sent = [send([[0, junk]]), send([[0, small(0)]]), send([[0, small(3)]])]
    await until(() => held.length === 1)
    go()
    expect((await Promise.all(sent)).flatMap(outcomes)).toEqual(['INVALID_RECORD', 0, 3])
  })

  it('a waiting batch keeps its bytes when its producer reuses the buffer', async () => {
    const { send, cluster } = await shop({}, 1)
    const { held, go } = hold()
    const first = send([[0, large()]])
    const buffer = batch(plainRecords(SMALL), SMALL, 'none')
    const second = send([[0, buffer]], false)
    buffer.fill(0)
    await until(() => held.length === 1)
    go()
    expect((await Promise.all([first, second])).flatMap(outcomes)).toEqual([0, 3])
    expect((await cluster.admin.listOffsets('t'))[0]?.offset).toBe(6)
  })
})

describe('of many clients', () => {
  it('two batches of many clients are unpacked at a time', async () => {
    const { send } = await shop({}, 6)
    const { held, go } = hold()
    const sent = [0, 1, 2, 3, 4, 5].map(index => send([[index, large()]]))
    for (let left = 6; left > 0; left -= 2) {
      await until(() => held.length === 2)
      for (let more = 0; more < 20; more++) await turn()
      expect(held).toHaveLength(2)
      go()
    }
    expect((await Promise.all(sent)).flatMap(outcomes)).toEqual(Array(6).fill(0))
  })
})

describe('what happens while a large batch is being unpacked', () => {
  it('a cluster that closes unpacks and writes no more', async () => {
    const { send, cluster, network } = await shop({}, 6)
    const { held, go } = hold()
    const sent = [0, 1, 2, 3, 4, 5].map(index => errorOf(send([[index, large()]])))
    await until(() => held.length === 2)
    const closed = cluster.close()
    network.close()
    await closed
    for (const { code } of await Promise.all(sent)) expect(code).toBe('CLOSED')
    go()
    for (let turns = 0; turns < 100; turns++) await turn()
    expect(counts()).toEqual([0, 2])
  })

  it('the sender is told when the topic is deleted during unpacking', async () => {
    const { send, cluster } = await shop()
    const { held, go } = hold()
    const sent = send([[0, large()]])
    await until(() => held.length === 1)
    await cluster.admin.deleteTopic('t')
    go()
    expect(outcomes(await sent)).toEqual(['UNKNOWN_TOPIC_OR_PARTITION'])
  })

  it('a batch is written even if its client disconnects during unpacking', async () => {
    const { cluster, connect } = await wireWorld()
    await cluster.admin.createTopic({ topic: 't' })
    const { held, go } = hold()
    const client = connect()
    client.send(wireApi('Produce'), 9, produceRequest('t', [[0, large()]]))
    await until(() => held.length === 1)
    client.socket.destroy()
    await turn()
    go()
    for (let end: number | null | undefined = 0; end !== 3; await turn()) {
      end = (await cluster.admin.listOffsets('t'))[0]?.offset
    }
  })

  it('settings that are changed during unpacking apply to the batch', async () => {
    const { send, cluster } = await shop()
    const { held, go } = hold()
    const sent = send([[0, zipped({ records: 3, bytes: 200_000, keyless: 1 })]])
    await until(() => held.length === 1)
    await cluster.admin.alterConfig('t', { 'cleanup.policy': 'compact' })
    go()
    expect(outcomes(await sent)).toEqual(['INVALID_RECORD'])
    expect(counts()).toEqual([0, 1])
  })
})
