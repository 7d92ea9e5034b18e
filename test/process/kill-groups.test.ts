/**
 * A process with several groups is killed while they process; each record is noted in a file,
 * synced, before it may be committed. What a group has committed is never ahead of its notes, and
 * the next process continues exactly there.
 */

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { Cluster, seededRandom } from '../../src/index.js'
import type { Durability } from '../../src/index.js'
import { child, ended, printed, tempFolder } from './helpers.js'

const SEED = 815
const ROUNDS = 3
const PARTITIONS = 3
const GROUPS = ['loop', 'records', 'batches', 'polls']

/** Two members of each group, each group with its own way to read and to commit. */
const READER = `
  import { fdatasyncSync, openSync, writeSync } from 'node:fs'
  import { setTimeout as after } from 'node:timers/promises'
  const [dir, notes, durability] = process.argv.slice(1)
  const cluster = await Cluster.open({ dir, durability, groupMinSessionTimeoutMs: 300 })
  const file = openSync(notes, 'a')
  const note = (group, { partition, offset }) => {
    writeSync(file, group + ' ' + partition + ' ' + offset + '\\n')
    fdatasyncSync(file)
    process.stdout.write('.')
  }
  const ways = {
    async loop(consumer) {
      for await (const record of consumer) {
        note('loop', record)
        await consumer.commit({ records: [record] })
      }
    },
    records: consumer => consumer.run({ eachRecord: record => note('records', record) }),
    batches: consumer => consumer.run({
      async eachBatch({ records }) {
        for (const record of records) {
          note('batches', record)
          await after(1)
        }
      },
    }),
    async polls(consumer) {
      for (;;) {
        for (const record of await consumer.poll()) note('polls', record)
        await consumer.commit()
      }
    },
  }
  const live = async (groupId, way) => {
    const consumer = cluster.consumer({
      groupId, autoOffsetReset: 'earliest', maxPollRecords: 7,
      sessionTimeoutMs: 400, autoCommitIntervalMs: 10,
      enableAutoCommit: groupId === 'records' || groupId === 'batches',
    })
    await consumer.subscribe(['numbers'])
    for (;;) await way(consumer).catch(error => process.stdout.write('(' + error.code + ')'))
  }
  for (const [groupId, way] of Object.entries(ways)) {
    void live(groupId, way)
    void live(groupId, way)
  }
  const producer = cluster.producer()
  for (let n = 0; ; n++) {
    const messages = Array.from({ length: 9 }, (_, i) => ({ partition: i % ${PARTITIONS}, value: 'x' }))
    await producer.send({ topic: 'numbers', messages })
    await after(5)
  }
`

type Books = ReadonlyMap<string, readonly number[]>

/** Of each group and partition the offsets in the order they were noted. */
function notesIn(file: string): Books {
  const books = new Map<string, number[]>()
  const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1)
  for (const line of lines) {
    const [, place = '', offset] = /^(\w+ \d+) (\d+)$/.exec(line) ?? []
    const book = books.get(place) ?? []
    books.set(place, book)
    book.push(Number(offset))
  }
  return books
}

/** Reads until so many records are noted, and is killed there, at once. */
async function readAndKill(
  dir: string,
  notes: string,
  { durability, count }: { readonly durability: Durability; readonly count: number },
): Promise<void> {
  const reader = child(READER, dir, notes, durability)
  let errors = ''
  let done = 0
  reader.stderr?.on('data', (chunk: Buffer) => (errors += chunk.toString()))
  reader.stdout?.on('data', (chunk: Buffer) => {
    done += chunk.toString().split('.').length - 1
    if (done >= count) reader.kill('SIGKILL')
  })
  await ended(reader)
  expect(errors).toBe('')
  expect(reader.signalCode).toBe('SIGKILL')
}

/** What each group has committed, by group and partition. */
async function committedIn(dir: string): Promise<Map<string, number>> {
  const cluster = await Cluster.open({ dir })
  const committed = new Map<string, number>()
  for (const group of GROUPS) {
    for (const { partition, offset } of await cluster.admin.listGroupOffsets(group)) {
      committed.set(`${group} ${partition}`, offset)
    }
  }
  await cluster.close()
  return committed
}

function expectNothingAhead(committed: Map<string, number>, notes: string, where: string): void {
  const books = notesIn(notes)
  for (const [place, offset] of committed) {
    const noted = Math.max(-1, ...(books.get(place) ?? []))
    expect(offset, `${where}, ${place}: committed`).toBeLessThanOrEqual(noted + 1)
  }
}

async function prepared() {
  const folder = tempFolder()
  const dir = join(folder, 'data')
  const notes = join(folder, 'notes')
  writeFileSync(notes, '')
  const cluster = await Cluster.open({ dir })
  await cluster.admin.createTopic({ topic: 'numbers', partitions: PARTITIONS })
  await cluster.close()
  return { dir, notes }
}

it.each<Durability>(['power', 'process'])(
  "a killed process has committed nothing that was not processed (durability '%s')",
  async durability => {
    const random = seededRandom(SEED)
    const { dir, notes } = await prepared()
    let committed = new Map<string, number>()
    for (let round = 1; round <= ROUNDS; round++) {
      const count = 300 + random.int(900)
      const before = notesIn(notes)
      await readAndKill(dir, notes, { durability, count })
      const where = `seed ${SEED}, ${durability}, round ${round}, killed after ${count}`
      for (const [place, offsets] of notesIn(notes)) {
        const [first] = offsets.slice(before.get(place)?.length ?? 0)
        if (first === undefined) continue
        expect(first, `${where}, ${place}: goes on`).toBe(committed.get(place) ?? 0)
      }
      committed = await committedIn(dir)
      expectNothingAhead(committed, notes, where)
    }
    for (const [place, offsets] of notesIn(notes)) {
      const ascending = [...new Set(offsets)].sort((a, b) => a - b)
      expect(ascending, `${place}: none left out`).toEqual(ascending.map((_, index) => index))
    }
    const hasCommitted = new Set([...committed.keys()].map(place => place.split(' ')[0]))
    expect(hasCommitted).toEqual(new Set(GROUPS))
  },
  180_000,
)

it('a second process is refused, and the groups of the first continue', async () => {
  const { dir, notes } = await prepared()
  const first = child(READER, dir, notes, 'power')
  await printed(first, '.....')
  const second = child(READER, dir, notes, 'power')
  let errors = ''
  second.stderr?.on('data', (chunk: Buffer) => (errors += chunk.toString()))
  expect(await ended(second)).toBe(1)
  expect(errors).toContain('LOCKED')
  await expect(Cluster.open({ dir })).rejects.toMatchObject({ code: 'LOCKED' })
  await printed(first, '.'.repeat(100))
  first.kill('SIGKILL')
  await ended(first)
  const committed = await committedIn(dir)
  expectNothingAhead(committed, notes, 'after the second process')
  expect(committed.size).toBeGreaterThan(0)
})
