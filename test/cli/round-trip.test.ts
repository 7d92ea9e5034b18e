/**
 * Round trips: random records leave a folder, and come back through files, topics, other folders
 * and a cluster behind a port. At each place they are the same, byte for byte.
 */

import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { gunzipSync } from 'node:zlib'
import { afterAll, describe, expect, it } from 'vitest'
import { seededRandom, type Random } from '../../src/base/random.js'
import { importCommand } from '../../src/cli/import.js'
import { mirrorCommand } from '../../src/cli/mirror.js'
import { replayCommand } from '../../src/cli/replay.js'
import { parseCall, type Command } from '../../src/cli/command.js'
import { Output } from '../../src/cli/terminal/output.js'
import { Cluster, connect, importEvents, type Message } from '../../src/index.js'
import { elsewhere, recordsOf, storedRecords } from '../process/kafka-world.js'

const PARTITIONS = 3
const ANY_TIME = { 'retention.ms': -1, 'message.timestamp.after.max.ms': Number.MAX_SAFE_INTEGER }

const root = mkdtempSync(join(tmpdir(), 'partlog-round-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

async function run(command: Command, words: readonly string[]) {
  const texts = { stdout: '', stderr: '' }
  const [stdout, stderr] = [new PassThrough(), new PassThrough()]
  stdout.on('data', chunk => (texts.stdout += String(chunk)))
  stderr.on('data', chunk => (texts.stderr += String(chunk)))
  const output = new Output(
    stdout as unknown as NodeJS.WriteStream,
    stderr as unknown as NodeJS.WriteStream,
  )
  const code = await command.run({ ...parseCall(command, words), output })
  expect(code, texts.stderr).toBe(0)
  return texts
}

// ── records ──────────────────────────────────────────────────────────────────────────────

/** Text that some format or some step could take for something else. */
const TEXTS = [
  ...['', ' ', '\n', '\r\n', '\r', '\t', '\0', '"', '\\', ',', 'null', 'true', '0', '-1', '[]', '{}'],
  ...['12345678901234567890', '{"id":9007199254740993,"n":1.10}', '1e400', '{"base64":"AAAA"}'],
  ...['\ufeff', '\u2028', '\u0085', '😀', '\ud800', 'a\udfffb', 'é', 'e\u0301', '\u202e', '__proto__'],
  ...['a\nb', 'a\r', '{"a":\n1}', '"quoted"', 'NO_HEADERS', '--', '=', '%s', '\u001b[31m', '\x7f'],
]
/** Bytes that are no UTF-8: cut characters, surrogates, overlong forms, a byte order mark. */
const BYTES = ['80', 'c3', 'eda080', 'c080', 'fffe', 'f4908080', 'e28080ff', '1f8b08', '28b52ffd']

const TIMES = [-1, 0, 1, 999_999_999_999, 1_700_000_000_000, 8_640_000_000_000_001, 2 ** 53 - 1]

function bytes(random: Random): Uint8Array | string | null {
  const kind = random.int(8)
  if (kind === 0) return null
  if (kind < 3) return TEXTS[random.int(TEXTS.length)] as string
  if (kind === 3) return Buffer.from(BYTES[random.int(BYTES.length)] as string, 'hex')
  if (kind === 4) return random.bytes(random.int(3_000))
  if (kind === 5) return String(random.int(2 ** 31)).repeat(random.int(9))
  const pieces = Array.from({ length: random.int(5) }, () => TEXTS[random.int(TEXTS.length)])
  return pieces.join(random.int(2) === 0 ? '' : ' ')
}

function headers(random: Random): (readonly [string, Uint8Array | string | null])[] {
  const names = ['', 'a', 'a', 'трек', '__proto__', 'a b,c:d="e"', '\n', '😀']
  return Array.from({ length: random.int(3) * random.int(4) }, () => [
    names[random.int(names.length)] as string,
    bytes(random),
  ])
}

function messages(random: Random, count: number): Message[] {
  return Array.from({ length: count }, () => ({
    partition: random.int(PARTITIONS),
    timestamp:
      random.int(2) === 0
        ? (TIMES[random.int(TIMES.length)] as number)
        : 1_500_000_000_000 + random.int(100_000),
    key: bytes(random),
    value: bytes(random),
    headers: headers(random),
  }))
}

/** A folder with a topic of random records. */
async function folderOf(seed: number, name: string): Promise<string> {
  const dir = join(root, `${seed}-${name}`)
  await using cluster = await Cluster.open({ dir, durability: 'process' })
  await cluster.admin.createTopic({ topic: 'odd', partitions: PARTITIONS, config: ANY_TIME })
  const producer = cluster.producer()
  const random = seededRandom(seed)
  for (let n = 0; n < 4; n++) await producer.send({ topic: 'odd', messages: messages(random, 100) })
  return dir
}

// ── the ways ─────────────────────────────────────────────────────────────────────────────

describe.each([1, 2])('records of seed %i are the same', seed => {
  it('through a file, a topic, a cluster and back into a folder', async () => {
    const first = await folderOf(seed, 'first')
    const stored = await storedRecords(first, 'odd')
    expect(stored).toHaveLength(400)

    // folder → file → folder, in every lossless form of a file
    for (const name of ['odd.jsonl', 'odd.jsonl.gz']) {
      const file = join(root, `${seed}-${name}`)
      const { stderr } = await run(replayCommand, ['odd', '--dir', first, '--to', file])
      expect(stderr).not.toContain('does not keep')
      const dir = join(root, `${seed}-of-${name}`)
      const words = [file, '--topic', 'odd', '--dir', dir, '--partitions', String(PARTITIONS)]
      await run(importCommand, [...words, '--durability', 'process'])
      expect(await storedRecords(dir, 'odd')).toEqual(stored)
    }

    // folder → topic → cluster → folder
    const words = ['--dir', first, '--partitions', 'keep']
    await run(replayCommand, ['odd', ...words, '--to', 'copy'])
    expect(await storedRecords(first, 'copy')).toEqual(stored)
    const { cluster, at } = await elsewhere()
    await run(replayCommand, ['copy', '--dir', first, '--to', at('odd')])
    expect(await recordsOf(cluster, 'odd')).toEqual(stored)
    const mirrored = join(root, `${seed}-mirrored`)
    await run(mirrorCommand, ['--from', at('odd'), '--dir', mirrored])
    expect(await storedRecords(mirrored, 'odd')).toEqual(stored)

    // the file of that folder is the file of the first one
    const again = join(root, `${seed}-again.jsonl`)
    await run(replayCommand, ['odd', '--dir', mirrored, '--to', again])
    const text = readFileSync(join(root, `${seed}-odd.jsonl`), 'utf8')
    expect(readFileSync(again, 'utf8')).toBe(text)
    expect(gunzipSync(readFileSync(join(root, `${seed}-odd.jsonl.gz`))).toString()).toBe(text)
  })

  it('through a file into a cluster elsewhere, and from there by cluster.replay', async () => {
    const dir = await folderOf(seed, 'library')
    const stored = await storedRecords(dir, 'odd')
    const file = join(root, `${seed}-library.jsonl`)
    await run(replayCommand, ['odd', '--dir', dir, '--to', file])
    const { cluster, at } = await elsewhere()
    await using remote = await connect({ bootstrapServers: new URL(at('odd')).host })
    await importEvents(remote, file, { topic: 'odd', partitions: PARTITIONS }).result
    expect(await recordsOf(cluster, 'odd')).toEqual(stored)
    const replayed = []
    for await (const { partition, offset, timestamp, key, value, headers: pairs } of remote.replay(
      'odd',
    )) {
      const hex = (each: Uint8Array | null): string | null =>
        each === null ? null : Buffer.from(each).toString('hex')
      const named = pairs.map(header => [header.key, hex(header.value)])
      replayed.push({ partition, offset, timestamp, key: hex(key), value: hex(value), headers: named })
    }
    const inOrder = replayed.sort((a, b) => a.partition - b.partition || a.offset - b.offset)
    expect(inOrder).toEqual(stored)
  })
})

it('a format that loses something says so before its first record', async () => {
  const dir = await folderOf(3, 'formats')
  for (const [format, loses] of [
    ['json', 'does not keep repeated headers'],
    ['values', 'does not keep keys, times and headers'],
    ['csv', 'does not keep which keys and values are null'],
    ['%k %s', 'does not keep what it does not name'],
  ] as const) {
    const { stdout, stderr } = await run(replayCommand, ['odd', '--dir', dir, '--format', format])
    expect(stdout).not.toBe('')
    expect(stderr).toMatch(new RegExp(`^partlog: this format ${loses}[^\\n]*records keeps everything\\n`))
  }
})
