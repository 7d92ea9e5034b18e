/** From the result of a measurement to the figure in the unit of its row. */

const MEASURED_IN = {
  'k/s': ({ count, ms }) => count / ms,
  'GB/s': ({ bytes, ms }) => bytes / ms / 1e6,
  ms: ({ ms }) => ms,
  µs: ({ us }) => us,
}

/** True where less is better. */
export const isTime = unit => unit === 'ms' || unit === 'µs'

/** The figure of a result: in the unit of the row, or of a field. */
export function figureOf({ unit, field }, result) {
  return field === undefined ? MEASURED_IN[unit](result) : result[field]
}

/** A field of a result; 'bytesPerMs' is made of two. */
export function fieldOf(result, name) {
  return name === 'bytesPerMs' ? result.bytes / result.ms : result[name]
}
