/** Where results are kept: bench/results, one file per run; `report.json` is the one stood by. */

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

export const RESULTS = fileURLToPath(new URL('../results/', import.meta.url))
const STOOD_BY = join(RESULTS, 'report.json')

/** Writes the result of a run; returns the file's path from here. */
export function keepResult(result, kind = result.size) {
  mkdirSync(RESULTS, { recursive: true })
  const at = new Date().toISOString().replaceAll(':', '-').slice(0, 19)
  const file = join(RESULTS, `${at}-${kind}.json`)
  writeFileSync(file, textOf({ at, ...result }))
  return relative(process.cwd(), file)
}

/**
 * The newest result of `npm run bench`, or the one named, with the newest of `npm run bench:kafka`,
 * if there is one. It becomes the one stood by.
 */
export function chosenResult(name) {
  const file = name ?? newest(/^\d.*-(quick|short|long)\.json$/)
  if (file === undefined) throw new Error('bench/results has no result: npm run bench')
  const result = JSON.parse(readFileSync(file, 'utf8'))
  const kafka = newest(/^\d.*-kafka\.json$/)
  const isComplete = result.questions.some(question => question.name === 'kafka')
  if (kafka !== undefined && !isComplete) {
    result.questions.push(...JSON.parse(readFileSync(kafka, 'utf8')).questions)
  }
  writeFileSync(STOOD_BY, textOf(result))
  return result
}

function newest(pattern) {
  const name = readdirSync(RESULTS)
    .filter(file => pattern.test(file))
    .sort()
    .at(-1)
  return name === undefined ? undefined : join(RESULTS, name)
}

const textOf = result => `${JSON.stringify(result, undefined, 1)}\n`
