/** Processes that follow a folder beside its owner, which writes, is killed, and comes again. */

import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { Cluster } from '../../src/index.js'
import type { Durability } from '../../src/index.js'
import { child, ended, started, tempFolder } from './helpers.js'

const ROUNDS = 4
const PLACE = { topic: 'numbers', partition: 0 }

/** Sends numbers, several at a time, and prints each one when it is acknowledged. */
const WRITER = `
  const [dir, durability, start] = process.argv.slice(1)
  const cluster = await Cluster.open({ dir, durability })
  const producer = cluster.producer()
  let next = Number(start)
  const write = async () => {
    for (;;) {
      const value = String(next++)
      await producer.send({ topic: 'numbers', messages: [{ value, partition: 0 }] })
      process.stdout.write(value + '\\n')
    }
  }
  await Promise.all(Array.from({ length: 4 }, write))
`

/** Lets a process write until it has acknowledged so many numbers, and kills it. */
async function writeAndKill(dir: string, durability: Durability, [start, count]: [number, number]) {
  const writer = child(WRITER, dir, durability, String(start))
  let printed = ''
  let errors = ''
  writer.stderr?.on('data', (chunk: Buffer) => (errors += chunk.toString()))
  writer.stdout?.on('data', (chunk: Buffer) => {
    printed += chunk.toString()
    if (printed.split('\n').length > count) writer.kill('SIGKILL')
  })
  await ended(writer)
  expect({ errors, signal: writer.signalCode }).toEqual({ errors: '', signal: 'SIGKILL' })
  return printed.split('\n').slice(0, -1).map(Number)
}

async function opened(dir: string, options: object = {}): Promise<Cluster> {
  const cluster = await Cluster.open({ dir, ...options })
  onTestFinished(() => cluster.close())
  return cluster
}

describe('an owner that is killed and comes again', () => {
  it.each(['power', 'process'] as const)('with durability %s', async durability => {
    const dir = join(tempFolder(), 'data')
    const first = await opened(dir)
    const config = { 'internal.segment.bytes': 4_000 }
    await first.admin.createTopic({ topic: 'numbers', config })
    await first.close()
    const reader = await opened(dir, { readOnly: true })
    const consumer = reader.consumer({ autoOffsetReset: 'none', valueDeserializer: 'string' })
    await consumer.assign([PLACE])
    consumer.seek({ ...PLACE, offset: 0 })
    const shown: string[] = []
    let isOver = false
    const reading = (async () => {
      while (!isOver) {
        for (const { offset, value } of await consumer.poll({ timeoutMs: 100 })) {
          expect(offset).toBe(shown.length)
          shown.push(value as string)
        }
      }
    })()
    const acknowledged: number[] = []
    for (let round = 0; round < ROUNDS; round++) {
      const start = round * 100_000
      acknowledged.push(...(await writeAndKill(dir, durability, [start, 40 + 60 * round])))
    }
    const owner = await opened(dir)
    await owner.producer().send({ topic: 'numbers', messages: [{ value: 'end', partition: 0 }] })
    const [end] = await owner.admin.listOffsets('numbers', 'latest')
    await expect.poll(() => shown.length, { timeout: 30_000 }).toBe(end?.offset)
    isOver = true
    await reading
    const all: string[] = []
    const check = owner.consumer({ autoOffsetReset: 'earliest', valueDeserializer: 'string' })
    await check.assign([PLACE])
    while (all.length < (end?.offset ?? 0)) {
      all.push(...(await check.poll()).map(({ value }) => value as string))
    }
    expect(shown).toEqual(all) // nothing was shown that is not in the log, in its place
    for (const number of acknowledged) expect(all).toContain(String(number))
  })
})

describe('commands beside a running owner', () => {
  it('replay --follow writes what comes', async () => {
    const dir = join(tempFolder(), 'data')
    const owner = await opened(dir)
    const send = (value: string) => owner.producer().send({ topic: 'orders', messages: [{ value }] })
    await send('one')
    const words = ['replay', 'orders', '--dir', dir, '--follow', '--format', 'values']
    const replay = started(words)
    await replay.said('one\n')
    for (const value of ['two', 'three']) {
      await send(value)
      await replay.said(`${value}\n`)
    }
    replay.child.kill('SIGTERM')
    expect(await replay.ended).toMatchObject({ code: 0, stdout: 'one\ntwo\nthree\n' })
  })

  it('topics --watch and groups --watch show what has changed', async () => {
    const dir = join(tempFolder(), 'data')
    const owner = await opened(dir)
    await owner.admin.createTopic({ topic: 'orders' })
    const topics = started(['topics', '--dir', dir, '--watch', '--json'])
    const groups = started(['groups', '--dir', dir, '--watch', '--json'])
    await topics.said('"records":0')
    await owner.producer().send({ topic: 'orders', messages: [{ value: 'a' }, { value: 'b' }] })
    await topics.said('"records":2')
    const worker = owner.consumer({ groupId: 'billing', autoOffsetReset: 'earliest' })
    await worker.subscribe(['orders'])
    await worker.poll()
    await worker.commit()
    await groups.said('"group":"billing","state":"Stable","partitions":1,"lag":0')
    for (const { child: command, ended: over } of [topics, groups]) {
      command.kill('SIGTERM')
      expect(await over).toMatchObject({ code: 0 })
    }
  })
})
