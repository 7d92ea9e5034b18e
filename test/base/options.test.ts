import { describe, expect, it } from 'vitest'
import {
  ConfigError,
  flag,
  hasMethods,
  instance,
  integer,
  oneOf,
  option,
  optional,
  ratio,
  readOptions,
  show,
  text,
  unknownKey,
  type OptionType,
} from '../../src/base/options.js'

const TABLE = {
  lingerMs: option(integer(0, 60_000), 5),
  acks: option(oneOf<'all' | 0 | 1>('all', 0, 1), 'all'),
  ratio: option(ratio(0, 1), 0.5),
  idempotent: option(flag, true),
  clientId: optional(text),
  clock: optional(instance<{ now(): number }>('a clock', hasMethods('now'))),
}

function read(input?: unknown) {
  return readOptions(TABLE, input, 'producer option')
}

describe('options', () => {
  it('options have their defaults', () => {
    const values = { lingerMs: 5, acks: 'all', ratio: 0.5, idempotent: true }
    for (const input of [undefined, null, {}, { lingerMs: undefined }]) {
      expect({ ...read(input) }).toEqual({ ...values, clientId: undefined, clock: undefined })
    }
  })

  it('options take the given values', () => {
    const clock = { now: () => 7 }
    const input = { lingerMs: 0, acks: 1, ratio: 1, idempotent: false, clientId: 'x', clock }
    expect({ ...read(input) }).toEqual(input)
  })

  it('options cannot be changed afterwards, neither by the user nor by the library', () => {
    const input = { lingerMs: 1 }
    const values = read(input)
    input.lingerMs = 2
    expect(values.lingerMs).toBe(1)
    expect(Object.isFrozen(values)).toBe(true)
  })

  it.each([
    [{ lingerMs: -1 }, 'lingerMs: expected a whole number from 0 to 60000, got -1'],
    [{ lingerMs: 60_001 }, 'lingerMs: expected a whole number from 0 to 60000, got 60001'],
    [{ lingerMs: 0.5 }, 'lingerMs: expected a whole number from 0 to 60000, got 0.5'],
    [{ lingerMs: NaN }, 'lingerMs: expected a whole number from 0 to 60000, got NaN'],
    [{ lingerMs: '5' }, 'got "5"'],
    [{ lingerMs: null }, 'got null'],
    [{ lingerMs: {} }, 'got an object (Object)'],
    [{ acks: 2 }, 'acks: expected one of "all", 0, 1, got 2'],
    [{ acks: '1' }, 'acks: expected one of "all", 0, 1, got "1"'],
    [{ ratio: 1.1 }, 'ratio: expected a number from 0 to 1, got 1.1'],
    [{ ratio: NaN }, 'ratio: expected a number from 0 to 1, got NaN'],
    [{ idempotent: 'yes' }, 'idempotent: expected true or false, got "yes"'],
    [{ idempotent: 1 }, 'idempotent: expected true or false, got 1'],
    [{ clientId: '' }, 'clientId: expected a non-empty string, got ""'],
    [{ clientId: 7 }, 'clientId: expected a non-empty string, got 7'],
    [{ clock: { now: 7 } }, 'clock: expected a clock, got an object (Object)'],
    [{ clock: null }, 'clock: expected a clock, got null'],
  ])('options refuse %o', (input, sentence) => {
    expect(() => read(input)).toThrow(ConfigError)
    expect(() => read(input)).toThrow('producer option ')
    expect(() => read(input)).toThrow(sentence)
  })

  it.each([
    [{ lingerms: 1 }, '"lingerms" does not exist: did you mean lingerMs?'],
    [{ linger: 1 }, '"linger" does not exist: did you mean lingerMs?'],
    [{ ack: 1 }, '"ack" does not exist: did you mean acks?'],
    [{ batchSize: 1 }, '"batchSize" does not exist: known are lingerMs, acks, ratio'],
    [{ toString: 1 }, '"toString" does not exist: known are'],
    [JSON.parse('{"__proto__":{"acks":0}}'), '"__proto__" does not exist'],
  ])('options do not know %o', (input, sentence) => {
    expect(() => read(input)).toThrow(`producer option ${sentence}`)
  })

  it.each([['x'], [7], [[1]], [true]])('options must be an object, not %o', input => {
    expect(() => read(input)).toThrow(`producer options: expected an object, got ${show(input)}`)
  })

  it('options of a prototype are not read', () => {
    expect(read(Object.create({ lingerMs: 9, nonsense: 1 })).lingerMs).toBe(5)
  })
})

describe('text', () => {
  const parsed = <T>(type: OptionType<T>, ...texts: string[]): (T | undefined)[] =>
    texts.map(each => type.parseText(each))

  it('text becomes the value of an option or is refused', () => {
    expect(parsed(integer(-1), '0', '-1', '007', '-2', '1.5', '1e3', '', '+1', 'x')).toEqual([
      0,
      -1,
      7,
      ...Array<undefined>(6).fill(undefined),
    ])
    expect(parsed(integer(-1), ' 1', '2 ', '\n3\t', '1 2', ' ')).toEqual([
      ...[1, 2, 3],
      ...[undefined, undefined],
    ])
    const large = parsed(
      integer(0),
      '9007199254740991',
      '9223372036854775807',
      '-0',
      '9'.repeat(20),
    )
    expect(large).toEqual([2 ** 53 - 1, 2 ** 53 - 1, -0, undefined])
    expect(parsed(ratio(0, 1), '0.5', '1', '2', '', ' ', 'x')).toEqual([
      0.5,
      1,
      ...Array<undefined>(4).fill(undefined),
    ])
    expect(parsed(flag, 'true', 'false', ' TRUE', 'False ', 'yes', '', 'tru')).toEqual([
      ...[true, false, true, false],
      ...Array<undefined>(3).fill(undefined),
    ])
    expect(parsed(oneOf<'all' | 0 | 1>('all', 0, 1), 'all', '1', '2')).toEqual([
      'all',
      1,
      undefined,
    ])
    expect(parsed(text, 'x', '')).toEqual(['x', undefined])
    expect(
      parsed(
        instance('a clock', () => true),
        'x',
      ),
    ).toEqual([undefined])
  })
})

describe('a picture of a value', () => {
  it('the text of any value in an error is short', () => {
    const values = ['a"b', 'x'.repeat(1000), 7n, () => 1, [1, 2], new Date(0), null, undefined, NaN]
    expect([...values, Object.create(null)].map(show)).toEqual([
      '"a\\"b"',
      `"${'x'.repeat(60)}"`,
      '7n',
      'a function',
      'an array',
      'an object (Date)',
      'null',
      'undefined',
      'NaN',
      'an object (no type)',
    ])
  })
})

describe('hostile names and values', () => {
  it('a name of megabytes is refused in a short sentence, and compared with no known name', () => {
    const name = 'x'.repeat(5_000_000)
    // Compared letter by letter with each known name, it would take minutes.
    const sentence = unknownKey('topic setting', name, ['retention.ms', 'segment.bytes'])
    expect(sentence.length).toBeLessThan(200)
    expect(unknownKey('setting', 'retentionms', ['retention.ms'])).toContain('mean retention.ms?')
  })

  it('any parsed JSON can be shown', () => {
    const names = ['1', 'null', '{"name":1}', '{"name":{"toString":1,"valueOf":1}}', '"x"']
    for (const name of names) {
      const value: unknown = JSON.parse(`{"constructor":${name}}`)
      expect(show(value)).toBe('an object (no type)')
    }
  })
})
