/** Records as text, their order, their pace. */

import { describe, expect, it } from 'vitest'
import { virtualClock } from '../../../src/base/virtual-clock.js'
import { seededRandom } from '../../../src/base/random.js'
import { TimeNotes } from '../../../src/events/formats/event-rules.js'
import { FORMATS } from '../../../src/events/formats/formats.js'
import { mergedByTime, type RecordStream } from '../../../src/events/replay/merge.js'
import { Pace } from '../../../src/events/replay/replay-pace.js'
import { RecordFilter } from '../../../src/events/replay/record-filter.js'
import { isFormat, recordFormat } from '../../../src/events/replay/record-format.js'
import { isPlainAscii } from '../../../src/events/text/latin1.js'
import type { StoredTopicRecord } from '../../../src/log/inspection/stored-row.js'

const record = (fields: Partial<StoredTopicRecord> = {}): StoredTopicRecord => ({
  topic: 't',
  partition: 1,
  offset: 7,
  timestamp: 5,
  timestampType: 'CreateTime',
  key: Buffer.from('k'),
  value: Buffer.from('v'),
  headers: [],
  leaderEpoch: 0,
  isControl: false,
  ...fields,
})

type As = 'text' | 'base64' | 'hex' | 'json'

function written(name: string, fields: Partial<StoredTopicRecord>, as: As = 'text'): string {
  const format = recordFormat(name, { keysAs: as, valuesAs: as, hasTopics: false })
  const text = format.write(record(fields))
  // The quick way writes the same, wherever it may be taken.
  const quick = format.quick?.(record(fields))
  if (quick !== undefined && isPlainAscii(quick)) expect(quick).toBe(text)
  return Buffer.from(format.head + text, 'latin1').toString()
}

describe('a format', () => {
  const headers = [{ key: 'a', value: Buffer.from('1') }, { key: 'b', value: null }]

  it.each<[string, string, As, Partial<StoredTopicRecord>]>([
    ['%t-%p@%o %T %k=%s %K %S %h%%\\n', 't-1@7 5 k=v 1 1 a=1,b=%\n', 'text', { headers }],
    ['%k|%s|%K\\x21\\t', '||-1!\t', 'text', { key: null, value: null }],
    ['%k|%s', '6b|76', 'hex', {}],
    ['%s', '{"a":1}', 'json', { value: Buffer.from('{"a":1}') }],
    ['values', 'dg==\n', 'base64', {}],
    ['values', '{"base64":"/w=="}\n', 'json', { value: Buffer.of(0xff) }],
    ['values', '"v"\n', 'json', {}],
    ['values', 'null\n', 'json', { value: null }],
  ])('%j writes %j', (name, expected, as, fields) => {
    expect(written(name, fields, as)).toBe(expected)
  })

  it('json holds a value of JSON as it is', () => {
    const value = Buffer.from('{\n "id": 9007199254740993\n}')
    expect(written('json', { value, headers })).toBe(
      '{"topic":"t","partition":1,"offset":7,"timestamp":5,"key":"k",' +
        '"headers":{"a":"1","b":null},"value":{ "id": 9007199254740993 }}\n',
    )
  })

  it('random records come back from CSV and from records', () => {
    const random = seededRandom(3)
    const text = () => Array.from({ length: random.int(5) }, () => '"a,\n\ré'[random.int(6)]).join('')
    for (let n = 0; n < 300; n++) {
      const [key, value] = [text(), text()]
      const line = written('csv', { key: Buffer.from(key), value: Buffer.from(value) })
      const cutter = FORMATS.csv.cutter()
      const units = [...cutter.push(Buffer.from(line)), ...cutter.end()]
      const rules = { key: 'key', value: 'value', timestamp: 'timestamp', times: { unit: 'ms' } } as const
      const [, back] = FORMATS.csv.reader(rules, new TimeNotes()).read(units)
      expect(back).toEqual({ key, value, timestamp: 5 })
    }
  })

  it('names and templates are told from other words', () => {
    expect(['records', 'json', 'values', 'csv', '%s'].every(isFormat)).toBe(true)
    expect(['xml', '', 'value'].some(isFormat)).toBe(false)
    expect(() => written('%q', {})).toThrow('expected some of %t %p')
  })
})

describe('the order', () => {
  async function* streamOf(partition: number, chunks: readonly (readonly number[])[]): RecordStream<{ partition: number; timestamp: number }> {
    for (const chunk of chunks) yield chunk.map(timestamp => ({ partition, timestamp }))
  }

  it('streams are merged by time, equal times by partition, each in its own order', async () => {
    const streams = [streamOf(0, [[1, 5], [], [3]]), streamOf(1, [[1], [2, 9]]), streamOf(2, [])]
    const merged: string[] = []
    for await (const chunk of mergedByTime(streams)) {
      merged.push(...chunk.map(({ partition, timestamp }) => `${partition}:${timestamp}`))
    }
    expect(merged).toEqual(['0:1', '1:1', '1:2', '0:5', '0:3', '1:9'])
  })

  it('random streams come out as the sorted whole', async () => {
    const random = seededRandom(5)
    for (let n = 0; n < 50; n++) {
      let time = 0
      const chunks = Array.from({ length: 3 }, () =>
        Array.from({ length: random.int(5) }, () =>
          Array.from({ length: random.int(700) }, () => (time += random.int(3))),
        ),
      )
      time = 0
      const got: number[] = []
      const streams = chunks.map((each, partition) => streamOf(partition, each))
      for await (const chunk of mergedByTime(streams)) got.push(...chunk.map(each => each.timestamp))
      expect(got).toEqual(chunks.flat(2).sort((a, b) => a - b))
    }
  })
})

describe('the pace', () => {
  it('waits as long as the times lie apart, by the factor, at most maxGapMs', async () => {
    const clock = virtualClock()
    const pace = new Pace(clock, { factor: 2, maxGapMs: 500 })
    expect([pace.next(1000), pace.next(1200), pace.next(-1)]).toEqual([0, 100, 0])
    await clock.advance(60)
    expect(pace.restMs).toBe(40)
    expect(pace.next(900)).toBe(40) // older than the one before it
    await clock.advance(40)
    expect(pace.next(1400)).toBe(100)
    await clock.advance(100)
    expect(pace.next(1_000_000)).toBe(500)
    expect(new Pace(clock, {}).next(5)).toBe(0)
  })
})

describe('a filter', () => {
  it('takes keys, an expression and the text of values', () => {
    const records = ['a', 'b', 'c'].map((key, offset) =>
      record({ key: Buffer.from(key), offset, value: Buffer.from(`${key}${key}!`) }),
    )
    const keysOf = (filter: RecordFilter) => filter.chosen(records).map(({ key }) => String(key))
    expect(keysOf(new RecordFilter({ keys: ['a', 'c'] }))).toEqual(['a', 'c'])
    expect(keysOf(new RecordFilter({ where: ({ offset }) => offset > 0, keys: ['a', 'c'] }))).toEqual(['c'])
    expect(keysOf(new RecordFilter({ grep: /^(a|b)\1!/ }))).toEqual(['a', 'b'])
    expect(new RecordFilter({}).isOpen).toBe(true)
  })

  it('a value that takes too long to match is left out and counted', () => {
    const filter = new RecordFilter({ grep: /^(a+)+$/ })
    const values = ['aa', `${'a'.repeat(40)}!`].map(text => record({ value: Buffer.from(text) }))
    expect(filter.chosen(values)).toHaveLength(1)
    expect(filter.tooSlow).toBe(1)
  })
})
