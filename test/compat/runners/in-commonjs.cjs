/** By a runner whose `test` is global. */

'use strict'

const partlog = require('../../../dist/index.cjs')
const { usersTests } = require('./users-tests.cjs')

for (const [name, run] of Object.entries(usersTests(partlog))) test(name, run)
