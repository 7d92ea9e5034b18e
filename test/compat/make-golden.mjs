/** Writes test/golden/kafkajs-batches.json: `npm --prefix test/compat run golden`. */

import { writeFileSync } from 'node:fs'
import { GOLDEN_FILE, goldenBatches, goldenText } from './golden.mjs'

writeFileSync(GOLDEN_FILE, goldenText(await goldenBatches()))
