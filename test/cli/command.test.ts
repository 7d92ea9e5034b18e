/** Words of a call: given once, or each time one more; none of them said again where it may hurt. */

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
  it('have what was said, or their default', () => {
    const none = parseCall(some, [])
    expect(none.options).toEqual({ dir: './data', n: [], how: undefined, json: false })
    expect([...none.given]).toEqual([])
    const all = parseCall(some, ['--dir', 'd', '--n', '1', '--n=2', '--how', 'a', '--json', 'w'])
    expect(all.options).toEqual({ dir: 'd', n: [1, 2], how: 'a', json: true })
    expect([...all.given].sort()).toEqual(['dir', 'how', 'json', 'n'])
    expect(all.args).toEqual(['w'])
  })

  it('each value of a repeated one is checked', () => {
    expect(() => parseCall(some, ['--n', '1', '--n', 'x'])).toThrow('--n: expected a whole number')
  })

  const commands = [
    ...[demoCommand, groupsCommand, importCommand, inspectCommand, mirrorCommand],
    ...[replayCommand, serveCommand, topicsCommand, verifyCommand],
  ]
  const each = commands.flatMap(one => Object.entries(one.options).map(([n, o]) => [one, n, o] as const))
  it.each(each)('twice is once too often, unless both count: $name --%s', (one, name, option) => {
    const args = one.args.filter(arg => !arg.startsWith('[')).map(() => 'w')
    const given = option.type === undefined ? `--${name}` : `--${name}=1`
    const twice = () => parseCall(one, [...args, given, given])
    if (option.isRepeatable !== true) {
      expect(twice).toThrow(`partlog ${one.name}: --${name}: expected once, got 2 times`)
    } else expect(twice).not.toThrow('expected once')
  })
})

describe('what is wrong is said without what may be a password', () => {
  it.each([
    ['words in a wrong place', ['w', 'pass-word']],
    ['an option that is not there', ['--password=pass-word']],
    ['a value that stands alone', ['--password', 'pass-word']],
    ['a value of one that takes none', ['--json=pass-word']],
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

  it('says how many words there are instead', () => {
    expect(() => parseCall(some, ['a', 'b', 'c'])).toThrow('expected [NAME], got 3 arguments')
    expect(() => parseCall(verifyCommand, [])).toThrow('expected PATH, got none')
  })
})
