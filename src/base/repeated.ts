/* Duplicates in a list, found in one pass: lists come from clients and may be long. */

/** The values that are in the list more than once. */
export function repeated<T>(values: Iterable<T>): ReadonlySet<T> {
  const seen = new Set<T>()
  const duplicates = new Set<T>()
  for (const value of values) {
    if (seen.has(value)) duplicates.add(value)
    else seen.add(value)
  }
  return duplicates
}

/** The list without items whose key an earlier item has. */
export function distinctBy<T>(list: readonly T[], keyOf: (each: T) => unknown): T[] {
  const seen = new Set<unknown>()
  return list.filter(each => {
    const key = keyOf(each)
    if (seen.has(key)) return false
    seen.add(key)
    return true
  })
}
