/** By a runner whose `test` is global. */

import * as partlog from '../../../dist/index.js'
import { usersTests } from './users-tests.cjs'

for (const [name, run] of Object.entries(usersTests(partlog))) test(name, run)
