/*
 * A process of the simulated world: it runs a program with clients of its own, and can be paused,
 * resumed and killed at any moment. A program cannot be stopped between two of its own statements;
 * what a kill stops is everything that the program waits for from partlog, and its timers: no call
 * returns, no request leaves.
 */

import { sleep } from '../../base/clock.js'
import type { KafkaCluster } from '../../client/kafka-cluster.js'
import type { Cluster } from '../../cluster/cluster.js'
import { NONE } from '../../model/units.js'
import type { Channel } from '../../protocol/channel.js'
import { LocalClock, type SimClock } from './sim-clock.js'

/** What a program gets. */
export interface Life {
  /** The cluster, with the clients of this life. */
  readonly cluster: KafkaCluster
  /** 1 for the first life of the process, 2 after it was killed and started again, … */
  readonly life: number
  /** Resolves after this many milliseconds of the world's time. */
  sleep(ms: number): Promise<void>
}

export type Program = (life: Life) => Promise<void>

export interface AppProcessOptions {
  readonly name: string
  readonly program: Program
  readonly clock: SimClock
  readonly cluster: () => Cluster
  readonly onEnd: (process: AppProcess, error: unknown) => void
}

type State = 'running' | 'paused' | 'dead' | 'ended'

export class AppProcess {
  readonly name: string
  readonly #options: AppProcessOptions
  #clock: LocalClock
  #clients: { close(): Promise<void> } | undefined
  #life = 0
  #state: State = 'dead'

  constructor(options: AppProcessOptions) {
    this.name = options.name
    this.#options = options
    this.#clock = new LocalClock(options.clock)
  }

  get state(): State {
    return this.#state
  }

  get lives(): number {
    return this.#life
  }

  /** Starts the program; it must be dead. */
  start(): void {
    if (this.#state !== 'dead') return
    const { program, clock: world, cluster, onEnd } = this.#options
    const clock = new LocalClock(world)
    this.#clock = clock
    this.#state = 'running'
    const life = ++this.#life
    const through = (channel: Channel): Channel => gated(channel, clock)
    const clients = cluster().seenBy({ clock, through })
    this.#clients = clients
    const nap = (ms: number): Promise<void> => sleep(clock, ms)
    const ended = (error?: unknown): void => {
      if (this.#life !== life || this.#state === 'dead') return
      this.#state = 'ended'
      onEnd(this, error)
    }
    void program({ cluster: clients, life, sleep: nap }).then(() => ended(), ended)
  }

  pause(): void {
    if (this.#state !== 'running') return
    this.#state = 'paused'
    this.#clock.pause()
  }

  resume(): void {
    if (this.#state !== 'paused') return
    this.#state = 'running'
    this.#clock.resume()
  }

  kill(): void {
    if (this.#state !== 'ended') this.crash()
  }

  /** Its program has thrown: the process is dead, and can be started again. */
  crash(): void {
    this.#state = 'dead'
    this.#clock.end()
    this.#clients = undefined
  }

  /** Closes its clients in order, if it lives. */
  async close(): Promise<void> {
    this.resume()
    await this.#clients?.close()
  }
}

/** A channel whose requests and answers pass the process. */
function gated(channel: Channel, clock: LocalClock): Channel {
  const passing = <T>(answer: Promise<T>): Promise<T> =>
    new Promise((resolve, reject) => {
      answer.then(
        value => clock.whenRunning(() => resolve(value)),
        (error: unknown) => clock.whenRunning(() => reject(error as Error)),
      )
    })
  return {
    send(nodeId, api, request, signal) {
      if (clock.state === 'running') {
        const answer = channel.send(nodeId, api, request, signal)
        return answer instanceof Promise ? passing(answer) : answer
      }
      return new Promise((resolve, reject) => {
        clock.whenRunning(() => {
          const send = async () => channel.send(nodeId, api, request, signal)
          passing(send()).then(resolve, reject)
        })
      })
    },
    appendNow: (nodeId, batch) =>
      clock.state === 'running' ? (channel.appendNow?.(nodeId, batch) ?? NONE) : NONE,
  }
}
