/** kafka-python, unmodified. */

import { compareSessions } from './compare.mjs'
import { client } from './clients/kafka-python.mjs'

compareSessions(client)
