/* The assignors included in partlog, by name: Kafka's four and the one of kafkajs. */

import { rangeAssignor } from './range-assignor.js'
import { roundRobinAssignor } from './round-robin-assignor.js'
import { cooperativeStickyAssignor, stickyAssignor } from './sticky-assignor.js'

/**
 * The first four are Kafka's own, under the names its clients use. kafkajs supports none of them by
 * default; its own assignor has the last name.
 */
export const ASSIGNORS = {
  range: rangeAssignor,
  roundrobin: roundRobinAssignor,
  sticky: stickyAssignor,
  'cooperative-sticky': cooperativeStickyAssignor,
  RoundRobinAssigner: { ...roundRobinAssignor, name: 'RoundRobinAssigner' },
} as const
