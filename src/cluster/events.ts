/* Events of a cluster. */

import type { RebalanceEvent, SharedGroupEvent } from '../coordinator/groups/rebalance-reporter.js'
import type { TopicPartition } from '../model/names.js'

/** A leadership has begun, or the partition has lost its leader. */
export interface LeaderEvent extends TopicPartition {
  /** Broker id; −1 if the partition has no leader now. */
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

/** A follower has truncated records that its leader does not have: `[toOffset, fromOffset)`. */
export interface TruncationEvent extends TopicPartition {
  readonly broker: number
  /** The log end offset before. */
  readonly fromOffset: number
  /** The log end offset now. */
  readonly toOffset: number
  /** Files that keep the truncated records; paths below the cluster's folder. */
  readonly keptIn: readonly string[]
}

/** Committed records, which consumers may have read, are no longer in the log. */
export interface DataLossEvent extends TopicPartition {
  readonly broker: number
  /** Records in `[fromOffset, toOffset)` are lost. */
  readonly fromOffset: number
  readonly toOffset: number
}

/** A damaged replica is being copied again from its leader. */
export interface RepairEvent extends TopicPartition {
  readonly broker: number
  /** The folder that keeps the damaged files; a path in the broker's folder. */
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

/** The names of events that `cluster.on` takes. */
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

/** Calls all listeners of an event; reports what a listener throws, and calls the others. */
export class EventSource {
  readonly #listeners = new Map<EventName, Set<Listener<never>>>()
  readonly #onError: (name: EventName, error: unknown) => void

  constructor(onError: (name: EventName, error: unknown) => void) {
    this.#onError = onError
  }

  /** Returns a function that removes the listener. */
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
        if (result instanceof Promise) result.catch(failed) // not awaited
      } catch (error) {
        failed(error)
      }
    }
  }
}
