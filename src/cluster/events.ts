/** What happens in a cluster, for those who watch. */

import type { RebalanceEvent, SharedGroupEvent } from '../coordinator/groups/rebalance-news.js'
import type { TopicPartition } from '../model/names.js'

/** A leadership has begun, or ended without another one beginning. */
export interface LeaderEvent extends TopicPartition {
  /** −1: nobody leads the partition now. */
  readonly leader: number
  readonly leaderEpoch: number
  readonly previousLeader: number
  /** The new leader was not in sync: committed records may be lost. */
  readonly isUnclean: boolean
}

/** The in-sync replicas have changed. */
export interface IsrEvent extends TopicPartition {
  readonly isr: readonly number[]
  readonly previousIsr: readonly number[]
}

/** A follower has cut off records that its leader does not have: `[toOffset, fromOffset)`. */
export interface TruncationEvent extends TopicPartition {
  readonly broker: number
  /** Where its log ended. */
  readonly fromOffset: number
  /** Where it ends now. */
  readonly toOffset: number
  /** Files that keep what was cut off, below the cluster's folder. */
  readonly keptIn: readonly string[]
}

/** Records that were committed, and that consumers may have seen, are in the log no more. */
export interface DataLossEvent extends TopicPartition {
  readonly broker: number
  /** Records in `[fromOffset, toOffset)` are lost. */
  readonly fromOffset: number
  readonly toOffset: number
}

/** A damaged copy of a partition is being made anew from its leader. */
export interface RepairEvent extends TopicPartition {
  readonly broker: number
  /** Where what was left of it is kept, in the broker's folder. */
  readonly folder: string
}

/** The events of a cluster by their names. */
export interface ClusterEvents {
  readonly leader: LeaderEvent
  readonly isr: IsrEvent
  readonly truncation: TruncationEvent
  readonly dataLoss: DataLossEvent
  readonly repair: RepairEvent
  readonly rebalance: RebalanceEvent
  readonly sharedGroup: SharedGroupEvent
}

/** What `cluster.on` can be told of. */
export type EventName = keyof ClusterEvents

export const EVENT_NAMES: readonly EventName[] = [
  'leader',
  'isr',
  'truncation',
  'dataLoss',
  'repair',
  'rebalance',
  'sharedGroup',
]

type Listener<E extends EventName> = (event: ClusterEvents[E]) => void

/** Tells everybody who listens; what a listener throws is reported, and the others are told. */
export class EventSource {
  readonly #listeners = new Map<EventName, Set<Listener<never>>>()
  readonly #onError: (name: EventName, error: unknown) => void

  constructor(onError: (name: EventName, error: unknown) => void) {
    this.#onError = onError
  }

  /** Returns a function that ends the listening. */
  on<E extends EventName>(name: E, listener: Listener<E>): () => void {
    const listeners = this.#listeners.get(name) ?? new Set<Listener<never>>()
    this.#listeners.set(name, listeners)
    const own: Listener<E> = event => listener(event) // the same function may listen twice
    listeners.add(own)
    return () => void listeners.delete(own)
  }

  emit<E extends EventName>(name: E, event: ClusterEvents[E]): void {
    for (const listener of this.#listeners.get(name) ?? []) {
      const failed = (error: unknown): void => this.#onError(name, error)
      try {
        const result: unknown = (listener as Listener<E>)(event)
        if (result instanceof Promise) result.catch(failed) // nobody waits for it
      } catch (error) {
        failed(error)
      }
    }
  }
}
