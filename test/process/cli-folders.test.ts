/** Commands that read a folder: verify and inspect, while another process writes, and after damage. */

import { cpSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { Cluster } from '../../src/index.js'
import { child, contentOf, ended, jsonLines, output, partlog } from './helpers.js'
import { parseLines, printed, tempFolder } from './helpers.js'

const dir = join(tempFolder(), 'data')
const LOG = 'broker-1/orders-0/00000000000000000000.log'
const INDEX = 'broker-1/orders-0/00000000000000000000.index'
const TIMES = 'broker-1/orders-0/00000000000000000000.timeindex'
const CONTROLLER_LOG = 'controller/__cluster_metadata-0/00000000000000000000.log'

/** Batches of 5 records in partition 0; small segments in another topic. */
beforeAll(async () => {
  const cluster = await Cluster.open({ dir, durability: 'process' })
  await cluster.admin.createTopic({ topic: 'orders', partitions: 2 })
  await cluster.admin.createTopic({ topic: 'small', config: { 'segment.bytes': 1_048_576 } })
  const producer = cluster.producer()
  for (let batch = 0; batch < 40; batch++) {
    const messages = Array.from({ length: 5 }, (_, n) => ({
      partition: 0,
      timestamp: 1_700_000_000_000 + batch * 5 + n,
      value: `order ${batch}.${n} ${'.'.repeat(100)}`,
    }))
    await producer.send({ topic: 'orders', messages })
  }
  for (let n = 0; n < 5; n++) {
    const value = Buffer.alloc(500_000, n)
    await producer.send({ topic: 'small', messages: [{ key: 'k', value }] })
  }
  await cluster.close()
})

/** A copy of the folder in which something may be broken. */
function copy(): string {
  const target = join(tempFolder(), 'copy')
  cpSync(dir, target, { recursive: true })
  return target
}

function change(path: string, at: number, edit: (byte: number) => number): void {
  const bytes = readFileSync(path)
  bytes[at] = edit(bytes[at] as number)
  writeFileSync(path, bytes)
}

interface Verdict {
  readonly code: number | null
  readonly problems: readonly { file: string; position: number; problem: string }[]
  readonly summary: Record<string, unknown>
}

function verify(folder: string): Verdict {
  const { code, stdout } = partlog(['verify', folder, '--json'])
  const lines = parseLines(stdout)
  const summary = lines.pop() as Record<string, unknown>
  return { code, problems: lines as unknown as Verdict['problems'], summary }
}

interface Entry {
  readonly partition: string
  readonly entry: string
  readonly [key: string]: unknown
}

function entriesOf(folder: string, kind: string): Entry[] {
  const all = jsonLines<Entry>(['inspect', folder, '--batches', '--index', '--json'])
  return all.filter(({ entry }) => entry === kind)
}

/** The batches of orders-0, as inspect tells them. */
const batches = (): { position: number; bytes: number; baseOffset: number }[] =>
  entriesOf(join(dir, 'broker-1/orders-0'), 'batch') as never

describe('verify', () => {
  it('verify finds nothing wrong with a sound folder, and says what it checked', () => {
    const { code, problems, summary } = verify(dir)
    expect({ code, problems }).toEqual({ code: 0, problems: [] })
    expect(summary).toMatchObject({ partitions: 4, segments: 6, problems: 0, notRead: {} })
    const table = partlog(['verify', dir])
    expect(table.stdout).toBe('')
    expect(table.stderr).toMatch(/^4 partitions, 6 segments, .* records, .* MB: nothing wrong\n$/)
  })

  it('verify accepts the folder of a broker or of a partition', () => {
    expect(verify(join(dir, 'broker-1')).summary).toMatchObject({ partitions: 3 })
    const one = verify(join(dir, 'broker-1/orders-0'))
    expect(one).toMatchObject({ code: 0, summary: { partitions: 1, batches: 40, records: 200 } })
  })

  it('verify changes no byte and no file time, sound or not', () => {
    const broken = copy()
    change(join(broken, LOG), 500, byte => byte ^ 1)
    for (const folder of [dir, broken]) {
      const before = contentOf(folder)
      verify(folder)
      expect(contentOf(folder)).toEqual(before)
    }
  })

  it('verify names file and position of any flipped byte of a log', () => {
    const at = batches()
    const size = readFileSync(join(dir, LOG)).length
    for (const position of [0, 8, 16, 17, 21, 30, 61, 700, Math.floor(size / 2), size - 1]) {
      const broken = copy()
      change(join(broken, LOG), position, byte => byte ^ 0x04)
      const { code, problems } = verify(broken)
      expect(code, `byte ${position}`).toBe(1)
      const batch = at.findLast(each => each.position <= position)
      expect(problems[0], `byte ${position}`).toMatchObject({ file: LOG })
      // Base offset and length are not under the checksum: there the next batch may tell.
      const places = at.filter(each => Math.abs(each.baseOffset - (batch?.baseOffset ?? 0)) <= 5)
      expect(places.map(each => each.position)).toContain(problems[0]?.position)
    }
  })

  it('verify continues after the first damage, and reports only what is damaged', () => {
    const broken = copy()
    const at = batches()
    for (const index of [3, 20]) {
      const { position, bytes } = at[index] as (typeof at)[number]
      change(join(broken, LOG), position + bytes - 1, byte => byte ^ 0xff)
    }
    const { code, problems, summary } = verify(broken)
    expect(code).toBe(1)
    expect(problems.map(({ file, position }) => [file, position])).toEqual([
      [LOG, at[3]?.position],
      [LOG, at[20]?.position],
    ])
    expect(summary).toMatchObject({ problems: 2 })
  })

  it('verify finds a wrong entry of the offset index', () => {
    const broken = copy()
    change(join(broken, INDEX), 7, byte => byte + 1) // the position of the first entry
    const { code, problems } = verify(broken)
    expect(code).toBe(1)
    expect(problems).toHaveLength(1)
    expect(problems[0]).toMatchObject({ file: INDEX, position: 0 })
    expect(problems[0]?.problem).toMatch(/^no batch begins at \d+$/)
  })

  it('verify finds a wrong entry of the time index', () => {
    const broken = copy()
    change(join(broken, TIMES), 2, () => 0) // far too old
    const { code, problems } = verify(broken)
    expect(code).toBe(1)
    expect(problems).toEqual([
      { file: TIMES, position: 0, problem: expect.stringContaining('the newest time up to offset') },
    ])
  })

  it('verify finds truncated files', () => {
    const broken = copy()
    const last = batches().at(-1) as { position: number; bytes: number }
    truncateSync(join(broken, LOG), last.position + last.bytes - 3)
    truncateSync(join(broken, INDEX), readFileSync(join(broken, INDEX)).length - 3)
    const { code, problems } = verify(broken)
    expect(code).toBe(1)
    expect(problems).toContainEqual({
      file: LOG,
      position: last.position,
      problem: `the file ends ${last.bytes - 3} bytes into a batch`,
    })
    expect(problems).toContainEqual(expect.objectContaining({ file: INDEX }))
  })

  it('verify checks the log of the controller', () => {
    const broken = copy()
    change(join(broken, CONTROLLER_LOG), 100, byte => byte ^ 1)
    const { code, problems } = verify(broken)
    expect(code).toBe(1)
    expect(problems).toMatchObject([{ file: CONTROLLER_LOG, position: 0 }])
  })

  it.each([
    ['broker-1/recovery-point-offset-checkpoint', '0\nnope\n'],
    ['broker-1/meta.properties', 'nothing'],
    ['broker-1/orders-0/leader-epoch-checkpoint', '0\n2\n1 5\n0 0\n'],
    ['broker-1/orders-0/partition.metadata', 'version: 0\n'],
  ])('verify checks %s', (name, text) => {
    const broken = copy()
    writeFileSync(join(broken, name), text)
    const { code, problems } = verify(broken)
    expect(code).toBe(1)
    expect(problems).toMatchObject([{ file: name, position: 0 }])
  })

  it('verify prints one line per problem', () => {
    const broken = copy()
    change(join(broken, LOG), 61, byte => byte ^ 1)
    const { code, stdout, stderr } = partlog(['verify', broken])
    expect(code).toBe(1)
    expect(stdout).toMatch(new RegExp(`^${LOG} at 0: CRC-32C does not match .*\n$`))
    expect(stderr).toMatch(/: 1 problems\n$/)
  })
})

describe('a damaged partition', () => {
  it('a damaged partition is not exported as if it were complete', () => {
    const broken = copy()
    const at = batches()
    const { position, baseOffset } = at[20] as (typeof at)[number]
    change(join(broken, LOG), position + 70, byte => byte ^ 1)
    const { code, stdout, stderr } = partlog(['replay', 'orders', '--dir', broken])
    expect(code).toBe(1)
    expect(stderr).toMatch(/^partlog: CORRUPT_LOG: [^\n]*\n$/)
    expect(stderr).toContain(`${LOG} at position ${position}: CRC-32C does not match`)
    expect(stderr).toContain(`from offset ${baseOffset} on was read`)
    expect(parseLines(stdout)).toHaveLength(baseOffset)
    const before = ['replay', 'orders', '--dir', broken, '--until', '50']
    expect(parseLines(output(before))).toHaveLength(50)
  })

  it('a damaged partition is distinguished from a torn tail', () => {
    const torn = copy()
    for (const name of ['recovery-point', 'replication']) {
      rmSync(join(torn, `broker-1/${name}-offset-checkpoint`))
    }
    rmSync(join(torn, 'broker-1/.kafka_cleanshutdown'))
    const last = batches().at(-1) as { position: number; bytes: number }
    truncateSync(join(torn, LOG), last.position + last.bytes - 3)
    const { code, stdout, stderr } = partlog(['replay', 'orders', '--dir', torn])
    expect(code).toBe(0)
    expect(parseLines(stdout)).toHaveLength(195)
    expect(stderr).toContain(`the last ${last.bytes - 3} bytes are no whole batch`)
    // The same cut below the recovery point: those records were safe once.
    const cut = copy()
    truncateSync(join(cut, LOG), last.position + last.bytes - 3)
    expect(partlog(['replay', 'orders', '--dir', cut]).stderr).toContain('CORRUPT_LOG')
  })
})

describe('inspect', () => {
  it('inspect shows segments, batches and entries that match', () => {
    const folder = join(dir, 'broker-1/orders-0')
    const size = readFileSync(join(dir, LOG)).length
    expect(entriesOf(folder, 'segment')).toMatchObject([
      {
        partition: 'orders-0',
        baseOffset: 0,
        bytes: size,
        batches: 40,
        records: 200,
        firstOffset: 0,
        lastOffset: 199,
        missingOffsets: 0,
        newestTimestamp: 1_700_000_000_199,
        codecs: { none: 40 },
      },
    ])
    let position = 0
    for (const [index, batch] of batches().entries()) {
      expect(batch).toMatchObject({ position, baseOffset: index * 5, records: 5 })
      position += batch.bytes
    }
    expect(position).toBe(size)
    const starts = new Map(batches().map(each => [each.position, each.baseOffset]))
    const offsets = entriesOf(folder, 'offset')
    expect(offsets.length).toBe(readFileSync(join(dir, INDEX)).length / 8)
    expect(offsets.length).toBeGreaterThan(2)
    for (const { position, offset } of offsets) {
      const base = starts.get(position as number) as number
      expect(offset).toBeGreaterThanOrEqual(base)
      expect(offset).toBeLessThan(base + 5)
    }
    for (const { timestamp, offset } of entriesOf(folder, 'time')) {
      expect(timestamp).toBe(1_700_000_000_000 + (offset as number))
    }
  })

  it('inspect shows every partition of a cluster, and each of its segments', () => {
    const segments = entriesOf(dir, 'segment')
    const names = [...new Set(segments.map(each => each.partition))]
    expect(names).toEqual(['__cluster_metadata-0', 'orders-0', 'orders-1', 'small-0'])
    const small = segments.filter(each => each.partition === 'small-0')
    expect(small.map(each => each['baseOffset'])).toEqual([0, 2, 4])
  })

  it('inspect prints a table', () => {
    const text = output(['inspect', join(dir, 'broker-1/small-0'), '--batches', '--index'])
    const [name, head, ...lines] = text.split('\n')
    expect(name).toBe('small-0')
    expect(head).toMatch(/^SEGMENT +BYTES +BATCHES +RECORDS +FIRST +LAST +MISSING +INDEX +TIMES/)
    expect(lines.filter(line => line.startsWith('  batch'))).toHaveLength(5)
    expect(text).not.toContain('WRONG')
  })

  it('inspect shows problems, with exit code 1', () => {
    const broken = copy()
    change(join(broken, LOG), 61, byte => byte ^ 1)
    const table = partlog(['inspect', broken])
    expect(table.code).toBe(1)
    expect(table.stdout).toContain(`  WRONG ${LOG} at 0: CRC-32C does not match`)
    const { code, stdout } = partlog(['inspect', broken, '--json'])
    expect(code).toBe(1)
    expect(parseLines(stdout)).toContainEqual(
      expect.objectContaining({ entry: 'problem', partition: 'orders-0', file: LOG, position: 0 }),
    )
  })
})

describe('while another process writes', () => {
  it("a second writer is refused with the owner's name; readers are not refused", async () => {
    const folder = copy()
    const holder = child(
      `const cluster = await Cluster.open({ dir: process.argv[1] })
       const producer = cluster.producer()
       let sent = 0, wantsEnd = false
       process.stdin.on('data', () => (wantsEnd = true))
       while (!wantsEnd) {
         await producer.send({ topic: 'orders', messages: [{ partition: 1, value: 'n' + sent }] })
         if (++sent === 10) console.log('writing')
       }
       await cluster.close()
       console.log('sent ' + sent)
       process.exit()`,
      folder,
    )
    await printed(holder, 'writing')
    for (const words of [
      ['import', '-', '--topic', 'orders', '--dir', folder],
      ['replay', 'orders', '--to', 'other', '--dir', folder],
    ]) {
      const { code, stderr } = partlog(words)
      expect(code).toBe(1)
      expect(stderr).toMatch(/^partlog: LOCKED: [^\n]*\n$/)
      expect(stderr).toContain(`is owned by process ${holder.pid} on `)
    }
    const records = parseLines(output(['replay', 'orders', '--partition', '1', '--dir', folder]))
    expect(records.map(each => each['value'])).toEqual(records.map((_, n) => `n${n}`))
    expect(records.length).toBeGreaterThanOrEqual(10)
    const topics = jsonLines(['topics', '--dir', folder, '--json'])
    expect(Number(topics[0]?.['records'])).toBeGreaterThanOrEqual(200 + records.length)
    expect(output(['groups', '--dir', folder, '--json'])).toBe('')
    expect(verify(folder)).toMatchObject({ code: 0, problems: [] })
    expect(entriesOf(join(folder, 'broker-1/orders-0'), 'batch')).toHaveLength(40)
    const end = printed(holder, 'sent ')
    holder.stdin?.write('end')
    const sent = Number((await end).split('sent ')[1])
    await ended(holder)
    expect(output(['topics', 'orders', '--dir', folder, '--json'])).toContain(`"records":${sent}}`)
  })

  it('the lock of a killed process is ignored', async () => {
    const folder = copy()
    const holder = child(
      `await Cluster.open({ dir: process.argv[1] })
       console.log('open')
       setInterval(() => undefined, 1000)`,
      folder,
    )
    await printed(holder, 'open')
    holder.kill('SIGKILL')
    await ended(holder)
    output(['import', '-', '--topic', 'orders', '--dir', folder])
  })
})
