/*
 * What the simulated network does to each message while a test disturbs it: it takes its time, is
 * overtaken, gets lost, arrives twice, waits for a process that is paused.
 */

import type { Random } from '../../base/random.js'
import type { Weather, WeatherRoute } from '../../cluster/network/weather.js'
import { chance } from './streams.js'
import type { LocalClock } from './sim-clock.js'

/** One disturbance of some messages; it ends when it is removed. */
export interface Front {
  /** Which messages it concerns. */
  readonly matches: (route: WeatherRoute, isAnswer: boolean) => boolean
  /** How long messages take: up to this many milliseconds. */
  readonly delayMaxMs?: number
  /** How many of 100 messages are lost. */
  readonly lossPercent?: number
  /** How many of 100 requests arrive a second time, up to this many milliseconds later. */
  readonly repeatPercent?: number
  readonly repeatMaxMs?: number
  /** Messages may overtake each other. */
  readonly isReordering?: boolean
}

export class SimWeather implements Weather {
  onChange: (() => void) | undefined
  onReachChange: (() => void) | undefined
  readonly #random: Random
  /** Undefined for nodes that never stand still. */
  readonly #clockOf: (nodeId: number) => LocalClock | undefined
  readonly #fronts = new Set<Front>()
  readonly #paused = new Set<number>()
  /** What has happened to messages, by kind. */
  readonly counts = { delayed: 0, lost: 0, repeated: 0, held: 0 }

  constructor(random: Random, clockOf: (nodeId: number) => LocalClock | undefined) {
    this.#random = random
    this.#clockOf = clockOf
  }

  /** From now on; the returned function ends it. */
  begin(front: Front): () => void {
    this.#fronts.add(front)
    this.onChange?.()
    return () => {
      this.#fronts.delete(front)
      this.onChange?.()
    }
  }

  clear(): void {
    this.#fronts.clear()
    this.onChange?.()
  }

  /** The node stands still: nothing of it runs, and what is sent to it waits. */
  pause(nodeId: number): void {
    this.#clockOf(nodeId)?.pause()
    this.#paused.add(nodeId)
    this.onChange?.()
    this.onReachChange?.()
  }

  resume(nodeId: number): void {
    if (!this.#paused.delete(nodeId)) return
    this.onChange?.()
    this.#clockOf(nodeId)?.resume()
    this.onReachChange?.()
  }

  get isCalm(): boolean {
    return this.#fronts.size === 0 && this.#paused.size === 0
  }

  separates(a: number, b: number): boolean {
    return this.#paused.has(a) || this.#paused.has(b)
  }

  isAwake(route: WeatherRoute, isAnswer: boolean): boolean {
    return !this.#paused.has(isAnswer ? route.from : route.to)
  }

  loses(route: WeatherRoute, isAnswer: boolean): boolean {
    const isLost = this.#at(route, isAnswer).some(({ lossPercent = 0 }) =>
      chance(this.#random, lossPercent),
    )
    if (isLost) this.counts.lost++
    return isLost
  }

  repeatsAfterMs(route: WeatherRoute): number | undefined {
    for (const { repeatPercent = 0, repeatMaxMs = 0 } of this.#at(route, false)) {
      if (!chance(this.#random, repeatPercent)) continue
      this.counts.repeated++
      return this.#random.int(repeatMaxMs + 1)
    }
    return undefined
  }

  delayMs(route: WeatherRoute, isAnswer: boolean): number {
    const limits = this.#at(route, isAnswer).map(({ delayMaxMs = 0 }) => delayMaxMs)
    const delayMs = limits.reduce((sum, limit) => sum + this.#random.int(limit + 1), 0)
    if (delayMs > 0) this.counts.delayed++
    return delayMs
  }

  isOrdered(route: WeatherRoute, isAnswer: boolean): boolean {
    return !this.#at(route, isAnswer).some(({ isReordering = false }) => isReordering)
  }

  /** A message to a node that is paused waits until the node goes on. */
  arrive(route: WeatherRoute, isAnswer: boolean, go: () => void): void {
    const receiver = this.#clockOf(isAnswer ? route.from : route.to)
    if (receiver === undefined) return go()
    if (receiver.state === 'paused') this.counts.held++
    receiver.whenRunning(go)
  }

  #at(route: WeatherRoute, isAnswer: boolean): Front[] {
    return [...this.#fronts].filter(front => front.matches(route, isAnswer))
  }
}
