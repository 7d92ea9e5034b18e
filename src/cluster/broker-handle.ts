/** A simulated broker in the hands of whoever tests with it. */

import { PartlogError } from '../model/errors.js'
import type { BrokerSet } from './broker-set.js'

/**
 * One broker of the cluster, as `cluster.broker(id)` gives it: to be stopped, killed and started
 * while the others go on.
 */
export interface BrokerHandle {
  /** 1, 2, … */
  readonly id: number
  /** Does it run? */
  readonly isRunning: boolean
  /**
   * Ends it as a program that dies: nothing more is written, requests fail, others lead what it
   * led. Records that only it had are gone until it is started again. Does nothing to one that does
   * not run.
   */
  kill(): Promise<void>
  /** Ends it in order: it hands over what it leads, makes everything durable and closes. */
  stop(): Promise<void>
  /**
   * Starts it again: it recovers its logs, takes up what waited for it, and follows the others
   * until it is in sync. Resolves when it answers, at its port too if it had one and no other
   * program has taken it. Does nothing to one that runs. Rejects with NETWORK_EXCEPTION while the
   * network keeps it from the controller.
   */
  start(): Promise<void>
  /** It stops following: it falls behind, and out of the ISR after replica.lag.time.max.ms. */
  pauseReplication(): void
  /** It follows again. */
  resumeReplication(): void
}

export class HandleOfBroker implements BrokerHandle {
  /** 1, 2, … */
  readonly id: number
  readonly #set: BrokerSet

  constructor(set: BrokerSet, id: number) {
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

/** The broker, or INVALID_ARGUMENT when there is none of that number. */
export function checkBrokerId(set: BrokerSet, nodeId: unknown): asserts nodeId is number {
  if (set.brokerIds.includes(nodeId as number)) return
  const known = set.brokerIds.join(', ')
  throw new PartlogError('INVALID_ARGUMENT', `broker: expected ${known}, got ${String(nodeId)}`)
}
