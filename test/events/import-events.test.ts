/** Imports by the library, into a cluster in memory. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it, onTestFinished } from 'vitest'
import { Cluster, importEvents, type ImportEventsOptions } from '../../src/index.js'
import type { EventSource } from '../../src/events/source/event-files.js'

const folder = mkdtempSync(join(tmpdir(), 'partlog-events-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

let files = 0
function file(content: string | Uint8Array, name = `${++files}.txt`): string {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}

async function memory(): Promise<Cluster> {
  const cluster = await Cluster.memory()
  onTestFinished(() => cluster.close())
  return cluster
}

type Options = Partial<ImportEventsOptions>

const run = (cluster: Cluster, source: EventSource | EventSource[], options: Options = {}) =>
  importEvents(cluster, source, { topic: 't', ...options })

async function recordsOf(cluster: Cluster, topic = 't') {
  const consumer = cluster.consumer({ autoOffsetReset: 'earliest', valueDeserializer: 'string' })
  const { partitions } = await cluster.admin.describeTopic(topic)
  const places = partitions.map(({ partition }) => ({ topic, partition }))
  await consumer.assign(places)
  const ends = await consumer.endOffsets(places)
  const total = ends.reduce((sum, { offset }) => sum + offset, 0)
  const records: { partition: number; timestamp: number; value: string | null }[] = []
  while (records.length < total) {
    for (const { partition, timestamp, value } of await consumer.poll()) {
      records.push({ partition, timestamp, value })
    }
  }
  await consumer.close()
  return records
}

const valuesOf = async (cluster: Cluster) => (await recordsOf(cluster)).map(({ value }) => value)

describe('importEvents', () => {
  it('imports files and streams in order, and tells the progress and the result', async () => {
    const cluster = await memory()
    const stream = { name: 'it', bytes: (async function* () { yield '{"n":3}\n' })() }
    const importing = run(cluster, [file('{"n":1}\n{"n":2}\n'), stream])
    let newest = 0
    for await (const { records } of importing) newest = records
    expect(newest).toBe(3)
    const { records, badEvents, bytes } = await importing.result
    expect({ records, bytes, bad: badEvents.size }).toEqual({ records: 3, bytes: 21, bad: 0 })
    expect(await valuesOf(cluster)).toEqual(['{"n":1}', '{"n":2}', '{"n":3}'])
  })

  it.each([
    [{ key: 'a[' }, 'INVALID_ARGUMENT: expected a field like id'],
    [{ topic: '' }, 'INVALID_CONFIG: import option topic: expected a non-empty string'],
    [{ match: '(' }, 'INVALID_ARGUMENT: expected a regular expression'],
    [{ timezone: 'UTC' }, 'INVALID_ARGUMENT: needs timestamp'],
    [{ format: 'records', key: 'x' }, 'INVALID_ARGUMENT: not with format records'],
    [{ nope: 1 }, 'INVALID_CONFIG: import option "nope" does not exist'],
    [{ match: '(?<key>x)' }, 'INVALID_ARGUMENT: only with format lines, not with format json'],
  ])('%j is refused before anything is written', async (options, sentence) => {
    const cluster = await memory()
    await expect(run(cluster, file('{"a":1}\n'), options as Options).result).rejects.toThrow(sentence)
    expect(await cluster.admin.listTopics()).toEqual([])
  })

  it('a second file that does not fit is refused before the first one is imported', async () => {
    const cluster = await memory()
    const sources = [file('id,n\n1,2\n', 'a.csv'), file('x,n\n1,2\n', 'b.csv')]
    const sentence = 'expected a column of the header (x, n), got "id"'
    await expect(run(cluster, sources, { key: 'id' }).result).rejects.toThrow(sentence)
    expect(await cluster.admin.listTopics()).toEqual([])
  })

  it('bad events end the import, are skipped, or are told', async () => {
    const cluster = await memory()
    const path = file('{"n":1}\nbad\n{"n":2}\n{"at":1}\n')
    const ended = run(cluster, path)
    await expect(ended.result).rejects.toMatchObject({ code: 'INVALID_RECORD' })
    await expect(ended.result).rejects.toThrow(
      /line 2: .*its first 1 lines are imported, the rest is not: continue after line 2 with skip 2/,
    )
    const { records, badEvents } = await run(cluster, path, { skip: 1, onBadEvent: 'skip' }).result
    expect([records, [...badEvents]]).toEqual([2, [['not JSON', 1]]])
    const told: unknown[] = []
    const onBadEvent = ({ number, kind, bytes }: { number: number; kind: string; bytes: unknown }) =>
      told.push(number, kind, String(bytes))
    await run(cluster, path, { onBadEvent, skip: 1 }).result
    expect(told).toEqual([2, 'not JSON', 'bad'])
  })

  it('a signal ends an import, and it tells how far it is', async () => {
    const cluster = await memory()
    const ending = new AbortController()
    const bytes = (async function* () {
      yield '{"n":1}\n'
      await new Promise(() => undefined)
    })()
    const importing = run(cluster, { name: 'a pipe', bytes }, { signal: ending.signal })
    for await (const { records } of importing) {
      expect(records).toBe(1)
      break
    }
    ending.abort()
    // A stream that cannot be destroyed is left; its reading is not waited for.
    const outcome = await Promise.race([importing.result.catch(String), Promise.resolve('waits')])
    expect(outcome).toMatch(/waits|its first 1 lines are imported/)
  })

  it('CSV with skip reads its header all the same', async () => {
    const cluster = await memory()
    await run(cluster, file('id,n\n1,a\n2,b\n3,c\n', 's.csv'), { skip: 2, key: 'id', value: 'n' }).result
    expect(await valuesOf(cluster)).toEqual(['b', 'c'])
  })
})

describe('the order of times', () => {
  const lines = (...times: number[]) =>
    times.map(each => `{"ts":${1_700_000_000_000 + each}}\n`).join('')
  const timesOf = async (cluster: Cluster) =>
    (await recordsOf(cluster)).map(({ timestamp }) => timestamp - 1_700_000_000_000)

  it('several files are merged, each sorted within the window', async () => {
    const cluster = await memory()
    const sources = [file(lines(5, 1, 9, 7)), file(lines(2, 8, 6, 30, 20))]
    const options = { timestamp: 'ts', sortByTimeMs: 10 }
    const { outOfOrder } = await run(cluster, sources, options).result
    expect(await timesOf(cluster)).toEqual([1, 2, 5, 6, 7, 8, 9, 20, 30])
    expect(outOfOrder).toBe(0)
  })

  it('an event that comes later than the window allows is counted', async () => {
    const cluster = await memory()
    const { outOfOrder } = await run(cluster, file(lines(0, 50, 100, 10, 200)), {
      timestamp: 'ts',
      sortByTimeMs: 20,
    }).result
    expect(outOfOrder).toBe(1)
    expect((await timesOf(cluster)).sort((a, b) => a - b)).toEqual([0, 10, 50, 100, 200])
  })
})

describe('resume', () => {
  const text = Array.from({ length: 5_000 }, (_, n) => `{"id":"k${n % 7}","n":${n}}\n`).join('')
  const options = { resume: true, key: 'id', partitions: 3 }

  it('continues where it ended, and imports nothing twice', async () => {
    const cluster = await memory()
    const path = file(text.slice(0, 20_000))
    await expect(run(cluster, path, options).result).rejects.toThrow('the same call continues there')
    writeFileSync(path, text)
    await run(cluster, path, options).result
    await run(cluster, path, options).result
    const values = await valuesOf(cluster)
    expect(values.length).toBe(5_000)
    expect(new Set(values).size).toBe(5_000)
  })

  it('notices a file that was changed', async () => {
    const cluster = await memory()
    const path = file('{"n":1}\n{"n":2}\n')
    await run(cluster, path, { resume: true }).result
    writeFileSync(path, '{"n":1}\n{"n":3}\n{"n":4}\n')
    await expect(run(cluster, path, { resume: true }).result).rejects.toThrow(
      'its first 2 lines are not those that were imported: the file was changed',
    )
    writeFileSync(path, '{"n":1}\n')
    await expect(run(cluster, path, { resume: true }).result).rejects.toThrow('it has 1 lines, 2 were')
    expect(await valuesOf(cluster)).toEqual(['{"n":1}', '{"n":2}'])
  })

  it('what was written behind the stored place is not written again', async () => {
    const cluster = await memory()
    const path = file('{"n":0}\n')
    await run(cluster, path, { resume: true, partitions: 2 }).result
    // As after a crash: records are there, and their place is not.
    const messages = ['{"n":1}', '{"n":2}', '{"n":3}'].map((value, n) => ({
      value,
      partition: (n + 2) % 2,
    }))
    await cluster.producer().send({ topic: 't', messages })
    writeFileSync(path, '{"n":0}\n{"n":1}\n{"n":2}\n{"n":3}\n{"n":4}\n')
    const { records } = await run(cluster, path, { resume: true }).result
    expect(records).toBe(1)
    expect((await valuesOf(cluster)).sort()).toEqual(
      [0, 1, 2, 3, 4].map(n => `{"n":${n}}`),
    )
  })

  it('is for one file', async () => {
    const cluster = await memory()
    const stream = { name: 'x', bytes: (async function* () { yield '{}' })() }
    await expect(run(cluster, stream, { resume: true }).result).rejects.toThrow('expected one file')
  })
})
