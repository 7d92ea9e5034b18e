/**
 * Rot in every file of a cluster: a seeded 340 here, thousands by `npm run test:rot`.
 *
 *   ROT_CASES=8000   how many
 *   ROT_SEED=1234    this one only
 */

import { afterAll, describe, expect, it, vi } from 'vitest'
import { DAMAGES } from './damage.js'
import { rotten, truthOf, type Outcome, type OutcomeClass, type Place, type When } from './rot.js'
import { makeBase } from './world.js'

const CASES = Number(process.env['ROT_CASES'] ?? 340)
const ONE = process.env['ROT_SEED']
/** So that a few hundred meet every kind of file and damage. */
const STEP = CASES >= 1_000 ? 1 : 61

vi.setConfig({ testTimeout: CASES >= 1_000 ? 3_600_000 : 600_000 })

/** Name, how it is left, when it is damaged, and how many twentieths of the cases. */
const BASES = [
  ['one broker, closed', { brokers: 1, wasKilled: false }, 'closed', 4],
  ['one broker, open', { brokers: 1, wasKilled: false }, 'open', 2],
  ['one broker, killed', { brokers: 1, wasKilled: true }, 'closed', 2],
  ['three brokers, closed', { brokers: 3, wasKilled: false }, 'closed', 4],
  ['three brokers, open', { brokers: 3, wasKilled: false }, 'open', 3],
  ['three brokers, killed', { brokers: 3, wasKilled: true }, 'closed', 1],
  ['one of three lags, closed', { brokers: 3, wasKilled: false, hasLaggard: true }, 'closed', 2],
  ['one of three lags, open', { brokers: 3, wasKilled: false, hasLaggard: true }, 'open', 1],
  ['one of three lags, killed', { brokers: 3, wasKilled: true, hasLaggard: true }, 'closed', 1],
] as const satisfies readonly (readonly [string, object, When, number])[]
const PARTS = BASES.reduce((sum, [, , , share]) => sum + share, 0)

/** All places that were damaged. */
const places: Place[] = []

describe('a damaged file', () => {
  it.each(BASES)('a damaged file of %s is read right, reported, or refused by name', async (name, left, when, share) => {
    const base = await makeBase(left)
    const truth = await truthOf(base)
    const counts: Record<OutcomeClass, number> = { right: 0, told: 0, error: 0, wrong: 0 }
    const wrong: Outcome[] = []
    let missing = ONE === undefined ? Math.ceil((CASES * share) / PARTS) : 1
    for (let seed = Number(ONE ?? 0); missing > 0; seed += STEP) {
      const found = await rotten(base, truth, { seed, when })
      if (found === undefined) continue
      missing--
      counts[found.outcome]++
      places.push(found.place)
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

  it('every kind of damage and every role of a copy has come, open and closed', () => {
    if (ONE !== undefined) return
    for (const when of ['closed', 'open'] as const) {
      const all = places.filter(place => place.when === when)
      const roles = ['single copy', 'leader', 'follower', 'out of the ISR', 'node']
      expect(new Set(all.map(({ role }) => role)), when).toEqual(new Set(roles))
      const damages = new Set(DAMAGES.map(({ name }) => name))
      expect(new Set(all.map(({ damage }) => damage)), when).toEqual(damages)
      expect(new Set(all.map(({ fileClass }) => fileClass)).size, when).toBeGreaterThanOrEqual(12)
    }
  })

  afterAll(() => {
    if (CASES < 1_000) return
    const cells = new Set(places.map(({ fileClass, damage, role, when }) => [fileClass, damage, role, when].join('|')))
    const classes = new Set(places.map(({ fileClass }) => fileClass))
    process.stdout.write(
      `${places.length} cases, ${cells.size} different cells of file class × damage × role × ` +
        `open or closed; file classes: ${[...classes].sort().join(', ')}\n`,
    )
  })
})
