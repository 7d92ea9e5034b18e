import { describe, expect, it } from 'vitest'
import { ByteReader } from '../../src/base/bytes.js'
import { VirtualClock } from '../../src/base/virtual-clock.js'
import { readRequestHeader, wireApi } from '../../src/protocol/framing.js'
import { ClientConnection } from '../../src/wire/client-connection.js'
import { framesOf } from '../../src/wire/frames.js'
import { MemorySocket } from '../../src/wire/memory-socket.js'
import { encodeResponse } from './encoded.js'

const HEARTBEAT = wireApi('Heartbeat')
const beat = { groupId: 'g', generationId: 1, memberId: 'm' }
const PRODUCE = wireApi('Produce')

/** A connection and the broker's end of it. */
function connected() {
  const [ours, theirs] = MemorySocket.pair()
  const clock = new VirtualClock()
  const connection = new ClientConnection({
    stream: ours,
    address: 'broker:9092',
    clientId: 'app',
    clock,
  })
  const frames = framesOf(theirs as AsyncIterable<Uint8Array>)
  const asked = async () => {
    const { value } = await frames.next()
    return readRequestHeader(new ByteReader(value as Buffer))
  }
  const ended = async () => (await frames.next()).done
  const answer = (correlationId: number, errorCode = 0): void => {
    theirs.write(encodeResponse(HEARTBEAT, { version: 3, correlationId }, { errorCode }))
  }
  const ask = (timeoutMs = 1_000) => connection.ask(HEARTBEAT, 3, beat, timeoutMs)
  return { connection, clock, theirs, asked, ended, answer, ask }
}

const broken = (why: string, outcomeUnknown = true) =>
  expect.objectContaining({
    code: 'NETWORK_EXCEPTION',
    outcomeUnknown,
    retriable: true,
    message: expect.stringContaining(why),
  })

describe('a connection to a broker', () => {
  it('a connection sends requests without waiting, and matches each answer', async () => {
    const { connection, asked, answer, ask, clock } = connected()
    const both = [ask(), ask()]
    const [first, second] = [await asked(), await asked()]
    expect([first.apiKey, first.version, first.clientId]).toEqual([12, 3, 'app'])
    expect(connection.waitingCount).toBe(2)
    answer(first.correlationId, 27)
    answer(second.correlationId, 0)
    const answers = await Promise.all(both)
    expect(answers.map(({ errorCode }) => errorCode)).toEqual([27, 0])
    expect([connection.waitingCount, clock.pendingTimers]).toEqual([0, 0])
  })

  it('correlation ids count up from 1', async () => {
    const { asked, ask } = connected()
    void ask().catch(() => undefined)
    void ask().catch(() => undefined)
    expect((await asked()).correlationId).toBe(1)
    expect((await asked()).correlationId).toBe(2)
  })

  it('a connection is unusable after a request has timed out', async () => {
    const { connection, clock, ask, asked } = connected()
    const [slow, other] = [ask(500), ask(1_000)]
    const failures = Promise.allSettled([slow, other])
    await asked()
    await clock.advance(499)
    expect(connection.isOpen).toBe(true)
    await clock.advance(1)
    expect(connection.isOpen).toBe(false)
    const why = broken('HeartbeatRequest was not answered within 500 ms')
    expect((await failures).map(each => (each as PromiseRejectedResult).reason)).toEqual([why, why])
    expect(clock.pendingTimers).toBe(0)
    await expect(ask()).rejects.toEqual(broken('nothing was sent', false))
  })

  it.each([
    ['closes', (theirs: MemorySocket) => void theirs.end(), 'the broker has closed it'],
    [
      'an answer without a request',
      (theirs: MemorySocket) =>
        void theirs.write(
          encodeResponse(HEARTBEAT, { version: 3, correlationId: 9 }, { errorCode: 0 }),
        ),
      'the answer has correlation id 9, expected 1',
    ],
    [
      'sends a frame of gigabytes',
      (theirs: MemorySocket) => void theirs.write(Buffer.from([127, 0, 0, 0])),
      'a frame of 2130706432 bytes',
    ],
    [
      'sends half an answer',
      (theirs: MemorySocket) => void theirs.write(Buffer.from([0, 0, 0, 6, 0, 0, 0, 1, 0, 0])),
      'HeartbeatRequest:',
    ],
    [
      'ends within a frame',
      (theirs: MemorySocket) => void theirs.end(Buffer.from([0, 0, 0, 6, 0])),
      'ends within a frame',
    ],
  ])('a connection is unusable after the broker %s', async (_what, spoil, why) => {
    const { connection, theirs, asked, ask, clock } = connected()
    const waiting = ask()
    const failure = expect(waiting).rejects.toEqual(broken(why))
    await asked()
    spoil(theirs)
    await failure
    expect([connection.isOpen, connection.waitingCount]).toEqual([false, 0])
    expect(clock.pendingTimers).toBe(0)
  })

  it('closing a connection fails its waiting requests', async () => {
    const { connection, ended, asked, ask } = connected()
    const failure = expect(ask()).rejects.toEqual(broken('no more'))
    await asked()
    connection.close('no more')
    await failure
    expect(await ended()).toBe(true)
  })

  it('a request without an answer does not wait for one', async () => {
    const { connection, asked } = connected()
    const request = { acks: 0, timeoutMs: 1, topicData: [] }
    await connection.sendUnanswered(PRODUCE, 7, request, 1_000)
    expect((await asked()).apiKey).toBe(0)
    expect(connection.waitingCount).toBe(0)
    connection.close()
    await expect(connection.sendUnanswered(PRODUCE, 7, request, 1_000)).rejects.toEqual(
      broken('nothing was sent', false),
    )
  })

  it('a request that cannot be sent in time fails', async () => {
    const { connection, clock, theirs } = connected()
    theirs.pause() // it does not read
    const large = {
      name: 'orders',
      partitionData: [{ index: 0, records: Buffer.alloc(1_000_000) }],
    }
    const request = { acks: 0, timeoutMs: 1, topicData: [large] }
    const told = Array.from({ length: 3 }, () => connection.sendUnanswered(PRODUCE, 7, request, 500))
    const outcomes = Promise.allSettled(told)
    await clock.advance(499)
    expect(connection.isOpen).toBe(true)
    await clock.advance(1)
    expect((await outcomes).at(-1)).toMatchObject({ reason: { code: 'NETWORK_EXCEPTION' } })
    expect([connection.isOpen, clock.pendingTimers]).toEqual([false, 0])
  })

  it('a request that cannot be encoded fails, and the connection stays usable', async () => {
    const { connection, asked, answer, ask } = connected()
    await expect(connection.ask(HEARTBEAT, 99, beat, 1_000)).rejects.toThrow('outside')
    const waiting = ask()
    const { correlationId } = await asked()
    answer(correlationId)
    expect((await waiting).errorCode).toBe(0)
  })

  it('a connection knows when it was used last', async () => {
    const { connection, clock, ask } = connected()
    await clock.advance(50)
    expect(connection.usedAtMs).toBe(0)
    void ask().catch(() => undefined)
    expect(connection.usedAtMs).toBe(50)
  })
})
