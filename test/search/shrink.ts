/** Makes a failing run short: fewer faults, fewer programs, fewer messages, the same kind of problem. */

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
  const withoutSome = async (name: 'faults' | 'programs', all: readonly (string | number)[]) => {
    let left = [...all]
    for (let size = left.length; size >= 1; size = Math.floor(size / 2)) {
      for (let at = 0; at < left.length;) {
        const fewer = [...left.slice(0, at), ...left.slice(at + size)]
        if (await attempt({ ...best.cuts, [name]: fewer })) left = fewer
        else at += size
      }
    }
  }
  await withoutSome('faults', failed.plan.map(({ id }) => id))
  await withoutSome('programs', failed.programs)
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
