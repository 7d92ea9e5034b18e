/** Node's binding of librdkafka, unmodified. */

import { compareSessions } from './compare.mjs'
import * as confluent from './clients/confluent-node.mjs'

compareSessions(confluent)
