/** The exact text of a field in a line, compared with JSON.parse on random lines. */

import { describe, expect, it } from 'vitest'
import { seededRandom, type Random } from '../../../src/base/random.js'
import {
  compacted,
  FieldName,
  fieldTokens,
  hasLoneSurrogate,
  stringOf,
} from '../../../src/events/text/json-token.js'

const fieldToken = (line: Buffer, name: string): Buffer | undefined =>
  fieldTokens(line, [undefined, new FieldName(name)])[1]

const token = (line: string | Buffer, name: string): string | undefined =>
  fieldToken(Buffer.from(line), name)?.toString()

describe('the text of a field', () => {
  it.each([
    ['a 64-bit id', '{"id":9007199254740993}', '9007199254740993'],
    ['a number as it is written', '{"id": 1.10 }', '1.10'],
    ['an exponent beyond all numbers', '{"id":-1E+400}', '-1E+400'],
    ['the last of several', '{"id":1,"id":"b","a":{"id":3}}', '"b"'],
    ['a name that is escaped', '{"\\u0069d":7}', '7'],
    ['a name that only looks escaped', '{"\\\\u0069d":1,"id":2}', '2'],
    ['an object', ' {"a":[{"id":0}],"id": {"x": "}\\"{" } }', '{"x": "}\\"{" }'],
    ['a list', '{"id":[1,[2,"]"],3],"b":1}', '[1,[2,"]"],3]'],
    ['a string', '{"id":"a\\"b,c"}', '"a\\"b,c"'],
    ['words', '{"a":true,"id":null}', 'null'],
    ['an empty name beside it', '{"":1,"id":""}', '""'],
  ])('%s', (_, line, expected) => {
    expect(token(line, 'id')).toBe(expected)
  })

  it.each(['{}', '[]', '["id"]', '"id"', '7', 'null', '{"a":{"id":1}}', '{"ID":1}', ' [{"id":1}]'])(
    'the field is not found in %s',
    line => {
      expect(token(line, 'id')).toBeUndefined()
    },
  )

  it.each(['constructor', '__proto__', 'toString', 'hasOwnProperty', 'length', '0'])(
    'the name %s is found like any other',
    name => {
      expect(token('{"a":1}', name)).toBeUndefined()
      expect(token('[1,2]', name)).toBeUndefined()
      expect(token(`{"a":1,"${name}":5}`, name)).toBe('5')
    },
  )

  it('the bytes of a field are kept if they are not UTF-8', () => {
    const names = ['M\xfcller', 'M\xf6ller'].map(name => {
      return fieldToken(Buffer.from(`{"n":"${name}","m":1}`, 'latin1'), 'n')?.toString('latin1')
    })
    expect(names).toEqual(['"M\xfcller"', '"M\xf6ller"'])
    expect(() => stringOf(Buffer.from('"M\xfc\\n"', 'latin1'))).toThrow('not UTF-8')
  })

  it('names that are not ASCII are found', () => {
    expect(token('{"größe":1,"gr\\u00f6ße":2}', 'größe')).toBe('2')
  })
})

describe('the text of a string', () => {
  it('escapes in a string are decoded', () => {
    expect(stringOf(Buffer.from('"a\\u00e9\\n\\ud83d\\ude00"'))).toBe('aé\n😀')
  })

  it.each(['"\\ud800"', '"a\\udc00b"', '"\\ude00\\ud83d"'])('%s is half a character', text => {
    expect(() => stringOf(Buffer.from(text))).toThrow('lone surrogate')
  })

  it('a pair of surrogates is accepted', () => {
    expect(hasLoneSurrogate('😀')).toBe(false)
  })
})

it('an object without its blanks is the same object, with the same tokens', () => {
  const text = '{ "a b" : [ 1.10 , "x \\" y" ],\t"c":{ } }'
  expect(String(compacted(Buffer.from(text)))).toBe('{"a b":[1.10,"x \\" y"],"c":{}}')
})

// ── by chance ────────────────────────────────────────────────────────────────────────────

const NAMES = ['id', 'i', '', 'constructor', '__proto__', 'a"b', 'back\\slash', 'größe', '\u2028']
const blank = (random: Random): string => ['', '', ' ', '\t', ' \t '][random.int(5)] as string

/** A text as JSON, some of its characters escaped. */
function quoted(random: Random, text: string): string {
  const parts = [...JSON.stringify(text).slice(1, -1)].map(character => {
    const isPlain = /^[a-zäöß]$/.test(character) && random.int(4) === 0
    return isPlain ? `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}` : character
  })
  // An escape of two characters must not be torn.
  const text2 = parts.join('')
  try {
    JSON.parse(`"${text2}"`)
    return `"${text2}"`
  } catch {
    return JSON.stringify(text)
  }
}

function value(random: Random, depth: number): string {
  const kind = random.int(depth > 3 ? 5 : 7)
  if (kind === 0) return ['true', 'false', 'null'][random.int(3)] as string
  if (kind === 1) return String(random.int(2 ** 31)) + ['', '.50', 'e5', 'E-2'][random.int(4)]
  if (kind === 2) return `-${random.int(100)}`
  if (kind <= 4) return quoted(random, ['', 'x', '{"id":1}', '],}"\\', 'ä\u0001'][random.int(5)]!)
  const count = random.int(4)
  if (kind === 5) {
    const items = Array.from({ length: count }, () => blank(random) + value(random, depth + 1))
    return `[${items.join(`${blank(random)},`)}${count === 0 ? blank(random) : ''}]`
  }
  return object(random, depth + 1)
}

function object(random: Random, depth: number): string {
  const fields = Array.from({ length: random.int(5) }, () => {
    const name = quoted(random, NAMES[random.int(NAMES.length)] as string)
    return `${blank(random)}${name}${blank(random)}:${blank(random)}${value(random, depth)}`
  })
  return `{${fields.join(`${blank(random)},`)}${blank(random)}}`
}

it('fields are found as JSON.parse finds them, in 5,000 objects of seed 3', () => {
  const random = seededRandom(3)
  let found = 0
  for (let round = 0; round < 5_000; round++) {
    const line = `${blank(random)}${object(random, 0)}${blank(random)}`
    const parsed = JSON.parse(line) as Record<string, unknown>
    for (const name of NAMES) {
      const text = token(line, name)
      expect(text === undefined, line).toBe(!Object.hasOwn(parsed, name))
      if (text === undefined) continue
      found++
      expect(JSON.parse(text), line).toEqual(parsed[name])
      expect(JSON.parse(String(compacted(Buffer.from(text)))), line).toEqual(parsed[name])
    }
  }
  expect(found).toBeGreaterThan(3_000)
})
