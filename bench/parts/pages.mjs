/** The part of bench/README.md that `npm run bench:report` writes. */

import { machineText } from './machine.mjs'
import { figure, megabytes } from './table.mjs'

export const BEGIN = '<!-- report: written by npm run bench:report -->'
export const END = '<!-- end of the report -->'

/** Durabilities apart: figures of one are not comparable with those of another. */
const PARTS = [
  ['In the page cache', /page cache/],
  ['On the disk', /^fdatasync/],
  ['In memory', /memory/],
]

/** The page with the report in place of the one before. */
export function pageWith(page, result) {
  const [from, to] = [page.indexOf(BEGIN), page.indexOf(END)]
  if (from < 0 || to < from) throw new Error(`bench/README.md lacks ${BEGIN} or ${END}`)
  return `${page.slice(0, from)}${BEGIN}\n\n${reportOf(result)}\n\n${page.slice(to)}`
}

function reportOf({ at, machine, rounds, size, questions }) {
  const day = at.slice(0, 10)
  const intro = [
    `Taken on ${day}, size ${size}, median of ${rounds}:`,
    ...machineText(machine).split('\n'),
  ]
  const parts = PARTS.map(([title, durability]) => {
    const own = questions.filter(question => durability.test(question.durability))
    return [`### ${title}`, ...own.map(question => questionOf(question, size))].join('\n\n')
  })
  return [intro.join('\n'), floorsOf(questions), ...parts].join('\n\n')
}

function floorsOf(questions) {
  const rows = questions.flatMap(({ name, floors }) =>
    floors.map(({ text, unit, value, bound, atLeast, isReached }) => {
      const limit = `${atLeast === undefined ? '≤' : '≥'} ${figure(bound)} ${unit}`.trim()
      const own = value === undefined ? 'not measured' : `${figure(value)} ${unit}`.trim()
      const verdict = isReached === undefined ? '' : isReached ? 'yes' : '**no**'
      return `| ${name} | ${text} | ${own} | ${limit} | ${verdict} |`
    }),
  )
  const head = ['| question | floor | measured | bound | reached |', '|---|---|---|---|---|']
  return [...head, ...rows].join('\n')
}

function questionOf({ name, title, rows, skipped }, size) {
  const lines = rows.map(({ name: row, median, unit, min, max, rssBytes, loopBusyMs }) => {
    const busy = loopBusyMs === undefined ? '' : `${figure(loopBusyMs)} ms`
    const range = `${figure(min)} – ${figure(max)}`
    return `| ${row} | ${figure(median)} ${unit} | ${range} | ${megabytes(rssBytes)} | ${busy} |`
  })
  const option = size === 'short' ? '' : ` --${size}`
  const own = `npm run bench -- --only ${name}${option}`
  const command = name === 'kafka' ? 'npm run bench:kafka' : own
  return [
    `![${title}](results/${name}.svg)`,
    `\`${command}\``,
    ['| | median | min – max | RSS | loop busy |', '|---|---|---|---|---|', ...lines].join('\n'),
    ...skipped.map(({ name: row, reason }) => `Skipped: ${row}: ${reason}`),
  ].join('\n\n')
}
