/** What comes twice in a list, found in one pass: lists come from strangers and may be long. */

/** The values that are in the list more than once. */
export function repeated<T>(values: Iterable<T>): ReadonlySet<T> {
  const seen = new Set<T>()
  const again = new Set<T>()
  for (const value of values) {
    if (seen.has(value)) again.add(value)
    else seen.add(value)
  }
  return again
}
