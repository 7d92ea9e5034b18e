import { once } from 'node:events'
import { describe, expect, it } from 'vitest'
import { silentLogger } from '../../src/base/logger.js'
import { virtualClock } from '../../src/base/virtual-clock.js'
import { Door } from '../../src/wire/door.js'
import { MemorySocket } from '../../src/wire/memory-socket.js'

describe('a socket without a network', () => {
  it('a write is read as it was, and not within the call', async () => {
    const [a, b] = MemorySocket.pair()
    const bytes = Buffer.from('abc')
    const got: string[] = []
    b.on('data', (chunk: Buffer) => got.push(chunk.toString()))
    a.write(bytes)
    bytes.fill(0)
    expect(got).toEqual([])
    await once(b, 'data')
    expect(got).toEqual(['abc'])
  })

  it('a memory socket buffers no more than its reader allows', async () => {
    const [a, b] = MemorySocket.pair()
    let written = 0
    for (let n = 0; n < 100; n++) a.write(Buffer.alloc(10_000), () => void written++)
    await new Promise(resolve => setImmediate(resolve))
    expect(written).toBeLessThan(10)
    let read = 0
    for await (const chunk of b) {
      read += (chunk as Buffer).length
      if (read === 1_000_000) break
    }
    expect(read).toBe(1_000_000)
  })

  it('a memory socket ends at both ends, after its data', async () => {
    const [a, b] = MemorySocket.pair()
    a.write('last words')
    a.end()
    const words: string[] = []
    for await (const chunk of b) words.push(String(chunk))
    expect(words).toEqual(['last words'])
    const [c, d] = MemorySocket.pair()
    c.destroy()
    d.resume()
    await once(d, 'end')
    expect(d.destroyed || d.readableEnded).toBe(true)
  })
})

describe('a door that is closed', () => {
  it('a closed door accepts no client', async () => {
    const door = new Door({
      logger: silentLogger,
      clock: virtualClock(),
      clusterId: 'c',
      channelOf: () => ({ send: () => undefined as never }),
    })
    const place = { nodeId: 1, endpointOf: () => ({ host: '', port: 0 }), clientHost: '' }
    const [inside] = MemorySocket.pair()
    expect(door.admit(inside, place)).toBe(true)
    expect(door.connectionCount).toBe(1)
    await door.close()
    expect([door.connectionCount, inside.destroyed]).toEqual([0, true])
    expect(door.admit(MemorySocket.pair()[0], place)).toBe(false)
  })
})
