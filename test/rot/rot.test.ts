/**
 * Rot in every file of a cluster: a seeded hundred here, thousands by `npm run test:rot`.
 *
 *   ROT_CASES=4000   how many
 *   ROT_SEED=1234    this one only
 */

import { describe, expect, it, vi } from 'vitest'
import { rotten, truthOf, type Outcome, type OutcomeClass } from './rot.js'
import { makeBase } from './world.js'

const CASES = Number(process.env['ROT_CASES'] ?? 100)
const ONE = process.env['ROT_SEED']
/** So that a hundred meet every kind of file and damage. */
const STEP = CASES >= 1_000 ? 1 : 61

vi.setConfig({ testTimeout: CASES >= 1_000 ? 3_600_000 : 600_000 })

/** Name, brokers, killed, and how many tenths of the cases. */
const BASES = [
  ['one broker, closed', 1, false, 4],
  ['three brokers, closed', 3, false, 3],
  ['one broker, killed', 1, true, 2],
  ['three brokers, killed', 3, true, 1],
] as const

describe('a damaged file', () => {
  it.each(BASES)('a damaged file of %s is read right, reported, or refused by name', async (name, brokers, wasKilled, share) => {
    const base = await makeBase(brokers, wasKilled)
    const truth = await truthOf(base)
    const counts: Record<OutcomeClass, number> = { right: 0, told: 0, error: 0, wrong: 0 }
    const wrong: Outcome[] = []
    let left = ONE === undefined ? Math.ceil((CASES * share) / 10) : 1
    for (let seed = Number(ONE ?? 0); left > 0; seed += STEP) {
      const found = await rotten(base, truth, seed)
      if (found === undefined) continue
      left--
      counts[found.outcome]++
      if (found.outcome === 'wrong') wrong.push(found)
    }
    if (CASES >= 1_000) process.stdout.write(`${name}: ${JSON.stringify(counts)}\n`)
    const repeat = wrong.map(
      ({ seed, what, detail }) =>
        `ROT_SEED=${seed} npx vitest run --config test/vitest.config.ts test/rot -t '${name}'\n` +
        `  ${what}\n  ${detail}`,
    )
    expect(repeat.join('\n')).toBe('')
  })
})
