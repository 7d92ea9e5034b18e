/** The short way to the fields of a line gives what the long way gives, or gives nothing. */

import { describe, expect, it } from 'vitest'
import { seededRandom, type Random } from '../../../src/base/random.js'
import { TimeNotes, type EventRules } from '../../../src/events/formats/event-rules.js'
import { jsonReader } from '../../../src/events/formats/json-events.js'
import { FlatScanner } from '../../../src/events/text/flat-scanner.js'
import { FlatFields, plainTimeMs } from '../../../src/events/text/flat-json.js'
import { FieldName, fieldTokens } from '../../../src/events/text/json-token.js'
import { readTime } from '../../../src/events/text/time-text.js'

const NAMES = ['id', 'at', 'é', '', '__proto__'].map(name => new FieldName(name))

/** What the short way says of a line: undefined if it says nothing. */
function shortTokens(line: Buffer): (string | undefined)[] | undefined {
  const fields = new FlatFields(NAMES)
  if (!fields.find(line)) return undefined
  return NAMES.map((_, n) => {
    const from = fields.from[n] as number
    return from < 0 ? undefined : line.toString('latin1', from, fields.to[n])
  })
}

/** Throws if the line is no JSON. */
function longTokens(line: Buffer): (string | undefined)[] {
  JSON.parse(line.toString('utf8'))
  return fieldTokens(line, NAMES).map(token => token?.toString('latin1'))
}

const PIECES = [
  ...['{', '}', '"', ':', ',', ' ', '\t', '\r', '"id"', '"at"', '"é"', '""', '"__proto__"', '"id":1'],
  ...['0', '-', '1.5', '01', '1e5', '1E+', '-0', '.5', '1.', 'true', 'false', 'null', 'nul', 'NaN'],
  ...['\\', '\\"', '\u0000', '\u00a0', '\ufeff', '[', ']', '"a', '"\\u0069d"', '\u2028', '😀', '1e999'],
]
const LINE = '{"id":"a","at":"2016-01-31T12:00:00Z","é": -1.5e3 , "":null,"__proto__":true}'

function hostile(random: Random): Buffer {
  if (random.int(2) === 0) {
    const count = random.int(12)
    return Buffer.from(Array.from({ length: count }, () => PIECES[random.int(PIECES.length)]).join(''))
  }
  const bytes = Buffer.from(LINE)
  for (let n = random.int(3); n >= 0; n--) bytes[random.int(bytes.length)] = random.int(256)
  return random.int(4) === 0 ? bytes.subarray(0, random.int(bytes.length)) : bytes
}

describe('a flat line', () => {
  it.each([
    [LINE, ['"a"', '"2016-01-31T12:00:00Z"', '-1.5e3', 'null', 'true']],
    ['{}', NAMES.map(() => undefined)],
    [' { "id" : 1 , "id" : 2 } ', ['2', undefined, undefined, undefined, undefined]],
  ])('%s is read the short way', (line, expected) => {
    const latin1 = Buffer.from(line)
    expect(shortTokens(latin1)).toEqual(expected)
    expect(longTokens(latin1)).toEqual(expected)
  })

  it.each(['{"id":{}}', '{"id":[1]}', '{"id":"a\\n"}', '[1]', '1', '', '{"id":01}', '{"id":1.}', '{"a":1}x', '{"a":1,}'])(
    '%s goes the long way',
    line => {
      expect(shortTokens(Buffer.from(line))).toBeUndefined()
    },
  )

  it('of 100,000 hostile lines every one that is taken is what JSON.parse takes', () => {
    const random = seededRandom(17)
    let taken = 0
    for (let n = 0; n < 100_000; n++) {
      const line = hostile(random)
      const short = shortTokens(line)
      if (short === undefined) continue
      taken++
      expect(short, JSON.stringify(line.toString('latin1'))).toEqual(longTokens(line))
    }
    expect(taken).toBeGreaterThan(5_000)
  })
})

describe('lines that are scanned together', () => {
  const scanner = FlatScanner.create(NAMES) as FlatScanner
  const fields = () => ({ from: new Int32Array(NAMES.length), to: new Int32Array(NAMES.length) })

  it('are taken as they are one by one: 100,000 hostile ones, whatever stands between them', () => {
    const random = seededRandom(29)
    let taken = 0
    for (let round = 0; round < 1_000; round++) {
      const parts: Buffer[] = []
      for (let n = 0; n < 100; n++) parts.push(hostile(random), Buffer.from(random.bytes(random.int(3))))
      const all = Buffer.concat([Buffer.alloc(random.int(9)), ...parts])
      let at = all.length - parts.reduce((sum, each) => sum + each.length, 0)
      const lines = parts.map(each => all.subarray(at, (at += each.length)))
      expect(scanner.load(lines)).toBe(true)
      for (const line of lines.filter((_, n) => n % 2 === 0)) {
        const [one, found] = [new FlatFields(NAMES), fields()]
        const isFlat = one.find(line)
        expect(scanner.find(line, found), JSON.stringify(line.toString('latin1'))).toBe(isFlat)
        if (!isFlat) continue
        taken++
        expect(found.from).toEqual(one.from)
        one.from.forEach((from, n) => from >= 0 && expect(found.to[n]).toBe(one.to[n]))
      }
    }
    expect(taken).toBeGreaterThan(5_000)
  })

  it('are not loaded if they lie in several buffers, or take too much room', () => {
    expect(scanner.load([Buffer.alloc(4_096, 1), Buffer.alloc(4_096, 2)])).toBe(false)
    expect(scanner.load([Buffer.alloc(1024 * 1024)])).toBe(false)
    expect(scanner.load([])).toBe(false)
    const many = Array.from({ length: 17 }, (_, n) => new FieldName(`n${n}`))
    expect(FlatScanner.create(many)).toBeUndefined()
    expect(FlatScanner.create([new FieldName('n'.repeat(70_000))])).toBeUndefined()
  })
})

describe('a message', () => {
  it.each<EventRules>([{}, { key: 'id' }, { timestamp: 'at' }, { key: 'id', timestamp: 'at' }])(
    'is the same by both ways: %j',
    rules => {
      const lines = [LINE, '{"id":null,"at":"2016-01-31T12:00:00.5Z"}', '{"id":7,"at":1454241600}']
      // Headers without a field make the reader take the long way.
      const read = (more: EventRules) =>
        jsonReader({ ...rules, ...more }, new TimeNotes())
          .read(lines.map(line => Buffer.from(line)))
          .map(each => JSON.stringify({ ...each, headers: undefined }))
      expect(read({})).toEqual(read({ headers: [['h', 'no.such']] }))
    },
  )
})

describe('a plain time', () => {
  it('is what readTime reads, or goes the long way', () => {
    const random = seededRandom(23)
    let taken = 0
    for (let n = 0; n < 30_000; n++) {
      const part = (most: number, digits = 2) => String(random.int(most)).padStart(digits, '0')
      const fraction = random.int(2) === 0 ? '' : `.${part(10 ** 6, 1 + random.int(9))}`
      const bytes = Buffer.from(
        `${1960 + random.int(500)}-${part(14)}-${part(33)}T${part(26)}:${part(62)}:${part(62)}${fraction}Z`,
      )
      if (random.int(5) === 0) bytes[random.int(bytes.length)] = 0x20 + random.int(96)
      const ms = plainTimeMs(bytes, 0, bytes.length)
      if (ms < 0) continue
      taken++
      expect(ms, bytes.toString()).toBe(readTime(bytes.toString()).ms)
    }
    expect(taken).toBeGreaterThan(10_000)
  })
})
