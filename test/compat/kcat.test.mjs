/** kcat, unmodified. */

import { compareSessions } from './compare.mjs'
import * as kcat from './clients/kcat.mjs'

compareSessions(kcat)
