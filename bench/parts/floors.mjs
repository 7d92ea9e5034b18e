/** What partlog promises itself, and whether a run has reached it. */

import { median } from './stats.mjs'
import { figure } from './table.mjs'
import { fieldOf, figureOf } from './units.mjs'

/**
 * A floor with its figure, the median of the rounds. Ratios are taken within a round: what slows a
 * round down slows both rows. Undefined figure: a row was skipped.
 */
export function judged(floor, rows, results) {
  const { row, by, over, atLeast, atMost, orTimes } = floor
  const [own, other] = [results.get(row) ?? [], over === undefined ? [] : (results.get(over) ?? [])]
  const valueOf = (name, result) =>
    by === undefined ? figureOf(rows.get(name), result) : fieldOf(result, by)
  const values = own.map(result => valueOf(row, result))
  const figures =
    over === undefined
      ? values
      : values
          .slice(0, other.length)
          .map((value, round) => ratioOf(value, valueOf(over, other[round])))
  const value = figures.length === 0 ? undefined : median(figures)
  const bound = boundOf({ atLeast, atMost, orTimes }, rows, results)
  const isReached =
    value === undefined ? undefined : atLeast === undefined ? value <= bound : value >= bound
  return { text: textOf(floor), unit: unitOf(floor, rows), value, bound, atLeast, isReached }
}

const ratioOf = (own, other) => own / other

function boundOf({ atLeast, atMost, orTimes }, rows, results) {
  if (orTimes === undefined) return atLeast ?? atMost
  const [factor, name] = orTimes
  const others = (results.get(name) ?? []).map(result => figureOf(rows.get(name), result))
  return others.length === 0 ? atMost : Math.max(atMost, factor * median(others))
}

function textOf({ text, row, over }) {
  if (text !== undefined) return `${row}: ${text}${over === undefined ? '' : ` ÷ ${over}`}`
  return over === undefined ? row : `${row} ÷ ${over}`
}

function unitOf({ row, over, by }, rows) {
  return over !== undefined ? '×' : by === undefined ? (rows.get(row)?.unit ?? '') : ''
}

/** One line per floor, by question. */
export function floorsText(questions) {
  return questions
    .filter(({ floors }) => floors.length > 0)
    .map(({ title, floors }) => [title, ...floors.map(floorLine)].join('\n  '))
    .join('\n')
}

function floorLine({ text, unit, value, bound, atLeast, isReached }) {
  const limit = `${atLeast === undefined ? 'at most' : 'at least'} ${figure(bound)} ${unit}`.trim()
  if (value === undefined) return `–      ${text}: not measured, ${limit}`
  const own = `${figure(value)} ${unit}`.trim()
  return `${isReached ? 'PASS ' : 'below'}  ${text}: ${own}, ${limit}`
}
