/*
 * The moves of partitions between members while an assignment is balanced. Moving one partition of
 * a topic from A to B and another from B to A only costs both members a restart: the second move
 * reverts the first one instead.
 */

interface Move {
  readonly from: number
  readonly to: number
}

export class Movements {
  readonly #topicOf: (partition: number) => number
  readonly #moves = new Map<number, Move>()
  /** Partitions by topic, origin and destination. */
  readonly #byRoute = new Map<string, Set<number>>()

  constructor(topicOf: (partition: number) => number) {
    this.#topicOf = topicOf
  }

  /**
   * The partition to move so that one of this topic moves from `from` to `to`: one that moved the
   * other way before, if any. Of several, the highest (Kafka: the first of a hash table).
   */
  partitionToMove(partition: number, from: number, to: number): number {
    // If the partition has moved before, this move starts at its origin.
    const origin = this.#moves.get(partition)?.from ?? from
    const back = this.#byRoute.get(this.#routeOf(partition, { from: to, to: origin }))
    return back === undefined ? partition : [...back].reduce((a, b) => Math.max(a, b))
  }

  /** Adds a move. Two moves of a partition become one, from its first owner to its last. */
  add(partition: number, from: number, to: number): void {
    const earlier = this.#moves.get(partition)
    if (earlier !== undefined) this.#forget(partition, earlier)
    const move = { from: earlier?.from ?? from, to }
    if (move.from === move.to) return
    this.#moves.set(partition, move)
    const route = this.#routeOf(partition, move)
    const known = this.#byRoute.get(route)
    if (known === undefined) this.#byRoute.set(route, new Set([partition]))
    else known.add(partition)
  }

  #forget(partition: number, move: Move): void {
    const route = this.#routeOf(partition, move)
    const known = this.#byRoute.get(route)!
    known.delete(partition)
    if (known.size === 0) this.#byRoute.delete(route)
    this.#moves.delete(partition)
  }

  #routeOf(partition: number, { from, to }: Move): string {
    return `${this.#topicOf(partition)}:${from}:${to}`
  }
}
