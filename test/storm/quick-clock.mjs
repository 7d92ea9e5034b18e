/**
 * A clock that runs `speed` times as fast as the real one: compaction (every 15 s), checkpoints and
 * retention come to their turn in a process that lives for a second.
 */
export function quickClock(speed) {
  const beganMs = performance.now()
  const monotonicMs = () => (performance.now() - beganMs) * speed
  return {
    // The wall clock keeps its pace: it may be shifted, and records carry it.
    now: () => Date.now(),
    monotonicMs,
    after(delayMs, callback, kind) {
      const timeout = setTimeout(callback, Math.min(delayMs / speed, 2 ** 31 - 1))
      if (kind === 'background') timeout.unref()
      return { cancel: () => clearTimeout(timeout) }
    },
    soon: callback => process.nextTick(callback),
    turn: () => new Promise(resolve => setImmediate(resolve)),
  }
}
