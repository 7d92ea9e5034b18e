/** Bytes of sources: packed files, encodings, patterns of names, lines. */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as zlib from 'node:zlib'
import { afterAll, describe, expect, it } from 'vitest'
import { BadEvent, LineCutter, type Unit } from '../../../src/events/formats/event-units.js'
import { decoded } from '../../../src/events/source/encoding.js'
import { filesOf, openSource } from '../../../src/events/source/event-files.js'
import { unpacked } from '../../../src/events/source/unpack.js'

const folder = mkdtempSync(join(tmpdir(), 'partlog-sources-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

async function* chunksOf(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

async function textOf(chunks: AsyncIterable<Buffer>): Promise<string> {
  const all: Buffer[] = []
  for await (const chunk of chunks) all.push(chunk)
  return Buffer.concat(all).toString()
}

describe('packed bytes', () => {
  const text = '{"id":1}\n'.repeat(10_000)

  it.each([1, 7, 100_000])('gzip is recognized by its bytes, in pieces of %i', async size => {
    const packed = Buffer.concat([zlib.gzipSync(text), zlib.gzipSync('end')])
    expect(await textOf(unpacked(chunksOf(packed, size)))).toBe(`${text}end`)
  })

  it('what is not packed stays as it is, also a few bytes', async () => {
    expect(await textOf(unpacked(chunksOf(Buffer.from(text), 50_000)))).toBe(text)
    expect(await textOf(unpacked(chunksOf(Buffer.from('x'), 1)))).toBe('x')
    expect(await textOf(unpacked(chunksOf(Buffer.of(), 1)))).toBe('')
  })

  it('zstd is unpacked where Node has it, and named where it does not', async () => {
    const { zstdCompressSync } = zlib as { zstdCompressSync?: (text: Buffer) => Buffer }
    if (zstdCompressSync === undefined) {
      const magic = Buffer.of(0x28, 0xb5, 0x2f, 0xfd, 0, 0, 0, 0)
      await expect(textOf(unpacked(chunksOf(magic, 4)))).rejects.toThrow('needs Node 22.15')
    } else {
      const packed = zstdCompressSync(Buffer.from(text))
      expect(await textOf(unpacked(chunksOf(packed, 99)))).toBe(text)
    }
  })

  it.each([
    ['bzip2', 'BZh91AY&SY'],
    ['zip', 'PK\u0003\u0004xxxx'],
    ['Parquet', 'PAR1xxxx'],
    ['SQLite', 'SQLite format 3'],
  ])('%s is refused by name', async (name, bytes) => {
    await expect(textOf(unpacked(chunksOf(Buffer.from(bytes), 3)))).rejects.toThrow(`packed as ${name}`)
  })
})

describe('encodings', () => {
  const mark = Buffer.of(0xef, 0xbb, 0xbf)
  const wide = (text: string, big = false): Buffer => {
    const bytes = Buffer.from(text, 'utf16le')
    return big ? bytes.swap16() : bytes
  }

  it.each([
    ['UTF-8 with a mark', Buffer.concat([mark, Buffer.from('é\n')]), 'é\n'],
    ['two marks', Buffer.concat([mark, mark, Buffer.from('a')]), '\ufeffa'],
    ['half a mark', mark.subarray(0, 2), '\ufffd'],
    ['UTF-16LE with a mark', wide('\ufeffé😀\n'), 'é😀\n'],
    ['UTF-16BE with a mark', wide('\ufeffé😀\n', true), 'é😀\n'],
    ['UTF-16LE without one', wide('{"é":1}\n'), '{"é":1}\n'],
    ['UTF-16BE without one', wide('{"é":1}\n', true), '{"é":1}\n'],
    ['one character', Buffer.from('x'), 'x'],
  ])('%s', async (_, bytes, expected) => {
    for (const size of [1, 3, 100]) {
      expect(await textOf(decoded(chunksOf(bytes, size)))).toBe(expected)
    }
  })

  it('a named encoding is used; wrong bytes and UTF-32 are refused', async () => {
    const options = { encoding: 'windows-1252' }
    expect(await textOf(decoded(chunksOf(Buffer.of(0xe9, 0x80), 1), options))).toBe('é€')
    const odd = decoded(chunksOf(Buffer.of(0xff, 0xfe, 0x61), 9))
    await expect(textOf(odd)).rejects.toThrow('it is not utf-16le')
    const long = Buffer.of(0xff, 0xfe, 0, 0, 0x61, 0, 0, 0)
    await expect(textOf(decoded(chunksOf(long, 9)))).rejects.toThrow('it is in UTF-32')
  })
})

describe('files', () => {
  it('a pattern names files in the order of their numbers', () => {
    for (const name of ['log.10.txt', 'log.2.txt', '.log.3.txt', 'a/log.1.txt', 'a/b/log.1.txt']) {
      mkdirSync(join(folder, name, '..'), { recursive: true })
      writeFileSync(join(folder, name), '')
    }
    const found = (pattern: string) =>
      filesOf(join(folder, pattern)).map(path => path.slice(folder.length + 1))
    expect(found('log.*.txt')).toEqual(['log.2.txt', 'log.10.txt'])
    expect(found('log.?.txt')).toEqual(['log.2.txt'])
    expect(found('*/log.1.txt')).toEqual(['a/log.1.txt'])
    expect(found('**/log.1.txt')).toEqual(['a/log.1.txt', 'a/b/log.1.txt'])
    expect(found('nope')).toEqual(['nope'])
    expect(() => found('nope*')).toThrow('no file matches')
  })

  it('a folder is refused', () => {
    expect(() => openSource(folder)).toThrow('expected a file, this is a folder')
  })
})

describe('lines', () => {
  const linesOf = (bytes: Buffer, size: number): string[] => {
    const cutter = new LineCutter()
    const units: Unit[] = []
    for (let at = 0; at < bytes.length; at += size) {
      units.push(...cutter.push(bytes.subarray(at, at + size)))
    }
    return [...units, ...cutter.end()].map(unit =>
      unit instanceof BadEvent ? 'too long' : unit.toString('latin1'),
    )
  }

  it.each([1, 2, 3, 100])('lines end with LF or CRLF, in pieces of %i', size => {
    const lines = linesOf(Buffer.from('a\r\n\nb\rc\n\r\nd'), size)
    expect(lines).toEqual(['a', '', 'b\rc', '', 'd'])
  })

  it('a line that is too long is one line, and its bytes are dropped', () => {
    const long = Buffer.alloc(16 * 1024 * 1024 + 1, 0x61)
    const bytes = Buffer.concat([Buffer.from('a\n'), long, long, Buffer.from('\nb\n'), long])
    expect(linesOf(bytes, 1_000_000)).toEqual(['a', 'too long', 'b', 'too long'])
    expect(linesOf(long.subarray(1), 1_000_000)).toEqual([long.toString('latin1', 1)])
  })
})
