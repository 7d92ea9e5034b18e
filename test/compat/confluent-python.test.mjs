/** Python's confluent_kafka, unmodified: librdkafka. */

import { compareSessions } from './compare.mjs'
import { client } from './clients/confluent-python.mjs'

compareSessions(client)
