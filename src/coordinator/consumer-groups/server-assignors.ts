/* The assignors of the coordinator (group.consumer.assignors). The first is the default. */

import { rangeTargets } from './range-targets.js'
import type { ServerAssignor } from './server-assignor.js'
import { uniformTargets } from './uniform-targets.js'

/** By name. */
export const SERVER_ASSIGNORS: ReadonlyMap<string, ServerAssignor> = new Map(
  [uniformTargets, rangeTargets].map(assignor => [assignor.name, assignor]),
)

/** The assignor that most members ask for; the default if none does. */
export function preferredAssignor(
  members: Iterable<{ readonly assignor: string | null }>,
): ServerAssignor {
  const votes = new Map<string, number>()
  for (const { assignor } of members) {
    if (assignor !== null) votes.set(assignor, (votes.get(assignor) ?? 0) + 1)
  }
  const [most] = [...votes].sort(([, a], [, b]) => b - a)
  return SERVER_ASSIGNORS.get(most?.[0] ?? '') ?? uniformTargets
}
