/** What each format makes of its lines, and how a format is recognized. */

import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../src/base/random.js'
import { TimeNotes, type EventFormat } from '../../../src/events/formats/event-rules.js'
import type { EventRules } from '../../../src/events/formats/event-rules.js'
import { FORMATS } from '../../../src/events/formats/formats.js'
import { recognize } from '../../../src/events/formats/recognize.js'
import { BadEvent, type Unit, type UnitCutter } from '../../../src/events/formats/event-units.js'

const cutAll = (cutter: UnitCutter, text: string | Buffer, size = Infinity): Unit[] => {
  const bytes = Buffer.from(text as string)
  const units: Unit[] = []
  for (let at = 0; at < bytes.length; at += size) {
    units.push(...cutter.push(Buffer.from(bytes.subarray(at, at + size))))
  }
  return [...units, ...cutter.end()]
}

function read(format: EventFormat, text: string | Buffer, rules: EventRules = {}) {
  const { cutter, reader } = FORMATS[format]
  return reader(rules, new TimeNotes())
    .read(cutAll(cutter(), text))
    .filter(each => each !== undefined)
    .map(each => {
      if (each instanceof BadEvent) return each.message
      const { key = null, value, headers = [], ...rest } = each
      const plain = (bytes: unknown) => (bytes === null ? null : Buffer.from(bytes as string).toString())
      const pairs = [...(headers as Iterable<[string, unknown]>)].map(([name, v]) => [name, plain(v)])
      return { key: plain(key), value: plain(value), ...(pairs.length > 0 ? { pairs } : {}), ...rest }
    })
}

const T = 1486500577691

describe('fields', () => {
  const change = '{"payload":{"after":{"id":1004},"op":"d","ts_ms":1486500577691},"a.b":{"c":[7,{"d":"é"}]}}'
  const key = (path: string) => read('json', change, { key: path })[0] as { key: string | null }

  it.each([
    ['payload.after.id', '1004'],
    ['$.payload.after', '{"id":1004}'],
    ['$["payload"]["op"]', 'd'],
    ['a\\.b.c[0]', '7'],
    ['["a.b"].c[1].d', 'é'],
    ["['a.b'].c[2]", null],
    ['a.b', '{"c":[7,{"d":"é"}]}'],
    ['payload[0]', null],
    ['nothing.at.all', null],
  ])('the path %s leads to %s', (path, expected) => {
    expect(key(path).key).toBe(expected)
  })

  it('a path follows the last of several fields, as JSON.parse does', () => {
    const line = '{"a":{"b":1},"a":{"b":2,"b":3}}'
    expect(read('json', line, { key: 'a.b' })).toMatchObject([{ key: '3' }])
  })

  it.each(['a[', 'a[x]', '.', 'a..b', '', 'a['])('%j is not a path', path => {
    expect(() => read('json', '{}', { key: path })).toThrow(/expected a field like id, payload/)
  })

  it('value, headers, time and tombstones are taken from fields', () => {
    const rules = { key: 'payload.after.id', value: 'payload.after', timestamp: 'payload.ts_ms' }
    const more: EventRules = { headers: [['op', 'payload.op'], ['no', 'x']] }
    expect(read('json', change, { ...rules, ...more })).toEqual([
      { key: '1004', value: '{"id":1004}', pairs: [['op', 'd']], timestamp: T },
    ])
    expect(read('json', change, { ...rules, tombstones: [['payload.op', 'd']] })).toMatchObject([
      { key: '1004', value: null },
    ])
    expect(read('json', '{"v":null}', { value: 'v' })).toMatchObject([{ value: null }])
    expect(read('json', '{}', { value: 'v' })).toEqual(['v: expected a value, got undefined'])
  })

  it('base64 and hex are refused if they are none', () => {
    const rules: EventRules = { value: 'v', valueEncoding: 'base64', key: 'k', keyEncoding: 'hex' }
    expect(read('json', '{"v":"aMOp","k":"C3a9"}', rules)).toMatchObject([{ value: 'hé', key: 'é' }])
    expect(read('json', '{"v":"a!","k":""}', rules)).toEqual(['v: expected base64, got "a!"'])
    expect(read('json', '{"v":"","k":"abc"}', rules)).toEqual(['k: expected hex, got "abc"'])
  })
})

describe('values of JSON', () => {
  const values = (text: string, size?: number) =>
    cutAll(FORMATS['json-array'].cutter(), text, size).map(unit =>
      unit instanceof BadEvent ? unit.message : unit.toString(),
    )

  it.each([
    ['[{"a":1}, {"a":"]}\\""},[1],"x",3 ]', ['{"a":1}', '{"a":"]}\\""}', '[1]', '"x"', '3']],
    ['{"a":\n1}\n{"b":[\n2]}{"c":3}', ['{"a":\n1}', '{"b":[\n2]}', '{"c":3}']],
    ['\u001e{"a":1}\n\u001e2\n', ['{"a":1}', '2']],
    [' [ ] ', []],
    ['', []],
    ['[1', ['1', 'the file ends before the end of its array']],
    ['[{"a":1', ['the file ends in the middle of it']],
    ['[1,]', ['1', 'expected a comma or a value, got "]"']],
    ['[1 2]', ['1', 'expected a comma or a value, got "2"', '2']],
    ['[1] x', ['1', 'expected the end of the file, got "x"']],
  ])('%j', (text, expected) => {
    const got = values(text)
    expect(got).toEqual(expected)
    for (const size of [1, 2, 3, 7]) expect(values(text, size)).toEqual(expected)
  })

  it('random values come back, wherever the bytes are cut', () => {
    const random = seededRandom(7)
    const value = (depth: number): unknown => {
      const kind = random.int(depth > 3 ? 3 : 5)
      if (kind === 0) return random.int(1000) - 500
      if (kind === 1) return ['a"b', '\\', 'é}', '[', '', '\u2028'][random.int(6)]
      if (kind === 2) return [null, true, false][random.int(3)]
      const list = Array.from({ length: random.int(4) }, () => value(depth + 1))
      return kind === 3 ? list : Object.fromEntries(list.map((each, n) => [`k${n}"`, each]))
    }
    for (let n = 0; n < 200; n++) {
      const all = Array.from({ length: random.int(5) }, () => value(0))
      const text = JSON.stringify(all, undefined, random.int(3))
      const got = values(text, 1 + random.int(20)).map(each => JSON.parse(each) as unknown)
      expect(got).toEqual(all)
    }
  })
})

describe('CSV and TSV', () => {
  it('rows become objects of texts, and columns are fields', () => {
    const text = 'id,at,note\r\n1,2016-01-01T00:00:00Z,"a ""b"",\nc"\r\n2,2016-01-02,\n'
    const rules: EventRules = { key: 'id', timestamp: 'at' }
    expect(read('csv', text, { key: 'id' })).toEqual([
      { key: '1', value: '{"id":"1","at":"2016-01-01T00:00:00Z","note":"a \\"b\\",\\nc"}' },
      { key: '2', value: '{"id":"2","at":"2016-01-02","note":""}' },
    ])
    expect(read('csv', text, rules)[1]).toMatch(/^at: expected a time, .*it has no time zone/)
    expect(read('csv', text, { value: 'note' })).toMatchObject([{ value: 'a "b",\nc' }, { value: '' }])
  })

  it.each([
    ['a,b\n1\n', 'expected 2 fields, got 1'],
    ['a,b\n1,2,3\n', 'expected 2 fields, got 3'],
    ['a,b\n1,x"y\n', 'a quote in a field without quotes: "x\\"y"'],
    ['a,b\n1,"x"y\n', 'text after a closing quote: "\\"y"'],
    ['a,b\n1,"x\n', 'a quote is open at the end of the file'],
  ])('%j: %s', (text, sentence) => {
    expect(read('csv', text)).toEqual([sentence])
  })

  it('an unknown column and a doubled one are refused at the header', () => {
    expect(() => read('csv', 'a,b\n', { key: 'c' })).toThrow('column of the header (a, b), got "c"')
    expect(() => read('csv', 'a,a\n')).toThrow('the column "a" twice')
  })

  it('a quote that is not closed on its line is a character of TSV', () => {
    expect(read('tsv', 'a\tb\n"x\ty\n"q\t"\t"\n"a\tb"\tc\n"x\ty"\n')).toEqual([
      { key: null, value: '{"a":"\\"x","b":"y"}' },
      { key: null, value: '{"a":"q\\t","b":"\\""}' },
      { key: null, value: '{"a":"a\\tb","b":"c"}' },
      'expected 2 fields, got 1',
    ])
  })

  it('random tables come back, wherever the bytes are cut', () => {
    const random = seededRandom(11)
    const pieces = ['a', '"', ',', '\n', '\r\n', 'é', ' ', '']
    for (let n = 0; n < 300; n++) {
      const row = () =>
        Array.from({ length: 3 }, () =>
          Array.from({ length: random.int(4) }, () => pieces[random.int(8)]).join(''),
        )
      const rows = [['x', 'y', 'z'], ...Array.from({ length: random.int(5) }, row)]
      const quoted = (text: string) =>
        /[",\r\n]/.test(text) || random.int(3) === 0 ? `"${text.replaceAll('"', '""')}"` : text
      const text = rows.map(each => each.map(quoted).join(',')).join('\r\n')
      const units = cutAll(FORMATS.csv.cutter(), text, 1 + random.int(9))
      const outcomes = FORMATS.csv.reader({}, new TimeNotes()).read(units)
      const got = outcomes.flatMap(each =>
        each === undefined ? [] : [Object.values(JSON.parse((each as { value: string }).value))],
      )
      expect(got).toEqual(rows.slice(1))
    }
  })
})

describe('plain lines', () => {
  it('groups of an expression are fields', () => {
    const line = '1.2.3.4 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200'
    const match = /^(?<key>\S+) .*?\[(?<time>[^\]]+)\] "(?<verb>\S+)/
    const rules: EventRules = { match, headers: [['verb', 'verb']] }
    expect(read('lines', `${line}\nno\n`, rules)[0]).toMatch(/^time: expected a time, got "17\/May/)
    expect(() => read('lines', line, { match, key: 'nobody' })).toThrow('has no group "nobody"')
    expect(() => read('lines', line, { key: 'nobody' })).toThrow('plain lines have no field "nobody"')
  })

  it('an expression that takes too long for a line makes it a bad one, and the others count', () => {
    const text = `aab\n${'a'.repeat(40)}!\nab\n`
    expect(read('lines', text, { match: /^(?<key>(a+)+)b$/ })).toEqual([
      { key: 'aa', value: 'aab' },
      'the expression takes longer than a second for it',
      { key: 'a', value: 'ab' },
    ])
  })
})

describe('dumps', () => {
  it('kcat -J', () => {
    const line = { topic: 't', partition: 2, offset: 0, tstype: 'create', ts: T, headers: ['a', '1', 'n', null] }
    expect(read('kcat', JSON.stringify({ ...line, key: '9', payload: '{"a":1}' }))).toEqual([
      { key: '9', value: '{"a":1}', partition: 2, timestamp: T, pairs: [['a', '1'], ['n', null]] },
    ])
    expect(read('kcat', JSON.stringify({ ...line, payload: null, headers: [] }))).toEqual([
      { key: null, value: null, partition: 2, timestamp: T },
    ])
    expect(read('kcat', '{"payload":5}')).toEqual(['payload: expected text or null, got 5'])
  })

  it('kafkajs', () => {
    const message = {
      magicByte: 2,
      attributes: 0,
      timestamp: String(T),
      offset: '1',
      key: Buffer.from('k'),
      value: Buffer.from('v'),
      headers: { h: Buffer.from('x') },
    }
    const record = { key: 'k', value: 'v', timestamp: T, pairs: [['h', 'x']] }
    expect(read('kafkajs', JSON.stringify({ topic: 't', partition: 1, message }))).toEqual([
      { ...record, partition: 1 },
    ])
    expect(read('kafkajs', JSON.stringify(message))).toEqual([record])
  })

  it('kafka-console-consumer', () => {
    const text = `CreateTime:${T}\tPartition:1\tOffset:0\th:x,n:null\tk\tv\tw\nNO_TIMESTAMP\tPartition:0\tOffset:1\tNO_HEADERS\tnull\tnull\n`
    expect(read('console', text)).toEqual([
      { key: 'k', value: 'v\tw', partition: 1, timestamp: T, pairs: [['h', 'x'], ['n', null]] },
      { key: null, value: null, partition: 0, timestamp: -1 },
    ])
    expect(read('console', 'k\tv\n')).toEqual([{ key: 'k', value: 'v', timestamp: -1 }])
  })

  it('Debezium: the row after a change, a tombstone for a delete', () => {
    const source = { ts_ms: T }
    const lines = [
      { schema: {}, payload: { before: null, after: { id: 1, n: 'a' }, op: 'c', source, ts_ms: 5 } },
      { before: { id: 1 }, after: null, op: 'd', source },
      { op: 'c' },
    ]
    const text = lines.map(each => JSON.stringify(each)).join('\n')
    expect(read('debezium', text, { key: 'id' })).toEqual([
      { key: '1', value: '{"id":1,"n":"a"}', timestamp: T },
      { key: '1', value: null, timestamp: T },
      'expected an envelope of Debezium with after and op',
    ])
  })
})

describe('recognition', () => {
  const of = (text: string, name = 'x', hasFields = false) =>
    recognize({ bytes: Buffer.from(text), isWhole: true, name, hasFields }).format.name
  const kcat = '{"topic":"t","partition":0,"offset":1,"ts":5,"payload":"v"}'

  it.each([
    ['json', '{"a":1}\n{"a":2}\n'],
    ['json', '{"a":1\n{"a":2}\n'],
    ['json', '[1,2]\n[3,4]\n'],
    ['json', ''],
    ['json-array', '[{"a":1},{"a":2}]'],
    ['json-array', '[\n {"a":1},\n {"a":2}\n]\n'],
    ['json-array', '{\n "a": 1\n}\n{\n "a": 2\n}\n'],
    ['csv', 'id,time\n1,2\n'],
    ['csv', 'id;time (s)\n1;2\n3;4'],
    ['csv', 'name,text\n"a","b\nc"\n"d","e"\n'],
    ['tsv', 'id\ttime\n1\t2\n'],
    ['lines', 'GET / 200\nGET /a 404\n'],
    ['lines', '[Sun Dec 04 04:47:44 2005] [notice] workerEnv.init() ok\n'],
    ['lines', '[10.30 16:49:06] chrome.exe - open\n[10.30 16:49:07] chrome.exe - close\n'],
    ['json-array', '[{"a":1},\n x, {"a":2}]'],
    ['json-array', '[1,\n2]'],
    ['lines', '2015-10-18 18:01:47,978 INFO main\n2015-10-18 18:01:48,963 INFO main\n'],
    ['lines', 'Jun 14 15:16:01 combo sshd[19939]: failure; logname= uid=0\nJun 14 15:16:02 a; b\n'],
    ['records', '{"partition":0,"offset":1,"timestamp":1,"key":null,"value":"v","headers":[]}\n'],
    ['kcat', kcat],
    ['kafkajs', '{"topic":"t","partition":0,"message":{"offset":"1","timestamp":"5","value":null}}'],
    ['console', 'CreateTime:5\tk\tv\n'],
  ])('%s: %j', (name, text) => {
    expect(of(text)).toBe(name)
  })

  it('a dump is JSON if its fields are named, and a name may tell CSV', () => {
    expect(of(kcat, 'x', true)).toBe('json')
    expect(of('1,2\n3,4\n', 'x')).toBe('lines')
    expect(of('1,2\n3,4\n', 'x.csv.gz')).toBe('csv')
  })
})
