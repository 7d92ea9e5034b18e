/** A process is killed while it writes: acknowledged records must exist, once and in order. */

import { join } from 'node:path'
import { expect, it } from 'vitest'
import { Cluster, seededRandom, type Random } from '../../src/index.js'
import type { Durability } from '../../src/index.js'
import { child, ended, partlog, tempFolder } from './helpers.js'

const ROUNDS = 5
const PARTITIONS = 2
const SEED = 4711

/** Sends numbers, some at a time, and prints each one when it is acknowledged. */
const WRITER = `
  const [dir, durability, start] = process.argv.slice(1)
  const cluster = await Cluster.open({ dir, durability })
  const producer = cluster.producer({ acks: 'all' })
  let next = Number(start)
  const write = async () => {
    for (;;) {
      const n = next++
      const value = n + ' '.repeat(n % 300)
      const messages = [{ partition: n % ${PARTITIONS}, key: 'n', value }]
      await producer.send({ topic: 'numbers', messages })
      process.stdout.write(n + '\\n') // a pipe: written before the call returns
    }
  }
  await Promise.all(Array.from({ length: 8 }, write))
`

/** Runs the writer until it has acknowledged so many numbers and kills it there, at once. */
async function writeAndKill(
  dir: string,
  durability: Durability,
  { start, count }: { readonly start: number; readonly count: number },
): Promise<number[]> {
  const writer = child(WRITER, dir, durability, String(start))
  let printed = ''
  let errors = ''
  writer.stderr?.on('data', (chunk: Buffer) => (errors += chunk.toString()))
  writer.stdout?.on('data', (chunk: Buffer) => {
    printed += chunk.toString()
    if (printed.split('\n').length > count) writer.kill('SIGKILL')
  })
  await ended(writer)
  expect(errors).toBe('')
  expect(writer.signalCode).toBe('SIGKILL')
  return printed.split('\n').slice(0, -1).map(Number)
}

/** What is in the log, by partition, as a consumer reads it. */
async function numbersIn(cluster: Cluster): Promise<number[][]> {
  const found: number[][] = []
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const [end] = await cluster.admin
      .listOffsets('numbers', 'latest')
      .then(all => all.filter(each => each.partition === partition))
    const consumer = cluster.consumer({ valueDeserializer: 'string', maxPollRecords: 10_000 })
    await consumer.assign([{ topic: 'numbers', partition }])
    consumer.seek({ topic: 'numbers', partition, offset: 0 })
    const numbers: number[] = []
    while (numbers.length < (end?.offset ?? 0)) {
      for (const { offset, value } of await consumer.poll()) {
        expect(offset).toBe(numbers.length)
        numbers.push(Number(value))
      }
    }
    await consumer.close()
    found.push(numbers)
  }
  return found
}

async function rounds(dir: string, durability: Durability, random: Random): Promise<void> {
  const acknowledged: number[] = []
  let start = 0
  for (let round = 1; round <= ROUNDS; round++) {
    const count = 1 + random.int(400)
    acknowledged.push(...(await writeAndKill(dir, durability, { start, count })))
    const cluster = await Cluster.open({ dir, durability })
    const where = `seed ${SEED}, ${durability}, round ${round}, killed after ${count}`
    expect(cluster.recovery, where).toMatchObject({ wasClosedCleanly: false, offline: [] })
    const found = await numbersIn(cluster)
    for (const [partition, numbers] of found.entries()) {
      const ascending = [...new Set(numbers)].sort((a, b) => a - b)
      expect(numbers, `${where}, partition ${partition}: once and in order`).toEqual(ascending)
      const promised = acknowledged.filter(n => n % PARTITIONS === partition)
      const there = new Set(numbers)
      const lost = promised.filter(n => !there.has(n))
      expect(lost, `${where}, partition ${partition}: lost`).toEqual([])
    }
    start = Math.max(start, ...found.flat(), ...acknowledged) + 1
    await cluster.close()
    expect(partlog(['verify', dir]), where).toMatchObject({ code: 0, stdout: '' })
  }
  expect(acknowledged.length).toBeGreaterThan(ROUNDS)
}

it.each<Durability>(['power', 'process'])(
  "a process killed while it writes keeps what it acknowledged (durability '%s')",
  async durability => {
    const dir = join(tempFolder(), 'data')
    const cluster = await Cluster.open({ dir, durability })
    await cluster.admin.createTopic({ topic: 'numbers', partitions: PARTITIONS })
    await cluster.close()
    await rounds(dir, durability, seededRandom(SEED))
  },
)
