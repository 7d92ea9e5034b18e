import { once } from 'node:events'
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { crc32c } from '../../src/base/checksums/crc32c.js'
import { silentLogger } from '../../src/base/logger.js'
import { virtualClock } from '../../src/base/virtual-clock.js'
import { Batch } from '../../src/model/batch/batch.js'
import type { Channel } from '../../src/protocol/channel.js'
import { wireApi } from '../../src/protocol/framing.js'
import { Door } from '../../src/wire/door.js'
import { framesOf } from '../../src/wire/frames.js'
import { IdleWatch } from '../../src/wire/idle.js'
import { MemorySocket } from '../../src/wire/memory-socket.js'
import type { ListenOptions } from '../../src/wire/tcp-server.js'
import { batchOf } from '../log/helpers.js'
import { API_VERSIONS, reach, SOFTWARE, wireWorld, type WireClient } from './client.js'
import { encodeRequest } from './encoded.js'

const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await turn()
}

/** A cluster that listens, and what is left of it afterwards. */
async function shop(limits: ListenOptions = {}) {
  const clock = virtualClock()
  const warnings: string[] = []
  const logger = { ...silentLogger, warn: (sentence: string) => void warnings.push(sentence) }
  const { cluster } = await wireWorld({ clock, logger, autoCreateTopics: false })
  await cluster.admin.createTopic({ topic: 'orders' })
  const listening = await cluster.listen({ port: 0, ...limits })
  const [address = ''] = listening.bootstrap
  const connect = (): WireClient => reach(address)
  /** Nothing was stored, no connection is left, and clients in the process are served. */
  const isUnharmed = async (): Promise<void> => {
    await until(() => listening.connectionCount === 0)
    expect(await cluster.admin.listTopics()).toEqual(['orders'])
    expect(await cluster.admin.listOffsets('orders', 'latest')).toMatchObject([{ offset: 0 }])
    await cluster.producer().send({ topic: 'orders', messages: [{ value: 'fine' }] })
  }
  return { clock, cluster, listening, connect, isUnharmed, warnings }
}

const HEADER = { version: 4, correlationId: 1, clientId: 'x' }
const metadata = (): Buffer => encodeRequest(wireApi('Metadata'), HEADER, { topics: null })

/** A frame around these bytes behind a header. */
function framed(apiKey: number, version: number, ...body: Uint8Array[]): Buffer {
  const header = Buffer.from([0, apiKey, 0, version, 0, 0, 0, 9, 0, 1, 0x78])
  const bytes = Buffer.concat([Buffer.alloc(4), header, ...body])
  bytes.writeInt32BE(bytes.length - 4)
  return bytes
}

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex')

describe('a client that says nothing', () => {
  it('an idle connection is closed, also within a frame', async () => {
    const { clock, connect, listening, isUnharmed } = await shop()
    const [silent, half] = [connect(), connect()]
    half.socket.write(Buffer.concat([metadata(), metadata().subarray(0, 9)]))
    await half.frame()
    await until(() => listening.connectionCount === 2)
    await clock.advance(599_999)
    expect(listening.connectionCount).toBe(2)
    await clock.advance(1)
    expect(await silent.ended()).toBe(true)
    await expect(half.frame()).rejects.toThrow()
    await isUnharmed()
  })

  it('a client that waits for an answer is not idle', async () => {
    const { clock, connect, isUnharmed } = await shop({ connectionsMaxIdleMs: 1_000 })
    const client = connect()
    await client.ask('Metadata', 4, { topics: [] })
    const wanted = { partition: 0, fetchOffset: 0, partitionMaxBytes: 10_000 }
    const timers = clock.pendingTimers
    const answer = client.ask('Fetch', 11, {
      maxWaitMs: 5_500,
      minBytes: 1,
      replicaId: -1,
      topics: [{ topic: 'orders', partitions: [wanted] }],
    })
    while (clock.pendingTimers < timers + 1) await turn() // the fetch waits
    await clock.advance(5_500)
    expect(await answer).toMatchObject({ errorCode: 0 })
    await clock.advance(900)
    expect(await client.ask('Metadata', 4, { topics: [] })).toMatchObject({ topics: [] })
    await clock.advance(1_000)
    expect(await client.ended()).toBe(true)
    await isUnharmed()
  })

  it('a connection that its client closes leaves no timer', async () => {
    const { clock, connect, listening } = await shop()
    const timers = clock.pendingTimers
    const client = connect()
    await client.ask('Metadata', 4, { topics: [] })
    expect(clock.pendingTimers).toBe(timers + 1)
    client.socket.destroy()
    await until(() => listening.connectionCount === 0)
    expect(clock.pendingTimers).toBe(timers)
  })
})

it('bytes of half a frame are activity, but get no answer', async () => {
  const clock = virtualClock()
  const limits = { maxConnections: 10, maxIdleMs: 1_000 }
  const channelOf = (): Channel => ({ send: () => ({}) as never })
  const door = new Door({ clusterId: 'c', clock, logger: silentLogger, channelOf }, limits)
  const [ours, theirs] = MemorySocket.pair()
  door.admit(ours, { nodeId: 1, endpointOf: () => ({ host: '', port: 0 }), clientHost: '' })
  for (let at = 0; at < 3; at++) {
    await clock.advance(999)
    theirs.write(metadata().subarray(at, at + 1))
    for (let n = 0; n < 5; n++) await turn()
  }
  await clock.advance(999)
  expect(door.connectionCount).toBe(1)
  await clock.advance(1)
  await until(() => door.connectionCount === 0)
})

describe('a watch over what is idle', () => {
  function watched(maxIdleMs = 100) {
    const clock = virtualClock()
    const seen = { isBusy: false, idle: 0 }
    const watch = new IdleWatch({
      clock,
      maxIdleMs,
      isBusy: () => seen.isBusy,
      onIdle: () => void seen.idle++,
    })
    return { clock, seen, watch }
  }

  it('the idle time counts from the last activity', async () => {
    const { clock, seen, watch } = watched()
    for (let n = 0; n < 5; n++) {
      await clock.advance(99)
      watch.touch()
    }
    await clock.advance(99)
    expect(seen.idle).toBe(0)
    await clock.advance(1)
    expect([seen.idle, clock.pendingTimers]).toEqual([1, 0])
  })

  it('the idle time does not run while the broker works', async () => {
    const { clock, seen } = watched()
    seen.isBusy = true
    await clock.advance(1_000)
    seen.isBusy = false
    await clock.advance(99)
    expect(seen.idle).toBe(0)
    await clock.advance(1)
    expect(seen.idle).toBe(1)
  })

  it('an idle watch ends, and may be infinite', async () => {
    const one = watched()
    one.watch.end()
    const other = watched(Infinity)
    expect([one.clock.pendingTimers, other.clock.pendingTimers]).toEqual([0, 0])
  })
})

describe('too many clients', () => {
  it('too many connections are refused, logged once, and accepted when there is room', async () => {
    const { connect, listening, isUnharmed, warnings } = await shop({ maxConnections: 2 })
    const inside = [connect(), connect()]
    for (const client of inside) await client.ask('Metadata', 4, { topics: [] })
    for (let n = 0; n < 3; n++) {
      const refused = connect()
      refused.socket.write(metadata())
      await expect(refused.frame()).rejects.toThrow()
    }
    expect(listening.connectionCount).toBe(2)
    expect(warnings).toEqual([expect.stringMatching(/^2 connections are open, .*127\.0\.0\.1/)])
    inside[0]!.socket.destroy()
    await until(() => listening.connectionCount === 1)
    const next = connect()
    await next.ask('Metadata', 4, { topics: [] })
    const again = connect()
    await expect(again.frame()).rejects.toThrow()
    expect(warnings).toHaveLength(2)
    for (const client of [...inside, next]) client.socket.destroy()
    await isUnharmed()
  })

  it.each([{ maxConnections: 0 }, { connectionsMaxIdleMs: 0 }, { maxConnections: 1.5 }])(
    'a limit of connections cannot be %o',
    async limits => {
      await expect(shop(limits)).rejects.toMatchObject({ code: 'INVALID_CONFIG' })
    },
  )
})

describe('a client that does not read its answers', () => {
  /** A door at which each answer is of 100 kB. */
  function bigDoor(maxIdleMs: number) {
    const clock = virtualClock()
    let asked = 0
    const channel: Channel = {
      send: () => {
        asked++
        const topic = { errorCode: 0, name: 'x'.repeat(20_000), partitions: [] }
        return { brokers: [], topics: Array.from({ length: 5 }, () => topic) } as never
      },
    }
    const limits = { maxConnections: 10, maxIdleMs }
    const door = new Door({ clusterId: 'c', clock, logger: silentLogger, channelOf: () => channel }, limits)
    const [ours, theirs] = MemorySocket.pair()
    theirs.on('error', () => undefined)
    const endpointOf = () => ({ host: '', port: 0 })
    door.admit(ours, { nodeId: 1, endpointOf, clientHost: '' })
    return { clock, door, theirs, asked: () => asked }
  }

  it('a client that does not read gets no more answers, and continues when it reads', async () => {
    const { door, theirs, asked } = bigDoor(600_000)
    const many = Buffer.concat(Array.from({ length: 500 }, metadata))
    theirs.write(many)
    for (let n = 0; n < 100; n++) await turn()
    expect(asked()).toBeGreaterThan(0)
    expect(asked()).toBeLessThan(5)
    const answers: number[] = []
    for await (const frame of framesOf(theirs)) {
      answers.push(frame.length)
      if (answers.length === 500) break
    }
    expect(asked()).toBe(500)
    expect(new Set(answers).size).toBe(1)
    await door.close()
  })

  it('a client that never reads loses its connection', async () => {
    const { clock, door, theirs } = bigDoor(1_000)
    theirs.write(Buffer.concat(Array.from({ length: 50 }, metadata)))
    for (let n = 0; n < 100; n++) await turn()
    expect(door.connectionCount).toBe(1)
    await clock.advance(1_000)
    await until(() => door.connectionCount === 0)
    expect(clock.pendingTimers).toBe(0)
  })
})

describe('bytes that are no requests', () => {
  it('many requests at once are answered in order', async () => {
    const { connect, isUnharmed } = await shop()
    const client = connect()
    const ids = Array.from({ length: 1_000 }, () =>
      client.send(wireApi('Metadata'), 4, { topics: [] }),
    )
    for (const id of ids) expect((await client.frame()).readInt32BE(0)).toBe(id)
    client.socket.end()
    await isUnharmed()
  })

  it('invalid bytes after valid requests end the connection after the answers', async () => {
    const { connect, isUnharmed } = await shop()
    const client = connect()
    client.socket.write(Buffer.concat([metadata(), metadata(), Buffer.from('GET / HTTP/1.1\r\n')]))
    expect((await client.frame()).readInt32BE(0)).toBe(1)
    await expect(
      (async () => {
        for (;;) await client.frame()
      })(),
    ).rejects.toThrow()
    await isUnharmed()
  })

  it.each<[string, Buffer]>([
    ['TLS', hex('16 03 01 02 00 01 00 01 fc 03 03')],
    ['HTTP', Buffer.from('POST /topics HTTP/1.1\r\nHost: x\r\n\r\n')],
    ['a negative size', hex('80 00 00 00')],
    ['a size beyond the largest', hex('06 40 00 01')],
    ['an array of two billion', framed(3, 4, hex('7f ff ff ff 01'))],
    ['an array of minus two', framed(2, 1, hex('ff ff ff ff ff ff ff fe'))],
    ['a compact array of four billion', framed(3, 9, hex('00 ff ff ff ff 0f 01 00 00'))],
    ['a varint without an end', framed(3, 9, hex('00 ff ff ff ff ff ff ff'))],
    ['a text longer than all there is', framed(3, 4, hex('00 00 00 01 7f ff 61 01'))],
    ['a text of minus two', framed(10, 0, hex('ff fe'))],
    ['a null where there is none', framed(10, 0, hex('ff ff'))],
    [
      'records of two gigabytes',
      framed(0, 7, hex('ffff ffff 000003e8 00000001 0001 78 00000001 00000000 7fffffff')),
    ],
    ['tags of a billion', framed(3, 9, hex('ff ff ff ff 03 00 01 00 00 00'))],
    ['a tag larger than the frame', framed(3, 9, hex('01 63 ff ff 03 00 01 00 00 00'))],
    ['tags within tags that are none', framed(1, 12, hex('01 00 01 02'))],
    ['no header', hex('00 00 00 02 00 03')],
    ['a client id of minus two', hex('00 00 00 0a 00 03 00 04 00 00 00 01 ff fe')],
  ])('invalid bytes end the connection: %s', async (_, bytes) => {
    const { connect, isUnharmed } = await shop()
    const client = connect()
    client.socket.write(bytes)
    await expect(client.frame()).rejects.toThrow()
    await isUnharmed()
  })

  it('a request that claims to be large uses no memory before its bytes come', async () => {
    const { connect, listening, isUnharmed } = await shop()
    const clients = Array.from({ length: 20 }, connect)
    const before = process.memoryUsage().arrayBuffers
    for (const { socket } of clients) socket.write(hex('06 40 00 00 00 00 00 07'))
    await until(() => listening.connectionCount === 20)
    for (let n = 0; n < 20; n++) await turn()
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(20_000_000)
    for (const { socket } of clients) socket.destroy()
    await isUnharmed()
  })

  it('bytes that come one by one are joined', async () => {
    const [ours, theirs] = MemorySocket.pair()
    const frame = Buffer.alloc(50_004, 7)
    frame.writeInt32BE(50_000)
    const frames = framesOf(ours)
    const first = frames.next()
    for (const byte of frame) theirs.write(Buffer.from([byte]))
    expect((await first).value?.equals(frame.subarray(4))).toBe(true)
  })
})

describe('records that are bad', () => {
  const produce = async (client: WireClient, topic: string, records: Uint8Array) => {
    const { responses } = await client.ask('Produce', 9, {
      transactionalId: null,
      acks: -1,
      timeoutMs: 1_000,
      topicData: [{ name: topic, partitionData: [{ index: 0, records }] }],
    })
    return responses[0]?.partitionResponses[0]?.errorCode
  }

  /** 200 megabytes of zeros, packed. */
  function bomb(): Buffer {
    const payload = gzipSync(Buffer.alloc(200_000_000), { level: 1 })
    const bytes = Buffer.concat([batchOf(['a']).subarray(0, 61), payload])
    bytes.writeInt32BE(bytes.length - 12, 8)
    bytes.writeInt16BE(1, 21) // gzip
    bytes.writeUInt32BE(crc32c(bytes, 21), 17)
    expect(new Batch(bytes, 0)).toMatchObject({ codec: 'gzip', hasValidCrc: true })
    return bytes
  }

  it('records with a damaged byte are refused, and the client may continue', async () => {
    const { connect, isUnharmed } = await shop()
    const client = connect()
    const good = batchOf(['a'])
    for (let at = 17; at < good.length; at++) {
      const bytes = Buffer.from(good)
      bytes[at]! ^= 0x40
      expect(await produce(client, 'orders', bytes), `byte ${at}`).toBe(2)
    }
    client.socket.end()
    await isUnharmed()
  })

  it('records are unpacked up to a limit', async () => {
    const { cluster, connect } = await shop()
    await cluster.admin.createTopic({
      topic: 'kept',
      config: { 'cleanup.policy': 'compact', 'max.message.bytes': 10_000_000 },
    })
    await cluster.admin.alterConfig('orders', { 'max.message.bytes': 10_000_000 })
    const client = connect()
    const bytes = bomb()
    const before = process.memoryUsage().arrayBuffers
    expect(await produce(client, 'orders', bytes)).toBe(87)
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(150_000_000)
    expect(await produce(client, 'kept', bytes)).toBe(87)
    expect(await client.askApi(API_VERSIONS, 3, SOFTWARE)).toMatchObject({ errorCode: 0 })
  })
})

it('a client that disconnects during an answer harms nothing', async () => {
  const { connect, isUnharmed } = await shop()
  for (let n = 0; n < 20; n++) {
    const client = connect()
    client.socket.write(Buffer.concat([metadata(), metadata(), metadata().subarray(0, n)]))
    if (n % 2 === 0) await once(client.socket, 'connect')
    client.socket.destroy()
  }
  await isUnharmed()
})
