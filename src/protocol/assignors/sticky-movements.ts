/**
 * Which partitions have moved from whom to whom while shares are being balanced. Moving one
 * partition of a topic from A to B and another from B to A changes nothing but who has to start
 * anew: the second move takes the first one back instead.
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
   * The partition to move so that one of this topic goes from `from` to `to`: one that went the
   * other way before, if there is. Of several it is the highest (Kafka: the first of a hash table).
   */
  partitionToMove(partition: number, from: number, to: number): number {
    // Has it moved before, then this move is one from where it came.
    const origin = this.#moves.get(partition)?.from ?? from
    const back = this.#byRoute.get(this.#routeOf(partition, { from: to, to: origin }))
    return back === undefined ? partition : [...back].reduce((a, b) => Math.max(a, b))
  }

  /** Two moves of a partition are one, from the first place to the last. */
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
