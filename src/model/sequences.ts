/*
 * Sequence numbers: a producer counts its records per partition, so that a broker notices a missing
 * or repeated record. They begin at 0, and 0 follows 2³¹ − 1.
 */

const SEQUENCE_MAX = 2 ** 31 - 1
/** The last epoch of a producer id; after it the producer needs a new id. */
export const PRODUCER_EPOCH_MAX = 2 ** 15 - 1

const TURN = 2 ** 31

export function sequenceAfter(sequence: number, count: number): number {
  const sum = sequence + count
  return sum > SEQUENCE_MAX ? sum - TURN : sum
}

export function sequenceBefore(sequence: number, count: number): number {
  const difference = sequence - count
  return difference < 0 ? difference + TURN : difference
}
