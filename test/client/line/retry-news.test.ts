import { describe, expect, it } from 'vitest'
import type { Logger } from '../../../src/base/logger.js'
import { silentLogger } from '../../../src/base/logger.js'
import { VirtualClock } from '../../../src/base/virtual-clock.js'
import { RetryNews } from '../../../src/client/line/retry-news.js'
import { PartlogError, type ErrorCode } from '../../../src/model/errors.js'

/** Attempts that all fail, and what the logger is told of them. */
function failing() {
  const clock = new VirtualClock()
  const told: string[] = []
  const logger: Logger = { ...silentLogger, warn: sentence => void told.push(sentence) }
  const news = new RetryNews({ clock, logger, faultGapMs: 30_000 })
  let sinceMs = clock.monotonicMs()
  return {
    told,
    clock,
    begin: () => void (sinceMs = clock.monotonicMs()),
    fail(code: ErrorCode = 'KAFKA_STORAGE_ERROR') {
      const error = new PartlogError(code, 'no room')
      news.failed({ what: 'orders-0 does not take records', error, sinceMs, untilMs: 120_000 })
    },
  }
}

describe('what is tried again', () => {
  it('a retry is not logged if the fault passes at once', async () => {
    const { told, clock, fail } = failing()
    for (let n = 0; n < 9; n++) {
      fail()
      await clock.advance(100)
    }
    expect(told).toEqual([])
  })

  it('a retry of more than a second is logged once, with its reason and its end', async () => {
    const { told, clock, fail } = failing()
    await clock.advance(2_000)
    for (let n = 0; n < 50; n++) {
      fail()
      await clock.advance(1_000)
    }
    expect(told).toEqual([
      'orders-0 does not take records, tried again for up to 118 s: KAFKA_STORAGE_ERROR: no room',
    ])
  })

  it('every reason for retries is logged once', async () => {
    const { told, clock, fail } = failing()
    await clock.advance(2_000)
    for (let n = 0; n < 5; n++) {
      fail('NOT_LEADER_OR_FOLLOWER')
      fail('KAFKA_STORAGE_ERROR')
    }
    expect(told).toHaveLength(2)
    expect(told[1]).toContain('KAFKA_STORAGE_ERROR')
  })

  it('a fault that returns is logged again', async () => {
    const { told, clock, fail, begin } = failing()
    await clock.advance(2_000)
    fail()
    await clock.advance(30_001)
    begin()
    fail()
    expect(told).toHaveLength(1)
    await clock.advance(1_000)
    fail()
    expect(told).toHaveLength(2)
  })
})
