/** The language that chooses records. */

import { describe, expect, it } from 'vitest'
import { parseWhere } from '../../../src/events/replay/where.js'

const record = {
  topic: 'orders',
  partition: 2,
  offset: 17,
  timestamp: Date.UTC(2016, 0, 31, 12),
  key: Buffer.from('k-1'),
  value: Buffer.from(
    '{"total":150,"text":"50","id":9007199254740993,"s":"a\\u0062c","n":null,"no":false,' +
      '"a":{"b":[{"c":1}]},"a.b":7,"key":"inner","__proto__":{"x":1}}',
  ),
  headers: [
    { key: 'kind', value: Buffer.from('first') },
    { key: 'kind', value: Buffer.from('paid') },
    { key: 'none', value: null },
  ],
}
const is = (text: string, changes = {}): boolean => parseWhere(text)({ ...record, ...changes })

describe('an expression', () => {
  it.each([
    ...['total > 100', 'total >= 150 and total <= 150', 'total = 150', 'total == 150.0'],
    ...['text < 100', "text = '50'", 'text = 50', 'id = 9007199254740993', 's = "abc"'],
    ...['not (total < 100 or total > 200)', '!no && s', "s contains 'b' and s startsWith 'a'"],
    ...["s endsWith 'c'", 'n = null', 'nothing = null', 'nothing != 5', 'a.b[0].c = 1', 'a\\.b = 7'],
    ...['value.key = "inner"', "key = 'k-1'", "key startsWith 'k'", 'headers.kind = "paid"'],
    ...['headers["kind"] != "first"', 'headers.none = null', 'headers.constructor = null'],
    ...['topic = "orders" and partition = 2 and offset < 18', "timestamp >= '2016-01-31'"],
    ...["timestamp < '2016-01-31T13:00:00+00:30'", "'2016-02-01' > timestamp", 'true', 'no = false'],
    ...["value contains 'total'", 'a', 'TOTAL = null or false', "a = '{\"b\":[{\"c\":1}]}'"],
  ])('%s holds', text => {
    expect(is(text)).toBe(true)
  })

  it.each([
    ...['total > 150', 'id = 9007199254740992', 'nothing', 'nothing > 0', 'nothing < 0', 'no', 'n'],
    ...['s > 5', 'no < true', 'constructor', '__proto__.y', "text > '6'", 'not total', 'toString'],
    ...["n contains 'u'", 'false or null'],
  ])('%s does not hold', text => {
    expect(is(text)).toBe(false)
  })

  it('a value that is no JSON has no fields, and no time is null', () => {
    for (const value of [null, Buffer.from('plain'), Buffer.of(0xff)]) {
      expect(is('total = null', { value })).toBe(true)
    }
    expect(is("value = 'plain'", { value: Buffer.from('plain') })).toBe(true)
    expect(is('timestamp = null', { timestamp: -1 })).toBe(true)
  })

  it.each([
    ['', 'expected a field, a text or a number, got the end at character 1'],
    ['a >', 'got the end at character 4 of "a >"'],
    ['a = 1 b', 'expected and, or, or the end, got b at character 7'],
    ['(a', 'expected ), got the end'],
    ["a = 'x", 'this is no word of it at character 4'],
    ['a ; b', 'this is no word of it'],
    ["timestamp > 'soon'", 'expected a time like'],
    ['not '.repeat(100) + 'a', 'at most 64 of not and ('],
    ['('.repeat(100), 'at most 64 of not and ('],
    ['a'.repeat(5000), 'it is too long'],
  ])('%j is refused', (text, sentence) => {
    expect(() => parseWhere(text)).toThrow(sentence)
  })
})
