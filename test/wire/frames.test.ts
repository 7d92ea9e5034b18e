import { Writable } from 'node:stream'
import { describe, expect, it, vi } from 'vitest'
import { seededRandom } from '../../src/base/random.js'
import { FrameBuffers, framesOf, writeFrame } from '../../src/wire/frames.js'

function frame(body: string | Uint8Array): Buffer {
  const bytes = Buffer.from(body)
  const size = Buffer.alloc(4)
  size.writeInt32BE(bytes.length)
  return Buffer.concat([size, bytes])
}

async function* stream(...chunks: Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks
}

async function read(chunks: Uint8Array[], maxBytes?: number): Promise<string[]> {
  const frames: string[] = []
  const options = maxBytes === undefined ? {} : { maxBytes }
  for await (const each of framesOf(stream(...chunks), options)) frames.push(each.toString())
  return frames
}

describe('buffers of frames', () => {
  it('frames are complete in buffers that are used again', async () => {
    const random = seededRandom(11)
    const sizes = Array.from({ length: 60 }, () => random.int(random.int(2) === 0 ? 100 : 90_000))
    const bodies = sizes.map(size => Buffer.alloc(size, random.int(256)))
    const all = Buffer.concat(bodies.map(frame))
    const chunks: Buffer[] = []
    for (let at = 0; at < all.length; at += 40_000) chunks.push(all.subarray(at, at + 40_000))
    const buffers = new FrameBuffers()
    const memories = new Set<ArrayBufferLike>()
    let count = 0
    for await (const each of framesOf(stream(...chunks), { buffers })) {
      expect(each.equals(bodies[count++] as Buffer)).toBe(true)
      if (each.length > 40_000) memories.add(each.buffer)
      buffers.release(each)
    }
    expect(count).toBe(60)
    expect(memories.size).toBeLessThan(4)
  })

  it('a buffer is not used again before its frame is released', () => {
    const buffers = new FrameBuffers()
    const [first, second] = [buffers.take(20_000), buffers.take(20_000)]
    expect(second.buffer === first.buffer).toBe(false)
    buffers.release(first)
    buffers.release(first) // counts once
    const third = buffers.take(30_000)
    expect(third.buffer === first.buffer).toBe(true)
    expect(third.length).toBe(30_000)
    expect(buffers.take(30_000).buffer === first.buffer).toBe(false)
  })

  it('small and huge frames have buffers of their own', () => {
    const buffers = new FrameBuffers()
    for (const size of [10, 3_000_000]) {
      const one = buffers.take(size)
      buffers.release(one)
      expect(buffers.take(size) === one).toBe(false)
      expect(one.length).toBe(size)
    }
  })
})

describe('frames that are sent', () => {
  it('the parts of a frame are sent in order and in one go', async () => {
    const written: Buffer[][] = []
    const sink = new Writable({
      writev: (chunks, done) => {
        written.push(chunks.map(({ chunk }) => chunk as Buffer))
        done()
      },
    })
    const taken = vi.fn()
    const parts = ['head', 'x'.repeat(20_000), 'tail'].map(text => Buffer.from(text))
    expect(writeFrame(sink, parts, taken)).toBe(false) // there is no more room
    await vi.waitFor(() => expect(taken).toHaveBeenCalledOnce())
    expect(written).toEqual([parts])
    expect(written[0]?.[1]).toBe(parts[1])
  })
})

describe('frames', () => {
  it('frames that come byte by byte are kept in a few chunks', async () => {
    const bytes = frame('x'.repeat(5_000))
    const concat = vi.spyOn(Buffer, 'concat')
    const got = await read([...bytes].map(byte => Buffer.from([byte])))
    const pieces = Math.max(...concat.mock.calls.map(([list]) => list.length))
    concat.mockRestore()
    expect(got).toEqual(['x'.repeat(5_000)])
    expect(pieces).toBeLessThan(20)
  })

  it('frames are complete, however their bytes are split', async () => {
    const random = seededRandom(5)
    for (let round = 0; round < 200; round++) {
      const bodies = Array.from({ length: 1 + random.int(5) }, () => 'x'.repeat(random.int(40)))
      const all = Buffer.concat(bodies.map(frame))
      const chunks: Buffer[] = []
      for (let at = 0; at < all.length;) {
        const size = 1 + random.int(30)
        chunks.push(all.subarray(at, at + size))
        at += size
      }
      expect(await read(chunks)).toEqual(bodies)
    }
  })

  it('a frame may be empty, and as large as the limit', async () => {
    expect(await read([frame(''), frame('12345')], 5)).toEqual(['', '12345'])
    await expect(read([frame('123456')], 5)).rejects.toThrow('a frame of 6 bytes is too large: at most 5')
  })

  it.each([
    ['HTTP', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
    ['TLS', Buffer.from('16030100c8010000c403', 'hex')],
    ['a negative size', Buffer.from('ffffffff', 'hex')],
  ])('a frame is refused by its size alone: %s', async (_, bytes) => {
    const frames = framesOf(
      (async function* () {
        yield bytes
        throw new Error('asked for more')
      })(),
    )
    await expect(frames.next()).rejects.toMatchObject({ name: 'FrameError' })
  })

  it('a frame that the end of the stream cuts is an error', async () => {
    const cut = frame('12345').subarray(0, 7)
    await expect(read([frame('a'), cut])).rejects.toThrow('the stream ends within a frame')
    await expect(read([Buffer.alloc(3)])).rejects.toThrow('the stream ends within a frame')
  })
})
