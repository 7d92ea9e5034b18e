/** What a record is to an application: which fields it has, in what form, and what it holds. */

import { inspect } from 'node:util'
import { describe, expect, it, onTestFinished } from 'vitest'
import { Cluster, type ConsumerOptions, type ConsumerRecord, type Message } from '../../../src/index.js'

const place = { topic: 't', partition: 0 }
const TIME = 1_700_000_000_000

async function recordsOf(
  messages: readonly Message[],
  options: ConsumerOptions<never, never> = {},
): Promise<ConsumerRecord[]> {
  const cluster = await Cluster.memory()
  onTestFinished(() => cluster.close())
  await cluster.admin.createTopic({ topic: 't' })
  const timed = messages.map(message => ({ ...message, timestamp: TIME }))
  await cluster.producer().send({ topic: 't', messages: timed })
  const consumer = cluster.consumer({ autoOffsetReset: 'earliest', ...options })
  await consumer.assign([place])
  return (await consumer.poll()) as ConsumerRecord[]
}

const owned = { ...place, offset: 0, timestamp: TIME, timestampType: 'CreateTime' }
const all = {
  ...owned,
  key: Buffer.from('k'),
  value: Buffer.from('v'),
  headers: [],
  leaderEpoch: 0,
}

describe('a record', () => {
  it('a record has all fields, and key and value are the same object each time', async () => {
    const [record] = await recordsOf([{ key: 'k', value: 'v' }])
    expect(record).toMatchObject(all)
    expect(record?.value).toBe(record?.value)
    expect(record?.key).toBe(record?.key)
    expect(Buffer.isBuffer(record?.value)).toBe(true)
    expect(String(record?.value)).toBe('v')
  })

  it('a record owns all fields but key and value: a copy by spreading has the others', async () => {
    const [record] = await recordsOf([{ key: 'k', value: 'v' }])
    expect({ ...record }).toEqual({ ...owned, headers: [], leaderEpoch: 0 })
    const { key, value, ...others } = record as ConsumerRecord
    expect({ ...others, key, value }).toEqual(all)
  })

  it('a record is JSON with all fields, in their order, and is shown with all of them', async () => {
    const [record] = await recordsOf([{ key: 'k', value: 'v' }])
    const { headers, leaderEpoch, ...first } = all
    expect(JSON.stringify(record)).toBe(JSON.stringify({ ...first, headers, leaderEpoch }))
    expect(inspect(record)).toBe(inspect({ ...first, headers, leaderEpoch }))
  })

  it('the same when they are text; null stays null', async () => {
    const text = { keyDeserializer: 'string', valueDeserializer: 'string' } as never
    const [first, second] = await recordsOf([{ key: 'k', value: 'v' }, { value: null }], text)
    expect(JSON.parse(JSON.stringify(first))).toMatchObject({ key: 'k', value: 'v' })
    expect(second).toMatchObject({ key: null, value: null })
  })

  it('a copy with its prototype can be shown, and says that it has neither', async () => {
    const [record] = await recordsOf([{ key: 'k', value: 'v' }])
    const copy = Object.assign(Object.create(Object.getPrototypeOf(record)), record)
    expect(copy.value).toBeUndefined()
    expect(JSON.parse(JSON.stringify(copy))).toEqual({ ...owned, headers: [], leaderEpoch: 0 })
  })

  it('a deserializer may return undefined', async () => {
    const options = { valueDeserializer: () => undefined } as never
    const [record] = await recordsOf([{ key: 'k', value: 'v' }], options)
    expect(record?.value).toBeUndefined()
    expect(String(record?.key)).toBe('k')
  })
})

describe('a record that is kept', () => {
  const messages = Array.from({ length: 1_000 }, (_, n) => ({
    key: `k${n}`,
    value: `${n}`.padStart(100),
    headers: n % 3 === 0 ? { h: `h${n}` } : {},
  }))

  it('a record that is kept does not keep the bytes of all that were fetched with it', async () => {
    const [record] = await recordsOf(messages, { maxPollRecords: 1 })
    expect(record?.value?.buffer.byteLength).toBeLessThan(20_000)
    expect(record?.key?.buffer.byteLength).toBeLessThan(20_000)
    expect(record?.headers[0]?.value?.buffer.byteLength).toBeLessThan(20_000)
  })

  it('few records have their bytes, whatever they are read by', async () => {
    const records = await recordsOf(messages, { maxPollRecords: 17 })
    expect(records).toHaveLength(17)
    for (const [n, { key, value, headers }] of records.entries()) {
      expect([String(key), String(value)]).toEqual([`k${n}`, `${n}`.padStart(100)])
      expect(headers.map(each => String(each.value))).toEqual(n % 3 === 0 ? [`h${n}`] : [])
      expect(value?.buffer.byteLength).toBeLessThan(20_000)
    }
  })

  it('many records are views of what was fetched', async () => {
    const records = await recordsOf(messages)
    const memories = new Set(records.slice(1, 3).map(({ value }) => value?.buffer))
    expect(records).toHaveLength(500)
    expect(memories.size).toBe(1)
    expect(String(records[499]?.value)).toBe('499'.padStart(100))
  })
})
