/*
 * A cluster in a simulated world: brokers with clocks of their own, a disk that can lose power, a
 * network with weather, and processes that use it. Everything that happens by chance is drawn from
 * streams of one seed.
 */

import { seededRandom } from '../../base/random.js'
import type { ClusterOptions } from '../../cluster/cluster-options.js'
import * as parts from '../../cluster/cluster-parts.js'
import { Cluster } from '../../cluster/cluster.js'
import type { ClusterEvents, EventName } from '../../cluster/events.js'
import { EVENT_NAMES } from '../../cluster/events.js'
import { AppProcess, type Program } from './app-process.js'
import type { Damage } from './power-cut.js'
import { LocalClock, SimClock } from './sim-clock.js'
import { Story } from './story.js'
import { streamOf } from './streams.js'
import { SimWeather } from './sim-weather.js'
import { WorldDisk } from './world-disk.js'

/** After this many turns of the event loop without a timer nothing happens by itself any more. */
const IDLE_TURNS_MAX = 100

/** What was waited for has not come to pass in the time it had. */
class NotDoneError extends Error {
  override readonly name = 'NotDoneError'
}

export class SimulatedCluster {
  readonly seed: number
  readonly clock: SimClock
  readonly disk: WorldDisk
  readonly story: Story
  readonly processes = new Map<string, AppProcess>()
  /** Called with each event of the cluster. */
  onEvent: <E extends EventName>(name: E, event: ClusterEvents[E]) => void = () => undefined
  /** Called when a program has ended, with what it threw. */
  onProgramEnd: (process: AppProcess, error: unknown) => void = () => undefined
  readonly #options: ClusterOptions
  /** Of the brokers and the controller. */
  #clocks = new Map<number, LocalClock>()
  /** Of everything else in the cluster. */
  #ownClock: LocalClock
  #weather: SimWeather
  #cluster: Cluster | undefined
  /** Resolves when the cluster dies. */
  #death = deferred()
  #lives = 0

  constructor(seed: number, options: ClusterOptions) {
    this.seed = seed
    this.#options = options
    this.clock = new SimClock(streamOf(seed, 'scheduling'))
    this.disk = new WorldDisk(streamOf(seed, 'disk'), this.clock)
    this.story = new Story(() => this.clock.monotonicMs())
    this.#ownClock = new LocalClock(this.clock)
    this.#weather = this.#newWeather()
  }

  get cluster(): Cluster {
    if (this.#cluster === undefined) throw new Error('the cluster is not open')
    return this.#cluster
  }

  /** True if nothing is acknowledged that a power cut could take. */
  get isPowerSafe(): boolean {
    return this.#options.durability !== 'process'
  }

  get isOpen(): boolean {
    return this.#cluster !== undefined
  }

  get weather(): SimWeather {
    return this.#weather
  }

  clockOf(nodeId: number): LocalClock {
    let clock = this.#clocks.get(nodeId)
    if (clock === undefined) this.#clocks.set(nodeId, (clock = new LocalClock(this.clock)))
    return clock
  }

  /** Opens it on what is on the disk. */
  async open(): Promise<void> {
    this.#clocks = new Map()
    this.#ownClock = new LocalClock(this.clock)
    this.#weather = this.#newWeather()
    const random = seededRandom(streamOf(this.seed, `cluster ${++this.#lives}`).int(2 ** 31))
    const options = { ...this.#options, clock: this.#ownClock, random }
    const clockOf = (nodeId: number): LocalClock => this.clockOf(nodeId)
    const simulation = { weather: this.#weather, clockOf }
    // Loading them takes real time, which no simulated clock knows of.
    const cluster = await Cluster.onDisk(this.disk.current, options, simulation, parts)
    for (const name of EVENT_NAMES) {
      cluster.on(name, event => {
        if (this.#cluster === cluster || this.#cluster === undefined) this.onEvent(name, event)
      })
    }
    this.#cluster = cluster
  }

  /** Resolves with it, or when the cluster has died: then it never comes to pass. */
  async orDeath(done: Promise<void>): Promise<void> {
    await Promise.race([done, this.#death.promise])
  }

  /** A process that runs a program; `start` begins its first life. */
  process(name: string, program: Program): AppProcess {
    const made = new AppProcess({
      name,
      program,
      clock: this.clock,
      cluster: () => this.cluster,
      onEnd: (process, error) => this.onProgramEnd(process, error),
    })
    this.processes.set(name, made)
    return made
  }

  /** The computer loses power: cluster and processes die, unsynced bytes are damaged. */
  cutPower(damage: Damage): void {
    this.#die()
    this.disk.cutPower(damage)
  }

  /** The process that holds the cluster and all others dies; the system lives on. */
  endProcess(): void {
    this.#die()
    this.disk.endProcess()
  }

  async close(): Promise<void> {
    for (const process of this.processes.values()) {
      if (process.state === 'dead') process.kill()
      else await process.close()
    }
    await this.cluster.close()
    this.#cluster = undefined
  }

  /**
   * Lets time pass until it is done, or until `limitMs` more have passed: then it rejects. Calls
   * `afterStep` whenever everything has come to rest.
   */
  async passing<T>(done: Promise<T>, limitMs: number, afterStep?: () => void): Promise<T> {
    const endMs = this.clock.monotonicMs() + limitMs
    let isOver = false
    const noted = done.finally(() => (isOver = true))
    noted.catch(() => undefined)
    for (let idleTurns = 0; idleTurns < IDLE_TURNS_MAX;) {
      idleTurns = (await this.clock.step(endMs)) ? 0 : idleTurns + 1
      if (isOver) return await noted
      if (idleTurns === 0) afterStep?.()
    }
    this.clock.moveTo(endMs)
    throw new NotDoneError(`not done within ${limitMs} ms of the world's time`)
  }

  /** Lets this much time pass. */
  async pass(ms: number, afterStep?: () => void): Promise<void> {
    const endMs = this.clock.monotonicMs() + ms
    while (await this.clock.step(endMs)) afterStep?.()
    this.clock.moveTo(endMs)
  }

  #die(): void {
    for (const clock of [this.#ownClock, ...this.#clocks.values()]) clock.end()
    for (const process of this.processes.values()) process.kill()
    this.#cluster = undefined
    this.#death.resolve()
    this.#death = deferred()
  }

  #newWeather(): SimWeather {
    const random = streamOf(this.seed, `network ${this.#lives}`)
    return new SimWeather(random, nodeId => this.#clocks.get(nodeId))
  }
}

function deferred() {
  let resolve = (): void => undefined
  const promise = new Promise<void>(done => (resolve = done))
  return { promise, resolve }
}
