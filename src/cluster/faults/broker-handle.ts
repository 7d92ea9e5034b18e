/*
 * Controls one simulated broker of a cluster: kills, stops and starts it. The work is done in
 * broker-set.ts.
 */

import { PartlogError } from '../../model/errors.js'

/** What a handle needs of the cluster's brokers. */
export interface Brokers {
  readonly brokerIds: readonly number[]
  /** Undefined while the broker does not run. */
  broker(nodeId: number): { readonly replicas: { isReplicationPaused: boolean } } | undefined
  kill(nodeId: number): Promise<void>
  stop(nodeId: number): Promise<void>
  start(nodeId: number): Promise<void>
}

/**
 * One broker of the cluster, returned by `cluster.broker(id)`. It can be stopped, killed and
 * started while the others continue.
 */
export interface BrokerHandle {
  /** 1, 2, … */
  readonly id: number
  /** True while the broker runs. */
  readonly isRunning: boolean
  /**
   * Ends the broker like a program that dies: it writes nothing more, requests fail, other brokers
   * take over its leaderships. Records that only this broker has are missing until it is started
   * again. Does nothing if it does not run.
   */
  kill(): Promise<void>
  /** Ends the broker in order: it hands over its leaderships, makes all durable and closes. */
  stop(): Promise<void>
  /**
   * Starts the broker again: it recovers its logs, applies what has changed meanwhile, and follows
   * the leaders until it is in sync. Resolves when it answers, also at its port if it had one that
   * no other program has taken. Does nothing if it runs. Rejects with NETWORK_EXCEPTION while the
   * network separates it from the controller.
   */
  start(): Promise<void>
  /** Stops following: the broker lags and leaves the ISR after replica.lag.time.max.ms. */
  pauseReplication(): void
  /** Follows again. */
  resumeReplication(): void
}

export class HandleOfBroker implements BrokerHandle {
  /** 1, 2, … */
  readonly id: number
  readonly #set: Brokers

  constructor(set: Brokers, id: number) {
    this.#set = set
    this.id = id
  }

  get isRunning(): boolean {
    return this.#set.broker(this.id) !== undefined
  }

  kill(): Promise<void> {
    return this.#set.kill(this.id)
  }

  stop(): Promise<void> {
    return this.#set.stop(this.id)
  }

  start(): Promise<void> {
    return this.#set.start(this.id)
  }

  pauseReplication(): void {
    this.#pause(true)
  }

  resumeReplication(): void {
    this.#pause(false)
  }

  #pause(isPaused: boolean): void {
    const broker = this.#set.broker(this.id)
    if (broker !== undefined) broker.replicas.isReplicationPaused = isPaused
  }
}

/** Throws INVALID_ARGUMENT if no broker has this id. */
export function checkBrokerId(set: Brokers, nodeId: unknown): asserts nodeId is number {
  if (set.brokerIds.includes(nodeId as number)) return
  const known = set.brokerIds.join(', ')
  throw new PartlogError('INVALID_ARGUMENT', `broker: expected ${known}, got ${String(nodeId)}`)
}
