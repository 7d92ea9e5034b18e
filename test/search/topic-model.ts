/** What a topic is to its administrators: there or not, its partitions, its settings. */

import type { Change } from './history.js'
import type { Model } from './linearizable.js'

interface Topic {
  readonly partitions: number
  /** Those that are not defaults. */
  readonly settings: Readonly<Record<string, string>>
}

type State = Topic | undefined

const ABSENT = 'UNKNOWN_TOPIC_OR_PARTITION'

/**
 * With `mayRepeat` a refusal may be the answer to the second attempt of a call whose first one took
 * effect: its answer was lost.
 */
export function topicModel(mayRepeat: boolean): Model<State, Change> {
  const effect = (state: State, change: Change): readonly State[] => {
    const { after, answer } = done(state, change)
    if (change.answer === 'unknown') return after === state ? [] : [after]
    if (change.answer === answer) return [after]
    if (isUndecided(change.answer)) return [state, after]
    const again = done(after, change)
    return mayRepeat && answer === 'ok' && change.answer === again.answer ? [after] : []
  }
  return { start: undefined, effect, keyOf: state => JSON.stringify(state ?? null) }
}

/** Errors that say nothing about the topic. */
function isUndecided(answer: string): boolean {
  const decided = new Set(['ok', ABSENT, 'TOPIC_ALREADY_EXISTS', 'INVALID_PARTITIONS'])
  return /^[A-Z_]+$/.test(answer) && !decided.has(answer)
}

/** What a change makes of the topic, and the right answer. */
function done(state: State, change: Change): { readonly after: State; readonly answer: string } {
  if (change.act === 'make') {
    if (state !== undefined) return { after: state, answer: 'TOPIC_ALREADY_EXISTS' }
    const { partitions } = change
    return { after: { partitions, settings: changed({}, change.settings) }, answer: 'ok' }
  }
  if (state === undefined) return { after: state, answer: ABSENT }
  const { partitions, settings } = state
  switch (change.act) {
    case 'delete':
      return { after: undefined, answer: 'ok' }
    case 'grow':
      if (change.partitions <= partitions) return { after: state, answer: 'INVALID_PARTITIONS' }
      return { after: { ...state, partitions: change.partitions }, answer: 'ok' }
    case 'set':
      return { after: { ...state, settings: changed(settings, change.settings) }, answer: 'ok' }
    case 'count':
      return { after: state, answer: String(partitions) }
    case 'look':
      return { after: state, answer: JSON.stringify(Object.entries(settings).sort()) }
  }
}

function changed(
  settings: Readonly<Record<string, string>>,
  changes: Readonly<Record<string, string | null>>,
): Record<string, string> {
  const all = Object.entries({ ...settings, ...changes })
  return Object.fromEntries(
    all.filter((entry): entry is [string, string] => entry[1] !== null).sort(),
  )
}
