/** From the results of all rounds to a table and a list of floors. */

import { RSS_MAX_BYTES } from '../plan.mjs'
import { median, spread } from './stats.mjs'
import { figure, megabytes, table, times } from './table.mjs'

const MEASURED_IN = {
  'k/s': ({ count, ms }) => count / ms,
  'MB/s': ({ bytes, ms }) => bytes / ms / 1_000,
  ms: ({ ms }) => ms,
  µs: ({ us }) => us,
}

/** One object per row: median, spread and what it comes to beside its peer and its limit. */
export function summaryOf(plan, results) {
  const figures = new Map(plan.map(row => [row.name, figuresOf(row, results.get(row.name))]))
  return plan.map(row => {
    const own = figures.get(row.name)
    const timesPeer = ratio(own.median, figures.get(row.peer)?.median)
    const timesBare = ratio(own.median, figures.get(row.bare)?.median)
    const timesLimit = ratio(own.bytesPerMs, figures.get(row.limit)?.bytesPerMs)
    const floor = row.floor && { ...row.floor, isReached: isReached(row.floor, own, timesPeer) }
    // Memory is bounded by what is under way, except where the records themselves are kept in it.
    const isBounded = row.dir !== 'none' && !/^(JSONL|bare|raw) /.test(row.name)
    return {
      name: row.name,
      unit: row.unit,
      isBounded,
      ...own,
      timesPeer,
      timesBare,
      timesLimit,
      floor,
    }
  })
}

function figuresOf({ unit }, results) {
  const rates = results.map(({ bytes, ms }) => ({ bytesPerMs: bytes && bytes / ms }))
  return {
    ...spread(results.map(MEASURED_IN[unit])),
    bytesPerMs: medianOf(rates, 'bytesPerMs'),
    rssBytes: medianOf(results, 'rssBytes'),
    loopBusyMs: medianOf(results, 'loopBusyMs'),
  }
}

/** The median of a field, if all have it. */
function medianOf(results, field) {
  const values = results.map(result => result[field])
  return values.includes(undefined) ? undefined : median(values)
}

function ratio(own, other) {
  return own === undefined || other === undefined ? undefined : own / other
}

function isReached({ timesPeer, atLeast, atMost }, own, measuredTimes) {
  if (timesPeer !== undefined) return measuredTimes >= timesPeer
  return atLeast === undefined ? own.median <= atMost : own.median >= atLeast
}

const HEAD = ['', 'median', '', 'min – max', '× JSONL', '× bare', '× raw', 'RSS', 'loop busy']

export function tableText(rows) {
  return table(
    HEAD,
    rows.map(row => [
      row.name,
      figure(row.median),
      row.unit,
      `${figure(row.min)} – ${figure(row.max)}`,
      times(row.timesPeer),
      times(row.timesBare),
      times(row.timesLimit),
      megabytes(row.rssBytes),
      row.loopBusyMs === undefined ? '' : `${figure(row.loopBusyMs)} ms`,
    ]),
  )
}

export function floorsText(rows) {
  const lines = rows.filter(({ floor }) => floor !== undefined).map(floorLine)
  const [largest] = rows
    .filter(({ isBounded }) => isBounded)
    .sort((a, b) => b.rssBytes - a.rssBytes)
  if (largest !== undefined) lines.push(memoryLine(largest))
  return lines.join('\n')
}

function memoryLine({ name, rssBytes }) {
  const verdict = verdictOf(rssBytes <= RSS_MAX_BYTES)
  const bound = `at most ${megabytes(RSS_MAX_BYTES)}`
  return `${verdict}  largest RSS: ${megabytes(rssBytes)} (${name}), ${bound}`
}

function floorLine({ name, unit, median, timesPeer, floor }) {
  const verdict = verdictOf(floor.isReached)
  if (floor.timesPeer !== undefined) {
    return `${verdict}  ${name}: ${times(timesPeer)} JSONL, at least ${floor.timesPeer} ×`
  }
  const { atLeast, atMost } = floor
  const bound = atLeast === undefined ? `at most ${atMost}` : `at least ${atLeast}`
  return `${verdict}  ${name}: ${figure(median)} ${unit}, ${bound}`
}

function verdictOf(isReached) {
  return isReached ? 'PASS ' : 'below'
}
