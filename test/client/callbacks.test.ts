/**
 * Code of the application that partlog calls, and that throws: the error says which
 * function it was, and gets the very error as its cause. No broker is blamed.
 */

import { describe, expect, it } from 'vitest'
import type { Assignor } from '../../src/index.js'
import type { PartlogError } from '../../src/model/errors.js'
import { settle, world, type World } from './world.js'

const BUG = new TypeError('bug of mine')
const broken = (): never => {
  throw BUG
}
const brokenLater = (): Promise<never> => Promise.reject(BUG)

const options = { groupId: 'g', autoOffsetReset: 'earliest' } as const

async function failureOf(done: Promise<unknown>): Promise<PartlogError> {
  return (await done.then(
    () => undefined,
    (error: unknown) => error,
  )) as PartlogError
}

function expectBlame(error: unknown, code: string, name: string): void {
  expect(error).toMatchObject({ name: 'PartlogError', code, cause: BUG })
  expect((error as Error).message).toContain(name)
  expect((error as Error).message).toContain('bug of mine')
}

/** One record in orders. */
async function ready(): Promise<World> {
  const all = await world()
  await all.write(0, 'a')
  return all
}

describe.each([
  ['throws', broken],
  ['rejects', brokenLater],
])('a listener that %s', (_, bug) => {
  it('an error of onPartitionsAssigned names the listener', async () => {
    const { cluster } = await ready()
    const consumer = cluster.consumer(options)
    await consumer.subscribe(['orders'], { onPartitionsAssigned: bug })
    expectBlame(await failureOf(consumer.poll()), 'CALLBACK_FAILED', 'onPartitionsAssigned')
    expect(await consumer.poll()).toHaveLength(1) // the partitions are there nevertheless
  })

  it('an error of onPartitionsRevoked names the listener', async () => {
    const { cluster, clock } = await ready()
    const consumer = cluster.consumer(options)
    await consumer.subscribe(['orders'], { onPartitionsRevoked: bug })
    const running = failureOf(consumer.run({ eachRecord() {} }))
    await cluster.consumer(options).subscribe(['orders'])
    await settle(clock)
    expectBlame(await running, 'CALLBACK_FAILED', 'onPartitionsRevoked')
  })

  it.each(['onPartitionsLost', 'onPartitionsRevoked'])('an error of %s after a loss names the listener', async name => {
    const { cluster, clock } = await ready()
    const consumer = cluster.consumer({ ...options, sessionTimeoutMs: 6_000 })
    await consumer.subscribe(['orders'], { [name]: bug })
    const running = failureOf(consumer.run({ eachRecord() {} }))
    await cluster.admin.removeGroupMembers({ groupId: 'g' })
    await clock.advance(5_000)
    expectBlame(await running, 'CALLBACK_FAILED', name)
  })

  it('an error of an event listener is logged, and other listeners are called', async () => {
    const errors: unknown[] = []
    const error = (what: string, fields?: object): void => void errors.push([what, fields])
    const logger = { debug() {}, info() {}, warn() {}, error }
    const { cluster, clock } = await world(1, { logger })
    const heard: string[] = []
    cluster.on('rebalance', bug)
    cluster.on('rebalance', ({ groupId }) => void heard.push(groupId))
    await cluster.consumer(options).subscribe(['orders'])
    await settle(clock)
    expect(heard).toEqual(['g'])
    expect(errors).toEqual([["a listener of 'rebalance' has thrown", { error: BUG }]])
  })

  it('an error of a handler is thrown as it is', async () => {
    const { cluster } = await ready()
    const consumer = cluster.consumer(options)
    await consumer.subscribe(['orders'])
    expect(await failureOf(consumer.run({ eachRecord: bug }))).toBe(BUG)
    expect(await failureOf(consumer.run({ eachBatch: bug }))).toBe(BUG)
  })
})

it('an error of a partitioner names the partitioner', async () => {
  const { cluster } = await ready()
  const producer = cluster.producer({ partitioner: broken })
  const sent = producer.send({ topic: 'orders', messages: [{ value: 'x' }] })
  expectBlame(await failureOf(sent), 'INVALID_ARGUMENT', 'the partitioner')
})

it.each(['key', 'value'] as const)('an error of a deserializer of %ss names the record', async part => {
  const { cluster, writeMessages } = await world()
  await writeMessages({ key: 'k', value: 'v' })
  const consumer = cluster.consumer({ ...options, [`${part}Deserializer`]: broken })
  await consumer.assign([{ topic: 'orders', partition: 0 }])
  expectBlame(await failureOf(consumer.poll()), 'SERIALIZATION_FAILED', `the ${part} of orders-0`)
})

describe('an assignor', () => {
  const joining = async (parts: object): Promise<PartlogError> => {
    const assign: Assignor['assign'] = () => new Map()
    const mine = { name: 'mine', protocol: 'eager', assign, ...parts } as Assignor
    const { cluster } = await ready()
    const consumer = cluster.consumer({ ...options, partitionAssignmentStrategy: [mine] })
    return await failureOf(consumer.subscribe(['orders']))
  }

  it('an error of an assignor names the assignor', async () => {
    const failure = await joining({ assign: broken })
    expectBlame(failure, 'INCONSISTENT_GROUP_PROTOCOL', 'assignor "mine"')
  })

  it('an assignor whose userData throws or returns no bytes is named', async () => {
    const failure = await joining({ userData: broken })
    expectBlame(failure, 'CALLBACK_FAILED', 'userData of assignor "mine"')
    const wrong = await joining({ userData: () => 'text' })
    expect(wrong.message).toBe(
      'CALLBACK_FAILED: userData of assignor "mine" returned "text", expected bytes',
    )
  })

  it.each([
    ['undefined', () => undefined],
    ['an object (Object)', () => ({})],
    ['an object (Promise)', () => Promise.resolve(new Map())],
    ['an array', () => [['x', []]]],
  ])('an assignor that returns %s is named', async (got, assign) => {
    const { code, message } = await joining({ assign })
    expect(code).toBe('INCONSISTENT_GROUP_PROTOCOL')
    expect(message).toContain('assignor "mine"')
    if (got !== 'an array') expect(message).toContain(`got ${got}`)
  })

  it('an assignor that returns half a partition is named', async () => {
    const half = { topic: 'orders', partition: 0.5 }
    const assign = ({ members }: { members: { memberId: string }[] }) =>
      new Map(members.map(({ memberId }) => [memberId, [half]]))
    expect((await joining({ assign })).message).toContain('there is no partition orders-0.5')
  })
})

it('an error of a logger breaks nothing', async () => {
  const logger = { debug: broken, info: broken, warn: broken, error: broken }
  const { cluster, write } = await world(1, { logger })
  await write(0, 'a')
  const consumer = cluster.consumer(options)
  await consumer.subscribe(['orders'])
  expect(await consumer.poll()).toHaveLength(1)
})
