/** kafkajs, unmodified: through the socket factory, by TCP, and at a real broker. */

import { compareSessions } from './compare.mjs'
import * as kafkajs from './clients/kafkajs.mjs'

compareSessions(kafkajs)
