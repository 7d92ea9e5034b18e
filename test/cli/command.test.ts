/** Parsing of a command line: values, defaults, repeated options, and errors without secrets. */

import { describe, expect, it } from 'vitest'
import { integer, oneOf, text } from '../../src/base/options.js'
import {
  command,
  optionalValue,
  parseCall,
  repeatable,
  toggle,
  valued,
} from '../../src/cli/command.js'
import { demoCommand } from '../../src/cli/demo.js'
import { groupsCommand } from '../../src/cli/groups-command.js'
import { importCommand } from '../../src/cli/import.js'
import { inspectCommand } from '../../src/cli/inspect.js'
import { mirrorCommand } from '../../src/cli/mirror.js'
import { replayCommand } from '../../src/cli/replay.js'
import { serveCommand } from '../../src/cli/serve.js'
import { topicsCommand } from '../../src/cli/topics-command.js'
import { verifyCommand } from '../../src/cli/verify.js'

const some = command({
  name: 'some',
  summary: '',
  args: ['[NAME]'],
  options: {
    dir: valued(text, './data', 'DIR', ''),
    n: repeatable(integer(0), 'N', ''),
    how: { ...optionalValue(oneOf('a', 'b'), 'HOW', ''), isSecret: true },
    json: toggle(''),
  },
  examples: [],
  run: async () => 0,
})

describe('options', () => {
  it('an option has the given value, or its default', () => {
    const none = parseCall(some, [])
    expect(none.options).toEqual({ dir: './data', n: [], how: undefined, json: false })
    expect([...none.given]).toEqual([])
    const all = parseCall(some, ['--dir', 'd', '--n', '1', '--n=2', '--how', 'a', '--json', 'w'])
    expect(all.options).toEqual({ dir: 'd', n: [1, 2], how: 'a', json: true })
    expect([...all.given].sort()).toEqual(['dir', 'how', 'json', 'n'])
    expect(all.args).toEqual(['w'])
  })

  it('every value of a repeated option is checked', () => {
    expect(() => parseCall(some, ['--n', '1', '--n', 'x'])).toThrow('--n: expected a whole number')
  })

  const commands = [
    ...[demoCommand, groupsCommand, importCommand, inspectCommand, mirrorCommand],
    ...[replayCommand, serveCommand, topicsCommand, verifyCommand],
  ]
  const each = commands.flatMap(one => Object.entries(one.options).map(([n, o]) => [one, n, o] as const))
  it.each(each)('an option given twice is refused unless it is repeatable: $name --%s', (one, name, option) => {
    const args = one.args.filter(arg => !arg.startsWith('[')).map(() => 'w')
    const given = option.type === undefined ? `--${name}` : `--${name}=1`
    const twice = () => parseCall(one, [...args, given, given])
    if (option.isRepeatable !== true) {
      expect(twice).toThrow(`partlog ${one.name}: --${name}: expected once, got 2 times`)
    } else expect(twice).not.toThrow('expected once')
  })
})

describe('an error repeats nothing that may be a password', () => {
  it.each([
    ['an argument in a wrong place', ['w', 'pass-word']],
    ['an unknown option', ['--password=pass-word']],
    ['a value that stands alone', ['--password', 'pass-word']],
    ['a value for a switch', ['--json=pass-word']],
    ['a mechanism', ['--how', 'pass-word']],
  ])('%s', (_, words) => {
    let sentence = ''
    try {
      parseCall(some, words)
    } catch (error) {
      sentence = (error as Error).message
    }
    expect(sentence).toMatch(/^partlog some: /)
    expect(sentence).not.toContain('pass-word')
  })

  it('an error names the number of arguments', () => {
    expect(() => parseCall(some, ['a', 'b', 'c'])).toThrow('expected [NAME], got 3 arguments')
    expect(() => parseCall(verifyCommand, [])).toThrow('expected PATH, got none')
  })
})
