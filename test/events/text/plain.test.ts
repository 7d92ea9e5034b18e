/** Untrusted text never controls a terminal, and passwords of addresses are not printed. */

import { PassThrough } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { parseRecordLine, recordLine } from '../../../src/events/formats/record-lines.js'
import { Output } from '../../../src/cli/terminal/output.js'
import { plain, plainJson, plainLines, withoutSecrets } from '../../../src/events/text/plain.js'
import { table } from '../../../src/cli/terminal/table.js'

const EVIL = 'a\u001b[2J\u009b31mb\r\nc\td\u0000\u007f\u2028\u202ee\u2066'

describe('text of others', () => {
  it('plain text is one line in which every control character is visible', () => {
    const text = plain(EVIL)
    expect(text).toBe('a\\u001b[2J\\u009b31mb\\r\\nc\\td\\u0000\\u007f\\u2028\\u202ee\\u2066')
    expect(plain('Zoë 日本 😀 -\u00a0')).toBe('Zoë 日本 😀 -\u00a0')
  })

  it('plain lines keep their line breaks', () => {
    expect(plainLines('a\nb\u001bc\r')).toBe('a\nb\\u001bc\\r')
  })

  it('plain JSON parses to the same value', () => {
    const json = plainJson({ [EVIL]: [EVIL, 1, null] })
    expect(JSON.parse(json)).toEqual({ [EVIL]: [EVIL, 1, null] })
    for (const character of json) expect(plain(character)).toBe(character)
  })

  it('text with control characters fits into one cell of a table', () => {
    const lines = table(['GROUP', 'LAG'], [[EVIL, 1], ['b', 22]]).split('\n')
    expect(lines).toHaveLength(3)
    for (const line of lines) expect(plain(line)).toBe(line)
    expect(new Set(lines.map(line => line.length)).size).toBe(1)
  })

  it('notes contain no control characters', () => {
    const stderr = new PassThrough()
    const output = new Output(new PassThrough() as never, stderr as never)
    output.note(`group ${EVIL}`)
    expect(String(stderr.read())).not.toMatch(/[\u001b\u009b\r\u202e]/)
  })
})

describe('addresses', () => {
  it.each([
    ['got "kafka://user:secret@host:9092/t"', 'got "kafka://…@host:9092/t"'],
    ['kafka://user:se/cr@et@host/t fails', 'kafka://…@host/t fails'],
    ['kafka://host/t?password=secret&x=1', 'kafka://host/t?…'],
    ['kafka://host/t#secret', 'kafka://host/t?…'],
    ['https://me:secret@registry/', 'https://…@registry/'],
    ['user:secret@host:9092', '…@host:9092'],
    ['--to=user:secret@host', '--to=…@host'],
  ])('%s', (sentence, expected) => {
    expect(withoutSecrets(sentence)).toBe(expected)
    expect(withoutSecrets(sentence)).not.toContain('secret')
  })

  it.each([
    'kafka://a:9092,b:9092/orders',
    '/data/a:b@c/file.jsonl: ENOENT',
    'mail to me@example.org',
    'orders-0 at 12:30:00',
  ])('%s stays unchanged', sentence => {
    expect(withoutSecrets(sentence)).toBe(sentence)
  })
})

it('an exported record is the same record, and its line has no control characters', () => {
  const bytes = Buffer.from(EVIL)
  const record = {
    topic: 't',
    partition: 0,
    offset: 1,
    timestamp: 2,
    timestampType: 'CreateTime' as const,
    key: bytes,
    value: bytes,
    headers: [{ key: EVIL, value: bytes }],
    leaderEpoch: 0,
    isControl: false,
  }
  const line = recordLine(record)
  expect(plain(line)).toBe(line)
  expect(parseRecordLine(line)).toEqual({
    partition: 0,
    timestamp: 2,
    key: EVIL,
    value: EVIL,
    headers: [[EVIL, EVIL]],
  })
})
