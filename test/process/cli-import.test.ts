/** Lines into topics and out again: formats, keys, times, ranges, gzip, standard streams. */

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { Cluster } from '../../src/index.js'
import { jsonLines, output, parseLines, partlog, tempFolder } from './helpers.js'

interface RecordLine {
  readonly partition: number
  readonly offset: number
  readonly timestamp: number
  readonly key: string | null
  readonly value: string | { readonly base64: string } | null
}

const START = Date.UTC(2016, 0, 31, 12)
const EVENTS = Array.from({ length: 12 }, (_, n) => ({
  id: `order-${n % 4}`,
  n,
  at: new Date(START + n * 1000).toISOString(),
}))
const LINES = EVENTS.map(event => JSON.stringify(event))
const TEXT = LINES.map(line => `${line}\n`).join('')

const cwd = tempFolder()
const file = (name: string, content: string | Uint8Array): string => {
  writeFileSync(join(cwd, name), content)
  return join(cwd, name)
}
const events = file('events.jsonl', TEXT)
/** A cluster's folder of its own. */
const fresh = (): string => join(tempFolder(), 'data')
const valuesOf = (dir: string, topic: string): string =>
  output(['replay', topic, '--dir', dir, '--format', 'values'])
const recordsOf = (dir: string, ...words: readonly string[]): RecordLine[] =>
  jsonLines<RecordLine>(['replay', ...words, '--dir', dir])

function imported(...words: readonly string[]): string {
  const dir = fresh()
  output(['import', events, '--topic', 'orders', '--dir', dir, ...words])
  return dir
}

describe('import', () => {
  it('import keeps each line as a value, in order', () => {
    expect(valuesOf(imported(), 'orders')).toBe(TEXT)
  })

  it('import skips blank lines, which count as lines', () => {
    const text = `\n${LINES.slice(0, 3).join('\r\n \n')}\n\n\n`
    const dir = fresh()
    const blank = file('blank.jsonl', text)
    const words = ['import', blank, '--topic', 'orders', '--dir', dir, '--json']
    const told = jsonLines<{ acknowledged?: number; records?: number }>(words)
    expect(told).toMatchObject([{ acknowledged: 8 }, { records: 3 }])
    expect(valuesOf(dir, 'orders')).toBe(`${LINES.slice(0, 3).join('\n')}\n`)
    const rest = jsonLines<{ records?: number }>([...words, '--skip', '4'])
    expect(rest.at(-1)).toMatchObject({ records: 1 })
  })

  it('import accepts events of the future', () => {
    const dir = fresh()
    const event = JSON.stringify({ at: '2999-01-01T00:00:00Z' })
    const future = file('future.jsonl', `${event}\n`)
    output(['import', future, '--topic', 'orders', '--dir', dir, '--timestamp', 'at'])
    expect(valuesOf(dir, 'orders')).toBe(`${event}\n`)
  })

  it('import reads key and time from fields, and keeps the order of a key', () => {
    const dir = imported('--key', 'id', '--timestamp', 'at', '--partitions', '3')
    const records = recordsOf(dir, 'orders')
    expect(records.map(each => each.value)).toEqual(LINES) // times ascend, so does the replay
    expect(records.map(each => each.key)).toEqual(EVENTS.map(event => event.id))
    expect(records.map(each => each.timestamp)).toEqual(EVENTS.map(event => Date.parse(event.at)))
    const places = new Set(records.map(each => `${each.key} in ${each.partition}`))
    expect(places.size).toBe(4)
    expect(new Set(records.map(each => each.partition)).size).toBeGreaterThan(1)
  })

  it('import accepts times in milliseconds, and keys that are numbers, objects or missing', () => {
    const dir = fresh()
    const lines = ['{"k":7,"t":1000}', '{"k":{"a": 1},"t":2000.4}', '{"t":3000}', '{"k":null,"t":4}']
    const path = file('odd.jsonl', lines.join('\n'))
    const words = ['import', path, '--topic', 'odd', '--dir', dir, '--key', 'k', '--timestamp', 't']
    expect(partlog(words).stderr).toContain('its unit is not clear: add --timestamp-unit s')
    output([...words, '--timestamp-unit', 'ms'])
    const records = recordsOf(dir, 'odd', '--partition', '0')
    expect(records.map(({ key, timestamp }) => [key, timestamp])).toEqual([
      ['7', 1000],
      ['{"a":1}', 2000],
      [null, 3000],
      [null, 4],
    ])
  })

  it('import reads any text with --format lines, and the n-th word as a key', () => {
    const dir = fresh()
    const bytes = Buffer.concat([
      Buffer.from('GET /a 200\r\n\n'),
      Buffer.from([0xff, 0x00, 0x20, 0x62, 0x0a]),
      Buffer.from('no end'),
    ])
    const path = file('access.log', bytes)
    output(['import', path, '--topic', 'access', '--dir', dir, '--format', 'lines', '--key', '2'])
    const records = recordsOf(dir, 'access')
    expect(records.map(({ key, value }) => [key, value])).toEqual([
      ['/a', 'GET /a 200'],
      [null, ''],
      ['b', { base64: Buffer.from([0xff, 0x00, 0x20, 0x62]).toString('base64') }],
      ['end', 'no end'],
    ])
  })

  it('import reads standard input for "-"', () => {
    const dir = fresh()
    const words = ['import', '-', '--topic', 'orders', '--dir', dir]
    expect(partlog(words, { input: TEXT }).code).toBe(0)
    expect(valuesOf(dir, 'orders')).toBe(TEXT)
  })

  it('import creates the topic even if there are no lines', () => {
    const dir = fresh()
    const words = ['import', '-', '--topic', 'orders', '--dir', dir, '--partitions', '2']
    const { code, stdout } = partlog([...words, '--json'])
    expect(code).toBe(0)
    expect(parseLines(stdout)).toMatchObject([{ records: 0, bytes: 0 }])
    expect(jsonLines(['topics', '--dir', dir, '--json'])).toEqual([
      { topic: 'orders', partitions: 2, records: 0 },
    ])
  })

  it('import and replay use gzip by extension', () => {
    const dir = fresh()
    const packed = file('events.jsonl.gz', gzipSync(TEXT))
    output(['import', packed, '--topic', 'orders', '--dir', dir])
    expect(valuesOf(dir, 'orders')).toBe(TEXT)
    const target = join(cwd, 'made/on/the/way/out.jsonl.gz')
    output(['replay', 'orders', '--dir', dir, '--format', 'values', '--to', target])
    expect(gunzipSync(readFileSync(target)).toString()).toBe(TEXT)
  })

  it('import --dry-run writes nothing and shows where records would go', () => {
    const dir = fresh()
    const words = ['import', events, '--topic', 'orders', '--dir', dir, '--partitions', '3', '--dry-run']
    const { code, stdout, stderr } = partlog([...words, '--key', 'id', '--timestamp', 'at'])
    expect(code).toBe(0)
    const shown = stdout.split('\n').slice(0, 5).map(line => JSON.parse(line) as RecordLine)
    expect(shown.map(({ key, value, timestamp }) => [key, value, timestamp])).toEqual(
      EVENTS.slice(0, 5).map(({ id, at }, n) => [id, LINES[n], Date.parse(at)]),
    )
    expect(stdout).toContain('PARTITION  RECORDS\n')
    expect(stderr).toContain('dry run: 12 records would go into orders; nothing was written\n')
    const [plan] = jsonLines<{ partitions: number[] }>([...words, '--key', 'id', '--json']).slice(-1)
    const counts = [0, 0, 0]
    for (const { partition } of recordsOf(imported('--key', 'id', '--partitions', '3'), 'orders')) {
      counts[partition] = (counts[partition] ?? 0) + 1
    }
    expect(plan?.partitions).toEqual(counts)
  })

  it('import --on-bad-line FILE puts bad lines aside', () => {
    const dir = fresh()
    const path = file('mixed.jsonl', '{"n":1}\nbad one\n{"n":2}\n{"n":\n')
    const aside = join(cwd, 'aside.jsonl')
    const words = ['import', path, '--topic', 't', '--dir', dir, '--on-bad-line', aside]
    expect(partlog(words).stderr).toContain('2 lines are left out: 2 not JSON\n')
    expect(readFileSync(aside, 'utf8')).toBe('bad one\n{"n":\n')
    expect(valuesOf(dir, 't')).toBe('{"n":1}\n{"n":2}\n')
  })

  it('import --on-bad-line FILE puts rows aside with their header, so the file can be imported', () => {
    const dir = fresh()
    const path = file('mixed.csv', 'id,at\n1,2016-01-31\n2\n3,31.01.2016\n')
    const aside = join(cwd, 'rows.csv')
    const words = ['--topic', 't', '--dir', dir, '--key', 'id', '--timestamp', 'at', '--timezone', 'UTC']
    const { stderr } = partlog(['import', path, ...words, '--on-bad-line', aside])
    expect(stderr).toContain("row 4 is left out: at: expected a time, got \"31.01.2016\": expected a")
    expect(stderr).toContain("(--time-format '%d.%m.%Y' reads it)\n")
    expect(readFileSync(aside, 'utf8')).toBe('id,at\n2\n3,31.01.2016\n')
    output(['import', aside, ...words, '--time-format', '%d.%m.%Y', '--on-bad-line', 'skip'])
    expect(recordsOf(dir, 't').map(({ key }) => key)).toEqual(['1', '3'])
  })

  it('import appends to an existing topic', () => {
    const dir = imported()
    output(['import', events, '--topic', 'orders', '--dir', dir])
    expect(valuesOf(dir, 'orders')).toBe(TEXT + TEXT)
  })

  it('import creates topics that keep old events forever', async () => {
    const cluster = await Cluster.open({ dir: imported('--timestamp', 'at'), readOnly: true })
    const settings = await cluster.admin.describeConfig('orders')
    await cluster.close()
    expect(settings).toContainEqual(expect.objectContaining({ name: 'retention.ms', value: '-1' }))
  })

  it('import --json reports the lines imported and a summary; without it no data', () => {
    const words = ['import', events, '--topic', 'orders', '--dir', fresh()]
    const lines = jsonLines([...words, '--json'])
    expect(lines.at(-1)).toMatchObject({ topic: 'orders', file: events, records: 12 })
    expect(lines.at(-1)?.['bytes']).toBe(TEXT.length - 12)
    expect(lines.slice(0, -1)).toEqual([{ acknowledged: 12 }])
    const { stdout, stderr } = partlog([...words, '--durability', 'process'])
    expect(stdout).toBe('')
    expect(stderr).toMatch(/^12 records \(\d+ B\) into orders in [\d.]+ s, [\d,]+ records\/s\n$/)
  })
})

describe('a line that is wrong', () => {
  const broken = (line: string): string =>
    [...LINES.slice(0, 5), line, ...LINES.slice(5)].join('\n')

  it.each([
    ['no JSON', 'not json', [], /line 6: Unexpected token/],
    ['without its time', '{"id":1}', ['--timestamp', 'at'], /line 6: at: expected a time, got und/],
    ['with a wrong time', '{"at":"?"}', ['--timestamp', 'at'], /line 6: at: expected a time, got/],
    ['no export', '{"a":1}', ['--format', 'records'], /line 1: expected a record, but it has no par/],
  ])('a bad line is named by its number: %s', (_, line, words, sentence) => {
    const path = file('broken.jsonl', broken(line))
    const ended = partlog(['import', path, '--topic', 't', '--dir', fresh(), ...words])
    expect(ended).toMatchObject({ code: 1, stdout: '' })
    expect(ended.stderr).toMatch(/^partlog: [^\n]*\n$/)
    expect(ended.stderr).toContain(`${path}: line `)
    expect(ended.stderr).toMatch(sentence)
  })

  it.each([
    ['"partition":-1', /line 2: partition: expected a whole number/],
    ['"timestamp":"x"', /line 2: timestamp: expected milliseconds since 1970, or null/],
    ['"timestamp":1.5', /line 2: timestamp: expected milliseconds since 1970, or null/],
    ['"key":7', /line 2: key: expected a string, null or {"base64":…}/],
    ['"value":{"base64":"!!"}', /line 2: value: expected a string, null or {"base64":…}/],
    ['"headers":{"a":"b"}', /line 2: headers: expected a list of pairs/],
    ['"headers":[["a",1]]', /line 2: header a: expected a string, null or {"base64":…}/],
  ])('a bad line of an export is named by its number: %s', (wrong, sentence) => {
    const good = { partition: 0, offset: 0, timestamp: 1, key: null, value: 'v', headers: [] }
    const bad = JSON.stringify({ ...good, ...(JSON.parse(`{${wrong}}`) as object) })
    const input = `${JSON.stringify(good)}\n${bad}\n`
    const words = ['import', '-', '--topic', 't', '--dir', fresh(), '--format', 'records']
    const { code, stderr } = partlog(words, { input })
    expect(code).toBe(1)
    expect(stderr).toMatch(sentence)
    expect(stderr).toContain('continue after line 2 with --skip 2, or correct it and use --skip 1;')
  })

  it('a bad line leaves the lines before it imported, and says how to continue', () => {
    const dir = fresh()
    const words = ['import', '-', '--topic', 'orders', '--dir', dir]
    const { code, stderr } = partlog(words, { input: broken('{"id":') })
    expect(code).toBe(1)
    expect(stderr).toMatch(/^partlog: standard input: line 6: .*or correct it and use --skip 5; .*\n$/)
    expect(stderr).toContain('its first 5 lines are imported, the rest is not')
    const again = partlog([...words, '--skip', '5'], { input: broken('{"id":"mended"}') })
    expect(again.code).toBe(0)
    expect(valuesOf(dir, 'orders')).toBe(`${broken('{"id":"mended"}')}\n`)
  })

  it('the number of a bad line counts the skipped lines', () => {
    const dir = fresh()
    const words = ['import', '-', '--topic', 'orders', '--dir', dir, '--skip', '3']
    const { stderr } = partlog(words, { input: broken('?') })
    expect(stderr).toContain('with --skip 6, or correct it and use --skip 5')
    expect(valuesOf(dir, 'orders')).toBe(`${LINES.slice(3, 5).join('\n')}\n`)
  })

  it('a bad first line leaves no topic', () => {
    const dir = fresh()
    const words = ['import', '-', '--topic', 'orders', '--dir', dir, '--format', 'json']
    expect(partlog(words, { input: '?' }).stderr).toContain('nothing was imported')
    expect(output(['topics', '--dir', dir, '--json'])).toBe('')
  })

  it('a bad line far into a long file leaves everything before it imported', () => {
    const dir = fresh()
    const lines = Array.from({ length: 20_000 }, (_, n) => `{"n":${n}}`)
    lines[15_000] = '{"n":'
    const words = ['import', '-', '--topic', 'long', '--dir', dir, '--json']
    const { code, stderr } = partlog(words, { input: lines.join('\n') })
    expect(code).toBe(1)
    expect(stderr).toContain('line 15001:')
    expect(stderr).toContain('continue after line 15001 with --skip 15001, or correct it and use --skip 15000')
    expect(valuesOf(dir, 'long')).toBe(`${lines.slice(0, 15_000).join('\n')}\n`)
  })
})

describe('a gzip file that is wrong', () => {
  it.each([
    ['damaged', Buffer.concat([gzipSync(TEXT).subarray(0, 10), Buffer.alloc(99, 7)]), 'invalid block type'],
    ['cut off', gzipSync(TEXT).subarray(0, -20), 'unexpected end of file'],
  ])('a bad gzip file is named in one line: %s', (_, bytes, sentence) => {
    const path = file('wrong.jsonl.gz', bytes)
    const ended = partlog(['import', path, '--topic', 't', '--dir', fresh()])
    expect(ended).toMatchObject({ code: 1, stdout: '' })
    expect(ended.stderr).toMatch(/^partlog: [^\n]*\n$/)
    expect(ended.stderr).toContain(`${path}: ${sentence}; `)
  })
})

describe('replay', () => {
  const dir = imported('--key', 'id', '--timestamp', 'at', '--partitions', '3')
  const numbers = (...words: readonly string[]): number[] =>
    output(['replay', 'orders', '--dir', dir, '--format', 'values', ...words])
      .split('\n')
      .filter(line => line !== '')
      .map(line => (JSON.parse(line) as { n: number }).n)
  const at = (n: number): string => new Date(START + n * 1000).toISOString()

  it('replay reads from a time until a time, exclusive', () => {
    expect(numbers('--from', at(3), '--until', at(6))).toEqual([3, 4, 5])
    expect(numbers('--from', at(10))).toEqual([10, 11])
    expect(numbers('--until', '2016-01-31T13:00:01+01:00')).toEqual([0])
    expect(numbers('--from', '2016-02-01')).toEqual([])
    expect(numbers('--until', '2016-02-01')).toHaveLength(12)
  })

  it('replay reads from an offset until an offset of each partition, exclusive', () => {
    const all = recordsOf(dir, 'orders')
    const some = recordsOf(dir, 'orders', '--from', '1', '--until', '3')
    expect(some).toEqual(all.filter(({ offset }) => offset >= 1 && offset < 3))
    expect(some.length).toBeGreaterThan(2)
  })

  it('replay reads one partition alone', () => {
    const all = recordsOf(dir, 'orders')
    for (const partition of [0, 1, 2]) {
      const records = recordsOf(dir, 'orders', '--partition', String(partition))
      expect(records).toEqual(all.filter(each => each.partition === partition))
    }
  })

  it('replay copies into another topic with partitions, keys, times and order', () => {
    expect(partlog(['replay', 'orders', '--dir', dir, '--to', 'copy']).stdout).toBe('')
    expect(recordsOf(dir, 'copy')).toEqual(recordsOf(dir, 'orders'))
  })

  it('replay keeps partitions only if the target has enough', () => {
    const keep = ['--partitions', 'keep']
    output(['import', '-', '--topic', 'narrow', '--dir', dir, '--partitions', '2'])
    const narrow = ['replay', 'orders', '--dir', dir, '--to', 'narrow']
    const { code, stderr } = partlog([...narrow, ...keep])
    expect(code).toBe(2)
    expect(stderr).toBe(
      'partlog replay: --to: expected a topic of at least 3 partitions, narrow has 2 ' +
        '(--partitions by-key distributes the records by key)\n',
    )
    output(['import', '-', '--topic', 'wide', '--dir', dir, '--partitions', '4'])
    expect(partlog(['replay', 'orders', '--dir', dir, '--to', 'wide', ...keep]).stderr).toContain(
      'partlog: records keep their partitions in wide\n',
    )
    expect(recordsOf(dir, 'wide')).toEqual(recordsOf(dir, 'orders'))
    expect(partlog(narrow).stderr).toContain(
      'partlog: narrow has 2 partitions, the source has 3: keys choose the partitions, ',
    )
    expect(new Set(recordsOf(dir, 'narrow').map(({ key, partition }) => `${key} ${partition}`)).size)
      .toBe(4) // each key in one partition
  })

  it('replay prints its summary to standard error, unless it is the only data', () => {
    const records = partlog(['replay', 'orders', '--dir', dir, '--json'])
    expect(parseLines(records.stdout)).toHaveLength(12)
    expect(parseLines(records.stderr)).toMatchObject([{ topic: 'orders', records: 12 }])
    const target = join(cwd, 'out.jsonl')
    const toFile = partlog(['replay', 'orders', '--dir', dir, '--json', '--to', target])
    expect(parseLines(toFile.stdout)).toMatchObject([{ topic: 'orders', records: 12, unread: [] }])
    expect(toFile.stderr).toBe('')
    expect(readFileSync(target, 'utf8')).toBe(records.stdout)
  })

  it('replay reads the folder of a broker and of a partition', () => {
    const all = recordsOf(dir, 'orders')
    expect(recordsOf(join(dir, 'broker-1'), 'orders')).toEqual(all)
    const first = recordsOf(join(dir, 'broker-1/orders-0'), 'orders')
    expect(first).toEqual(all.filter(each => each.partition === 0))
  })

  it("replay writes each record once, from the leader's copy", async () => {
    const folder = fresh()
    const cluster = await Cluster.open({ dir: folder, brokers: 3 })
    await cluster.admin.createTopic({ topic: 'orders', assignment: [[2, 1, 3]] })
    const send = (value: string) =>
      cluster.producer().send({ topic: 'orders', messages: [{ value }] })
    await send('everybody has it')
    await cluster.broker(1).kill()
    await cluster.broker(3).kill()
    await send('only the leader has it')
    await cluster.close()
    const values = recordsOf(folder, 'orders').map(({ value }) => value)
    expect(values).toEqual(['everybody has it', 'only the leader has it'])
  })

  it('replay of an unknown topic names the existing topics', () => {
    const { stderr } = partlog(['replay', 'nope', '--dir', join(dir, 'broker-1/orders-0')])
    expect(stderr).toBe('partlog replay: expected a topic of the folder (orders), got nope\n')
  })
})

describe('topics', () => {
  const dir = imported('--key', 'id', '--partitions', '2')

  it('topics lists partitions and records of each topic', () => {
    expect(output(['topics', '--dir', dir])).toBe(
      'TOPIC   PARTITIONS  RECORDS\norders           2       12\n',
    )
    expect(jsonLines(['topics', '--dir', dir, '--json'])).toEqual([
      { topic: 'orders', partitions: 2, records: 12 },
    ])
  })

  it('topics lists the partitions of a topic', () => {
    const rows = jsonLines(['topics', 'orders', '--dir', dir, '--json'])
    expect(rows).toMatchObject([
      { topic: 'orders', partition: 0, leader: 1, firstOffset: 0 },
      { topic: 'orders', partition: 1, leader: 1, firstOffset: 0 },
    ])
    for (const row of rows) expect(row['records']).toBe(row['endOffset'])
    expect(rows.reduce((sum, row) => sum + Number(row['records']), 0)).toBe(12)
    const [head, ...lines] = output(['topics', 'orders', '--dir', dir]).trimEnd().split('\n')
    expect(head).toBe('PARTITION  LEADER  FIRST  END  RECORDS')
    expect(lines).toHaveLength(2)
  })
})
