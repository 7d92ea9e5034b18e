/** The assignors that come with partlog, by name: Kafka's four, and the one of kafkajs. */

import { rangeAssignor } from './range-assignor.js'
import { roundRobinAssignor } from './round-robin-assignor.js'
import { cooperativeStickyAssignor, stickyAssignor } from './sticky-assignor.js'

/**
 * The first four are Kafka's own: its clients know them by these names. kafkajs knows none of them
 * unless it is told; what it uses goes by a name of its own.
 */
export const ASSIGNORS = {
  range: rangeAssignor,
  roundrobin: roundRobinAssignor,
  sticky: stickyAssignor,
  'cooperative-sticky': cooperativeStickyAssignor,
  RoundRobinAssigner: { ...roundRobinAssignor, name: 'RoundRobinAssigner' },
} as const
