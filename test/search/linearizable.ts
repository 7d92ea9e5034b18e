/**
 * Is there an order in which the calls could have been made one after the other, each between its
 * beginning and its end, so that all their answers are right? A call whose outcome is unknown has
 * taken effect at any time after its beginning, or never (Wing and Gong, with memory of the states
 * that were tried).
 */

export interface Call {
  /** When it began and ended; `to` is Infinity if that is unknown. */
  readonly from: number
  readonly to: number
}

/** The states in which a call leaves what it was made on; none if its answer would be wrong. */
export type Effect<State, C extends Call> = (state: State, call: C) => readonly State[]

export interface Model<State, C extends Call> {
  readonly start: State
  readonly effect: Effect<State, C>
  readonly keyOf: (state: State) => string
}

/** The calls that do not fit in any order; empty if there is one that explains all. */
export function unexplained<State, C extends Call>(
  calls: readonly C[],
  model: Model<State, C>,
): readonly C[] {
  const sorted = [...calls].sort((a, b) => a.from - b.from)
  const tried = new Set<string>()
  let farthest: readonly C[] | undefined
  const search = (left: readonly C[], state: State): boolean => {
    const certain = left.filter(({ to }) => to !== Infinity)
    if (certain.length === 0) return true
    const key = `${left.map(call => sorted.indexOf(call)).join()} ${model.keyOf(state)}`
    if (tried.has(key)) return false
    tried.add(key)
    if (farthest === undefined || certain.length < farthest.length) farthest = certain
    const firstEnd = Math.min(...certain.map(({ to }) => to))
    return left.some(call => {
      if (call.from > firstEnd) return false
      const rest = left.filter(other => other !== call)
      return model.effect(state, call).some(next => search(rest, next))
    })
  }
  return search(sorted, model.start) ? [] : (farthest ?? [])
}
