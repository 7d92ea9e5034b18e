/** How lines become records, and how an import continues after an early end. */

import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, it, onTestFinished } from 'vitest'
import { CLI, ended, jsonLines, output, partlog, started, tempFolder } from './helpers.js'

interface RecordLine {
  readonly partition: number
  readonly timestamp: number | null
  readonly key: string | { readonly base64: string } | null
  readonly value: string | null
}

const cwd = tempFolder()
let files = 0
function file(content: string | Uint8Array, ending = '.jsonl'): string {
  const path = join(cwd, `${++files}${ending}`)
  writeFileSync(path, content)
  return path
}
/** Often: the command is to be met while it works. */
const POLL = { interval: 5 }
const fresh = (): string => join(tempFolder(), 'data')
const recordsOf = (dir: string, topic = 't'): RecordLine[] =>
  jsonLines<RecordLine>(['replay', topic, '--dir', dir])

function imported(content: string | Uint8Array, ...words: readonly string[]): RecordLine[] {
  const dir = fresh()
  output(['import', file(content), '--topic', 't', '--dir', dir, ...words])
  return recordsOf(dir)
}

function refused(content: string | Uint8Array, ...words: readonly string[]): string {
  const ended = partlog(['import', file(content), '--topic', 't', '--dir', fresh(), ...words])
  expect(ended).toMatchObject({ code: 1, stdout: '' })
  expect(ended.stderr).toMatch(/^partlog: [^\n]*\n$/)
  return ended.stderr
}

describe('a key', () => {
  const keys = (content: string | Uint8Array, ...words: readonly string[]) =>
    imported(content, ...words).map(({ key }) => key)

  it('a key is the exact text in the line', () => {
    const lines = ['653247040368672768', '653247040368672769', '1.10', '1.1', '"a\\nb"', 'true']
    const content = lines.map(id => `{"id":${id}}`).join('\n')
    expect(keys(content, '--key', 'id')).toEqual([...lines.slice(0, 4), 'a\nb', 'true'])
  })

  it('a key that is an object keeps its text without the blanks between tokens', () => {
    const line = '{"k":{ "id": 9007199254740993, "v": [1.10] }}'
    expect(keys(line, '--key', 'k')).toEqual(['{"id":9007199254740993,"v":[1.10]}'])
  })

  it('an event without the field has no key, whatever the field is called', () => {
    expect(keys('{"a":1}\n{"a":2,"constructor":"c"}', '--key', 'constructor')).toEqual([null, 'c'])
  })

  it('a key in Latin-1 keeps its bytes, in a field and as a word', () => {
    const bytes = ['M\xfcller', 'M\xf6ller'].map(name => Buffer.from(name, 'latin1'))
    const expected = bytes.map(each => ({ base64: each.toString('base64') }))
    const json = Buffer.from('{"n":"M\xfcller"}\n{"n":"M\xf6ller"}\n', 'latin1')
    expect(keys(json, '--key', 'n')).toEqual(expected)
    const words = Buffer.from('1 M\xfcller\n2\tM\xf6ller x\n', 'latin1')
    expect(keys(words, '--format', 'lines', '--key', '2')).toEqual(expected)
  })

  it('a key with a lone surrogate is refused', () => {
    expect(refused('{"n":"\\ud800"}', '--key', 'n')).toContain('line 1: n: it has a lone surrogate')
    const record = { partition: 0, timestamp: 1, key: '\ud800', value: 'v' }
    const line = JSON.stringify(record)
    expect(refused(line, '--format', 'records')).toContain('line 1: key: it has a lone surrogate')
    const latin = Buffer.from('{"partition":0,"timestamp":1,"key":null,"value":"\xfc"}', 'latin1')
    expect(refused(latin, '--format', 'records')).toContain('line 1: it is not UTF-8')
  })
})

describe('a time', () => {
  const times = (values: readonly unknown[], ...words: readonly string[]) => {
    const lines = values.map(ts => JSON.stringify({ ts })).join('\n')
    return imported(lines, '--timestamp', 'ts', ...words).map(({ timestamp }) => timestamp)
  }
  const T = 1_700_000_000_000

  it('a time is read by its zone, or its clear unit', () => {
    const values = ['2023-11-14T23:13:20+01:00', T / 1000, T, T * 1000, String(T * 1_000_000)]
    expect(times(values)).toEqual(values.map(() => T))
  })

  it('a time is read by --timestamp-unit and --timezone', () => {
    expect(times([1, '2'], '--timestamp-unit', 's')).toEqual([1000, 2000])
    const zone = ['--timezone', 'Europe/Berlin']
    expect(times(['2023-11-14 23:13:20'], ...zone)).toEqual([T])
  })

  it.each([
    ['"order-1"', 'expected a time, got "order-1": expected a time like 2016'],
    ['true', 'expected a time, got true'],
    ['null', 'expected a time, got null'],
    ['"2018-08-31 09:30:00"', 'it has no time zone: add --timezone UTC'],
    ['1000', 'its unit is not clear: add --timestamp-unit s, ms, us or ns'],
    ['"1955-01-01T00:00:00Z"', 'it lies before 1970'],
  ])('a time is refused with its line: %s', (value, why) => {
    expect(refused(`{"ts":"${'2016-01-01'}T00:00:00Z"}\n{"ts":${value}}\n`, '--timestamp', 'ts'))
      .toMatch(new RegExp(`line 2: ts: .*${why.replaceAll('.', '\\.')}`))
  })

  it('the range and the unit of the times are reported', () => {
    const path = file(`{"ts":${T / 1000}}\n{"ts":"2024-01-01T00:00:00Z"}\n`)
    const words = ['import', path, '--topic', 't', '--dir', fresh(), '--timestamp', 'ts']
    expect(partlog(words).stderr).toContain(
      'their times range from 2023-11-14T22:13:20.000Z to 2024-01-01T00:00:00.000Z; ' +
        'numbers were read as s\n',
    )
  })

  it('a record without a time keeps it from one export to the next', () => {
    const line = (timestamp: number | null): string =>
      JSON.stringify({ value: 'v', key: null, timestamp, partition: 0, more: 1 })
    const records = imported(`${line(null)}\n${line(5)}\n`, '--format', 'records')
    expect(records.map(({ timestamp }) => timestamp)).toEqual([null, 5])
  })

  it('a time beyond 2^53 is refused in an export', () => {
    const line = '{"partition":0,"timestamp":1600000000000000001,"key":null,"value":"v"}'
    expect(refused(line, '--format', 'records')).toContain('line 1: timestamp: expected milli')
  })
})

describe('options that would change nothing', () => {
  const record = '{"partition":0,"timestamp":1,"key":null,"value":"v"}'
  it.each([
    [['--format', 'lines', '--timestamp', 'at'], /plain lines have no field "at"/],
    [['--format', 'kcat', '--timestamp', 'x'], /--timestamp: not with --format kcat: the/],
    [['--match', 'x', '--format', 'json'], /--match: only with --format lines, not with --format/],
    [['--resume', '--skip', '1'], /--skip: not with --resume, which/],
    [['--sort-by-time', '1m'], /--sort-by-time: needs --timestamp$/],
    [['--key', 'a['], /expected a field like id, .*got "a\["/],
    [['--format', 'records', '--timestamp', 'x'], /--timestamp: not with --format records: the/],
    [['--format', 'records', '--key', 'value'], /--key: not with --format records: the/],
    [['--format', 'lines', '--timezone', 'UTC'], /--timezone: needs --timestamp/],
    [['--timezone', 'UTC'], /--timezone: needs --timestamp$/],
    [['--timestamp-unit', 's'], /--timestamp-unit: needs --timestamp$/],
    [['--skip', '1', '--skip', '2'], /--skip: expected once, got 2 times$/],
    [['--timestamp', 't', '--timezone', 'Berlin'], /--timezone: expected a time zone like UTC/],
  ])('%j is refused', (words, line) => {
    const dir = fresh()
    const path = file(`${record}\n`)
    const { code, stderr } = partlog(['import', path, '--topic', 't', '--dir', dir, ...words])
    expect(code).toBe(2)
    expect(stderr.trimEnd()).toMatch(line)
    expect(existsSync(dir)).toBe(false)
  })

  it.each([
    [['demo', '--file', 'x', '--seed', '2'], /--seed: not with --file/],
    [['serve', '--memory', '--dir', 'x'], /expected --dir or --memory, not both$/],
    [['topics', 'orders', '--internal'], /--internal: not with a TOPIC$/],
    [['replay', 'orders', '--partitions', 'keep'], /--partitions: only with --to TOPIC$/],
    [['replay', 'orders', '--to', 'x', '--format', 'values'], /--format: not with --to TOPIC/],
  ])('%j is refused', (words, line) => {
    const { code, stderr } = partlog(words, { cwd })
    expect(stderr.trimEnd()).toMatch(line)
    expect(code).toBe(2)
  })
})

describe('encodings', () => {
  const mark = Buffer.of(0xef, 0xbb, 0xbf)
  const text = Buffer.concat([mark, Buffer.from('{"id":"a"}\n{"id":"b"}\n')])

  it('a byte order mark is dropped from a file, standard input, gzip and skipped lines', () => {
    const values = ['{"id":"a"}', '{"id":"b"}']
    expect(imported(text, '--key', 'id').map(({ value }) => value)).toEqual(values)
    for (const words of [[file(gzipSync(text), '.jsonl.gz')], ['-'], ['-', '--skip', '1']]) {
      const dir = fresh()
      const all = ['import', ...words, '--topic', 't', '--dir', dir]
      expect(partlog(all, { input: text }).code).toBe(0)
      expect(recordsOf(dir).map(({ value }) => value)).toEqual(values.slice(words.length === 3 ? 1 : 0))
    }
  })

  it('UTF-16 becomes UTF-8', () => {
    const wide = Buffer.from('\ufeff{"id":"é"}\n', 'utf16le')
    expect(imported(wide, '--key', 'id').map(({ key }) => key)).toEqual(['é'])
    expect(imported(wide.subarray(2)).map(({ value }) => value)).toEqual(['{"id":"é"}'])
  })
})

describe('a bad line', () => {
  const BAD: Readonly<Record<string, string>> = {
    'a torn line': '{"id":"c',
    'zeros after a crash': `${'\0'.repeat(100)}{"id":"x"}`,
    'two events in one line': '{"id":"c"}{"id":"c2"}',
    'a line of a log': 'WARN retrying',
    'a line that is too long': 'x'.repeat(17 * 1024 * 1024),
    'an event that is too large': `{"id":"${'x'.repeat(1_100_000)}"}`,
  }
  it.each(Object.entries(BAD))('the advice after %s continues the import', (_, bad) => {
    const path = file(`{"id":"a"}\n{"id":"b"}\n${bad}\n{"id":"d"}\n`)
    const dir = fresh()
    const words = ['import', path, '--topic', 't', '--dir', dir, '--key', 'id']
    const first = partlog(words)
    expect(first.code).toBe(1)
    expect(first.stderr).toMatch(/: line 3: .*; its first 2 lines are imported, the rest is not: /)
    expect(first.stderr).toContain(
      'continue after line 3 with --skip 3, or correct it and use --skip 2; ' +
        '--on-bad-line skip leaves out all such lines\n',
    )
    expect(partlog([...words, '--skip', '3']).code).toBe(0)
    expect(recordsOf(dir).map(({ key }) => key)).toEqual(['a', 'b', 'd'])
    const other = fresh()
    const skipping = partlog(['import', path, '--topic', 't', '--dir', other, '--on-bad-line', 'skip'])
    expect(skipping.code).toBe(0)
    expect(skipping.stderr).toMatch(/line 3 is left out: [^\n]*\n3 records .*\n1 lines are left out/)
    expect(recordsOf(other)).toHaveLength(3)
  })

  it('a record that does not fit into the topic is named by its line', () => {
    const line = (partition: number): string =>
      JSON.stringify({ partition, timestamp: 1, key: null, value: 'v' })
    const dir = fresh()
    const input = [0, 1, 5, 0].map(line).join('\n')
    const words = ['import', '-', '--topic', 't', '--dir', dir, '--format', 'records']
    const { stderr } = partlog([...words, '--partitions', '2'], { input })
    expect(stderr).toContain('line 3: partition 5: the topic has 2 partitions; its first 2 lines are')
    expect(recordsOf(dir)).toHaveLength(2)
  })

  it('many bad lines are counted, and the first ones are named, also in JSON', () => {
    const lines = Array.from({ length: 100 }, (_, n) => (n % 2 === 0 ? `{"n":${n}}` : 'bad'))
    const path = file(lines.join('\n'))
    const words = ['import', path, '--topic', 't', '--on-bad-line', 'skip', '--dir', fresh()]
    const { stderr } = partlog(words)
    expect(stderr.match(/is left out: /g)).toHaveLength(10)
    expect(stderr).toContain('50 lines are left out: 50 not JSON\n')
    const told = jsonLines([...words.slice(0, -1), fresh(), '--json'])
    expect(told.filter(each => 'badLine' in each)).toHaveLength(10)
    expect(told.at(-1)).toMatchObject({ records: 50, badLines: 50 })
    expect(told).toContainEqual({ acknowledged: 100 })
  })
})

describe('a signal', () => {
  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)('an import that %s ends says how many lines are imported', async signal => {
    const pad = 'x'.repeat(60)
    const events = Array.from({ length: 300_000 }, (_, id) => JSON.stringify({ id, pad }))
    const path = file(events.join('\n'))
    const dir = fresh()
    const { child, ended: over } = started(['import', path, '--topic', 't', '--dir', dir])
    const log = join(dir, 'broker-1/t-0/00000000000000000000.log')
    await expect.poll(() => existsSync(log) && statSync(log).size > 500_000, POLL).toBe(true)
    child.kill(signal)
    const { code, stderr } = await over
    expect(code).toBe(1)
    const count = Number(/^partlog: .*: its first (\d+) lines are imported/m.exec(stderr)?.[1])
    expect(stderr).toContain(`the rest is not: continue with --skip ${count}\n`)
    expect(jsonLines(['topics', '--dir', dir, '--json'])).toMatchObject([{ records: count }])
    const rest = ['import', path, '--topic', 't', '--dir', dir, '--skip', String(count)]
    expect(partlog(rest).code).toBe(0)
    expect(jsonLines(['topics', '--dir', dir, '--json'])).toMatchObject([{ records: 300_000 }])
  })

  it('a signal ends a replay into a topic in order, and it says how to continue', async () => {
    const dir = fresh()
    const lines = [0, 1, 2].map(n =>
      JSON.stringify({ partition: n % 2, timestamp: n * 3_600_000, key: `k${n}`, value: 'v' }),
    )
    output(['import', file(lines.join('\n')), '--topic', 't', '--dir', dir, '--format', 'records'])
    const words = ['replay', 't', '--to', 'copy', '--speed', '1x', '--dir', dir]
    const { child, ended: over } = started(words)
    // The first record goes off before the wait for the second.
    const logs = [0, 1].map(n => join(dir, `broker-1/copy-${n}/00000000000000000000.log`))
    const isSent = () => logs.some(log => existsSync(log) && statSync(log).size > 0)
    await expect.poll(isSent, POLL).toBe(true)
    child.kill('SIGTERM')
    const { code, stderr } = await over
    expect(code).toBe(1)
    expect(stderr).toContain('partlog: not finished: continue with --from 0:1,1:0\n')
    output([...words.slice(0, 4), '--from', '0:1,1:0', '--dir', dir])
    expect(recordsOf(dir, 'copy').map(({ key }) => key)).toEqual(['k0', 'k1', 'k2'])
  })

  it('a signal ends the demo, which closes what it has opened', async () => {
    const dir = fresh()
    const { child, ended: over } = started(['demo', '--records', '400000', '--dir', dir])
    const log = join(dir, 'broker-1/orders-0/00000000000000000000.log')
    await expect.poll(() => existsSync(log) && statSync(log).size > 100_000, POLL).toBe(true)
    child.kill('SIGINT')
    const { code, stderr } = await over
    expect(code).toBe(1)
    expect(stderr).toMatch(/^SIGINT: ending\n(partlog: .*: its first \d+ lines are imported|only )/)
    expect(stderr).not.toContain('--skip')
    expect(existsSync(join(dir, 'broker-1/.kafka_cleanshutdown'))).toBe(true)
  })

  it('a signal ends an import while standard input delivers nothing', async () => {
    const dir = fresh()
    const words = ['import', '-', '--topic', 't', '--dir', dir]
    const child = spawn(process.execPath, [CLI, ...words, '--json'])
    onTestFinished(() => void child.kill('SIGKILL'))
    let stderr = ''
    child.stderr.on('data', chunk => (stderr += String(chunk)))
    const acknowledged = new Promise(resolve => child.stdout.once('data', resolve))
    child.stdin.write('{"a":1}\n{"a":2}\n')
    await acknowledged
    child.kill('SIGINT')
    expect(await ended(child)).toBe(1)
    expect(stderr).toContain('its first 2 lines are imported, the rest is not: continue with --skip 2')
  })
})

describe('records as lines', () => {
  it('lines of records may have their fields in any order, more fields, and no headers', () => {
    const record = { partition: 0, offset: 0, timestamp: 1000, key: 'a', value: 'x', headers: [] }
    const sorted = Object.fromEntries(Object.entries(record).sort())
    const { headers: _, offset: __, ...less } = record
    const lines = [sorted, { topic: 't', ...record }, less].map(each => JSON.stringify(each))
    const records = imported(lines.join('\n'), '--format', 'records')
    expect(records.map(({ key, timestamp }) => [key, timestamp])).toEqual(
      lines.map(() => ['a', 1000]),
    )
    const { value: ___, ...valueless } = record
    expect(refused(JSON.stringify(valueless), '--format', 'records')).toContain('has no value')
    const path = file(JSON.stringify({ topic: 't', ...sorted }))
    const { code, stderr } = partlog(['import', path, '--topic', 't', '--dir', fresh()])
    expect(code).toBe(0)
    expect(stderr).toContain('is read as an export of partlog (--format records)')
  })

  it('a replay of values counts the values that lines cannot represent', () => {
    const dir = fresh()
    const values = ['plain', 'two\nlines', null, 'carriage\r', null]
    const lines = values.map(value => JSON.stringify({ partition: 0, timestamp: 1, key: 'k', value }))
    const path = file(lines.join('\n'))
    output(['import', path, '--topic', 't', '--dir', dir, '--format', 'records'])
    const { code, stderr } = partlog(['replay', 't', '--dir', dir, '--format', 'values'])
    expect(code).toBe(0)
    expect(stderr).toContain(
      'partlog: 2 values hold line breaks, 2 are null (an empty line each): lines cannot ' +
        'represent them exactly; --format records can\n',
    )
    expect(partlog(['replay', 't', '--dir', dir]).stderr).not.toContain('line breaks')
  })

  it('--from gives a place for each of several partitions', () => {
    const dir = fresh()
    const lines = [0, 1, 2].map(partition =>
      JSON.stringify({ partition, timestamp: 1, key: null, value: 'v' }),
    )
    output(['import', file(lines.join('\n')), '--topic', 't', '--dir', dir, '--format', 'records'])
    const two = jsonLines<RecordLine>([
      ...['replay', 't', '--dir', dir, '--partition', '0', '--partition', '2'],
    ])
    expect(two.map(({ partition }) => partition)).toEqual([0, 2])
    const from = ['replay', 't', '--dir', dir, '--from', '0:1,1:0,2:0']
    expect(jsonLines<RecordLine>(from).map(({ partition }) => partition)).toEqual([1, 2])
    expect(partlog([...from.slice(0, -1), '0:1']).stderr).toContain('a time for partition 1, too')
    expect(partlog(['replay', 't', '--dir', dir, '--partition', '7', '--partition', '0']).stderr)
      .toContain('got t-7')
  })

  it('--from and --until accept times in milliseconds', () => {
    const dir = fresh()
    const path = file('{"ts":1700000000000}\n{"ts":1500000000000}\n')
    output(['import', path, '--topic', 't', '--timestamp', 'ts', '--dir', dir])
    const words = ['replay', 't', '--dir', dir, '--format', 'values']
    const from = partlog([...words, '--from', '1600000000000'])
    expect(from.stdout).toBe('{"ts":1700000000000}\n')
    expect(from.stderr).toContain('--from 1600000000000 is taken for a time, 2020-09-13T12:26:40')
    expect(partlog([...words, '--until', '1600000000000']).stdout).toBe('{"ts":1500000000000}\n')
    expect(partlog([...words, '--from', '7']).stderr).toContain('--from 7 lies beyond the end of every partition (2 ')
  })
})

it('a file that cannot be read is named with its path', () => {
  const path = file('{}')
  mkdirSync(join(cwd, 'empty'))
  for (const [words, why] of [
    [['verify', path], ' is a file: expected the folder of'],
    [['inspect', path], ': expected a folder, or a file of a log'],
    [['replay', 't', '--dir', path], ' is a file: expected the folder of'],
    [['verify', join(cwd, 'empty')], ' holds no logs'],
  ] as const) {
    const { code, stderr } = partlog(words)
    expect(code).toBe(1)
    expect(stderr).toContain(`${words.at(-1)}${why}`)
  }
})
