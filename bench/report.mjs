/**
 * Draws the newest result of `npm run bench`, or the file named: one SVG per question in
 * bench/results, and the tables of bench/README.md. `npm run bench:report [-- FILE]`.
 */

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { drawingOf } from './parts/drawing.mjs'
import { pageWith } from './parts/pages.mjs'
import { chosenResult, RESULTS } from './parts/results.mjs'

const PAGE = fileURLToPath(new URL('README.md', import.meta.url))

const result = chosenResult(process.argv[2])
for (const question of result.questions) {
  if (question.rows.length === 0) continue
  writeFileSync(join(RESULTS, `${question.name}.svg`), drawingOf(question))
}
writeFileSync(PAGE, pageWith(readFileSync(PAGE, 'utf8'), result))
