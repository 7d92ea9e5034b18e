/** A question as an SVG: a bar per row, as long as its median; a line from minimum to maximum. */

import { figure } from './table.mjs'
import { isTime } from './units.mjs'

const WIDTH = 920
const LABELS = 400
const VALUES = 90
const BAR = 16
const ROW = 26
const TITLE = 52
const UNIT = 30
const COLOURS = { own: '#1f6feb', other: '#8c959f', limit: '#57606a', line: '#24292f' }

export function drawingOf({ title, durability, rows }) {
  const units = [...new Set(rows.map(({ unit }) => unit))]
  const panels = units.map(unit => rows.filter(row => row.unit === unit))
  const height = TITLE + panels.reduce((sum, all) => sum + UNIT + all.length * ROW, 0) + 10
  const parts = [
    text({ x: 16, y: 24, size: 16, weight: 600 }, title),
    text({ x: 16, y: 42, size: 12 }, durability),
  ]
  let y = TITLE
  for (const panel of panels) {
    parts.push(...panelOf(panel, y))
    y += UNIT + panel.length * ROW
  }
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}"`,
    `  viewBox="0 0 ${WIDTH} ${height}" font-family="system-ui, sans-serif">`,
    `<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>`,
    ...parts,
    '</svg>\n',
  ].join('\n')
}

/** The rows of one unit: they share a scale. */
function panelOf(rows, top) {
  const [{ unit }] = rows
  const longest = Math.max(...rows.map(({ max }) => max))
  const scale = (WIDTH - LABELS - VALUES) / longest
  const note = `${unit}, ${isTime(unit) ? 'less' : 'more'} is better`
  const head = text({ x: LABELS, y: top + 18, size: 12 }, note)
  const ordered = [...rows].sort((a, b) => (isTime(unit) ? 1 : -1) * (a.median - b.median))
  return [head, ...ordered.map((row, n) => rowOf(row, top + UNIT + n * ROW, scale))]
}

function rowOf({ name, measure, median, min, max }, top, scale) {
  const middle = top + BAR / 2
  // A difference of two times may fall below nothing.
  const at = value => (LABELS + Math.max(value, 0) * scale).toFixed(1)
  const colour = colourOf(name, measure)
  return [
    text({ x: LABELS - 8, y: top + 12, size: 12, anchor: 'end' }, name),
    `<rect x="${LABELS}" y="${top}" width="${(at(median) - LABELS).toFixed(1)}" height="${BAR}"`,
    `  fill="${colour}" opacity="0.85"/>`,
    `<line x1="${at(min)}" x2="${at(max)}" y1="${middle}" y2="${middle}"`,
    `  stroke="${COLOURS.line}" stroke-width="1.5"/>`,
    text({ x: Number(at(max)) + 6, y: top + 12, size: 12 }, figure(median)),
  ].join('\n')
}

function colourOf(name, measure) {
  if (/^(C:|bare)/.test(name)) return COLOURS.limit
  return measure.startsWith('peer-') ? COLOURS.other : COLOURS.own
}

function text({ x, y, size, weight = 400, anchor = 'start' }, content) {
  const escaped = content.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
  const place = `x="${x}" y="${y}" font-size="${size}" font-weight="${weight}"`
  return `<text ${place} text-anchor="${anchor}" fill="${COLOURS.line}">${escaped}</text>`
}
