/** Makes a failing run short: fewer faults, fewer programs, fewer messages, the same kind of problem. */

import { shorten } from '../../src/testing/shorten.js'
import { runSeed, type Cuts, type Ran } from './run-seed.js'

/** So many runs are tried. */
const TRIES_MAX = 80

export interface Shrunk {
  readonly ran: Ran
  readonly cuts: Cuts
}

export async function shrink(failed: Ran): Promise<Shrunk> {
  const kinds = new Set(failed.problems.map(kindOf))
  let best: Shrunk = { ran: failed, cuts: {} }
  let tries = 0
  /** Takes the cuts if the run still fails in the same way. */
  const attempt = async (cuts: Cuts): Promise<boolean> => {
    if (tries++ >= TRIES_MAX) return false
    const ran = await runSeed(failed.seed, cuts)
    if (!ran.problems.some(problem => kinds.has(kindOf(problem)))) return false
    best = { ran, cuts }
    return true
  }
  for (const [name, all] of [
    ['faults', failed.plan.map(({ id }) => id)],
    ['programs', failed.programs],
  ] as const) {
    const fails = (fewer: readonly unknown[]): Promise<boolean> =>
      attempt({ ...best.cuts, [name]: fewer })
    await shorten<unknown>(all, fails, TRIES_MAX)
  }
  for (const messages of [3, 10, 30, 100]) {
    if (await attempt({ ...best.cuts, messages })) break
  }
  return best
}

/** The check that a problem comes from. */
export function kindOf(problem: string): string {
  return problem.slice(0, problem.indexOf(':'))
}

/** The shortest command that shows the run again. */
export function commandOf(seed: number, { faults, programs, messages }: Cuts): string {
  const parts = [`npm run search -- --seed ${seed}`]
  if (faults !== undefined) parts.push(`--faults ${faults.join(',') || 'none'}`)
  if (programs !== undefined) parts.push(`--programs ${programs.join(',')}`)
  if (messages !== undefined) parts.push(`--messages ${messages}`)
  return parts.join(' ')
}
