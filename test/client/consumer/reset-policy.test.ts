import { describe, expect, it } from 'vitest'
import { isResetPolicy, resetTimestamp } from '../../../src/client/consumer/reset-policy.js'
import { EARLIEST_TIMESTAMP, LATEST_TIMESTAMP } from '../../../src/protocol/messages/offsets.js'
import { orders, settle, world } from '../world.js'

const NOW = Date.UTC(2026, 0, 1)
const HOUR = 3_600_000

describe('a duration', () => {
  it.each([
    ['PT1H', HOUR],
    ['pt1h', HOUR],
    ['P2D', 48 * HOUR],
    ['P1DT2H3M4S', 26 * HOUR + 184_000],
    ['PT90M', 1.5 * HOUR],
    ['PT0.5S', 500],
    ['PT1,25S', 1_250],
    ['PT0.0001S', 1], // rounded up: a record just as old is among them
    ['PT0S', 0],
    ['P0D', 0],
  ])('the ISO 8601 duration %s is understood', (text, ms) => {
    expect(isResetPolicy(`by_duration:${text}`)).toBe(true)
    expect(resetTimestamp(`by_duration:${text}`, NOW)).toBe(NOW - ms)
  })

  it('a duration longer than the time since 1970 begins at 1970', () => {
    expect(resetTimestamp('by_duration:P999999D', NOW)).toBe(0)
  })

  it.each([
    ...['', 'P', 'PT', 'P1DT', '1H', 'PT1', ' PT1H', 'PT1S1H'],
    ...['PT-1H', '-PT1H', 'P1M', 'P1Y', 'P1W'],
  ])('%j is no duration', text => expect(isResetPolicy(`by_duration:${text}`)).toBe(false))

  it.each([undefined, null, 1, '', 'by_duration', 'LATEST', 'P1D', ['latest']])(
    '%j is no reset policy',
    value => expect(isResetPolicy(value)).toBe(false),
  )

  it('the policies earliest, latest and none have their timestamps', () => {
    expect(resetTimestamp('earliest', NOW)).toBe(EARLIEST_TIMESTAMP)
    expect(resetTimestamp('latest', NOW)).toBe(LATEST_TIMESTAMP)
    expect(resetTimestamp('none', NOW)).toBeUndefined()
  })
})

describe('a reader without a position begins', () => {
  const first = { topic: 'orders', partition: 0 }

  async function positionOf(ages: readonly number[], duration: string) {
    const { cluster, clock, writeMessages } = await world()
    for (const hours of ages) {
      await writeMessages({ value: `${hours}`, timestamp: clock.now() - hours * HOUR })
    }
    const consumer = cluster.consumer({ autoOffsetReset: `by_duration:${duration}` })
    await consumer.assign(orders())
    await settle(clock)
    return await consumer.position(first)
  }

  it.each([
    ['among the records', [3, 2, 0.5, 0.1], 'PT1H', 2],
    ['with one that is just as old', [3, 1, 0.1], 'PT1H', 1],
    ['with the first when all are younger', [0.5, 0.1], 'P1D', 0],
    ['at the end when all are older', [3, 2], 'PT1H', 2],
    ['at the end of an empty topic', [], 'PT1H', 0],
    ['at the end, with no time at all', [3, 2], 'PT0S', 2],
  ] as const)('a reader with by_duration begins %s', async (_, ages, duration, offset) => {
    expect(await positionOf(ages, duration)).toBe(offset)
  })

  it('by_duration is used again when the position is gone', async () => {
    const { cluster, clock, writeMessages } = await world()
    for (const hours of [3, 2, 0.5, 0.1]) {
      await writeMessages({ value: `${hours}`, timestamp: clock.now() - hours * HOUR })
    }
    const options = { valueDeserializer: 'string', autoOffsetReset: 'by_duration:PT1H' } as const
    const consumer = cluster.consumer(options)
    await consumer.assign(orders())
    consumer.seek({ ...first, offset: 0 })
    await cluster.admin.deleteRecords({ ...first, offset: 1 })
    await settle(clock)
    const values = (await consumer.poll()).map(({ value }) => value)
    expect(values).toEqual(['0.5', '0.1'])
  })

  it('an invalid duration is refused by cluster.consumer', async () => {
    const { cluster } = await world()
    const wrong = { autoOffsetReset: 'by_duration:1h' as never }
    expect(() => cluster.consumer(wrong)).toThrow("'by_duration:' with an ISO 8601 duration")
  })
})
