/**
 * The worked lines of `partlog import --help` and of the manual: one for each kind of file. They are
 * read from there and run, by a shell, in a folder with the files that they name.
 */

import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { FORMAT_NAMES } from '../../src/events/formats/event-rules.js'
import { CLI, output, parseLines, ROOT, shell, tempFolder } from './helpers.js'

const page = readFileSync(join(ROOT, 'src/cli/README.md'), 'utf8')
const ofPage = (/## import\n+```\n(.*?)```/s.exec(page)?.[1] ?? '').trim().split('\n')
const ofHelp = [...output(['import', '--help']).matchAll(/^ {2}\$ (.*)$/gm)].map(each => each[1])

const lines = (...each: readonly unknown[]): string =>
  each.map(line => `${typeof line === 'string' ? line : JSON.stringify(line)}\n`).join('')
const buffer = (text: string) => Buffer.from(text).toJSON()

interface Worked {
  readonly format: (typeof FORMAT_NAMES)[number]
  readonly files: Readonly<Record<string, string | Uint8Array>>
  /** The records, without what is not there. */
  readonly records: readonly Readonly<Record<string, unknown>>[]
}

const AT = '2026-01-31T12:00:00Z'
const LATER = '2026-01-31T12:00:00.001Z'
const MS = Date.parse(AT)
/** Each file with what its kind is for: long numbers, quotes, line breaks, nulls, headers. */
const WORKED: readonly Worked[] = [
  {
    format: 'json',
    files: { 'events.jsonl': lines(`{"id":9007199254740993,"time":"${AT}"}`, { time: LATER }) },
    records: [
      { key: '9007199254740993', value: `{"id":9007199254740993,"time":"${AT}"}`, timestamp: MS },
      { key: null, value: `{"time":"${LATER}"}`, timestamp: MS + 1 },
    ],
  },
  {
    format: 'json-array',
    files: { 'export.json': '[\n {"id": "a", "type": "new",\n  "body": {"n": 1}},\n {"id":"b","body":null}]' },
    records: [
      { key: 'a', value: '{"n": 1}', headers: [['kind', 'new']] },
      { key: 'b', value: null, headers: [] },
    ],
  },
  {
    format: 'csv',
    files: { 'trades.csv': 'symbol,date,note\r\nABC,2026-01-31 12:00,"said ""no"",\r\ntwice"\r\n' },
    records: [
      {
        key: 'ABC',
        timestamp: MS,
        value: '{"symbol":"ABC","date":"2026-01-31 12:00","note":"said \\"no\\",\\r\\ntwice"}',
      },
    ],
  },
  {
    format: 'tsv',
    files: {
      'visits-2.tsv.gz': gzipSync(`user\tat\nb\t${MS + 1}\nd\t${MS + 3}\n`),
      'visits-10.tsv.gz': gzipSync(`user\tat\nc\t${MS + 2}\na\t${MS}\n`),
    },
    records: [...'abcd'].map((key, n) => ({ key, timestamp: MS + n })),
  },
  {
    format: 'lines',
    files: { 'access.log': '83.149.9.216 - - [31/Jan/2026:13:00:00 +0100] "GET /a HTTP/1.1" 200 7\n' },
    records: [
      {
        key: '83.149.9.216',
        timestamp: MS,
        value: '83.149.9.216 - - [31/Jan/2026:13:00:00 +0100] "GET /a HTTP/1.1" 200 7',
      },
    ],
  },
  {
    format: 'records',
    files: {
      'orders-export.jsonl': lines({
        partition: 2,
        offset: 7,
        timestamp: MS,
        key: null,
        value: { base64: '/w==' },
        headers: [
          ['h', null],
          ['h', ''],
        ],
      }),
    },
    records: [
      {
        partition: 2,
        offset: 0,
        timestamp: MS,
        key: null,
        value: { base64: '/w==' },
        headers: [
          ['h', null],
          ['h', ''],
        ],
      },
    ],
  },
  {
    format: 'kcat',
    files: {
      'kcat.jsonl': lines(
        { topic: 'o', partition: 1, offset: 3, tstype: 'create', ts: MS, broker: 1, headers: ['a', '1'], key: 'k', payload: 'v' },
        'not a line of kcat',
      ),
    },
    records: [{ partition: 1, key: 'k', value: 'v', timestamp: MS, headers: [['a', '1']] }],
  },
  {
    format: 'kafkajs',
    files: {
      'kafkajs.jsonl': lines({
        topic: 'o',
        partition: 0,
        message: {
          offset: '1',
          timestamp: String(MS),
          attributes: 0,
          key: buffer('k'),
          value: null,
          headers: { h: buffer('x') },
        },
      }),
    },
    records: [{ key: 'k', value: null, timestamp: MS, headers: [['h', 'x']] }],
  },
  {
    format: 'console',
    files: {
      'dump.txt.gz': gzipSync(`CreateTime:${MS}\tPartition:1\tk\tv\twith a tab\nCreateTime:${MS}\tPartition:0\tnull\tnull\n`),
    },
    records: [
      { partition: 0, key: null, value: null, timestamp: MS },
      { partition: 1, key: 'k', value: 'v\twith a tab', timestamp: MS },
    ],
  },
  {
    format: 'debezium',
    files: {
      'changes.jsonl': lines(
        `{"payload":{"before":null,"after":{"id": 12345678901234567890},"source":{"ts_ms":${MS}},"op":"c"}}`,
        `{"before":{"id":7},"after":null,"source":{"ts_ms":${MS + 1}},"op":"d"}`,
      ),
    },
    records: [
      { key: '12345678901234567890', value: '{"id": 12345678901234567890}', timestamp: MS },
      { key: '7', value: null, timestamp: MS + 1 },
    ],
  },
]

describe('the worked lines of import', () => {
  it('are the same in the help and in the manual: one for each format, in their order', () => {
    expect(ofHelp).toEqual(ofPage)
    expect(WORKED.map(({ format }) => format)).toEqual([...FORMAT_NAMES])
    expect(ofPage).toHaveLength(FORMAT_NAMES.length)
  })

  it.each(WORKED.map((worked, n) => [ofPage[n] as string, worked] as const))(
    '%s',
    (line, { format, files, records }) => {
      const cwd = tempFolder()
      for (const [name, content] of Object.entries(files)) writeFileSync(join(cwd, name), content)
      const command = join(cwd, 'partlog')
      writeFileSync(command, `#!/bin/sh\nexec '${process.execPath}' '${CLI}' "$@"\n`)
      chmodSync(command, 0o755)
      const { code, stderr } = shell(`cd "$1" && PATH="$1:$PATH" && ${line}`, cwd)
      expect({ code, stderr }).toMatchObject({ code: 0 })
      // What the line does not name was recognized, and said.
      if (format !== 'json' && !line.includes('--format')) {
        expect(stderr).toContain(`(--format ${format})`)
      }
      const topic = / --topic (\w+)/.exec(line)?.[1] as string
      const stored = parseLines(output(['replay', topic, '--dir', join(cwd, 'data')]))
      expect(stored).toMatchObject(records)
      expect(stored).toHaveLength(records.length)
    },
  )
})
