/** Command lines of the command: help, one line for each error, exit codes. */

import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { output, partlog, ROOT, tempFolder } from './helpers.js'

const COMMANDS = [
  'demo',
  'import',
  'replay',
  'mirror',
  'topics',
  'groups',
  'serve',
  'inspect',
  'verify',
]
const cwd = tempFolder()

beforeAll(() => {
  writeFileSync(join(cwd, 'events.jsonl'), '{"id":"a"}\n{"id":"b"}\n')
  output(['import', 'events.jsonl', '--topic', 'orders', '--partitions', '2'], { cwd })
})

describe('help', () => {
  it('the help names every command', () => {
    const help = output(['--help'])
    for (const name of COMMANDS) expect(help).toContain(`\n  ${name} `)
    expect(output(['-h'])).toBe(help)
    expect(output(['help'])).toBe(help)
  })

  it.each(COMMANDS)('the help of %s shows its usage, its options and an example', name => {
    const help = output([name, '--help'])
    expect(help).toContain(`Usage: partlog ${name} `)
    expect(help).toMatch(/\n {2}--json /)
    expect(help).toContain(name === 'demo' ? '\n  $ npm run demo' : `\n  $ partlog ${name}`)
    expect(output([name, '-h'])).toBe(help)
  })

  it('--version prints the version of the package', () => {
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
      version: string
    }
    expect(output(['--version'])).toBe(`${version}\n`)
  })

  it('a call without arguments is an error, and prints no data', () => {
    const { code, stdout, stderr } = partlog([])
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toContain('Usage: partlog COMMAND')
  })
})

const IMPORT = ['import', 'events.jsonl', '--topic', 't']

const RESET = ['groups', 'a', '--reset-offsets']

/** Words that are wrong, and what the line about them must hold. */
const WRONG: readonly (readonly [words: readonly string[], line: RegExp])[] = [
  [['nope'], /expected one of demo, import, .*, got "nope"$/],
  [['--dir', 'x'], /expected one of demo, import, .*, got "--dir"$/],
  [['import'], /^partlog import: expected FILE\|- \[FILE…\], got none$/],
  [['import', 'no*', '--topic', 't'], /^partlog import: no file matches "no\*"$/],
  [['import', 'events.jsonl'], /--topic: expected a name$/],
  [['import', 'events.jsonl', '--topic', ''], /--topic: expected a non-empty string, got ""$/],
  [['import', 'events.jsonl', '--topic'], /'--topic <value>' argument missing/],
  [['import', 'events.jsonl', '--topic', '--json'], /--topic: expected a value, got an argument that/],
  [[...IMPORT, '--format', 'xml'], /expected one of "json", "json-array", .*, got "xml"$/],
  [[...IMPORT, '--partitions', '0'], /--partitions: expected a whole number from 1 to 99999/],
  [[...IMPORT, '--partitions', 'six'], /--partitions: expected a whole number .*got "six"$/],
  [[...IMPORT, '--partitions', '1.5'], /--partitions: expected a whole number .*got "1.5"$/],
  [[...IMPORT, '--skip', '-1'], /--skip: expected a value, got an argument that begins with '-'/],
  [[...IMPORT, '--skip=-1'], /--skip: expected a whole number of at least 0, got "-1"$/],
  [[...IMPORT, '--durability', 'none'], /--durability: expected one of "power", "process"/],
  [[...IMPORT, '--format', 'lines', '--key', 'id'], /plain lines have no field "id": expected the number/],
  [[...IMPORT, '--json=yes'], /'--json' does not take an argument/],
  [[...IMPORT, '--topics', 't'], /Unknown option '--topics' \(options: --dir, --topic, /],
  [
    ['import', 'events.jsonl', '--topic', 'orders', '--partitions', '3'],
    /--partitions: expected 2, the number of partitions of the existing topic orders, got "3"$/,
  ],
  [['replay'], /^partlog replay: expected TOPIC \[TOPIC…\], got none$/],
  [['replay', 'nope'], /expected a topic of the folder \(orders\), got nope$/],
  [['replay', 'orders', '--partition', '2'], /expected a topic of .*, got orders-2$/],
  [['replay', 'orders', '--partition', 'x'], /--partition: expected a whole number from 0/],
  [['replay', 'orders', '--from', '1.5'], /--from: expected an offset or an ISO time .*"1.5"$/],
  [['replay', 'orders', '--from', 'day 1'], /--from: expected an offset or an ISO time/],
  [['replay', 'orders', '--from', ''], /--from: expected an offset or an ISO time/],
  [['replay', 'orders', '--until', '2016-13-45'], /--until: expected an offset or an ISO time/],
  [['replay', 'orders', '--speed', '0x'], /--speed: expected a factor like 1x, 2.5x or 100x, or/],
  [['replay', 'orders', '--format', 'xml'], /--format: expected one of "records", "json", "val/],
  [['replay', 'orders', '--format', '%q'], /--format: expected some of %t %p .*, got %q$/],
  [['replay', 'orders', '--where', 'a >'], /--where: expected an expression like .* got the end/],
  [['replay', 'orders', '--grep', '('], /--grep: expected a regular expression: /],
  [['replay', 'orders', '--max-gap', '1s'], /--max-gap: needs --speed$/],
  [['replay', 'orders', '--last', '2', '--from', '1'], /--last: not with --from$/],
  [['replay', 'orders', '--follow', '--exit-at-end'], /--exit-at-end: not with --follow$/],
  [['replay', 'orders', '--key-encoding', 'hex'], /--key-encoding: not with --format records$/],
  [['replay', 'orders', 'b', '--to', 'c'], /--to: expected one topic to copy, or a file$/],
  [['replay', 'orders', '--to', ''], /--to: expected a non-empty string/],
  [['replay', 'orders', '--to', 'orders'], /--to: expected another topic, got orders$/],
  [['topics', 'a', 'b'], /expected \[TOPIC\], got 2 arguments$/],
  [['topics', '--all'], /Unknown option '--all'/],
  [['groups', 'a', 'b'], /expected \[GROUP\], got 2 arguments$/],
  [['groups', 'a', '--group', 'b'], /expected GROUP or --group, not both$/],
  [['groups', '--members', '--state'], /expected one action, got --members and --state$/],
  [['groups', '--delete'], /--delete: expected a GROUP$/],
  [['groups', '--reset-offsets', '--to-latest'], /--reset-offsets: expected a GROUP$/],
  [RESET, /--reset-offsets: expected one of --to-earliest, --to-latest, .*, got none$/],
  [[...RESET, '--to-latest', '--shift-by=-1'], /got --to-latest and --shift-by$/],
  [[...RESET, '--to-latest', '--execute', '--dry-run'], /expected --dry-run or --execute, not/],
  [[...RESET, '--to-offset', 'x'], /--to-offset: expected a whole number of at least 0, got "x"$/],
  [[...RESET, '--to-datetime', '5'], /--to-datetime: expected an ISO time like .*got "5"$/],
  [[...RESET, '--to-latest', '--topic', 'a:x'], /--topic: expected a topic, or a topic and part/],
  [[...RESET, '--to-latest', '--topic', 'a b'], /--topic: expected a topic, or a topic and part/],
  [['groups', 'a', '--to-latest'], /--to-latest: only with --reset-offsets$/],
  [['groups', 'a', '--delete', '--execute'], /--execute: only with --reset-offsets$/],
  [['groups', '--topic', 'a'], /--topic: only with --reset-offsets$/],
  [['inspect'], /expected PATH, got none$/],
  [['verify'], /expected PATH, got none$/],
  [['verify', 'a', 'b'], /expected PATH, got 2 arguments$/],
  [['demo', 'x'], /expected no arguments, got 1 argument$/],
  [['demo', '--seed', 'x'], /--seed: expected a whole number/],
]

describe('a wrong command line', () => {
  it.each(WRONG)('%j prints one line and no data, with exit code 2', (words, line) => {
    const { code, stdout, stderr } = partlog(words, { cwd })
    expect(stderr.trimEnd()).toMatch(line)
    expect(stderr).toMatch(/^partlog[^\n]*\n$/)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
  })
})

/** Words that are right, for things that are not: exit code 1. */
const IMPOSSIBLE: readonly (readonly [words: readonly string[], line: RegExp])[] = [
  [['import', 'nope.jsonl', '--topic', 't'], /ENOENT: .*nope\.jsonl/],
  [['import', '.', '--topic', 't'], /^partlog: \.: expected a file, this is a folder$/],
  [['import', 'events.jsonl', '--topic', 'a b'], /INVALID_TOPIC_EXCEPTION: topic "a b"/],
  [['import', 'events.jsonl', '--topic', '__consumer_offsets'], /belongs to the system/],
  [['replay', 'orders', '--dir', 'nope'], /nope does not exist$/],
  [['topics', '--dir', 'nope'], /nope is not a folder of a partlog cluster/],
  [['topics', 'nope'], /UNKNOWN_TOPIC_OR_PARTITION: topic nope does not exist$/],
  [['groups', '--dir', 'nope'], /nope is not a folder of a partlog cluster/],
  [['groups', 'a', '--delete', '--dir', 'nope'], /nope is not a folder of a partlog cluster/],
  [
    [...RESET, '--to-latest', '--topic', 'orders', '--execute', '--dir', 'nope'],
    /nope is not a folder of a partlog cluster/,
  ],
  [['groups', 'a'], /GROUP_ID_NOT_FOUND: group a does not exist/],
  [['groups', 'a', '--members'], /GROUP_ID_NOT_FOUND: group a does not exist/],
  [['groups', 'a', '--delete'], /GROUP_ID_NOT_FOUND: group a does not exist/],
  [[...RESET, '--to-latest', '--execute'], /GROUP_ID_NOT_FOUND: group a does not exist/],
  [[...RESET, '--to-latest', '--topic', 'nope'], /UNKNOWN_TOPIC_OR_PARTITION: topic nope does/],
  [['inspect', 'nope'], /nope does not exist$/],
  [['verify', 'nope'], /nope does not exist$/],
  [['demo', '--file', 'nope.jsonl', '--dir', 'unused'], /ENOENT: .*nope\.jsonl/],
]

describe('an impossible command', () => {
  it.each(IMPOSSIBLE)('%j prints one line and no data, with exit code 1', (words, line) => {
    const { code, stdout, stderr } = partlog(words, { cwd })
    expect(stderr.trimEnd()).toMatch(line)
    expect(stderr).toMatch(/^partlog[^\n]*\n$/)
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
  })

  it('an impossible command leaves nothing behind', () => {
    expect(existsSync(join(cwd, 'nope'))).toBe(false)
    expect(existsSync(join(cwd, 'unused'))).toBe(false)
    const topics = output(['topics', '--json'], { cwd })
    expect(topics).toBe('{"topic":"orders","partitions":2,"records":2}\n')
  })
})
