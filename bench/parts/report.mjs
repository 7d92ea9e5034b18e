/** From the results of all rounds to what is printed and kept. */

import { judged } from './floors.mjs'
import { median, spread } from './stats.mjs'
import { figure, megabytes, table } from './table.mjs'
import { figureOf } from './units.mjs'

/** Each question with its rows' figures, its floors and what was skipped. `results`: by row. */
export function summaryOf(plan, results, skipped) {
  return plan.map(({ name, title, durability, rows, floors }) => {
    const byName = new Map(rows.map(row => [row.name, row]))
    const own = results.get(name)
    return {
      name,
      title,
      durability,
      rows: rows.filter(row => own.has(row.name)).map(row => rowOf(row, own.get(row.name))),
      floors: floors.map(floor => judged(floor, byName, own)),
      skipped: skipped.get(name) ?? [],
    }
  })
}

function rowOf(row, raw) {
  const { name, unit, measure, params } = row
  return {
    name,
    unit,
    measure,
    params,
    ...spread(raw.map(result => figureOf(row, result))),
    rssBytes: medianOf(raw, 'rssBytes'),
    loopBusyMs: medianOf(raw, 'loopBusyMs'),
    raw,
  }
}

/** The median of a field, if all have it. */
function medianOf(results, field) {
  const values = results.map(result => result[field])
  return values.includes(undefined) ? undefined : median(values)
}

const HEAD = ['median', '', 'min – max', 'RSS', 'loop busy']

/** One table per question. */
export function tablesText(questions) {
  return questions.map(tableOf).join('\n\n')
}

function tableOf({ title, durability, rows, skipped }) {
  const lines = rows.map(({ name, median, unit, min, max, rssBytes, loopBusyMs }) => [
    name,
    figure(median),
    unit,
    `${figure(min)} – ${figure(max)}`,
    megabytes(rssBytes),
    loopBusyMs === undefined ? '' : `${figure(loopBusyMs)} ms`,
  ])
  const notes = skipped.map(({ name, reason }) => `skipped: ${name}: ${reason}`)
  return [table([`${title} (${durability})`, ...HEAD], lines), ...notes].join('\n')
}
