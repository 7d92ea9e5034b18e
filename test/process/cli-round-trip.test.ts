/** An export is lossless: imported and exported again it is the same to the byte. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { Cluster, openLogDirectory, seededRandom, type Message } from '../../src/index.js'
import { output, parseLines, partlog, tempFolder } from './helpers.js'

const PARTITIONS = 4
const dir = tempFolder()
const exported = (folder: string): string => output(['replay', 'odd', '--dir', folder])

/** What text formats like to lose. */
const SPECIAL: readonly Message[] = [
  { partition: 0, key: null, value: 'no key' },
  { partition: 0, key: '', value: '' },
  { partition: 1, key: 'tombstone', value: null },
  { partition: 1, key: null, value: null },
  { partition: 2, key: Buffer.from([0xff, 0xfe, 0x00]), value: Buffer.from([0x80, 0x0a, 0x0d]) },
  { partition: 2, value: 'line\nbreaks\r\nand "quotes" \\ \u0000 \u2028 \ud83d\ude00 é' },
  { partition: 2, value: '\ufeffmark' },
  { partition: 3, value: '{"base64":"AAAA"}', key: '{"base64":"!"}' },
  {
    partition: 3,
    value: 'headers',
    headers: [
      ['twice', 'one'],
      ['other', null],
      ['twice', Buffer.from([0xc3, 0x28])],
      ['', ''],
      ['ключ', 'значение'],
    ],
  },
  { partition: 0, value: 'the first millisecond', timestamp: 0 },
  { partition: 0, value: 'without a time', timestamp: -1 },
  { partition: 0, value: 'out of order', timestamp: 1 },
]

/** Messages of random bytes, some of which are text by chance. */
function randomMessages(count: number): Message[] {
  const random = seededRandom(20)
  return Array.from({ length: count }, (_, n) => ({
    partition: random.int(PARTITIONS),
    timestamp: 1_700_000_000_000 + random.int(5000),
    key: random.int(3) === 0 ? null : random.bytes(random.int(3)),
    value: n % 50 === 0 ? null : random.bytes(random.int(40)),
    headers: random.int(4) === 0 ? [[`h${random.int(3)}`, random.bytes(random.int(3))]] : [],
  }))
}

it('export and import keep every byte of keys, values, headers, times and tombstones', async () => {
  const source = join(dir, 'source')
  const cluster = await Cluster.open({ dir: source, durability: 'process' })
  await cluster.admin.createTopic({ topic: 'odd', partitions: PARTITIONS })
  const messages = [...SPECIAL, ...randomMessages(3000)]
  await cluster.producer().send({ topic: 'odd', messages })
  await cluster.close()
  const first = exported(source)
  expect(parseLines(first)).toHaveLength(messages.length)

  const again = join(dir, 'again')
  const words = ['import', '-', '--topic', 'odd', '--dir', again, '--format', 'records']
  expect(partlog([...words, '--partitions', String(PARTITIONS)], { input: first }).code).toBe(0)
  expect(exported(again)).toBe(first)

  // The export might have lost the same things twice: the records themselves are compared, too.
  expect(await recordsOf(again)).toEqual(await recordsOf(source))
  const stored = await recordsOf(source)
  const inOrder = [0, 1, 2, 3].flatMap(each => messages.filter(m => m.partition === each))
  expect(stored.map(each => each.value)).toEqual(inOrder.map(each => bytesOf(each.value)))
  expect(stored.map(each => each.key)).toEqual(inOrder.map(each => bytesOf(each.key)))
})

it('an export in gzip is imported with as many partitions as its records name', () => {
  const source = join(dir, 'source')
  const file = join(dir, 'odd.jsonl.gz')
  output(['replay', 'odd', '--dir', source, '--to', file])
  const again = join(dir, 'packed')
  const made = partlog(['import', file, '--topic', 'odd', '--dir', again, '--format', 'records'])
  expect(made).toMatchObject({ code: 0, stdout: '' })
  const plain = join(dir, 'again.jsonl')
  output(['replay', 'odd', '--dir', again, '--to', plain])
  expect(readFileSync(plain, 'utf8')).toBe(exported(source))
})

it('records pass through a topic of the same cluster', () => {
  const source = join(dir, 'source')
  output(['replay', 'odd', '--dir', source, '--to', 'odd-copy', '--partitions', 'keep'])
  expect(output(['replay', 'odd-copy', '--dir', source])).toBe(exported(source))
})

it('import recognizes an export, and reads it as lines if that is asked for', () => {
  const target = join(dir, 'recognized')
  const input = exported(join(dir, 'source'))
  const words = ['import', '-', '--topic', 'odd', '--dir', target]
  const { code, stderr } = partlog(words, { input })
  expect(code).toBe(0)
  expect(stderr).toContain('standard input is read as an export of partlog (--format records)\n')
  expect(exported(target)).toBe(input)
  const lines = ['import', '-', '--topic', 'lines', '--dir', target, '--format', 'lines']
  expect(partlog(lines, { input }).code).toBe(0)
  expect(output(['replay', 'lines', '--dir', target, '--format', 'values'])).toBe(input)
})

it('import names a partition that does not exist', () => {
  const target = join(dir, 'narrow')
  const input = exported(join(dir, 'source'))
  const words = ['import', '-', '--topic', 'odd', '--dir', target, '--format', 'records']
  const { code, stderr } = partlog([...words, '--partitions', '2'], { input })
  expect(code).toBe(1)
  expect(stderr).toMatch(/^partlog: .*line \d+: partition \d: the topic has 2 partitions; .*\n$/)
})

async function recordsOf(folder: string) {
  const { partitions } = await openLogDirectory(folder)
  const found = []
  for (const each of partitions.filter(({ topic }) => topic === 'odd')) {
    for await (const { partition, offset, timestamp, key, value, headers } of each.records()) {
      const pairs = headers.map(header => [header.key, copyOf(header.value)])
      const bytes = { key: copyOf(key), value: copyOf(value), headers: pairs }
      found.push({ partition, offset, timestamp, ...bytes })
    }
  }
  return found
}

function copyOf(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : Buffer.from(bytes).toString('hex')
}

function bytesOf(value: Message['value'] | undefined): string | null {
  return value === null || value === undefined ? null : Buffer.from(value).toString('hex')
}
