/*
 * Unpacks gzip and zstd, recognized by their first bytes, whatever the file is called. Other packed
 * files are refused by name, with the program that unpacks them.
 */

import { Readable, type Duplex } from 'node:stream'
import * as zlib from 'node:zlib'

/** The kinds of files that begin with these bytes, and what to do with them. */
const KINDS: readonly (readonly [magic: readonly number[], name: string, advice: string])[] = [
  [[0x42, 0x5a, 0x68], 'bzip2', 'bzcat FILE | partlog import -'],
  [[0xfd, 0x37, 0x7a, 0x58, 0x5a], 'xz', 'xzcat FILE | partlog import -'],
  [[0x50, 0x4b, 0x03, 0x04], 'zip', 'unzip -p FILE | partlog import -'],
  [[0x04, 0x22, 0x4d, 0x18], 'lz4', 'lz4cat FILE | partlog import -'],
  [[0x37, 0x7a, 0xbc, 0xaf], '7z', '7z x -so FILE | partlog import -'],
  [[0x50, 0x41, 0x52, 0x31], 'Parquet', 'export it as JSON lines or CSV'],
  [[0x4f, 0x62, 0x6a, 0x01], 'Avro', 'avro-tools tojson FILE | partlog import -'],
  [[0x53, 0x51, 0x4c, 0x69, 0x74, 0x65, 0x20, 0x66], 'SQLite', "sqlite3 -json FILE 'select …'"],
]

const GZIP = [0x1f, 0x8b] as const
const ZSTD = [0x28, 0xb5, 0x2f, 0xfd] as const

/** The number of first bytes that tell the kind. */
const MAGIC_BYTES = 8

const begins = (head: Uint8Array, magic: readonly number[]): boolean =>
  head.length >= magic.length && magic.every((byte, index) => head[index] === byte)

type Bytes = AsyncIterable<Uint8Array | string>

/** The bytes of a source as they were before they were packed. */
export async function* unpacked(source: Bytes): AsyncGenerator<Buffer> {
  const chunks = source[Symbol.asyncIterator]()
  try {
    const head = await headOf(chunks)
    const known = KINDS.find(([magic]) => begins(head, magic))
    if (known !== undefined) throw new Error(`it is packed as ${known[1]}: ${known[2]}`)
    const unpack = unpackerFor(head)
    if (unpack === undefined) yield* following(head, chunks)
    else yield* through(unpack, following(head, chunks))
  } finally {
    await chunks.return?.()
  }
}

async function headOf(chunks: AsyncIterator<Uint8Array | string>): Promise<Buffer> {
  let head: Buffer = Buffer.alloc(0)
  while (head.length < MAGIC_BYTES) {
    const { value, done } = await chunks.next()
    if (done === true) break
    head = Buffer.concat([head, bytesOf(value)])
  }
  return head
}

async function* following(head: Buffer, chunks: AsyncIterator<Uint8Array | string>) {
  if (head.length > 0) yield head
  for (let next = await chunks.next(); next.done !== true; next = await chunks.next()) {
    yield bytesOf(next.value)
  }
}

function bytesOf(chunk: Uint8Array | string): Buffer {
  if (typeof chunk === 'string') return Buffer.from(chunk)
  return Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
}

type MakeStream = () => Duplex

function unpackerFor(head: Buffer): Duplex | undefined {
  if (begins(head, GZIP)) return zlib.createGunzip({ chunkSize: UNPACKED_BYTES })
  if (!begins(head, ZSTD)) return undefined
  const { createZstdDecompress: make } = zlib as { readonly createZstdDecompress?: MakeStream }
  if (make === undefined) {
    throw new Error('it is packed as zstd, which needs Node 22.15: zstdcat FILE | partlog import -')
  }
  return make()
}

const UNPACKED_BYTES = 128 * 1024

async function* through(unpack: Duplex, packed: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const input = Readable.from(packed, { objectMode: false })
  input.on('error', error => unpack.destroy(error))
  try {
    yield* input.pipe(unpack) as AsyncIterable<Buffer>
  } finally {
    input.destroy()
    unpack.destroy()
  }
}
