/** Kafka's four assignors, by name. */

import { rangeAssignor } from './range-assignor.js'
import { roundRobinAssignor } from './round-robin-assignor.js'
import { cooperativeStickyAssignor, stickyAssignor } from './sticky-assignor.js'

/** Kafka's own: every Kafka client that joins the group knows them by these names. */
export const ASSIGNORS = {
  range: rangeAssignor,
  roundrobin: roundRobinAssignor,
  sticky: stickyAssignor,
  'cooperative-sticky': cooperativeStickyAssignor,
} as const
