import { describe, expect, it, vi } from 'vitest'
import { seededRandom } from '../../src/base/random.js'
import { framesOf } from '../../src/wire/frames.js'

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
  for await (const each of framesOf(stream(...chunks), maxBytes)) frames.push(each.toString())
  return frames
}

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
