import { describe, expect, it } from 'vitest'
import type { RunOptions } from '../../../src/client/consumer/consumer-options.js'
import { orders, settle, world, type World } from '../world.js'

type Run = RunOptions<Uint8Array, string>

async function reading(all: World, options: object = {}) {
  const consumer = all.cluster.consumer({
    groupId: 'g',
    autoOffsetReset: 'earliest',
    valueDeserializer: 'string',
    ...options,
  } as const)
  await consumer.subscribe(['orders'])
  return consumer
}

/** What a run comes to: 'runs', 'ended', or the sentence of its error. */
function watch(run: Promise<void>): () => string {
  let state = 'runs'
  run.then(
    () => (state = 'ended'),
    (error: unknown) => (state = (error as Error).message),
  )
  return () => state
}

describe('a handler that moves its consumer', () => {
  it('of the records in hand none is handled after a seek', async () => {
    const all = await world()
    await all.write(0, 'a', 'b', 'c', 'd')
    const consumer = await reading(all)
    const seen: unknown[] = []
    void consumer.run({
      eachRecord: ({ value }) => {
        seen.push(value)
        if (seen.length === 1) consumer.seek({ topic: 'orders', partition: 0, offset: 3 })
      },
    })
    await settle(all.clock)
    expect(seen).toEqual(['a', 'd'])
    await consumer.close()
  })
})

describe('a handler that throws', () => {
  it('a handler that throws ends the run at once without retries, and the offset does not advance', async () => {
    const all = await world()
    await all.write(0, 'a', 'b')
    const consumer = await reading(all)
    const seen: unknown[] = []
    const eachRecord: Run['eachRecord'] = ({ value }) => {
      seen.push(value)
      throw new Error('mine')
    }
    await expect(consumer.run({ eachRecord })).rejects.toThrow('mine')
    expect(seen).toEqual(['a'])
    await consumer.close()
    expect(await (await reading(all)).committed(orders())).toMatchObject([{ offset: 0 }])
  })

  it('a handler that throws is called again after doubling pauses, and the run continues in order', async () => {
    const all = await world()
    const { clock } = all
    await all.write(0, 'a', 'b')
    const consumer = await reading(all, { retryBackoffMs: 100, retryBackoffMaxMs: 300 })
    const seen: [string | null, number][] = []
    const start = clock.monotonicMs()
    void consumer.run({
      retries: 4,
      eachRecord: ({ value }) => {
        seen.push([value, clock.monotonicMs() - start])
        if (value === 'a' && seen.length < 5) throw new Error('not yet')
      },
    })
    await clock.advance(2_000)
    const values = seen.map(([value]) => value)
    expect(values).toEqual(['a', 'a', 'a', 'a', 'a', 'b'])
    const pauses = seen.slice(1, 5).map(([, at], index) => at - (seen[index]?.[1] as number))
    const plain = [100, 200, 300, 300]
    pauses.forEach((pause, index) => {
      expect(Math.abs(pause / (plain[index] as number) - 1)).toBeLessThanOrEqual(0.21)
    })
    await consumer.close()
  })

  it('the run ends when a handler has thrown for the last time', async () => {
    const all = await world()
    await all.write(0, 'a')
    const consumer = await reading(all)
    let calls = 0
    const state = watch(
      consumer.run({
        retries: 2,
        eachBatch: () => {
          throw new Error(`call ${++calls}`)
        },
      }),
    )
    await all.clock.advance(10_000)
    expect([calls, state()]).toEqual([3, 'call 3'])
    const again = await consumer.poll()
    expect(again.map(({ value }) => value)).toEqual(['a'])
  })

  it('a partition is revoked between two attempts of a handler', async () => {
    const all = await world(1)
    await all.write(0, 'a', 'b')
    const one = await reading(all, { retryBackoffMs: 60_000, retryBackoffMaxMs: 60_000 })
    const seen: unknown[] = []
    const state = watch(
      one.run({
        retries: 1,
        eachRecord: ({ value }) => {
          seen.push(value)
          if (seen.length === 1) throw new Error('once')
        },
      }),
    )
    await settle(all.clock)
    expect(seen).toEqual(['a'])
    const two = await reading(all) // resolves: no time passes in the pause
    await settle(all.clock)
    const others = (await two.poll({ timeoutMs: 0 })).map(({ value }) => value)
    expect([...seen, ...others]).toEqual(['a', 'a', 'b'])
    expect(state()).toBe('runs')
  })

  it('retries of a handler do not delay close', async () => {
    const all = await world()
    await all.write(0, 'a')
    const consumer = await reading(all, { retryBackoffMs: 60_000, retryBackoffMaxMs: 60_000 })
    const state = watch(
      consumer.run({
        retries: 9,
        eachRecord: () => Promise.reject(new Error('no')),
      }),
    )
    await settle(all.clock)
    await consumer.close()
    expect(state()).toBe('ended')
  })
})

describe('a handler that never resolves', () => {
  it('a handler that never resolves delays neither a rebalance nor close forever', async () => {
    const all = await world(1)
    await all.write(0, 'a', 'b')
    const one = await reading(all, { maxPollIntervalMs: 30_000 })
    const seen: unknown[] = []
    const eachRecord: Run['eachRecord'] = ({ value }) => {
      seen.push(value)
      return new Promise<void>(() => undefined)
    }
    const state = watch(one.run({ eachRecord }))
    await settle(all.clock)
    const joining = reading(all)
    await all.clock.advance(40_000)
    const two = await joining
    expect((await two.poll()).map(({ value }) => value)).toEqual(['a', 'b'])
    expect([seen, one.assignment(), state()]).toEqual([['a'], [], 'runs'])
    await one.close() // does not wait for the handler
  })
})

describe('dead letters', () => {
  async function read({ cluster }: World, topic: string) {
    const consumer = cluster.consumer({ autoOffsetReset: 'earliest' })
    await consumer.assign([{ topic, partition: 0 }])
    const records = await consumer.poll()
    await consumer.close()
    return records.map(({ key, value, headers, timestamp }) => ({
      key: key === null ? null : Buffer.from(key).toString(),
      value: value === null ? null : Buffer.from(value).toString(),
      timestamp,
      headers: headers.map(header => [header.key, Buffer.from(header.value ?? []).toString()]),
    }))
  }

  it('dead letters have the bytes of the record and the reason, and the run continues', async () => {
    const all = await world()
    const message = { key: 'k', value: 'bad', headers: [['h', 'x'] as const], timestamp: 1_234 }
    await all.writeMessages({ value: 'a' }, message, { value: null }, { value: 'b' })
    const consumer = await reading(all, { clientId: 'app' })
    const seen: unknown[] = []
    void consumer.run({
      retries: 1,
      deadLetterTopic: 'dead',
      eachRecord: ({ value }) => {
        seen.push(value)
        if (value === 'bad' || value === null) throw new TypeError('cannot be done')
      },
    })
    await all.clock.advance(1_000)
    expect(seen).toEqual(['a', 'bad', 'bad', null, null, 'b'])
    const reason = (offset: number) => [
      ['errors.topic', 'orders'],
      ['errors.partition', '0'],
      ['errors.offset', String(offset)],
      ['errors.group.id', 'g'],
      ['errors.client.id', 'app'],
      ['errors.attempts', '2'],
      ['errors.exception.class.name', 'TypeError'],
      ['errors.exception.message', 'cannot be done'],
    ]
    expect(await read(all, 'dead')).toMatchObject([
      { key: 'k', value: 'bad', timestamp: 1_234, headers: [['h', 'x'], ...reason(1)] },
      { key: null, value: null, headers: reason(2) },
    ])
    await consumer.close()
    expect(await (await reading(all)).committed(orders())).toMatchObject([{ offset: 4 }])
  })

  it('records that cannot be deserialized become dead letters', async () => {
    const all = await world()
    await all.write(0, '1', '{', '2')
    const consumer = all.cluster.consumer({
      groupId: 'g',
      autoOffsetReset: 'earliest',
      valueDeserializer: 'json',
    } as const)
    await consumer.subscribe(['orders'])
    const seen: unknown[] = []
    const eachRecord = ({ value }: { value: unknown }): void => void seen.push(value)
    await expect(consumer.run({ eachRecord })).rejects.toMatchObject({
      code: 'SERIALIZATION_FAILED',
      record: { topic: 'orders', partition: 0, offset: 1 },
    })
    void consumer.run({ deadLetterTopic: 'dead', eachRecord })
    await all.clock.advance(1_000)
    expect(seen).toEqual([1, 2])
    const [letter] = await read(all, 'dead')
    expect(letter).toMatchObject({ value: '{' })
    expect(letter?.headers).toContainEqual(['errors.attempts', '0'])
    expect(letter?.headers).toContainEqual(['errors.exception.class.name', 'PartlogError'])
    await consumer.close()
  })

  it('a dead letter that cannot be written ends the run, and the record is read again', async () => {
    const all = await world(1, { autoCreateTopics: false })
    await all.write(0, 'a')
    const consumer = await reading(all)
    const state = watch(
      consumer.run({
        deadLetterTopic: 'dead',
        eachRecord: () => Promise.reject(new Error('mine')),
      }),
    )
    await all.clock.advance(200_000)
    expect(state()).toMatch(/^UNKNOWN_TOPIC_OR_PARTITION/)
    expect((await consumer.poll()).map(({ value }) => value)).toEqual(['a'])
  })

  it.each([
    [{ retries: -1 }],
    [{ retries: 1.5 }],
    [{ deadLetterTopic: 'a b' }],
    [{ deadLetterTopic: 'dead', eachRecord: undefined, eachBatch: () => undefined }],
  ])('invalid retry options are refused: %o', async options => {
    const all = await world()
    const consumer = await reading(all)
    await expect(consumer.run({ eachRecord: () => undefined, ...options })).rejects.toMatchObject({
      code: expect.stringMatching(/^INVALID_(ARGUMENT|TOPIC_EXCEPTION)$/),
    })
  })
})
