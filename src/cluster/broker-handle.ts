/** A simulated broker in the hands of whoever tests with it. */

import type { BrokerSet } from './broker-set.js'

/**
 * One broker of the cluster, as `cluster.broker(id)` gives it: to be stopped, killed and started
 * while the others go on.
 */
export class BrokerHandle {
  /** 1, 2, … */
  readonly id: number
  readonly #set: BrokerSet

  /** @internal use `cluster.broker(id)`. */
  constructor(set: BrokerSet, id: number) {
    this.#set = set
    this.id = id
  }

  /** Does it run? */
  get isRunning(): boolean {
    return this.#set.broker(this.id) !== undefined
  }

  /**
   * Ends it as a program that dies: nothing more is written, requests fail, others lead what it
   * led. Records that only it had are gone until it is started again. Does nothing to one that does
   * not run.
   */
  kill(): Promise<void> {
    return this.#set.kill(this.id)
  }

  /** Ends it in order: it hands over what it leads, makes everything durable and closes. */
  stop(): Promise<void> {
    return this.#set.stop(this.id)
  }

  /**
   * Starts it again: it recovers its logs, takes up what waited for it, and follows the others
   * until it is in sync. Resolves when it answers, at its port too if it had one and no other
   * program has taken it. Does nothing to one that runs. Rejects with NETWORK_EXCEPTION while the
   * network keeps it from the controller.
   */
  start(): Promise<void> {
    return this.#set.start(this.id)
  }

  /** It stops following: it falls behind, and out of the ISR after replica.lag.time.max.ms. */
  pauseReplication(): void {
    this.#pause(true)
  }

  /** It follows again. */
  resumeReplication(): void {
    this.#pause(false)
  }

  #pause(isPaused: boolean): void {
    const broker = this.#set.broker(this.id)
    if (broker !== undefined) broker.replicas.isReplicationPaused = isPaused
  }
}
