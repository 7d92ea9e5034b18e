/** Lines of files: encodings, lines that are too long, streams that do not end. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, describe, expect, it } from 'vitest'
import {
  LineTooLong,
  openLines,
  type OpenLinesOptions,
} from '../../../src/cli/terminal/user-files.js'

const folder = mkdtempSync(join(tmpdir(), 'partlog-files-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

let files = 0
function file(content: string | Uint8Array, ending = '.txt'): string {
  const path = join(folder, `${++files}${ending}`)
  writeFileSync(path, content)
  return path
}

async function linesOf(path: string, options?: OpenLinesOptions): Promise<string[]> {
  const all: string[] = []
  for await (const lines of openLines(path, options).lines()) {
    for (const line of lines) {
      all.push(line instanceof LineTooLong ? 'too long' : line.toString('latin1'))
    }
  }
  return all
}

const MARK = Buffer.of(0xef, 0xbb, 0xbf)

describe('a byte order mark', () => {
  it.each([
    ['before a line', 'a\nb\n', ['a', 'b']],
    ['before an empty line', '\nb', ['', 'b']],
    ['alone', '', []],
    ['before one character', 'x', ['x']],
  ])('a byte order mark %s is dropped', async (_, text, expected) => {
    const bytes = Buffer.concat([MARK, Buffer.from(text)])
    expect(await linesOf(file(bytes))).toEqual(expected)
    expect(await linesOf(file(gzipSync(bytes), '.gz'))).toEqual(expected)
  })

  it('a byte order mark is dropped only at the start, once, and if it is complete', async () => {
    const mark = MARK.toString('latin1')
    const bytes = Buffer.concat([MARK, MARK, Buffer.from('a\n'), MARK, Buffer.from('b')])
    expect(await linesOf(file(bytes))).toEqual([`${mark}a`, `${mark}b`])
    expect(await linesOf(file(MARK.subarray(0, 2)))).toEqual([mark.slice(0, 2)])
  })

  const wide = (text: string, encoding: 'le' | 'be'): Buffer => {
    const bytes = Buffer.from(text, 'utf16le')
    return encoding === 'le' ? bytes : bytes.swap16()
  }
  it.each([
    ['UTF-16', wide('\ufeffa\n', 'le')],
    ['UTF-16', wide('\ufeffa\n', 'be')],
    ['UTF-32', Buffer.of(0xff, 0xfe, 0, 0, 0x61, 0, 0, 0)],
    ['UTF-32', Buffer.of(0, 0, 0xfe, 0xff, 0, 0, 0, 0x61)],
  ])('a mark of %s is refused by name', async (name, bytes) => {
    for (const isText of [true, false]) {
      await expect(linesOf(file(bytes), { isText })).rejects.toThrow(
        `it is in ${name}, expected UTF-8 (iconv -f ${name} -t UTF-8 converts it)`,
      )
    }
    await expect(linesOf(file(gzipSync(bytes), '.gz'))).rejects.toThrow(name)
  })

  it.each([
    ['UTF-16LE', wide('{"a":1}\n', 'le')],
    ['UTF-16BE', wide('{"a":1}\n', 'be')],
  ])('%s without a mark is refused if text is expected', async (name, bytes) => {
    await expect(linesOf(file(bytes), { isText: true })).rejects.toThrow(`it is in ${name}`)
    expect(await linesOf(file(bytes))).not.toEqual([]) // any bytes
  })
})

describe('a line that is too long', () => {
  const long = Buffer.alloc(16 * 1024 * 1024 + 1, 0x61)

  it('a line that is too long is one line, and its bytes are dropped', async () => {
    const bytes = Buffer.concat([Buffer.from('a\n'), long, long, Buffer.from('\nb\n')])
    expect(await linesOf(file(bytes))).toEqual(['a', 'too long', 'b'])
  })

  it('a line that is too long may be the last one', async () => {
    expect(await linesOf(file(Buffer.concat([Buffer.from('a\n'), long])))).toEqual(['a', 'too long'])
    expect(await linesOf(file(long.subarray(1)))).toEqual([long.toString('latin1', 1)])
  })
})

describe('a signal', () => {
  it('a signal ends the reading between lines', async () => {
    const ending = new AbortController()
    const path = file('a\n'.repeat(200_000))
    let count = 0
    for await (const lines of openLines(path, { signal: ending.signal }).lines()) {
      count += lines.length
      ending.abort()
    }
    expect(count).toBeLessThan(200_000)
  })
})
