/**
 * `partlog inspect` of single files says what Kafka's dump tool says of them. `dump.txt` is the
 * output of DumpLogSegments (Kafka 4.4) for files that Kafka has written.
 */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { describe, expect, it, onTestFinished } from 'vitest'
import { parseCall } from '../../src/cli/command.js'
import { inspectCommand } from '../../src/cli/inspect.js'
import { Output } from '../../src/cli/terminal/output.js'

const GOLDEN = fileURLToPath(new URL('../golden', import.meta.url))

async function inspect(...words: readonly string[]) {
  let text = ''
  const stdout = new PassThrough()
  stdout.on('data', chunk => (text += String(chunk)))
  const output = new Output(
    stdout as unknown as NodeJS.WriteStream,
    new PassThrough() as unknown as NodeJS.WriteStream,
  )
  const code = await inspectCommand.run({ ...parseCall(inspectCommand, words), output })
  return { code, text }
}

type Fields = Record<string, unknown>

async function details(path: string): Promise<Fields[]> {
  const { code, text } = await inspect(path, '--json')
  expect(code).toBe(0)
  return text.split('\n').flatMap(line => (line === '' ? [] : [JSON.parse(line) as Fields]))
}

// ── what Kafka says ──────────────────────────────────────────────────────────────────────

/** The lines about each file, by its path. */
const dumped = new Map(
  readFileSync(join(GOLDEN, 'dumped/dump.txt'), 'utf8')
    .split('Dumping ')
    .slice(1)
    .map(block => {
      const [path = '', ...lines] = block.trimEnd().split('\n')
      return [path, lines] as const
    }),
)

/** `name: value name: value …`: numbers, words, nothing for an empty option. */
function pairsOf(line: string): Fields {
  const found = [...line.matchAll(/(\w+): (\S+)/g)]
    .filter(([, , value = '']) => !value.startsWith('OptionalLong.empty'))
    .map(([, name = '', value = '']) => {
      const plain = /^OptionalLong\[(.*)\]$/.exec(value)?.[1] ?? value
      if (plain === 'true' || plain === 'false') return [name, plain === 'true'] as const
      return [name, /^-?\d+$/.test(plain) ? Number(plain) : plain] as const
    })
  return Object.fromEntries(found)
}

/** Kafka's names of fields, where those here are others. */
const BATCH_NAMES: Readonly<Record<string, string>> = {
  count: 'records',
  size: 'bytes',
  compresscodec: 'codec',
  CreateTime: 'maxTimestamp',
  partitionLeaderEpoch: 'leaderEpoch',
}

function batchOf(line: string): Fields {
  const { lastSequence: _, magic: __, isvalid, ...rest } = pairsOf(line)
  expect(isvalid).toBe(true)
  const renamed = Object.entries(rest).map(([name, value]) => [BATCH_NAMES[name] ?? name, value])
  return { entry: 'batch', ...(Object.fromEntries(renamed) as Fields) }
}

/** The key and value of a decoded record: `key: {…} payload: {…}`. */
function decodedOf(line: string): Fields {
  const offset = Number(/offset: (\d+)/.exec(line)?.[1])
  const timestamp = Number(/CreateTime: (\d+)/.exec(line)?.[1])
  const place = { entry: 'record', offset, timestamp }
  const [, marker, , coordinator] = /(endTxnMarker): (\w+) coordinatorEpoch: (\d+)/.exec(line) ?? []
  if (marker !== undefined) return { ...place, value: { coordinatorEpoch: Number(coordinator) } }
  const [, control] = / (?:\w+): (\{"version".*\})$/.exec(line) ?? []
  const [, key] = / key: (\{.*?\}) payload: /.exec(line) ?? []
  const [, payload] = / payload: (\{.*\})$/.exec(line) ?? []
  const value = payload ?? control
  return {
    ...place,
    ...(key === undefined ? {} : { key: namedAlike(dataOf(key)) }),
    ...(value === undefined ? {} : { value: namedAlike(dataOf(value)) }),
    ...(line.endsWith('payload: <DELETE>') ? { value: null } : {}),
  }
}

const dataOf = (json: string): Fields => {
  const parsed = JSON.parse(json) as Fields
  return (parsed['data'] ?? parsed) as Fields
}

/** The digest is a number there and its bytes here; members' plans are texts there. */
function namedAlike({ groupId, metadataHash: _, members, voters, grantingVoters, ...rest }: Fields) {
  const group = groupId === undefined ? {} : { group: groupId }
  const ids = (members as Fields[] | undefined)?.map(({ memberId }) => ({ memberId }))
  return { ...rest, ...group, ...(ids === undefined ? {} : { members: ids }) }
}

// ── the files ────────────────────────────────────────────────────────────────────────────

const paths = [...dumped.keys()]
const linesOf = (path: string): readonly string[] => dumped.get(path) ?? []

describe.each(paths.filter(path => /\.(log|checkpoint)$/.test(path)))('%s', path => {
  const place = join(GOLDEN, path.startsWith('__') ? 'dumped' : '', path)

  it('its batches and records are what Kafka says', async () => {
    const found = await details(place)
    const batches = linesOf(path).filter(line => line.startsWith('baseOffset'))
    expect(found.filter(({ entry }) => entry === 'batch')).toMatchObject(batches.map(batchOf))
    const records = linesOf(path).filter(line => line.startsWith('|'))
    if (records.length === 0) return // Kafka was not asked for them
    expect(found.filter(({ entry }) => entry === 'record')).toMatchObject(records.map(decodedOf))
  })
})

it.each(paths.filter(path => /\.(index|timeindex|snapshot|txnindex)$/.test(path)))(
  '%s has the entries that Kafka says',
  async path => {
    const found = await details(join(GOLDEN, path))
    const expected = linesOf(path)
      .filter(line => /^(offset|timestamp|producerId|version): /.test(line))
      .map(pairsOf)
      .map(({ version: _, lastTimestamp: __, firstSequence: ___, ...rest }) => rest)
    expect(expected.length > 0 || linesOf(path).join().includes('is empty')).toBe(true)
    expect(found).toMatchObject(expected)
  },
)

it('small files are shown by their lines', async () => {
  expect(await details(join(GOLDEN, 'orders-0/leader-epoch-checkpoint'))).toMatchObject([
    { entry: 'line', epoch: 0, startOffset: 0 },
    { entry: 'line', epoch: 2, startOffset: 61 },
    { entry: 'line', epoch: 5, startOffset: 92 },
  ])
  const [topicId] = (await details(join(GOLDEN, 'orders-0/partition.metadata'))).slice(-1)
  expect(topicId).toMatchObject({ entry: 'setting', name: 'topic_id' })
  const [state] = await details(join(GOLDEN, 'dumped/__cluster_metadata-0/quorum-state'))
  expect(state).toMatchObject({ entry: 'content', leaderId: 1 })
})

it('a folder with --records shows them as the files do', async () => {
  const folder = join(GOLDEN, 'dumped/__transaction_state-0')
  const { text } = await inspect(folder, '--records', '--json')
  const lines = text.trim().split('\n').map(line => JSON.parse(line) as Fields)
  const records = lines.filter(({ entry }) => entry === 'record')
  const ofFile = await details(join(folder, '00000000000000000000.log'))
  expect(records).toEqual(
    ofFile
      .filter(({ entry }) => entry === 'record')
      .map(each => ({ partition: '__transaction_state-0', ...each })),
  )
})

describe('a file that is wrong', () => {
  function copyOf(name: string, edit: (bytes: Buffer) => Buffer): string {
    const folder = mkdtempSync(join(tmpdir(), 'partlog-inspect-'))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    const path = join(folder, name)
    writeFileSync(path, edit(readFileSync(join(GOLDEN, 'orders-0', name))))
    return path
  }

  it.each<[string, (bytes: Buffer) => Buffer, RegExp]>([
    ['00000000000000000040.log', bytes => bytes.subarray(0, -3), /WRONG .* at \d+: .*into a batch/],
    ['00000000000000000081.snapshot', bytes => bytes.fill(7, 20, 21), /WRONG .* at 2: CRC-32C/],
    ['00000000000000000040.txnindex', bytes => bytes.subarray(0, -1), /WRONG .* ends inside an/],
    ['leader-epoch-checkpoint', () => Buffer.from('0\n2\n1 1\n'), /WRONG .* 2 lines announced/],
  ])('%s is shown as far as it goes, with the problem', async (name, edit, problem) => {
    const { code, text } = await inspect(copyOf(name, edit))
    expect({ code, text }).toEqual({ code: 1, text: expect.stringMatching(problem) as string })
  })

  it('a file that inspect does not know is refused', async () => {
    const path = copyOf('partition.metadata', bytes => bytes)
    writeFileSync(join(path, '../notes.txt'), 'x')
    await expect(inspect(join(path, '../notes.txt'))).rejects.toThrow('expected a folder, or a file')
    await expect(inspect(path, '--batches')).rejects.toThrow('--batches: only with a folder')
  })
})
