/** Where results are kept: bench/results, one file per run; `report.json` is the one stood by. */

import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

export const RESULTS = fileURLToPath(new URL('../results/', import.meta.url))
export const STOOD_BY = join(RESULTS, 'report.json')

/** Writes the result of a run; returns the file's name as one may type it. */
export function keepResult(result) {
  mkdirSync(RESULTS, { recursive: true })
  const at = new Date().toISOString().replaceAll(':', '-').slice(0, 19)
  const file = join(RESULTS, `${at}-${result.size}.json`)
  writeFileSync(file, `${JSON.stringify({ at, ...result }, undefined, 1)}\n`)
  return relative(process.cwd(), file)
}

/** The newest result of a run, or the one named. It becomes the one stood by. */
export function chosenResult(name) {
  const runs = readdirSync(RESULTS).filter(file => /^\d.*\.json$/.test(file)).sort()
  const file = name ?? (runs.length === 0 ? undefined : join(RESULTS, runs.at(-1)))
  if (file === undefined) throw new Error('bench/results has no result: npm run bench')
  const result = JSON.parse(readFileSync(file, 'utf8'))
  if (file !== STOOD_BY) copyFileSync(file, STOOD_BY)
  return result
}
