/* States as a table: a row per state names the states it may follow and what holds in it. */

import { assert } from './assert.js'

export interface StateRow<S extends string> {
  /** The states it may follow. */
  readonly follows: readonly S[]
}

export type StateTable<S extends string> = Readonly<Record<S, StateRow<S>>>

type StepListener = (table: StateTable<string>, from: string, to: string) => void

let onStep: StepListener | undefined

/** Calls `listener` with every step of every table: searches count which they have seen. */
export function watchSteps(listener: StepListener | undefined): void {
  onStep = listener
}

/** Asserts that the table allows the step from one state to the other. */
export function checkStep<S extends string>(table: StateTable<S>, from: S, to: S): void {
  onStep?.(table, from, to)
  if (!table[to].follows.includes(from)) assert(false, `${from} → ${to} is no step of the table`)
}
