/** @platformatic/kafka, unmodified. */

import { compareSessions } from './compare.mjs'
import * as platformatic from './clients/platformatic.mjs'

compareSessions(platformatic)
