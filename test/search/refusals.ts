/**
 * What a broker does only to some: it refuses members for good, so that they give up, and join again
 * if their program asks for it.
 */

import type { FaultApi, FaultErrorCode } from '../../src/cluster/faults/faults.js'
import type { SimulatedCluster } from '../../src/testing/simulation/simulated-cluster.js'
import { between, chance, pick, streamOf } from '../../src/testing/simulation/streams.js'

/** Of 100 seeds so many have refusals. */
const REFUSED_PERCENT = 30

const REFUSALS: readonly (readonly [FaultApi, FaultErrorCode])[] = [
  ['joinGroup', 'GROUP_AUTHORIZATION_FAILED'],
  ['joinGroup', 'GROUP_MAX_SIZE_REACHED'],
  ['syncGroup', 'GROUP_AUTHORIZATION_FAILED'],
  ['heartbeat', 'GROUP_AUTHORIZATION_FAILED'],
  ['offsetFetch', 'GROUP_AUTHORIZATION_FAILED'],
  ['listOffsets', 'TOPIC_AUTHORIZATION_FAILED'],
]

/** Refuses some members within a time. */
export function refuseMembers(world: SimulatedCluster, seed: number, forMs: number): void {
  const random = streamOf(seed, 'refusals')
  if (!chance(random, REFUSED_PERCENT)) return
  for (let count = between(random, 1, 4); count > 0; count--) {
    const [api, code] = pick(random, REFUSALS)
    const times = between(random, 1, 3)
    world.clock.after(random.int(forMs), () => {
      if (world.isOpen) world.cluster.faults.on(api).error(code).times(times)
    })
  }
}

/** Errors of refusals. */
export const REFUSED: ReadonlySet<string> = new Set(REFUSALS.map(([, code]) => code))
