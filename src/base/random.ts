/*
 * Randomness is an argument. Production draws from the operating system; a test passes a seed and
 * gets the same ids, jitter and choices in each run.
 */

/**
 * A source of randomness: the system's, or a repeatable one, see {@link seededRandom}. A cluster
 * takes every random decision with it.
 */
export interface Random {
  /** An integer in [0, bound). */
  int(bound: number): number
  /** Fresh bytes, owned by the caller. */
  bytes(length: number): Uint8Array
}

/** Loaded when it is first asked for: it takes longer than a tenth of `import 'partlog'`. */
const crypto = () => process.getBuiltinModule('node:crypto')

/** Randomness of the operating system. */
export function systemRandom(): Random {
  const pool = new Uint32Array(64)
  let used = pool.length
  const word = (): number => {
    if (used === pool.length) {
      crypto().randomFillSync(pool)
      used = 0
    }
    return pool[used++]!
  }
  return {
    int: bound => scale(word(), bound),
    bytes: length => crypto().randomFillSync(new Uint8Array(length)),
  }
}

/** A repeatable sequence (sfc32): the same seed gives the same run. Not for secrets. */
export function seededRandom(seed: number): Random {
  let a = 0x9e3779b9
  let b = 0x243f6a88
  let c = seed | 0
  let counter = 1
  const word = (): number => {
    const sum = (a + b + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (((c << 21) | (c >>> 11)) + sum) | 0
    return sum >>> 0
  }
  for (let warmUp = 0; warmUp < 12; warmUp++) word()
  return {
    int: bound => scale(word(), bound),
    bytes: length => Uint8Array.from({ length }, () => word() & 255),
  }
}

function scale(word: number, bound: number): number {
  return Math.floor((word / 0x1_0000_0000) * bound)
}
