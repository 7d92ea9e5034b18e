/* Finds a short list that still fails: whole pieces are left out first, then smaller ones. */

/** Tries at most `triesMax` shorter lists; `fails` tells whether one still shows the failure. */
export async function shorten<T>(
  list: readonly T[],
  fails: (shorter: readonly T[]) => Promise<boolean>,
  triesMax: number,
): Promise<readonly T[]> {
  let left = list
  let tries = 0
  for (let size = list.length; size >= 1; size = Math.floor(size / 2)) {
    for (let at = 0; at < left.length && tries < triesMax;) {
      const fewer = [...left.slice(0, at), ...left.slice(at + size)]
      tries++
      if (await fails(fewer)) left = fewer
      else at += size
    }
  }
  return left
}
