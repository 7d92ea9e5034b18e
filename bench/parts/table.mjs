/** Text in columns: the first one to the left, the others to the right. */

export function table(head, rows) {
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map(row => (row[column] ?? '').length)),
  )
  const line = cells =>
    cells
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[column]) : (cell ?? '').padStart(widths[column]),
      )
      .join('  ')
      .trimEnd()
  return [line(head), line(widths.map(width => '─'.repeat(width))), ...rows.map(line)].join('\n')
}

/** A number with three digits that count: 1,234 · 56.7 · 0.123. */
export function figure(number) {
  if (number >= 100) return Math.round(number).toLocaleString('en-US')
  return number.toPrecision(3)
}

export function times(number) {
  return number === undefined ? '' : `${number.toFixed(2)} ×`
}

export function megabytes(bytes) {
  return bytes === undefined ? '' : `${Math.round(bytes / 1e6)} MB`
}
