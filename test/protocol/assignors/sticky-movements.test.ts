/** Moves of one rebalance: two of a partition are one, and none goes against another. */

import { beforeEach, describe, expect, it } from 'vitest'
import { Movements } from '../../../src/protocol/assignors/sticky-movements.js'

const [A, B, C] = [0, 1, 2] as const

describe('movements', () => {
  let moves: Movements

  beforeEach(() => {
    // Partitions 0–9 are of one topic, 10–19 of the next.
    moves = new Movements(partition => Math.floor(partition / 10))
  })

  it('a movement cancels one in the other direction in the same topic', () => {
    moves.add(1, A, B)
    expect(moves.partitionToMove(5, B, A)).toBe(1)
    expect(moves.partitionToMove(5, A, B)).toBe(5)
    expect(moves.partitionToMove(5, C, A)).toBe(5)
    expect(moves.partitionToMove(15, B, A)).toBe(15)
  })

  it('of several opposite movements the one with the highest partition is cancelled', () => {
    for (const partition of [2, 7, 4]) moves.add(partition, A, B)
    expect(moves.partitionToMove(1, B, A)).toBe(7)
  })

  it('several movements of one partition are one, from the first owner to the last', () => {
    moves.add(1, A, B)
    moves.add(1, B, C)
    expect(moves.partitionToMove(5, C, A)).toBe(1)
    expect(moves.partitionToMove(5, B, A)).toBe(5)
    expect(moves.partitionToMove(5, C, B)).toBe(5)
  })

  it('a partition that returns to its owner has not moved', () => {
    moves.add(1, A, B)
    moves.add(1, B, A)
    expect(moves.partitionToMove(5, B, A)).toBe(5)
    expect(moves.partitionToMove(5, A, A)).toBe(5)
    moves.add(1, A, C)
    expect(moves.partitionToMove(5, C, A)).toBe(1)
  })

  it('a moved partition counts from where it came', () => {
    moves.add(1, A, B)
    moves.add(2, C, A)
    expect(moves.partitionToMove(1, B, C)).toBe(2)
    expect(moves.partitionToMove(3, B, C)).toBe(3)
  })
})
