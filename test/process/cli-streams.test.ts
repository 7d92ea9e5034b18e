/** Standard output and standard error: data, notes, bars, closed pipes; the pace of a replay. */

import { spawn } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { CLI, ended, jsonLines, output, parseLines, partlog, shell, tempFolder } from './helpers.js'

const cwd = tempFolder()
const START = 1_700_000_000_000

beforeAll(() => {
  const lines = Array.from({ length: 30_000 }, (_, n) => `{"id":"k${n % 50}","n":${n}}\n`)
  writeFileSync(join(cwd, 'events.jsonl'), lines.join(''))
  output(['import', 'events.jsonl', '--topic', 'orders', '--key', 'id', '--partitions', '2'], {
    cwd,
  })
})

describe('a pipe that closes', () => {
  it.each([
    ['replay orders', 'head -1'],
    ['replay orders --format values', 'head -c 10'],
    ['replay orders --json', 'true'],
    ['replay orders --speed 1x', 'head -1'],
    ['topics', 'true'],
    ['topics orders --json', 'true'],
    ['groups', 'true'],
    ['inspect data --batches --index', 'head -1'],
    ['inspect data --json', 'true'],
    ['verify data --json', 'true'],
    ['--help', 'true'],
  ])('a closed pipe ends `partlog %s | %s` quietly', (words, reader) => {
    const script = `cd "$1"; $PARTLOG ${words} 2>errors | ${reader} >/dev/null
      echo "\${PIPESTATUS[0]}" "$(grep -v 'not keep\\|records of\\|"topic"\\|nothing wrong' errors)"`
    expect(shell(script, cwd).stdout).toBe('0 \n')
  })

  it('a closed pipe stops the replay, too', () => {
    const script = 'cd "$1"; $PARTLOG replay orders --json 2>errors | head -1; cat errors'
    const { stdout } = shell(script, cwd)
    expect(parseLines(stdout)).toHaveLength(1) // and no summary of 30,000 records
  })

  it('a closed standard error does no harm', () => {
    const script = 'cd "$1"; $PARTLOG replay orders 2> >(true) | wc -l'
    expect(shell(script, cwd).stdout.trim()).toBe('30000')
  })
})

describe('a disk that is full', () => {
  // The device that stands for one is Linux's own.
  const commands = existsSync('/dev/full') ? ['replay orders', 'topics', '--help'] : []
  it('a full disk is one line and exit code 1', () => {
    for (const words of commands) {
      const { code, stderr } = shell(`cd "$1"; $PARTLOG ${words} > /dev/full`, cwd)
      expect(stderr, words).toMatch(/^partlog: standard output: ENOSPC[^\n]*\n$/)
      expect(code).toBe(1)
    }
  })
})

/** Makes a child believe that a person watches its standard error. */
const WATCHED = ['--import', 'data:text/javascript,process.stderr.isTTY=true']
const BAR = /\r\u001b\[K(importing|replaying|verifying|writing {2}|reading {2}) /
const COLOUR = /\u001b\[\d+m/

describe('bars and colours', () => {
  const words = ['import', 'events.jsonl', '--topic', 'watched']

  it('bars show on a terminal, and are removed at the end', () => {
    const { code, stdout, stderr } = partlog(words, { cwd, node: WATCHED })
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' })
    expect(stderr).toMatch(BAR)
    expect(stderr).toMatch(COLOUR)
    expect(stderr).toMatch(/\r\u001b\[K30,000 records [^\r\u001b]*\n$/)
  })

  it('bars have no colour with NO_COLOR', () => {
    const { stderr } = partlog(words, { cwd, node: WATCHED, env: { NO_COLOR: '1' } })
    expect(stderr).toMatch(BAR)
    expect(stderr).not.toMatch(COLOUR)
    const empty = partlog(words, { cwd, node: WATCHED, env: { NO_COLOR: '' } })
    expect(empty.stderr).toMatch(COLOUR) // empty counts as not set (no-color.org)
  })

  it('bars do not show if standard error is not a terminal', () => {
    const runs = [
      partlog(words, { cwd }),
      partlog(['replay', 'orders'], { cwd }),
      partlog(['topics'], { cwd }),
      partlog(['inspect', 'data', '--batches'], { cwd }),
      partlog(['verify', 'data'], { cwd }),
      partlog(['nope'], { cwd }),
      partlog(['demo', '--records', '5000', '--dir', 'plain'], { cwd }),
    ]
    for (const { stdout, stderr } of runs) expect(stdout + stderr).not.toMatch(/[\r\u001b]/)
  })

  it('bars never reach standard output', () => {
    for (const name of ['replay orders', 'verify data', 'demo --records 20000 --dir shown']) {
      const { stdout } = partlog(name.split(' '), { cwd, node: WATCHED })
      expect(stdout).not.toMatch(/[\r\u001b]/)
    }
  })
})

describe('--speed', () => {
  const gapMs = 150

  beforeAll(() => {
    const times = [0, gapMs, 2 * gapMs, 2 * gapMs].map(ms => START + ms)
    const input = times.map((at, n) => `{"n":${n},"at":${at}}\n`).join('')
    const words = ['import', '-', '--topic', 'paced', '--timestamp', 'at', '--dir', 'paced']
    expect(partlog(words, { cwd, input }).code).toBe(0)
  })

  const secondsAt = (speed: string, ...more: readonly string[]): number => {
    const words = ['replay', 'paced', '--dir', 'paced', '--speed', speed, '--json', ...more]
    const { stderr } = partlog(words, { cwd })
    return Number(parseLines(stderr)[0]?.['seconds'])
  }

  it('--speed keeps the intervals of the record times, a tenth of them, or none', () => {
    const span = (2 * gapMs) / 1000
    expect(secondsAt('1x')).toBeGreaterThanOrEqual(span * 0.98)
    const tenth = secondsAt('10x')
    expect(tenth).toBeGreaterThanOrEqual((span / 10) * 0.9)
    expect(tenth).toBeLessThan(span)
    expect(secondsAt('max')).toBeLessThan(span)
    // Counted from the first record that is replayed, not from the first there is.
    expect(secondsAt('1x', '--from', '2')).toBeLessThan(span / 2)
  })

  it('--speed does not write a record before it is due', async () => {
    const words = ['replay', 'paced', '--dir', 'paced', '--speed', '1x', '--format', 'values']
    const beganMs = performance.now()
    const process = spawn(globalThis.process.execPath, [CLI, ...words], { cwd })
    let text = ''
    process.stdout.on('data', (chunk: Buffer) => (text += String(chunk)))
    expect(await ended(process)).toBe(0)
    expect(text.trim().split('\n')).toHaveLength(4)
    // A loaded machine makes it longer, never shorter than the two gaps between the records.
    expect(performance.now() - beganMs).toBeGreaterThanOrEqual(2 * gapMs)
  })

  it('--speed keeps the pace into a file and a topic', () => {
    for (const to of ['./paced.jsonl', 'paced-copy']) {
      const words = ['replay', 'paced', '--dir', 'paced', '--speed', '10x', '--to', to, '--json']
      const { code, stdout } = partlog(words, { cwd })
      expect(code).toBe(0)
      const [summary] = parseLines(stdout)
      expect(summary).toMatchObject({ records: 4 })
      expect(Number(summary?.['seconds'])).toBeGreaterThanOrEqual((2 * gapMs * 0.9) / 10_000)
    }
  })
})

describe('demo', () => {
  interface DemoResult {
    readonly dir: string
    readonly file: string
    readonly written: { readonly records: number; readonly bytes: number }
    readonly partitions: readonly Record<string, number>[]
    readonly isComplete: boolean
  }

  const sum = ({ partitions }: DemoResult, column: string): number =>
    partitions.reduce((total, each) => total + (each[column] ?? 0), 0)

  it('the demo sends seeded orders through a topic and a group, and leaves a sound folder', () => {
    const words = ['demo', '--records', '3000', '--seed', '5', '--dir', 'demo', '--json']
    const [result] = parseLines<DemoResult>(output(words, { cwd })) as [DemoResult]
    expect(result).toMatchObject({ dir: 'demo', file: 'demo/orders.jsonl', isComplete: true })
    expect(result.written.records).toBe(3000)
    expect(result.partitions.map(each => each['partition'])).toEqual([0, 1, 2, 3, 4, 5])
    for (const column of ['endOffset', 'committed', 'read']) expect(sum(result, column)).toBe(3000)
    const lines = readFileSync(join(cwd, 'demo/orders.jsonl'), 'utf8').trimEnd().split('\n')
    expect(lines).toHaveLength(3000)
    const values = output(['replay', 'orders', '--dir', 'demo', '--format', 'values'], { cwd })
    expect(values.trimEnd().split('\n').sort()).toEqual([...lines].sort())
    const keys = jsonOrders().map(({ key, value }) => [
      key,
      (JSON.parse(value) as { id: string }).id,
    ])
    for (const [key, id] of keys) expect(key).toBe(id)
    expect(partlog(['verify', 'demo'], { cwd }).code).toBe(0)
    expect(output(['groups', '--dir', 'demo', '--json'], { cwd })).toContain('"lag":0')
  })

  const jsonOrders = (): { key: string; value: string }[] =>
    jsonLines(['replay', 'orders', '--dir', join(cwd, 'demo')])

  it('the demo writes the same orders for the same seed, next to existing folders', () => {
    const run = (...words: string[]): DemoResult =>
      parseLines<DemoResult>(
        output(['demo', '--records', '3000', '--dir', 'demo', '--json', ...words], { cwd }),
      )[0] as DemoResult
    const [again, other] = [run('--seed', '5'), run('--seed', '6')]
    expect([again.dir, other.dir]).toEqual(['demo-2', 'demo-3'])
    const read = (file: string): string => readFileSync(join(cwd, file), 'utf8')
    expect(read(again.file)).toBe(read('demo/orders.jsonl'))
    expect(read(other.file)).not.toBe(read('demo/orders.jsonl'))
  })

  it.each([
    ['JSON lines', 'one.jsonl', '{"id":1}\n{"id":2}\n'],
    ['JSON lines by another field', 'two.jsonl', '{"name":"a"}\n{"name":"b"}\n'],
    ['plain lines', 'three.log', 'first line\nsecond line\n'],
    ['nothing', 'four.log', ''],
  ])('the demo imports a file of %s', (_, name, text) => {
    writeFileSync(join(cwd, name), text)
    const [result] = parseLines<DemoResult>(
      output(['demo', '--file', name, '--dir', `from-${name}`, '--json'], { cwd }),
    ) as [DemoResult]
    expect(result).toMatchObject({ file: name, isComplete: true })
    expect(sum(result, 'read')).toBe(text.split('\n').length - 1)
  })

  it('the demo ends with a table and the folder to look at', () => {
    const text = output(['demo', '--records', '600', '--dir', 'table'], { cwd })
    const [head, ...rows] = text.split('\n')
    expect(head).toBe('PARTITION  RECORDS  END OFFSET  COMMITTED  SEGMENTS  BYTES')
    for (const row of rows.slice(0, 6)) expect(row).toMatch(/^ +\d( +\d+){5}$/)
    expect(text).toMatch(/\nwritten +600 records, [\d.]+ kB in [\d.]+ s/)
    expect(text).toMatch(/\nread +600 records in [\d.]+ s\n/)
    expect(text).toContain('\nlook at  npx partlog inspect table --batches\n')
    expect(partlog(['inspect', 'table', '--batches'], { cwd }).code).toBe(0)
  })
})
