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

/** The list without what has the key of something before it. */
export function distinctBy<T>(list: readonly T[], keyOf: (each: T) => unknown): T[] {
  const seen = new Set<unknown>()
  return list.filter(each => {
    const key = keyOf(each)
    if (seen.has(key)) return false
    seen.add(key)
    return true
  })
}
