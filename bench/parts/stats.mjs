/** Medians and their like. */

export function sorted(numbers) {
  return [...numbers].sort((a, b) => a - b)
}

/** The number below which this share of them lies. */
export function percentile(numbers, share) {
  const ascending = sorted(numbers)
  return ascending[Math.min(ascending.length - 1, Math.floor(ascending.length * share))]
}

export function median(numbers) {
  const ascending = sorted(numbers)
  const middle = ascending.length >> 1
  if (ascending.length % 2 === 1) return ascending[middle]
  return (ascending[middle - 1] + ascending[middle]) / 2
}

export function spread(numbers) {
  return { median: median(numbers), min: Math.min(...numbers), max: Math.max(...numbers) }
}
