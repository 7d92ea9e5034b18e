/** Writes test/golden/frames/*.json: `npm --prefix test/compat run golden:frames`. */

import { mkdirSync, writeFileSync } from 'node:fs'
import { missingKafka } from '../kafka/jars.mjs'
import { curated, framesText } from './curate.mjs'
import { recordAll, recordAtKafka } from './recording.mjs'

const FOLDER = new URL('../../golden/frames/', import.meta.url)

const missing = missingKafka()
if (missing !== undefined) throw new Error(missing)
mkdirSync(FOLDER, { recursive: true })
for (const { name, events } of await recordAll(recordAtKafka)) {
  const text = framesText(curated(events))
  writeFileSync(new URL(`${name}.json`, FOLDER), text)
  console.log(`${name}: ${text.length} bytes`)
}
