/*
 * What else happens to messages than the rules of a test say: a simulated world lets them get lost,
 * arrive late, twice or in another order, and lets nodes stand still (testing/simulation). Without
 * one the weather is calm and costs nothing.
 */

import type { Clock } from '../../base/clock.js'
import type { FaultRoute } from '../faults/faults.js'
import type { Route } from './network-rules.js'

/** A message on its way: its kind, sender, receiver and client. An answer has its request's. */
export type WeatherRoute = Route & Pick<FaultRoute, 'client'>

export interface Weather {
  /** True while messages pass as if there were no weather. */
  readonly isCalm: boolean
  /** Called when `isCalm` may have changed. */
  onChange: (() => void) | undefined
  /** Called when `separates` may have changed. */
  onReachChange: (() => void) | undefined
  /** True while one of the nodes stands still: they do not reach each other. */
  separates(a: number, b: number): boolean
  /** True if this message does not arrive; its sender gets an error. */
  loses(route: WeatherRoute, isAnswer: boolean): boolean
  /** How much later this request arrives a second time; undefined: it does not. */
  repeatsAfterMs(route: WeatherRoute): number | undefined
  delayMs(route: WeatherRoute, isAnswer: boolean): number
  /** False if this message may overtake others. */
  isOrdered(route: WeatherRoute, isAnswer: boolean): boolean
  /** False while the receiver stands still. */
  isAwake(route: WeatherRoute, isAnswer: boolean): boolean
  /** Calls `go` now, when the receiver goes on, or never. */
  arrive(route: WeatherRoute, isAnswer: boolean, go: () => void): void
}

/** What a simulated world gives to the cluster in it. */
export interface Simulation {
  readonly weather: Weather
  /** The clock of a broker, or of the controller (CONTROLLER). */
  readonly clockOf: (nodeId: number) => Clock
}

export const CALM: Weather = {
  isCalm: true,
  onChange: undefined,
  onReachChange: undefined,
  separates: () => false,
  loses: () => false,
  repeatsAfterMs: () => undefined,
  delayMs: () => 0,
  isOrdered: () => true,
  isAwake: () => true,
  arrive: (_route, _isAnswer, go) => go(),
}

/**
 * A copy of a request: the sender may use the bytes of the first one again before the second one
 * arrives.
 */
export function copyOfRequest<T>(value: T): T {
  if (value instanceof Uint8Array) return Buffer.from(value) as unknown as T
  if (Array.isArray(value)) return value.map(copyOfRequest) as unknown as T
  if (typeof value !== 'object' || value === null) return value
  const fields = Object.entries(value).map(([name, field]) => [name, copyOfRequest(field)])
  return Object.fromEntries(fields) as T
}
