/**
 * Whole clusters by seed: 150 of them, and those that have failed before. `npm run search` runs as
 * many as one likes, and makes a failing one short.
 */

import { describe, expect, it } from 'vitest'
import { runSeed } from './run-seed.js'
import { commandOf } from './shrink.js'

const SEEDS = 150
const PER_TEST = 25

/** Seeds that showed a fault of partlog, beyond the first ones. */
const FAILED_BEFORE: readonly number[] = [
  161, 397, 410, 415, 557, 611, 616, 674, 820, 829, 958, 1_052, 1_175, 2_170,
]

async function expectFine(seed: number): Promise<void> {
  const { problems } = await runSeed(seed)
  expect(problems, commandOf(seed, {})).toEqual([])
}

describe('the search', () => {
  for (let first = 1; first <= SEEDS; first += PER_TEST) {
    it(`the search finds nothing wrong with seeds ${first} to ${first + PER_TEST - 1}`, async () => {
      for (let seed = first; seed < first + PER_TEST; seed++) await expectFine(seed)
    }, 600_000)
  }

  it('the search finds nothing wrong with seeds that have failed before', async () => {
    for (const seed of FAILED_BEFORE) await expectFine(seed)
  }, 600_000)

  it('the search tells the same story of a seed each time', async () => {
    for (const seed of [3, 7, 16]) {
      const [first, second] = [await runSeed(seed), await runSeed(seed)]
      expect(second.story).toEqual(first.story)
    }
  })
})
