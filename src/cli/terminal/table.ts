/* Formats numbers and tables for people. */

import { plain } from '../../events/text/plain.js'

/**
 * An aligned table: text to the left, numbers to the right, '-' for an empty cell. A cell is always
 * one line: control characters in it are escaped.
 */
export function table(
  head: readonly string[],
  rows: readonly (readonly (string | number | null | undefined)[])[],
): string {
  const cells = rows.map(row =>
    row.map(cell => (cell === null || cell === undefined ? '-' : plain(String(cell)))),
  )
  const isNumber = head.map((_, column) => rows.every(row => typeof row[column] !== 'string'))
  const widths = head.map((title, column) =>
    Math.max(title.length, ...cells.map(row => (row[column] ?? '').length)),
  )
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) => {
        const width = widths[column] ?? 0
        return isNumber[column] ? cell.padStart(width) : cell.padEnd(width)
      })
      .join('  ')
      .trimEnd()
  return [line(head), ...cells.map(line)].join('\n')
}

/** 1,234,567 */
export function grouped(value: number): string {
  return String(Math.round(value)).replace(/\B(?=(\d{3})+(?!\d))/g, ',')
}

/** 12.3 MB */
export function bytesText(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let value = bytes
  let unit = 0
  for (; value >= 1000 && unit < units.length - 1; unit++) value /= 1000
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`
}

export function secondsText(ms: number): string {
  return `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`
}
