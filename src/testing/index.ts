/* partlog/testing: what tests of applications use. */

export { explore } from './explore.js'
export type { Explored, ExploreError, ExploreOptions } from './explore.js'
export type { FaultKind } from './faults/fault-kinds.js'
export type { PlannedFault } from './faults/fault-plan.js'
export type { ProcessLife, Scenario, World, WorldFaults, WorldProcess } from './world.js'
